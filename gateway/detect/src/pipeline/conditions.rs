//! When a transformation applies: conditions on the rule, on a comparison, on a field name.
//!
//! pySigma's `rule_conditions`, `detection_item_conditions` and `field_name_conditions`, with `_cond_op` and
//! `_cond_not`. Invariant: a kind of condition that is not known is a fault.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use sitewarden_core::LogSource;

use super::{Subject, texts};
use crate::error::Fault;
use crate::rule::raw::{Item, Raw};
use crate::yaml::{Node, Scalar};

/// All conditions of one transformation.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    rule: Group<RuleIs>,
    item: Group<ItemIs>,
    field: Group<FieldIs>,
}

/// Conditions of one kind, joined.
#[derive(Clone, Debug)]
struct Group<T> {
    all: Vec<T>,
    any: bool,
    not: bool,
}

impl<T> Group<T> {
    fn read(node: &Node, name: &str, read: impl Fn(&Node) -> Result<T, Fault>) -> Result<Self, Fault> {
        let all = node.get(&format!("{name}_conditions")).map(Node::items).unwrap_or_default();
        let operator = node.get(&format!("{name}_cond_op")).and_then(Node::text);
        let not = node.get(&format!("{name}_cond_not")).and_then(Node::scalar);
        Ok(Self {
            all: all.iter().map(read).collect::<Result<_, _>>()?,
            any: operator.is_some_and(|operator| operator.eq_ignore_ascii_case("or")),
            not: not == Some(Scalar::Bool(true)),
        })
    }

    fn holds(&self, mut call: impl FnMut(&T) -> bool) -> bool {
        if self.all.is_empty() {
            return true;
        }
        let joined = if self.any { self.all.iter().any(&mut call) } else { self.all.iter().all(&mut call) };
        joined != self.not
    }
}

#[derive(Clone, Debug)]
enum RuleIs {
    LogSource(LogSource),
    HasField(String),
    HasTag(String),
    Detection(bool),
}

#[derive(Clone, Debug)]
struct ItemIs {
    regex: regex::Regex,
    all: bool,
}

#[derive(Clone, Debug)]
struct FieldIs {
    names: Vec<regex::Regex>,
    included: bool,
}

impl FieldIs {
    fn covers(&self, field: &str) -> bool {
        self.names.iter().any(|name| name.is_match(field)) == self.included
    }
}

impl Conditions {
    pub(crate) fn read(node: &Node) -> Result<Self, Fault> {
        Ok(Self {
            rule: Group::read(node, "rule", rule_is)?,
            item: Group::read(node, "detection_item", item_is)?,
            field: Group::read(node, "field_name", field_is)?,
        })
    }

    /// Whether it applies to correlations.
    pub(crate) fn correlation(&self) -> bool {
        self.rule.holds(|is| matches!(is, RuleIs::Detection(false)))
    }

    /// Whether it applies to the name of a field that stands without values.
    pub(crate) fn name(&self, field: &str) -> bool {
        self.item.all.is_empty() && self.field.holds(|is| is.covers(field))
    }

    pub(crate) fn rule(&self, subject: &Subject<'_>) -> bool {
        self.rule.holds(|is| match is {
            RuleIs::LogSource(wanted) => {
                let part =
                    |wanted: &Option<Arc<str>>, own: &Option<Arc<str>>| wanted.is_none() || wanted == own;
                part(&wanted.product, &subject.source.product)
                    && part(&wanted.category, &subject.source.category)
                    && part(&wanted.service, &subject.source.service)
            }
            RuleIs::HasField(name) => subject.raw.selections.iter().any(|(_, raw)| has_field(raw, name)),
            RuleIs::HasTag(tag) => subject.tags.iter().any(|own| **own == **tag),
            RuleIs::Detection(detection) => *detection,
        })
    }

    pub(crate) fn item(&self, item: &Item) -> bool {
        let texts: Vec<&str> = item.values.iter().filter_map(Node::text).collect();
        let field = item.field.as_deref().unwrap_or_default();
        self.field.holds(|is| is.covers(field))
            && self.item.holds(|is| {
                let matches = |text: &&str| is.regex.is_match(text);
                if is.all { texts.iter().all(matches) } else { texts.iter().any(matches) }
            })
    }
}

fn has_field(raw: &Raw, name: &str) -> bool {
    match raw {
        Raw::All(parts) | Raw::Any(parts) => parts.iter().any(|part| has_field(part, name)),
        Raw::Item(item) => item.field.as_deref() == Some(name),
    }
}

fn regex(node: &Node, text: &str) -> Result<regex::Regex, Fault> {
    let built = regex::RegexBuilder::new(text).size_limit(crate::limits::REGEX_BYTES).build();
    built.map_err(|_| node.fault(format!("`{text}` is not a regular expression"), "see `re` in SIGMA.md"))
}

fn kind(node: &Node) -> Result<&str, Fault> {
    node.get("type")
        .and_then(Node::text)
        .ok_or_else(|| node.fault("the condition has no `type`", "write `type: ..`"))
}

fn unknown<T>(node: &Node, kind: &str, known: &str) -> Result<T, Fault> {
    Err(node.fault(format!("`{kind}` is not a condition here"), format!("types are {known}")))
}

fn rule_is(node: &Node) -> Result<RuleIs, Fault> {
    let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default().to_owned();
    match kind(node)? {
        "logsource" => {
            let part =
                |key: &str| node.get(key).and_then(Node::text).map(|text| Arc::from(text.to_lowercase()));
            let source =
                LogSource { product: part("product"), category: part("category"), service: part("service") };
            Ok(RuleIs::LogSource(source))
        }
        "contains_field" | "contains_detection_item" => Ok(RuleIs::HasField(text("field"))),
        "tag" => Ok(RuleIs::HasTag(text("tag"))),
        "is_sigma_rule" => Ok(RuleIs::Detection(true)),
        "is_sigma_correlation_rule" => Ok(RuleIs::Detection(false)),
        other => {
            unknown(node, other, "logsource, contains_field, tag, is_sigma_rule, is_sigma_correlation_rule")
        }
    }
}

fn item_is(node: &Node) -> Result<ItemIs, Fault> {
    match kind(node)? {
        "match_string" => {
            let pattern = node.get("pattern").and_then(Node::text).unwrap_or_default();
            let all = node.get("cond").and_then(Node::text) == Some("all");
            Ok(ItemIs { regex: regex(node, &format!("^(?:{pattern})"))?, all })
        }
        other => unknown(node, other, "match_string"),
    }
}

fn field_is(node: &Node) -> Result<FieldIs, Fault> {
    let included = match kind(node)? {
        "include_fields" => true,
        "exclude_fields" => false,
        other => return unknown(node, other, "include_fields, exclude_fields"),
    };
    let pattern = node.get("match_type").or_else(|| node.get("mode")).and_then(Node::text) == Some("re");
    let names = node.get("fields").map(texts).unwrap_or_default();
    let name = |name: &String| {
        let text = if pattern { format!("^(?:{name})") } else { format!("^{}$", regex::escape(name)) };
        regex(node, &text)
    };
    Ok(FieldIs { names: names.iter().map(name).collect::<Result<_, _>>()?, included })
}
