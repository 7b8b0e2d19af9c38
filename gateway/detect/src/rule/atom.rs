//! Comparisons: the leaves of a rule, and the logic that joins them.
//!
//! Not how they are evaluated fast (see `matcher`). Invariant: equal tests compare and hash equal, so that rules
//! share them.
#![deny(clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::net::Net;
use crate::number::Number;
use crate::pattern::Pattern;

/// One comparison of one field (or of the whole event) with one value.
#[derive(Clone, Debug)]
pub(crate) struct Atom {
    /// The field; `None` for a keyword search over all values.
    pub(crate) field: Option<Arc<str>>,
    /// The comparison.
    pub(crate) test: Test,
    /// The selection it stands in.
    pub(crate) selection: Arc<str>,
    /// The comparison in the rule's words.
    pub(crate) words: Arc<str>,
    /// Line in the rule file.
    pub(crate) line: u32,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// Text, number or flag as text, against a pattern.
    Text(Pattern),
    /// Equal as a number.
    Equal(Number),
    /// Ordered as a number.
    Compare(Order, Number),
    /// Absent or null.
    Null,
    /// Present, whatever its value.
    Exists,
    /// A regular expression over the text.
    Regex(RegexTest),
    /// An address in a range.
    Cidr(Net),
    /// Another field of the same event.
    Field { other: Arc<str>, how: Affix, cased: bool },
    /// A part of a date, compared as a number.
    Time { part: TimePart, order: Option<Order>, number: Number },
}

/// An ordering that a number must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Order {
    pub(crate) fn holds(self, value: Number, bound: Number) -> bool {
        let order = value.cmp(&bound);
        match self {
            Self::Less => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Less => "lt",
            Self::AtMost => "lte",
            Self::Greater => "gt",
            Self::AtLeast => "gte",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Less, Self::AtMost, Self::Greater, Self::AtLeast].into_iter().find(|o| o.word() == word)
    }
}

/// Where in the text another field's text must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Affix {
    Whole,
    Start,
    End,
    Inside,
}

/// A part of a date (Sigma modifiers, "Time Modifiers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TimePart {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// A compiled regular expression; equal when its text and flags are.
#[derive(Clone, Debug)]
pub(crate) struct RegexTest {
    pub(crate) source: Arc<str>,
    pub(crate) compiled: regex::Regex,
}

impl PartialEq for RegexTest {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}
impl Eq for RegexTest {}
impl Hash for RegexTest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

/// How atoms are joined. Numbers are indices into the rule's atoms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Logic {
    Atom(usize),
    All(Vec<Logic>),
    Any(Vec<Logic>),
    AtLeast(usize, Vec<Logic>),
    Not(Box<Logic>),
}

impl Logic {
    /// All of them; a single one stands for itself.
    pub(crate) fn all(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 { parts.remove(0) } else { Self::All(parts) }
    }

    /// Any of them; a single one stands for itself.
    pub(crate) fn any(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 { parts.remove(0) } else { Self::Any(parts) }
    }

    /// Gives every atom another number.
    pub(crate) fn map(&mut self, number: &impl Fn(usize) -> usize) {
        match self {
            Self::Atom(index) => *index = number(*index),
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                parts.iter_mut().for_each(|part| part.map(number));
            }
            Self::Not(inner) => inner.map(number),
        }
    }

    /// Calls with each atom and whether it stands under an odd number of `not`.
    pub(crate) fn each_atom(&self, negated: bool, call: &mut impl FnMut(usize, bool)) {
        match self {
            Self::Atom(index) => call(*index, negated),
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                parts.iter().for_each(|part| part.each_atom(negated, call));
            }
            Self::Not(inner) => inner.each_atom(!negated, call),
        }
    }

    /// Evaluates with the given answer for each atom.
    pub(crate) fn holds(&self, atom: &mut impl FnMut(usize) -> bool) -> bool {
        match self {
            Self::Atom(index) => atom(*index),
            Self::All(parts) => parts.iter().all(|part| part.holds(atom)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(atom)),
            Self::AtLeast(count, parts) => parts.iter().filter(|part| part.holds(atom)).count() >= *count,
            Self::Not(inner) => !inner.holds(atom),
        }
    }
}
