//! Keeps one failure from filling the log.
//!
//! Not a rate limit for work: only for lines. Invariant: the first failure is told at once, and what was left out is counted
//! in the next line.

use std::time::Instant;

use crate::limits::LOG_EVERY;

/// One kind of failure.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    told: Option<Instant>,
    left_out: u64,
}

impl Quiet {
    /// `Some(lines left out since)` when this failure is to be told.
    pub(crate) fn tell(&mut self, now: Instant) -> Option<u64> {
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < LOG_EVERY) {
            self.left_out += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_rest_are_counted() {
        let start = Instant::now();
        let mut quiet = Quiet::default();
        assert_eq!(quiet.tell(start), Some(0));
        assert_eq!((quiet.tell(start), quiet.tell(start)), (None, None));
        assert_eq!(quiet.tell(start + LOG_EVERY), Some(2));
        assert_eq!(quiet.tell(start + LOG_EVERY * 2), Some(0));
    }
}
