//! Judges one rule on one event, atom by atom, and says which held.
//!
//! Not the fast path (see `matcher`): it runs on events that have matched already, to explain them. Invariant: it
//! gives the same answer as the compiled matcher.
#![deny(clippy::indexing_slicing)]

use sitewarden_core::Value;
use sitewarden_core::finding::EvidenceAtom;

use crate::fields::{Fields, number, text};
use crate::pattern::fold;
use crate::rule::atom::{Affix, Atom, Logic, Test};
use crate::time_part;

/// Whether the atom holds on the event.
pub(crate) fn atom_holds(atom: &Atom, fields: Fields<'_>) -> bool {
    let Some(field) = &atom.field else { return keyword_holds(&atom.test, fields) };
    let Some(values) = fields.values(field) else { return atom.test == Test::Null };
    match &atom.test {
        Test::Exists => true,
        Test::Null => values.iter().any(|value| matches!(value, Value::Null)),
        test => values.iter().any(|value| value_holds(test, value, fields)),
    }
}

fn keyword_holds(test: &Test, fields: Fields<'_>) -> bool {
    match test {
        Test::Text(pattern) => fields.any_text(&mut |text| pattern.matches(text)),
        Test::Regex(regex) => fields.any_text(&mut |text| regex.compiled.is_match(text)),
        _ => false,
    }
}

fn value_holds(test: &Test, value: &Value, fields: Fields<'_>) -> bool {
    match test {
        Test::Text(pattern) => text(value).is_some_and(|text| pattern.matches(&text)),
        Test::Regex(regex) => text(value).is_some_and(|text| regex.compiled.is_match(&text)),
        Test::Equal(wanted) => number(value).is_some_and(|number| number == *wanted),
        Test::Compare(order, bound) => number(value).is_some_and(|number| order.holds(number, *bound)),
        Test::Cidr(net) => text(value).is_some_and(|text| net.holds(&text)),
        Test::Time { part, order, number: bound } => {
            let taken = match value {
                Value::Text(text) => time_part::of_text(text, *part),
                other => number(other).and_then(|number| time_part::of_number(number, *part)),
            };
            taken.is_some_and(|taken| {
                let taken = crate::number::Number::Int(taken);
                order.map_or(taken == *bound, |order| order.holds(taken, *bound))
            })
        }
        Test::Field { other, how, cased } => {
            let others = fields.values(other).unwrap_or_default();
            others.iter().any(|other| reference_holds(value, other, *how, *cased))
        }
        Test::Null | Test::Exists => false,
    }
}

/// Whether the value stands to the referenced value as the affix says.
pub(crate) fn reference_holds(value: &Value, other: &Value, how: Affix, cased: bool) -> bool {
    let (Some(value), Some(other)) = (text(value), text(other)) else { return false };
    let (value, other) = if cased {
        (value, other)
    } else {
        (fold(&value).into_owned().into(), fold(&other).into_owned().into())
    };
    match how {
        Affix::Whole => value == other,
        Affix::Start => value.starts_with(&*other),
        Affix::End => value.ends_with(&*other),
        Affix::Inside => value.contains(&*other),
    }
}

/// Whether the logic holds on the event.
pub(crate) fn holds(logic: &Logic, atoms: &[Atom], fields: Fields<'_>) -> bool {
    logic.holds(&mut |index| atoms.get(index).is_some_and(|atom| atom_holds(atom, fields)))
}

/// The atoms that carry the match: those that held, and the exceptions that did not.
pub(crate) fn evidence(logic: &Logic, atoms: &[Atom], fields: Fields<'_>) -> Vec<EvidenceAtom> {
    let mut out = Vec::new();
    logic.each_atom(false, &mut |index, negated| {
        let Some(atom) = atoms.get(index) else { return };
        let matched = atom_holds(atom, fields);
        if out.len() >= EVIDENCE_ATOMS || (negated == matched) {
            return;
        }
        out.push(EvidenceAtom {
            selection: atom.selection.to_string(),
            field: atom.field.as_deref().unwrap_or_default().to_owned(),
            test: atom.words.to_string(),
            value: shown(atom, fields),
            matched,
            line: atom.line,
        });
    });
    out
}

/// Most atoms that one finding lists; rules with a thousand values of which many match would drown the reader.
const EVIDENCE_ATOMS: usize = 64;

/// The value that the atom met, as text.
fn shown(atom: &Atom, fields: Fields<'_>) -> String {
    let mut shown = String::new();
    match &atom.field {
        None => {
            fields.any_text(&mut |text| {
                let hit = match &atom.test {
                    Test::Text(pattern) => pattern.matches(text),
                    Test::Regex(regex) => regex.compiled.is_match(text),
                    _ => false,
                };
                if hit {
                    cut(text).clone_into(&mut shown);
                }
                hit
            });
        }
        Some(field) => {
            let values = fields.values(field).unwrap_or_default();
            let best = values.iter().find(|value| value_holds(&atom.test, value, fields)).or(values.first());
            if let Some(text) = best.and_then(|value| text(value)) {
                cut(&text).clone_into(&mut shown);
            }
        }
    }
    shown
}

/// The text, cut to what evidence may hold.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(sitewarden_core::limits::EVIDENCE_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
