//! From written items to comparisons: Sigma's value modifiers.
//!
//! Sigma modifiers appendix 2.1.0. Modifiers are applied in the given order. Not the place where fields are
//! renamed (see `pipeline`). Invariant: a modifier or combination that is not understood is a fault, never
//! ignored.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use super::atom::{Affix, Atom, Logic, RegexTest, Test};
use super::modifiers::{Modifiers, Transform};
use super::raw::Item;
use crate::error::{Fault, Place};
use crate::limits::{REGEX_BYTES, REGEX_CACHE_BYTES, RULE_ATOMS, WILDCARDS};
use crate::net::Net;
use crate::number::Number;
use crate::pattern::{Part, Pattern, parse, windash};
use crate::pipeline::Applied;
use crate::placeholder::Placeholders;
use crate::yaml::{Node, Scalar};

/// Collects the atoms of one rule.
pub(crate) struct Lowering<'a> {
    pub(crate) selection: Arc<str>,
    pub(crate) atoms: Vec<Atom>,
    pub(crate) placeholders: &'a Placeholders,
    /// What pipelines do to selections that stand outside of the detection.
    pub(crate) pipelines: Applied<'a>,
}

/// A value on its way through the transformations.
enum Text {
    Parts(Vec<Part>),
    Bytes(Vec<u8>),
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(placeholders: &'a Placeholders) -> Self {
        Self { selection: Arc::from(""), atoms: Vec::new(), placeholders, pipelines: Applied::default() }
    }

    /// All values of an item, joined as its modifiers say.
    pub(crate) fn item(&mut self, item: &Item) -> Result<Logic, Fault> {
        let modifiers = Modifiers::read(item)?;
        if item.values.is_empty() {
            // An empty list stands for "no value", as pySigma reads it.
            let null = self.atom(item, &modifiers, Test::Null, "null", item.place)?;
            return Ok(if modifiers.neq { Logic::Not(Box::new(null)) } else { null });
        }
        let mut parts = Vec::new();
        for value in &item.values {
            let place = value.place;
            for test in self.tests(item, &modifiers, value)? {
                let shown = value.text().unwrap_or("null");
                parts.push(match test {
                    Tested::Holds(test) => self.atom(item, &modifiers, test, shown, place)?,
                    Tested::Not(test) => {
                        Logic::Not(Box::new(self.atom(item, &modifiers, test, shown, place)?))
                    }
                    Tested::AnyOf(tests) => {
                        let mut any = Vec::new();
                        for test in tests {
                            any.push(self.atom(item, &modifiers, test, shown, place)?);
                        }
                        Logic::any(any)
                    }
                });
            }
        }
        let joined = if modifiers.all { Logic::all(parts) } else { Logic::any(parts) };
        Ok(if modifiers.neq { Logic::Not(Box::new(joined)) } else { joined })
    }

    fn atom(
        &mut self,
        item: &Item,
        modifiers: &Modifiers,
        test: Test,
        shown: &str,
        place: Place,
    ) -> Result<Logic, Fault> {
        if self.atoms.len() >= RULE_ATOMS {
            let message = format!("more than {RULE_ATOMS} comparisons in one rule");
            return Err(Fault::new(item.place, message, "split the rule"));
        }
        self.atoms.push(Atom {
            field: item.field.as_deref().map(Arc::from),
            test,
            selection: self.selection.clone(),
            words: Arc::from(modifiers.words(shown)),
            line: place.line,
        });
        Ok(Logic::Atom(self.atoms.len() - 1))
    }

    /// The tests of one value; several when a placeholder stands for several.
    fn tests(&self, item: &Item, modifiers: &Modifiers, value: &Node) -> Result<Vec<Tested>, Fault> {
        let one = |test| Ok(vec![Tested::Holds(test)]);
        if modifiers.exists {
            return match value.text() {
                Some("true" | "True" | "yes") => one(Test::Exists),
                Some("false" | "False" | "no") => Ok(vec![Tested::Not(Test::Exists)]),
                _ => Err(value.fault("`exists` takes true or false", "write `field|exists: true`")),
            };
        }
        if modifiers.fieldref {
            let Some(other) = value.text() else {
                return Err(
                    value.fault("`fieldref` takes the name of a field", "write `field|fieldref: other`")
                );
            };
            return one(Test::Field {
                other: Arc::from(other),
                how: modifiers.affix,
                cased: modifiers.cased,
            });
        }
        if let Some(part) = modifiers.time {
            let number = number(value)?;
            return one(Test::Time { part, order: modifiers.order, number });
        }
        if let Some(order) = modifiers.order {
            return one(Test::Compare(order, number(value)?));
        }
        if modifiers.cidr {
            let net = value.text().and_then(Net::parse);
            let fault = || value.fault("not an address range", "write `10.0.0.0/8` or `fe80::/10`");
            return one(Test::Cidr(net.ok_or_else(fault)?));
        }
        if let Some(flags) = &modifiers.regex {
            return one(Test::Regex(regex(value, flags)?));
        }
        let keyword = item.field.is_none();
        match value.scalar() {
            Some(Scalar::Null) if keyword => {
                Err(value.fault("a keyword cannot be null", "write the text to look for"))
            }
            Some(Scalar::Null) => one(Test::Null),
            Some(Scalar::Int(whole)) if !keyword && modifiers.plain() => one(Test::Equal(Number::Int(whole))),
            Some(Scalar::Float(number)) if !keyword && modifiers.plain() => {
                one(Test::Equal(Number::Float(number)))
            }
            _ => self.patterns(keyword, modifiers, value),
        }
    }

    /// Text comparisons, with the transformations in their order.
    fn patterns(&self, keyword: bool, modifiers: &Modifiers, value: &Node) -> Result<Vec<Tested>, Fault> {
        let raw = value.text().unwrap_or_default();
        let parts = parse(raw, modifiers.expand);
        if parts.iter().filter(|part| matches!(part, Part::Any | Part::One)).count() > WILDCARDS {
            return Err(value.fault(format!("more than {WILDCARDS} wildcards"), "use a regular expression"));
        }
        let expanded = if modifiers.expand { self.placeholders.expand(&parts, value)? } else { vec![parts] };
        let mut tests = Vec::new();
        for parts in expanded {
            let mut texts = vec![Text::Parts(parts)];
            for transform in &modifiers.transforms {
                let mut next = Vec::new();
                for text in texts {
                    next.append(&mut transformed(*transform, text, value)?);
                }
                texts = next;
            }
            let mut patterns = Vec::new();
            for text in texts {
                let parts = affixed(keyword, modifiers, into_parts(text, value)?);
                patterns.push(Test::Text(Pattern::new(parts, modifiers.cased)));
            }
            tests.push(Tested::AnyOf(patterns));
        }
        Ok(tests)
    }
}

/// What one value comes to.
enum Tested {
    Holds(Test),
    Not(Test),
    AnyOf(Vec<Test>),
}

/// Puts `*` around the value as `contains`, `startswith` and `endswith` say; keywords are found anywhere.
fn affixed(keyword: bool, modifiers: &Modifiers, mut parts: Vec<Part>) -> Vec<Part> {
    let affix = if keyword && modifiers.affix == Affix::Whole { Affix::Inside } else { modifiers.affix };
    if matches!(affix, Affix::End | Affix::Inside) {
        parts.insert(0, Part::Any);
    }
    if matches!(affix, Affix::Start | Affix::Inside) {
        parts.push(Part::Any);
    }
    parts
}

fn transformed(transform: Transform, text: Text, value: &Node) -> Result<Vec<Text>, Fault> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    if transform == Transform::Windash {
        return match text {
            Text::Parts(parts) => Ok(vec![Text::Parts(windash(parts))]),
            Text::Bytes(_) => Err(value.fault("`windash` stands after an encoding", "put `windash` first")),
        };
    }
    let bytes = match text {
        Text::Bytes(bytes) => bytes,
        Text::Parts(parts) => plain(&parts)
            .ok_or_else(|| value.fault("an encoded value cannot have wildcards", "escape them: `\\*`"))?
            .into_bytes(),
    };
    Ok(match transform {
        Transform::Windash => Vec::new(),
        Transform::Base64 => vec![Text::Parts(vec![Part::Text(STANDARD.encode(bytes))])],
        Transform::Base64Offset => {
            let offset = |n| Text::Parts(vec![Part::Text(base64_offset(&bytes, n))]);
            vec![offset(0), offset(1), offset(2)]
        }
        Transform::Utf16 { big_endian, mark } => {
            let text = String::from_utf8(bytes)
                .map_err(|_| value.fault("two encodings to UTF-16 in a row", "keep one of them"))?;
            let unit = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let mark = mark.then_some(0xFEFF);
            vec![Text::Bytes(mark.into_iter().chain(text.encode_utf16()).flat_map(unit).collect())]
        }
    })
}

/// The part of the value's Base64 form that does not depend on its neighbours when `shift` bytes precede it.
fn base64_offset(bytes: &[u8], shift: usize) -> String {
    use base64::Engine as _;
    let mut shifted = vec![b' '; shift];
    shifted.extend_from_slice(bytes);
    let encoded = base64::engine::general_purpose::STANDARD.encode(&shifted);
    // 8 or 16 bits before the value reach into 2 or 3 characters; 8 or 16 bits after a whole group of three
    // leave 2 or 3 characters that depend on what follows, padding included.
    let skip = [0, 2, 3].get(shift).copied().unwrap_or_default();
    let drop = match shifted.len() % 3 {
        1 => 3,
        2 => 2,
        _ => 0,
    };
    encoded.get(skip..encoded.len().saturating_sub(drop)).unwrap_or_default().to_owned()
}

fn plain(parts: &[Part]) -> Option<String> {
    let mut text = String::new();
    for part in parts {
        if let Part::Text(piece) = part { text.push_str(piece) } else { return None }
    }
    Some(text)
}

fn into_parts(text: Text, value: &Node) -> Result<Vec<Part>, Fault> {
    match text {
        Text::Parts(parts) => Ok(parts),
        Text::Bytes(bytes) => {
            let text = String::from_utf8(bytes).map_err(|_| {
                value.fault("this encoding gives bytes that are not text", "add `base64` or `base64offset`")
            })?;
            Ok(vec![Part::Text(text)])
        }
    }
}

fn number(value: &Node) -> Result<Number, Fault> {
    match value.scalar() {
        Some(Scalar::Int(whole)) => Some(Number::Int(whole)),
        Some(Scalar::Float(fraction)) => Some(Number::Float(fraction)),
        Some(Scalar::Text(text)) => Number::parse(text),
        _ => None,
    }
    .ok_or_else(|| {
        let message = format!("{} where a number is compared", value.kind_name());
        value.fault(message, "write a number without quotes or unit")
    })
}

fn regex(value: &Node, flags: &str) -> Result<RegexTest, Fault> {
    let text = value.text().unwrap_or_default();
    let source = if flags.is_empty() { text.to_owned() } else { format!("(?{flags}){text}") };
    let built =
        regex::RegexBuilder::new(&source).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_CACHE_BYTES).build();
    match built {
        Ok(compiled) => Ok(RegexTest { source: Arc::from(source), compiled }),
        Err(regex::Error::CompiledTooBig(limit)) => Err(value.fault(
            format!("the regular expression needs more than {limit} bytes"),
            "make repetitions smaller or write several values",
        )),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(value.fault(
                format!("not a regular expression: {reason}"),
                "Sigma allows . ^ $ * + ? {n,m} [] () |, without look-around or back-references",
            ))
        }
    }
}

#[cfg(test)]
mod tests;
