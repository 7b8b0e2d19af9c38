//! How much one client may publish in a second, in messages and in bytes.
//!
//! One debt in nanoseconds for each connection: a message adds the time that it is worth under the tighter of
//! both bounds, passing time takes it off. Not back-pressure of the pipeline and not fairness between clients.
//! Invariants: nothing is dropped, the client is read no further until its debt is small again; below a
//! second's worth no client notices.

use sitewarden_core::time::{Monotonic, Now};

use super::Core;
use super::slab::Key;
use super::timers::Timer;
use crate::limits::{BURST_MILLIS, Limit, Limits, PAUSE_MILLIS};

const NANOS: u64 = 1_000_000_000;
const NANOS_IN_MILLI: u64 = 1_000_000;

/// What one connection has published ahead of its rate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When its debt is paid, in nanoseconds of monotonic time.
    paid_at: u64,
    /// While it is read no further: until when.
    pub(crate) paused: Option<Monotonic>,
}

impl Pace {
    /// Takes a message. When the client is too far ahead: until when it is to wait, and under which bound.
    fn take(&mut self, now: Monotonic, bytes: u64, limits: &Limits) -> Option<(Monotonic, Limit)> {
        let by_count = NANOS / u64::from(limits.messages_per_second.max(1));
        let by_bytes = bytes.saturating_mul(NANOS) / limits.bytes_per_second.max(1);
        let (cost, limit) = if by_bytes > by_count {
            (by_bytes, Limit::BytesPerSecond)
        } else {
            (by_count, Limit::MessagesPerSecond)
        };
        let now = now.micros().saturating_mul(1_000);
        self.paid_at = self.paid_at.max(now).saturating_add(cost);
        let ahead = self.paid_at - now;
        if ahead <= BURST_MILLIS * NANOS_IN_MILLI {
            return None;
        }
        let resume = self.paid_at - (BURST_MILLIS - PAUSE_MILLIS) * NANOS_IN_MILLI;
        Some((Monotonic::from_micros(resume.div_ceil(1_000)), limit))
    }
}

impl Core {
    /// Counts a message against the rate of its client, which is paused when it is too far ahead.
    pub(super) fn pace(&mut self, now: Now, key: Key, bytes: usize) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let pace = &mut conn.publisher.get_or_insert_default().pace;
        let Some((until, limit)) = pace.take(now.mono, bytes, &self.limits) else { return };
        if let Some(old) = pace.paused.replace(until) {
            self.timers.remove(old, &Timer::Pace(key));
        }
        self.timers.add(until, Timer::Pace(key));
        self.hit(now, key, limit);
    }

    /// The client may be read again.
    pub(super) fn resume_reading(&mut self, key: Key) {
        if let Some(publisher) = self.conns.get_mut(key).and_then(|conn| conn.publisher.as_deref_mut()) {
            publisher.pace.paused = None;
        }
    }

    /// The connection ends: its pause goes with it.
    pub(super) fn forget_pace(&mut self, key: Key) {
        let publisher = self.conns.get_mut(key).and_then(|conn| conn.publisher.as_deref_mut());
        if let Some(at) = publisher.and_then(|publisher| publisher.pace.paused.take()) {
            self.timers.remove(at, &Timer::Pace(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Seconds that a client needs for so many messages when it sends as fast as it is read.
    fn seconds_for(messages: u64, bytes: u64, limits: &Limits) -> f64 {
        let (mut pace, mut now) = (Pace::default(), Monotonic::from_micros(5_000_000));
        for _ in 0..messages {
            if let Some((until, _)) = pace.take(now, bytes, limits) {
                assert!(until > now);
                now = until;
            }
        }
        Duration::from_micros(now.micros() - 5_000_000).as_secs_f64()
    }

    #[test]
    fn a_burst_is_free_and_the_rest_comes_at_the_rate() {
        let limits = Limits { messages_per_second: 100, bytes_per_second: 10_000, ..Limits::default() };
        assert_eq!(seconds_for(100, 0, &limits), 0.0);
        let long = seconds_for(1_100, 0, &limits);
        assert!((9.0..=11.0).contains(&long), "by count: {long}");
        let large = seconds_for(110, 1_000, &limits);
        assert!((9.0..=11.0).contains(&large), "by bytes: {large}");
    }

    #[test]
    fn the_defaults_do_not_touch_a_device_that_sends_a_megabyte_each_second() {
        let limits = Limits::default();
        let mut pace = Pace::default();
        for second in 0..100_u64 {
            let now = Monotonic::from_micros(second * 1_000_000);
            assert!((0..10_000).all(|_| pace.take(now, 100, &limits).is_none()));
        }
    }
}
