//! Matches in the words of the core: what, about whom, since when, and what it rests on.
//!
//! Not whether something matched. Invariant: the dedup key of a rule and key is the same for a finding and its end.

use std::fmt::Write as _;
use std::sync::Arc;

use sitewarden_core::finding::{Evidence, EvidenceAtom};
use sitewarden_core::{AssetRef, FindingDraft, Timestamp};

use super::correlate;
use super::hold::{Hold, Outcome};
use super::silence::{Asked, Silence};
use super::table::Table;
use super::view::{SEPARATOR, View};
use super::window::Window;
use crate::explain;
use crate::limits::COLLAPSED_NAMES;
use crate::rule::correlation::{Correlation, Kind};
use crate::rule::duration::show;
use crate::rule::edge::Edge;
use crate::rule::{Detection, Rule};

/// A match of a rule on one event.
pub(crate) fn plain(rule: &Rule, detection: &Detection, view: &View<'_>) -> FindingDraft {
    let asset = asset_of(view);
    let dedup_key = dedup(rule, asset.as_ref().map(AssetRef::as_str).unwrap_or_default());
    if !view.explained {
        return FindingDraft { dedup_key, asset, ..blank(rule, view.time) };
    }
    let atoms = explain::evidence(&detection.condition, &detection.atoms, view.fields());
    let subject = asset.as_ref().map(|asset| format!(" at {asset}")).unwrap_or_default();
    let reason = format!("{}{subject}: {}.", rule.title, told(&atoms));
    FindingDraft {
        dedup_key,
        asset,
        evidence: Evidence {
            reason,
            rule_source: rule.source.to_string(),
            atoms,
            events: vec![view.evidence()],
            window: None,
            statement: None,
        },
        ..blank(rule, view.time)
    }
}

/// A change of state of a keyed condition.
pub(crate) fn held(
    rule: &Rule,
    detection: &Detection,
    edge: &Edge,
    key: &Arc<str>,
    outcome: Outcome,
    state: &Hold,
    view: &View<'_>,
) -> FindingDraft {
    let cleared = !outcome.raises();
    let bare = FindingDraft {
        dedup_key: dedup(rule, key),
        asset: state.asset.clone().or_else(|| asset_of(view)),
        cleared,
        severity: state.severity.unwrap_or(rule.severity),
        ..blank(rule, view.time)
    };
    if !view.explained {
        return bare;
    }
    let logic = match (&edge.clear, cleared) {
        (Some(clear), true) => clear,
        _ => &detection.condition,
    };
    let atoms = explain::evidence(logic, &detection.atoms, view.fields());
    let subject = subject(key);
    let first = state.first.unwrap_or(view.time);
    let reason = match outcome {
        Outcome::Raise if edge.hold.is_zero() => format!("{}{subject}: {}.", rule.title, told(&atoms)),
        Outcome::Raise => {
            let span = show(view.time.since(first));
            format!("{}{subject}: for {span} (asked: {}), now {}.", rule.title, show(edge.hold), told(&atoms))
        }
        Outcome::Clear => format!("{}{subject} has ended: {}.", rule.title, ended(edge, &atoms)),
        Outcome::RaiseGap => {
            format!("{}{subject}: nothing was received for longer than {}.", rule.title, gap(edge))
        }
        Outcome::ClearGap => {
            format!(
                "{}{subject} is no longer known: nothing was received for longer than {}.",
                rule.title,
                gap(edge)
            )
        }
    };
    let mut events: Vec<_> = state.events.iter().map(|event| event.evidence()).collect();
    if cleared {
        events.push(view.evidence());
    }
    FindingDraft {
        evidence: Evidence {
            reason,
            rule_source: rule.source.to_string(),
            atoms,
            events,
            window: Some((first.min(view.time), view.time)),
            statement: None,
        },
        ..bare
    }
}

/// A value that its key had not shown before.
pub(crate) fn first_seen(
    rule: &Rule,
    detection: &Detection,
    key: &Arc<str>,
    value: &Arc<str>,
    view: &View<'_>,
) -> FindingDraft {
    let both = if key.is_empty() { value.to_string() } else { format!("{key}{SEPARATOR}{value}") };
    let mut draft = plain(rule, detection, view);
    let shown = value.replace(SEPARATOR, ", ");
    draft.dedup_key = dedup(rule, &both);
    draft.evidence.reason = format!("{}{}: {shown} was not seen before.", rule.title, subject(key));
    draft
}

/// A correlation that matches.
pub(crate) fn correlated(
    rule: &Rule,
    correlation: &Correlation,
    key: &Arc<str>,
    window: &Window,
    time: Timestamp,
) -> FindingDraft {
    let span = show(correlation.timespan);
    let number = window.number(correlation).map(|number| number.to_string()).unwrap_or_default();
    let what = match &correlation.kind {
        Kind::EventCount => format!("{number} events"),
        Kind::ValueCount(fields) => format!("{number} different values of {}", fields.join(", ")),
        Kind::Metric(_, field) => format!("{number} computed from {field}"),
        Kind::Temporal { ordered } => {
            let names: Vec<&str> = correlation.rules.iter().map(|(name, _)| &**name).collect();
            format!("{}{}", names.join(", "), if *ordered { " in this order" } else { "" })
        }
    };
    let reason = format!(
        "{}{}: {what} within {span} (asked: {}).",
        rule.title,
        subject(key),
        correlation.condition.words()
    );
    FindingDraft {
        dedup_key: dedup(rule, key),
        asset: window.asset.clone(),
        evidence: Evidence {
            reason,
            rule_source: rule.source.to_string(),
            atoms: Vec::new(),
            events: window.evidence(correlation),
            window: window.span(),
            statement: None,
        },
        ..blank(rule, time)
    }
}

/// A group from which too little came.
pub(crate) fn silent(
    rule: &Rule,
    key: &Arc<str>,
    silence: &Silence,
    asked: Asked,
    wall: Timestamp,
) -> FindingDraft {
    let since = match silence.last {
        Some(last) => format!("last heard at {last}"),
        None => "never heard".to_owned(),
    };
    let missing =
        if asked.count == 1 { "nothing".to_owned() } else { format!("fewer than {} events", asked.count) };
    let reason = format!("{}{}: {missing} for {}, {since}.", rule.title, subject(key), show(asked.span));
    FindingDraft {
        dedup_key: dedup(rule, key),
        asset: silence.asset.clone(),
        evidence: Evidence {
            reason,
            rule_source: rule.source.to_string(),
            window: silence.last.map(|last| (last.min(wall), wall)),
            statement: None,
            ..Evidence::default()
        },
        ..blank(rule, wall)
    }
}

/// Groups that fell silent together.
pub(crate) fn collapsed(
    rule: &Rule,
    group: &Arc<str>,
    table: &Table<Silence>,
    wall: Timestamp,
) -> FindingDraft {
    let members = correlate::members(table, group);
    let mut names: Vec<String> =
        members.iter().take(COLLAPSED_NAMES).map(|key| key.replace(SEPARATOR, ", ")).collect();
    if members.len() > names.len() {
        names.push(format!("and {} more", members.len() - names.len()));
    }
    let count = members.len();
    let reason = format!("{}{}: {count} are silent: {}.", rule.title, subject(group), names.join("; "));
    FindingDraft {
        dedup_key: dedup(rule, group),
        evidence: Evidence { reason, rule_source: rule.source.to_string(), ..Evidence::default() },
        ..blank(rule, wall)
    }
}

/// The end of a silence.
pub(crate) fn heard_again(
    rule: &Rule,
    key: &Arc<str>,
    asset: Option<AssetRef>,
    time: Timestamp,
) -> FindingDraft {
    let reason = format!("{}{} has ended: it is heard again.", rule.title, subject(key));
    FindingDraft {
        dedup_key: dedup(rule, key),
        asset,
        evidence: Evidence { reason, rule_source: rule.source.to_string(), ..Evidence::default() },
        cleared: true,
        ..blank(rule, time)
    }
}

/// The end of a silence of an asset that is no longer in the inventory.
pub(crate) fn gone(rule: &Rule, key: &Arc<str>, asset: Option<AssetRef>, time: Timestamp) -> FindingDraft {
    let mut draft = heard_again(rule, key, asset, time);
    draft.evidence.reason =
        format!("{}{} has ended: it is no longer in the inventory.", rule.title, subject(key));
    draft
}

/// The end of a finding whose rule is no longer in force as it was.
pub(crate) fn retired(rule: &Rule, key: &Arc<str>, asset: Option<AssetRef>, time: Timestamp) -> FindingDraft {
    let mut draft = heard_again(rule, key, asset, time);
    draft.evidence.reason = format!(
        "{}{} has ended: its rule was changed or taken away. If the rule is in force and still holds, it tells so anew.",
        rule.title,
        subject(key)
    );
    draft
}

fn blank(rule: &Rule, time: Timestamp) -> FindingDraft {
    FindingDraft {
        dedup_key: rule.id.clone(),
        rule_id: rule.id.clone(),
        title: rule.title.clone(),
        asset: None,
        severity: rule.severity,
        techniques: rule.techniques.clone(),
        time,
        evidence: Evidence::default(),
        cleared: false,
    }
}

/// What makes two findings the same: the rule and the values of its key, `|` between them.
pub(crate) fn dedup(rule: &Rule, key: &str) -> Arc<str> {
    if key.is_empty() {
        return rule.id.clone();
    }
    let key = key.replace('|', "\\|").replace(SEPARATOR, "|");
    Arc::from(format!("{}|{key}", rule.id))
}

/// The asset of an event, or the one that its `device_id` names.
pub(crate) fn asset_of(view: &View<'_>) -> Option<AssetRef> {
    view.asset.clone().or_else(|| view.text("device_id").map(|name| AssetRef::new(&name)))
}

/// The key for people: ` at pump-1, inlet`.
pub(crate) fn subject(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" at {}", key.replace(SEPARATOR, ", ")) }
}

fn gap(edge: &Edge) -> String {
    edge.max_gap.map(show).unwrap_or_default()
}

fn ended(edge: &Edge, atoms: &[EvidenceAtom]) -> String {
    let lasting =
        if edge.clear_for.is_zero() { String::new() } else { format!(" for {}", show(edge.clear_for)) };
    if edge.clear.is_some() && !atoms.is_empty() {
        format!("{}{lasting}", told(atoms))
    } else {
        format!("the condition no longer holds{lasting}")
    }
}

/// The first atoms in words: `value 9.5 (gt 8)`.
fn told(atoms: &[EvidenceAtom]) -> String {
    let mut text = String::new();
    for atom in atoms.iter().filter(|atom| atom.matched).take(4) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        let field = if atom.field.is_empty() { "the event" } else { &atom.field };
        let value: String = atom.value.chars().take(80).collect();
        let _ = match atom.test.strip_prefix("is ") {
            Some(_) => write!(text, "{field} is {value}"),
            None => write!(text, "{field} {value} ({})", atom.test),
        };
    }
    if text.is_empty() { "none of the exceptions applies".to_owned() } else { text }
}
