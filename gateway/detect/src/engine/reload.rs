//! Another set of rules takes over.
//!
//! Rules whose text did not change keep their state. Invariant: no finding stays open that nothing could end: what a
//! rule had raised that changed or is gone ends with the next call, and its successor tells it anew if it holds on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Engine, State, draft, fresh};
use crate::matcher::Matcher;
use crate::rule::Rule;
use crate::set::RuleSet;

/// A rule of the set before.
struct Former<'a> {
    rule: &'a Rule,
    /// Its matches only fed correlations.
    silent: bool,
    state: State,
}

impl Engine {
    /// Takes over another set. Rules whose text did not change keep their state; open findings of the others end with
    /// the next call ([`Self::next_deadline`] says that it is due).
    pub fn replace(&mut self, set: Arc<RuleSet>) {
        let old = std::mem::replace(&mut self.set, set);
        *self.matcher = Matcher::new(self.set.program().clone());
        let states = std::mem::take(&mut self.states).into_iter().zip(&old.links().silent);
        let former = old.rules().iter().zip(states);
        let mut former: BTreeMap<(Arc<str>, u64), Former<'_>> = former
            .map(|(rule, (state, silent))| {
                ((rule.id.clone(), rule.fingerprint), Former { rule, silent: *silent, state })
            })
            .collect();
        let (limits, total) = (self.limits, self.total.clone());
        let state = |rule: &Arc<Rule>| match former.remove(&(rule.id.clone(), rule.fingerprint)) {
            Some(former) => former.state,
            None => fresh(rule, limits, &total),
        };
        self.states = self.set.rules().iter().map(state).collect();
        for former in former.into_values().filter(|former| !former.silent) {
            self.end_findings_of(former.rule, &former.state);
        }
        self.look_what_goes_on();
        self.apply_inventory();
        self.rebuild_timers();
    }

    /// Ends what a rule has raised that is no longer in force as it was.
    fn end_findings_of(&mut self, rule: &Rule, state: &State) {
        let mut ended = BTreeMap::new();
        match state {
            State::Keyed(table) => {
                let raised = table.iter().filter(|(_, keyed)| keyed.hold.raised);
                ended.extend(raised.map(|(key, keyed)| (key.clone(), keyed.hold.asset.clone())));
            }
            State::Silence(table) => {
                // A group that was told with others has their name.
                let raised = table.iter().filter(|(_, silence)| silence.raised);
                ended.extend(raised.map(|(key, silence)| match &silence.told {
                    Some(name) => (name.clone(), None),
                    None => (key.clone(), silence.asset.clone()),
                }));
            }
            State::None | State::Seen(_) | State::Window(_) => {}
        }
        let drafts = ended.into_iter().map(|(key, asset)| draft::retired(rule, &key, asset, self.wall));
        self.pending.extend(drafts);
    }
}
