//! Tests of the compiled matcher: it agrees with the plain reading of a rule, on bytes and on typed events.

use std::sync::Arc;

use super::*;
use crate::explain;
use crate::rule::{Body, Rule};
use crate::set::RuleSet;

fn load(detection: &str) -> (RuleSet, Matcher) {
    let text = format!("title: t\nid: r\nlogsource: {{product: p}}\ndetection: {detection}\n");
    let (set, errors) = RuleSet::load(&[("r.yml", text)]);
    assert_eq!(errors, []);
    let matcher = Matcher::new(set.program().clone());
    (set, matcher)
}

fn hits(matcher: &mut Matcher, event: &str) -> usize {
    let mut hits = Vec::new();
    assert!(matcher.read_json(event.as_bytes()), "{event}");
    matcher.run_json(Some(&LogSource::default()), event.as_bytes(), &[true], &mut hits);
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
        let (_, mut matcher) = load(detection);
        for event in events {
            assert_eq!(hits(&mut matcher, event), 1, "{detection} {event}");
        }
        assert_eq!(hits(&mut matcher, r#"{"a":"nothing","b":"of","c":{"a":"the"},"d":5}"#), 0, "{detection}");
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
        assert_eq!(hits(&mut matcher, event) == 1, explained, "{event}");
    }
}

/// Names without end cost a bounded amount of memory, and stay found.
#[test]
fn any_number_of_names() {
    let (_, mut matcher) = load("{s: {wanted: 1}, condition: s}");
    for n in 0..10_000 {
        let event = format!(r#"{{"k{n}":{n},"wanted":1}}"#);
        assert_eq!(hits(&mut matcher, &event), 1, "{event}");
    }
}

/// Deterministic numbers (xorshift64).
fn roll(seed: &mut u64, sides: usize) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed >> 33).unwrap() % sides
}

const VALUES: [&str; 20] = [
    r#""cmd.exe""#,
    r#""C:\\Windows\\CMD.exe""#,
    r#""C:\\x\\powershell.EXE -enc \"a\"""#,
    r#""\u0063md.exe""#,
    r#""stra\u00dfe""#,
    "\"Stra\u{df}e\"",
    r#""4624""#,
    "4624",
    "4624.0",
    "12.5",
    "-3",
    "true",
    "null",
    r#"["cmd.exe",7]"#,
    r#"[ "x", "C:\\\\Windows\\\\Cmd.exe" ,4624.0, null,true, "Stra\u00dfe mimikatz"]"#,
    r#"["cmd.exe",["a/b"]]"#,
    r#"{"d":"cmd.exe","e":5}"#,
    r#""10.1.2.3""#,
    r#""""#,
    r#""mimikatz and a/b""#,
];

const SELECTIONS: [&str; 26] = [
    "{a: cmd.exe}",
    r"{a|endswith: '\cmd.exe'}",
    r"{a|endswith: '\Windows\cmd.exe', b: 4624}",
    "{a|contains: [powershell, mimikatz, 'a/b']}",
    "{b|contains|all: [windows, cmd], a|exists: true}",
    r"{a|startswith: 'C:\', c|gt: 3}",
    "{c: 4624}",
    "{c: '4624', a|contains: enc}",
    "{c|gte: 5, c|lt: 5000, b: [cmd.exe, stra\u{df}e]}",
    "{a: null}",
    "{b|exists: false}",
    "{a.d: cmd.exe}",
    "{a.e|gt: 4, b|re: '^[C4]'}",
    "{b|cidr: 10.0.0.0/8}",
    "{a|contains: stra\u{df}e}",
    "{a|cased: cmd.exe}",
    "{b|cased|contains: Win}",
    "{a: ''}",
    "[mimikatz, stra\u{df}e]",
    "{a|fieldref: b}",
    "{a|re: 'power.*enc', c: true}",
    "[{a|gt: 4000}, {a|lt: 0}]",
    "{a: [cmd.exe, '4624', 'true'], b: ['4624', 12.5, true]}",
    "{a: '*cmd*exe', c|lt: 10}",
    "{b|endswith: .exe}",
    "{c: 12.5}",
];

/// Many rules and events through one matcher, shapes that recur among those that do not: the same as rule by rule.
#[test]
fn shapes_do_not_matter() {
    let mut seed = 4_242_424_242;
    for round in 0..12 {
        let mut text = String::new();
        for n in 0..60 {
            let [x, y, z] = std::array::from_fn(|_| SELECTIONS[roll(&mut seed, SELECTIONS.len())]);
            let conditions =
                ["x", "x and not y", "x or y", "x and (y or z)", "not x and y", "2 of them", "x and y"];
            let condition = conditions[roll(&mut seed, conditions.len())];
            let category = ["", ", category: one", ", category: two"][roll(&mut seed, 3)];
            let head = format!("title: t\nid: r{n}\nlogsource: {{product: p{category}}}\n");
            text += &format!("---\n{head}detection: {{x: {x}, y: {y}, z: {z}, condition: {condition}}}\n");
        }
        let (set, errors) = RuleSet::load(&[("r.yml", &text)]);
        assert_eq!(errors, []);
        let mut matcher = Matcher::new(set.program().clone());
        for _ in 0..400 {
            let mut event = String::from("{\"x\":1");
            for name in ["a", "b", "c", "a.d", "B"] {
                if roll(&mut seed, 5) > 1 {
                    event += &format!(",\"{name}\":{}", VALUES[roll(&mut seed, VALUES.len())]);
                }
            }
            let category = ["one", "TWO", "three", ""][roll(&mut seed, 4)];
            event += &format!(",\"product\":\"p\",\"category\":\"{category}\"}}");
            compare(&set, &mut matcher, &event, category, round);
        }
    }
}

fn compare(set: &RuleSet, matcher: &mut Matcher, event: &str, category: &str, round: i32) {
    let json: serde_json::Value = serde_json::from_str(event).unwrap();
    let pairs: Vec<(Arc<str>, Value)> = json
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (Arc::from(key.as_str()), crate::engine::view::value_of(value, 1)))
        .collect();
    let log = LogSource {
        product: Some("p".into()),
        category: Some(category.into()).filter(|_| !category.is_empty()),
        service: None,
    };
    let concerns = |rule: &Rule| {
        let category = log.category.as_ref().zip(rule.logsource.category.as_ref());
        category.is_none_or(|(event, rule)| event.eq_ignore_ascii_case(rule))
    };
    let expected: Vec<u32> = (0..)
        .zip(set.rules())
        .filter(|(_, rule)| {
            let Body::Detection(detection) = &rule.body else { unreachable!("detections alone") };
            concerns(rule) && explain::holds(&detection.condition, &detection.atoms, fields::Fields(&pairs))
        })
        .map(|(index, _)| index)
        .collect();
    let mut hits = Vec::new();
    assert!(matcher.read_json(event.as_bytes()), "{event}");
    matcher.run_json(None, event.as_bytes(), &[], &mut hits);
    let found = |hits: &[Hit]| hits.iter().map(|hit| hit.rule).collect::<Vec<_>>();
    assert_eq!(found(&hits), expected, "json {round} {event}");
    hits.clear();
    matcher.read_typed(&pairs);
    matcher.run(&log, Source::Typed(&pairs), &[], &mut hits);
    assert_eq!(found(&hits), expected, "typed {round} {event}");
}
