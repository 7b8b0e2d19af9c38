//! Placeholders: `%Servers%` and what it stands for on this site.
//!
//! Sigma rules specification, "Placeholders": a rule whose placeholder has no value is rejected. Values come from
//! pipelines. Invariant: expansion is bounded by [`EXPANSIONS`].
#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Fault;
use crate::pattern::{Part, parse};
use crate::yaml::Node;

/// Most values that one written value may expand to.
pub(crate) const EXPANSIONS: usize = 4_096;

/// What placeholders stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placeholders {
    /// Values by name.
    pub(crate) lists: BTreeMap<String, Vec<String>>,
    /// Names that become `*`.
    pub(crate) wildcards: BTreeSet<String>,
    /// Whether every name without values becomes `*`.
    pub(crate) all_wildcards: bool,
}

impl Placeholders {
    /// Replaces each placeholder by each of its values.
    pub(crate) fn expand(&self, parts: &[Part], value: &Node) -> Result<Vec<Vec<Part>>, Fault> {
        let mut expanded: Vec<Vec<Part>> = vec![Vec::new()];
        for part in parts {
            let Part::Placeholder(name) = part else {
                expanded.iter_mut().for_each(|parts| parts.push(part.clone()));
                continue;
            };
            let choices: Vec<Vec<Part>> = match self.lists.get(name) {
                Some(values) => values.iter().map(|value| parse(value, false)).collect(),
                None if self.all_wildcards || self.wildcards.contains(name) => vec![vec![Part::Any]],
                None => {
                    let hint = "give it values in a pipeline: `vars:` and `type: value_placeholders`";
                    return Err(value.fault(format!("the placeholder %{name}% has no value"), hint));
                }
            };
            if expanded.len().saturating_mul(choices.len()) > EXPANSIONS {
                let message = format!("the placeholders expand to more than {EXPANSIONS} values");
                return Err(value.fault(message, "use fewer placeholders in one value"));
            }
            expanded = expanded
                .iter()
                .flat_map(|before| choices.iter().map(|choice| [before.as_slice(), choice].concat()))
                .collect();
        }
        Ok(expanded)
    }
}
