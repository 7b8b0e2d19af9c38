//! What keeps the engine's memory bounded over all rules.
//!
//! Not the bounds of one table or window. Invariant: after every call at most [`super::Limits::state_bytes`] bytes are
//! remembered and the queue of deadlines has at most two entries for each key.

use super::{Engine, State};
use crate::limits::TIMER_SLACK;

impl State {
    fn bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Keyed(table) => table.count().bytes,
            Self::Seen(table) => table.count().bytes,
            Self::Window(table) => table.count().bytes,
            Self::Silence(table) => table.count().bytes,
        }
    }

    fn evict(&mut self) -> u64 {
        match self {
            Self::None => 0,
            Self::Keyed(table) => table.evict(),
            Self::Seen(table) => table.evict(),
            Self::Window(table) => table.evict(),
            Self::Silence(table) => table.evict(),
        }
    }
}

impl Engine {
    /// Makes room when the rules together remember too much: the rule that remembers most gives up its oldest keys,
    /// so that a flood of keys of one rule costs that rule and no other.
    pub(super) fn stay_bounded(&mut self) {
        while self.total.get().bytes > self.limits.state_bytes {
            let Some(largest) = self.states.iter_mut().max_by_key(|state| state.bytes()) else { return };
            let evicted = largest.evict();
            if evicted == 0 {
                return;
            }
            self.stats.evicted += evicted;
        }
        if self.timers.len() > TIMER_SLACK && self.timers.len() > 2 * self.total.get().items + TIMER_SLACK {
            self.rebuild_timers();
        }
    }
}
