//! Sigma's strings: wildcards, escapes, and how a text is held against them.
//!
//! Not regular expressions. Case is folded character by character (Sigma rules specification, "General": values
//! are case-insensitive). Invariant: matching takes time linear in the text for each wildcard of the pattern.
#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;

/// A piece of a pattern as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// These characters.
    Text(String),
    /// `*`: any characters, also none.
    Any,
    /// `?`: exactly one character.
    One,
    /// A dash in any of the five spellings that `windash` makes equal.
    Dash,
    /// `%name%`, to be replaced before use.
    Placeholder(String),
}

/// The dashes that `windash` makes equal (Sigma modifiers, "String Modifiers").
pub(crate) const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// Splits a Sigma string into its pieces. `placeholders` says whether `%name%` is one (modifier `expand`).
pub(crate) fn parse(raw: &str, placeholders: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        let special = match c {
            '\\' => {
                let next = rest.clone().next();
                let escapes =
                    next.is_some_and(|n| matches!(n, '*' | '?' | '\\') || (placeholders && n == '%'));
                match next {
                    Some(next) if escapes => {
                        rest.next();
                        text.push(next);
                    }
                    _ => text.push('\\'),
                }
                continue;
            }
            '*' => Part::Any,
            '?' => Part::One,
            '%' if placeholders => match placeholder(rest.as_str()) {
                Some((name, after)) => {
                    rest = after.chars();
                    Part::Placeholder(name.to_owned())
                }
                None => {
                    text.push('%');
                    continue;
                }
            },
            other => {
                text.push(other);
                continue;
            }
        };
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(special);
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

/// The name before the next percent sign and what follows it.
fn placeholder(rest: &str) -> Option<(&str, &str)> {
    let (name, after) = rest.split_once('%')?;
    let named = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    named.then_some((name, after))
}

/// Replaces each dash that begins a word (`-enc`, `/c`) by [`Part::Dash`].
pub(crate) fn windash(parts: Vec<Part>) -> Vec<Part> {
    let mut out = Vec::new();
    for part in parts {
        let Part::Text(text) = part else {
            out.push(part);
            continue;
        };
        let mut plain = String::new();
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if DASHES.contains(&c) && !word(before) && word(chars.peek().copied()) {
                if !plain.is_empty() {
                    out.push(Part::Text(std::mem::take(&mut plain)));
                }
                out.push(Part::Dash);
            } else {
                plain.push(c);
            }
            before = Some(c);
        }
        if !plain.is_empty() {
            out.push(Part::Text(plain));
        }
    }
    out
}

/// Folds the case of each character on its own, without regard to its neighbours.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
}

/// The form of a pattern, which decides how it is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// The whole text.
    Exact(String),
    /// The beginning.
    Prefix(String),
    /// The end.
    Suffix(String),
    /// Anywhere.
    Contains(Needle),
    /// Any text at all.
    Anything,
    /// Wildcards inside.
    Glob(Glob),
}

/// A text that is looked for, with the search prepared.
#[derive(Clone, Debug)]
pub(crate) struct Needle {
    text: String,
    finder: Box<memchr::memmem::Finder<'static>>,
}

impl Needle {
    fn new(text: &str) -> Self {
        let finder = memchr::memmem::Finder::new(text.as_bytes()).into_owned();
        Self { text: text.to_owned(), finder: Box::new(finder) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Needle {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Needle {}
impl std::hash::Hash for Needle {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    pub(crate) shape: Shape,
    /// Case counts; otherwise the shape's texts are folded.
    pub(crate) cased: bool,
}

impl Pattern {
    /// Compiles pieces. Placeholders must be gone; one that is left matches nothing special, it is its own name.
    pub(crate) fn new(parts: Vec<Part>, cased: bool) -> Self {
        let mut merged: Vec<Part> = Vec::new();
        for part in parts {
            let part = match part {
                Part::Placeholder(name) => Part::Text(format!("%{name}%")),
                other => other,
            };
            match (merged.last_mut(), part) {
                (Some(Part::Any), Part::Any) => {}
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (_, part) => merged.push(part),
            }
        }
        if !cased {
            for part in &mut merged {
                if let Part::Text(text) = part {
                    *text = fold(text).into_owned();
                }
            }
        }
        let shape = match merged.as_slice() {
            [] => Shape::Exact(String::new()),
            [Part::Any] => Shape::Anything,
            [Part::Text(text)] => Shape::Exact(text.clone()),
            [Part::Text(text), Part::Any] => Shape::Prefix(text.clone()),
            [Part::Any, Part::Text(text)] => Shape::Suffix(text.clone()),
            [Part::Any, Part::Text(text), Part::Any] => Shape::Contains(Needle::new(text)),
            _ => Shape::Glob(Glob::new(&merged)),
        };
        Self { shape, cased }
    }

    /// Whether the text matches; it must be folded already unless `cased`.
    pub(crate) fn matches_prepared(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Exact(wanted) => text == wanted,
            Shape::Prefix(wanted) => text.starts_with(wanted.as_str()),
            Shape::Suffix(wanted) => text.ends_with(wanted.as_str()),
            Shape::Contains(wanted) => wanted.finder.find(text.as_bytes()).is_some(),
            Shape::Anything => true,
            Shape::Glob(glob) => glob.matches(text),
        }
    }

    /// Whether the text as it came matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if self.cased { self.matches_prepared(text) } else { self.matches_prepared(&fold(text)) }
    }
}

/// A piece between two `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Piece {
    Text(String),
    One,
    Dash,
}

/// A pattern with wildcards inside: runs of pieces with `*` between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob {
    /// The runs, in order; an empty first or last run means a `*` at that end.
    pub(crate) runs: Vec<Vec<Piece>>,
}

impl Glob {
    fn new(parts: &[Part]) -> Self {
        let mut runs = vec![Vec::new()];
        for part in parts {
            let piece = match part {
                Part::Any => {
                    runs.push(Vec::new());
                    continue;
                }
                Part::Text(text) | Part::Placeholder(text) => Piece::Text(text.clone()),
                Part::One => Piece::One,
                Part::Dash => Piece::Dash,
            };
            if let Some(run) = runs.last_mut() {
                run.push(piece);
            }
        }
        Self { runs }
    }

    fn matches(&self, text: &str) -> bool {
        let Some((first, others)) = self.runs.split_first() else { return text.is_empty() };
        let Some(used) = run_at(first, text) else { return false };
        let mut rest = text.get(used..).unwrap_or_default();
        let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
        for run in middle {
            match find(run, rest) {
                Some(end) => rest = rest.get(end..).unwrap_or_default(),
                None => return false,
            }
        }
        run_before_end(last, rest)
    }
}

/// How many bytes the run takes at the beginning of the text.
fn run_at(run: &[Piece], text: &str) -> Option<usize> {
    let mut rest = text;
    for piece in run {
        rest = match piece {
            Piece::Text(wanted) => rest.strip_prefix(wanted.as_str())?,
            Piece::One => {
                let mut chars = rest.chars();
                chars.next()?;
                chars.as_str()
            }
            Piece::Dash => rest.strip_prefix(DASHES)?,
        };
    }
    Some(text.len() - rest.len())
}

fn run_before_end(run: &[Piece], text: &str) -> bool {
    let mut rest = text;
    for piece in run.iter().rev() {
        let shorter = match piece {
            Piece::Text(wanted) => rest.strip_suffix(wanted.as_str()),
            Piece::One => {
                let mut chars = rest.chars();
                chars.next_back().map(|_| chars.as_str())
            }
            Piece::Dash => rest.strip_suffix(DASHES),
        };
        match shorter {
            Some(shorter) => rest = shorter,
            None => return false,
        }
    }
    true
}

/// The end of the run's first occurrence.
fn find(run: &[Piece], text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let start = match run.first() {
            Some(Piece::Text(wanted)) => rest.find(wanted.as_str())?,
            Some(Piece::Dash) => rest.find(DASHES)?,
            Some(Piece::One) | None => 0,
        };
        let at = from + start;
        let here = text.get(at..)?;
        if let Some(length) = run_at(run, here) {
            return Some(at + length);
        }
        from = at + here.chars().next()?.len_utf8();
    }
}

#[cfg(test)]
mod tests;
