//! Tests of the compiled matcher: it agrees with the plain reading of a rule, on bytes and on typed events.

use std::sync::Arc;

use super::*;
use crate::explain;
use crate::set::RuleSet;

fn load(detection: &str) -> (RuleSet, Matcher) {
    let text = format!("title: t\nid: r\nlogsource: {{product: p}}\ndetection: {detection}\n");
    let (set, errors) = RuleSet::load(&[("r.yml", text)]);
    assert_eq!(errors, []);
    let matcher = Matcher::new(set.program().clone());
    (set, matcher)
}

fn hits(set: &RuleSet, matcher: &mut Matcher, event: &str) -> usize {
    let mut hits = Vec::new();
    assert!(matcher.read_json(event.as_bytes()), "{event}");
    matcher.run_json(set.rules(), Some(&LogSource::default()), event.as_bytes(), &mut hits);
    hits.len()
}

/// How a value is written must not matter: gates work on the bytes, rules on the value.
#[test]
fn every_spelling_of_a_value_is_found() {
    for (detection, events) in [
        (
            "{s: {a|contains: 'mimikatz'}, condition: s}",
            vec![
                r#"{"a":"xMIMIkatz"}"#,
                r#"{"a":"\u006d\u0069mikatz"}"#,
                r#"{"a":["x","mimikatz"]}"#,
                r#"{"\u0061":"mimikatz"}"#,
            ],
        ),
        (
            r"{s: {a|endswith: '\cmd.exe'}, condition: s}",
            vec![
                r#"{"a":"C:\\CMD.exe"}"#,
                r#"{"a":"C:\u005ccmd.exe"}"#,
                r#"{"a":{"x":1},"b":2,"a":"\\cmd.exe"}"#,
            ],
        ),
        (r"{s: {a: 'C:\x/y'}, condition: s}", vec![r#"{"a":"c:\\X/y"}"#, r#"{"a":"c:\\x\/y"}"#]),
        (
            "{s: {a: 4624}, condition: s}",
            vec![r#"{"a":4624}"#, r#"{"a":"4624"}"#, r#"{"a":4624.0}"#, r#"{"a":4.624e3}"#],
        ),
        (
            "{s: {a: 'kelvin'}, condition: s}",
            vec![r#"{"a":"KELVIN"}"#, "{\"a\":\"\u{212a}elvin\"}", r#"{"a":"\u212aelvin"}"#],
        ),
        ("{s: [evil], condition: s}", vec![r#"{"x":{"y":[1,"an EVIL thing"]}}"#, r#"{"x":"\u0065vil"}"#]),
        ("{s: {a|contains: ä}, condition: s}", vec![r#"{"a":"Ä"}"#, r#"{"a":"\u00c4"}"#]),
    ] {
        let (set, mut matcher) = load(detection);
        for event in events {
            assert_eq!(hits(&set, &mut matcher, event), 1, "{detection} {event}");
        }
        assert_eq!(
            hits(&set, &mut matcher, r#"{"a":"nothing","b":"of","c":{"a":"the"},"d":5}"#),
            0,
            "{detection}"
        );
    }
}

/// The judge of single atoms is what explains matches; both must say the same.
#[test]
fn the_matcher_agrees_with_the_explanation() {
    let detection = "{s: {a|contains|all: [x, y], b|gte: 3}, f: {c: null}, condition: s and not f}";
    let (set, mut matcher) = load(detection);
    let Body::Detection(rule) = &set.rules()[0].body else { unreachable!("a detection") };
    for event in [
        r#"{"a":"xy","b":3,"c":1}"#,
        r#"{"a":"xy","b":3}"#,
        r#"{"a":"x","b":3,"c":1}"#,
        r#"{"a":"yx","b":"3","c":""}"#,
    ] {
        let json: serde_json::Value = serde_json::from_str(event).unwrap();
        let fields: Vec<(Arc<str>, Value)> = json
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (Arc::from(key.as_str()), crate::engine::view::value_of(value, 1)))
            .collect();
        let explained = explain::holds(&rule.condition, &rule.atoms, fields::Fields(&fields));
        assert_eq!(hits(&set, &mut matcher, event) == 1, explained, "{event}");
    }
}

/// Names without end cost a bounded amount of memory, and stay found.
#[test]
fn any_number_of_names() {
    let (set, mut matcher) = load("{s: {wanted: 1}, condition: s}");
    for n in 0..10_000 {
        let event = format!(r#"{{"k{n}":{n},"wanted":1}}"#);
        assert_eq!(hits(&set, &mut matcher, &event), 1, "{event}");
    }
}
