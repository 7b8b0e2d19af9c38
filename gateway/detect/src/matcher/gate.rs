//! Gates: for each rule the comparison that is least likely to hold, and what finds it without decoding a value.
//!
//! A gate only says "perhaps": a rule whose gate opens is evaluated whole. Invariant: whenever a rule holds, at
//! least one of its gates opens; a rule for which no such comparison exists is evaluated on every event.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::Arc;

use crate::number::Number;
use crate::pattern::{Pattern, Piece, Shape};
use crate::rule::atom::{Atom, Logic, Test};

/// What opens a gate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Opener {
    /// The field is this whole number.
    Number(i64),
    /// The field is this text, folded.
    Exact(String),
    /// The last part of the field's path is this text, folded.
    Base(String),
    /// The field contains this text, folded; at least [`super::grams::LENGTH`] bytes that JSON never escapes.
    Contains(String),
    /// The field contains a character beyond ASCII.
    NonAscii,
    /// The field is there.
    Present,
}

/// One gate: a field (`None` for any value of the event) and what opens it.
pub(crate) type Gate = (Option<Arc<str>>, Opener);

/// The gates of a rule; `None` when it has to be evaluated always.
pub(crate) fn of(logic: &Logic, atoms: &[Atom], uses: &HashMap<Gate, usize>) -> Option<Vec<Gate>> {
    choose(logic, atoms, uses).map(|(_, gates)| gates).or_else(|| by_fields(logic, atoms))
}

/// For a rule of exceptions alone: when it does not hold for an event that has none of its fields, each of its
/// fields is a gate.
fn by_fields(logic: &Logic, atoms: &[Atom]) -> Option<Vec<Gate>> {
    let absent = |index: usize| atoms.get(index).is_some_and(|atom| atom.test == Test::Null);
    if logic.holds(&mut { absent }) {
        return None;
    }
    let mut gates: Vec<Gate> = Vec::new();
    let mut keyword = false;
    logic.each_atom(false, &mut |index, _| {
        let Some(atom) = atoms.get(index) else { return };
        keyword |= atom.field.is_none();
        let gate = (atom.field.clone(), Opener::Present);
        if !gates.contains(&gate) {
            gates.push(gate);
        }
    });
    // A comparison of two fields needs the first; a keyword may stand anywhere.
    (!keyword).then_some(gates)
}

/// Counts how many atoms would open by each gate, over all rules.
pub(crate) fn count(atoms: &[Atom], uses: &mut HashMap<Gate, usize>) {
    for atom in atoms {
        if let Some((_, gate)) = of_atom(atom) {
            *uses.entry(gate).or_default() += 1;
        }
    }
}

fn choose(logic: &Logic, atoms: &[Atom], uses: &HashMap<Gate, usize>) -> Option<(f64, Vec<Gate>)> {
    match logic {
        Logic::Atom(index) => {
            let (chance, gate) = of_atom(atoms.get(*index)?)?;
            // What many rules ask for is what most events have: `sensor_type: temperature`.
            let shared = u32::try_from(uses.get(&gate).copied().unwrap_or(1)).unwrap_or(u32::MAX);
            Some((chance * (1.0 + 0.05 * f64::from(shared)), vec![gate]))
        }
        Logic::All(parts) => {
            let chosen = parts.iter().filter_map(|part| choose(part, atoms, uses));
            chosen.min_by(|a, b| a.0.total_cmp(&b.0))
        }
        Logic::Any(parts) | Logic::AtLeast(_, parts) => {
            let mut chance = 0.0;
            let mut all = Vec::new();
            for part in parts {
                let (more, mut gates) = choose(part, atoms, uses)?;
                chance += more;
                all.append(&mut gates);
            }
            Some((chance, all))
        }
        Logic::Not(_) => None,
    }
}

/// How likely the atom holds on an event that could concern it, roughly, and what opens its gate.
fn of_atom(atom: &Atom) -> Option<(f64, Gate)> {
    let present = |chance: f64| Some((chance, (atom.field.clone(), Opener::Present)));
    if atom.field.is_none() {
        let Test::Text(pattern) = &atom.test else { return None };
        let text = fragment(pattern)?;
        // Numbers are searched as people write them, which is not always how JSON does: 1.25e3.
        if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'e')) {
            return None;
        }
        let chance = 0.02 + chance_of(&text);
        return Some((chance, (None, Opener::Contains(text))));
    }
    match &atom.test {
        Test::Null => None,
        Test::Equal(Number::Int(whole)) => Some((0.03, (atom.field.clone(), Opener::Number(*whole)))),
        Test::Text(pattern) => {
            let (chance, opener) = of_pattern(pattern);
            Some((chance, (atom.field.clone(), opener)))
        }
        Test::Exists | Test::Equal(_) => present(0.9),
        Test::Regex(_) | Test::Cidr(_) => present(0.8),
        Test::Compare(..) | Test::Field { .. } | Test::Time { .. } => present(0.7),
    }
}

fn of_pattern(pattern: &Pattern) -> (f64, Opener) {
    match &pattern.shape {
        Shape::Exact(text) if !text.is_empty() && text.bytes().all(|b| is_safe(b) || b == b'\\') => {
            let chance = match text.len() {
                1 | 2 => 0.2,
                3 | 4 => 0.08,
                _ if matches!(text.as_str(), "true" | "false") => 0.5,
                _ => 0.03,
            };
            (chance, Opener::Exact(crate::pattern::fold(text).into_owned()))
        }
        Shape::Suffix(text) => match text.strip_prefix('\\') {
            Some(base) if !base.is_empty() && base.bytes().all(is_safe) => {
                let base = crate::pattern::fold(base).into_owned();
                (if COMMON.contains(&base.as_str()) { 0.15 } else { 0.01 }, Opener::Base(base))
            }
            _ => by_fragment(pattern),
        },
        _ => by_fragment(pattern),
    }
}

/// Programs that run all the time; a rule about them has something rarer to say.
const COMMON: [&str; 8] = [
    "powershell.exe",
    "pwsh.exe",
    "cmd.exe",
    "rundll32.exe",
    "svchost.exe",
    "explorer.exe",
    "services.exe",
    "msiexec.exe",
];

fn by_fragment(pattern: &Pattern) -> (f64, Opener) {
    match fragment(pattern) {
        Some(text) => (chance_of(&text), Opener::Contains(text)),
        None if !is_ascii(pattern) => (0.02, Opener::NonAscii),
        None => (0.6, Opener::Present),
    }
}

/// Whether every text that the pattern asks for is ASCII; else no ASCII text can match it.
pub(crate) fn is_ascii(pattern: &Pattern) -> bool {
    match &pattern.shape {
        Shape::Exact(text) | Shape::Prefix(text) | Shape::Suffix(text) => text.is_ascii(),
        Shape::Contains(text) => text.as_str().is_ascii(),
        Shape::Anything => true,
        Shape::Glob(glob) => {
            let ascii = |piece: &Piece| if let Piece::Text(text) = piece { text.is_ascii() } else { true };
            glob.runs.iter().flatten().all(ascii)
        }
    }
}

fn chance_of(text: &str) -> f64 {
    match text.len() {
        0..=4 => 0.04,
        5 => 0.02,
        6 | 7 => 0.01,
        _ if matches!(text, "powershell" | "system32" | "windows") => 0.3,
        _ => 0.004,
    }
}

/// The longest run of bytes in the pattern that JSON writes as they are.
pub(crate) fn fragment<'p>(pattern: &'p Pattern) -> Option<String> {
    let mut longest = "";
    let mut consider = |text: &'p str| {
        for run in text.split(|c: char| !c.is_ascii() || !is_safe(c as u8)) {
            if run.len() > longest.len() {
                longest = run;
            }
        }
    };
    match &pattern.shape {
        Shape::Exact(text) | Shape::Prefix(text) | Shape::Suffix(text) => consider(text),
        Shape::Contains(text) => consider(text.as_str()),
        Shape::Glob(glob) => {
            for piece in glob.runs.iter().flatten() {
                if let Piece::Text(text) = piece {
                    consider(text);
                }
            }
        }
        Shape::Anything => {}
    }
    (longest.len() >= super::grams::LENGTH).then(|| crate::pattern::fold(longest).into_owned())
}

/// Whether JSON writers leave the byte as it is, or write it as `\u....`, which is looked for.
const fn is_safe(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\' | b'/')
}
