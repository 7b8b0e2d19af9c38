//! A naive evaluator of single-event Sigma, written from the specification, against the engine.
//!
//! It shares no code with the engine: own reading of rules (as JSON trees), own patterns, own conditions. Rules and
//! events are generated from a seed, with the letters and traps of real ones (case, wildcards, escapes, numbers as
//! text, null, lists, nested names, non-ASCII). `make test` runs a few thousand pairs; the deep tier all 100,000:
//! `cargo test -p sitewarden-detect --test naive -- --ignored`.

#![expect(clippy::unwrap_used, reason = "a generator of tests: what it unwraps it has made itself")]

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sitewarden_core::{LogSource, Now, Timestamp};
use sitewarden_detect::{Engine, Limits, RuleSet};

/// Deterministic numbers (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.roll(from.len());
        &from[at]
    }
}

const FIELDS: [&str; 6] = ["CommandLine", "Image", "EventID", "user.name", "value", "Ip"];
const WORDS: [&str; 24] = [
    "powershell.exe",
    "cmd.exe",
    r"C:\Windows\System32\cmd.exe",
    r"\cmd.exe",
    "-enc",
    " /c ",
    "whoami",
    "WHOAMI",
    "4624",
    "4625",
    "12.5",
    "-3",
    "10.1.2.3",
    "192.168.0.9",
    "fe80::1",
    "",
    "Straße",
    "İx",
    "ΑΣ",
    "a*b",
    "a?b",
    r"tail\",
    "true",
    "“quoted”\n\"x\"",
];

fn event_value(dice: &mut Dice, depth: usize) -> Value {
    match dice.roll(if depth == 0 { 12 } else { 9 }) {
        0 => json!(*dice.pick(&[4624, 4625, 0, -3, 12, 9_007_199_254_740_993_i64])),
        1 => json!(*dice.pick(&[12.5, -0.5, 1e3, 4624.0])),
        2 => json!(dice.roll(2) == 0),
        3 => Value::Null,
        4..=6 => json!(*dice.pick(&WORDS)),
        7 | 8 => {
            json!(format!("{}{}{}", dice.pick(&WORDS), dice.pick(&[" ", "\\", "", "x"]), dice.pick(&WORDS)))
        }
        9 => Value::Array((0..dice.roll(4)).map(|_| event_value(dice, 1)).collect()),
        _ => json!({ "name": event_value(dice, 1), "other": event_value(dice, 1) }),
    }
}

fn event(dice: &mut Dice) -> Map<String, Value> {
    let mut event = Map::new();
    for field in FIELDS {
        if dice.roll(3) > 0 {
            event.insert(field.to_owned(), event_value(dice, 0));
        }
    }
    if dice.roll(3) == 0 {
        event.remove("user.name");
        event.insert("user".to_owned(), event_value(dice, 0));
    }
    event
}

/// A rule's value with what the author may write around it.
fn rule_text(dice: &mut Dice) -> String {
    let word = dice.pick(&WORDS).to_string();
    match dice.roll(6) {
        0 => format!("*{word}"),
        1 => format!("{word}*"),
        2 => format!("*{}?*", word.chars().take(3).collect::<String>()),
        3 => word.to_uppercase(),
        _ => word,
    }
}

fn item(dice: &mut Dice) -> (String, Value) {
    let field = *dice.pick(&FIELDS);
    let values = |dice: &mut Dice| Value::Array((0..=dice.roll(3)).map(|_| json!(rule_text(dice))).collect());
    match dice.roll(14) {
        0 | 1 => (format!("{field}|contains"), values(dice)),
        2 => (format!("{field}|startswith"), values(dice)),
        3 => (format!("{field}|endswith"), values(dice)),
        4 => (format!("{field}|contains|all"), values(dice)),
        5 => (field.to_owned(), values(dice)),
        6 => (field.to_owned(), json!(*dice.pick(&[4624, 4625, 12, -3]))),
        7 => {
            (format!("{field}|{}", dice.pick(&["lt", "lte", "gt", "gte"])), json!(*dice.pick(&[0, 12, 4624])))
        }
        8 => (field.to_owned(), Value::Null),
        9 => (format!("{field}|exists"), json!(dice.roll(2) == 0)),
        10 => (format!("{field}|cased"), json!(rule_text(dice))),
        11 => (format!("{field}|neq"), values(dice)),
        12 => (format!("{field}|cidr"), json!(*dice.pick(&["10.0.0.0/8", "192.168.0.0/16", "fe80::/10"]))),
        _ => (format!("{field}|fieldref"), json!(*dice.pick(&FIELDS))),
    }
}

fn selection(dice: &mut Dice) -> Value {
    let map = |dice: &mut Dice| {
        let items: Map<String, Value> = (0..=dice.roll(3)).map(|_| item(dice)).collect();
        Value::Object(items)
    };
    match dice.roll(8) {
        0 => Value::Array((0..=dice.roll(2)).map(|_| json!(rule_text(dice))).collect()),
        1 => Value::Array((0..=dice.roll(2)).map(|_| map(dice)).collect()),
        _ => map(dice),
    }
}

/// A rule: its selections and its condition as text.
fn rule(dice: &mut Dice) -> (Map<String, Value>, String) {
    let names = ["selection_a", "selection_b", "filter_x"];
    let selections: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), selection(dice))).collect();
    let condition = *dice.pick(&[
        "selection_a",
        "selection_a and not filter_x",
        "1 of selection_*",
        "all of selection_* and not 1 of filter_*",
        "2 of them",
        "not selection_a and (selection_b or not filter_x)",
        "all of them",
        "selection_a or selection_b and filter_x",
        "not (selection_a or filter_x)",
    ]);
    (selections, condition.to_owned())
}

/// The values of a name: as it stands, else as a path; lists stand for their values. `None`: absent.
fn lookup<'a>(event: &'a Map<String, Value>, name: &str) -> Option<Vec<&'a Value>> {
    fn spread<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| spread(item, into)),
            other => into.push(other),
        }
    }
    fn path<'a>(value: &'a Value, rest: &str, into: &mut Option<Vec<&'a Value>>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| path(item, rest, into)),
            Value::Object(map) => {
                if let Some(found) = lookup(map, rest) {
                    into.get_or_insert_default().extend(found);
                }
            }
            _ => {}
        }
    }
    if let Some(value) = event.get(name) {
        let mut found = Vec::new();
        spread(value, &mut found);
        return Some(found);
    }
    let mut found = None;
    for (at, _) in name.match_indices('.') {
        if let Some(value) = event.get(&name[..at]) {
            path(value, &name[at + 1..], &mut found);
        }
    }
    found
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(
            number.as_i64().map_or_else(|| number.as_f64().unwrap().to_string(), |whole| whole.to_string()),
        ),
        _ => None,
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// One unit of a Sigma string: a character, any one, or any number.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Char(char),
    One,
    Many,
}

fn units(raw: &str) -> Vec<Unit> {
    let chars: Vec<char> = raw.chars().collect();
    let mut units = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '\\' if matches!(chars.get(at + 1), Some('*' | '?' | '\\')) => {
                units.push(Unit::Char(chars[at + 1]));
                at += 1;
            }
            '*' => units.push(Unit::Many),
            '?' => units.push(Unit::One),
            other => units.push(Unit::Char(other)),
        }
        at += 1;
    }
    units
}

/// Whether the text is the pattern, by dynamic programming over both.
fn like(units: &[Unit], text: &str, cased: bool) -> bool {
    let fold = |c: char| -> Vec<char> { if cased { vec![c] } else { c.to_lowercase().collect() } };
    let pattern: Vec<Unit> = units
        .iter()
        .flat_map(|unit| match unit {
            Unit::Char(c) => fold(*c).into_iter().map(Unit::Char).collect(),
            other => vec![*other],
        })
        .collect();
    let text: Vec<char> = text.chars().flat_map(fold).collect();
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for unit in pattern {
        let mut next = vec![false; text.len() + 1];
        match unit {
            Unit::Many => {
                let mut any = false;
                for at in 0..=text.len() {
                    any |= reach[at];
                    next[at] = any;
                }
            }
            Unit::One => (0..text.len()).for_each(|at| next[at + 1] = reach[at]),
            Unit::Char(c) => (0..text.len()).for_each(|at| next[at + 1] = reach[at] && text[at] == c),
        }
        reach = next;
    }
    reach[text.len()]
}

fn in_range(range: &str, address: &str) -> bool {
    let (net, bits) = range.split_once('/').unwrap();
    let bits: usize = bits.parse().unwrap();
    let octets = |text: &str| -> Option<Vec<u8>> {
        match text.parse::<std::net::IpAddr>().ok()? {
            std::net::IpAddr::V4(v4) => Some(v4.octets().to_vec()),
            std::net::IpAddr::V6(v6) => Some(v6.octets().to_vec()),
        }
    };
    let (Some(net), Some(address)) = (octets(net), octets(address)) else { return false };
    net.len() == address.len()
        && (0..bits).all(|bit| (net[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1 == 0)
}

fn one(event: &Map<String, Value>, field: &str, modifiers: &[&str], wanted: &Value) -> bool {
    let has = |name: &str| modifiers.contains(&name);
    let found = lookup(event, field);
    if has("exists") {
        return found.is_some() == wanted.as_bool().unwrap();
    }
    let Some(found) = found else { return wanted.is_null() };
    if wanted.is_null() {
        return found.iter().any(|value| value.is_null());
    }
    found.iter().any(|value| {
        if let Some(order) = ["lt", "lte", "gt", "gte"].into_iter().find(|order| has(order)) {
            let bound = wanted.as_f64().unwrap();
            return number_of(value).is_some_and(|number| match order {
                "lt" => number < bound,
                "lte" => number <= bound,
                "gt" => number > bound,
                _ => number >= bound,
            });
        }
        if let Value::Number(number) = wanted {
            return number_of(value) == number.as_f64();
        }
        let Some(text) = text_of(value) else { return false };
        let wanted = wanted.as_str().unwrap();
        if has("cidr") {
            return in_range(wanted, &text);
        }
        if has("fieldref") {
            let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
            let others = lookup(event, wanted).unwrap_or_default();
            return others
                .iter()
                .filter_map(|other| text_of(other))
                .any(|other| lower(&other) == lower(&text));
        }
        let mut pattern = units(wanted);
        if has("contains") || has("endswith") {
            pattern.insert(0, Unit::Many);
        }
        if has("contains") || has("startswith") {
            pattern.push(Unit::Many);
        }
        like(&pattern, &text, has("cased"))
    })
}

fn keyword(value: &Value, pattern: &[Unit]) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| keyword(item, pattern)),
        Value::Object(map) => map.values().any(|item| keyword(item, pattern)),
        scalar => text_of(scalar).is_some_and(|text| like(pattern, &text, false)),
    }
}

fn selected(event: &Map<String, Value>, selection: &Value) -> bool {
    match selection {
        Value::Object(items) => items.iter().all(|(key, value)| {
            let mut parts = key.split('|');
            let field = parts.next().unwrap();
            let modifiers: Vec<&str> = parts.collect();
            let single = [value.clone()];
            let values = value.as_array().map_or(single.as_slice(), Vec::as_slice);
            let mut holds = values.iter().map(|value| one(event, field, &modifiers, value));
            let joined = if modifiers.contains(&"all") { holds.all(|h| h) } else { holds.any(|h| h) };
            joined != modifiers.contains(&"neq")
        }),
        Value::Array(items) => items.iter().any(|item| match item {
            Value::String(word) => {
                let mut pattern = units(word);
                pattern.insert(0, Unit::Many);
                pattern.push(Unit::Many);
                event.values().any(|value| keyword(value, &pattern))
            }
            map => selected(event, map),
        }),
        _ => unreachable!("generated selections are maps and lists"),
    }
}

fn expected(event: &Map<String, Value>, selections: &Map<String, Value>, condition: &str) -> bool {
    let holds = |name: &str| selected(event, &selections[name]);
    let (a, b, f) = (holds("selection_a"), holds("selection_b"), holds("filter_x"));
    match condition {
        "selection_a" => a,
        "selection_a and not filter_x" => a && !f,
        "1 of selection_*" => a || b,
        "all of selection_* and not 1 of filter_*" => a && b && !f,
        "2 of them" => u8::from(a) + u8::from(b) + u8::from(f) >= 2,
        "not selection_a and (selection_b or not filter_x)" => !a && (b || !f),
        "all of them" => a && b && f,
        "selection_a or selection_b and filter_x" => a || (b && f),
        _ => !(a || f),
    }
}

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
