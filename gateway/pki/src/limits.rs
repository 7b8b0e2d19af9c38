//! Life times of keys and certificates, and bounds of what is read.

use std::time::Duration;

const DAY: u64 = 86_400;

/// Life of the site's CA: longer than the box.
pub const CA_LIFE: Duration = Duration::from_secs(20 * 365 * DAY);

/// Life of the box's server certificate; browsers accept up to 398 days.
pub const SERVER_LIFE: Duration = Duration::from_secs(90 * DAY);

/// Left of [`SERVER_LIFE`] when a new one is made.
pub const SERVER_RENEW: Duration = Duration::from_secs(30 * DAY);

/// Life of a device's certificate.
pub const DEVICE_LIFE: Duration = Duration::from_secs(365 * DAY);

/// How far a certificate begins in the past: clocks of devices are wrong.
pub const BACKDATE: Duration = Duration::from_secs(DAY);

/// Largest certificate request, in bytes; one with an RSA-4096 key has about 2 kB.
pub const CSR_BYTES: usize = 16 * 1024;

/// Words of a fingerprint: 8 words of 256 are 64 bits.
pub const FINGERPRINT_WORDS: usize = 8;
