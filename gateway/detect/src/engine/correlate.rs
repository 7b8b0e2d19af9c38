//! Matches as events of correlations, and everything that the clock alone decides.
//!
//! Not the windows themselves. Invariant: feeding ends, since a set has no circle of correlations; and a key whose
//! deadline came up is queued again as long as it waits for something.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use sitewarden_core::{FindingDraft, Now};

use super::keyed::{self, Context};
use super::silence::{Asked, Silence};
use super::table::Table;
use super::timers::after;
use super::view::{SEPARATOR, View, fields_of};
use super::window::{Entry, Window};
use super::{Engine, State, draft};
use crate::rule::correlation::{Correlation, Kind};
use crate::rule::edge::Edge;
use crate::rule::{Body, Rule};

mod inventory;

impl Engine {
    /// A rule matched on this event: tells the correlations that refer to it, and those that refer to them.
    pub(super) fn feed(&mut self, index: usize, view: &View<'_>, now: Now, out: &mut Vec<FindingDraft>) {
        let set = self.set.clone();
        // First all that refer to a match are told of it, then what comes of that.
        let mut open = VecDeque::from([index]);
        while let Some(base) = open.pop_front() {
            for (referrer, position) in set.links().referrers.get(base).into_iter().flatten() {
                let Some(rule) = set.rules().get(*referrer) else { continue };
                let Body::Correlation(correlation) = &rule.body else { continue };
                let fires = match &rule.edge {
                    Some(edge) if edge.timer => {
                        self.arrival(*referrer, rule, (correlation, edge, *position), view, out);
                        false
                    }
                    _ => self.count(*referrer, rule, (correlation, *position), view, now, out),
                };
                if fires {
                    open.push_back(*referrer);
                }
            }
        }
    }

    /// One more match for a correlation; whether it matches now.
    fn count(
        &mut self,
        index: usize,
        rule: &Rule,
        (correlation, position): (&Correlation, usize),
        view: &View<'_>,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) -> bool {
        let edge = rule.edge.as_ref();
        if edge.and_then(|edge| edge.schedule.as_ref()).is_some_and(|schedule| !schedule.covers(view.time)) {
            return false;
        }
        let fields = correlation.group_by.get(position).map(Vec::as_slice).unwrap_or_default();
        let Some(key) = view.key(fields) else { return false };
        let value = match &correlation.kind {
            Kind::ValueCount(fields) => view.key(fields),
            Kind::Metric(_, field) => view.key(std::slice::from_ref(field)),
            _ => None,
        };
        let overdue = match self.states.get(index) {
            Some(State::Window(table)) => {
                table.get(&key).is_some_and(|window| window.is_overdue(correlation, view.time))
            }
            _ => false,
        };
        if overdue {
            self.end_of_wait(index, rule, correlation, &key, now, out);
        }
        let suppressed = self.suppressed(index, |by| view.key(by));
        let silent = self.is_silent(index);
        let mono = self.mono;
        let event = self.stats.events;
        let Some(State::Window(table)) = self.states.get_mut(index) else { return false };
        let (window, evicted) = table.entry(&key, Window::default);
        self.stats.evicted += evicted;
        let rule_index = u16::try_from(position).unwrap_or(u16::MAX);
        let entry = Entry { time: view.time, event, rule: rule_index, value };
        let taken = window.take(correlation, entry, now.wall, mono);
        self.stats.dropped += taken.dropped;
        if taken.late {
            self.stats.late += 1;
            return false;
        }
        window.keep(rule_index, view.kept());
        window.asset = draft::asset_of(view).or_else(|| window.asset.take());
        let due = window.due(correlation);
        self.timers.queue(&mut window.queued, due, index, &key);
        let fires = taken.fires && !suppressed;
        if fires && !silent {
            out.push(draft::correlated(rule, correlation, &key, window, view.time));
        }
        table.recount(&key);
        self.stats.suppressed += u64::from(taken.fires && suppressed);
        fires
    }

    /// A condition with `not` held until its window had passed: that is the match, at the window's end, and the
    /// latest event of the window is the one that correlations of correlations see.
    fn end_of_wait(
        &mut self,
        index: usize,
        rule: &Rule,
        correlation: &Correlation,
        key: &Arc<str>,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        let state = match self.states.get(index) {
            Some(State::Window(table)) => table.get(key),
            _ => None,
        };
        let Some((window, waiting)) = state.and_then(|window| Some((window, window.waiting?))) else {
            return;
        };
        let fields = window.latest().map(fields_of).unwrap_or_default();
        let time = waiting.since.after(correlation.timespan);
        let view = View::new(&fields, time, window.asset.clone());
        let suppressed = self.suppressed(index, |by| view.key(by));
        if !suppressed && !self.is_silent(index) {
            out.push(draft::correlated(rule, correlation, key, window, time));
        }
        if let Some(State::Window(table)) = self.states.get_mut(index) {
            // Nothing is left to remember; the entry in the queue of deadlines finds no key and is dropped.
            table.remove(key);
        }
        self.stats.suppressed += u64::from(suppressed);
        if !suppressed {
            self.feed(index, &view, now, out);
        }
    }

    /// An event of a group that is waited for.
    fn arrival(
        &mut self,
        index: usize,
        rule: &Rule,
        (correlation, edge, position): (&Correlation, &Edge, usize),
        view: &View<'_>,
        out: &mut Vec<FindingDraft>,
    ) {
        let Some(asked) = asked(correlation) else { return };
        let fields = correlation.group_by.get(position).map(Vec::as_slice).unwrap_or_default();
        let Some(key) = view.key(fields) else { return };
        let grace_ends = after(self.started.unwrap_or(self.mono), edge.start_grace);
        let mono = self.mono;
        let Some(State::Silence(table)) = self.states.get_mut(index) else { return };
        if edge.inventory && table.get(&key).is_none() {
            return;
        }
        let (silence, evicted) = table.entry(&key, || Silence::new(mono));
        self.stats.evicted += evicted;
        let ends = silence.arrive(asked, mono, view.time);
        let before = ends.then(|| silence.clone());
        if !edge.collapse_by.is_empty() {
            silence.collapse = view.key(&edge.collapse_by).or_else(|| silence.collapse.take());
        }
        if let Some(suppress) = &edge.suppress {
            silence.parent = view.key(&suppress.by).or_else(|| silence.parent.take());
        }
        if silence.asset.is_none() {
            silence.asset = draft::asset_of(view);
        }
        let due = silence.due(asked, grace_ends);
        self.timers.queue(&mut silence.queued, due, index, &key);
        table.recount(&key);
        // The finding that ends was told under the group of then.
        if let Some(draft) = before.and_then(|before| self.end_of_silence(index, rule, &key, &before, view)) {
            out.push(draft);
        }
    }

    /// The end of a finding on silence; of a collapsed one only with its last group.
    fn end_of_silence(
        &self,
        index: usize,
        rule: &Rule,
        key: &Arc<str>,
        silence: &Silence,
        view: &View<'_>,
    ) -> Option<FindingDraft> {
        let Some(collapse) = &silence.told else {
            return Some(draft::heard_again(rule, key, silence.asset.clone(), view.time));
        };
        let Some(State::Silence(table)) = self.states.get(index) else { return None };
        let others = table.iter().any(|(_, other)| other.raised && other.told.as_ref() == Some(collapse));
        (!others).then(|| draft::heard_again(rule, collapse, None, view.time))
    }

    /// Runs the deadlines that are due.
    pub(super) fn run_timers(&mut self, now: Now, out: &mut Vec<FindingDraft>) {
        let set = self.set.clone();
        let mut collapsed: BTreeSet<(usize, Arc<str>)> = BTreeSet::new();
        while let Some((due, index, key)) = self.timers.pop(self.mono) {
            let Some(rule) = set.rules().get(index) else { continue };
            if !self.unqueue(index, &key, due) {
                continue;
            }
            match (&rule.body, &rule.edge) {
                (Body::Detection(_), Some(_)) => self.time_keyed(index, rule, &key, now, out),
                (Body::Correlation(correlation), Some(edge)) if edge.timer => {
                    if let Some(group) = self.time_silence(index, rule, (correlation, edge), &key, now, out) {
                        collapsed.insert((index, group));
                    }
                }
                (Body::Correlation(correlation), _) => {
                    self.time_window(index, rule, correlation, &key, now, out)
                }
                _ => {}
            }
        }
        for (index, group) in collapsed {
            let (Some(rule), Some(State::Silence(table))) = (set.rules().get(index), self.states.get(index))
            else {
                continue;
            };
            if !self.is_silent(index) {
                out.push(draft::collapsed(rule, &group, table, now.wall));
            }
        }
    }

    /// Whether the entry that came up is the one that its state has queued.
    fn unqueue(&mut self, index: usize, key: &str, due: i64) -> bool {
        let queued = match self.states.get_mut(index) {
            Some(State::Keyed(table)) => table.get_mut(key).map(|keyed| &mut keyed.queued),
            Some(State::Silence(table)) => table.get_mut(key).map(|silence| &mut silence.queued),
            Some(State::Window(table)) => table.get_mut(key).map(|window| &mut window.queued),
            _ => None,
        };
        queued.is_some_and(|queued| {
            let live = *queued == Some(due);
            if live {
                *queued = None;
            }
            live
        })
    }

    fn time_keyed(
        &mut self,
        index: usize,
        rule: &Rule,
        key: &Arc<str>,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        let (Body::Detection(detection), Some(edge)) = (&rule.body, &rule.edge) else { return };
        let last = match self.states.get(index) {
            Some(State::Keyed(table)) => table.get(key).and_then(|keyed| keyed.hold.events.last().cloned()),
            _ => None,
        };
        let fields = last.as_deref().map(fields_of).unwrap_or_default();
        let time = last.as_ref().map_or(now.wall, |event| event.time);
        let view = View::new(&fields, time, None);
        let suppressed = self.suppressed(index, |by| view.key(by));
        let Some(State::Keyed(table)) = self.states.get_mut(index) else { return };
        let before = out.len();
        let mut context = Context {
            index,
            rule,
            detection,
            edge,
            mono: self.mono,
            stats: &mut self.stats,
            timers: &mut self.timers,
            out,
        };
        let raised = keyed::pass(&mut context, table, key, suppressed);
        if self.is_silent(index) {
            out.truncate(before);
        }
        if raised {
            self.feed(index, &view, now, out);
        }
    }

    fn time_window(
        &mut self,
        index: usize,
        rule: &Rule,
        correlation: &Correlation,
        key: &Arc<str>,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        let Some(State::Window(table)) = self.states.get_mut(index) else { return };
        let Some(window) = table.get_mut(key) else { return };
        match window.due(correlation) {
            None => {}
            Some(due) if due > self.mono => {
                self.timers.queue(&mut window.queued, Some(due), index, key);
            }
            Some(_) => self.end_of_wait(index, rule, correlation, key, now, out),
        }
    }

    /// A group's deadline came up. Gives the group's collapsed name when its finding is to be told with others.
    fn time_silence(
        &mut self,
        index: usize,
        rule: &Rule,
        (correlation, edge): (&Correlation, &Edge),
        key: &Arc<str>,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) -> Option<Arc<str>> {
        let asked = asked(correlation)?;
        let grace_ends = after(self.started.unwrap_or(self.mono), edge.start_grace);
        let silent = self.is_silent(index);
        let scheduled = edge.schedule.as_ref().is_none_or(|schedule| schedule.covers(now.wall));
        let parent = match self.states.get(index) {
            Some(State::Silence(table)) => table.get(key).and_then(|silence| silence.parent.clone()),
            _ => None,
        };
        let suppressed = self.suppressed(index, |_| parent.clone());
        let Some(State::Silence(table)) = self.states.get_mut(index) else { return None };
        let silence = table.get_mut(key)?;
        let due = silence.due(asked, grace_ends)?;
        if due > self.mono || suppressed || !scheduled {
            if due <= self.mono {
                self.stats.suppressed += u64::from(suppressed);
                silence.not_before = after(self.mono, asked.span);
            }
            let again = silence.due(asked, grace_ends);
            self.timers.queue(&mut silence.queued, again, index, key);
            return None;
        }
        silence.raised = true;
        silence.told = silence.collapse.clone().filter(|_| !edge.collapse_by.is_empty());
        if silence.told.is_some() {
            return silence.told.clone();
        }
        if !silent {
            out.push(draft::silent(rule, key, silence, asked, now.wall));
        }
        None
    }
}

/// What a correlation with a timer asks; `None` when it asks for no silence.
pub(super) fn asked(correlation: &Correlation) -> Option<Asked> {
    Some(Asked { count: correlation.condition.fewer_than()?, span: correlation.timespan })
}

/// The groups of a collapsed finding, in order.
pub(super) fn members<'a>(table: &'a Table<Silence>, group: &str) -> Vec<&'a Arc<str>> {
    let mut members: Vec<_> = table
        .iter()
        .filter(|(_, silence)| silence.raised && silence.told.as_deref() == Some(group))
        .map(|(key, _)| key)
        .collect();
    members.sort_unstable();
    members
}
