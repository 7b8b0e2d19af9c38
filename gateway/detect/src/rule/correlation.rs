//! Correlations: counts, values and orders of matches of other rules.
//!
//! Sigma correlation rules specification 2.1, with the metrics (`value_sum`, `value_avg`, `value_percentile`,
//! `value_median`) and extended conditions that pySigma has. Not the windows (see `engine`). Invariant: a count
//! that is asked for fits the window's bound.
#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::atom::{Logic, Order};
use super::edge::names;
use super::{condition, duration};
use crate::error::{Fault, Place};
use crate::limits::{CORRELATION_BRANCHES, WINDOW_EVENTS};
use crate::number::Number;
use crate::yaml::{Node, Scalar};

/// A `correlation:` section.
#[derive(Clone, Debug)]
pub(crate) struct Correlation {
    pub(crate) kind: Kind,
    /// The rules it refers to, by id or name, in order.
    pub(crate) rules: Vec<(Arc<str>, Place)>,
    /// The fields that tell one group from another, aliases resolved: one list for each of `rules`.
    pub(crate) group_by: Vec<Vec<Arc<str>>>,
    pub(crate) timespan: Duration,
    pub(crate) condition: Condition,
    /// Whether the rules it refers to are findings of their own as well.
    pub(crate) generate: bool,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    EventCount,
    ValueCount(Vec<Arc<str>>),
    Metric(Metric, Arc<str>),
    Temporal { ordered: bool },
}

/// A number made of the values in the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Metric {
    Sum,
    Average,
    Percentile(f64),
}

/// When it matches.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// The count lies within all bounds.
    Bounds(Vec<(Bound, Number)>),
    /// The rules whose matches lie in the window fulfil this; atoms are indices into `rules`.
    Rules { logic: Logic, negated: bool },
    /// The same for an ordered correlation: one of these combinations, its rules one after the other.
    Ordered { branches: Vec<Branch>, negated: bool },
}

/// One combination of rules that fulfils an extended condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Matches of these, as indices into `rules` in ascending order.
    pub(crate) present: BTreeSet<usize>,
    /// No match of these.
    pub(crate) absent: BTreeSet<usize>,
}

impl Branch {
    fn and(&self, other: &Self) -> Self {
        let join = |a: &BTreeSet<usize>, b: &BTreeSet<usize>| a.union(b).copied().collect();
        Self { present: join(&self.present, &other.present), absent: join(&self.absent, &other.absent) }
    }
}

/// One bound of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Order(Order),
    Equal,
    NotEqual,
}

impl Condition {
    /// Whether the number lies within the bounds.
    pub(crate) fn holds(&self, number: Number) -> bool {
        let Self::Bounds(bounds) = self else { return false };
        bounds.iter().all(|(bound, wanted)| match bound {
            Bound::Order(order) => order.holds(number, *wanted),
            Bound::Equal => number == *wanted,
            Bound::NotEqual => number != *wanted,
        })
    }

    /// Whether it asks for the absence of a match, so that it is known only when its window has passed.
    pub(crate) const fn negated(&self) -> bool {
        matches!(self, Self::Rules { negated: true, .. } | Self::Ordered { negated: true, .. })
    }

    /// The number of events below which the condition holds, when it asks for few events alone.
    pub(crate) fn fewer_than(&self) -> Option<usize> {
        let Self::Bounds(bounds) = self else { return None };
        let [(bound, Number::Int(wanted))] = bounds.as_slice() else { return None };
        let below = match bound {
            Bound::Order(Order::Less) => *wanted,
            Bound::Order(Order::AtMost) => wanted.checked_add(1)?,
            Bound::Equal if *wanted == 0 => 1,
            _ => return None,
        };
        usize::try_from(below).ok().filter(|below| (1..=WINDOW_EVENTS).contains(below))
    }

    /// The bounds in words: `gte 5`.
    pub(crate) fn words(&self) -> String {
        let Self::Bounds(bounds) = self else { return "the combination asked for".to_owned() };
        let word = |bound: &Bound| match bound {
            Bound::Order(order) => order.word(),
            Bound::Equal => "eq",
            Bound::NotEqual => "neq",
        };
        bounds
            .iter()
            .map(|(bound, number)| format!("{} {number}", word(bound)))
            .collect::<Vec<_>>()
            .join(" and ")
    }
}

impl Correlation {
    /// Gives the fields that it groups by and counts other names.
    pub(crate) fn rename(&mut self, name: &impl Fn(&Arc<str>) -> Arc<str>) {
        self.group_by.iter_mut().flatten().for_each(|field| *field = name(field));
        match &mut self.kind {
            Kind::ValueCount(fields) => fields.iter_mut().for_each(|field| *field = name(field)),
            Kind::Metric(_, field) => *field = name(field),
            Kind::EventCount | Kind::Temporal { .. } => {}
        }
    }
}

const TYPES: &str = "event_count, value_count, value_sum, value_avg, value_percentile, value_median, temporal, \
                     temporal_ordered";

/// Reads the section.
pub(crate) fn read(node: &Node, generate: Option<&Node>) -> Result<Correlation, Fault> {
    let known = ["type", "rules", "group-by", "timespan", "condition", "aliases", "generate"];
    let Some(entries) = node.map() else {
        return Err(
            node.fault("`correlation` is not a map", "write type, rules, group-by, timespan, condition")
        );
    };
    if let Some((key, _)) = entries.iter().find(|(key, _)| !known.contains(&key.text.as_str())) {
        let message = format!("`{}` is not part of a correlation", key.text);
        return Err(Fault::new(key.place, message, format!("keys are {}", known.join(", "))));
    }
    let need = |key: &str, hint: &str| {
        node.get(key).ok_or_else(|| node.fault(format!("the correlation has no `{key}`"), hint))
    };
    let rules: Vec<(Arc<str>, Place)> = need("rules", "name the rules that it refers to")?
        .items()
        .iter()
        .map(|item| {
            let name = item
                .text()
                .ok_or_else(|| item.fault("not the id or name of a rule", "write `rules: [name]`"))?;
            Ok((Arc::from(name), item.place))
        })
        .collect::<Result<_, Fault>>()?;
    if rules.is_empty() {
        return Err(node.fault("the correlation names no rule", "write `rules: [name]`"));
    }
    let timespan_node = need("timespan", "write `timespan: 5m`")?;
    let timespan = duration::read(timespan_node)?;
    if timespan.is_zero() {
        return Err(timespan_node.fault("a window without length", "write `timespan: 5m`"));
    }
    let kind_node = need("type", TYPES)?;
    let condition_node = node.get("condition");
    let kind = kind(kind_node, condition_node)?;
    let condition = condition_of(&kind, condition_node, node, &rules)?;
    let groups = node.get("group-by").map(names).transpose()?.unwrap_or_default();
    let generate = node.get("generate").or(generate).and_then(Node::scalar) == Some(Scalar::Bool(true));
    let group_by = resolve_aliases(&groups, node.get("aliases"), &rules)?;
    Ok(Correlation { kind, rules, group_by, timespan, condition, generate })
}

fn kind(node: &Node, condition: Option<&Node>) -> Result<Kind, Fault> {
    let fields = || -> Result<Vec<Arc<str>>, Fault> {
        let field = condition.and_then(|condition| condition.get("field"));
        let hint = "write `condition: {field: name, gte: 5}`";
        names(field.ok_or_else(|| node.fault("this type needs `field` in its condition", hint))?)
    };
    let metric = |metric: Metric| -> Result<Kind, Fault> {
        let mut fields = fields()?;
        if fields.len() != 1 {
            return Err(node.fault("a metric is made of one field", "name one field"));
        }
        Ok(Kind::Metric(metric, fields.remove(0)))
    };
    match node.text().unwrap_or_default() {
        "event_count" => Ok(Kind::EventCount),
        "value_count" => Ok(Kind::ValueCount(fields()?)),
        "value_sum" => metric(Metric::Sum),
        "value_avg" => metric(Metric::Average),
        "value_median" => metric(Metric::Percentile(50.0)),
        "value_percentile" => {
            let given = condition.and_then(|condition| condition.get("percentile"));
            let percentile = match given.and_then(Node::scalar) {
                Some(Scalar::Int(whole)) => Number::Int(whole).as_f64(),
                Some(Scalar::Float(fraction)) => fraction,
                _ => -1.0,
            };
            if !(0.0..=100.0).contains(&percentile) {
                let hint = "write `condition: {field: name, percentile: 95, gte: 5}`";
                return Err(node.fault("`value_percentile` needs a `percentile` from 0 to 100", hint));
            }
            metric(Metric::Percentile(percentile))
        }
        "temporal" | "temporal_extended" => Ok(Kind::Temporal { ordered: false }),
        "temporal_ordered" | "temporal_ordered_extended" => Ok(Kind::Temporal { ordered: true }),
        other => {
            Err(node.fault(format!("`{other}` is not a type of correlation"), format!("types are {TYPES}")))
        }
    }
}

fn condition_of(
    kind: &Kind,
    condition: Option<&Node>,
    section: &Node,
    rules: &[(Arc<str>, Place)],
) -> Result<Condition, Fault> {
    let temporal = matches!(kind, Kind::Temporal { .. });
    let Some(node) = condition else {
        if temporal {
            let all = i64::try_from(rules.len()).unwrap_or(i64::MAX);
            return Ok(Condition::Bounds(vec![(Bound::Order(Order::AtLeast), Number::Int(all))]));
        }
        return Err(section.fault("the correlation has no `condition`", "write `condition: {gte: 5}`"));
    };
    if let Some(text) = node.text().filter(|_| temporal) {
        let selections: Vec<(Arc<str>, Logic)> =
            rules.iter().enumerate().map(|(index, (name, _))| (name.clone(), Logic::Atom(index))).collect();
        let logic = condition::parse(text, node.place, &selections)?;
        let mut negated = false;
        logic.each_atom(false, &mut |_, under_not| negated |= under_not);
        if *kind != (Kind::Temporal { ordered: true }) {
            return Ok(Condition::Rules { logic, negated });
        }
        let branches = branches(&logic, false).ok_or_else(|| {
            let message =
                format!("more than {CORRELATION_BRANCHES} combinations of rules fulfil the condition");
            node.fault(message, "chain correlations instead")
        })?;
        return Ok(Condition::Ordered { branches, negated });
    }
    let Some(entries) = node.map() else {
        return Err(node.fault("the condition is not a map of bounds", "write `condition: {gte: 5}`"));
    };
    let mut bounds = Vec::new();
    for (key, value) in entries {
        let bound = match key.text.as_str() {
            "field" | "percentile" => continue,
            "eq" => Bound::Equal,
            "neq" => Bound::NotEqual,
            other => Bound::Order(Order::parse(other).ok_or_else(|| {
                let message = format!("`{other}` is not a bound");
                Fault::new(
                    key.place,
                    message,
                    "bounds are lt, lte, gt, gte, eq, neq; `field` names what is counted",
                )
            })?),
        };
        bounds.push((bound, count(value, kind)?));
    }
    if bounds.is_empty() {
        return Err(node.fault("the condition has no bound", "write `condition: {gte: 5}`"));
    }
    Ok(Condition::Bounds(bounds))
}

/// All combinations that fulfil the logic (its disjunctive form); `None` when there are too many.
fn branches(logic: &Logic, not: bool) -> Option<Vec<Branch>> {
    match (logic, not) {
        (Logic::Atom(index), false) => Some(vec![Branch { present: [*index].into(), ..Branch::default() }]),
        (Logic::Atom(index), true) => Some(vec![Branch { absent: [*index].into(), ..Branch::default() }]),
        (Logic::Not(inner), not) => branches(inner, !not),
        (Logic::All(parts), false) | (Logic::Any(parts), true) => at_least(parts.len(), parts, not),
        (Logic::Any(parts), false) | (Logic::All(parts), true) => at_least(1, parts, not),
        (Logic::AtLeast(count, parts), false) => at_least(*count, parts, not),
        (Logic::AtLeast(count, parts), true) => at_least((parts.len() + 1).checked_sub(*count)?, parts, not),
    }
}

/// All combinations that fulfil `count` of the parts.
fn at_least(count: usize, parts: &[Logic], not: bool) -> Option<Vec<Branch>> {
    // By number of parts fulfilled so far; more than `count` are not asked for.
    let mut reached = vec![Vec::new(); count + 1];
    reached.first_mut()?.push(Branch::default());
    for part in parts {
        let ways = branches(part, not)?;
        for fulfilled in (0..count).rev() {
            let before = reached.get(fulfilled)?;
            let after: Vec<Branch> =
                before.iter().flat_map(|branch| ways.iter().map(|way| branch.and(way))).collect();
            let into = reached.get_mut(fulfilled + 1)?;
            into.extend(after);
            if into.len() > CORRELATION_BRANCHES {
                return None;
            }
        }
    }
    reached.pop()
}

fn count(node: &Node, kind: &Kind) -> Result<Number, Fault> {
    match (node.scalar(), kind) {
        (Some(Scalar::Int(whole)), Kind::Metric(..)) => Ok(Number::Int(whole)),
        (Some(Scalar::Float(fraction)), Kind::Metric(..)) => Ok(Number::Float(fraction)),
        (Some(Scalar::Int(whole)), _) if usize::try_from(whole).is_ok_and(|n| n <= WINDOW_EVENTS) => {
            Ok(Number::Int(whole))
        }
        _ => Err(node.fault(
            format!("not a count from 0 to {WINDOW_EVENTS}"),
            "a window remembers that many events; chain correlations for more",
        )),
    }
}

fn resolve_aliases(
    groups: &[Arc<str>],
    aliases: Option<&Node>,
    rules: &[(Arc<str>, Place)],
) -> Result<Vec<Vec<Arc<str>>>, Fault> {
    const HINT: &str = "write `aliases: {alias: {rule_name: field}}`";
    let mut table: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    if let Some(node) = aliases {
        let entries = node.map().ok_or_else(|| node.fault("`aliases` is not a map", HINT))?;
        for (alias, value) in entries {
            let fields =
                value.map().ok_or_else(|| value.fault("an alias is a map of rules and fields", HINT))?;
            for (rule, field) in fields {
                if !rules.iter().any(|(name, _)| **name == *rule.text) {
                    let message = format!("`{}` is not one of the correlation's rules", rule.text);
                    return Err(Fault::new(rule.place, message, HINT));
                }
                let field = field.text().ok_or_else(|| field.fault("not the name of a field", HINT))?;
                table.entry(&alias.text).or_default().insert(&rule.text, field);
            }
        }
    }
    let field_for = |group: &Arc<str>, rule: &Arc<str>| {
        table
            .get(&**group)
            .and_then(|fields| fields.get(&**rule))
            .map_or_else(|| group.clone(), |f| Arc::from(*f))
    };
    Ok(rules.iter().map(|(rule, _)| groups.iter().map(|group| field_for(group, rule)).collect()).collect())
}
