//! The one place of the broker that reads clocks.
//!
//! Invariant: both clocks are read together, once per turn of the loop.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sitewarden_core::time::{Monotonic, Now, Timestamp};

/// Reads both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Default for Clock {
    #[expect(clippy::disallowed_methods, reason = "the shell is where the broker's time comes from")]
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock {
    /// Wall and monotonic time now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the shell is where the broker's time comes from")]
    pub fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let elapsed = self.start.elapsed().as_micros();
        Now { wall, mono: Monotonic::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX)) }
    }
}
