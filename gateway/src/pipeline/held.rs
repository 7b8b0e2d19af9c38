//! Work that nobody waits for is held for a moment, so that it shares a commit with what comes next.
//!
//! A reading sent with QoS 0 has no acknowledgement that a commit could delay; one commit for each would write some
//! 12 kB to the flash for 20 bytes. Not a queue: there is one piece of held work, and whatever must be
//! committed at once (a QoS 1 message, a finding, the broker's state) takes it along. Invariants: the time of holding
//! counts from the first message; no more than [`HELD_READINGS`] readings are held; what the broker waits for is never
//! held, nor does held work take one of the broker's places for batches in flight.

use std::time::Duration;

use sitewarden_core::Monotonic;
use tokio::sync::OwnedSemaphorePermit;

use super::HELD_READINGS;
use super::prepare::Work;

/// The right to run one commit ahead of the writer; it is given back after the commit.
pub(super) type Slot = OwnedSemaphorePermit;

/// The one piece of work that is held.
pub(super) struct Held {
    linger: Duration,
    /// When the work must be committed; stays while the work is out to grow.
    due: Option<Monotonic>,
    work: Option<(Work, Slot)>,
}

impl Held {
    pub(super) const fn new(linger: Duration) -> Self {
        Self { linger, due: None, work: None }
    }

    /// Gives the held work out, to grow or to be committed.
    pub(super) const fn take(&mut self) -> Option<(Work, Slot)> {
        self.work.take()
    }

    /// When the held work must be committed.
    pub(super) const fn due(&self) -> Option<Monotonic> {
        self.due
    }

    /// Holds the work, or gives it back because it must be committed now.
    pub(super) fn hold(&mut self, work: Work, slot: Slot, now: Monotonic) -> Option<(Work, Slot)> {
        let due = *self.due.get_or_insert_with(|| now.after(self.linger));
        if work.readings.len() >= HELD_READINGS || now >= due || !work.can_wait() {
            self.due = None;
            return Some((work, slot));
        }
        self.work = Some((work, slot));
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sitewarden_core::{AssetRef, Reading, ReadingValue, TimeSource, Timestamp};
    use tokio::sync::Semaphore;

    use super::*;

    fn slot() -> Slot {
        Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a fresh semaphore has a permit")
    }

    fn quiet(readings: usize) -> Work {
        let reading = Reading {
            asset: AssetRef::new("cellar-1"),
            via: None,
            metric: "temperature".into(),
            unit: "Cel".into(),
            value: ReadingValue::Number(4.0),
            time: Timestamp::default(),
            time_source: TimeSource::Arrival,
            received: Timestamp::default(),
            trusted: true,
        };
        Work { readings: vec![reading; readings], ..Work::default() }
    }

    const fn at(millis: u64) -> Monotonic {
        Monotonic::from_micros(millis * 1_000)
    }

    #[test]
    fn work_is_held_from_its_first_message_on_and_no_longer() {
        let mut held = Held::new(Duration::from_millis(100));
        assert!(held.hold(quiet(1), slot(), at(0)).is_none());
        assert_eq!(held.due(), Some(at(100)));

        let (_, slot) = held.take().expect("it is held");
        assert!(held.hold(quiet(2), slot, at(99)).is_none(), "more of the same waits for the same moment");
        assert_eq!(held.due(), Some(at(100)));

        let (work, slot) = held.take().expect("it is held");
        let (work, _) = held.hold(work, slot, at(100)).expect("its time has come");
        assert_eq!(work.readings.len(), 2);
        assert_eq!(held.due(), None, "the next one has its own time");
    }

    #[test]
    fn what_somebody_waits_for_is_committed_at_once_and_takes_the_rest_along() {
        let mut held = Held::new(Duration::from_millis(100));
        assert!(held.hold(quiet(1), slot(), at(0)).is_none());
        let (mut work, slot) = held.take().expect("it is held");
        work.batches.push(7);
        assert!(held.hold(work, slot, at(1)).is_some());
    }

    #[test]
    fn no_more_than_the_bound_is_held_and_without_linger_nothing() {
        let mut held = Held::new(Duration::from_millis(100));
        assert!(held.hold(quiet(HELD_READINGS), slot(), at(0)).is_some());
        let mut none = Held::new(Duration::ZERO);
        assert!(none.hold(quiet(1), slot(), at(0)).is_some());
    }
}
