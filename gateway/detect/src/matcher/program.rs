//! The compiled form of a set of rules: shared comparisons, fields by name, and the gates of all rules.
//!
//! Immutable and shared by engines. Not the state of an event (see `scratch`). Invariant: rule numbers are indices
//! into the set, field and atom numbers into this.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::Arc;

use super::gate::{self, Gate, Opener};
use super::grams::Grams;
use super::hash::{Build, folded};
use crate::pattern::Shape;
use crate::rule::atom::{Atom, Logic, Test};
use crate::rule::{Body, Rule};

/// Everything that is compiled.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) fields: Vec<Field>,
    field_ids: HashMap<Arc<str>, u32>,
    pub(crate) atoms: Vec<Compiled>,
    /// For each rule of the set.
    pub(crate) rules: Vec<Logics>,
    /// Names at the root of an event that lead to a field: the field itself, or fields below it.
    pub(crate) roots: HashMap<Box<[u8]>, Root>,
    /// Gates over all values of an event.
    pub(crate) keywords: Grams,
    /// For each rule: whether one of its gates is over all values.
    pub(crate) by_keyword: Vec<bool>,
    /// Rules that are evaluated on every event.
    pub(crate) always: Vec<u32>,
    /// The fields in which an event says where it belongs: product, category, service.
    pub(crate) routing: [Option<u32>; 3],
}

/// What a name at the root of an event leads to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Root {
    pub(crate) direct: Option<u32>,
    /// Fields whose dotted name goes through this name.
    pub(crate) below: Vec<u32>,
}

/// A comparison that rules share.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// `None` for keywords.
    pub(crate) field: Option<u32>,
    /// The other field of a comparison between fields.
    pub(crate) other: Option<u32>,
    /// The field's search for runs of bytes tells whether it can hold.
    pub(crate) marked: bool,
    /// Cannot hold for a text that is ASCII.
    pub(crate) beyond_ascii: bool,
    pub(crate) atom: Atom,
}

/// Comparisons by what they compare; a regular expression counts as its text.
type Shared = HashMap<(Option<Arc<str>>, Test), usize>;

/// The conditions of a rule over shared atoms.
#[derive(Debug)]
pub(crate) struct Logics {
    pub(crate) condition: Logic,
    /// For rules with a state: what they are about.
    pub(crate) scope: Option<Logic>,
    pub(crate) clear: Option<Logic>,
}

/// The gates of one field.
#[derive(Debug, Default)]
pub(crate) struct Field {
    pub(crate) numbers: HashMap<i64, Vec<u32>, Build>,
    pub(crate) exact: HashMap<u64, Vec<u32>, Build>,
    pub(crate) base: HashMap<u64, Vec<u32>, Build>,
    /// Texts that the field may contain; see [`mark_of`] for what is reported.
    pub(crate) grams: Option<Grams>,
    /// Whether a gate is among them.
    pub(crate) gram_gates: bool,
    /// Rules that open when the field has a character beyond ASCII.
    pub(crate) beyond_ascii: Vec<u32>,
    /// Rules that open when the field is there at all.
    pub(crate) present: Vec<u32>,
    /// All rules with a gate on this field.
    pub(crate) all: Vec<u32>,
}

#[expect(clippy::mutable_key_type, reason = "a regular expression hashes and compares as its text")]
impl Program {
    /// Compiles the rules of a set.
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let mut program = Self { by_keyword: vec![false; rules.len()], ..Self::default() };
        let mut shared = Shared::new();
        let mut uses: HashMap<Gate, usize> = HashMap::new();
        for rule in rules {
            if let Body::Detection(detection) = &rule.body {
                gate::count(&detection.atoms, &mut uses);
            }
        }
        for (rule, index) in rules.iter().zip(0_u32..) {
            program.add(rule, index, &mut shared, &uses);
        }
        for name in rules.iter().flat_map(names_read) {
            program.field(&name);
        }
        program.routing =
            ["product", "category", "service"].map(|name| Some(program.field(&Arc::from(name))));
        program
    }

    /// The number of a field, if a rule asks for it.
    pub(crate) fn field_id(&self, name: &str) -> Option<u32> {
        self.field_ids.get(name).copied()
    }

    fn add(&mut self, rule: &Rule, index: u32, shared: &mut Shared, uses: &HashMap<Gate, usize>) {
        let Body::Detection(detection) = &rule.body else {
            self.rules.push(Logics { condition: Logic::Any(Vec::new()), scope: None, clear: None });
            return;
        };
        let ids: Vec<usize> = detection.atoms.iter().map(|atom| self.atom(atom, shared)).collect();
        let mapped = |logic: &Logic| {
            let mut logic = logic.clone();
            logic.map(&|index| ids.get(index).copied().unwrap_or(usize::MAX));
            logic
        };
        let keyed = rule.edge.as_ref().filter(|edge| edge.first_seen.is_none());
        self.rules.push(Logics {
            condition: mapped(&detection.condition),
            scope: keyed.map(|edge| mapped(&edge.scope)),
            clear: keyed.and_then(|edge| edge.clear.as_ref()).map(mapped),
        });
        let decisive = keyed.map_or(&detection.condition, |edge| &edge.scope);
        let gates = gate::of(decisive, &detection.atoms, uses).or_else(|| {
            // Without its key an event has no state to move: the key's first field is a gate.
            let first = keyed.and_then(|edge| edge.key.first())?;
            Some(vec![(Some(first.clone()), Opener::Present)])
        });
        match gates {
            None => self.always.push(index),
            Some(gates) => gates.into_iter().for_each(|gate| self.open(gate, index)),
        }
    }

    fn atom(&mut self, atom: &Atom, shared: &mut Shared) -> usize {
        let key = (atom.field.clone(), atom.test.clone());
        if let Some(id) = shared.get(&key) {
            return *id;
        }
        let field = atom.field.as_ref().map(|name| self.field(name));
        let other = match &atom.test {
            Test::Field { other, .. } => Some(self.field(other)),
            _ => None,
        };
        let id = self.atoms.len();
        let pattern = if let Test::Text(pattern) = &atom.test { Some(pattern) } else { None };
        let searched = pattern.filter(|pattern| !matches!(pattern.shape, Shape::Exact(_)));
        let text = searched.and_then(gate::fragment).zip(field);
        let marked = text.is_some();
        if let Some((text, field)) = text
            && let Some(field) = self.fields.get_mut(field as usize)
        {
            field.grams.get_or_insert_default().add(&text, mark_of(id));
        }
        let beyond_ascii = pattern.is_some_and(|pattern| !gate::is_ascii(pattern));
        self.atoms.push(Compiled { field, other, marked, beyond_ascii, atom: atom.clone() });
        shared.insert(key, id);
        id
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

    fn open(&mut self, (field, opener): Gate, rule: u32) {
        let Some(name) = field else {
            if let Opener::Contains(text) = &opener {
                self.keywords.add(text, rule);
            }
            if let Some(flag) = self.by_keyword.get_mut(rule as usize) {
                *flag = true;
            }
            return;
        };
        let id = self.field(&name);
        let Some(field) = self.fields.get_mut(id as usize) else { return };
        push(&mut field.all, rule);
        match opener {
            Opener::Number(number) => push(field.numbers.entry(number).or_default(), rule),
            Opener::Exact(text) => {
                // As it is, and as JSON writes it.
                push(field.exact.entry(folded(text.as_bytes())).or_default(), rule);
                let written = text.replace('\\', "\\\\");
                push(field.exact.entry(folded(written.as_bytes())).or_default(), rule);
            }
            Opener::Base(text) => push(field.base.entry(folded(text.as_bytes())).or_default(), rule),
            Opener::Contains(text) => {
                field.gram_gates = true;
                field.grams.get_or_insert_default().add(&text, gate_of(rule));
            }
            Opener::NonAscii => push(&mut field.beyond_ascii, rule),
            Opener::Present => push(&mut field.present, rule),
        }
    }
}

/// What a search reports for an atom: even numbers.
fn mark_of(atom: usize) -> u32 {
    u32::try_from(atom).unwrap_or(u32::MAX / 2) << 1
}

/// What a search reports for a rule whose gate opens: odd numbers.
const fn gate_of(rule: u32) -> u32 {
    rule << 1 | 1
}

fn push(list: &mut Vec<u32>, rule: u32) {
    if list.last() != Some(&rule) {
        list.push(rule);
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
