//! Deadlines by rule and key.
//!
//! A heap in which old entries are left to lie: whoever comes up asks its state when it is really due. Invariant: at
//! most one live entry for each key that waits, since a state notes the deadline that it has queued.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

/// One deadline: monotonic microseconds, rule, key.
type Entry = Reverse<(i64, usize, Arc<str>)>;

/// The monotonic time, in microseconds, that lies a span after another.
pub(crate) fn after(mono: i64, span: Duration) -> i64 {
    mono.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 4))
}

/// All deadlines.
#[derive(Debug, Default)]
pub(crate) struct Timers(BinaryHeap<Entry>);

impl Timers {
    /// How many entries there are, overtaken ones included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The earliest deadline; it may be one that was overtaken.
    pub(crate) fn next(&self) -> Option<i64> {
        self.0.peek().map(|Reverse((due, ..))| *due)
    }

    /// Queues a deadline, unless an earlier or equal one is queued already.
    pub(crate) fn queue(&mut self, queued: &mut Option<i64>, due: Option<i64>, rule: usize, key: &Arc<str>) {
        let Some(due) = due else { return };
        if queued.is_none_or(|already| due < already) {
            *queued = Some(due);
            self.0.push(Reverse((due, rule, key.clone())));
        }
    }

    /// The next deadline that is due.
    pub(crate) fn pop(&mut self, now: i64) -> Option<(i64, usize, Arc<str>)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
