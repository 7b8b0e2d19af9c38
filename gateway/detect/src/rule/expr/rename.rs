//! Other names for the fields of an expression, as pipelines say.
//!
//! Not the pipelines. Invariant: every field is named anew exactly once.

use std::sync::Arc;

use super::Term;

impl Term {
    pub(super) fn rename(&mut self, name: &impl Fn(&Arc<str>) -> Arc<str>) {
        match self {
            Self::Number(_) | Self::Text(_) | Self::Bool(_) => {}
            Self::Field(field) | Self::Has(field) => *field = name(field),
            Self::Not(inner) | Self::Negate(inner) => inner.rename(name),
            Self::Binary(_, left, right) => {
                left.rename(name);
                right.rename(name);
            }
            Self::In(inner, list) => {
                inner.rename(name);
                list.iter_mut().for_each(|item| item.rename(name));
            }
            Self::Call(_, arguments) => arguments.iter_mut().for_each(|argument| argument.rename(name)),
        }
    }
}
