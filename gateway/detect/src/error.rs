//! What is wrong with a rule, where, and what would be right.
//!
//! A rule that does not load never stops the others. Invariant: line and column count from 1 and point into the
//! file that the author wrote.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// A place in a rule file, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The place that many characters to the right.
    #[must_use]
    pub fn right(self, characters: usize) -> Self {
        let by = u32::try_from(characters).unwrap_or(u32::MAX);
        Self { line: self.line, column: self.column.saturating_add(by) }
    }
}

/// A fault in a rule, not yet bound to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

impl Fault {
    pub(crate) fn new(place: Place, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place, message: message.into(), hint: hint.into() }
    }

    pub(crate) fn in_file(self, file: &Arc<str>) -> RuleError {
        RuleError {
            file: file.clone(),
            // What has no place of its own is about the whole file.
            line: self.place.line.max(1),
            column: self.place.column.max(1),
            message: self.message,
            hint: self.hint,
        }
    }
}

/// A rule, filter or pipeline that did not load.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct RuleError {
    /// The file as it was named to [`crate::RuleSet::load`].
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "; {}", self.hint) }
    }
}
