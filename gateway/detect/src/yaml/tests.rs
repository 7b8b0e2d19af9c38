//! Tests of the YAML reader: places, bounds, what it refuses.

use super::*;

fn one(text: &str) -> Node {
    let (mut documents, fault) = read(text);
    assert_eq!(fault, None, "{text}");
    documents.remove(0).root
}

#[test]
fn places_count_from_one_and_documents_keep_their_text() {
    let text = "a: 1\nb: [x, 'y']\n---\n# second\nc: {d: ~}\n";
    let (documents, fault) = read(text);

    assert_eq!((documents.len(), fault), (2, None));
    let list = documents[0].root.get("b").unwrap();
    assert_eq!(list.place, Place { line: 2, column: 4 });
    assert_eq!(list.items()[1].place, Place { line: 2, column: 8 });
    assert_eq!(documents[0].source, "a: 1\nb: [x, 'y']");
    assert_eq!(documents[1].source, "# second\nc: {d: ~}");
}

#[test]
fn scalars_follow_the_core_schema() {
    let node = one("[1, -2, 1.5, 0x10, true, null, '1', yes, 1.2.3, 1e3, .inf, '']");
    let scalars: Vec<_> = node.items().iter().map(|n| n.scalar().unwrap()).collect();
    use Scalar::{Bool, Float, Int, Null, Text};
    assert_eq!(
        scalars,
        [
            Int(1),
            Int(-2),
            Float(1.5),
            Int(16),
            Bool(true),
            Null,
            Text("1"),
            Text("yes"),
            Text("1.2.3"),
            Float(1000.0),
            Text(".inf"),
            Text("")
        ]
    );
}

#[test]
fn bombs_twins_and_depth_are_refused_with_their_place() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let alias = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![alias; 9].join(", ")));
    }
    let fault = read(&bomb).1.expect("refused");
    assert!(fault.message.contains("YAML nodes"), "{}", fault.message);

    let fault = read("a: 1\nb: 2\na: 3\n").1.expect("refused");
    assert_eq!(fault.place, Place { line: 3, column: 1 });

    let deep = format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(read(&deep).1.is_some());
    assert!(read("a: [1, 2").1.is_some());
    assert!(read("a: &x [*x]").1.is_some());
    assert!(read("? [a]\n: 1").1.is_some());
}

#[test]
fn small_aliases_are_expanded() {
    let node = one("a: &a {x: 1}\nb: *a\n");
    assert_eq!(node.get("b").and_then(|b| b.get("x")).and_then(Node::scalar), Some(Scalar::Int(1)));
}
