//! Rules as they are loaded: metadata, detection, and what `x-edge` adds.
//!
//! Sigma rules specification 2.1. Not evaluation. Invariant: a [`Rule`] that exists has resolved names, compiled
//! patterns and a bounded size.

pub(crate) mod atom;
pub(crate) mod condition;
pub(crate) mod correlation;
pub(crate) mod duration;
pub(crate) mod edge;
pub(crate) mod edge_parts;
pub(crate) mod expr;
pub(crate) mod filter;
pub(crate) mod lower;
pub(crate) mod modifiers;
pub(crate) mod parse;
pub(crate) mod raw;
pub mod tests_section;

use std::sync::Arc;

use sitewarden_core::{LogSource, Severity};

pub(crate) use atom::{Atom, Logic};
use correlation::Correlation;
use edge::Edge;
use tests_section::RuleTest;

/// A loaded rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The rule's `id`; one made of the file name and the document's number when it has none.
    pub id: Arc<str>,
    /// `name`, by which correlations refer to it.
    pub name: Option<Arc<str>>,
    /// Title for people.
    pub title: Arc<str>,
    /// What it detects, in a sentence or more.
    pub description: Arc<str>,
    /// `level`; `medium` when it has none.
    pub severity: Severity,
    /// `status`, empty when it has none.
    pub status: Arc<str>,
    /// ATT&CK technique ids of its tags.
    pub techniques: Vec<Arc<str>>,
    /// Which events it judges.
    pub logsource: LogSource,
    /// Fields worth showing (`fields`).
    pub fields: Vec<Arc<str>>,
    /// The file as it was named to [`crate::RuleSet::load`].
    pub file: Arc<str>,
    /// Its first line in the file.
    pub line: u32,
    /// Its own text.
    pub source: Arc<str>,
    /// Its tests.
    pub tests: Vec<RuleTest>,
    pub(crate) body: Body,
    pub(crate) edge: Option<Edge>,
    /// Hash of what decides its behaviour: unchanged rules keep their state.
    pub(crate) fingerprint: u64,
}

impl Rule {
    /// Stands for the id and all that decides the behaviour; stable across builds.
    pub(crate) fn mark(&self) -> u64 {
        parse::fingerprint(&self.id).rotate_left(1) ^ self.fingerprint
    }
}

/// What a rule judges by.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Single events.
    Detection(Detection),
    /// Matches of other rules.
    Correlation(Correlation),
}

/// A lowered `detection:` section.
#[derive(Clone, Debug)]
pub(crate) struct Detection {
    pub(crate) atoms: Vec<Atom>,
    pub(crate) selections: Vec<(Arc<str>, Logic)>,
    pub(crate) condition: Logic,
}
