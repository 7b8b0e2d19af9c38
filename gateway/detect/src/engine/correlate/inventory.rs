//! Groups that the inventory names, and deadlines queued anew after states came from elsewhere.
//!
//! Not what a silence means. Invariant: after both, each key with a deadline stands in the queue once.

use std::collections::BTreeMap;

use sitewarden_core::AssetRef;

use super::*;

impl Engine {
    /// Makes the groups of rules with `groups: inventory` those of the inventory.
    pub(in crate::engine) fn apply_inventory(&mut self) {
        let set = self.set.clone();
        let assets = std::mem::take(&mut self.inventory);
        for (index, rule) in set.rules().iter().enumerate() {
            let (Body::Correlation(correlation), Some(edge)) = (&rule.body, &rule.edge) else { continue };
            let Some(asked) = asked(correlation).filter(|_| edge.inventory && edge.timer) else { continue };
            let fields = correlation.group_by.first().map(Vec::as_slice).unwrap_or_default();
            let known: BTreeMap<Arc<str>, usize> = assets
                .iter()
                .enumerate()
                .filter_map(|(at, asset)| Some((asset_key(asset, fields)?, at)))
                .collect();
            let grace_ends = after(self.started.unwrap_or(self.mono), edge.start_grace);
            let mono = self.mono;
            let Some(State::Silence(table)) = self.states.get_mut(index) else { continue };
            table.each_mut(|key, silence| silence.gone = !known.contains_key(key));
            table.retain(|_, silence| !silence.gone || silence.raised);
            for (key, at) in known {
                let Some(asset) = assets.get(at) else { continue };
                let (silence, evicted) = table.entry(&key, || Silence::new(mono));
                self.stats.evicted += evicted;
                describe(silence, asset, edge);
                let due = silence.due(asked, grace_ends);
                self.timers.queue(&mut silence.queued, due, index, &key);
            }
        }
        self.inventory = assets;
    }

    /// Ends findings about assets that the inventory no longer knows, and forgets them.
    pub(in crate::engine) fn end_findings_of_the_gone(&mut self, now: Now) {
        let set = self.set.clone();
        for (index, rule) in set.rules().iter().enumerate() {
            let silent = self.is_silent(index);
            let Some(State::Silence(table)) = self.states.get_mut(index) else { continue };
            // The name that each finding was told by: the group's when it was told with others.
            let named =
                |(key, silence): (&Arc<str>, &Silence)| silence.told.clone().unwrap_or_else(|| key.clone());
            let mut ended: BTreeMap<Arc<str>, Option<AssetRef>> = BTreeMap::new();
            for (key, silence) in table.iter().filter(|(_, silence)| silence.gone) {
                let asset = silence.asset.clone().filter(|_| silence.told.is_none());
                ended.insert(named((key, silence)), asset);
            }
            table.retain(|_, silence| !silence.gone);
            for silence in table.iter().filter(|(_, silence)| silence.raised) {
                ended.remove(&named(silence));
            }
            let drafts = ended.into_iter().filter(|_| !silent);
            self.pending.extend(drafts.map(|(name, asset)| draft::gone(rule, &name, asset, now.wall)));
        }
    }

    /// Queues every deadline anew, after states came from elsewhere.
    pub(in crate::engine) fn rebuild_timers(&mut self) {
        self.timers.clear();
        let started = self.started.unwrap_or(self.mono);
        let set = self.set.clone();
        for (index, (rule, state)) in set.rules().iter().zip(&mut self.states).enumerate() {
            let timers = &mut self.timers;
            match (state, &rule.body, &rule.edge) {
                (State::Keyed(table), _, Some(edge)) => table.each_mut(|key, keyed| {
                    keyed.queued = None;
                    let due = keyed.due(edge);
                    timers.queue(&mut keyed.queued, due, index, key);
                }),
                (State::Silence(table), Body::Correlation(correlation), Some(edge)) => {
                    let Some(asked) = asked(correlation) else { continue };
                    let grace_ends = after(started, edge.start_grace);
                    table.each_mut(|key, silence| {
                        silence.queued = None;
                        let due = silence.due(asked, grace_ends);
                        timers.queue(&mut silence.queued, due, index, key);
                    });
                }
                (State::Window(table), Body::Correlation(correlation), _) => table.each_mut(|key, window| {
                    window.queued = None;
                    let due = window.due(correlation);
                    timers.queue(&mut window.queued, due, index, key);
                }),
                _ => {}
            }
        }
    }
}

fn asset_key(asset: &[(Arc<str>, Arc<str>)], fields: &[Arc<str>]) -> Option<Arc<str>> {
    let mut key = String::new();
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            key.push(SEPARATOR);
        }
        key.push_str(asset.iter().find(|(name, _)| name == field).map(|(_, value)| &**value)?);
    }
    Some(crate::engine::view::bounded(key))
}

/// Takes from the inventory what no event has told yet.
fn describe(silence: &mut Silence, asset: &[(Arc<str>, Arc<str>)], edge: &Edge) {
    if silence.collapse.is_none() && !edge.collapse_by.is_empty() {
        silence.collapse = asset_key(asset, &edge.collapse_by);
    }
    if let Some(suppress) = edge.suppress.as_ref().filter(|_| silence.parent.is_none()) {
        silence.parent = asset_key(asset, &suppress.by);
    }
    if silence.asset.is_none() {
        let id = asset.iter().find(|(name, _)| &**name == "device_id");
        silence.asset = id.map(|(_, id)| AssetRef::new(id));
    }
}
