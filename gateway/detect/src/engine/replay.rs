//! What a caller needs to replay calls on a restored engine: which calls counted, at what time, under which rules.
//!
//! Not the log of calls, which is the caller's. Invariant: calls that did not move [`Engine::touched`] may be left out
//! of a replay, and the state is the same.

use std::sync::Arc;

use sitewarden_core::Monotonic;

use super::{Engine, State, fresh};
use crate::rule::Rule;

impl Engine {
    /// Moves whenever a call may have changed what the rules remember.
    #[must_use]
    pub fn touched(&self) -> u64 {
        self.total.touched()
    }

    /// Monotonic time of the latest call. A snapshot restored with this time as `now` shifts no deadline.
    #[must_use]
    pub fn time(&self) -> Monotonic {
        Monotonic::from_micros(self.mono.max(0).cast_unsigned())
    }

    /// What the inventory was told to know, as [`Engine::set_inventory`] took it.
    #[must_use]
    pub fn inventory(&self) -> &[Vec<(Arc<str>, Arc<str>)>] {
        &self.inventory
    }

    /// A mark for each rule that remembers anything; it changes with the rule's text and with what it refers to.
    pub fn marks(&self) -> impl Iterator<Item = u64> + '_ {
        let remembers =
            |(rule, state): (&Arc<Rule>, &State)| (!matches!(state, State::None)).then(|| rule.mark());
        self.set.rules().iter().zip(&self.states).filter_map(remembers)
    }

    /// Makes the rules with these marks forget, as [`Engine::replace`] does with rules that are new.
    pub fn begin_anew(&mut self, is_new: impl Fn(u64) -> bool) {
        for (rule, state) in self.set.rules().iter().zip(&mut self.states) {
            if is_new(rule.mark()) {
                *state = fresh(rule, self.limits, &self.total);
            }
        }
        self.look_what_goes_on();
        self.apply_inventory();
        self.rebuild_timers();
    }
}
