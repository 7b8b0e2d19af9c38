//! The one place of the binary that reads the clocks, so that everything else takes `now`.
//!
//! Monotonic time counts from the start of the process. Wall time is what the machine says; whether to
//! trust it is for whoever shows or judges it ([`WALL_FLOOR`]).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sitewarden_core::{Monotonic, Now, Timestamp};

/// 2026-01-01: a box whose clock is before its own firmware has no valid time.
pub(crate) const WALL_FLOOR: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// How far the clock may be behind the newest record of the site log: time servers set clocks back by seconds.
const SLACK: Duration = Duration::from_secs(120);

/// What is wrong with a clock that says `now` while the site log has a record of `newest`; the text says what to do.
pub(crate) fn trouble(now: Timestamp, newest: Option<Timestamp>) -> Option<&'static str> {
    if now < WALL_FLOOR {
        return Some(
            "the box's clock is before its own software was made; set the time or give the box a time server",
        );
    }
    newest.is_some_and(|newest| newest.before(SLACK) > now).then_some(
        "the box's clock is behind the newest record of its site log; set the time or give the box a time server",
    )
}

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
        self.start + Duration::from_micros(at.micros())
    }
}

/// Wall time as the machine says it; before 1970 counts as 1970.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_the_software_or_behind_the_log_is_told_and_a_correction_by_seconds_is_not() {
        let (now, second) = (WALL_FLOOR.after(Duration::from_secs(3600)), Duration::from_secs(1));
        assert_eq!(trouble(now, None), None);
        assert_eq!(trouble(now, Some(now.after(SLACK))), None);
        let behind = trouble(now, Some(now.after(SLACK + second))).expect("behind");
        assert!(behind.contains("behind the newest record") && behind.contains("set the time"), "{behind}");
        let lost = trouble(Timestamp::from_seconds(0), None).expect("1970 is past");
        assert!(lost.contains("before its own software") && lost.contains("set the time"), "{lost}");
    }
}
