//! Conditions: `selection and not 1 of filter_*`.
//!
//! Sigma rules specification, "Condition". Names are resolved here, so that a wrong name is told with its
//! column. Invariant: nesting is bounded by [`CONDITION_DEPTH`].
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use super::atom::Logic;
use crate::error::{Fault, Place};
use crate::limits::{CONDITION_BYTES, CONDITION_DEPTH};

/// The selections that a condition may name, in the order of the rule.
pub(crate) type Selections = [(Arc<str>, Logic)];

/// Parses a condition whose first character stands at `place`.
pub(crate) fn parse(text: &str, place: Place, selections: &Selections) -> Result<Logic, Fault> {
    if text.len() > CONDITION_BYTES {
        let message = format!("a condition of {} bytes, more than {CONDITION_BYTES}", text.len());
        return Err(Fault::new(place, message, "use `1 of name_*`"));
    }
    let mut parser = Parser { tokens: tokens(text), at: 0, end: text.chars().count(), place, selections };
    let logic = parser.or(0)?;
    match parser.peek() {
        None => Ok(logic),
        Some(token) if token.text == "|" => Err(parser.fault_at(
            token.column,
            "aggregation after `|` was removed from Sigma",
            "write a second document with `correlation:`",
        )),
        Some(token) => {
            let message = format!("`{}` is not expected here", token.text);
            Err(parser.fault_at(
                token.column,
                message,
                "join selections by `and`, `or`, `not` and parentheses",
            ))
        }
    }
}

#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    /// In characters from the beginning of the condition.
    column: usize,
}

impl Token<'_> {
    fn is(self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start: Option<(usize, usize)> = None;
    for (column, (at, c)) in text.char_indices().enumerate() {
        let single = matches!(c, '(' | ')' | '|');
        if single || c.is_whitespace() {
            if let Some((from, column)) = start.take() {
                tokens.extend(text.get(from..at).map(|text| Token { text, column }));
            }
            if single {
                tokens.extend(text.get(at..at + 1).map(|text| Token { text, column }));
            }
        } else if start.is_none() {
            start = Some((at, column));
        }
    }
    if let Some((from, column)) = start {
        tokens.extend(text.get(from..).map(|text| Token { text, column }));
    }
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    end: usize,
    place: Place,
    selections: &'a Selections,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(word));
        self.at += usize::from(found);
        found
    }

    fn fault_at(&self, column: usize, message: impl Into<String>, hint: &str) -> Fault {
        Fault::new(self.place.right(column), message, hint)
    }

    fn or(&mut self, depth: usize) -> Result<Logic, Fault> {
        let mut parts = vec![self.and(depth)?];
        while self.eat("or") {
            parts.push(self.and(depth)?);
        }
        Ok(Logic::any(parts))
    }

    fn and(&mut self, depth: usize) -> Result<Logic, Fault> {
        let mut parts = vec![self.not(depth)?];
        while self.eat("and") {
            parts.push(self.not(depth)?);
        }
        Ok(Logic::all(parts))
    }

    fn not(&mut self, depth: usize) -> Result<Logic, Fault> {
        if depth > CONDITION_DEPTH {
            let column = self.peek().map_or(self.end, |token| token.column);
            let message = format!("nested deeper than {CONDITION_DEPTH} levels");
            return Err(self.fault_at(column, message, "name parts of it as selections"));
        }
        if self.eat("not") {
            return Ok(Logic::Not(Box::new(self.not(depth + 1)?)));
        }
        self.primary(depth)
    }

    fn primary(&mut self, depth: usize) -> Result<Logic, Fault> {
        let Some(token) = self.next() else {
            return Err(self.fault_at(self.end, "the condition ends too early", "name a selection here"));
        };
        if token.is("(") {
            let inner = self.or(depth + 1)?;
            if !self.eat(")") {
                let column = self.peek().map_or(self.end, |t| t.column);
                return Err(self.fault_at(column, "a closing parenthesis is missing", "close it here"));
            }
            return Ok(inner);
        }
        if self.peek().is_some_and(|next| next.is("of")) {
            return self.quantified(token);
        }
        if token.is("and") || token.is("or") || token.is(")") || token.is("|") {
            let message = format!("`{}` stands where a selection is expected", token.text);
            return Err(self.fault_at(token.column, message, "name a selection here"));
        }
        self.selection(token)
    }

    fn selection(&self, token: Token<'_>) -> Result<Logic, Fault> {
        let found = self.selections.iter().find(|(name, _)| &**name == token.text);
        if let Some((_, logic)) = found {
            return Ok(logic.clone());
        }
        let names: Vec<&str> = self.selections.iter().map(|(name, _)| &**name).collect();
        let message = format!("no selection is named `{}`", token.text);
        let hint = if token.text.contains('*') {
            format!("write `1 of {0}` or `all of {0}`", token.text)
        } else {
            format!("the rule has: {}", names.join(", "))
        };
        Err(self.fault_at(token.column, message, &hint))
    }

    /// `1 of them`, `all of selection_*`, `2 of filter*`, after the quantifier.
    fn quantified(&mut self, quantifier: Token<'_>) -> Result<Logic, Fault> {
        self.at += 1;
        let Some(target) = self.next() else {
            return Err(self.fault_at(self.end, "`of` needs a name", "write `of them` or `of selection_*`"));
        };
        let them = target.is("them");
        let chosen: Vec<Logic> = self
            .selections
            .iter()
            .filter(|(name, _)| if them { !name.starts_with('_') } else { wildcard(target.text, name) })
            .map(|(_, logic)| logic.clone())
            .collect();
        if chosen.is_empty() {
            let message = format!("no selection is called `{}`", target.text);
            return Err(self.fault_at(target.column, message, "`*` stands for any characters"));
        }
        if quantifier.is("all") {
            return Ok(Logic::all(chosen));
        }
        if quantifier.is("any") || quantifier.text == "1" {
            return Ok(Logic::any(chosen));
        }
        match quantifier.text.parse::<usize>() {
            Ok(count) if count >= 1 && count <= chosen.len() => Ok(Logic::AtLeast(count, chosen)),
            Ok(count) => {
                let message = format!("{count} of {} selections can never hold as meant", chosen.len());
                Err(self.fault_at(
                    quantifier.column,
                    message,
                    "take a number from 1 to the number of selections",
                ))
            }
            Err(_) => {
                let message = format!("`{}` is not a quantifier", quantifier.text);
                Err(self.fault_at(
                    quantifier.column,
                    message,
                    "write `1`, `all`, `any` or a number before `of`",
                ))
            }
        }
    }
}

/// Whether the name matches a pattern in which `*` stands for any characters.
pub(crate) fn wildcard(pattern: &str, name: &str) -> bool {
    let mut runs = pattern.split('*');
    let first = runs.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let middle: Vec<&str> = runs.collect();
    let Some((last, middle)) = middle.split_last() else { return rest.is_empty() };
    for run in middle {
        match rest.split_once(run) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
