//! Every bound of the agent, in one place.
//!
//! Sizes of the wire are in `sitewarden_wire::limits`. Times are milliseconds.
//! Invariant: whoever waits does so for one of these times and no longer.

use sitewarden_wire::limits::MAX_COSE;

/// Bytes of one entry of the finding queue: its number and the signed statement.
pub const QUEUE_ENTRY: usize = 8 + MAX_COSE;

/// Bytes that one operation of the store works with: the largest value (signed parameters), its key, rounded up.
pub const STORE_BUFFER: usize = MAX_COSE + 16;

/// Sensors on one device.
pub const MAX_SENSORS: usize = 8;

/// How long the gateway may take to answer a handshake message.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 1_000;

/// The longest pause between two handshakes: the pause doubles from [`HANDSHAKE_TIMEOUT_MS`] on.
pub const HANDSHAKE_PAUSE_MS: u64 = 30_000;

/// How long the gateway may take to commit a finding before it is sent again.
pub const ACKNOWLEDGE_TIMEOUT_MS: u64 = 2_000;

/// How often a finding is sent in one session before the session is given up.
pub const SEND_TRIES: u8 = 3;

/// Pause between two greetings: each asks for the time and shows that the device lives.
pub const HELLO_INTERVAL_MS: u64 = 60_000;

/// Shortest time between two sessions that a hint of the line can bring about: a hint is authenticated by nothing.
pub const HINT_INTERVAL_MS: u64 = 1_000;

/// How long the tamper contact must stay as it is before it counts.
pub const TAMPER_HOLD_MS: u32 = 50;

/// Samples between two reports are averaged by nobody: the last one of each sensor is sent. Shortest report interval.
pub const MIN_REPORT_MS: u32 = 100;
