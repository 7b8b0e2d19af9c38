//! Bounds of the uplink, in one place.
//!
//! Each says its unit and the reason for the figure; those of a batch itself stand in the log's format.

use std::time::Duration;

/// How long a record waits for others before a batch that is not full is sent.
pub const BATCH_AGE: Duration = Duration::from_secs(1);

/// Packed batches that wait while one is under way. Beside them at most three are in memory unpacked, 1 MiB each: one is read, one
/// waits, one is packed.
pub const BATCHES_AHEAD: usize = 2;

/// Records that the store is told to be about to be sent, beyond those that are: one commit for some 16 full batches. After a start
/// the cloud may claim so many that it was not sent before that is noticed at once.
pub const KEPT_AHEAD: u64 = 16_000;

/// Longest first wait after a failure; doubled with each failure that follows.
pub const BACK_OFF_MIN: Duration = Duration::from_secs(1);

/// Longest wait between two tries, so that a box is back soon after the cloud is.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(300);

/// Longest wait that the cloud may ask for with Retry-After: an hour; more would look like a dead box.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Time between two looks at a cloud that contradicts the log: nothing is sent before a person or the cloud changed
/// something.
pub const STOPPED_RETRY: Duration = Duration::from_secs(3600);

/// Time between two heartbeats, so that the cloud tells a silent box within minutes.
pub const HEARTBEAT: Duration = Duration::from_secs(60);

/// Longest time for a connection to the cloud, TLS included.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Longest time for a registration: a person at the console waits for it.
pub const REGISTER_TIME: Duration = Duration::from_secs(8);

/// Longest answer of the cloud in bytes. An answer is a few numbers, a refusal a few sentences.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Longest text of the cloud's that is shown to people, in characters.
pub const WORDS_CHARS: usize = 300;

/// Longest address of a cloud in bytes.
pub const URL_BYTES: usize = 2_048;

/// Longest claim code in bytes.
pub const CLAIM_BYTES: usize = 256;

/// Longest file of CA certificates given at registration, in bytes. One certificate takes about 1.5 kB.
pub const CA_BYTES: usize = 64 * 1024;

/// Longest file of the system's CA certificates, in bytes; distributions ship about 250 kB.
pub const SYSTEM_CA_BYTES: u64 = 4 << 20;

/// Longest name that the cloud gives to gateway, site or tenant, in bytes.
pub const NAME_BYTES: usize = 256;

/// How long `/health` calls the uplink healthy although the cloud does not answer: links flap.
pub const HEALTHY_AGE: Duration = Duration::from_secs(900);
