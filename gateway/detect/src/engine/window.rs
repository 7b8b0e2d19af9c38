//! Windows of correlated matches: one group, its latest matches in the order of their event times.
//!
//! Sigma correlation rules specification, "Correlation Types": windows slide, they have no fixed boundaries.
//! Invariant: at most [`WINDOW_EVENTS`] matches are remembered, what goes first is the oldest and is counted.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sitewarden_core::finding::EvidenceEvent;
use sitewarden_core::{AssetRef, Timestamp};

use super::kept::{ALLOCATION, KeptEvent};
use super::table::Items;
use super::timers::after;
use crate::limits::{WINDOW_EVENTS, WINDOW_EVIDENCE};
use crate::number::Number;
use crate::rule::correlation::{Condition, Correlation, Kind, Metric};

/// One match in a window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) time: Timestamp,
    /// Which event it was, counted from the start: no event is later than itself.
    pub(crate) event: u64,
    /// Which of the correlation's rules it is.
    pub(crate) rule: u16,
    /// The value that is counted, for value counts and metrics.
    pub(crate) value: Option<Arc<str>>,
}

/// The window of one group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
    /// The latest events, as evidence, each with its place among the correlation's rules.
    events: VecDeque<(u16, Arc<KeptEvent>)>,
    /// The condition held after the latest match.
    raised: bool,
    /// A condition with `not` holds and is waited for until its window has passed.
    pub(crate) waiting: Option<Waiting>,
    pub(crate) asset: Option<AssetRef>,
    /// The deadline that is queued for it.
    pub(crate) queued: Option<i64>,
}

/// When a condition with `not` began to hold.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) since: Timestamp,
    pub(crate) mono: i64,
}

/// What a match did to a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The correlation matches now.
    pub(crate) fires: bool,
    /// The match was too old to count.
    pub(crate) late: bool,
    /// Matches that had to go.
    pub(crate) dropped: u64,
}

impl Items for Window {
    fn items(&self) -> usize {
        self.entries.len() + self.events.len()
    }

    fn bytes(&self) -> usize {
        // Either all entries have a value or none.
        let valued = self.entries.back().is_some_and(|entry| entry.value.is_some());
        let value = |entry: &Entry| entry.value.as_ref().map_or(0, |value| value.len() + 2 * ALLOCATION);
        let values: usize = if valued { self.entries.iter().map(value).sum() } else { 0 };
        self.entries.capacity() * size_of::<Entry>()
            + values
            + self.events.capacity() * size_of::<(u16, Arc<KeptEvent>)>()
            + self.events.iter().map(|(_, event)| event.bytes()).sum::<usize>()
    }
}

impl Window {
    /// Takes a match.
    pub(crate) fn take(&mut self, rule: &Correlation, entry: Entry, wall: Timestamp, mono: i64) -> Taken {
        let mut taken = Taken::default();
        let time = entry.time;
        if let Some(newest) = self.entries.back().map(|entry| entry.time)
            && newest.since(time) > rule.timespan
        {
            // Whichever of the two is nearer to the box's clock is right about the time.
            let off = |time: Timestamp| time.since(wall).max(wall.since(time));
            if off(newest) <= off(time) {
                taken.late = true;
                return taken;
            }
            *self = Self { queued: self.queued, ..Self::default() };
        }
        self.expire(rule, time);
        // What has ceased entirely is something new when it comes again.
        self.raised &= !self.entries.is_empty();
        let at = self.entries.partition_point(|other| other.time <= time);
        make_room(&mut self.entries);
        self.entries.insert(at, entry);
        while self.entries.len() > WINDOW_EVENTS {
            self.entries.pop_front();
            taken.dropped += 1;
        }
        let holds = self.holds(rule);
        if rule.condition.negated() {
            self.waiting = holds.then(|| self.waiting.unwrap_or(Waiting { since: time, mono }));
        } else {
            taken.fires = holds && !self.raised;
            self.raised = holds;
        }
        taken
    }

    /// Whether a wait is over at this event time: nothing can lie in its window any more.
    pub(crate) fn is_overdue(&self, rule: &Correlation, time: Timestamp) -> bool {
        self.waiting.is_some_and(|waiting| time.since(waiting.since) > rule.timespan)
    }

    /// When a wait ends by the clock alone: the window's last instant belongs to it.
    pub(crate) fn due(&self, rule: &Correlation) -> Option<i64> {
        self.waiting.map(|waiting| after(waiting.mono, rule.timespan).saturating_add(1))
    }

    /// Keeps an event of that rule as evidence. When there is no room, the oldest of the rule that has most goes: a rule that
    /// matches often does not push out what another rests on.
    pub(crate) fn keep(&mut self, rule: u16, event: Arc<KeptEvent>) {
        if self.events.len() >= WINDOW_EVIDENCE {
            let kept = |rule: u16| self.events.iter().filter(|(other, _)| *other == rule).count();
            let most = self.events.iter().map(|(rule, _)| kept(*rule)).max();
            // The first of those that have most is the oldest of them.
            let oldest = self.events.iter().position(|(rule, _)| Some(kept(*rule)) == most);
            self.events.remove(oldest.unwrap_or(0));
        }
        make_room(&mut self.events);
        self.events.push_back((rule, event));
    }

    /// What a match rests on, as far as it was kept, in the order of the event times. Where the order of the rules counts, that is
    /// nothing before the first of them.
    pub(crate) fn evidence(&self, rule: &Correlation) -> Vec<EvidenceEvent> {
        let mut events: Vec<_> = self.events.iter().collect();
        events.sort_by_key(|(_, event)| event.time);
        let ordered = matches!(rule.kind, Kind::Temporal { ordered: true });
        let begin = if ordered { events.iter().position(|(rule, _)| *rule == 0) } else { None };
        events.into_iter().skip(begin.unwrap_or(0)).map(|(_, event)| event.evidence()).collect()
    }

    /// The latest event.
    pub(crate) fn latest(&self) -> Option<&KeptEvent> {
        self.events.back().map(|(_, event)| &**event)
    }

    /// Event times of the first and last match.
    pub(crate) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.entries.front()?.time, self.entries.back()?.time))
    }

    fn expire(&mut self, rule: &Correlation, time: Timestamp) {
        let newest = self.entries.back().map_or(time, |entry| entry.time.max(time));
        while self.entries.front().is_some_and(|entry| newest.since(entry.time) > rule.timespan) {
            self.entries.pop_front();
        }
        while self.events.front().is_some_and(|(_, event)| newest.since(event.time) > rule.timespan) {
            self.events.pop_front();
        }
    }

    /// Whether the correlation's condition holds for what is in the window.
    fn holds(&self, rule: &Correlation) -> bool {
        match &rule.condition {
            Condition::Bounds(_) => self.number(rule).is_some_and(|number| rule.condition.holds(number)),
            Condition::Rules { logic, .. } => {
                let present = self.present();
                logic.holds(&mut |index| present.contains(&index))
            }
            Condition::Ordered { branches, .. } => {
                let present = self.present();
                branches.iter().any(|branch| {
                    branch.present.iter().all(|index| present.contains(index))
                        && !branch.absent.iter().any(|index| present.contains(index))
                        && self.chain(branch.present.iter().copied()) == branch.present.len()
                })
            }
        }
    }

    fn present(&self) -> HashSet<usize> {
        self.entries.iter().map(|entry| usize::from(entry.rule)).collect()
    }

    /// How many of the wanted rules, from the first on, appear one after the other: each later than the one before
    /// it, by time and for equal times by arrival.
    fn chain(&self, wanted: impl IntoIterator<Item = usize>) -> usize {
        let mut next = wanted.into_iter();
        let mut waiting = next.next();
        let mut found = 0;
        let mut previous = None;
        for entry in &self.entries {
            let at = (entry.time, entry.event);
            if waiting == Some(usize::from(entry.rule)) && previous.is_none_or(|previous| previous < at) {
                found += 1;
                previous = Some(at);
                waiting = next.next();
            }
        }
        found
    }

    /// The number that the condition is about; `None` when there is nothing to compute it from.
    pub(crate) fn number(&self, rule: &Correlation) -> Option<Number> {
        let count = |n: usize| Some(Number::Int(i64::try_from(n).unwrap_or(i64::MAX)));
        match &rule.kind {
            Kind::EventCount => count(self.entries.len()),
            Kind::ValueCount(_) => count(
                self.entries.iter().filter_map(|entry| entry.value.as_deref()).collect::<HashSet<_>>().len(),
            ),
            Kind::Temporal { ordered: false } => {
                count(self.entries.iter().map(|entry| entry.rule).collect::<HashSet<_>>().len())
            }
            Kind::Temporal { ordered: true } => count(self.chain(0..rule.rules.len())),
            Kind::Metric(metric, _) => self.metric(*metric),
        }
    }

    fn metric(&self, metric: Metric) -> Option<Number> {
        let mut values: Vec<f64> = self
            .entries
            .iter()
            .filter_map(|entry| Number::parse(entry.value.as_deref()?))
            .map(Number::as_f64)
            .collect();
        if values.is_empty() {
            return None;
        }
        let sum: f64 = values.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "a window holds a few thousand values")]
        let count = values.len() as f64;
        let result = match metric {
            Metric::Sum => sum,
            Metric::Average => sum / count,
            Metric::Percentile(percentile) => {
                values.sort_unstable_by(f64::total_cmp);
                interpolated(&values, percentile / 100.0 * (count - 1.0))?
            }
        };
        result.is_finite().then_some(Number::Float(result))
    }
}

/// Most groups see one match and no second: the first place is made alone.
fn make_room<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() == 0 {
        queue.reserve_exact(1);
    }
}

/// The value at a fractional position, linear between its neighbours.
fn interpolated(values: &[f64], position: f64) -> Option<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position within the window"
    )]
    let below = position.floor().max(0.0) as usize;
    let low = *values.get(below)?;
    let high = values.get(below + 1).copied().unwrap_or(low);
    Some(low + (high - low) * (position - position.floor()))
}
