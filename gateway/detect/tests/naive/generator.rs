//! Rules and events of single-event Sigma from a seed, with the letters and traps of real ones.
//!
//! Not a judge of them: what matches is the evaluator's. Invariant: every rule that comes from here loads.

use serde_json::{Map, Value, json};

use crate::dice::Dice;

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
        0 => json!(dice.pick(&[4624, 4625, 0, -3, 12, 9_007_199_254_740_993_i64])),
        1 => json!(dice.pick(&[12.5, -0.5, 1e3, 4624.0])),
        2 => json!(dice.roll(2) == 0),
        3 => Value::Null,
        4..=6 => json!(dice.pick(&WORDS)),
        7 | 8 => {
            json!(format!("{}{}{}", dice.pick(&WORDS), dice.pick(&[" ", "\\", "", "x"]), dice.pick(&WORDS)))
        }
        9 => Value::Array((0..dice.roll(4)).map(|_| event_value(dice, 1)).collect()),
        _ => json!({ "name": event_value(dice, 1), "other": event_value(dice, 1) }),
    }
}

pub(crate) fn event(dice: &mut Dice) -> Map<String, Value> {
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
    let field = dice.pick(&FIELDS);
    let values = |dice: &mut Dice| Value::Array((0..=dice.roll(3)).map(|_| json!(rule_text(dice))).collect());
    match dice.roll(14) {
        0 | 1 => (format!("{field}|contains"), values(dice)),
        2 => (format!("{field}|startswith"), values(dice)),
        3 => (format!("{field}|endswith"), values(dice)),
        4 => (format!("{field}|contains|all"), values(dice)),
        5 => (field.to_owned(), values(dice)),
        6 => (field.to_owned(), json!(dice.pick(&[4624, 4625, 12, -3]))),
        7 => {
            (format!("{field}|{}", dice.pick(&["lt", "lte", "gt", "gte"])), json!(dice.pick(&[0, 12, 4624])))
        }
        8 => (field.to_owned(), Value::Null),
        9 => (format!("{field}|exists"), json!(dice.roll(2) == 0)),
        10 => (format!("{field}|cased"), json!(rule_text(dice))),
        11 => (format!("{field}|neq"), values(dice)),
        12 => (format!("{field}|cidr"), json!(dice.pick(&["10.0.0.0/8", "192.168.0.0/16", "fe80::/10"]))),
        _ => (format!("{field}|fieldref"), json!(dice.pick(&FIELDS))),
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
pub(crate) fn rule(dice: &mut Dice) -> (Map<String, Value>, String) {
    let names = ["selection_a", "selection_b", "filter_x"];
    let selections: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), selection(dice))).collect();
    let condition = dice.pick(&[
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
