//! One event against all rules that may concern it.
//!
//! Not how conditions are evaluated. Invariant: rules are judged in the order of the set, correlations after the
//! rules that they refer to, so that the same events give the same matches in the same order.

use std::sync::Arc;

use sitewarden_core::{FindingDraft, Now};

use super::keyed::{self, Context, Verdict};
use super::seen::Seen;
use super::view::View;
use super::{Engine, State, draft};
use crate::matcher::Hit;
use crate::rule::{Body, Rule};

impl Engine {
    /// Takes what the matcher found of an event, and feeds correlations with what matched.
    pub(super) fn judge(&mut self, hits: &[Hit], view: &View<'_>, now: Now, out: &mut Vec<FindingDraft>) {
        let set = self.set.clone();
        for hit in hits {
            let index = hit.rule as usize;
            let Some(rule) = set.rules().get(index) else { continue };
            match &rule.edge {
                None => self.matched(index, rule, view, now, out),
                Some(edge) if edge.first_seen.is_some() => self.first_seen(index, rule, view, now, out),
                Some(_) => {
                    let verdict = Verdict { condition: hit.condition, clear: hit.clear, suppressed: false };
                    self.keyed(index, rule, view, verdict, now, out);
                }
            }
        }
    }

    /// A rule without state matched.
    fn matched(&mut self, index: usize, rule: &Rule, view: &View<'_>, now: Now, out: &mut Vec<FindingDraft>) {
        let Body::Detection(detection) = &rule.body else { return };
        if !self.is_silent(index) {
            out.push(draft::plain(rule, detection, view));
        }
        self.feed(index, view, now, out);
    }

    fn keyed(
        &mut self,
        index: usize,
        rule: &Rule,
        view: &View<'_>,
        verdict: Verdict,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        let (Body::Detection(detection), Some(edge)) = (&rule.body, &rule.edge) else { return };
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
        let raised = keyed::event(&mut context, table, view, Verdict { suppressed, ..verdict });
        if let Some(going_on) = self.going_on.get_mut(index) {
            *going_on = table.len() > 0;
        }
        if self.is_silent(index) {
            out.truncate(before);
        }
        if raised {
            self.feed(index, view, now, out);
        }
    }

    fn first_seen(
        &mut self,
        index: usize,
        rule: &Rule,
        view: &View<'_>,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        let (Body::Detection(detection), Some(edge)) = (&rule.body, &rule.edge) else { return };
        let Some(first) = &edge.first_seen else { return };
        if edge.schedule.as_ref().is_some_and(|schedule| !schedule.covers(view.time))
            || edge.expr.as_ref().is_some_and(|expr| !expr.holds(view.fields()))
        {
            return;
        }
        let (Some(key), Some(value)) = (view.key(&first.key), view.key(std::slice::from_ref(&first.value)))
        else {
            return;
        };
        let suppressed = self.suppressed(index, |by| view.key(by));
        let Some(State::Seen(table)) = self.states.get_mut(index) else { return };
        let (seen, evicted) = table.entry(&key, || Seen::new(view.time));
        let (new, dropped) = seen.take(first, &value, view.time);
        table.recount(&key);
        self.stats.evicted += evicted;
        self.stats.dropped += dropped;
        if !new {
            return;
        }
        if suppressed {
            self.stats.suppressed += 1;
            return;
        }
        if !self.is_silent(index) {
            out.push(draft::first_seen(rule, detection, &key, &value, view));
        }
        self.feed(index, view, now, out);
    }

    /// Whether a finding of the rule's parent keeps a match back; `key` makes the parent's key of field names.
    pub(super) fn suppressed(&self, index: usize, key: impl Fn(&[Arc<str>]) -> Option<Arc<str>>) -> bool {
        let rule = self.set.rules().get(index);
        let Some(suppress) = rule.and_then(|rule| rule.edge.as_ref()?.suppress.as_ref()) else {
            return false;
        };
        let parent = self.set.links().parents.get(index).copied().flatten();
        let Some(key) = key(&suppress.by) else { return false };
        match parent.and_then(|parent| self.states.get(parent)) {
            Some(State::Keyed(table)) => table.get(&key).is_some_and(|keyed| keyed.hold.raised),
            Some(State::Silence(table)) => table.get(&key).is_some_and(|silence| silence.raised),
            _ => false,
        }
    }

    /// Whether the rule's matches only feed correlations.
    pub(super) fn is_silent(&self, index: usize) -> bool {
        self.set.links().silent.get(index).copied().unwrap_or(false)
    }
}
