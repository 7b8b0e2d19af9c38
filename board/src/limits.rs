//! Bounds of the board: files, inputs, queues and the times at which it looks.
//!
//! Not the limits of a temperature or fan: those belong to the hardware and stand in the board file.

use std::time::Duration;

/// Largest board file in bytes; the largest shipped one has 2 kB.
pub const FILE_BYTES: u64 = 64 * 1024;

/// Most lights, contacts, temperatures, fans or serial ports of one board, each; server boards have about 20.
pub const PER_KIND: usize = 32;

/// Longest name of a light, input or port in bytes: it stands in findings and metrics.
pub const NAME_BYTES: usize = 32;

/// Largest recording in bytes; one line has about 60.
pub const RECORDING_BYTES: u64 = 8 * 1024 * 1024;

/// Time between two looks at contacts and two steps of a blinking light. A pulse in between is kept by
/// the kernel's queue of edges, so it is told, up to this much later.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Time between two measurements of temperatures and fans; cabinets warm up in minutes.
pub const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Failed looks in a row before an input counts as failed: one lost transfer on a bus is no news.
pub const FAILURES_BEFORE_TOLD: u32 = 3;

/// Time before a GPIO line, chip or bus that could not be opened is tried again.
pub const REOPEN_AFTER: Duration = Duration::from_secs(5);

/// Edges of one line that the kernel keeps between two looks; a contact that bounces makes some ten.
pub const EDGE_QUEUE: u32 = 64;

/// Edges taken from one line at one look, so that a chattering contact does not hold the loop.
pub const EDGES_PER_LOOK: usize = 256;

/// Bytes read of one file of sysfs; numbers and labels have below 64.
pub const SYSFS_BYTES: u64 = 256;

/// Entries looked at in one folder of sysfs, such as the chips under `hwmon`.
pub const SYSFS_ENTRIES: usize = 256;

/// Commands (show, locate, drive) that wait for the board's thread.
pub const COMMANDS: usize = 16;

/// Contact and fault events that wait while the rules' queue is full; the oldest stay. A person cannot open
/// a cabinet more often in the time that the queue needs.
pub const PENDING_EVENTS: usize = 256;

/// Longest time in seconds for which the locate light blinks without being asked again.
pub const LOCATE_SECONDS: u64 = 3_600;
