//! The documents of the crate say what is: examples run, tests that are named exist, keys stand in the schema.
//!
//! No prose is checked. Invariant: an example without `tests:` is no example.

use std::path::{Path, PathBuf};

use sitewarden_detect::rule_tests;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("a document")
}

#[test]
fn every_example_of_x_edge_passes_its_tests() {
    let text = read("X-EDGE.md");
    let mut examples = 0;
    for block in text.split("```yaml\n").skip(1) {
        let example = block.split("```").next().expect("a closed block");
        let report = rule_tests::run(&[("X-EDGE.md", example)]);
        assert!(report.passed(), "{example}\n{}", report.text());
        assert!(!report.tests.is_empty(), "{example}");
        examples += 1;
    }
    assert!(examples >= 11, "{examples}");
}

#[test]
fn every_key_of_x_edge_is_in_the_document_and_in_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&read("x-edge.schema.json")).expect("JSON");
    let text = read("X-EDGE.md");
    let keys = schema["properties"].as_object().expect("properties");
    for key in [
        "key",
        "scope",
        "for",
        "clear",
        "clear-for",
        "max-gap",
        "on-gap",
        "rate",
        "delta",
        "stuck",
        "first-seen",
        "trigger",
        "groups",
        "start-grace",
        "collapse-by",
        "suppress",
        "schedule",
        "severity",
        "expr",
    ] {
        assert!(keys.contains_key(key), "{key} is missing in the schema");
        assert!(text.contains(&format!("`{key}")), "{key} is missing in the document");
    }
    assert_eq!(keys.len(), 19);
}

#[test]
fn every_test_that_sigma_md_names_exists() {
    fn sources(folder: PathBuf, all: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(path, all);
            } else if path.extension().is_some_and(|end| end == "rs") {
                all.push_str(&std::fs::read_to_string(path).expect("source"));
            }
        }
    }
    let mut all = String::new();
    sources(root().join("src"), &mut all);
    sources(root().join("tests"), &mut all);
    let text = read("SIGMA.md");
    let mut named = 0;

    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| section")) {
        let cell = row.trim_end_matches('|').rsplit("| ").next().expect("a last cell");
        for name in cell.split('`').skip(1).step_by(2) {
            assert!(all.contains(&format!("fn {name}(")), "{name}: {row}");
            named += 1;
        }
    }

    assert!(named >= 30, "{named}");
}
