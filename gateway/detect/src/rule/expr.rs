//! `expr`: a small part of CEL (Common Expression Language) over the event's fields.
//!
//! `value * 1.8 + 32.0 > limit && site in ["north", "south"]`: literals, fields, `+ - * / %`, comparisons, `&& || !`,
//! `in [..]`, `has(field)`, `size(text)`, `abs`, `min`, `max`, and `contains`, `startsWith`, `endsWith` on texts. No
//! loops, no variables, no macros. It runs only after every other condition of its rule holds. Invariant: at most
//! [`EXPRESSION_STEPS`] steps and [`EXPRESSION_TEXT`] bytes of text for each event; a missing field or wrong type makes
//! the whole expression false.
#![deny(clippy::indexing_slicing)]

mod lexer;
mod rename;

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use sitewarden_core::Value;

use crate::error::Fault;
use crate::fields::Fields;
use crate::limits::{EXPRESSION_BYTES, EXPRESSION_DEPTH, EXPRESSION_STEPS, EXPRESSION_TEXT};
use crate::yaml::Node;
use lexer::{Token, tokens};

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expr {
    root: Term,
    /// As it was written, for the evidence.
    pub(crate) source: Arc<str>,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Number(f64),
    Text(Arc<str>),
    Bool(bool),
    Field(Arc<str>),
    Has(Arc<str>),
    Not(Box<Term>),
    Negate(Box<Term>),
    Binary(Operator, Box<Term>, Box<Term>),
    In(Box<Term>, Vec<Term>),
    Call(Function, Vec<Term>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Size,
    Abs,
    Min,
    Max,
    Contains,
    StartsWith,
    EndsWith,
}

/// A value on the way; `None` from an evaluation means missing or of the wrong type.
#[derive(Debug)]
enum Item<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Bool(bool),
}

impl Expr {
    /// Parses the text of a node.
    pub(crate) fn parse(node: &Node) -> Result<Self, Fault> {
        const HINT: &str = "write a comparison such as `value * 2 > limit`; the language is a part of CEL";
        let text = node.text().filter(|text| text.len() <= EXPRESSION_BYTES);
        let text =
            text.ok_or_else(|| node.fault(format!("not a text of at most {EXPRESSION_BYTES} bytes"), HINT))?;
        let mut parser =
            Parser { tokens: tokens(text).map_err(|error| node.fault(error, HINT))?, at: 0, nodes: 0 };
        let root = parser.level(0, 0).map_err(|error| node.fault(error, HINT))?;
        if let Some(token) = parser.tokens.get(parser.at) {
            return Err(node.fault(format!("{token} is not expected here"), HINT));
        }
        Ok(Self { root, source: Arc::from(text) })
    }

    /// Whether it is true for the event.
    pub(crate) fn holds(&self, fields: Fields<'_>) -> bool {
        let budget = Cell::new(EXPRESSION_TEXT);
        matches!(value(&self.root, Scope { fields, budget: &budget }), Some(Item::Bool(true)))
    }

    /// Gives the fields other names.
    pub(crate) fn rename(&mut self, name: &impl Fn(&Arc<str>) -> Arc<str>) {
        self.root.rename(name);
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    nodes: usize,
}

/// Binary operators by how tightly they bind, the loosest first (CEL, "Syntax").
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::AtMost),
        ("<", Operator::Less),
        (">=", Operator::AtLeast),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

impl Parser {
    fn count(&mut self, depth: usize) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > EXPRESSION_STEPS || depth > EXPRESSION_DEPTH {
            return Err(format!(
                "the expression has more than {EXPRESSION_STEPS} parts or {EXPRESSION_DEPTH} levels"
            ));
        }
        Ok(())
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Symbol(s)) if *s == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.eat(symbol) { Ok(()) } else { Err(format!("`{symbol}` is missing")) }
    }

    fn level(&mut self, level: usize, depth: usize) -> Result<Term, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary(depth) };
        let mut left = self.level(level + 1, depth)?;
        loop {
            if level == 2 && matches!(self.tokens.get(self.at), Some(Token::Name(name)) if name == "in") {
                self.at += 1;
                self.count(depth)?;
                left = Term::In(Box::new(left), self.list("[", "]", depth)?);
                continue;
            }
            let found = operators.iter().find(|(symbol, _)| self.eat(symbol));
            let Some((_, operator)) = found else { return Ok(left) };
            self.count(depth)?;
            let right = self.level(level + 1, depth)?;
            left = Term::Binary(*operator, Box::new(left), Box::new(right));
        }
    }

    fn list(&mut self, open: &str, close: &str, depth: usize) -> Result<Vec<Term>, String> {
        self.expect(open)?;
        let mut items = Vec::new();
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(self.level(0, depth + 1)?);
            if self.eat(close) {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }

    fn unary(&mut self, depth: usize) -> Result<Term, String> {
        self.count(depth)?;
        if self.eat("!") {
            return Ok(Term::Not(Box::new(self.unary(depth + 1)?)));
        }
        if self.eat("-") {
            return Ok(Term::Negate(Box::new(self.unary(depth + 1)?)));
        }
        let mut term = self.primary(depth)?;
        while self.eat(".") {
            let Some(Token::Name(method)) = self.tokens.get(self.at).cloned() else {
                return Err("a method is missing after `.`".to_owned());
            };
            self.at += 1;
            self.count(depth)?;
            let function = match method.as_str() {
                "contains" => Function::Contains,
                "startsWith" => Function::StartsWith,
                "endsWith" => Function::EndsWith,
                "size" => Function::Size,
                other => return Err(format!("`{other}` is not a method")),
            };
            let mut arguments = vec![term];
            arguments.extend(self.list("(", ")", depth)?);
            term = call(function, arguments)?;
        }
        Ok(term)
    }

    fn primary(&mut self, depth: usize) -> Result<Term, String> {
        if self.eat("(") {
            let inner = self.level(0, depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let token = self.tokens.get(self.at).cloned().ok_or("the expression ends too early")?;
        self.at += 1;
        match token {
            Token::Number(number) => Ok(Term::Number(number)),
            Token::Text(text) => Ok(Term::Text(Arc::from(text))),
            Token::Symbol(symbol) => Err(format!("`{symbol}` stands where a value is expected")),
            Token::Name(name) => match name.as_str() {
                "true" => Ok(Term::Bool(true)),
                "false" => Ok(Term::Bool(false)),
                _ if matches!(self.tokens.get(self.at), Some(Token::Symbol("("))) => {
                    self.function(&name, depth)
                }
                _ => Ok(Term::Field(Arc::from(self.path(name)))),
            },
        }
    }

    /// A field's dotted name, as long as no method call follows.
    fn path(&mut self, mut name: String) -> String {
        while let (Some(Token::Symbol(".")), Some(Token::Name(next))) =
            (self.tokens.get(self.at), self.tokens.get(self.at + 1))
        {
            if matches!(self.tokens.get(self.at + 2), Some(Token::Symbol("("))) {
                break;
            }
            name = format!("{name}.{next}");
            self.at += 2;
        }
        name
    }

    fn function(&mut self, name: &str, depth: usize) -> Result<Term, String> {
        let mut arguments = self.list("(", ")", depth)?;
        let function = match name {
            "has" => {
                return match (arguments.pop(), arguments.is_empty()) {
                    (Some(Term::Field(field)), true) => Ok(Term::Has(field)),
                    _ => Err("`has` takes the name of a field".to_owned()),
                };
            }
            "size" => Function::Size,
            "abs" => Function::Abs,
            "min" => Function::Min,
            "max" => Function::Max,
            other => return Err(format!("`{other}` is not a function")),
        };
        call(function, arguments)
    }
}

fn call(function: Function, arguments: Vec<Term>) -> Result<Term, String> {
    let wanted = match function {
        Function::Size | Function::Abs => 1,
        _ => 2,
    };
    if arguments.len() == wanted {
        Ok(Term::Call(function, arguments))
    } else {
        Err(format!("{} arguments where {wanted} are expected", arguments.len()))
    }
}

/// What an expression sees.
#[derive(Clone, Copy)]
struct Scope<'a> {
    fields: Fields<'a>,
    /// Bytes of text that may still be read.
    budget: &'a Cell<usize>,
}

impl<'a> Scope<'a> {
    /// A field's value; what is too long to be looked at counts as missing.
    fn read(self, value: &'a Value) -> Option<Item<'a>> {
        if let Value::Text(text) = value {
            self.budget.set(self.budget.get().checked_sub(text.len())?);
        }
        field_value(value)
    }
}

fn value<'a>(term: &'a Term, scope: Scope<'a>) -> Option<Item<'a>> {
    Some(match term {
        Term::Number(number) => Item::Number(*number),
        Term::Text(text) => Item::Text(Cow::Borrowed(text)),
        Term::Bool(flag) => Item::Bool(*flag),
        Term::Has(field) => Item::Bool(scope.fields.values(field).is_some()),
        Term::Field(field) => scope.read(scope.fields.values(field)?.first()?)?,
        Term::Not(inner) => Item::Bool(!flag(inner, scope)?),
        Term::Negate(inner) => Item::Number(-number(inner, scope)?),
        Term::In(inner, list) => {
            let wanted = value(inner, scope)?;
            Item::Bool(
                list.iter()
                    .any(|item| value(item, scope).is_some_and(|item| equal(&wanted, &item) == Some(true))),
            )
        }
        Term::Binary(Operator::Or, left, right) => {
            // As in CEL, one true side decides even when the other side cannot be evaluated.
            match (flag(left, scope), flag(right, scope)) {
                (Some(true), _) | (_, Some(true)) => Item::Bool(true),
                (Some(false), Some(false)) => Item::Bool(false),
                _ => return None,
            }
        }
        Term::Binary(Operator::And, left, right) => match (flag(left, scope), flag(right, scope)) {
            (Some(false), _) | (_, Some(false)) => Item::Bool(false),
            (Some(true), Some(true)) => Item::Bool(true),
            _ => return None,
        },
        Term::Binary(operator, left, right) => binary(*operator, value(left, scope)?, value(right, scope)?)?,
        Term::Call(function, arguments) => {
            let first = value(arguments.first()?, scope)?;
            match (first, arguments.get(1)) {
                (first, None) => single(*function, first)?,
                (first, Some(second)) => double(*function, first, value(second, scope)?)?,
            }
        }
    })
}

fn flag(term: &Term, scope: Scope<'_>) -> Option<bool> {
    if let Item::Bool(flag) = value(term, scope)? { Some(flag) } else { None }
}

fn number(term: &Term, scope: Scope<'_>) -> Option<f64> {
    if let Item::Number(number) = value(term, scope)? { Some(number) } else { None }
}

fn field_value(value: &Value) -> Option<Item<'_>> {
    match value {
        Value::Bool(flag) => Some(Item::Bool(*flag)),
        Value::Text(text) => Some(Item::Text(Cow::Borrowed(text))),
        other => crate::fields::number(other).map(|number| Item::Number(number.as_f64())),
    }
}

fn equal(left: &Item<'_>, right: &Item<'_>) -> Option<bool> {
    match (left, right) {
        #[expect(clippy::float_cmp, reason = "equality is what the rule asks for")]
        (Item::Number(left), Item::Number(right)) => Some(left == right),
        (Item::Text(left), Item::Text(right)) => Some(left == right),
        (Item::Bool(left), Item::Bool(right)) => Some(left == right),
        _ => None,
    }
}

fn binary<'a>(operator: Operator, left: Item<'a>, right: Item<'a>) -> Option<Item<'a>> {
    use std::cmp::Ordering::{Greater, Less};
    let order = match (&left, &right) {
        (Item::Number(left), Item::Number(right)) => left.partial_cmp(right),
        (Item::Text(left), Item::Text(right)) => Some(left.cmp(right)),
        _ => None,
    };
    let arithmetic = |apply: fn(f64, f64) -> f64| match (&left, &right) {
        (Item::Number(left), Item::Number(right)) => {
            let result = apply(*left, *right);
            result.is_finite().then_some(Item::Number(result))
        }
        _ => None,
    };
    match operator {
        Operator::Equal => equal(&left, &right).map(Item::Bool),
        Operator::NotEqual => equal(&left, &right).map(|same| Item::Bool(!same)),
        Operator::Less => order.map(|order| Item::Bool(order == Less)),
        Operator::AtMost => order.map(|order| Item::Bool(order != Greater)),
        Operator::Greater => order.map(|order| Item::Bool(order == Greater)),
        Operator::AtLeast => order.map(|order| Item::Bool(order != Less)),
        Operator::Add => arithmetic(|a, b| a + b),
        Operator::Subtract => arithmetic(|a, b| a - b),
        Operator::Multiply => arithmetic(|a, b| a * b),
        Operator::Divide => arithmetic(|a, b| a / b),
        Operator::Remainder => arithmetic(|a, b| a % b),
        Operator::Or | Operator::And => None,
    }
}

fn single<'a>(function: Function, item: Item<'a>) -> Option<Item<'a>> {
    match (function, item) {
        #[expect(clippy::cast_precision_loss, reason = "texts are far shorter than 2^53 characters")]
        (Function::Size, Item::Text(text)) => Some(Item::Number(text.chars().count() as f64)),
        (Function::Abs, Item::Number(number)) => Some(Item::Number(number.abs())),
        _ => None,
    }
}

fn double<'a>(function: Function, first: Item<'a>, second: Item<'a>) -> Option<Item<'a>> {
    match (function, first, second) {
        (Function::Min, Item::Number(a), Item::Number(b)) => Some(Item::Number(a.min(b))),
        (Function::Max, Item::Number(a), Item::Number(b)) => Some(Item::Number(a.max(b))),
        (Function::Contains, Item::Text(a), Item::Text(b)) => Some(Item::Bool(a.contains(&*b))),
        (Function::StartsWith, Item::Text(a), Item::Text(b)) => Some(Item::Bool(a.starts_with(&*b))),
        (Function::EndsWith, Item::Text(a), Item::Text(b)) => Some(Item::Bool(a.ends_with(&*b))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
