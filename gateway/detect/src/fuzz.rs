//! Fuzz bodies of the rule engine: any rule file, condition, expression, JSON text and snapshot.
//!
//! Called by the fuzz targets and by `tests/bad_input.rs`. Not an engine of its own: what it compares with is the
//! judgement atom by atom on the event as serde_json reads it.

use std::sync::{Arc, OnceLock};

use sitewarden_core::{LogSource, Now, Timestamp};

use crate::engine::view::value_of;
use crate::engine::{Engine, Limits};
use crate::error::Place;
use crate::explain;
use crate::fields::Fields;
use crate::rule::expr::Expr;
use crate::rule::{Body, Logic, condition};
use crate::rule_tests;
use crate::set::RuleSet;
use crate::yaml::{Kind, Node};

/// Rules with every kind of comparison, for [`fuzz_json`] and [`fuzz_snapshot`].
const RULES: &str = r#"
title: text
logsource: {product: p}
detection:
    a: {a|contains: [mimikatz, 'x*y'], b|endswith: '\cmd.exe'}
    b: {a: 'C:\x', b|startswith: ab}
    c: {a|re: '^[a-c]+$'}
    n: {c: null}
    condition: 1 of them
---
title: numbers
logsource: {product: p}
detection:
    a: {a: [4624, 0, -3], b|gt: 5}
    b: {c|lte: 1.5, d.e: 7}
    c: {b|cidr: [10.0.0.0/8, 'fe80::/10']}
    condition: a or b or c
---
title: keywords and references
logsource: {product: p}
detection:
    k: [mimikatz, 'ab?d']
    r: {a|fieldref: b}
    x: {d.e|exists: true, a|neq: x}
    h: {a|hour: 8}
    condition: k or r or h or (x and not k)
---
title: held
logsource: {product: p}
detection: {s: {a|gte: 3}, condition: s}
x-edge: {key: [b], for: 10s, max-gap: 1m, on-gap: fire}
---
title: base
name: base
logsource: {product: p}
detection: {s: {a|exists: true}, condition: s}
---
title: seen
logsource: {product: p}
detection: {s: {a|exists: true}, condition: s}
x-edge: {first-seen: {key: [b], value: a, memory: 1h}}
---
title: scheduled
logsource: {product: p}
detection: {s: {a|gte: 3}, condition: s}
x-edge: {key: [b], for: 10s, trigger: timer, delta: {gte: -9}, schedule: {from: '08:00', to: '06:00'}}
---
title: silent
correlation: {type: event_count, rules: [base], group-by: [b], timespan: 1m, condition: {lt: 1}}
x-edge: {trigger: timer, collapse-by: [c]}
---
title: waits
correlation: {type: temporal_ordered, rules: [base], group-by: [b], timespan: 1m, condition: not base or base}
---
title: counted
correlation: {type: event_count, rules: [base], group-by: [b], timespan: 1m, condition: {gte: 2}}
"#;

fn rules() -> Arc<RuleSet> {
    static SET: OnceLock<Arc<RuleSet>> = OnceLock::new();
    let load = || {
        let (set, errors) = RuleSet::load(&[("fuzz.yml", RULES)]);
        assert!(errors.is_empty(), "{errors:?}");
        Arc::new(set)
    };
    SET.get_or_init(load).clone()
}

/// Loads any text as a rule file, tests in it included; every fault has a place within the file.
///
/// # Panics
/// When a fault points outside the file: that is the finding.
pub fn fuzz_rule(text: &str) {
    let files = [("fuzz.yml", text)];
    let (set, errors) = RuleSet::load(&files);
    let lines = text.lines().count() + 2;
    for error in errors {
        assert!(error.line as usize <= lines, "{error}: the file has {lines} lines");
    }
    let events: usize = set.rules().iter().flat_map(|rule| &rule.tests).map(|test| test.events.len()).sum();
    if events < 64 {
        let _ = rule_tests::run(&files);
    }
}

/// Parses any text as a condition; what parses only names selections that exist.
///
/// # Panics
/// When it names another: that is the finding.
pub fn fuzz_condition(text: &str) {
    let names = ["a", "ab", "filter_1", "_hidden"];
    let selections: Vec<(Arc<str>, Logic)> =
        names.iter().enumerate().map(|(index, name)| (Arc::from(*name), Logic::Atom(index))).collect();
    if let Ok(logic) = condition::parse(text, Place { line: 1, column: 1 }, &selections) {
        logic.each_atom(false, &mut |index, _| assert!(index < names.len(), "{text}"));
        let _ = logic.holds(&mut |index| index % 2 == 0);
    }
}

/// Parses and evaluates any text as an expression.
pub fn fuzz_expression(text: &str) {
    let node = Node { place: Place::default(), kind: Kind::Scalar { text: text.to_owned(), plain: false } };
    if let Ok(expression) = Expr::parse(&node) {
        let fields =
            [(Arc::from("value"), sitewarden_core::Value::Float(21.5)), (Arc::from("a"), "text".into())];
        let _ = expression.holds(Fields(&fields));
    }
}

/// Matches any bytes as an event; the compiled matcher says what the judgement atom by atom says.
///
/// # Panics
/// When they differ: that is the finding.
pub fn fuzz_json(bytes: &[u8]) {
    let set = rules();
    let mut engine = Engine::new(set.clone(), Limits::default());
    let mut out = Vec::new();
    let source = LogSource { product: Some("p".into()), ..LogSource::default() };
    engine.handle_json(&source, bytes, Timestamp::default(), Now::default(), &mut out);
    let Ok(serde_json::Value::Object(map)) = serde_json::from_slice(bytes) else {
        assert!(out.is_empty(), "a match on what is no JSON object");
        return;
    };
    let fields: Vec<_> =
        map.iter().map(|(key, value)| (Arc::from(key.as_str()), value_of(value, 1))).collect();
    for rule in set.rules().iter().filter(|rule| rule.edge.is_none() && !set.is_referred_to(&rule.id)) {
        let Body::Detection(detection) = &rule.body else { continue };
        let wanted = explain::holds(&detection.condition, &detection.atoms, Fields(&fields));
        assert_eq!(out.iter().any(|draft| draft.rule_id == rule.id), wanted, "{}", rule.title);
    }
}

/// Restores any bytes as a snapshot; what is restored still works and can be saved again.
///
/// # Panics
/// When a snapshot of a restored engine cannot be restored: that is the finding.
pub fn fuzz_snapshot(bytes: &[u8]) {
    let set = rules();
    let Ok(mut engine) = Engine::restore(set.clone(), Limits::default(), bytes, Now::default()) else {
        return;
    };
    let source = LogSource { product: Some("p".into()), ..LogSource::default() };
    let mut out = Vec::new();
    engine.handle_json(&source, br#"{"a":5,"b":"x"}"#, Timestamp::default(), Now::default(), &mut out);
    let again = Engine::restore(set, Limits::default(), &engine.snapshot(), Now::default());
    assert!(again.is_ok(), "{:?}", again.err());
}

/// A snapshot with state in it, from which mutations start.
#[must_use]
pub fn fuzz_snapshot_seed() -> Vec<u8> {
    let mut engine = Engine::new(rules(), Limits::default());
    let source = LogSource { product: Some("p".into()), ..LogSource::default() };
    let mut out = Vec::new();
    for second in 0..3 {
        let time = Timestamp::from_seconds(second);
        engine.handle_json(&source, br#"{"a":5,"b":"x"}"#, time, Now::default(), &mut out);
    }
    engine.snapshot()
}
