//! Bounds of the PKI slice, in one place.
//!
//! Each says its unit and the reason for the figure; what happens at the bound stands with it.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Life of the site's CA. It cannot be renewed without visiting every device and browser, so it outlives the box.
pub const CA_LIFE: Duration = Duration::from_secs(20 * 365 * DAY.as_secs());

/// Life of the box's own certificate. Short, because nobody would notice a stolen key; it is renewed when less than
/// a third is left, so that a box may be switched off for ten days.
pub const SERVER_LIFE: Duration = Duration::from_secs(30 * DAY.as_secs());

/// Life of a device's certificate. A year, because devices cannot renew by themselves yet.
pub const DEVICE_LIFE: Duration = Duration::from_secs(365 * DAY.as_secs());

/// How far certificates begin in the past, because clocks of devices go slow by minutes to hours.
pub const BACKDATE: Duration = DAY;

/// Most by which a certificate lives longer because the box's clock is behind. A clock that lost its battery is behind
/// by years; a wrong time in the log must not make a certificate that lasts for centuries.
pub const BEHIND_MAX: Duration = Duration::from_secs(20 * 365 * DAY.as_secs());

/// Largest signing request in bytes (PEM). A request with an RSA-4096 key has 2 kB.
pub const CSR_BYTES: usize = 16 * 1024;

/// Largest key or certificate file in bytes that is read from the state folder.
pub const FILE_BYTES: u64 = 64 * 1024;

/// Longest common name in characters (RFC 5280 appendix A, ub-common-name). A longer device id stands in the
/// subject alternative name alone.
pub const COMMON_NAME_CHARS: usize = 64;

/// Fewest bits of a device's RSA key.
pub const RSA_BITS: usize = 2_048;

/// Most names and addresses in the box's certificate.
pub const SERVER_NAMES: usize = 64;
