//! `first-seen`: which values a key has shown, for how long they are remembered, and what is new.
//!
//! Not a hold: each new value is one match. Invariant: a key remembers at most [`FIRST_SEEN_VALUES`] values, the
//! one seen longest ago goes first and is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sitewarden_core::Timestamp;

use super::kept::ALLOCATION;
use super::table::Items;
use crate::limits::{FIRST_SEEN_VALUES, LATE_SECONDS};
use crate::rule::edge_parts::FirstSeen;

/// What one key has shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// When the key was first seen; until `learn` later it only learns.
    since: Timestamp,
    /// Each value and when it was last seen.
    values: HashMap<Arc<str>, Timestamp>,
}

impl Items for Seen {
    fn items(&self) -> usize {
        self.values.len()
    }

    fn bytes(&self) -> usize {
        let texts: usize = self.values.keys().map(|value| value.len() + 2 * ALLOCATION).sum();
        self.values.capacity() * (size_of::<(Arc<str>, Timestamp)>() + 1) + texts
    }
}

impl Seen {
    pub(crate) fn new(time: Timestamp) -> Self {
        Self { since: time, values: HashMap::new() }
    }

    /// Takes a value; whether it is new, and how many values had to go for it.
    pub(crate) fn take(&mut self, rule: &FirstSeen, value: &Arc<str>, time: Timestamp) -> (bool, u64) {
        let late = Duration::from_secs(LATE_SECONDS);
        if self.since.since(time) > late {
            // The clock was set back: what it claimed before would keep the key learning for as long.
            self.since = time;
        }
        if let Some(last) = self.values.get_mut(value) {
            let forgotten = time.since(*last) > rule.memory;
            *last = if last.since(time) > late { time } else { time.max(*last) };
            return (forgotten && !self.learns(rule, time), 0);
        }
        let mut dropped = 0;
        if self.values.len() >= FIRST_SEEN_VALUES {
            self.values.retain(|_, last| time.since(*last) <= rule.memory);
            if self.values.len() >= FIRST_SEEN_VALUES {
                let oldest = self.values.iter().min_by_key(|(value, last)| (**last, (*value).clone()));
                if let Some(oldest) = oldest.map(|(value, _)| value.clone()) {
                    self.values.remove(&oldest);
                    dropped = 1;
                }
            }
        }
        self.values.insert(value.clone(), time);
        (!self.learns(rule, time), dropped)
    }

    fn learns(&self, rule: &FirstSeen, time: Timestamp) -> bool {
        !rule.learn.is_zero() && time.since(self.since) < rule.learn
    }
}
