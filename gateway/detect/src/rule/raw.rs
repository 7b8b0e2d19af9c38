//! Detections as they are written: selections of items, before modifiers are applied.
//!
//! Not yet comparisons: pipelines rename fields and replace values in this form. Invariant: nothing is lost
//! that an error message or the evidence needs (places, words).
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use super::atom::Atom;
use super::condition;
use super::lower::Lowering;
use super::{Detection, Logic};
use crate::error::{Fault, Place};
use crate::yaml::{Kind, Node};

/// The tree of one selection.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    All(Vec<Raw>),
    Any(Vec<Raw>),
    Item(Item),
}

/// `field|modifier|modifier: value or list`.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// `None` for keywords.
    pub(crate) field: Option<String>,
    pub(crate) modifiers: Vec<String>,
    pub(crate) values: Vec<Node>,
    pub(crate) place: Place,
}

/// A whole `detection:` section.
#[derive(Clone, Debug)]
pub(crate) struct RawDetection {
    pub(crate) selections: Vec<(Arc<str>, Raw)>,
    /// Conditions with their places; several are joined by `or`.
    pub(crate) conditions: Vec<(String, Place)>,
}

const HINT: &str = "a selection is a map of fields, or a list of such maps or of keywords";

impl RawDetection {
    /// Reads the section. `known` are keys beside selections that the section may have.
    pub(crate) fn read(node: &Node, known: &[&str]) -> Result<Self, Fault> {
        let Some(entries) = node.map() else {
            let message = format!("`detection` is {}, not a map", node.kind_name());
            return Err(node.fault(message, "name selections and give a `condition`"));
        };
        let mut selections = Vec::new();
        let mut conditions = Vec::new();
        for (key, value) in entries {
            match key.text.as_str() {
                "condition" => conditions = condition_texts(value)?,
                "timeframe" => {
                    let hint = "write a second document with `correlation:` and `timespan:`";
                    return Err(Fault::new(key.place, "`timeframe` was removed from Sigma", hint));
                }
                name if known.contains(&name) => {}
                name => selections.push((Arc::from(name), selection(value)?)),
            }
        }
        if conditions.is_empty() {
            return Err(node.fault("the detection has no `condition`", "add `condition: selection`"));
        }
        if selections.is_empty() {
            return Err(node.fault("the detection has no selection", HINT));
        }
        Ok(Self { selections, conditions })
    }

    /// Applies the modifiers and resolves the conditions.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<Detection, Fault> {
        let mut selections: Vec<(Arc<str>, Logic)> = Vec::new();
        for (name, raw) in &self.selections {
            lowering.selection = name.clone();
            selections.push((name.clone(), lower(raw, lowering)?));
        }
        let mut conditions = Vec::new();
        for (text, place) in &self.conditions {
            conditions.push(condition::parse(text, *place, &selections)?);
        }
        let atoms: Vec<Atom> = std::mem::take(&mut lowering.atoms);
        Ok(Detection { atoms, selections, condition: Logic::any(conditions) })
    }
}

pub(crate) fn lower(raw: &Raw, lowering: &mut Lowering<'_>) -> Result<Logic, Fault> {
    let mut parts =
        |raws: &[Raw]| -> Result<Vec<Logic>, Fault> { raws.iter().map(|raw| lower(raw, lowering)).collect() };
    match raw {
        Raw::All(raws) => parts(raws).map(Logic::all),
        Raw::Any(raws) => parts(raws).map(Logic::any),
        Raw::Item(item) => lowering.item(item),
    }
}

/// The conditions of a node: one text or a list of texts.
pub(crate) fn condition_texts(node: &Node) -> Result<Vec<(String, Place)>, Fault> {
    let mut texts = Vec::new();
    for item in node.items() {
        let Kind::Scalar { text, plain } = &item.kind else {
            return Err(item.fault("a condition is text", "write `condition: selection`"));
        };
        let place = if *plain { item.place } else { item.place.right(1) };
        texts.push((text.clone(), place));
    }
    Ok(texts)
}

/// Reads one selection: a map (all), a list (any of them), or a single keyword.
pub(crate) fn selection(node: &Node) -> Result<Raw, Fault> {
    match &node.kind {
        Kind::Map(entries) => {
            if entries.is_empty() {
                return Err(node.fault("an empty selection would match everything", HINT));
            }
            entries
                .iter()
                .map(|(key, value)| item(&key.text, key.place, value))
                .collect::<Result<_, _>>()
                .map(Raw::All)
        }
        Kind::List(nodes) => {
            if nodes.is_empty() {
                return Err(node.fault("an empty selection would never match", HINT));
            }
            let mut parts = Vec::new();
            let mut keywords = Vec::new();
            for node in nodes {
                match &node.kind {
                    Kind::Scalar { .. } => keywords.push(node.clone()),
                    Kind::Map(_) | Kind::List(_) => parts.push(selection(node)?),
                }
            }
            if let Some(first) = keywords.first() {
                let place = first.place;
                parts.push(Raw::Item(Item { field: None, modifiers: Vec::new(), values: keywords, place }));
            }
            Ok(Raw::Any(parts))
        }
        Kind::Scalar { .. } => Ok(Raw::Item(Item {
            field: None,
            modifiers: Vec::new(),
            values: vec![node.clone()],
            place: node.place,
        })),
    }
}

/// Reads `field|modifiers: value`.
pub(crate) fn item(key: &str, place: Place, value: &Node) -> Result<Raw, Fault> {
    let mut words = key.split('|');
    let field = words.next().unwrap_or_default();
    let modifiers: Vec<String> = words.map(str::to_owned).collect();
    if let Some(nested) = value.items().iter().find(|node| node.scalar().is_none()) {
        let message = format!("the value of `{key}` is {}", nested.kind_name());
        return Err(nested
            .fault(message, "a field has one value or a list of values; write `outer.inner` for nesting"));
    }
    Ok(Raw::Item(Item {
        field: (!field.is_empty()).then(|| field.to_owned()),
        modifiers,
        values: value.items().to_vec(),
        place,
    }))
}
