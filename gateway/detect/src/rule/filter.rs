//! Filters: one exclusion for many rules.
//!
//! Sigma filters specification 2.1. As in pySigma the filter's condition is joined to the rule's by `and`, so an
//! exclusion is written `condition: not selection`. Invariant: a filter applies to a rule when it names it (or
//! `any`) and every part of its log source is the rule's.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use sitewarden_core::LogSource;

use super::Detection;
use super::atom::Logic;
use super::lower::Lowering;
use super::parse::{logsource, texts};
use super::raw::RawDetection;
use crate::error::Fault;
use crate::pipeline::{Pipelines, Subject};
use crate::placeholder::Placeholders;
use crate::yaml::Node;

/// A loaded filter.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// Ids, names or titles of rules; `None` for any rule.
    rules: Option<Vec<Arc<str>>>,
    logsource: LogSource,
    pub(crate) raw: RawDetection,
    /// The filter's own text: a change of it changes the rules that it applies to.
    pub(crate) source: String,
}

/// Reads a document with `filter:`.
pub(crate) fn read(root: &Node, section: &Node, source: &str) -> Result<Filter, Fault> {
    let hint = "write `filter: {rules: [id], selection: {..}, condition: not selection}`";
    let rules = section.get("rules").ok_or_else(|| section.fault("the filter names no rules", hint))?;
    let any = rules.text().is_some_and(|text| text.eq_ignore_ascii_case("any"));
    let rules = if any { None } else { Some(texts(Some(rules))) };
    let source_node =
        root.get("logsource").ok_or_else(|| root.fault("the filter has no `logsource`", hint))?;
    Ok(Filter {
        rules,
        logsource: logsource(source_node)?,
        raw: RawDetection::read(section, &["rules"])?,
        source: source.to_owned(),
    })
}

impl Filter {
    /// Whether it applies to the rule of that id, name, title and log source.
    pub(crate) fn applies(&self, names: [Option<&str>; 3], source: &LogSource) -> bool {
        let part = |filter: &Option<Arc<str>>, rule: &Option<Arc<str>>| filter.is_none() || filter == rule;
        let listed = |list: &Vec<Arc<str>>| list.iter().any(|wanted| names.contains(&Some(&**wanted)));
        part(&self.logsource.product, &source.product)
            && part(&self.logsource.category, &source.category)
            && part(&self.logsource.service, &source.service)
            && self.rules.as_ref().is_none_or(listed)
    }

    /// Applies the pipelines, as to a rule.
    pub(crate) fn transform(&mut self, pipelines: &Pipelines) -> Result<(), Fault> {
        pipelines.apply(&mut Subject { raw: &mut self.raw, source: &mut self.logsource, tags: &[] }).map(drop)
    }

    /// Joins the filter's condition to the rule's.
    pub(crate) fn apply(&self, detection: &mut Detection, placeholders: &Placeholders) -> Result<(), Fault> {
        let mut filter = self.raw.lower(&mut Lowering::new(placeholders))?;
        let offset = detection.atoms.len();
        filter.condition.map(&|index| index + offset);
        detection.atoms.append(&mut filter.atoms);
        let condition = std::mem::replace(&mut detection.condition, Logic::All(Vec::new()));
        detection.condition = Logic::All(vec![condition, filter.condition]);
        Ok(())
    }
}
