//! Bounds of reading what nobody wanted.

use std::time::Duration;

/// Bytes of a body that nobody wanted which are read all the same, so that the connection can take the next request. All that
/// an honest client may send to the box (1 MiB) or to the hub (a packed batch) fits.
pub const REST_BYTES: usize = 2 * 1024 * 1024;

/// Longest wait for the rest of such a body. What an honest client sends is already on its way.
pub const REST_TIME: Duration = Duration::from_secs(2);
