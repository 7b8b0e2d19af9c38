//! The state machine of a keyed condition: pending, raised, clearing, and what gaps do.
//!
//! Works on event time alone; deadlines on monotonic time are the engine's. Invariant: held time only grows by
//! steps that were observed, so neither a clock set back nor one that jumps can complete a hold.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sitewarden_core::{AssetRef, Severity, Timestamp};

use super::kept::KeptEvent;
use super::timers::after;
use crate::limits::{HOLD_EVIDENCE, LATE_SECONDS, STEP_SECONDS};
use crate::rule::edge::{Edge, OnGap};

/// The state of one key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// A finding is out.
    pub(crate) raised: bool,
    /// The condition held at the latest event.
    pub(crate) active: bool,
    /// The clear condition held at the latest event.
    clearing: bool,
    /// Time for which the condition has been seen to hold.
    held: Duration,
    /// Time for which the clear condition has been seen to hold.
    cleared: Duration,
    /// Event time of the latest event.
    pub(crate) last: Option<Timestamp>,
    /// Monotonic time of the latest event, in microseconds.
    pub(crate) mono: i64,
    /// Event time at which the condition began.
    pub(crate) first: Option<Timestamp>,
    /// What it rests on.
    pub(crate) events: Vec<Arc<KeptEvent>>,
    /// What it is about.
    pub(crate) asset: Option<AssetRef>,
    /// How bad it was told to be.
    pub(crate) severity: Option<Severity>,
}

/// One event in the scope of the rule, as this key sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) time: Timestamp,
    pub(crate) active: bool,
    pub(crate) clear: bool,
}

/// What a step comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The condition held long enough.
    Raise,
    /// Nothing was seen for longer than `max-gap`, and `on-gap` is `fire`.
    RaiseGap,
    /// The finding ends.
    Clear,
    /// The finding ends because nothing was seen for longer than `max-gap`.
    ClearGap,
}

impl Outcome {
    /// Whether a finding begins; else it ends.
    pub(crate) const fn raises(self) -> bool {
        matches!(self, Self::Raise | Self::RaiseGap)
    }
}

impl Hold {
    /// Whether an event of this time is older than the latest one of its key and does not count. One that is older
    /// by more than [`LATE_SECONDS`] comes from a clock that was set back.
    pub(crate) fn is_late(&self, time: Timestamp) -> bool {
        let behind = self.last.map_or(Duration::ZERO, |last| last.since(time));
        !behind.is_zero() && behind <= Duration::from_secs(LATE_SECONDS)
    }

    /// Takes an event that is not late. At most one gap outcome and one other, in this order.
    pub(crate) fn step(&mut self, edge: &Edge, step: Step) -> [Option<Outcome>; 2] {
        let mut delta = self.last.map_or(Duration::ZERO, |last| step.time.since(last));
        let mut outcomes = [None, None];
        match edge.max_gap {
            Some(longest) if delta > longest => {
                delta = Duration::ZERO;
                outcomes[0] = self.gap(edge.on_gap);
            }
            None if delta > edge.hold.max(Duration::from_secs(STEP_SECONDS)) => delta = Duration::ZERO,
            _ => {}
        }
        self.last = Some(step.time);
        outcomes[1] = if self.raised {
            self.raised_step(edge, step, delta)
        } else {
            self.quiet_step(edge, step, delta)
        };
        outcomes
    }

    /// The condition, which held before, begins to count at this time without an event.
    pub(crate) fn begin(&mut self, time: Timestamp, mono: i64) {
        self.active = true;
        self.held = Duration::ZERO;
        self.first = Some(time);
        self.last = self.last.max(Some(time));
        self.mono = mono;
    }

    /// A gap longer than `max-gap` was seen.
    pub(crate) fn gap(&mut self, on_gap: OnGap) -> Option<Outcome> {
        match on_gap {
            OnGap::Hold => None,
            OnGap::Clear => {
                let was = self.raised;
                self.reset();
                was.then_some(Outcome::ClearGap)
            }
            OnGap::Fire if self.raised => None,
            OnGap::Fire => {
                self.raised = true;
                Some(Outcome::RaiseGap)
            }
        }
    }

    /// When time alone would change the state; `None` when it would not.
    pub(crate) fn due(&self, edge: &Edge) -> Option<i64> {
        let left = edge.hold.saturating_sub(self.held);
        // Time beyond `max-gap` is not held time: then only an event can complete it.
        let counts = edge.max_gap.is_none_or(|longest| left <= longest);
        let hold = edge.timer && self.active && !self.raised && counts;
        let hold = hold.then(|| after(self.mono, left));
        let waits = match edge.on_gap {
            OnGap::Hold => false,
            OnGap::Clear => self.raised || self.active,
            OnGap::Fire => !self.raised && self.last.is_some(),
        };
        let gap = edge.max_gap.filter(|_| waits).map(|longest| after(self.mono, longest).saturating_add(1));
        [hold, gap].into_iter().flatten().min()
    }

    /// Time alone passed, up to `mono`; what it changes.
    pub(crate) fn pass(&mut self, edge: &Edge, mono: i64) -> Option<Outcome> {
        let quiet = Duration::from_micros(u64::try_from(mono.saturating_sub(self.mono)).unwrap_or(0));
        if edge.max_gap.is_some_and(|longest| quiet > longest) {
            return self.gap(edge.on_gap);
        }
        if edge.timer && self.active && !self.raised && self.held.saturating_add(quiet) >= edge.hold {
            self.raised = true;
            return Some(Outcome::Raise);
        }
        None
    }

    fn quiet_step(&mut self, edge: &Edge, step: Step, delta: Duration) -> Option<Outcome> {
        if !step.active {
            self.reset();
            return None;
        }
        if self.active {
            self.held = self.held.saturating_add(delta);
        } else {
            self.active = true;
            self.held = Duration::ZERO;
            self.first = Some(step.time);
        }
        self.raised = self.held >= edge.hold;
        self.raised.then_some(Outcome::Raise)
    }

    fn raised_step(&mut self, edge: &Edge, step: Step, delta: Duration) -> Option<Outcome> {
        self.active = step.active;
        if !step.clear {
            self.clearing = false;
            return None;
        }
        if self.clearing {
            self.cleared = self.cleared.saturating_add(delta);
        } else {
            self.clearing = true;
            self.cleared = Duration::ZERO;
        }
        if self.cleared < edge.clear_for {
            return None;
        }
        self.reset();
        Some(Outcome::Clear)
    }

    /// Back to quiet; only the clock of the key stays.
    pub(crate) fn reset(&mut self) {
        *self = Self { last: self.last, mono: self.mono, asset: self.asset.take(), ..Self::default() };
    }

    /// Keeps an event as evidence: the first and the latest ones.
    pub(crate) fn keep(&mut self, event: Arc<KeptEvent>) {
        if self.events.len() >= HOLD_EVIDENCE {
            self.events.remove(1);
        }
        self.events.push(event);
    }

    /// What a draft about the end of a finding needs of the state before it.
    pub(crate) fn clone_for_draft(&self) -> Self {
        if self.raised { self.clone() } else { Self::default() }
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_idle(&self) -> bool {
        !self.raised && !self.active
    }
}
