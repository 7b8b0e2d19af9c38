//! Tests of the condition parser: every form, and mistakes with their place.

use super::*;

fn selections() -> Vec<(Arc<str>, Logic)> {
    let names = ["selection_a", "selection_b", "filter_main", "keywords", "_hidden"];
    names.iter().enumerate().map(|(index, name)| (Arc::from(*name), Logic::Atom(index))).collect()
}

fn holds(condition: &str, set: &[usize]) -> bool {
    parse(condition, Place { line: 1, column: 1 }, &selections())
        .unwrap()
        .holds(&mut |atom| set.contains(&atom))
}

fn fault(condition: &str) -> Fault {
    parse(condition, Place { line: 7, column: 11 }, &selections()).unwrap_err()
}

/// Sigma rules specification, "Condition": each form.
#[test]
fn every_form_of_the_specification() {
    assert!(holds("selection_a or keywords", &[3]) && !holds("selection_a or keywords", &[1]));
    assert!(holds("1 of them", &[2]) && !holds("1 of them", &[4]), "`_hidden` is not one of them");
    assert!(holds("all of them", &[0, 1, 2, 3]) && !holds("all of them", &[0, 1, 2]));
    assert!(holds("all of selection*", &[0, 1]) && !holds("all of selection*", &[0]));
    assert!(holds("1 of selection* and not 1 of filter*", &[0]));
    assert!(!holds("1 of selection* and not 1 of filter*", &[0, 2]));
    assert!(holds("selection_a and (selection_b or keywords)", &[0, 3]));
    assert!(holds("any of *_a", &[0]) && holds("2 of them", &[1, 3]) && !holds("2 of them", &[1]));
    assert!(holds("ALL OF selection_* AND NOT keywords", &[0, 1]));
}

#[test]
fn not_binds_tighter_than_and_and_and_than_or() {
    assert!(holds("not selection_a and selection_b", &[1]));
    assert!(holds("keywords or selection_a and selection_b", &[3]));
    assert!(!holds("(keywords or selection_a) and selection_b", &[3]));
    assert!(holds("not not keywords", &[3]));
}

#[test]
fn faults_point_at_the_word() {
    let wrong = fault("selection_a and selektion");
    assert_eq!(wrong.place, Place { line: 7, column: 27 });
    assert!(wrong.hint.contains("selection_a, selection_b"), "{}", wrong.hint);
    assert_eq!(fault("selection_a and").place.column, 26);
    assert!(fault("(selection_a").message.contains("parenthesis"));
    assert!(fault("selection_a | count() > 5").hint.contains("correlation"));
    assert!(fault("some of them").message.contains("quantifier"));
    assert!(fault("9 of them").message.contains("never"));
    assert!(fault("1 of x*").message.contains("x*"));
    assert!(fault("selection_a keywords").message.contains("not expected"));
    assert!(fault(&"(".repeat(4_000)).message.contains("deeper"));
    assert!(fault(&"not ".repeat(2_000)).message.contains("deeper"));
    assert!(fault("").message.contains("early"));
}

#[test]
fn wildcards_in_names() {
    assert!(wildcard("a*c", "abc") && wildcard("*", "") && wildcard("a*b*c", "axbxc"));
    assert!(!wildcard("a*b", "a") && !wildcard("a", "ab") && !wildcard("ab*ba", "aba"));
}
