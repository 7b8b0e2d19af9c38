//! The `tests:` section of a rule: events with times and the matches they must give.
//!
//! Not the runner (see [`crate::rule_tests`]). Invariant: times are offsets from the test's own beginning, so a
//! test means the same on any day.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use sitewarden_core::Value;

use super::duration;
use crate::error::Fault;
use crate::yaml::{Kind, Node, Scalar};

/// One test of a rule.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// What it shows.
    pub name: Arc<str>,
    /// Line in the rule file.
    pub line: u32,
    /// The events in order.
    pub events: Vec<TestEvent>,
    /// How long to let time pass after the last event, for timers.
    pub until: Option<Duration>,
    /// The assets that the inventory knows: fields of each.
    pub inventory: Vec<Vec<(Arc<str>, Arc<str>)>>,
    /// The matches that must come, in order, and no other.
    pub expect: Vec<Expected>,
}

/// The fields of an asset, as events would carry them.
pub(crate) type Asset = Vec<(Arc<str>, Arc<str>)>;

/// One event of a test.
#[derive(Clone, Debug)]
pub struct TestEvent {
    /// When, from the test's beginning.
    pub at: Duration,
    /// Its fields.
    pub fields: Vec<(Arc<str>, Value)>,
}

/// One match that a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// When, from the test's beginning; `None` when the time does not matter.
    pub at: Option<Duration>,
    /// Whether it is the end of a finding.
    pub cleared: bool,
    /// A value that the key must contain; `None` when it does not matter.
    pub key: Option<Arc<str>>,
}

/// Reads the section.
pub(crate) fn read(node: &Node) -> Result<Vec<RuleTest>, Fault> {
    let Some(items) = node.list() else {
        return Err(node.fault("`tests` is not a list", "write a list of `name`, `events`, `expect`"));
    };
    items.iter().map(test).collect()
}

fn test(node: &Node) -> Result<RuleTest, Fault> {
    let Some(entries) = node.map() else {
        return Err(node.fault("a test is a map", "write `name`, `events`, `expect`"));
    };
    let mut test = RuleTest {
        name: Arc::from("unnamed"),
        line: node.place.line,
        events: Vec::new(),
        until: None,
        inventory: Vec::new(),
        expect: Vec::new(),
    };
    let mut expects = false;
    for (key, value) in entries {
        match key.text.as_str() {
            "name" => test.name = Arc::from(value.text().unwrap_or_default()),
            "until" => test.until = Some(duration::read(value)?),
            "events" => test.events = value.items().iter().map(event).collect::<Result<_, _>>()?,
            "inventory" => test.inventory = value.items().iter().map(asset).collect::<Result<_, _>>()?,
            "expect" => {
                expects = true;
                test.expect = expected(value)?;
            }
            other => {
                let message = format!("`{other}` is not part of a test");
                return Err(Fault::new(key.place, message, "use name, events, until, inventory, expect"));
            }
        }
    }
    if !expects {
        return Err(node.fault("the test expects nothing", "add `expect: 0` or a list of matches"));
    }
    Ok(test)
}

fn event(node: &Node) -> Result<TestEvent, Fault> {
    let Some(entries) = node.map() else {
        return Err(node.fault("an event is a map of fields", "write `{at: 5m, field: value}`"));
    };
    let mut event = TestEvent { at: Duration::ZERO, fields: Vec::new() };
    for (key, value) in entries {
        if key.text == "at" {
            event.at = duration::read(value)?;
        } else {
            event.fields.push((Arc::from(key.text.as_str()), value_of(value)));
        }
    }
    Ok(event)
}

fn asset(node: &Node) -> Result<Asset, Fault> {
    let Some(entries) = node.map() else {
        return Err(node.fault("an asset is a map of fields", "write `{device_id: a}`"));
    };
    Ok(entries
        .iter()
        .map(|(key, value)| (Arc::from(key.text.as_str()), Arc::from(value.text().unwrap_or_default())))
        .collect())
}

fn expected(node: &Node) -> Result<Vec<Expected>, Fault> {
    const HINT: &str =
        "write a number of matches, or a list such as `- {at: 5m}` and `- {at: 9m, cleared: true}`";
    if let Some(Scalar::Int(count)) = node.scalar() {
        let count = usize::try_from(count).ok().filter(|count| *count <= 10_000);
        let count = count.ok_or_else(|| node.fault("not a number of matches", HINT))?;
        return Ok(vec![Expected { at: None, cleared: false, key: None }; count]);
    }
    let Some(items) = node.list() else { return Err(node.fault("`expect` is not understood", HINT)) };
    let mut all = Vec::new();
    for item in items {
        let Some(entries) = item.map() else { return Err(item.fault("a match is a map", HINT)) };
        let mut one = Expected { at: None, cleared: false, key: None };
        for (key, value) in entries {
            match key.text.as_str() {
                "at" => one.at = Some(duration::read(value)?),
                "cleared" => one.cleared = value.scalar() == Some(Scalar::Bool(true)),
                "key" => one.key = value.text().map(Arc::from),
                other => {
                    return Err(Fault::new(key.place, format!("`{other}` is not part of a match"), HINT));
                }
            }
        }
        all.push(one);
    }
    Ok(all)
}

/// A YAML node as an event's value.
pub(crate) fn value_of(node: &Node) -> Value {
    match &node.kind {
        Kind::List(items) => Value::List(items.iter().map(value_of).collect()),
        Kind::Map(entries) => Value::Map(
            entries.iter().map(|(key, value)| (Arc::from(key.text.as_str()), value_of(value))).collect(),
        ),
        Kind::Scalar { .. } => match node.scalar() {
            Some(Scalar::Bool(flag)) => Value::Bool(flag),
            Some(Scalar::Int(whole)) => Value::Int(whole),
            Some(Scalar::Float(fraction)) => Value::Float(fraction),
            Some(Scalar::Text(text)) => Value::from(text),
            Some(Scalar::Null) | None => Value::Null,
        },
    }
}
