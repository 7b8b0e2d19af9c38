//! Absence: groups from which too few events come, judged by the monotonic clock.
//!
//! Each arrival only notes its time; the deadline is looked at when it comes up. Invariant: a restart neither makes
//! nor ends a silence, since only time during which the engine ran is counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sitewarden_core::{AssetRef, Timestamp};

use super::kept::ALLOCATION;
use super::table::Items;
use super::timers::after;

/// One group that is waited for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Silence {
    /// Monotonic times of the latest arrivals, as many as are asked for.
    arrivals: VecDeque<i64>,
    /// Since when the group is known, monotonic.
    pub(crate) known: i64,
    /// Wall time of the latest arrival.
    pub(crate) last: Option<Timestamp>,
    /// A finding is out.
    pub(crate) raised: bool,
    /// The inventory no longer knows it.
    #[serde(skip)]
    pub(crate) gone: bool,
    /// No finding before this time: a parent's finding kept one back.
    pub(crate) not_before: i64,
    pub(crate) asset: Option<AssetRef>,
    /// The values of the fields by which groups are collapsed.
    pub(crate) collapse: Option<Arc<str>>,
    /// Those values when the finding was told, which name the finding.
    pub(crate) told: Option<Arc<str>>,
    /// Values of the fields that name the parent, for suppression.
    pub(crate) parent: Option<Arc<str>>,
    /// The deadline that is queued for it.
    pub(crate) queued: Option<i64>,
}

/// What a rule on silence asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// So many events must come ..
    pub(crate) count: usize,
    /// .. in any time of this length.
    pub(crate) span: Duration,
}

impl Items for Silence {
    fn items(&self) -> usize {
        self.arrivals.len()
    }

    fn bytes(&self) -> usize {
        let texts = [&self.collapse, &self.told, &self.parent].into_iter().flatten();
        self.arrivals.capacity() * size_of::<i64>()
            + texts.map(|text| text.len() + 2 * ALLOCATION).sum::<usize>()
    }
}

impl Silence {
    pub(crate) fn new(mono: i64) -> Self {
        Self { known: mono, ..Self::default() }
    }

    /// Takes an arrival; whether it ends a silence.
    pub(crate) fn arrive(&mut self, asked: Asked, mono: i64, time: Timestamp) -> bool {
        self.arrivals.push_back(mono);
        while self.arrivals.len() > asked.count {
            self.arrivals.pop_front();
        }
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        let enough = self.arrivals.len() >= asked.count && self.due_of(asked) > mono;
        let ends = self.raised && enough;
        self.raised &= !enough;
        ends
    }

    /// When too few will have come, if nothing comes.
    fn due_of(&self, asked: Asked) -> i64 {
        let base = self.arrivals.len().checked_sub(asked.count).and_then(|at| self.arrivals.get(at));
        after(base.copied().unwrap_or(self.known), asked.span)
    }

    /// The deadline, not before the grace after the start is over.
    pub(crate) fn due(&self, asked: Asked, grace_ends: i64) -> Option<i64> {
        (!self.raised).then(|| self.due_of(asked).max(grace_ends).max(self.not_before))
    }

    /// Moves all monotonic times, after a restart.
    pub(crate) fn shift(&mut self, by: i64) {
        self.arrivals.iter_mut().for_each(|at| *at = at.saturating_add(by));
        self.known = self.known.saturating_add(by);
        self.not_before = self.not_before.saturating_add(by);
        self.queued = None;
    }
}
