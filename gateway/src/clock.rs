//! The one place of the binary that reads the clocks, so that everything else takes `now`.
//!
//! Monotonic time counts from the start of the process. Wall time is what the machine says; whether to
//! trust it is for whoever shows or judges it ([`WALL_FLOOR`]).

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sitewarden_core::{Monotonic, Now, Timestamp};

/// 2026-01-01: a box whose clock is before its own firmware has no valid time.
pub(crate) const WALL_FLOOR: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// Reads both clocks; copies share one start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic zero is now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks, read together.
    pub(crate) fn now(self) -> Now {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { wall: wall(), mono: Monotonic::from_micros(micros) }
    }

    /// When a monotonic time comes, for a timer.
    pub(crate) fn instant(self, at: Monotonic) -> Instant {
        self.start + std::time::Duration::from_micros(at.micros())
    }
}

/// Wall time as the machine says it; before 1970 counts as 1970.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
