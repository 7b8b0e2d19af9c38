//! A naive evaluator of Sigma correlations and filters, written from the specification, against the engine.
//!
//! It shares no code with the engine and never forgets: every question is answered from the list of all matches of
//! a group. Rules (counts, values, metrics, orders, extended conditions, aliases, chains, `generate`, filters) and
//! streams (late and equal times, absent fields) are generated from a seed. `make test` runs a few thousand pairs of
//! rule and event, the deep tier 100,000.

#![expect(clippy::unwrap_used, reason = "a generator of tests: what it unwraps it has made itself")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sitewarden_core::{FindingDraft, LogSource, Monotonic, Now, Timestamp};
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

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.roll(from.len());
        from[at].clone()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }

    /// `count` different items, in random order.
    fn some<T: Clone>(&mut self, from: &[T], count: usize) -> Vec<T> {
        let mut rest = from.to_vec();
        (0..count.min(from.len())).map(|_| rest.remove(self.roll(rest.len()))).collect()
    }
}

const BEGIN: i64 = 1_795_514_400;
const SECOND: i64 = 1_000_000;

#[derive(Clone, Debug)]
struct Base {
    kinds: Vec<&'static str>,
    least: Option<i64>,
}

/// An exclusion for some base rules.
#[derive(Clone, Debug)]
struct Filter {
    rules: Option<Vec<usize>>,
    users: Vec<&'static str>,
}

/// An extended condition, over positions in `rules`.
#[derive(Clone, Debug)]
enum Tree {
    Rule(usize),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

#[derive(Clone, Debug)]
enum Condition {
    Bounds(Vec<(&'static str, i64)>),
    Absent,
    Tree(Tree),
}

#[derive(Clone, Debug)]
struct Correlation {
    kind: &'static str,
    /// Indices into all rules: first the base rules, then the correlations.
    rules: Vec<usize>,
    /// For each of `rules` the fields that make the group.
    groups: Vec<Vec<&'static str>>,
    names: Vec<&'static str>,
    aliases: bool,
    span: i64,
    fields: Vec<&'static str>,
    condition: Condition,
    generate: bool,
}

struct World {
    bases: Vec<Base>,
    filters: Vec<Filter>,
    correlations: Vec<Correlation>,
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

fn world(dice: &mut Dice) -> World {
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

fn name(index: usize) -> String {
    format!("r{index}")
}

/// The rules as the author would write them.
fn text(world: &World) -> Vec<(String, String)> {
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
struct Sent {
    fields: Map<String, Value>,
    time: i64,
    arrives: i64,
}

fn stream(dice: &mut Dice, length: usize) -> Vec<Sent> {
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

fn value_text(event: &Sent, field: &str) -> Option<String> {
    match event.fields.get(field)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn key(event: &Sent, fields: &[&'static str]) -> Option<Vec<String>> {
    fields.iter().map(|field| value_text(event, field)).collect()
}

/// A match that a correlation was told of.
#[derive(Clone, Debug)]
struct Told {
    time: i64,
    /// Which event it was, in order of arrival.
    event: usize,
    /// Position in the correlation's `rules`.
    position: usize,
    value: Option<Vec<String>>,
    sent: Sent,
}

/// What is known of one group of one correlation: everything.
#[derive(Clone, Debug, Default)]
struct Group {
    told: Vec<Told>,
    held: bool,
    /// Since when (event time, clock) a condition with `not` holds.
    waits: Option<(i64, i64)>,
}

impl Group {
    fn newest(&self) -> Option<i64> {
        self.told.iter().map(|told| told.time).max()
    }

    /// Specification, "Correlation Types": what lies in the time frame that ends with the newest match.
    fn frame(&self, span: i64) -> Vec<Told> {
        let newest = self.newest().unwrap();
        let mut frame: Vec<Told> =
            self.told.iter().filter(|told| newest - told.time <= span).cloned().collect();
        frame.sort_by_key(|told| told.time);
        frame
    }
}

fn within(bounds: &[(&str, i64)], number: f64) -> bool {
    bounds.iter().all(|(word, bound)| {
        let bound = *bound as f64;
        match *word {
            "gt" => number > bound,
            "gte" => number >= bound,
            "lt" => number < bound,
            "lte" => number <= bound,
            _ => number == bound,
        }
    })
}

/// Whether there is a match of each of these rules, each later than the one before it.
fn in_order(frame: &[Told], wanted: &[usize]) -> bool {
    fn from(frame: &[Told], wanted: &[usize], after: Option<(i64, usize)>) -> bool {
        let Some((first, rest)) = wanted.split_first() else { return true };
        frame.iter().any(|told| {
            told.position == *first
                && after.is_none_or(|after| after < (told.time, told.event))
                && from(frame, rest, Some((told.time, told.event)))
        })
    }
    from(frame, wanted, None)
}

/// The most rules, from the first one on, that follow each other.
fn longest_order(frame: &[Told], rules: usize) -> usize {
    (0..=rules).rev().find(|count| in_order(frame, &(0..*count).collect::<Vec<_>>())).unwrap()
}

fn tree_holds(tree: &Tree, present: &BTreeSet<usize>) -> bool {
    match tree {
        Tree::Rule(at) => present.contains(at),
        Tree::Not(inner) => !tree_holds(inner, present),
        Tree::And(parts) => parts.iter().all(|part| tree_holds(part, present)),
        Tree::Or(parts) => parts.iter().any(|part| tree_holds(part, present)),
    }
}

fn negates(tree: &Tree, under: bool) -> bool {
    match tree {
        Tree::Rule(_) => under,
        Tree::Not(inner) => negates(inner, !under),
        Tree::And(parts) | Tree::Or(parts) => parts.iter().any(|part| negates(part, under)),
    }
}

/// Positions that stand under no `not`.
fn positive(tree: &Tree, under: bool, into: &mut BTreeSet<usize>) {
    match tree {
        Tree::Rule(at) if !under => drop(into.insert(*at)),
        Tree::Rule(_) => {}
        Tree::Not(inner) => positive(inner, !under, into),
        Tree::And(parts) | Tree::Or(parts) => parts.iter().for_each(|part| positive(part, under, into)),
    }
}

/// Whether the tree holds for what is present when of the rules asked for only these are looked at, as present,
/// while those that must be absent are judged by all that is present.
fn tree_holds_with(tree: &Tree, chosen: &BTreeSet<usize>, all: &BTreeSet<usize>, under: bool) -> bool {
    match tree {
        Tree::Rule(at) => {
            if under {
                all.contains(at)
            } else {
                chosen.contains(at)
            }
        }
        Tree::Not(inner) => !tree_holds_with(inner, chosen, all, !under),
        Tree::And(parts) => parts.iter().all(|part| tree_holds_with(part, chosen, all, under)),
        Tree::Or(parts) => parts.iter().any(|part| tree_holds_with(part, chosen, all, under)),
    }
}

fn condition_holds(rule: &Correlation, frame: &[Told]) -> bool {
    let present: BTreeSet<usize> = frame.iter().map(|told| told.position).collect();
    let ordered = rule.kind == "temporal_ordered";
    match &rule.condition {
        Condition::Tree(tree) if !ordered => tree_holds(tree, &present),
        Condition::Tree(tree) => {
            // Some choice of the rules that are asked for fulfils the condition and appears in order.
            let mut asked = BTreeSet::new();
            positive(tree, false, &mut asked);
            let asked: Vec<usize> = asked.intersection(&present).copied().collect();
            (0..1_u32 << asked.len()).any(|bits| {
                let chosen: BTreeSet<usize> =
                    asked.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, p)| *p).collect();
                let order: Vec<usize> = chosen.iter().copied().collect();
                tree_holds_with(tree, &chosen, &present, false) && in_order(frame, &order)
            })
        }
        Condition::Absent if ordered => longest_order(frame, rule.rules.len()) == rule.rules.len(),
        Condition::Absent => present.len() == rule.rules.len(),
        Condition::Bounds(bounds) => match rule.kind {
            "event_count" => within(bounds, frame.len() as f64),
            "value_count" => {
                let values: BTreeSet<_> = frame.iter().filter_map(|told| told.value.clone()).collect();
                within(bounds, values.len() as f64)
            }
            "temporal" => within(bounds, present.len() as f64),
            "temporal_ordered" => within(bounds, longest_order(frame, rule.rules.len()) as f64),
            metric => {
                let numbers = frame.iter().filter_map(|told| told.value.as_ref()?[0].parse().ok());
                let mut numbers: Vec<f64> = numbers.collect();
                numbers.sort_by(f64::total_cmp);
                if numbers.is_empty() {
                    return false;
                }
                let sum: f64 = numbers.iter().sum();
                let half = numbers.len() / 2;
                within(
                    bounds,
                    match metric {
                        "value_sum" => sum,
                        "value_avg" => sum / numbers.len() as f64,
                        _ if numbers.len() % 2 == 1 => numbers[half],
                        _ => f64::midpoint(numbers[half - 1], numbers[half]),
                    },
                )
            }
        },
    }
}

/// The evaluator.
struct Naive<'a> {
    world: &'a World,
    groups: BTreeMap<(usize, Vec<String>), Group>,
    clock: i64,
    events: usize,
    out: Vec<String>,
}

impl Naive<'_> {
    /// Specification, "Generate": rules that a correlation refers to make no findings of their own without it.
    fn is_told(&self, rule: usize) -> bool {
        self.world.correlations.iter().filter(|c| c.rules.contains(&rule)).all(|c| c.generate)
    }

    fn finding(&mut self, rule: usize, key: &[String], time: i64) {
        if self.is_told(rule) {
            let key: String = key.iter().map(|part| format!("|{part}")).collect();
            self.out.push(format!("{time} {}{key}", name(rule)));
        }
    }

    fn event(&mut self, sent: &Sent) {
        self.pass(sent.arrives);
        self.events += 1;
        let least = |least: i64| {
            value_text(sent, "v").and_then(|text| text.parse::<i64>().ok()).is_some_and(|v| v >= least)
        };
        for (index, base) in self.world.bases.iter().enumerate() {
            let kind = value_text(sent, "k").unwrap();
            let matches = base.kinds.contains(&&*kind) && base.least.is_none_or(least);
            let user = value_text(sent, "u").unwrap_or_default();
            let filtered = self.world.filters.iter().any(|filter| {
                filter.rules.as_ref().is_none_or(|rules| rules.contains(&index))
                    && filter.users.contains(&&*user)
            });
            if matches && !filtered {
                self.finding(index, &[], sent.time);
                self.tell(index, sent, sent.time);
            }
        }
    }

    /// A rule matched: first all that refer to it are told, then what comes of that.
    fn tell(&mut self, rule: usize, sent: &Sent, time: i64) {
        let bases = self.world.bases.len();
        let mut fired = Vec::new();
        for (index, correlation) in self.world.correlations.iter().enumerate() {
            for position in (0..correlation.rules.len()).filter(|at| correlation.rules[*at] == rule) {
                if self.count(index, position, sent, time) {
                    fired.push(bases + index);
                }
            }
        }
        for rule in fired {
            self.tell(rule, sent, time);
        }
    }

    fn count(&mut self, index: usize, position: usize, sent: &Sent, time: i64) -> bool {
        let rule = &self.world.correlations[index];
        let Some(key) = key(sent, &rule.groups[position]) else { return false };
        let id = (index, key);
        let mut group = self.groups.get(&id).cloned().unwrap_or_default();
        if group.newest().is_some_and(|newest| newest - time > rule.span) {
            return false;
        }
        if let Some((since, _)) = group.waits.filter(|(since, _)| time - since > rule.span) {
            self.waited(&id, since);
            group = self.groups.get(&id).cloned().unwrap_or_default();
        }
        let value = self::key(sent, &rule.fields).filter(|_| !rule.fields.is_empty());
        group.told.push(Told { time, event: self.events, position, value, sent: sent.clone() });
        let frame = group.frame(rule.span);
        // What has left the frame entirely has ceased; what comes then is something new.
        group.held &= frame.len() > 1;
        let holds = condition_holds(rule, &frame);
        if matches!(&rule.condition, Condition::Tree(tree) if negates(tree, false)) {
            group.waits = holds.then(|| group.waits.unwrap_or((time, self.clock)));
            self.groups.insert(id, group);
            return false;
        }
        let begins = holds && !group.held;
        group.held = holds;
        self.groups.insert(id.clone(), group);
        if begins {
            self.finding(self.world.bases.len() + index, &id.1, time);
        }
        begins
    }

    /// A condition with `not` held for the whole of its time frame: that is the match.
    fn waited(&mut self, id: &(usize, Vec<String>), since: i64) {
        let rule = &self.world.correlations[id.0];
        let group = self.groups.remove(id).unwrap();
        let time = since + rule.span;
        let index = self.world.bases.len() + id.0;
        self.finding(index, &id.1, time);
        let last = group.told.last().unwrap().sent.clone();
        self.tell(index, &last, time);
    }

    /// Lets the clock pass: a time frame that is over cannot be spoiled any more.
    fn pass(&mut self, clock: i64) {
        loop {
            let over = |((index, key), group): (&(usize, Vec<String>), &Group)| {
                let (since, at) = group.waits?;
                let due = at + self.world.correlations[*index].span;
                (due < clock).then(|| (due, *index, key.clone(), since))
            };
            let Some((due, index, key, since)) = self.groups.iter().filter_map(over).min() else { break };
            self.clock = due;
            self.waited(&(index, key), since);
        }
        self.clock = clock;
    }
}

fn told(drafts: &mut Vec<FindingDraft>) -> Vec<String> {
    let line = |draft: FindingDraft| format!("{} {}", draft.time.micros() - BEGIN * SECOND, draft.dedup_key);
    drafts.drain(..).map(line).collect()
}

/// Plays a stream to both; gives the number of (rule, event) pairs and of matches.
fn agree(seed: u64) -> (usize, usize) {
    let mut dice = Dice(seed);
    for _ in 0..8 {
        dice.roll(2);
    }
    let world = world(&mut dice);
    let files = text(&world);
    let (set, errors) = RuleSet::load(&files);
    assert_eq!(errors, [], "seed {seed}");
    let mut engine = Engine::new(Arc::new(set), Limits::default());
    let mut naive = Naive { world: &world, groups: BTreeMap::new(), clock: 0, events: 0, out: Vec::new() };
    let source = LogSource { product: Some("p".into()), ..LogSource::default() };
    let at = |micros: i64| Timestamp::from_micros(BEGIN * SECOND + micros);
    let stream = stream(&mut dice, 60);
    let mut matches = 0;
    let end = Sent { fields: Map::new(), time: 0, arrives: stream.last().unwrap().arrives + 100 * SECOND };
    for (number, sent) in stream.iter().chain([&end]).enumerate() {
        let mono = Monotonic::from_micros(sent.arrives.cast_unsigned());
        let mut out = Vec::new();
        while let Some(due) = engine.next_deadline().filter(|due| *due <= mono) {
            let now = Now { wall: at(due.micros().cast_signed()), mono: due };
            engine.handle_timeout(now, &mut out);
        }
        let now = Now { wall: at(sent.arrives), mono };
        if number < stream.len() {
            let text = Value::Object(sent.fields.clone()).to_string();
            engine.handle_json(&source, text.as_bytes(), at(sent.time), now, &mut out);
            naive.event(sent);
        } else {
            naive.pass(sent.arrives);
        }
        let mut got = told(&mut out);
        let mut wanted = std::mem::take(&mut naive.out);
        got.sort();
        wanted.sort();
        if got != wanted {
            let rules: String = files.iter().map(|(_, text)| format!("{text}\n")).collect();
            let events: String = stream[..stream.len().min(number + 1)]
                .iter()
                .map(|sent| {
                    format!("{} {} {}\n", sent.arrives / SECOND, sent.time / SECOND, json!(sent.fields))
                })
                .collect();
            panic!(
                "seed {seed}, event {number}: the engine says {got:?}, the specification {wanted:?}\n{rules}{events}"
            );
        }
        matches += got.len();
    }
    ((world.bases.len() + world.correlations.len()) * stream.len(), matches)
}

fn agree_on(seeds: std::ops::Range<u64>) -> usize {
    let (mut pairs, mut matches) = (0, 0);
    for seed in seeds {
        let (more, found) = agree(seed);
        pairs += more;
        matches += found;
    }
    assert!(matches * 20 > pairs, "the streams must make the rules work: {matches} matches of {pairs} pairs");
    pairs
}

#[test]
fn correlations_agree_with_the_naive_evaluator() {
    assert_eq!(agree_on(1..6), 4_800);
}

#[test]
#[ignore = "deep tier: 100,000 pairs"]
fn correlations_agree_with_the_naive_evaluator_on_100_000_pairs() {
    assert_eq!(agree_on(1_000..1_105), 100_800);
}
