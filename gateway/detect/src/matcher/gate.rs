//! Gates: for each condition the comparisons that are least likely to hold, so that few conditions are evaluated.
//!
//! A gate only says "perhaps": a condition whose gate opens is evaluated whole. Invariant: whenever a condition
//! holds, one of its gates is hit and all of its guards hold; where no gate exists it is evaluated on every event.
#![deny(clippy::indexing_slicing)]

use super::program::{Kind, Program};
use crate::number::Number;
use crate::pattern::{Pattern, Piece, Shape};
use crate::rule::atom::{Logic, Order, Test};

/// What opens a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Opener {
    /// This comparison holds, or may hold.
    Atom(u32),
    /// The field has a character beyond ASCII.
    BeyondAscii(u32),
}

/// The gates of one condition and what is known to be necessary beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Gates {
    /// Any of these; `None`: evaluated always.
    pub(crate) openers: Option<Vec<Opener>>,
    /// A comparison that has to hold.
    pub(crate) guard: Option<u32>,
    /// A field whose number has to lie here.
    pub(crate) range: Option<(u32, Range)>,
}

/// Where a number has to lie; bounds belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Up to `low` or from `high` on, not between them.
    pub(crate) outside: bool,
}

impl Range {
    #[inline]
    pub(crate) fn holds(self, number: f64) -> bool {
        if self.outside {
            number <= self.low || number >= self.high
        } else {
            number >= self.low && number <= self.high
        }
    }
}

/// The condition without the comparisons whose answer is known. True is an empty `All`, false an empty `Any`.
pub(crate) fn simplify(logic: &Logic, known: &impl Fn(usize) -> Option<bool>) -> Logic {
    match logic {
        Logic::Atom(index) => match known(*index) {
            Some(true) => Logic::All(Vec::new()),
            Some(false) => Logic::Any(Vec::new()),
            None => logic.clone(),
        },
        Logic::Not(inner) => match simplify(inner, known) {
            Logic::All(parts) if parts.is_empty() => Logic::Any(Vec::new()),
            Logic::Any(parts) if parts.is_empty() => Logic::All(Vec::new()),
            other => Logic::Not(Box::new(other)),
        },
        Logic::All(parts) => {
            let mut left = Vec::new();
            for part in parts.iter().map(|part| simplify(part, known)) {
                match part {
                    Logic::All(inner) => left.extend(inner),
                    Logic::Any(inner) if inner.is_empty() => return Logic::Any(Vec::new()),
                    other => left.push(other),
                }
            }
            Logic::all(left)
        }
        Logic::Any(parts) => {
            let mut left = Vec::new();
            for part in parts.iter().map(|part| simplify(part, known)) {
                match part {
                    Logic::Any(inner) => left.extend(inner),
                    Logic::All(inner) if inner.is_empty() => return Logic::All(Vec::new()),
                    other => left.push(other),
                }
            }
            Logic::any(left)
        }
        Logic::AtLeast(count, parts) => {
            let (mut left, mut wanted) = (Vec::new(), *count);
            for part in parts.iter().map(|part| simplify(part, known)) {
                match part {
                    Logic::Any(inner) if inner.is_empty() => {}
                    Logic::All(inner) if inner.is_empty() => wanted = wanted.saturating_sub(1),
                    other => left.push(other),
                }
            }
            match wanted {
                0 => Logic::All(Vec::new()),
                wanted if wanted > left.len() => Logic::Any(Vec::new()),
                1 => Logic::any(left),
                wanted => Logic::AtLeast(wanted, left),
            }
        }
    }
}

/// Whether the logic never holds.
pub(crate) const fn is_false(logic: &Logic) -> bool {
    matches!(logic, Logic::Any(parts) if parts.is_empty())
}

/// The gates of a simplified condition.
pub(crate) fn of(logic: &Logic, program: &Program) -> Gates {
    let openers = choose(logic, program).map(|(_, mut openers)| {
        openers.sort_unstable();
        openers.dedup();
        openers
    });
    let single = match openers.as_deref() {
        Some([Opener::Atom(atom)]) => Some(*atom),
        _ => None,
    };
    let mut guard: Option<(f64, u32)> = None;
    for index in necessary(logic) {
        let Ok(atom) = u32::try_from(index) else { continue };
        let Some(compiled) = program.atoms.get(index).filter(|_| Some(atom) != single) else { continue };
        let Some(chance) = chance_of(index, program).filter(|_| compiled.kind.is_cheap()) else { continue };
        if guard.is_none_or(|(least, _)| chance < least) {
            guard = Some((chance, atom));
        }
    }
    Gates { openers, guard: guard.map(|(_, atom)| atom), range: range_of(logic, program) }
}

/// Comparisons that hold whenever the condition does.
fn necessary(logic: &Logic) -> Vec<usize> {
    match logic {
        Logic::Atom(index) => vec![*index],
        Logic::All(parts) => parts.iter().flat_map(necessary).collect(),
        _ => Vec::new(),
    }
}

fn choose(logic: &Logic, program: &Program) -> Option<(f64, Vec<Opener>)> {
    match logic {
        Logic::Atom(index) => {
            let compiled = program.atoms.get(*index)?;
            if compiled.kind == Kind::Direct && compiled.beyond_ascii {
                return Some((0.05, vec![Opener::BeyondAscii(compiled.field?)]));
            }
            Some((chance_of(*index, program)?, vec![Opener::Atom(u32::try_from(*index).ok()?)]))
        }
        Logic::All(parts) => {
            let chosen = parts.iter().filter_map(|part| choose(part, program));
            chosen.min_by(|a, b| a.0.total_cmp(&b.0))
        }
        Logic::Any(parts) | Logic::AtLeast(1.., parts) => {
            let mut chance = 0.0;
            let mut all = Vec::new();
            for part in parts {
                let (more, mut openers) = choose(part, program)?;
                chance += more;
                all.append(&mut openers);
            }
            Some((chance, all))
        }
        Logic::AtLeast(..) | Logic::Not(_) => None,
    }
}

/// How likely a comparison is hit on an event that has its field, roughly; `None` when nothing finds it.
fn chance_of(index: usize, program: &Program) -> Option<f64> {
    let compiled = program.atoms.get(index)?;
    let chance = match (&compiled.atom.test, compiled.kind) {
        (_, Kind::Direct) => return None,
        (Test::Text(pattern), Kind::Part | Kind::Marked) => {
            let text = fragment(pattern, compiled.field.is_none())?;
            // A search through all of the event is the last resort.
            let anywhere = if compiled.field.is_none() { 0.6 } else { 0.0 };
            anywhere + chance_of_fragment(&text)
        }
        (Test::Text(pattern), Kind::Base) => chance_of_base(pattern),
        (Test::Text(Pattern { shape: Shape::Exact(text), .. }), _) => match text.len() {
            0..=2 => 0.2,
            3 | 4 => 0.08,
            _ if matches!(text.as_str(), "true" | "false") => 0.5,
            _ => 0.03,
        },
        _ => 0.03,
    };
    // What many rules ask for is what most events have: `sensor_type: temperature`.
    Some(chance * 0.05f64.mul_add(f64::from(compiled.uses), 1.0))
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

fn chance_of_base(pattern: &Pattern) -> f64 {
    match base(pattern) {
        Some(base) if COMMON.contains(&base) => 0.15,
        _ => 0.01,
    }
}

fn chance_of_fragment(text: &str) -> f64 {
    match text.len() {
        0..=4 => 0.04,
        5 => 0.02,
        6 | 7 => 0.01,
        _ if matches!(text, "powershell" | "system32" | "windows") => 0.3,
        _ => 0.004,
    }
}

/// The text after the last backslash of a pattern that asks for the end of a path.
pub(crate) fn base(pattern: &Pattern) -> Option<&str> {
    let Shape::Suffix(text) = &pattern.shape else { return None };
    text.rsplit_once('\\').map(|(_, base)| base).filter(|base| !base.is_empty())
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

/// The longest text in the pattern, folded; at least [`super::grams::LENGTH`] bytes. `escaped` says that the search
/// goes over JSON as it is written: then only characters count that JSON writes as they are.
pub(crate) fn fragment(pattern: &Pattern, escaped: bool) -> Option<String> {
    let mut longest = "";
    let texts: Vec<&str> = match &pattern.shape {
        Shape::Exact(text) | Shape::Prefix(text) | Shape::Suffix(text) => vec![text],
        Shape::Contains(text) => vec![text.as_str()],
        Shape::Glob(glob) => glob
            .runs
            .iter()
            .flatten()
            .filter_map(|piece| if let Piece::Text(text) = piece { Some(text.as_str()) } else { None })
            .collect(),
        Shape::Anything => Vec::new(),
    };
    for run in texts.into_iter().flat_map(|text| text.split(|c: char| escaped && !is_safe(c))) {
        if run.len() > longest.len() {
            longest = run;
        }
    }
    (longest.len() >= super::grams::LENGTH).then(|| crate::pattern::fold(longest).into_owned())
}

/// Whether JSON writers leave the character as it is, or write it as `\u....`, which is looked for.
const fn is_safe(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '/')
}

/// Where the number of a field lies whenever the condition holds.
fn range_of(logic: &Logic, program: &Program) -> Option<(u32, Range)> {
    match logic {
        Logic::Atom(index) => {
            let compiled = program.atoms.get(*index)?;
            let all = Range { low: f64::NEG_INFINITY, high: f64::INFINITY, outside: false };
            let range = match &compiled.atom.test {
                Test::Compare(Order::Less | Order::AtMost, bound) => Range { high: bound.as_f64(), ..all },
                Test::Compare(Order::Greater | Order::AtLeast, bound) => Range { low: bound.as_f64(), ..all },
                Test::Equal(Number::Float(value)) => Range { low: *value, high: *value, outside: false },
                _ => return None,
            };
            Some((compiled.field?, range))
        }
        Logic::All(parts) => {
            let mut found: Option<(u32, Range)> = None;
            for (field, range) in parts.iter().filter_map(|part| range_of(part, program)) {
                match &mut found {
                    None => found = Some((field, range)),
                    Some((same, all)) if *same == field && !all.outside && !range.outside => {
                        all.low = all.low.max(range.low);
                        all.high = all.high.min(range.high);
                    }
                    Some(_) => {}
                }
            }
            found
        }
        Logic::Any(parts) => {
            let ranges: Option<Vec<(u32, Range)>> =
                parts.iter().map(|part| range_of(part, program)).collect();
            let ranges = ranges?;
            let (field, _) = *ranges.first()?;
            if ranges.iter().any(|(other, range)| *other != field || range.outside) {
                return None;
            }
            let up = ranges.iter().filter(|(_, range)| range.low == f64::NEG_INFINITY);
            let low = up.map(|(_, range)| range.high).fold(f64::NEG_INFINITY, f64::max);
            let down = ranges.iter().filter(|(_, range)| range.low > f64::NEG_INFINITY);
            let high = down.map(|(_, range)| range.low).fold(f64::INFINITY, f64::min);
            Some((field, Range { low, high, outside: true }))
        }
        Logic::AtLeast(..) | Logic::Not(_) => None,
    }
}
