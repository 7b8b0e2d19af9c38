//! Rule files as trees of nodes that know their place.
//!
//! Not a general YAML library: keys are text, tags are ignored, anchors are expanded within a budget. Built on
//! the event parser of serde-saphyr. Invariant: a document has at most [`YAML_NODES`] nodes and [`YAML_DEPTH`]
//! levels, whatever its text says, and no map has the same key twice.
#![deny(clippy::indexing_slicing)]

use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::error::{Fault, Place};
use crate::limits::{RULE_FILE_BYTES, YAML_DEPTH, YAML_DOCUMENTS, YAML_NODES};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// A map's key and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) text: String,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A scalar; `plain` when it was written without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A scalar by YAML's core schema.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

/// One document: its tree and its own text.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) root: Node,
    pub(crate) source: String,
}

impl Node {
    /// The scalar by YAML 1.2's core schema (§10.3); `None` for lists and maps.
    pub(crate) fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.kind {
            Kind::Scalar { text, plain: true } => Some(resolve(text)),
            Kind::Scalar { text, plain: false } => Some(Scalar::Text(text)),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The scalar's characters as written; `None` for lists, maps and null.
    pub(crate) fn text(&self) -> Option<&str> {
        match (&self.kind, self.scalar()) {
            (_, Some(Scalar::Null) | None) => None,
            (Kind::Scalar { text, .. }, _) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn map(&self) -> Option<&[(Key, Self)]> {
        if let Kind::Map(entries) = &self.kind { Some(entries) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        if let Kind::List(items) = &self.kind { Some(items) } else { None }
    }

    /// The list's items, or the node itself as the only item.
    pub(crate) fn items(&self) -> &[Self] {
        if let Kind::List(items) = &self.kind { items } else { std::slice::from_ref(self) }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.map()?.iter().find(|(k, _)| k.text == key).map(|(_, value)| value)
    }

    pub(crate) fn fault(&self, message: impl Into<String>, hint: impl Into<String>) -> Fault {
        Fault::new(self.place, message, hint)
    }

    /// What the node is, for messages.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.scalar() {
            None if self.list().is_some() => "a list",
            None => "a map",
            Some(Scalar::Null) => "null",
            Some(Scalar::Bool(_)) => "true or false",
            Some(Scalar::Int(_) | Scalar::Float(_)) => "a number",
            Some(Scalar::Text(_)) => "text",
        }
    }
}

fn resolve(text: &str) -> Scalar<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Scalar::Text(text);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).map_or(Scalar::Text(text), Scalar::Int);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).map_or(Scalar::Text(text), Scalar::Int);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Scalar::Int(number);
    }
    let numeric = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(number) if numeric && number.is_finite() => Scalar::Float(number),
        _ => Scalar::Text(text),
    }
}

/// Reads all documents of a file. The documents before the fault are returned beside it.
pub(crate) fn read(text: &str) -> (Vec<Document>, Option<Fault>) {
    if text.len() > RULE_FILE_BYTES {
        let fault = Fault::new(
            Place::default(),
            format!("the file has {} bytes, more than {RULE_FILE_BYTES}", text.len()),
            "split it into several files",
        );
        return (Vec::new(), Some(fault));
    }
    let mut builder = Builder::default();
    let mut documents = Vec::new();
    let mut first_line = 1;
    for next in Parser::new_from_str(text) {
        let step = match next {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let marker = error.marker();
                let place = place_of(marker.line(), marker.col());
                Err(Fault::new(place, format!("not YAML: {}", error.info()), "check indentation and quotes"))
            }
        };
        match step {
            Err(fault) => return (documents, Some(fault)),
            Ok(None) => {}
            Ok(Some((root, end_line))) => {
                let source = lines(text, first_line, end_line);
                first_line = end_line;
                documents.push(Document { root, source });
                if documents.len() >= YAML_DOCUMENTS {
                    let hint = "split it into several files";
                    return (documents, Some(Fault::new(Place::default(), "too many documents", hint)));
                }
            }
        }
    }
    (documents, None)
}

/// The lines from `first` to before `end`, without document markers around them.
fn lines(text: &str, first: usize, end: usize) -> String {
    let count = end.saturating_sub(first).max(1);
    let mut kept: Vec<&str> = text.lines().skip(first.saturating_sub(1)).take(count).collect();
    while kept.first().is_some_and(|line| line.trim().is_empty() || line.trim_end() == "---") {
        kept.remove(0);
    }
    while kept.last().is_some_and(|line| line.trim().is_empty() || line.trim_end() == "---") {
        kept.pop();
    }
    kept.join("\n")
}

fn place_of(line: usize, column: usize) -> Place {
    Place {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column.saturating_add(1)).unwrap_or(u32::MAX),
    }
}

/// A list or map that is not closed yet.
struct Open {
    place: Place,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, keys: HashSet<String>, key: Option<Key> },
}

#[derive(Default)]
struct Builder {
    stack: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder {
    /// Takes one event; gives the document and the line of its end when it is complete.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<(Node, usize)>, Fault> {
        let place = place_of(span.start.line(), span.start.col());
        match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                self.nodes = 0;
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let node = Node { place, kind: Kind::Scalar { text: text.into_owned(), plain } };
                self.count(1, place)?;
                self.add(node, anchor, 1)?;
            }
            Event::SequenceStart(_, anchor, _) => self.open(place, anchor, OpenKind::List(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => {
                let kind = OpenKind::Map { entries: Vec::new(), keys: HashSet::new(), key: None };
                self.open(place, anchor, kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    return Err(Fault::new(place, "alias to a node that contains it", "write the value out"));
                };
                self.count(size, place)?;
                self.add(node, 0, size)?;
            }
            Event::DocumentEnd => {
                let line = span.start.line().max(1);
                return Ok(self.root.take().map(|root| (root, line)));
            }
            _ => {}
        }
        Ok(None)
    }

    fn count(&mut self, by: usize, place: Place) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(by);
        if self.nodes > YAML_NODES {
            let hint = "split the rule, or write it without aliases";
            return Err(Fault::new(
                place,
                format!("more than {YAML_NODES} YAML nodes in one document"),
                hint,
            ));
        }
        Ok(())
    }

    fn open(&mut self, place: Place, anchor: usize, kind: OpenKind) -> Result<(), Fault> {
        self.count(1, place)?;
        if self.stack.len() >= YAML_DEPTH {
            return Err(Fault::new(place, format!("nested deeper than {YAML_DEPTH} levels"), "flatten it"));
        }
        self.stack.push(Open { place, anchor, kind });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let kind = match open.kind {
            OpenKind::List(items) => Kind::List(items),
            OpenKind::Map { entries, .. } => Kind::Map(entries),
        };
        let node = Node { place: open.place, kind };
        let size = if open.anchor == 0 { 0 } else { size_of(&node) };
        self.add(node, open.anchor, size)
    }

    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::List(items)) => items.push(node),
            Some(OpenKind::Map { entries, keys, key }) => match key.take() {
                Some(waiting) => entries.push((waiting, node)),
                None => {
                    let Kind::Scalar { text, .. } = node.kind else {
                        return Err(Fault::new(
                            node.place,
                            "a key that is not text",
                            "use a plain word as key",
                        ));
                    };
                    if !keys.insert(text.clone()) {
                        let hint = "keep one of them; put several values in a list";
                        return Err(Fault::new(
                            node.place,
                            format!("the key `{text}` stands here twice"),
                            hint,
                        ));
                    }
                    *key = Some(Key { place: node.place, text });
                }
            },
        }
        Ok(())
    }
}

fn size_of(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar { .. } => 1,
        Kind::List(items) => items.iter().map(size_of).sum::<usize>() + 1,
        Kind::Map(entries) => entries.iter().map(|(_, value)| size_of(value) + 1).sum::<usize>() + 1,
    }
}

#[cfg(test)]
mod tests;
