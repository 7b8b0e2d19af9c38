//! Mistakes in profile files: file, line, column, what is wrong and what would be right.
//!
//! Also which pattern is taken and which files stay. Not what payloads mean.

use super::*;

fn mistake(text: &str) -> ProfileError {
    let (dialects, mut errors) = Dialects::load(&[("bad.toml", text)]);
    assert_eq!((dialects.patterns(), errors.len()), (0, 1), "{errors:?}");
    errors.remove(0)
}

#[test]
fn each_mistake_is_located_and_says_what_would_be_right() {
    let topic = "[[topic]]\npayload = \"value\"\n";
    let cases = [
        (
            "[[topic]]\npatern = \"a\"\npayload = \"value\"\n".to_owned(),
            2,
            1,
            "unknown field `patern`",
            "`pattern`",
        ),
        (
            "[[topic]]\npattern = \"a\"\npayload = \"valeu\"\n".to_owned(),
            3,
            11,
            "unknown variant `valeu`",
            "`value`",
        ),
        (format!("{topic}pattern = \"a/{{metric\"\n"), 3, 11, "no closing brace", "`{metric}`"),
        (format!("{topic}pattern = \"a/#/b\"\n"), 3, 11, "`#` is not the last level", "at the end"),
        (format!("{topic}pattern = \"a/b\"\n"), 3, 11, "which metric", "`{metric}`"),
        (format!("{topic}pattern = \"{{a}}/{{a}}\"\n"), 3, 11, "stands twice", "own name"),
        (
            format!("{topic}pattern = \"a/{{metric}}\"\n  device = \"{{dev}}\"\n"),
            4,
            12,
            "no part `{dev}`",
            "the pattern has `{metric}`",
        ),
        (
            format!("{topic}pattern = \"a/{{metric}}\"\nnamespace = \"mqtt\"\n"),
            4,
            13,
            "cannot be a namespace",
            "`mqtt`",
        ),
        (
            format!("{topic}pattern = \"a/{{metric}}\"\n[topic.metrics.t]\nscale = nan\n"),
            5,
            9,
            "not a finite number",
            "0.1",
        ),
        (
            format!("{topic}pattern = \"a/{{metric}}\"\n[topic.metrics.t]\nunit = \"{}\"\n", "x".repeat(17)),
            5,
            8,
            "cannot be a unit",
            "Cel",
        ),
        (
            format!("{topic}pattern = \"a/{{metric}}\"\n[topic.metrics.t]\nunits = \"Cel\"\n"),
            5,
            1,
            "unknown field `units`",
            "`unit`",
        ),
        ("[[topic]\n".to_owned(), 1, 9, "", ""),
    ];
    for (text, line, column, message, hint) in cases {
        let error = mistake(&text);
        assert_eq!((error.line, error.column), (line, column), "{error}\n{text}");
        assert!(error.message.contains(message) && error.hint.contains(hint), "{error}\n{text}");
        assert!(error.to_string().starts_with(&format!("bad.toml:{line}:{column}: ")), "{error}");
    }
}

#[test]
fn a_key_that_is_missing_is_told_at_the_table_that_lacks_it() {
    let topic = "[[topic]]\npattern = \"a/{metric}\"\npayload = \"value\"\n\n";
    let error = mistake(&format!("{topic}[[topic]]\npayload = \"value\"\n"));
    assert_eq!((error.line, error.column), (5, 1), "{error}");
    assert!(error.message.contains("missing field `pattern`"), "{error}");
}

#[test]
fn all_mistakes_of_a_file_are_told_and_the_other_files_stay() {
    let bad =
        "[[topic]]\npattern = \"a#\"\npayload = \"value\"\n[[topic]]\npattern = \"\"\npayload = \"value\"\n";
    let good = "[[topic]]\npattern = \"g/{metric}\"\npayload = \"value\"\n";
    let (dialects, errors) = Dialects::load(&[("bad.toml", bad), ("good.toml", good)]);
    assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(only(&decode(&dialects, "g/m", "1")).1, "m");
}

#[test]
fn the_first_pattern_that_fits_is_taken() {
    let dialects = profile(
        "[[topic]]\npattern = \"a/special/+\"\npayload = \"value\"\nmetric = \"one\"\n\
         [[topic]]\npattern = \"a/#\"\npayload = \"value\"\nmetric = \"two\"\n",
    );
    for (topic, metric) in
        [("a/special/x", "one"), ("a/other", "two"), ("a/special/x/y", "two"), ("a", "two")]
    {
        assert_eq!(only(&decode(&dialects, topic, "1")).1, metric, "{topic}");
    }
    assert_eq!(reason(&decode(&dialects, "b", "1")), &UnknownReason::NoProfile);
}

#[test]
fn a_namespace_made_from_the_topic_is_never_that_of_clients() {
    let dialects = profile("[[topic]]\npattern = \"mqtt/{device}/{metric}\"\npayload = \"value\"\n");
    assert_eq!(only(&decode(&dialects, "mqtt/boss/m", "1")).0, "topic:boss");
}
