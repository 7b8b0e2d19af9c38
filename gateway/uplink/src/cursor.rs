//! The cursor: what to send next, what an answer means, and when to try again.
//!
//! Sans-I/O: sizes, answers and `now` go in, the next step comes out. It reads no clock, holds no record, knows no
//! socket. Invariants: nothing counts as sent before the cloud said that it is durable; a batch begins right behind what
//! is acknowledged; the cloud never moves the cursor beyond what was sent, nor before what the log still has; the time
//! between tries is bounded.

use std::time::Duration;

use sitewarden_core::Monotonic;
use sitewarden_log::limits::{BATCH_BYTES, BATCH_RECORDS};

use crate::limits::{BACK_OFF_MAX, BACK_OFF_MIN, BATCH_AGE, HEARTBEAT, RETRY_AFTER_MAX, STOPPED_RETRY};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the cloud how far it is.
    AskCursor,
    /// Send the records after this number, at most so many and about so many bytes.
    Send {
        /// Number of the last acknowledged record.
        after: u64,
        /// Records at most.
        records: usize,
        /// Bytes at most, before compression.
        bytes: usize,
    },
    /// Say that the box is there.
    Heartbeat,
    /// Nothing until then, or until the log grows.
    Wait(Monotonic),
}

/// What kind of failure a call ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No answer, a broken one, or one that says: later.
    Unavailable,
    /// The batch is larger than the cloud takes.
    TooLarge {
        /// Records that were in it.
        records: usize,
        /// Bytes that it had.
        bytes: usize,
    },
    /// The cloud does not know this box or does not let it in.
    Refused,
    /// The cloud says that log or checkpoint contradict what it has.
    Contradiction,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// How long the cloud asks to wait.
    pub retry_after: Option<Duration>,
    /// What happened and what to do, as a sentence for a person.
    pub words: String,
}

impl Failure {
    /// A failure that time may mend.
    #[must_use]
    pub fn unavailable(words: impl Into<String>) -> Self {
        Self { kind: FailureKind::Unavailable, retry_after: None, words: words.into() }
    }
}

/// What an answer did to the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// To this number, or it was there already.
    To(u64),
    /// Back: the cloud lost what it had acknowledged (restored from a backup), and gets it again.
    Back {
        /// Where it was.
        from: u64,
        /// Where it is now.
        to: u64,
    },
    /// Not at all: the answer makes no sense; see [`Cursor::problem`].
    Not,
}

/// How the uplink stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The cloud answers.
    Connected,
    /// It does not, or not yet; tried again by itself.
    Waiting,
    /// Nothing is sent any more: cloud and log contradict each other.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// What the cloud has is not known.
    Ask,
    Ready,
    Stopped,
}

/// The cursor of one cloud.
#[derive(Clone, Debug)]
pub struct Cursor {
    acknowledged: u64,
    sent_through: u64,
    log_size: u64,
    oldest: u64,
    phase: Phase,
    records: usize,
    bytes: usize,
    unsent_since: Option<Monotonic>,
    failures: u32,
    not_before: Monotonic,
    next_heartbeat: Monotonic,
    problem: Option<String>,
}

impl Cursor {
    /// A cursor that goes on where the store left it: the newest acknowledged record, and the newest that was ever sent.
    #[must_use]
    pub fn new(now: Monotonic, acknowledged: u64, sent_through: u64) -> Self {
        Self {
            acknowledged,
            sent_through: sent_through.max(acknowledged),
            log_size: acknowledged,
            oldest: 0,
            phase: Phase::Ask,
            records: BATCH_RECORDS,
            bytes: BATCH_BYTES,
            unsent_since: None,
            failures: 0,
            not_before: now,
            next_heartbeat: now,
            problem: None,
        }
    }

    /// The newest record that the cloud has for good.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Newest record of the log.
    #[must_use]
    pub const fn log_size(&self) -> u64 {
        self.log_size
    }

    /// How it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Stopped => State::Stopped,
            Phase::Ready if self.failures == 0 => State::Connected,
            Phase::Ready | Phase::Ask => State::Waiting,
        }
    }

    /// What went wrong last, until something goes well.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// When the next try is due, if one was put off.
    #[must_use]
    pub fn next_try(&self, now: Monotonic) -> Option<Monotonic> {
        (self.not_before > now).then_some(self.not_before)
    }

    /// The log has this many records, of which the bodies of the first `oldest` are gone.
    pub fn log_is(&mut self, now: Monotonic, size: u64, oldest: u64) {
        (self.log_size, self.oldest) = (size, oldest);
        if self.log_size <= self.acknowledged {
            self.unsent_since = None;
        } else if self.unsent_since.is_none() {
            self.unsent_since = Some(now);
        }
    }

    /// Whether there may be something to do, because the log has grown to this size, before the wait is over.
    #[must_use]
    pub fn is_woken_by(&self, size: u64) -> bool {
        let unsent = usize::try_from(size.saturating_sub(self.acknowledged)).unwrap_or(usize::MAX);
        unsent >= if self.unsent_since.is_none() { 1 } else { self.records }
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self, now: Monotonic) -> Step {
        if now < self.not_before {
            return Step::Wait(self.not_before);
        }
        if self.phase != Phase::Ready {
            return Step::AskCursor;
        }
        if now >= self.next_heartbeat {
            return Step::Heartbeat;
        }
        let Some(since) = self.unsent_since else {
            return Step::Wait(self.next_heartbeat);
        };
        let unsent = usize::try_from(self.log_size.saturating_sub(self.acknowledged)).unwrap_or(usize::MAX);
        let due = since.after(BATCH_AGE);
        if unsent >= self.records || now >= due {
            return Step::Send { after: self.acknowledged, records: self.records, bytes: self.bytes };
        }
        Step::Wait(due.min(self.next_heartbeat))
    }

    /// Records up to this one are about to be sent; to be kept by the store before they are.
    pub fn sending(&mut self, through: u64) {
        self.sent_through = self.sent_through.max(through);
    }

    /// The cloud says which record it lacks first.
    pub fn cursor_answer(&mut self, now: Monotonic, next: u64) -> Moved {
        let Some(through) = next.checked_sub(1) else {
            self.failed(
                now,
                &Failure::unavailable("The cloud asks for record 0, which no log has"),
                u64::MAX,
            );
            return Moved::Not;
        };
        if through > self.sent_through || through > self.log_size {
            return self.stop_ahead(now, through);
        }
        if through < self.oldest {
            self.stop(now, format!(
                "The cloud lacks records from {next} on, but this log begins after {}: nothing is sent. Let the cloud be restored, or forget it and register anew",
                self.oldest
            ));
            return Moved::Not;
        }
        let from = std::mem::replace(&mut self.acknowledged, through);
        self.phase = Phase::Ready;
        self.not_before = now;
        if self.acknowledged >= self.log_size {
            self.well();
        }
        self.look_again(now);
        if through < from {
            self.problem = Some(format!(
                "The cloud lost records {next} to {from}, which it had acknowledged (was it restored from a backup?): they are sent again"
            ));
            return Moved::Back { from, to: through };
        }
        Moved::To(through)
    }

    /// The cloud answered a batch of the records `first` to `last`.
    pub fn batch_answer(&mut self, now: Monotonic, first: u64, last: u64, next: u64, jitter: u64) -> Moved {
        let through = next.saturating_sub(1);
        if through > self.sent_through {
            return self.stop_ahead(now, through);
        }
        if through < first {
            let words = format!(
                "The cloud answered as if another batch had been sent: it has records up to {through}, sent were {first} to {last}"
            );
            self.failed(now, &Failure::unavailable(words), jitter);
            return Moved::Not;
        }
        self.acknowledged = through;
        self.not_before = now;
        self.records = self.records.saturating_mul(2).min(BATCH_RECORDS);
        self.bytes = self.bytes.saturating_mul(2).min(BATCH_BYTES);
        self.well();
        self.look_again(now);
        Moved::To(through)
    }

    /// The cloud answered a heartbeat and says which record it lacks first.
    pub fn heartbeat_answer(&mut self, now: Monotonic, next: u64) {
        self.next_heartbeat = now.after(HEARTBEAT);
        if next != self.acknowledged.saturating_add(1) {
            self.phase = Phase::Ask;
        } else if self.acknowledged >= self.log_size {
            self.well();
        }
    }

    /// A call failed. `jitter` is a random number: it spreads the tries of many boxes.
    pub fn failed(&mut self, now: Monotonic, failure: &Failure, jitter: u64) {
        self.problem = Some(failure.words.clone());
        match failure.kind {
            // At most ten times in a row; then it is one record, which cannot be halved.
            FailureKind::TooLarge { records, bytes } if records > 1 => {
                self.records = (records / 2).max(1);
                self.bytes = (bytes / 2).max(1);
                return;
            }
            FailureKind::Contradiction => return self.stop(now, failure.words.clone()),
            FailureKind::Refused => self.failures = self.failures.max(FAILURES_AT_MAX),
            FailureKind::Unavailable | FailureKind::TooLarge { .. } => {}
        }
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Ask;
        let asked = failure.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        self.not_before = now.after(back_off(self.failures, jitter).max(asked));
    }

    fn stop_ahead(&mut self, now: Monotonic, through: u64) -> Moved {
        let words = format!(
            "The cloud says that it has records up to {through}, but this box sent none beyond {} (was the box restored from a backup, or is this another site's registration?): nothing is sent",
            self.sent_through.min(self.log_size)
        );
        self.stop(now, words);
        Moved::Not
    }

    fn stop(&mut self, now: Monotonic, words: String) {
        self.phase = Phase::Stopped;
        self.problem = Some(words);
        self.not_before = now.after(STOPPED_RETRY);
    }

    fn well(&mut self) {
        self.failures = 0;
        self.problem = None;
    }

    /// Whether something waits, after the cursor moved. What waited before waits no longer than it did.
    fn look_again(&mut self, now: Monotonic) {
        if self.log_size <= self.acknowledged {
            self.unsent_since = None;
        } else if self.unsent_since.is_none() {
            self.unsent_since = Some(now);
        }
    }
}

/// Failures after which the wait is the longest.
const FAILURES_AT_MAX: u32 = 9;

/// Full jitter: anything up to the bound, which doubles with each failure; never less than a tenth of a second.
fn back_off(failures: u32, jitter: u64) -> Duration {
    let bound =
        BACK_OFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(FAILURES_AT_MAX)).min(BACK_OFF_MAX);
    let share = bound.as_micros().saturating_mul(u128::from(jitter)) >> 64;
    Duration::from_micros(u64::try_from(share).unwrap_or(u64::MAX)).max(BACK_OFF_MIN / 10)
}

#[cfg(test)]
mod tests;
