//! Where in the configuration file a value stands.
//!
//! For messages alone: it reads the text again and judges nothing. Invariant: a key that is not in the text
//! is told without a place, never with a wrong one.

use std::path::Path;

use toml::de::{DeArray, DeTable, DeValue};

/// A problem that begins with its key (`broker.limits.connections = 0: ...`), with file, line and column.
pub(super) fn tell(path: &Path, text: &str, problem: &str) -> String {
    let key = problem.split([' ', ':', '=']).next().unwrap_or_default();
    match of_key(text, key) {
        Some((line, column)) => format!("{}:{line}:{column}: {problem}", path.display()),
        None => format!("{}: {problem}", path.display()),
    }
}

/// Line and column of a key such as `broker.limits.connections`; in a list of tables the next part is the
/// `name` of one, and of several the last.
fn of_key(text: &str, key: &str) -> Option<(usize, usize)> {
    let document = DeTable::parse(text).ok()?;
    let mut within = Some(document.get_ref());
    let mut list: Option<&DeArray<'_>> = None;
    let mut offset = None;
    for part in key.split('.') {
        if let Some(items) = list.take() {
            let item = items.iter().rev().find(|item| is_named(item.get_ref(), part))?;
            (offset, within) = (Some(item.span().start), item.get_ref().as_table());
        } else {
            let (key, value) = within?.iter().find(|(key, _)| *key.get_ref() == part)?;
            offset = Some(key.span().start);
            (within, list) = (value.get_ref().as_table(), value.get_ref().as_array());
        }
    }
    Some(position(text, offset?))
}

/// Line and column of the first table in a list of tables that lacks this key: only those have keys that must be there.
pub(super) fn of_missing(text: &str, key: &str) -> Option<(usize, usize)> {
    let document = DeTable::parse(text).ok()?;
    let mut places = Vec::new();
    lacking(document.get_ref(), key, &mut places);
    places.into_iter().min().map(|offset| position(text, offset))
}

fn lacking(table: &DeTable<'_>, key: &str, places: &mut Vec<usize>) {
    for value in table.values().map(|value| value.get_ref()) {
        if let Some(inner) = value.as_table() {
            lacking(inner, key, places);
        }
        for item in value.as_array().into_iter().flat_map(|items| items.iter()) {
            if item.get_ref().as_table().is_some_and(|item| !item.keys().any(|known| *known.get_ref() == key))
            {
                places.push(item.span().start);
            }
        }
    }
}

fn is_named(item: &DeValue<'_>, name: &str) -> bool {
    let Some(table) = item.as_table() else { return false };
    table.iter().any(|(key, value)| *key.get_ref() == "name" && value.get_ref().as_str() == Some(name))
}

/// Line and column, both from 1, of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[web]\nlisten = \"127.0.0.1:1\"\n[[broker.listeners]]\nname = \"a\"\n\
                        [[broker.listeners]]\nname = \"b\"\n[broker.limits]\n  connections = 0\n";

    #[test]
    fn a_key_is_found_in_tables_and_in_lists_of_tables() {
        assert_eq!(of_key(TEXT, "web.listen"), Some((2, 1)));
        assert_eq!(of_key(TEXT, "broker.limits.connections"), Some((8, 3)));
        assert_eq!(of_key(TEXT, "broker.listeners.b").map(|(line, _)| line), Some(5));
    }

    #[test]
    fn the_table_that_lacks_a_key_is_found() {
        let text = "[web]\n[[broker.listeners]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n\n[[broker.listeners]]\nname = \"b\"\n";
        assert_eq!(of_missing(text, "address"), Some((6, 1)));
        assert_eq!(of_missing(text, "name"), None);
    }

    #[test]
    fn a_key_that_is_not_there_has_no_place() {
        assert_eq!(of_key(TEXT, "broker.limits.sessions"), None);
        assert_eq!(of_key(TEXT, "broker.listeners.c"), None);
        assert_eq!(tell(Path::new("x.toml"), TEXT, "store.readers is 0"), "x.toml: store.readers is 0");
    }
}
