//! The compiled form of a set of rules: shared comparisons, their conditions, and what finds comparisons by value.
//!
//! Immutable and shared by engines. Not the state of an event (see `slots`) and not the gates, which depend on the
//! shape of events (see `shape`). Invariant: rule numbers are indices into the set, the others into this.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::Arc;

use super::gate;
use super::grams::{Anchor, Grams};
use super::hash::{Build, folded};
use super::node::{FOUND, Nodes};
use super::sources::{SourceKey, Sources};
use crate::number::Number;
use crate::pattern::{Pattern, Shape};
use crate::rule::atom::{Atom, Logic, Test};
use crate::rule::edge::Edge;
use crate::rule::{Body, Rule};

/// Everything that is compiled.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) fields: Vec<Field>,
    field_ids: HashMap<Arc<str>, u32>,
    pub(crate) atoms: Vec<Compiled>,
    pub(crate) nodes: Nodes,
    /// By comparison: the lists of which it is one ([`super::node::Node::Found`]).
    pub(crate) lists: Vec<Box<[u32]>>,
    /// Rules that judge alike.
    pub(crate) cases: Vec<Case>,
    /// Names at the root of an event that lead to a field: the field itself, or fields below it.
    pub(crate) roots: HashMap<Box<[u8]>, Root>,
    /// Texts that may stand anywhere in an event.
    pub(crate) keywords: Grams,
    /// The fields in which an event says where it belongs: product, category, service.
    pub(crate) routing: [Option<u32>; 3],
    pub(crate) sources: Sources,
}

/// What a name at the root of an event leads to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Root {
    pub(crate) direct: Option<u32>,
    /// Fields whose dotted name goes through this name.
    pub(crate) below: Vec<u32>,
}

/// How a comparison is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By the whole text; the table decides.
    Exact,
    /// By what follows the last backslash; the table decides.
    Base,
    /// By the number; the table decides.
    Number,
    /// By a text within it; the search decides.
    Part,
    /// By a text within it; what is not found does not hold, what is found has to be judged.
    Marked,
    /// Not at all: it has to be judged.
    Direct,
}

impl Kind {
    pub(crate) const fn is_decided(self) -> bool {
        self.is_cheap() || matches!(self, Self::Part)
    }

    /// Whether one look into a table decides.
    pub(crate) const fn is_cheap(self) -> bool {
        matches!(self, Self::Exact | Self::Base | Self::Number)
    }

    /// Which of a field's tables finds it.
    pub(crate) const fn table(self) -> u8 {
        match self {
            Self::Exact => EXACT,
            Self::Base => BASE,
            Self::Number => NUMBERS,
            Self::Part | Self::Marked => GRAMS,
            Self::Direct => 0,
        }
    }
}

/// The tables of a field.
pub(crate) const EXACT: u8 = 1;
pub(crate) const BASE: u8 = 2;
pub(crate) const NUMBERS: u8 = 4;
pub(crate) const GRAMS: u8 = 8;

/// A comparison that rules share.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// `None` for keywords.
    pub(crate) field: Option<u32>,
    /// The other field of a comparison between fields.
    pub(crate) other: Option<u32>,
    pub(crate) kind: Kind,
    /// Cannot hold for a text that is ASCII.
    pub(crate) beyond_ascii: bool,
    /// In how many rules it stands.
    pub(crate) uses: u32,
    pub(crate) atom: Atom,
}

/// Rules of one log source with the same conditions, whose numbers are nodes.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) source: SourceKey,
    pub(crate) condition: u32,
    /// For rules with a state: what they are about.
    pub(crate) scope: Option<u32>,
    pub(crate) clear: Option<u32>,
    /// What decides whether an event concerns the case at all, over shared atoms.
    pub(crate) begins: Logic,
    /// What decides it while one of the rules has a state; `None` when nothing else does.
    pub(crate) goes_on: Option<Logic>,
    pub(crate) rules: Vec<u32>,
}

/// What makes rules judge alike: log source, condition, scope, clear, whether scope alone concerns it.
type Alike = (SourceKey, u32, Option<u32>, Option<u32>, bool);

/// Comparisons by what they compare; a regular expression counts as its text.
type Shared = HashMap<(Option<Arc<str>>, Test), usize>;

/// What finds the comparisons of one field.
#[derive(Debug, Default)]
pub(crate) struct Field {
    pub(crate) exact: HashMap<u64, Vec<u32>, Build>,
    pub(crate) base: HashMap<u64, Vec<u32>, Build>,
    pub(crate) numbers: HashMap<i64, Vec<u32>, Build>,
    pub(crate) grams: Option<Grams>,
}

#[expect(clippy::mutable_key_type, reason = "a regular expression hashes and compares as its text")]
impl Program {
    /// Compiles the rules of a set.
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let mut program = Self::default();
        let mut shared = Shared::new();
        let mut alike: HashMap<Alike, usize> = HashMap::new();
        for (rule, index) in rules.iter().zip(0_u32..) {
            program.sources.add(&rule.logsource);
            program.add(rule, index, &mut shared, &mut alike);
        }
        for name in rules.iter().flat_map(names_read) {
            program.field(&name);
        }
        // Who it is about, when the event does not say otherwise.
        program.field(&Arc::from("device_id"));
        program.routing =
            ["product", "category", "service"].map(|name| Some(program.field(&Arc::from(name))));
        let table = |atom: u32| {
            let compiled = program.atoms.get(atom as usize)?;
            let found = compiled.kind != Kind::Direct;
            Some((compiled.field?, compiled.kind.table(), compiled.kind.is_decided())).filter(|_| found)
        };
        program.lists = program.nodes.finish(program.atoms.len(), &table);
        program.keywords.finish();
        program.fields.iter_mut().filter_map(|field| field.grams.as_mut()).for_each(Grams::finish);
        program
    }

    /// The number of a field, if a rule asks for it.
    pub(crate) fn field_id(&self, name: &str) -> Option<u32> {
        self.field_ids.get(name).copied()
    }

    fn add(&mut self, rule: &Rule, index: u32, shared: &mut Shared, alike: &mut HashMap<Alike, usize>) {
        let Body::Detection(detection) = &rule.body else { return };
        let ids: Vec<usize> = detection.atoms.iter().map(|atom| self.atom(atom, shared)).collect();
        let mapped = |logic: &Logic| {
            let mut logic = logic.clone();
            logic.map(&|index| ids.get(index).copied().unwrap_or(usize::MAX));
            logic
        };
        let keyed = rule.edge.as_ref().filter(|edge| edge.first_seen.is_none());
        let condition = mapped(&detection.condition);
        let scope = keyed.map(|edge| mapped(&edge.scope));
        let clear = keyed.and_then(|edge| edge.clear.as_ref()).map(mapped);
        // Rules that remember every event of their scope are concerned by the scope alone.
        let remembers = keyed.is_some_and(Edge::remembers);
        let node = |nodes: &mut Nodes, atoms: &[Compiled], logic: &Logic| {
            nodes.add(logic, &|index| atoms.get(index).map_or(0, cost_of))
        };
        let (nodes, atoms) = (&mut self.nodes, &self.atoms);
        let condition_node = node(nodes, atoms, &condition);
        let scope_node = scope.as_ref().map(|scope| node(nodes, atoms, scope));
        let clear_node = clear.as_ref().map(|clear| node(nodes, atoms, clear));
        let source = self.sources.key(&rule.logsource);
        let key = (source, condition_node, scope_node, clear_node, remembers);
        if let Some(case) = alike.get(&key).and_then(|at| self.cases.get_mut(*at)) {
            case.rules.push(index);
            return;
        }
        alike.insert(key, self.cases.len());
        let (begins, goes_on) = match scope {
            None => (condition, None),
            Some(scope) if remembers => (scope, None),
            Some(scope) => (Logic::All(vec![scope.clone(), condition]), Some(scope)),
        };
        self.cases.push(Case {
            source,
            condition: condition_node,
            scope: scope_node,
            clear: clear_node,
            begins,
            goes_on,
            rules: vec![index],
        });
    }

    fn atom(&mut self, atom: &Atom, shared: &mut Shared) -> usize {
        let key = (atom.field.clone(), atom.test.clone());
        if let Some(id) = shared.get(&key) {
            if let Some(compiled) = self.atoms.get_mut(*id) {
                compiled.uses = compiled.uses.saturating_add(1);
            }
            return *id;
        }
        let field = atom.field.as_ref().map(|name| self.field(name));
        let other = match &atom.test {
            Test::Field { other, .. } => Some(self.field(other)),
            _ => None,
        };
        let id = self.atoms.len();
        let kind = self.find_by(atom, field, u32::try_from(id).unwrap_or(u32::MAX));
        let beyond_ascii = match &atom.test {
            Test::Text(pattern) => field.is_some() && !gate::is_ascii(pattern),
            _ => false,
        };
        self.atoms.push(Compiled { field, other, kind, beyond_ascii, uses: 1, atom: atom.clone() });
        shared.insert(key, id);
        id
    }

    /// Puts the comparison into the table that finds it.
    fn find_by(&mut self, atom: &Atom, field: Option<u32>, id: u32) -> Kind {
        let Some(field) = field else { return self.find_anywhere(&atom.test, id) };
        let Some(field) = self.fields.get_mut(field as usize) else { return Kind::Direct };
        match &atom.test {
            Test::Equal(Number::Int(whole)) => {
                field.numbers.entry(*whole).or_default().push(id);
                Kind::Number
            }
            Test::Text(pattern) if !pattern.cased => by_pattern(field, pattern, id),
            Test::Text(pattern) => by_run(field, pattern, id),
            _ => Kind::Direct,
        }
    }

    fn find_anywhere(&mut self, test: &Test, id: u32) -> Kind {
        let Test::Text(pattern) = test else { return Kind::Direct };
        // Numbers are searched as people write them, which is not always how JSON does: 1.25e3.
        let numeric = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'e');
        match gate::fragment(pattern, true).filter(|text| !text.bytes().all(numeric)) {
            Some(text) => {
                self.keywords.add(&text, Anchor::Anywhere, id);
                Kind::Marked
            }
            None => Kind::Direct,
        }
    }

    /// The text by which a comparison is found that may hold anywhere in an event.
    pub(crate) fn text_anywhere(&self, atom: u32) -> Option<String> {
        match &self.atoms.get(atom as usize)?.atom.test {
            Test::Text(pattern) => gate::fragment(pattern, true),
            _ => None,
        }
    }

    fn field(&mut self, name: &Arc<str>) -> u32 {
        if let Some(id) = self.field_ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.fields.len()).unwrap_or(u32::MAX);
        self.fields.push(Field::default());
        self.field_ids.insert(name.clone(), id);
        self.roots.entry(Box::from(name.as_bytes())).or_default().direct = Some(id);
        for (at, _) in name.match_indices('.') {
            if let Some(head) = name.get(..at) {
                self.roots.entry(Box::from(head.as_bytes())).or_default().below.push(id);
            }
        }
        id
    }
}

fn by_pattern(field: &mut Field, pattern: &Pattern, id: u32) -> Kind {
    match &pattern.shape {
        Shape::Exact(text) => {
            field.exact.entry(folded(text.as_bytes())).or_default().push(id);
            Kind::Exact
        }
        Shape::Suffix(_) => match gate::base(pattern) {
            Some(base) => {
                field.base.entry(folded(base.as_bytes())).or_default().push(id);
                Kind::Base
            }
            None => by_run(field, pattern, id),
        },
        _ => by_run(field, pattern, id),
    }
}

fn by_run(field: &mut Field, pattern: &Pattern, id: u32) -> Kind {
    match gate::fragment(pattern, false) {
        Some(text) => {
            let (anchor, whole) = match &pattern.shape {
                Shape::Prefix(_) => (Anchor::Start, true),
                Shape::Suffix(_) => (Anchor::End, true),
                Shape::Contains(_) => (Anchor::Anywhere, true),
                Shape::Exact(_) | Shape::Anything | Shape::Glob(_) => (Anchor::Anywhere, false),
            };
            field.grams.get_or_insert_default().add(&text, anchor, id);
            if whole && !pattern.cased { Kind::Part } else { Kind::Marked }
        }
        None => Kind::Direct,
    }
}

/// How dear the judgement of a comparison is, in units of a look into a table.
const fn cost_of(compiled: &Compiled) -> u32 {
    match (&compiled.atom.test, compiled.kind) {
        (Test::Null | Test::Exists, _) => 1,
        (_, Kind::Exact | Kind::Base | Kind::Number) => 2,
        (Test::Text(_), Kind::Part | Kind::Marked) if compiled.field.is_some() => FOUND,
        (Test::Equal(_) | Test::Compare(..), _) => FOUND + 1,
        (Test::Text(_) | Test::Cidr(_) | Test::Field { .. } | Test::Time { .. }, _) => 12,
        (Test::Regex(_), _) => 100,
    }
}

/// Fields that state machines read by name, beside those of the comparisons.
fn names_read(rule: &Rule) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    if let Some(edge) = &rule.edge {
        names.extend(edge.key.iter().cloned());
        names.extend(edge.collapse_by.iter().cloned());
        names.extend(edge.suppress.iter().flat_map(|suppress| suppress.by.iter().cloned()));
        names.extend([&edge.rate, &edge.delta].into_iter().flatten().map(|change| change.field.clone()));
        names.extend(edge.stuck.iter().map(|stuck| stuck.field.clone()));
        names.extend(edge.first_seen.iter().flat_map(|seen| seen.key.iter().cloned()));
        names.extend(edge.first_seen.iter().map(|seen| seen.value.clone()));
    }
    if let Body::Correlation(correlation) = &rule.body {
        names.extend(correlation.group_by.iter().flatten().cloned());
        match &correlation.kind {
            crate::rule::correlation::Kind::ValueCount(fields) => names.extend(fields.iter().cloned()),
            crate::rule::correlation::Kind::Metric(_, field) => names.push(field.clone()),
            _ => {}
        }
    }
    names
}
