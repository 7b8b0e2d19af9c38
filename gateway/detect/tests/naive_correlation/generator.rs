//! Correlations, filters and streams of events from a seed, and the rules as an author would write them.
//!
//! Not a judge of them: what matches is the evaluator's. Invariant: every rule that comes from here loads.

use serde_json::{Map, Value, json};

use crate::dice::Dice;

/// One second in the microseconds of all times here.
pub(crate) const SECOND: i64 = 1_000_000;

impl Dice {
    fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }

    /// `count` different items, in random order.
    fn some<T: Clone>(&mut self, from: &[T], count: usize) -> Vec<T> {
        let mut rest = from.to_vec();
        (0..count.min(from.len())).map(|_| rest.remove(self.roll(rest.len()))).collect()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) least: Option<i64>,
}

/// An exclusion for some base rules.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) rules: Option<Vec<usize>>,
    pub(crate) users: Vec<&'static str>,
}

/// An extended condition, over positions in `rules`.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Rule(usize),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Bounds(Vec<(&'static str, i64)>),
    Absent,
    Tree(Tree),
}

#[derive(Clone, Debug)]
pub(crate) struct Correlation {
    pub(crate) kind: &'static str,
    /// Indices into all rules: first the base rules, then the correlations.
    pub(crate) rules: Vec<usize>,
    /// For each of `rules` the fields that make the group.
    pub(crate) groups: Vec<Vec<&'static str>>,
    pub(crate) names: Vec<&'static str>,
    pub(crate) aliases: bool,
    pub(crate) span: i64,
    pub(crate) fields: Vec<&'static str>,
    pub(crate) condition: Condition,
    pub(crate) generate: bool,
}

pub(crate) struct World {
    pub(crate) bases: Vec<Base>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) correlations: Vec<Correlation>,
}

fn tree(dice: &mut Dice, rules: usize, depth: usize) -> Tree {
    let kind = if depth == 0 { 0 } else { dice.roll(6) };
    let parts = |dice: &mut Dice| (0..2 + dice.roll(2)).map(|_| tree(dice, rules, depth - 1)).collect();
    match kind {
        1 => Tree::Not(Box::new(tree(dice, rules, depth - 1))),
        2 | 3 => Tree::And(parts(dice)),
        4 | 5 => Tree::Or(parts(dice)),
        _ => Tree::Rule(dice.roll(rules)),
    }
}

fn tree_text(tree: &Tree, names: &[String]) -> String {
    let join = |parts: &[Tree], word: &str| {
        let parts: Vec<_> = parts.iter().map(|part| tree_text(part, names)).collect();
        format!("({})", parts.join(word))
    };
    match tree {
        Tree::Rule(at) => names[*at].clone(),
        Tree::Not(inner) => format!("not {}", tree_text(inner, names)),
        Tree::And(parts) => join(parts, " and "),
        Tree::Or(parts) => join(parts, " or "),
    }
}

const METRICS: [&str; 3] = ["value_sum", "value_avg", "value_median"];

fn correlation(dice: &mut Dice, index: usize, bases: usize) -> Correlation {
    let before: Vec<usize> = (0..bases + index).collect();
    let kind = dice.pick(&[
        "event_count",
        "event_count",
        "value_count",
        "temporal",
        "temporal",
        "temporal_ordered",
        "temporal_ordered",
        METRICS[index % 3],
    ]);
    let temporal = kind.starts_with("temporal");
    let count = if temporal { 2 + dice.roll(2) } else { 1 + dice.roll(2) };
    // Most refer to base rules, some to correlations before them.
    let mut rules = dice.some(&before[..bases], count);
    if index > 0 && dice.one_in(3) {
        rules[0] = bases + dice.roll(index);
    }
    let names = dice.pick(&[vec!["u"], vec!["u"], vec!["u", "w"], vec![], vec!["who"]]);
    let aliases = names == ["who"];
    let groups =
        rules.iter().map(|_| if aliases { vec![dice.pick(&["u", "w"])] } else { names.clone() }).collect();
    let condition = match kind {
        "event_count" | "value_count" => Condition::Bounds(dice.pick(&[
            vec![("gte", 2)],
            vec![("gte", 3)],
            vec![("gt", 3)],
            vec![("eq", 2)],
            vec![("gt", 1), ("lte", 3)],
            vec![("lt", 2)],
        ])),
        "temporal" | "temporal_ordered" => match dice.roll(4) {
            0 => Condition::Bounds(vec![("gte", 2)]),
            1 => Condition::Absent,
            _ => Condition::Tree(tree(dice, rules.len(), 2)),
        },
        "value_sum" => Condition::Bounds(vec![("gt", 12)]),
        _ => Condition::Bounds(vec![dice.pick(&[("gte", 5), ("lt", 4)])]),
    };
    let fields = match kind {
        "value_count" => dice.pick(&[vec!["v"], vec!["w"], vec!["v", "w"]]),
        _ if METRICS.contains(&kind) => vec!["v"],
        _ => vec![],
    };
    let span = dice.pick(&[5, 10, 30]) * SECOND;
    Correlation { kind, rules, groups, names, aliases, span, fields, condition, generate: dice.one_in(3) }
}

pub(crate) fn world(dice: &mut Dice) -> World {
    let base = |dice: &mut Dice| {
        let count = 1 + dice.roll(2);
        Base { kinds: dice.some(&["a", "b", "c"], count), least: dice.one_in(4).then_some(3) }
    };
    let bases: Vec<Base> = (0..4).map(|_| base(dice)).collect();
    let filter = |dice: &mut Dice| Filter {
        rules: if dice.one_in(3) { None } else { Some(dice.some(&[0, 1, 2, 3], 2)) },
        users: dice.some(&["x", "y", "z"], 1),
    };
    let filters = (0..dice.roll(2)).map(|_| filter(dice)).collect();
    let correlations = (0..12).map(|index| correlation(dice, index, bases.len())).collect();
    World { bases, filters, correlations }
}

pub(crate) fn name(index: usize) -> String {
    format!("r{index}")
}

/// The rules as the author would write them.
pub(crate) fn text(world: &World) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (index, base) in world.bases.iter().enumerate() {
        let mut selection = Map::new();
        selection.insert("k".to_owned(), json!(base.kinds));
        if let Some(least) = base.least {
            selection.insert("v|gte".to_owned(), json!(least));
        }
        files.push(json!({
            "title": name(index), "id": name(index), "name": name(index), "logsource": {"product": "p"},
            "detection": {"s": selection, "condition": "s"},
        }));
    }
    for (index, filter) in world.filters.iter().enumerate() {
        let rules = match &filter.rules {
            None => json!("any"),
            Some(rules) => json!(rules.iter().map(|rule| name(*rule)).collect::<Vec<_>>()),
        };
        files.push(json!({
            "title": format!("f{index}"), "logsource": {"product": "p"},
            "filter": {"rules": rules, "s": {"u": filter.users}, "condition": "not s"},
        }));
    }
    for (index, rule) in world.correlations.iter().enumerate() {
        let id = name(world.bases.len() + index);
        let names: Vec<String> = rule.rules.iter().map(|rule| name(*rule)).collect();
        let mut section = json!({
            "type": rule.kind, "rules": names, "timespan": format!("{}s", rule.span / SECOND),
            "group-by": rule.names, "generate": rule.generate,
        });
        if rule.aliases {
            let fields: Map<String, Value> =
                names.iter().zip(&rule.groups).map(|(name, group)| (name.clone(), json!(group[0]))).collect();
            section["aliases"] = json!({"who": fields});
        }
        match &rule.condition {
            Condition::Absent => {}
            Condition::Tree(tree) => section["condition"] = json!(tree_text(tree, &names)),
            Condition::Bounds(bounds) => {
                let mut map: Map<String, Value> =
                    bounds.iter().map(|(word, count)| ((*word).to_owned(), json!(count))).collect();
                match rule.fields.as_slice() {
                    [] => {}
                    [one] => drop(map.insert("field".to_owned(), json!(one))),
                    several => drop(map.insert("field".to_owned(), json!(several))),
                }
                section["condition"] = Value::Object(map);
            }
        }
        files.push(json!({"title": id, "id": id, "name": id, "correlation": section}));
    }
    files.iter().enumerate().map(|(at, file)| (format!("{at:02}.yml"), file.to_string())).collect()
}

/// One event: what it says and when, and when it arrives.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) fields: Map<String, Value>,
    pub(crate) time: i64,
    pub(crate) arrives: i64,
}

pub(crate) fn stream(dice: &mut Dice, length: usize) -> Vec<Sent> {
    let mut arrives = 100 * SECOND;
    let sent = |dice: &mut Dice| {
        arrives += dice.pick(&[0, 0, 1, 1, 2, 3, 5, 11, 31]) * SECOND;
        let late = if dice.one_in(5) { dice.pick(&[1, 2, 4, 9, 25, 40]) } else { 0 };
        let mut fields = Map::new();
        fields.insert("k".to_owned(), json!(dice.pick(&["a", "b", "c"])));
        for field in ["u", "w"] {
            if !dice.one_in(8) {
                fields.insert(field.to_owned(), json!(dice.pick(&["x", "y", "z", "x"])));
            }
        }
        match dice.roll(6) {
            0 => {}
            1 => drop(fields.insert("v".to_owned(), json!(dice.roll(8).to_string()))),
            _ => drop(fields.insert("v".to_owned(), json!(dice.roll(8)))),
        }
        Sent { fields, time: arrives - late * SECOND, arrives }
    };
    let mut sent = sent;
    (0..length).map(|_| sent(dice)).collect()
}
