//! Topic patterns with named parts, and templates that use them.
//!
//! `site/{zone}/{device}/{metric}`: a `{name}` is one level, `+` is one level without a name, `#` at the
//! end is any rest. Not MQTT subscription matching. Invariant: a template names only parts of its pattern,
//! checked when the profile is loaded.

use std::borrow::Cow;

use crate::limits::PATTERN_PARTS;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    levels: Vec<Level>,
    names: Vec<String>,
    open_end: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Level {
    Exactly(String),
    Any,
    Part,
}

/// What is wrong with a pattern or template, and what would be right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) hint: String,
}

fn fault<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { message: message.into(), hint: hint.into() })
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let mut pattern = Self { levels: Vec::new(), names: Vec::new(), open_end: false };
        if text.is_empty() {
            return fault("the pattern is empty", "such as \"site/{zone}/{device}/{metric}\"");
        }
        for level in text.split('/') {
            if pattern.open_end {
                return fault("`#` is not the last level", "put `#` at the end, or `+` for one level");
            }
            match level {
                "#" => pattern.open_end = true,
                "+" => pattern.levels.push(Level::Any),
                _ => pattern.push(level)?,
            }
        }
        Ok(pattern)
    }

    fn push(&mut self, level: &str) -> Result<(), Fault> {
        let Some(inner) = level.strip_prefix('{') else {
            if level.contains(['{', '}', '+', '#', '\0']) {
                return fault(
                    format!("`{level}` mixes text with a wildcard or a part"),
                    "a part `{name}`, `+` or `#` is a whole level",
                );
            }
            self.levels.push(Level::Exactly(level.to_owned()));
            return Ok(());
        };
        let Some(name) = inner.strip_suffix('}') else {
            return fault(format!("`{level}` has no closing brace"), format!("`{level}}}`"));
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            return fault(format!("`{name}` is not a name of a part"), "lower-case letters and `_`");
        }
        if self.names.iter().any(|known| known == name) {
            return fault(format!("the part `{name}` stands twice"), "give each part its own name");
        }
        if self.names.len() == PATTERN_PARTS {
            return fault(format!("more than {PATTERN_PARTS} parts"), "use `+` for levels that say nothing");
        }
        self.names.push(name.to_owned());
        self.levels.push(Level::Part);
        Ok(())
    }

    /// Names of the parts, in order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The parts of a topic, in the order of [`Self::names`]; `None` when the pattern does not fit.
    pub(crate) fn capture<'t>(&self, levels: &[&'t str]) -> Option<Vec<&'t str>> {
        if levels.len() < self.levels.len() || (levels.len() > self.levels.len() && !self.open_end) {
            return None;
        }
        let fits = self.levels.iter().zip(levels).all(|(wanted, level)| match wanted {
            Level::Exactly(text) => text == level,
            Level::Any => true,
            Level::Part => !level.is_empty(),
        });
        if !fits {
            return None;
        }
        let mut parts = Vec::with_capacity(self.names.len());
        parts.extend(
            self.levels
                .iter()
                .zip(levels)
                .filter(|(wanted, _)| **wanted == Level::Part)
                .map(|(_, level)| *level),
        );
        Some(parts)
    }
}

/// A text with parts in it: `{zone}-{device}`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Part(usize),
}

impl Template {
    pub(crate) fn parse(text: &str, pattern: &Pattern) -> Result<Self, Fault> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let Some((name, tail)) = after.split_once('}') else {
                return fault(format!("`{text}` has no closing brace"), "a part is written `{name}`");
            };
            let Some(index) = pattern.names().iter().position(|known| known == name) else {
                let names: Vec<_> = pattern.names().iter().map(|name| format!("`{{{name}}}`")).collect();
                let hint = if names.is_empty() {
                    "the pattern has no named part".to_owned()
                } else {
                    format!("the pattern has {}", names.join(", "))
                };
                return fault(format!("the pattern has no part `{{{name}}}`"), hint);
            };
            pieces.push(Piece::Part(index));
            rest = tail;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.is_empty() {
            return fault("empty text", "a text, with or without `{parts}`");
        }
        Ok(Self { pieces })
    }

    /// The text with the parts of one topic in it; a single part is borrowed.
    pub(crate) fn fill<'t>(&self, parts: &[&'t str]) -> Cow<'t, str> {
        if let [Piece::Part(index)] = self.pieces.as_slice() {
            return Cow::Borrowed(parts.get(*index).copied().unwrap_or_default());
        }
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Part(index) => parts.get(*index).copied().unwrap_or_default(),
        });
        Cow::Owned(pieces.collect())
    }

    /// Whether it uses the part of that index.
    pub(crate) fn uses(&self, index: usize) -> bool {
        self.pieces.contains(&Piece::Part(index))
    }
}
