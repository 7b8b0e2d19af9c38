//! Bounds of the inventory.

use std::time::Duration;

/// Most devices that are kept. When full, the device that awaits approval and was first seen longest ago
/// goes; approved ones never go by themselves.
pub const DEVICES: usize = 10_000;

/// New devices that are taken in one minute. A site gains a few a day; a sender that makes up names must
/// not fill the inventory and the site log.
pub const NEW_DEVICES_PER_MINUTE: u32 = 120;

/// Longest name, zone, note or reason that a person gives, in bytes.
pub const TEXT_BYTES: usize = 200;

/// Facts kept of one device.
pub const FACTS: usize = 32;

/// Longest fact, in bytes.
pub const FACT_BYTES: usize = 256;

/// Changes of trust shown of one device.
pub const HISTORY: usize = 100;

/// Bytes of a made password: as hard to guess as a key.
pub const PASSWORD_BYTES: usize = 32;

/// Reports closer together than this are one report with several metrics.
pub const SAME_REPORT: Duration = Duration::from_millis(500);

/// Report interval of a device that reported once only.
pub const INTERVAL_UNKNOWN: Duration = Duration::from_secs(300);

/// Longest report interval that is learned: a sensor reports at least once a day.
pub const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// Largest certificate request, in bytes.
pub const CSR_BYTES: usize = 16 * 1024;
