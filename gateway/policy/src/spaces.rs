//! Topic spaces: named sets of MQTT topic filters, out of `topic-spaces.toml`.
//!
//! Placeholders are filled in per client; this module matches no topic, the broker's grants do. Invariants: every
//! filter is a valid one (MQTT 5 §4.7); a placeholder never widens a filter, because a client id with `/`,
//! `+` or `#` gets nothing from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{PolicyError, line_of};
use crate::files::File;
use crate::limits::{FILTER_BYTES, SPACE_FILTERS, TOPIC_SPACES};

/// All topic spaces, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spaces(BTreeMap<Arc<str>, Vec<String>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    spaces: BTreeMap<String, toml::Spanned<Vec<toml::Spanned<String>>>>,
}

impl Spaces {
    pub(crate) fn parse(file: &File) -> Result<Self, PolicyError> {
        let wrong = |offset: usize, message: String, hint: &str| PolicyError::Wrong {
            file: file.name.clone(),
            line: line_of(&file.text, offset),
            message,
            hint: hint.to_owned(),
        };
        let too_much = |what, found: usize, most: usize| PolicyError::TooMuch {
            file: file.name.clone(),
            what,
            found: found as u64,
            most: most as u64,
        };
        let document: Document = toml::from_str(&file.text).map_err(|error: toml::de::Error| {
            wrong(
                error.span().map_or(0, |span| span.start),
                error.message().to_owned(),
                "[spaces] and lines such as own = [\"devices/{client}/#\"]",
            )
        })?;
        if document.spaces.len() > TOPIC_SPACES {
            return Err(too_much("topic spaces", document.spaces.len(), TOPIC_SPACES));
        }
        let mut spaces = BTreeMap::new();
        for (name, filters) in document.spaces {
            let filters = filters.into_inner();
            if filters.len() > SPACE_FILTERS {
                return Err(too_much("filters in one topic space", filters.len(), SPACE_FILTERS));
            }
            let mut valid = Vec::with_capacity(filters.len());
            for filter in filters {
                if let Err((message, hint)) = check_filter(filter.get_ref()) {
                    return Err(wrong(
                        filter.span().start,
                        format!("filter {:?} of space {name}: {message}", filter.get_ref()),
                        hint,
                    ));
                }
                valid.push(filter.into_inner());
            }
            spaces.insert(name.into(), valid);
        }
        Ok(Self(spaces))
    }

    /// Names in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    /// The space's filters for one client. Filters whose placeholder cannot be filled in safely are left out.
    pub(crate) fn filters(&self, name: &str, client: &str, device: &str) -> Vec<String> {
        let filters = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        filters.iter().filter_map(|filter| fill(filter, client, device)).collect()
    }
}

fn fill(filter: &str, client: &str, device: &str) -> Option<String> {
    let mut filled = filter.to_owned();
    for (placeholder, value) in [("{client}", client), ("{device}", device)] {
        if filter.contains(placeholder) {
            if !is_one_level(value) {
                return None;
            }
            filled = filled.replace(placeholder, value);
        }
    }
    (filled.len() <= FILTER_BYTES).then_some(filled)
}

/// Whether a name can stand in a topic as one level, or a part of one, without changing its meaning.
fn is_one_level(name: &str) -> bool {
    // `{` keeps a client named "{device}" from being filled in a second time; `$` from reaching the broker's own topics.
    !name.is_empty() && !name.contains(['/', '+', '#', '$', '{', '}']) && !name.contains(char::is_control)
}

/// Checks a filter by MQTT 5 §4.7.1 and for known placeholders; an error is (what, what would be right).
fn check_filter(filter: &str) -> Result<(), (&'static str, &'static str)> {
    if filter.is_empty() || filter.len() > FILTER_BYTES {
        return Err(("it is empty or too long", "give 1 to 65535 bytes"));
    }
    if filter.contains(char::is_control) {
        return Err(("it has a control character", "remove it"));
    }
    let levels: Vec<&str> = filter.split('/').collect();
    for (number, level) in levels.iter().enumerate() {
        let plain = level.replace("{client}", "").replace("{device}", "");
        if plain.contains(['{', '}']) {
            return Err(("it has an unknown placeholder", "{client} and {device} are known"));
        }
        if level.contains('#') && (*level != "#" || number + 1 != levels.len()) {
            return Err(("# stands within", "# is alone in the last level: a/b/#"));
        }
        if level.contains('+') && *level != "+" {
            return Err(("+ shares its level", "+ is alone in its level: a/+/b"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Spaces, PolicyError> {
        Spaces::parse(&File { name: "topic-spaces.toml".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn placeholders_are_filled_in_and_hostile_names_get_nothing() {
        let spaces =
            parse("[spaces]\nown = [\"devices/{client}/#\", \"asset/{device}\", \"all\"]").expect("valid");
        assert_eq!(spaces.filters("own", "t1", "mqtt:t1"), ["devices/t1/#", "asset/mqtt:t1", "all"]);
        for hostile in ["", "a/b", "+", "#", "a#", "$SYS", "{device}", "a\u{0}"] {
            assert_eq!(spaces.filters("own", hostile, hostile), ["all"], "{hostile:?}");
        }
        assert!(spaces.filters("other", "t1", "t1").is_empty());
    }

    #[test]
    fn a_mistake_is_named_with_file_and_line() {
        let cases = [
            ("[spaces]\nown = [\"a\",\n \"a/#/b\"]", 3, "# stands within"),
            ("[spaces]\nown = [\"a+\"]", 2, "+ shares its level"),
            ("[spaces]\nown = [\"a/{user}\"]", 2, "unknown placeholder"),
            ("[spaces]\nown = [\"\"]", 2, "empty"),
            ("[spaces]\nown = 3", 2, "invalid type"),
            ("[space]\nown = []", 1, "unknown field `space`"),
            ("[spaces", 1, "table"),
        ];
        for (text, line, what) in cases {
            let told = parse(text).expect_err(text).to_string();
            assert!(
                told.starts_with(&format!("topic-spaces.toml:{line}: ")) && told.contains(what),
                "{told}"
            );
        }
    }
}
