//! Words for what a line dropped, how often trouble is told, and how much a line may bring.
//!
//! Invariant: whatever a line does, it tells the rules at most one event of a kind in [`LINE_TELLS`].

use std::collections::HashMap;

use sitewarden_core::Monotonic;
use sitewarden_wire::frame::FrameError;
use sitewarden_wire::server::{Dropped, OfferError};
use sitewarden_wire::session::SessionError;

use crate::limits::LINE_TELLS;

/// The counter's name of a dropped frame, and the action of its event.
pub(super) const fn word(reason: &Dropped) -> (&'static str, &'static str) {
    const NOISE: &str = "frames-dropped";
    match reason {
        Dropped::Frame(FrameError::Check) => ("checksum", NOISE),
        Dropped::Frame(FrameError::TooLong) => ("too-long", NOISE),
        Dropped::Frame(FrameError::Version { .. }) => ("other-version", NOISE),
        Dropped::Frame(_) => ("no-frame", NOISE),
        Dropped::Handshake(_) => ("handshake", "handshake-refused"),
        Dropped::Session(SessionError::Replayed { .. }) => ("replayed", NOISE),
        Dropped::Session(_) => ("not-authentic", NOISE),
        Dropped::Message(_) => ("unknown-message", NOISE),
        Dropped::Finding { .. } => ("bad-signature", "bad-signature"),
        Dropped::Version(_) => ("other-version", "version-refused"),
        Dropped::Downgrade { .. } => ("downgrade", "downgrade"),
        Dropped::UnknownDevice { .. } => ("unknown-device", "unknown-device"),
        Dropped::NoSession { .. } => ("no-session", NOISE),
        Dropped::SessionReused { .. } => ("session-reused", NOISE),
        Dropped::TooManyHandshakes => ("handshake-limit", "limit-hit"),
        Dropped::NotForUs { .. } => ("not-for-us", NOISE),
        Dropped::Code(OfferError::Unknown) => ("code-unknown", "enrolment-waiting"),
        Dropped::Code(OfferError::Expired) => ("code-expired", "enrolment-refused"),
        Dropped::Code(OfferError::Used | OfferError::TooMany) => ("code-used", "enrolment-refused"),
        Dropped::NoEnrolment => ("no-enrolment", NOISE),
        Dropped::OutboxFull => ("output-full", "limit-hit"),
    }
}

/// What was told when, and how much since then was not.
#[derive(Debug, Default)]
pub(super) struct Troubles(HashMap<&'static str, (Monotonic, i64)>);

impl Troubles {
    /// How often it happened since it was told last, if it is to be told now.
    pub(super) fn tell(&mut self, action: &'static str, now: Monotonic) -> Option<i64> {
        match self.0.get_mut(action) {
            Some((last, count)) if now.since(*last) < LINE_TELLS => {
                *count += 1;
                None
            }
            Some(told) => {
                let count = told.1 + 1;
                *told = (now, 0);
                Some(count)
            }
            None => {
                self.0.insert(action, (now, 0));
                Some(1)
            }
        }
    }
}

/// So many at once, and so many more each second.
#[derive(Debug)]
pub(super) struct Bucket {
    full: u64,
    each_second: u64,
    /// In millionths.
    left: u64,
    filled: Monotonic,
}

impl Bucket {
    pub(super) fn new(full: u32, each_second: u32, now: Monotonic) -> Self {
        let full = u64::from(full) * 1_000_000;
        Self { full, each_second: u64::from(each_second), left: full, filled: now }
    }

    /// Takes one, if one is there.
    pub(super) fn take(&mut self, now: Monotonic) -> bool {
        let micros = u64::try_from(now.since(self.filled).as_micros()).unwrap_or(u64::MAX);
        self.left = self.left.saturating_add(micros.saturating_mul(self.each_second)).min(self.full);
        self.filled = now;
        let there = self.left.checked_sub(1_000_000);
        self.left = there.unwrap_or(self.left);
        there.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(3, 2, at(0));
        assert_eq!((0..5).filter(|_| bucket.take(at(0))).count(), 3);
        assert_eq!((0..5).filter(|_| bucket.take(at(1))).count(), 2);
        assert_eq!((0..50).filter(|_| bucket.take(at(1_000_000))).count(), 3);
    }

    #[test]
    fn trouble_is_told_at_once_and_then_counted() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.tell("noise", at(0)), Some(1));
        assert_eq!((1..10).filter_map(|second| troubles.tell("noise", at(second))).count(), 0);
        assert_eq!(troubles.tell("other", at(5)), Some(1));
        assert_eq!(troubles.tell("noise", at(10)), Some(10));
    }
}
