//! The top level of a JSON object, read in one pass: names that rules ask for, and where their values stand.
//!
//! Values that no rule asks for are stepped over, not parsed. Names are predicted from the name before them, since
//! events of one kind have one order. Invariant: reading never recurses and never leaves the text; what is taken
//! for an object here and is not one is found out before a rule can match (see `slots`).
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;

use super::program::{Program, Root};

/// Where a value stands and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) kind: SpanKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What a value looks like from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanKind {
    /// Between the quotes.
    Text,
    Number,
    True,
    False,
    Null,
    /// An object or a list.
    Nested,
}

/// The text is not a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Most names that are remembered for prediction; an attacker can send any number of names.
const NAMES: usize = 4_096;
/// Longest name that is remembered.
const NAME_BYTES: usize = 128;

/// Names that were seen and which name followed them.
#[derive(Debug)]
pub(crate) struct Names {
    list: Vec<Name>,
    ids: HashMap<Box<[u8]>, usize>,
    /// The name that comes first.
    first: [usize; 2],
}

#[derive(Debug)]
struct Name {
    /// With quotes and colon, as compact writers write it.
    written: Box<[u8]>,
    /// What the program wants of it.
    root: Root,
    wanted: bool,
    /// The names that followed it, the latest first.
    next: [usize; 2],
}

const UNKNOWN: usize = usize::MAX;

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { list: Vec::new(), ids: HashMap::new(), first: [UNKNOWN; 2] }
    }

    /// Reads the object; calls with each wanted name and its value. Gives the name's numbers as the program knows it.
    #[inline]
    pub(crate) fn read(
        &mut self,
        program: &Program,
        bytes: &[u8],
        mut found: impl FnMut(&Root, Span),
    ) -> Result<(), Malformed> {
        let mut at = blanks(bytes, 0);
        if bytes.get(at) != Some(&b'{') {
            return Err(Malformed);
        }
        at = blanks(bytes, at + 1);
        if bytes.get(at) == Some(&b'}') {
            return end(bytes, at + 1);
        }
        let mut before = UNKNOWN;
        loop {
            let (name, after) = self.name(program, bytes, at, before)?;
            let start = blanks(bytes, after);
            let span = value(bytes, start)?;
            match name {
                Ok(id) => {
                    before = id;
                    if let Some(name) = self.list.get(id).filter(|name| name.wanted) {
                        found(&name.root, span);
                    }
                }
                Err(root) => {
                    before = UNKNOWN;
                    if let Some(root) = root {
                        found(&root, span);
                    }
                }
            }
            at = span.end + usize::from(span.kind == SpanKind::Text);
            match bytes.get(at) {
                Some(b',') => at += 1,
                Some(b'}') => return end(bytes, at + 1),
                _ => {
                    at = blanks(bytes, at);
                    match bytes.get(at) {
                        Some(b',') => at += 1,
                        Some(b'}') => return end(bytes, at + 1),
                        _ => return Err(Malformed),
                    }
                }
            }
            if bytes.get(at) != Some(&b'"') {
                at = blanks(bytes, at);
            }
        }
    }

    /// The name at this place and where its value begins. `Err` holds what a name is that is not remembered.
    #[inline]
    fn name(
        &mut self,
        program: &Program,
        bytes: &[u8],
        at: usize,
        before: usize,
    ) -> Result<(Result<usize, Option<Root>>, usize), Malformed> {
        let rest = bytes.get(at..).unwrap_or_default();
        let guesses = self.list.get(before).map_or(self.first, |name| name.next);
        for guess in guesses {
            if let Some(name) = self.list.get(guess).filter(|name| rest.starts_with(&name.written)) {
                return Ok((Ok(guess), at + name.written.len()));
            }
        }
        self.unpredicted(program, bytes, at, before)
    }

    #[cold]
    fn unpredicted(
        &mut self,
        program: &Program,
        bytes: &[u8],
        at: usize,
        before: usize,
    ) -> Result<(Result<usize, Option<Root>>, usize), Malformed> {
        if bytes.get(at) != Some(&b'"') {
            return Err(Malformed);
        }
        let close = text_end(bytes, at + 1)?;
        let raw = bytes.get(at + 1..close).unwrap_or_default();
        let mut after = blanks(bytes, close + 1);
        if bytes.get(after) != Some(&b':') {
            return Err(Malformed);
        }
        after += 1;
        if raw.contains(&b'\\') {
            let quoted = bytes.get(at..=close).unwrap_or_default();
            let name: String = serde_json::from_slice(quoted).map_err(|_| Malformed)?;
            return Ok((Err(program.roots.get(name.as_bytes()).cloned()), after));
        }
        let id = match self.ids.get(raw) {
            Some(id) => *id,
            None if self.list.len() < NAMES && raw.len() <= NAME_BYTES => self.remember(program, raw),
            None => return Ok((Err(program.roots.get(raw).cloned()), after)),
        };
        let guesses = self.list.get_mut(before).map_or(&mut self.first, |name| &mut name.next);
        let [latest, _] = *guesses;
        *guesses = [id, latest];
        Ok((Ok(id), after))
    }

    fn remember(&mut self, program: &Program, raw: &[u8]) -> usize {
        let id = self.list.len();
        let root = program.roots.get(raw).cloned();
        let written: Vec<u8> = [b"\"", raw, b"\":"].concat();
        self.list.push(Name {
            written: written.into_boxed_slice(),
            wanted: root.is_some(),
            root: root.unwrap_or_default(),
            next: [UNKNOWN; 2],
        });
        self.ids.insert(Box::from(raw), id);
        id
    }
}

#[inline]
pub(crate) fn blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

fn end(bytes: &[u8], at: usize) -> Result<(), Malformed> {
    if blanks(bytes, at) == bytes.len() { Ok(()) } else { Err(Malformed) }
}

/// The place of the quote that ends a text that begins at `at`.
#[inline]
fn text_end(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    let mut from = at;
    loop {
        let rest = bytes.get(from..).ok_or(Malformed)?;
        let quote = from + memchr::memchr(b'"', rest).ok_or(Malformed)?;
        if quote == at || bytes.get(quote - 1) != Some(&b'\\') {
            return Ok(quote);
        }
        let inside = bytes.get(at..quote).unwrap_or_default();
        let backslashes = inside.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Ok(quote);
        }
        from = quote + 1;
    }
}

#[inline]
pub(crate) fn value(bytes: &[u8], start: usize) -> Result<Span, Malformed> {
    let word = |text: &[u8], kind: SpanKind| {
        let fits = bytes.get(start..).is_some_and(|rest| rest.starts_with(text));
        if fits { Ok(Span { kind, start, end: start + text.len() }) } else { Err(Malformed) }
    };
    match bytes.get(start) {
        Some(b'"') => {
            let end = text_end(bytes, start + 1)?;
            Ok(Span { kind: SpanKind::Text, start: start + 1, end })
        }
        Some(b'-' | b'0'..=b'9') => {
            let mut end = start + 1;
            while matches!(bytes.get(end), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
                end += 1;
            }
            Ok(Span { kind: SpanKind::Number, start, end })
        }
        Some(b'{' | b'[') => Ok(Span { kind: SpanKind::Nested, start, end: nested_end(bytes, start)? }),
        Some(b't') => word(b"true", SpanKind::True),
        Some(b'f') => word(b"false", SpanKind::False),
        Some(b'n') => word(b"null", SpanKind::Null),
        _ => Err(Malformed),
    }
}

/// The place after the bracket that closes the one at `start`. Only the number of brackets is looked at.
fn nested_end(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        match bytes.get(at).ok_or(Malformed)? {
            b'"' => at = text_end(bytes, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_told_from_what_is_none() {
        let program = Program::default();
        let mut names = Names::new();
        let mut read = |text: &str| names.read(&program, text.as_bytes(), |_, _| {});
        for text in
            ["{}", " { } ", r#"{"a":1}"#, r#"{"a" : [1,{"b":"]"}] , "c":"\\\"","d":null}"#, r#"{"":""}"#]
        {
            assert_eq!(read(text), Ok(()), "{text}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for text in [
            "",
            "[]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1}x",
            "{\"a\":\"\\\"}",
            "{a:1}",
            "{\"a\":x}",
            &deep,
        ] {
            assert_eq!(read(text), Err(Malformed), "{text:.40}");
        }
    }
}
