//! The naive evaluator: own reading of rules (as JSON trees), own patterns, own conditions.
//!
//! Slow and without memory. Invariant: it shares no code with the engine.

use serde_json::{Map, Value};

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

pub(crate) fn expected(event: &Map<String, Value>, selections: &Map<String, Value>, condition: &str) -> bool {
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
