//! Processing pipelines in pySigma's YAML form: field names, values and log sources of a site's own data.
//!
//! Applied to detections as they are written, before modifiers. What is not known here is a fault, so that no rule
//! runs half-transformed. Not output formats: postprocessing and finalizers have no meaning for an engine that
//! matches. Invariant: items apply in the order of priority and file.
#![deny(clippy::indexing_slicing)]

mod conditions;

use std::sync::Arc;

use sitewarden_core::LogSource;

use crate::error::Fault;
use crate::placeholder::Placeholders;
use crate::rule::raw::{self, Item, Raw, RawDetection};
use crate::yaml::{Kind, Node, Scalar};
use conditions::Conditions;

/// All pipelines of a set, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipelines {
    items: Vec<(i64, Step)>,
    vars: Vec<(String, Vec<String>)>,
    pub(crate) placeholders: Placeholders,
    /// The pipelines' own text: a change of it changes every rule.
    pub(crate) source: String,
}

/// One transformation and when it applies.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    conditions: Conditions,
    transform: Transform,
}

#[derive(Clone, Debug)]
enum Transform {
    Rename(Vec<(String, Vec<String>)>),
    RenamePrefix(Vec<(String, Vec<String>)>),
    Prefix(String),
    Suffix(String),
    Case(Case),
    Drop,
    Add { raw: Raw, negated: bool },
    Source(LogSource),
    Replace(regex::Regex, String),
    MapText(Vec<(String, Vec<String>)>),
    RuleFailure(String),
    ItemFailure(String),
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum Case {
    Lower,
    Upper,
    Snake,
}

/// What a pipeline sees of a rule.
pub(crate) struct Subject<'a> {
    pub(crate) raw: &'a mut RawDetection,
    pub(crate) source: &'a mut LogSource,
    pub(crate) tags: &'a [Arc<str>],
}

/// Whether the document is a pipeline.
pub(crate) fn is_pipeline(root: &Node) -> bool {
    let rule = root.get("detection").or_else(|| root.get("correlation")).or_else(|| root.get("filter"));
    rule.is_none() && (root.get("transformations").is_some() || root.get("vars").is_some())
}

const TYPES: &str = "field_name_mapping, field_name_prefix_mapping, field_name_prefix, field_name_suffix, \
                     field_name_transform, drop_detection_item, add_condition, change_logsource, replace_string, \
                     map_string, value_placeholders, wildcard_placeholders, rule_failure, detection_item_failure, \
                     set_state, set_custom_attribute";

impl Pipelines {
    /// Adds a pipeline document.
    pub(crate) fn add(&mut self, root: &Node, source: &str) -> Result<(), Fault> {
        let priority = match root.get("priority").and_then(Node::scalar) {
            Some(Scalar::Int(priority)) => priority,
            _ => 0,
        };
        let mut steps = Vec::new();
        let mut placeholders = Placeholders::default();
        let vars: Vec<(String, Vec<String>)> =
            root.get("vars").and_then(Node::map).map_or_else(Vec::new, |vars| {
                vars.iter().map(|(key, value)| (key.text.clone(), texts(value))).collect()
            });
        for unsupported in ["postprocessing", "finalizers"] {
            if let Some(node) =
                root.get(unsupported).filter(|node| node.items().iter().any(|n| n.map().is_some()))
            {
                let hint = "leave it out: rules are matched here, not written in another language";
                return Err(node.fault(format!("`{unsupported}` has no meaning here"), hint));
            }
        }
        for node in root.get("transformations").map(Node::items).unwrap_or_default() {
            if node.map().is_none() {
                continue;
            }
            let conditions = Conditions::read(node)?;
            let transform = transform(node, &mut placeholders, self.vars.iter().chain(&vars))?;
            steps.push((priority, Step { conditions, transform }));
        }
        self.items.append(&mut steps);
        self.items.sort_by_key(|(priority, _)| *priority);
        self.vars.extend(vars);
        self.placeholders.lists.append(&mut placeholders.lists);
        self.placeholders.wildcards.append(&mut placeholders.wildcards);
        self.placeholders.all_wildcards |= placeholders.all_wildcards;
        self.source.push_str(source);
        Ok(())
    }

    /// Transforms a detection; gives the steps that applied, for the fields that the rule names elsewhere.
    pub(crate) fn apply(&self, subject: &mut Subject<'_>) -> Result<Applied<'_>, Fault> {
        let mut applied = Applied::default();
        for (number, (_, step)) in self.items.iter().enumerate() {
            if !step.conditions.rule(subject) {
                continue;
            }
            applied.0.push(step);
            match &step.transform {
                Transform::Source(source) => *subject.source = source.clone(),
                Transform::RuleFailure(message) => {
                    let place = subject.raw.conditions.first().map(|(_, place)| *place).unwrap_or_default();
                    return Err(Fault::new(place, format!("a pipeline refuses the rule: {message}"), ""));
                }
                Transform::Add { raw, negated } => {
                    let name: Arc<str> = Arc::from(format!("_pipeline_{number}"));
                    for (condition, _) in &mut subject.raw.conditions {
                        let not = if *negated { "not " } else { "" };
                        *condition = format!("{not}{name} and ({condition})");
                    }
                    subject.raw.selections.push((name, raw.clone()));
                }
                _ => {
                    for (_, selection) in &mut subject.raw.selections {
                        let kept = step.change(std::mem::replace(selection, Raw::All(Vec::new())))?;
                        *selection = kept.unwrap_or(Raw::All(Vec::new()));
                    }
                }
            }
        }
        Ok(applied)
    }

    /// The steps for correlations, which have no log source and no comparisons of their own.
    pub(crate) fn for_correlations(&self) -> Applied<'_> {
        let steps = self.items.iter().map(|(_, step)| step);
        Applied(steps.filter(|step| step.conditions.correlation()).collect())
    }
}

/// The steps that apply to one rule, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied<'a>(Vec<&'a Step>);

impl Applied<'_> {
    /// The site's name for a field that stands alone; where there are several, the first.
    pub(crate) fn field(&self, name: &Arc<str>) -> Arc<str> {
        self.0.iter().filter(|step| step.conditions.name(name)).fold(name.clone(), |name, step| {
            step.transform
                .names(&name)
                .and_then(|names| Some(Arc::from(names.first()?.as_str())))
                .unwrap_or(name)
        })
    }

    /// A selection that stands outside of the detection.
    pub(crate) fn selection(&self, raw: Raw) -> Result<Raw, Fault> {
        self.0.iter().try_fold(raw, |raw, step| Ok(step.change(raw)?.unwrap_or(Raw::All(Vec::new()))))
    }
}

impl Step {
    /// The changed tree; `None` when nothing is left of it.
    fn change(&self, raw: Raw) -> Result<Option<Raw>, Fault> {
        let all = |parts: Vec<Raw>| -> Result<Vec<Raw>, Fault> {
            let mut kept = Vec::new();
            for part in parts {
                kept.extend(self.change(part)?);
            }
            Ok(kept)
        };
        match raw {
            Raw::All(parts) => all(parts).map(|kept| Some(Raw::All(kept))),
            Raw::Any(parts) => {
                all(parts).map(|kept| if kept.is_empty() { None } else { Some(Raw::Any(kept)) })
            }
            Raw::Item(item) if self.conditions.item(&item) => self.item(item),
            other => Ok(Some(other)),
        }
    }

    fn item(&self, mut item: Item) -> Result<Option<Raw>, Fault> {
        match &self.transform {
            Transform::Drop => return Ok(None),
            Transform::ItemFailure(message) => {
                return Err(Fault::new(item.place, format!("a pipeline refuses this: {message}"), ""));
            }
            Transform::Replace(regex, with) => {
                each_text(&mut item, |text| vec![regex.replace_all(text, with).into_owned()])
            }
            Transform::MapText(map) => each_text(&mut item, |text| {
                let found = map.iter().find(|(from, _)| from == text);
                found.map_or_else(|| vec![text.to_owned()], |(_, to)| to.clone())
            }),
            _ => {}
        }
        if item.modifiers.iter().any(|modifier| modifier == "fieldref") {
            each_text(&mut item, |text| self.transform.names(text).unwrap_or_else(|| vec![text.to_owned()]));
        }
        let names = item.field.as_ref().and_then(|field| self.transform.names(field));
        Ok(Some(match names {
            None => Raw::Item(item),
            Some(names) => {
                let mut items: Vec<Raw> = names
                    .into_iter()
                    .map(|name| Raw::Item(Item { field: Some(name), ..item.clone() }))
                    .collect();
                if items.len() == 1 { items.remove(0) } else { Raw::Any(items) }
            }
        }))
    }
}

impl Transform {
    /// The new names of a field; `None` when it keeps its own.
    fn names(&self, field: &str) -> Option<Vec<String>> {
        match self {
            Self::Rename(map) => map.iter().find(|(from, _)| from == field).map(|(_, to)| to.clone()),
            Self::RenamePrefix(map) => map.iter().find_map(|(from, to)| {
                let rest = field.strip_prefix(from.as_str())?;
                Some(to.iter().map(|to| format!("{to}{rest}")).collect())
            }),
            Self::Prefix(prefix) => Some(vec![format!("{prefix}{field}")]),
            Self::Suffix(suffix) => Some(vec![format!("{field}{suffix}")]),
            Self::Case(Case::Lower) => Some(vec![field.to_lowercase()]),
            Self::Case(Case::Upper) => Some(vec![field.to_uppercase()]),
            Self::Case(Case::Snake) => Some(vec![snake(field)]),
            _ => None,
        }
    }
}

fn snake(field: &str) -> String {
    let mut out = String::new();
    let mut lower = false;
    for c in field.chars() {
        if c.is_uppercase() && lower {
            out.push('_');
        }
        lower = c.is_lowercase() || c.is_ascii_digit();
        out.extend(c.to_lowercase());
    }
    out
}

fn each_text(item: &mut Item, change: impl Fn(&str) -> Vec<String>) {
    let mut values = Vec::new();
    for value in std::mem::take(&mut item.values) {
        match value.scalar() {
            Some(Scalar::Text(text)) => {
                let new = |text| Node { place: value.place, kind: Kind::Scalar { text, plain: false } };
                values.extend(change(text).into_iter().map(new));
            }
            _ => values.push(value),
        }
    }
    item.values = values;
}

fn texts(node: &Node) -> Vec<String> {
    node.items().iter().filter_map(Node::text).map(str::to_owned).collect()
}

fn mapping(node: &Node) -> Result<Vec<(String, Vec<String>)>, Fault> {
    let map = node.get("mapping").and_then(Node::map);
    let map =
        map.ok_or_else(|| node.fault("the transformation has no `mapping`", "write `mapping: {from: to}`"))?;
    Ok(map.iter().map(|(key, value)| (key.text.clone(), texts(value))).collect())
}

fn need<'a>(node: &'a Node, key: &str) -> Result<&'a str, Fault> {
    let text = node.get(key).and_then(Node::text);
    text.ok_or_else(|| node.fault(format!("the transformation has no `{key}`"), format!("write `{key}: ..`")))
}

fn transform<'v>(
    node: &Node,
    placeholders: &mut Placeholders,
    vars: impl Iterator<Item = &'v (String, Vec<String>)>,
) -> Result<Transform, Fault> {
    Ok(match need(node, "type")? {
        "field_name_mapping" => Transform::Rename(mapping(node)?),
        "field_name_prefix_mapping" => Transform::RenamePrefix(mapping(node)?),
        "field_name_prefix" => Transform::Prefix(need(node, "prefix")?.to_owned()),
        "field_name_suffix" => Transform::Suffix(need(node, "suffix")?.to_owned()),
        "field_name_transform" => Transform::Case(match need(node, "transform_func")? {
            "lower" => Case::Lower,
            "upper" => Case::Upper,
            "snake_case" => Case::Snake,
            other => {
                return Err(node.fault(format!("`{other}` is not known"), "write lower, upper or snake_case"));
            }
        }),
        "drop_detection_item" => Transform::Drop,
        "add_condition" => {
            let conditions = node.get("conditions").filter(|node| node.map().is_some());
            let hint = "write `conditions: {field: value}`";
            let conditions =
                conditions.ok_or_else(|| node.fault("`add_condition` has no `conditions`", hint))?;
            let negated = node.get("negated").and_then(Node::scalar) == Some(Scalar::Bool(true));
            Transform::Add { raw: raw::selection(conditions)?, negated }
        }
        "change_logsource" => Transform::Source(crate::rule::parse::logsource(node)?),
        "replace_string" => {
            let text = need(node, "regex")?;
            let built = regex::RegexBuilder::new(text).size_limit(crate::limits::REGEX_BYTES).build();
            let regex =
                built.map_err(|_| node.fault(format!("`{text}` is not a regular expression"), "see `re`"))?;
            // Python writes \1 where this engine writes ${1}.
            let python = regex::Regex::new(r"\\(\d+)").expect("invariant: a constant pattern");
            Transform::Replace(regex, python.replace_all(need(node, "replacement")?, "$${$1}").into_owned())
        }
        "map_string" => Transform::MapText(mapping(node)?),
        kind @ ("value_placeholders" | "wildcard_placeholders") => {
            let include = node.get("include").map(texts);
            let exclude = node.get("exclude").map(texts).unwrap_or_default();
            let chosen = |name: &String| {
                include.as_ref().is_none_or(|list| list.contains(name)) && !exclude.contains(name)
            };
            if kind == "value_placeholders" {
                placeholders.lists.extend(vars.filter(|(name, _)| chosen(name)).cloned());
            } else {
                placeholders.all_wildcards |= include.is_none();
                placeholders.wildcards.extend(include.unwrap_or_default());
            }
            Transform::Nothing
        }
        "rule_failure" => Transform::RuleFailure(need(node, "message")?.to_owned()),
        "detection_item_failure" => Transform::ItemFailure(need(node, "message")?.to_owned()),
        "set_state" | "set_custom_attribute" => Transform::Nothing,
        other => {
            let place = node.get("type").unwrap_or(node);
            return Err(
                place.fault(format!("`{other}` is not a transformation"), format!("types are {TYPES}"))
            );
        }
    })
}

#[cfg(test)]
mod tests;
