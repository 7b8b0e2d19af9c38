//! A set of rules that is in force together.
//!
//! Immutable: a change of rules makes a new set, and [`crate::Engine::replace`] takes it over. Invariant: a file
//! that does not load leaves the others alone, and ids and names are unique within a set.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Fault, Place, RuleError};
use crate::limits::RULES;
use crate::placeholder::Placeholders;
use crate::rule::Rule;
use crate::rule::parse::{self, Origin};
use crate::rule::raw::RawDetection;
use crate::yaml::{self, Document};

/// Rules that are in force together.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    by_name: HashMap<Arc<str>, usize>,
}

impl RuleSet {
    /// Reads rule files (name and text). What does not load is told; everything else is in force.
    #[must_use]
    pub fn load<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> (Self, Vec<RuleError>) {
        let mut set = Self::default();
        let mut errors = Vec::new();
        let placeholders = Placeholders::default();
        for (name, text) in files {
            let file: Arc<str> = Arc::from(name.as_ref());
            let (documents, fault) = yaml::read(text.as_ref());
            errors.extend(fault.map(|fault| fault.in_file(&file)));
            for (index, document) in documents.iter().enumerate() {
                let origin = Origin { file: file.clone(), number: index + 1 };
                let added = rule(document, &origin, &placeholders).and_then(|rule| set.add(rule));
                errors.extend(added.err().map(|fault| fault.in_file(&file)));
            }
        }
        (set, errors)
    }

    fn add(&mut self, rule: Rule) -> Result<(), Fault> {
        let place = Place { line: rule.line, column: 1 };
        if self.rules.len() >= RULES {
            return Err(Fault::new(place, format!("more than {RULES} rules"), "remove rules that are not needed"));
        }
        for name in std::iter::once(&rule.id).chain(rule.name.as_ref()) {
            if let Some(other) = self.by_name.get(name).and_then(|index| self.rules.get(*index)) {
                let message = format!("another rule in {} is already called `{name}`", other.file);
                return Err(Fault::new(place, message, "give it an id of its own"));
            }
        }
        let index = self.rules.len();
        self.by_name.insert(rule.id.clone(), index);
        if let Some(name) = &rule.name {
            self.by_name.insert(name.clone(), index);
        }
        self.rules.push(Arc::new(rule));
        Ok(())
    }

    /// The rules in the order of their files.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The rule of that id or name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Rule>> {
        self.rules.get(*self.by_name.get(name)?)
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

fn rule(document: &Document, origin: &Origin, placeholders: &Placeholders) -> Result<Rule, Fault> {
    let root = &document.root;
    if root.map().is_none() {
        let message = format!("the document is {}, not a rule", root.kind_name());
        return Err(root.fault(message, "a rule is a map with `title`, `logsource`, `detection`"));
    }
    let Some(node) = root.get("detection") else {
        return Err(root.fault("the rule has no `detection`", "add `detection:` with selections and a `condition`"));
    };
    let raw = RawDetection::read(node, &[])?;
    parse::detection_rule(document, &raw, origin, placeholders)
}

#[cfg(test)]
mod tests;
