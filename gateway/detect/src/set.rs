//! A set of rules that is in force together.
//!
//! Immutable: a change of rules makes a new set, and [`crate::Engine::replace`] takes it over. Invariant: a file
//! that does not load leaves the others alone, ids and names are unique within a set, and no correlation refers to
//! itself over any number of others.

mod links;

use std::collections::HashMap;
use std::sync::Arc;

use sitewarden_core::LogSource;

use crate::error::{Fault, Place, RuleError};
use crate::limits::RULES;
use crate::matcher::Program;
use crate::pipeline::{self, Pipelines};
use crate::rule::filter::{self, Filter};
use crate::rule::parse::{self, Origin};
use crate::rule::raw::RawDetection;
use crate::rule::{Body, Rule};
use crate::yaml::{self, Document, Scalar};
pub(crate) use links::Links;

/// Rules that are in force together.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    by_name: HashMap<Arc<str>, usize>,
    links: Links,
    program: Arc<Program>,
}

/// A document on its way into the set.
struct Pending {
    origin: Origin,
    document: Document,
}

impl RuleSet {
    /// Reads rule files (name and text). What does not load is told; everything else is in force.
    #[must_use]
    pub fn load<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> (Self, Vec<RuleError>) {
        let mut errors = Vec::new();
        let mut pending = Vec::new();
        let mut filters: Vec<Filter> = Vec::new();
        let mut pipelines = Pipelines::default();
        for (name, text) in files {
            let file: Arc<str> = Arc::from(name.as_ref());
            let (documents, fault) = yaml::read(text.as_ref());
            errors.extend(fault.map(|fault| fault.in_file(&file)));
            for (index, document) in documents.into_iter().enumerate() {
                if document.root.scalar() == Some(Scalar::Null) {
                    // What stands behind a `---` at the end of a file: nothing.
                    continue;
                }
                let origin = Origin { file: file.clone(), number: index + 1 };
                if pipeline::is_pipeline(&document.root) {
                    let added = pipelines.add(&document.root, &document.source);
                    errors.extend(added.err().map(|fault| fault.in_file(&file)));
                    continue;
                }
                match document.root.get("filter") {
                    Some(section) => match filter::read(&document.root, section, &document.source) {
                        Ok(filter) => filters.push(filter),
                        Err(fault) => errors.push(fault.in_file(&file)),
                    },
                    None => pending.push(Pending { origin, document }),
                }
            }
        }
        filters.retain_mut(|filter| match filter.transform(&pipelines) {
            Ok(()) => true,
            Err(fault) => {
                errors.push(fault.in_file(&Arc::from("a filter")));
                false
            }
        });
        let mut rules: Vec<Rule> = Vec::new();
        let mut names: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        for Pending { origin, document } in &pending {
            let read = rule(document, origin, &pipelines, &filters);
            match read.and_then(|rule| admit(rule, rules.len(), &mut names)) {
                Ok(rule) => rules.push(rule),
                Err(fault) => errors.push(fault.in_file(&origin.file)),
            }
        }
        links::drop_unresolved(&mut rules, &mut errors);
        let mut set = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            set.by_name.insert(rule.id.clone(), index);
            set.by_name.extend(rule.name.clone().map(|name| (name, index)));
        }
        set.links = Links::new(&mut rules, &set.by_name);
        set.program = Arc::new(Program::new(&rules));
        set.rules = rules.into_iter().map(Arc::new).collect();
        (set, errors)
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

    /// Whether a correlation refers to the rule.
    #[must_use]
    pub fn is_referred_to(&self, id: &str) -> bool {
        let referrers = self.by_name.get(id).and_then(|index| self.links.referrers.get(*index));
        referrers.is_some_and(|referrers| !referrers.is_empty())
    }

    /// The log source of a rule; for a correlation that of the first rule that it refers to.
    #[must_use]
    pub fn source_of(&self, rule: &Rule) -> LogSource {
        let mut rule = rule;
        while let Body::Correlation(correlation) = &rule.body {
            let first = correlation.rules.first().and_then(|(name, _)| self.find(name));
            let Some(first) = first else { break };
            rule = first;
        }
        rule.logsource.clone()
    }

    pub(crate) const fn program(&self) -> &Arc<Program> {
        &self.program
    }

    pub(crate) const fn links(&self) -> &Links {
        &self.links
    }
}

/// Checks the rule's names against those that are taken.
fn admit(rule: Rule, count: usize, names: &mut HashMap<Arc<str>, Arc<str>>) -> Result<Rule, Fault> {
    let place = Place { line: rule.line, column: 1 };
    if count >= RULES {
        return Err(Fault::new(
            place,
            format!("more than {RULES} rules"),
            "remove rules that are not needed",
        ));
    }
    for name in std::iter::once(&rule.id).chain(rule.name.as_ref()) {
        if let Some(file) = names.get(name) {
            let message = format!("another rule in {file} is already called `{name}`");
            return Err(Fault::new(place, message, "give it an id of its own"));
        }
    }
    names.insert(rule.id.clone(), rule.file.clone());
    names.extend(rule.name.clone().map(|name| (name, rule.file.clone())));
    Ok(rule)
}

fn rule(
    document: &Document,
    origin: &Origin,
    pipelines: &Pipelines,
    filters: &[Filter],
) -> Result<Rule, Fault> {
    let root = &document.root;
    if root.map().is_none() {
        let message = format!("the document is {}, not a rule", root.kind_name());
        return Err(root.fault(message, "a rule is a map with `title`, `logsource`, `detection`"));
    }
    if let Some(section) = root.get("correlation") {
        return parse::correlation_rule(document, section, origin, pipelines);
    }
    let Some(node) = root.get("detection") else {
        return Err(
            root.fault("the rule has no `detection`", "add `detection:` with selections and a `condition`")
        );
    };
    let raw = RawDetection::read(node, &[])?;
    parse::detection_rule(document, raw, origin, pipelines, filters)
}

#[cfg(test)]
mod sigma;
#[cfg(test)]
mod tests;
