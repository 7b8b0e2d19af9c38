//! Tests of expressions: values, bounds, mistakes with their place.

use super::*;

fn holds(expression: &str) -> bool {
    let fields: Vec<(Arc<str>, Value)> = vec![
        ("value".into(), Value::Float(21.5)),
        ("limit".into(), Value::Int(70)),
        ("site".into(), Value::from("north")),
        ("on".into(), Value::Bool(true)),
        ("a".into(), Value::Map(vec![("b".into(), Value::Int(3))])),
    ];
    parse(expression).unwrap().holds(Fields(&fields))
}

fn parse(expression: &str) -> Result<Expr, Fault> {
    let node = Node {
        place: crate::error::Place { line: 1, column: 1 },
        kind: crate::yaml::Kind::Scalar { text: expression.to_owned(), plain: false },
    };
    Expr::parse(&node)
}

#[test]
fn the_language() {
    for expression in [
        "value * 1.8 + 32.0 > limit",
        "site in [\"north\", 'south'] && on",
        "!(value > 100 || limit == 1)",
        "has(site) && !has(nothing)",
        "size(site) == 5 && site.size() == 5",
        "site.startsWith(\"no\") && site.endsWith(\"th\") && site.contains(\"ort\")",
        "min(value, 3) == a.b && max(1, 2) == 2 && abs(-2.5) == 2.5",
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 % 4 == 3 && 8 / 2 / 2 == 2",
        "nothing > 1 || on",
        "value != limit",
        "-value < 0",
    ] {
        assert!(holds(expression), "{expression}");
    }
}

#[test]
fn what_is_missing_or_of_the_wrong_type_is_false() {
    for expression in [
        "nothing > 1",
        "site > 1",
        "nothing && on",
        "value",
        "1 / 0 > 1",
        "site.size() > on",
        "!(nothing > 1)",
        "on == 1",
    ] {
        assert!(!holds(expression), "{expression}");
    }
}

#[test]
fn an_evaluation_reads_a_bounded_amount_of_text() {
    let fields = vec![(Arc::from("text"), Value::from("x".repeat(1 << 20).as_str()))];
    let holds = |terms: usize| {
        let expression = vec!["text.size() > 1"; terms].join(" && ");
        parse(&expression).unwrap().holds(Fields(&fields))
    };
    assert!(holds(4), "a megabyte, four times");
    assert!(!holds(5));
    assert!(parse("text.contains('y') || text.endsWith('x')").unwrap().holds(Fields(&fields)));
}

#[test]
fn fields_get_the_names_of_the_site() {
    let text = "!(has(a.b) && -c < 1) || d in [e, 'x'] || size(f) == 1";
    let mut expression = parse(text).unwrap();
    expression.rename(&|name| Arc::from(format!("{name}_")));
    let renamed = parse("!(has(a.b_) && -c_ < 1) || d_ in [e_, 'x'] || size(f_) == 1").unwrap();
    assert_eq!(expression.root, renamed.root);
}

#[test]
fn faults() {
    let methods = format!("value{}", ".size()".repeat(300));
    let lists = format!("value{}", " in [on]".repeat(300));
    let long = "1+".repeat(2_000);
    let deep = format!("{}1{}", "(".repeat(1_500), ")".repeat(1_500));
    let wide = format!("1{}", "+1".repeat(400));
    for expression in [
        "",
        "1 +",
        "value >",
        "(1",
        "\"x",
        "1 2",
        "f(1)",
        "value.map(x)",
        "#",
        "has(1)",
        "min(1)",
        "in [1]",
        &long,
        &deep,
        &wide,
        &methods,
        &lists,
    ] {
        assert!(parse(expression).is_err(), "{expression}");
    }
}
