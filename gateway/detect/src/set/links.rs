//! How the rules of a set refer to each other.
//!
//! Not their evaluation. Invariant: every reference is resolved, and following referrers always ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Fault, Place, RuleError};
use crate::limits::CORRELATION_DEPTH;
use crate::rule::{Body, Rule};

/// References between rules, by index into the set.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// For each rule: the correlations that count its matches, and which of their `rules` it is.
    pub(crate) referrers: Vec<Vec<(usize, usize)>>,
    /// For each rule: whether its matches are no findings of their own.
    pub(crate) silent: Vec<bool>,
    /// For each rule: the rule whose finding keeps it quiet.
    pub(crate) parents: Vec<Option<usize>>,
}

/// Drops rules that refer to what is not there, until all references are resolved and no circle is left.
pub(crate) fn drop_unresolved(rules: &mut Vec<Rule>, errors: &mut Vec<RuleError>) {
    loop {
        let mut names: HashMap<Arc<str>, bool> = HashMap::new();
        for rule in rules.iter() {
            let remembers = rule.edge.as_ref().is_some_and(|edge| edge.first_seen.is_none())
                && (matches!(rule.body, Body::Detection(_))
                    || rule.edge.as_ref().is_some_and(|edge| edge.timer));
            names.insert(rule.id.clone(), remembers);
            names.extend(rule.name.clone().map(|name| (name, remembers)));
        }
        let before = rules.len();
        rules.retain(|rule| match fault_of(rule, &names) {
            None => true,
            Some(fault) => {
                errors.push(fault.in_file(&rule.file));
                false
            }
        });
        if rules.len() == before {
            break;
        }
    }
    drop_circular_correlations(rules, errors);
}

fn fault_of(rule: &Rule, names: &HashMap<Arc<str>, bool>) -> Option<Fault> {
    if let Some(suppress) = rule.edge.as_ref().and_then(|edge| edge.suppress.as_ref()) {
        let message = match names.get(&suppress.when) {
            None => format!("no rule is called `{}`", suppress.when),
            Some(false) => format!("`{}` has no state that could keep this rule quiet", suppress.when),
            Some(true) => String::new(),
        };
        if !message.is_empty() {
            let hint = "name a rule with x-edge `for`, `clear` or a timer";
            return Some(Fault::new(suppress.place, message, hint));
        }
    }
    let Body::Correlation(correlation) = &rule.body else { return None };
    let (name, place) = correlation.rules.iter().find(|(name, _)| !names.contains_key(name))?;
    let message = format!("no rule is called `{name}`, or it did not load");
    Some(Fault::new(*place, message, "refer to a rule by its `id` or `name`"))
}

/// Drops correlations that refer to themselves over others, or stand on too many.
fn drop_circular_correlations(rules: &mut Vec<Rule>, errors: &mut Vec<RuleError>) {
    // How many correlations stand on each other up to this one; one pass settles at least one more level.
    let mut depths: HashMap<Arc<str>, usize> = HashMap::new();
    for rule in rules.iter().filter(|rule| matches!(rule.body, Body::Detection(_))) {
        depths.extend(std::iter::once(&rule.id).chain(&rule.name).map(|name| (name.clone(), 0)));
    }
    for _ in 0..CORRELATION_DEPTH {
        for rule in rules.iter() {
            let Body::Correlation(correlation) = &rule.body else { continue };
            let below: Option<Vec<usize>> =
                correlation.rules.iter().map(|(name, _)| depths.get(name).copied()).collect();
            let depth = below.map(|below| 1 + below.into_iter().max().unwrap_or(0));
            let names = std::iter::once(&rule.id).chain(&rule.name);
            depths.extend(
                depth.into_iter().flat_map(|depth| names.clone().map(move |name| (name.clone(), depth))),
            );
        }
    }
    rules.retain(|rule| {
        if depths.get(&rule.id).is_some_and(|depth| *depth <= CORRELATION_DEPTH) {
            return true;
        }
        let place = match &rule.body {
            Body::Correlation(correlation) => {
                correlation.rules.first().map(|(_, place)| *place).unwrap_or_default()
            }
            Body::Detection(_) => Place::default(),
        };
        let message =
            format!("the correlation refers to itself or stands on more than {CORRELATION_DEPTH} others");
        let fault = Fault::new(place, message, "break the circle of `rules`, or shorten the chain");
        errors.push(fault.in_file(&rule.file));
        false
    });
}

impl Links {
    /// Resolves the references. Fingerprints of correlations take in those of the rules that they refer to.
    pub(crate) fn new(rules: &mut [Rule], by_name: &HashMap<Arc<str>, usize>) -> Self {
        let mut links = Self {
            referrers: vec![Vec::new(); rules.len()],
            silent: vec![false; rules.len()],
            parents: vec![None; rules.len()],
        };
        for (index, rule) in rules.iter().enumerate() {
            if let Some(suppress) = rule.edge.as_ref().and_then(|edge| edge.suppress.as_ref())
                && let Some(parent) = links.parents.get_mut(index)
            {
                *parent = by_name.get(&suppress.when).copied();
            }
            let Body::Correlation(correlation) = &rule.body else { continue };
            for (position, (name, _)) in correlation.rules.iter().enumerate() {
                let Some(base) = by_name.get(name).copied() else { continue };
                if let Some(referrers) = links.referrers.get_mut(base) {
                    referrers.push((index, position));
                }
                if let Some(silent) = links.silent.get_mut(base) {
                    *silent |= !correlation.generate;
                }
            }
        }
        links.mix_fingerprints(rules);
        links
    }

    fn mix_fingerprints(&self, rules: &mut [Rule]) {
        let own: Vec<u64> = rules.iter().map(|rule| rule.fingerprint).collect();
        // Following referrers ends, since circles were dropped; a correlation depends on all that lead to it.
        for (index, fingerprint) in own.iter().enumerate() {
            let mut open = vec![index];
            let mut visited = HashSet::from([index]);
            while let Some(at) = open.pop() {
                for (referrer, position) in self.referrers.get(at).into_iter().flatten() {
                    if let Some(rule) = rules.get_mut(*referrer) {
                        let turn = u32::try_from(position % 63).unwrap_or(0) + 1;
                        rule.fingerprint = rule.fingerprint.wrapping_mul(31) ^ fingerprint.rotate_left(turn);
                    }
                    if visited.insert(*referrer) {
                        open.push(*referrer);
                    }
                }
            }
        }
    }
}
