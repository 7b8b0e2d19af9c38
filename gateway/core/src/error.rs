//! How an error is told: the whole chain, once.
//!
//! Errors keep their cause in `#[source]` and never repeat it in their own text; this is the one place
//! that puts the chain into words.

use std::error::Error;

/// The error and its causes in one line: `opening state.db: unable to open database file`.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
