//! The top level of a JSON object, read in one pass: names that rules ask for, and where their values stand.
//!
//! Values that no rule asks for are stepped over, not parsed. Names are predicted from the name before them, since
//! events of one kind have one order. Invariant: reading never recurses and never leaves the text; what is taken
//! for an object here and is not one is found out before a rule can match (see `slots`).
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;

use super::eights;
use super::program::{Program, Root};
use crate::limits::{EVENT_BYTES, NAME_BYTES, NAMES};

/// Where a value stands and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) kind: SpanKind,
    start: u32,
    end: u32,
}

impl Span {
    /// Places beyond [`EVENT_BYTES`] do not occur.
    #[inline]
    pub(crate) fn new(kind: SpanKind, start: usize, end: usize) -> Self {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { kind, start: place(start), end: place(end) }
    }

    #[inline]
    pub(crate) const fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(crate) const fn end(self) -> usize {
        self.end as usize
    }

    /// The bytes between the quotes, or of the value.
    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        bytes.get(self.start()..self.end())
    }
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

/// Names that were seen and which name followed them.
#[derive(Debug)]
pub(crate) struct Names {
    list: Vec<Name>,
    ids: HashMap<Box<[u8]>, usize>,
    /// The name that comes first.
    first: [usize; 2],
    /// The numbers at the top level of the latest object, and whether it has lists or maps.
    numbers: Vec<Span>,
    nested: bool,
}

#[derive(Debug)]
struct Name {
    /// With quotes and colon, as compact writers write it; its first bytes as a number, and the others.
    head: u128,
    mask: u128,
    length: usize,
    tail: Box<[u8]>,
    /// What the program wants of it.
    root: Root,
    wanted: bool,
    /// The names that followed it, the latest first.
    next: [usize; 2],
}

impl Name {
    /// Whether the text goes on with this name; `head` are its first bytes.
    #[inline]
    fn begins(&self, head: u128, rest: &[u8]) -> bool {
        head & self.mask == self.head
            && (self.tail.is_empty() || rest.get(HEAD..).is_some_and(|rest| rest.starts_with(&self.tail)))
    }
}

/// Bytes of a name that are compared at once.
const HEAD: usize = 16;

const UNKNOWN: usize = usize::MAX;

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            list: Vec::new(),
            ids: HashMap::new(),
            first: [UNKNOWN; 2],
            numbers: Vec::new(),
            nested: false,
        }
    }

    /// The numbers at the top level of the object that was read; `None` when it has lists or maps.
    pub(crate) fn flat_numbers(&self) -> Option<&[Span]> {
        (!self.nested).then_some(&self.numbers)
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
        if bytes.get(at) != Some(&b'{') || bytes.len() > EVENT_BYTES {
            return Err(Malformed);
        }
        self.numbers.clear();
        self.nested = false;
        at = blanks(bytes, at + 1);
        if bytes.get(at) == Some(&b'}') {
            return end(bytes, at + 1);
        }
        let mut before = UNKNOWN;
        loop {
            let (id, other, after) = match self.predicted(bytes, at, before) {
                Some((id, after)) => (id, None, after),
                None => self.unpredicted(program, bytes, at, before)?,
            };
            before = id;
            let span = value(bytes, blanks(bytes, after))?;
            match span.kind {
                SpanKind::Number => self.numbers.push(span),
                SpanKind::Nested => self.nested = true,
                SpanKind::Text | SpanKind::True | SpanKind::False | SpanKind::Null => {}
            }
            let root = self.list.get(id).map_or(other, |name| name.wanted.then_some(&name.root));
            if let Some(root) = root {
                found(root, span);
            }
            at = span.end() + usize::from(span.kind == SpanKind::Text);
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

    /// The name at this place and where its value begins, when it is one that followed the name before it earlier.
    #[inline]
    fn predicted(&self, bytes: &[u8], at: usize, before: usize) -> Option<(usize, usize)> {
        let rest = bytes.get(at..)?;
        let head = u128::from_le_bytes(*rest.first_chunk::<HEAD>()?);
        let guesses = self.list.get(before).map_or(self.first, |name| name.next);
        guesses.into_iter().find_map(|guess| {
            let name = self.list.get(guess).filter(|name| name.begins(head, rest))?;
            Some((guess, at + name.length))
        })
    }

    /// The same for any name. One that is not remembered is [`UNKNOWN`], and comes with what the program wants of it.
    #[cold]
    fn unpredicted<'p>(
        &mut self,
        program: &'p Program,
        bytes: &[u8],
        at: usize,
        before: usize,
    ) -> Result<(usize, Option<&'p Root>, usize), Malformed> {
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
            return Ok((UNKNOWN, program.roots.get(name.as_bytes()), after));
        }
        let id = match self.ids.get(raw) {
            Some(id) => *id,
            None if self.list.len() < NAMES && raw.len() <= NAME_BYTES => self.remember(program, raw),
            None => return Ok((UNKNOWN, program.roots.get(raw), after)),
        };
        let guesses = self.list.get_mut(before).map_or(&mut self.first, |name| &mut name.next);
        let [latest, _] = *guesses;
        *guesses = [id, latest];
        Ok((id, None, after))
    }

    fn remember(&mut self, program: &Program, raw: &[u8]) -> usize {
        let id = self.list.len();
        let root = program.roots.get(raw).cloned();
        let written: Vec<u8> = [b"\"", raw, b"\":"].concat();
        let (mut head, mut mask) = ([0; HEAD], [0; HEAD]);
        for ((head, mask), byte) in head.iter_mut().zip(&mut mask).zip(&written) {
            (*head, *mask) = (*byte, u8::MAX);
        }
        self.list.push(Name {
            head: u128::from_le_bytes(head),
            mask: u128::from_le_bytes(mask),
            length: written.len(),
            tail: written.get(HEAD..).unwrap_or_default().into(),
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
        let end = eights::find(bytes, from, b'"').ok_or(Malformed)?;
        if end == at || bytes.get(end - 1) != Some(&b'\\') {
            return Ok(end);
        }
        let inside = bytes.get(at..end).unwrap_or_default();
        let backslashes = inside.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Ok(end);
        }
        from = end + 1;
    }
}

/// The value that begins at `start`.
#[inline]
pub(crate) fn value(bytes: &[u8], start: usize) -> Result<Span, Malformed> {
    let word = |text: &[u8], kind: SpanKind| {
        let fits = bytes.get(start..).is_some_and(|rest| rest.starts_with(text));
        if fits { Ok(Span::new(kind, start, start + text.len())) } else { Err(Malformed) }
    };
    match bytes.get(start) {
        Some(b'"') => Ok(Span::new(SpanKind::Text, start + 1, text_end(bytes, start + 1)?)),
        Some(b'-' | b'0'..=b'9') => {
            let mut end = start + 1;
            while matches!(bytes.get(end), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
                end += 1;
            }
            Ok(Span::new(SpanKind::Number, start, end))
        }
        Some(b'{' | b'[') => Ok(Span::new(SpanKind::Nested, start, nested_end(bytes, start)?)),
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
