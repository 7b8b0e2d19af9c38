//! Tests of rule sets: loading, references between rules, mistakes.

use super::*;

#[test]
fn nothing_behind_the_last_separator_is_no_fault() {
    let rule = "title: t\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n";
    for text in
        [format!("{rule}---\n"), format!("---\n{rule}...\n"), format!("# only\n---\n{rule}---\n# said\n")]
    {
        let (set, errors) = RuleSet::load(&[("r.yml", &text)]);
        assert_eq!((set.len(), errors.as_slice()), (1, [].as_slice()), "{text}");
    }
}

const RULE: &str = "title: t\nlogsource: {product: p}\ndetection:\n  sel: {a: 1}\n  condition: sel\n";

fn fault(text: &str) -> RuleError {
    let (set, mut errors) = RuleSet::load(&[("dir/rule.yml", text)]);
    assert!(set.is_empty(), "{text}");
    errors.remove(0)
}

#[test]
fn a_rule_that_does_not_load_leaves_the_others_alone() {
    let (set, errors) = RuleSet::load(&[("a.yml", RULE), ("b.yml", "title: [\n"), ("c.yml", RULE)]);

    assert_eq!(set.len(), 2);
    assert_eq!(errors.len(), 1);
    assert_eq!(&*errors[0].file, "b.yml");
    assert_eq!(&*set.rules()[1].id, "c.yml#1");
}

#[test]
fn errors_name_file_line_column_and_what_would_be_right() {
    let text = RULE.replace("condition: sel", "condition: sel and flter");
    let error = fault(&text);

    assert_eq!((error.line, error.column), (5, 22));
    let told = error.to_string();
    assert_eq!(told, "dir/rule.yml:5:22: no selection is named `flter`; the rule has: sel");

    let error = fault(&RULE.replace("a: 1", "a|contians: x"));
    assert_eq!((error.line, error.column), (4, 11));
    assert!(error.hint.contains("contains"), "{error}");

    for (from, to, line) in [
        ("product: p", "product", 2),
        ("title: t\n", "", 1),
        ("title: t\n", "title: t\nlevel: urgent\n", 2),
        ("a: 1", "a|re: '('", 4),
        ("a: 1", "a|re: '(?=x)'", 4),
        ("a: 1", "a|re: '(x{1000}){1000}'", 4),
        ("a: 1", "a|lt: many", 4),
        ("a: 1", "a|cidr: 10.0.0.0/99", 4),
        ("a: 1", "a|exists: maybe", 4),
        ("a: 1", "a|re|contains: x", 4),
        ("a: 1", "a|i: x", 4),
        ("a: 1", "a|expand: '%unknown%'", 4),
        ("a: 1", "a|utf16: x", 4),
        ("a: 1", "a: {b: 1}", 4),
        ("{a: 1}", "{}", 4),
        ("  condition: sel\n", "", 4),
        ("  condition: sel\n", "  timeframe: 5m\n", 5),
    ] {
        let error = fault(&RULE.replace(from, to));
        assert_eq!(error.line, line, "{error}");
        assert!(!error.hint.is_empty() && error.column > 0, "{error}");
    }
}

#[test]
fn ids_and_names_are_unique() {
    let rule = RULE.replace("title: t", "title: t\nid: x\nname: n");
    let (set, errors) = RuleSet::load(&[("a.yml", &rule), ("b.yml", &rule)]);

    assert_eq!((set.len(), errors.len()), (1, 1));
    assert!(errors[0].message.contains("a.yml"), "{}", errors[0]);
    assert!(set.find("n").is_some() && set.find("x").is_some());
}
