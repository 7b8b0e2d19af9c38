//! Tests of patterns: wildcards, escapes, case, as the specification writes them.

use super::*;

fn text(t: &str) -> Part {
    Part::Text(t.to_owned())
}

fn matches(pattern: &str, value: &str) -> bool {
    Pattern::new(parse(pattern, false), false).matches(value)
}

/// Sigma rules specification, "Escaping": every line of the list.
#[test]
fn escapes_follow_the_specification() {
    assert_eq!(parse(r"C:\Windows", false), [text(r"C:\Windows")]);
    assert_eq!(parse(r"C:\\Windows", false), [text(r"C:\Windows")]);
    assert_eq!(parse(r"a\*b\?", false), [text("a*b?")]);
    assert_eq!(parse(r"a\\*", false), [text(r"a\"), Part::Any]);
    assert_eq!(parse(r"a\\\*", false), [text(r"a\*")]);
    assert_eq!(parse(r"\\\", false), [text(r"\\")]);
    assert_eq!(parse(r"\\\\", false), [text(r"\\")]);
    assert_eq!(parse(r"a?c*", false), [text("a"), Part::One, text("c"), Part::Any]);
}

/// Sigma rules specification, "Placeholders".
#[test]
fn placeholders_only_where_asked_for() {
    assert_eq!(parse("%name%", false), [text("%name%")]);
    assert_eq!(parse("%name%", true), [Part::Placeholder("name".into())]);
    assert_eq!(parse(r"\%plain%name%", true), [text("%plain"), Part::Placeholder("name".into())]);
    assert_eq!(parse("100%", true), [text("100%")]);
}

#[test]
fn wildcards_match_as_the_specification_says() {
    assert!(matches("prog?.exe", "progA.exe") && matches("prog?.exe", "PROGB.EXE"));
    assert!(!matches("prog?.exe", "prog.exe") && !matches("prog?.exe", "progAB.exe"));
    assert!(matches("antivirus_V*.exe", "antivirus_V21.2.1.exe"));
    assert!(matches("*a*b*c", "xxaxxbxxbxxc") && !matches("*a*b*c", "xxaxxcxxb"));
    assert!(matches("a*a", "aa") && !matches("a*a", "a"));
    assert!(matches("*", "") && matches("", "") && !matches("", "x"));
    assert!(matches("a*b", "a\nb"), "wildcards cross line ends");
    assert!(matches("?", "ä") && matches("*ä?*", "xÄy"));
    assert!(matches("*??*z", "abz") && !matches("*??*z", "az"));
}

#[test]
fn windash_makes_the_dashes_before_words_equal() {
    let pattern = |raw: &str| Pattern::new(windash(parse(raw, false)), false);
    let encode = pattern("* -enc*");
    for dash in DASHES {
        assert!(encode.matches(&format!("powershell {dash}enc x")), "{dash}");
    }
    assert!(!encode.matches("powershell _enc x"));
    assert!(pattern("a-b").matches("a-b") && !pattern("a-b").matches("a/b"), "a dash inside a word stays");
}

#[test]
fn folding_looks_at_each_character_alone() {
    assert_eq!(fold("ΑΣ"), "ασ");
    assert!(matches("STRASSE*", "strasse 5") && matches("*É*", "café"));
}

#[test]
fn many_stars_take_linear_time_each() {
    let pattern = format!("{}b", "a*".repeat(40));
    let value = "a".repeat(200_000);
    assert!(!matches(&pattern, &value));
}
