//! A naive evaluator of single-event Sigma, written from the specification, against the engine.
//!
//! It shares no code with the engine: own reading of rules (as JSON trees), own patterns, own conditions. Rules and
//! events are generated from a seed, with the letters and traps of real ones (case, wildcards, escapes, numbers as
//! text, null, lists, nested names, non-ASCII). `make test` runs a few thousand pairs; the deep tier all 100,000:
//! `cargo test -p sitewarden-detect --test naive -- --ignored`.

#![expect(clippy::unwrap_used, reason = "a generator of tests: what it unwraps it has made itself")]

#[path = "../support/dice.rs"]
mod dice;
mod evaluator;
mod generator;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sitewarden_core::{LogSource, Now, Timestamp};
use sitewarden_detect::{Engine, Limits, RuleSet};

use dice::Dice;
use evaluator::expected;
use generator::{event, rule};

fn agree(seed: u64, sets: usize) -> usize {
    let mut dice = Dice(seed);
    let mut pairs = 0;
    for _ in 0..sets {
        let rules: Vec<_> = (0..40).map(|_| rule(&mut dice)).collect();
        let files: Vec<(String, String)> = rules
            .iter()
            .enumerate()
            .map(|(index, (selections, condition))| {
                let mut detection = selections.clone();
                detection.insert("condition".to_owned(), json!(condition));
                // JSON is YAML.
                let text = json!({"title": "t", "id": index.to_string(), "logsource": {"product": "p"}, "detection": detection});
                (format!("{index}.yml"), text.to_string())
            })
            .collect();
        let (set, errors) = RuleSet::load(&files);
        assert_eq!(errors, []);
        let mut engine = Engine::new(Arc::new(set), Limits::default());
        for _ in 0..25 {
            let event = event(&mut dice);
            let text = if dice.roll(3) == 0 {
                // The same event as other writers write it.
                Value::Object(event.clone()).to_string().replace('w', "\\u0077").replace("\":", "\" : ")
            } else {
                Value::Object(event.clone()).to_string()
            };
            let parsed: Map<String, Value> = serde_json::from_str(&text).expect("JSON");
            let mut out = Vec::new();
            let source = LogSource { product: Some("p".into()), ..LogSource::default() };
            engine.handle_json(&source, text.as_bytes(), Timestamp::default(), Now::default(), &mut out);
            let mut typed = Vec::new();
            let fields =
                parsed.iter().map(|(key, value)| (Arc::from(key.as_str()), typed_value(value))).collect();
            let typed_event = sitewarden_core::Event {
                source,
                asset: None,
                time: Timestamp::default(),
                received: Timestamp::default(),
                fields,
            };
            engine.handle_event(&typed_event, Now::default(), &mut typed);
            for (index, (selections, condition)) in rules.iter().enumerate() {
                let id = index.to_string();
                let wanted = expected(&parsed, selections, condition);
                let told =
                    json!({"selections": selections, "condition": condition, "event": text, "seed": seed});
                assert_eq!(out.iter().any(|draft| *draft.rule_id == *id), wanted, "JSON: {told}");
                assert_eq!(typed.iter().any(|draft| *draft.rule_id == *id), wanted, "typed: {told}");
                pairs += 1;
            }
        }
    }
    pairs
}

fn typed_value(value: &Value) -> sitewarden_core::Value {
    use sitewarden_core::Value as Typed;
    match value {
        Value::Null => Typed::Null,
        Value::Bool(flag) => Typed::Bool(*flag),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Typed::Float(number.as_f64().unwrap()), Typed::Int)
        }
        Value::String(text) => Typed::from(text.as_str()),
        Value::Array(items) => Typed::List(items.iter().map(typed_value).collect()),
        Value::Object(map) => {
            Typed::Map(map.iter().map(|(key, value)| (Arc::from(key.as_str()), typed_value(value))).collect())
        }
    }
}

#[test]
fn the_engine_agrees_with_the_naive_evaluator() {
    assert_eq!(agree(20_261_124, 5), 5_000);
}

#[test]
#[ignore = "deep tier: 100,000 pairs"]
fn the_engine_agrees_with_the_naive_evaluator_on_100_000_pairs() {
    let pairs: usize = (1..=4).map(|seed| agree(seed, 25)).sum();
    assert_eq!(pairs, 100_000);
}
