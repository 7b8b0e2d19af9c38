//! The chain of modifiers behind a field name, read and checked.
//!
//! Not their effect on values (see `lower`). Invariant: a chain that reads without fault has at most one type
//! (text, regular expression, range, number, time, reference, existence).
#![deny(clippy::indexing_slicing)]

use super::atom::{Affix, Order, TimePart};
use super::raw::Item;
use crate::error::Fault;

/// A change of the value before it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    Windash,
    Base64,
    Base64Offset,
    Utf16 { big_endian: bool, mark: bool },
}

/// What a chain of modifiers comes to.
#[derive(Debug)]
pub(crate) struct Modifiers {
    pub(crate) affix: Affix,
    pub(crate) all: bool,
    pub(crate) cased: bool,
    pub(crate) neq: bool,
    pub(crate) exists: bool,
    pub(crate) fieldref: bool,
    pub(crate) cidr: bool,
    pub(crate) expand: bool,
    pub(crate) order: Option<Order>,
    pub(crate) time: Option<TimePart>,
    /// Flags of the regular expression, when it is one.
    pub(crate) regex: Option<String>,
    pub(crate) transforms: Vec<Transform>,
    written: String,
}

const KNOWN: &str = "all, base64, base64offset, cased, cidr, contains, day, endswith, exists, expand, fieldref, gt, \
                     gte, hour, lt, lte, minute, month, neq, re (with i, m, s), startswith, utf16, utf16be, utf16le, \
                     week, wide, windash, year";

impl Modifiers {
    /// Reads the chain of an item.
    pub(crate) fn read(item: &Item) -> Result<Self, Fault> {
        let mut chain = Self {
            affix: Affix::Whole,
            all: false,
            cased: false,
            neq: false,
            exists: false,
            fieldref: false,
            cidr: false,
            expand: false,
            order: None,
            time: None,
            regex: None,
            transforms: Vec::new(),
            written: item.modifiers.join("|"),
        };
        let mut column = item.field.as_ref().map_or(0, |field| field.chars().count()) + 1;
        for word in &item.modifiers {
            if !chain.take(word) {
                let message = format!("`{word}` is not a modifier here");
                let hint = if matches!(word.as_str(), "i" | "m" | "s") {
                    "`i`, `m` and `s` stand after `re`".to_owned()
                } else {
                    format!("modifiers are {KNOWN}")
                };
                return Err(Fault::new(item.place.right(column), message, hint));
            }
            column += word.chars().count() + 1;
        }
        chain.check(item)?;
        Ok(chain)
    }

    fn take(&mut self, word: &str) -> bool {
        match word {
            "all" => self.all = true,
            "cased" => self.cased = true,
            "neq" => self.neq = true,
            "exists" => self.exists = true,
            "fieldref" => self.fieldref = true,
            "cidr" => self.cidr = true,
            "expand" => self.expand = true,
            "contains" => self.affix = Affix::Inside,
            "startswith" => self.affix = Affix::Start,
            "endswith" => self.affix = Affix::End,
            "re" => self.regex = Some(String::new()),
            "i" | "m" | "s" => match &mut self.regex {
                Some(flags) if !flags.contains(word) => flags.push_str(word),
                _ => return false,
            },
            "windash" => self.transforms.push(Transform::Windash),
            "base64" => self.transforms.push(Transform::Base64),
            "base64offset" => self.transforms.push(Transform::Base64Offset),
            "wide" | "utf16le" => self.transforms.push(Transform::Utf16 { big_endian: false, mark: false }),
            "utf16be" => self.transforms.push(Transform::Utf16 { big_endian: true, mark: false }),
            "utf16" => self.transforms.push(Transform::Utf16 { big_endian: false, mark: true }),
            "minute" => self.time = Some(TimePart::Minute),
            "hour" => self.time = Some(TimePart::Hour),
            "day" => self.time = Some(TimePart::Day),
            "week" => self.time = Some(TimePart::Week),
            "month" => self.time = Some(TimePart::Month),
            "year" => self.time = Some(TimePart::Year),
            other => match Order::parse(other) {
                Some(order) => self.order = Some(order),
                None => return false,
            },
        }
        true
    }

    fn check(&self, item: &Item) -> Result<(), Fault> {
        let fault = |message: &str, hint: &str| Err(Fault::new(item.place, message, hint));
        let texty =
            self.affix != Affix::Whole && !self.fieldref || self.expand || !self.transforms.is_empty();
        let types = [
            texty,
            self.regex.is_some(),
            self.cidr,
            self.order.is_some() || self.time.is_some(),
            self.exists,
            self.fieldref,
        ];
        if types.iter().filter(|given| **given).count() > 1 {
            return fault(
                "these modifiers do not go together",
                "compare once as text, pattern, number, range or field",
            );
        }
        let keyword = item.field.is_none();
        if keyword && (types.iter().skip(2).any(|given| *given) || self.neq) {
            return fault("this modifier needs a field before it", "write `field|modifier`");
        }
        if self.exists && (self.all || self.neq) {
            return fault("`exists` stands alone", "write `field|exists: false` for the opposite");
        }
        Ok(())
    }

    /// Whether the value is compared as it stands.
    pub(crate) fn plain(&self) -> bool {
        self.affix == Affix::Whole && self.transforms.is_empty() && !self.expand && !self.cased
    }

    /// The comparison in words: `contains 'mimikatz'`, `gt 8`.
    pub(crate) fn words(&self, value: &str) -> String {
        let verb = if self.written.is_empty() { "is" } else { &self.written };
        if crate::number::Number::parse(value).is_some() || matches!(value, "null" | "true" | "false") {
            format!("{verb} {value}")
        } else {
            format!("{verb} '{value}'")
        }
    }
}
