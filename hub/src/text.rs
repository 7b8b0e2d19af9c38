//! Texts from outside, as they may stand in columns and log lines.
//!
//! PostgreSQL takes no NUL in a text, and a site that could make an insert fail could stop its own log for ever. Invariant: what
//! comes out has no control character and at most the given bytes.

/// Without control characters, cut at a character's border.
pub(crate) fn clean(text: &str, bytes: usize) -> String {
    let mut out: String = text.chars().filter(|character| !character.is_control()).collect();
    out.truncate(out.floor_char_boundary(bytes));
    out
}

/// Whether a name that somebody gives is one: not empty, of at most `chars` characters, none of them a control character.
pub(crate) fn is_name(text: &str, chars: usize) -> bool {
    let trimmed = text.trim();
    !trimmed.is_empty()
        && trimmed.len() == text.len()
        && text.chars().count() <= chars
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_characters_stay_whole() {
        assert_eq!(clean("a\0b\nc", 10), "abc");
        assert_eq!(clean("aü", 2), "a");
        assert!(is_name("Cold store 7", 12) && !is_name("Cold store 7", 11));
        for bad in ["", " ", " a", "a\n", "a\0b"] {
            assert!(!is_name(bad, 20), "{bad:?}");
        }
    }
}
