//! The documents of the crate say what is: examples run, tests that are named exist, keys stand in the schema.
//!
//! No prose is checked. Invariant: an example without `tests:` is no example.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sitewarden_detect::{RuleSet, rule_tests};

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
    let schema: Value = serde_json::from_str(&read("x-edge.schema.json")).expect("JSON");
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
    // Each of them stands in an example that runs.
    let examples: String =
        text.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    for key in keys.keys() {
        assert!(examples.contains(&format!("{key}: ")), "no example uses {key}");
    }
}

/// Whether a value fits a schema: the keywords that `x-edge.schema.json` uses, and no other.
fn fits(schema: &Value, root: &Value, value: &Value) -> bool {
    let all = schema.as_object().expect("a schema is a map");
    all.iter().all(|(keyword, wanted)| {
        let any =
            |wanted: &Value| wanted.as_array().expect("a list").iter().any(|one| fits(one, root, value));
        match keyword.as_str() {
            "$schema" | "title" => true,
            "$defs" => wanted.is_object(),
            "$ref" => {
                let pointer = wanted.as_str().and_then(|name| name.strip_prefix('#')).expect("a reference");
                fits(root.pointer(pointer).expect("a definition"), root, value)
            }
            "anyOf" => any(wanted),
            "type" => {
                let names = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                names.iter().any(|name| match name.as_str().expect("a type") {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    other => panic!("type {other}"),
                })
            }
            "enum" => wanted.as_array().expect("a list").contains(value),
            "const" => wanted == value,
            "pattern" => {
                let pattern = regex::Regex::new(wanted.as_str().expect("a pattern")).expect("a pattern");
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| text.len() as u64 <= wanted.as_u64().expect("a length"))
            }
            "minItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().expect("a length"))
            }
            "required" => value.as_object().is_none_or(|map| {
                wanted
                    .as_array()
                    .expect("a list")
                    .iter()
                    .all(|key| map.contains_key(key.as_str().expect("a key")))
            }),
            "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(wanted, root, item))),
            "properties" => value.as_object().is_none_or(|map| {
                map.iter().all(|(key, item)| wanted.get(key).is_none_or(|schema| fits(schema, root, item)))
            }),
            "additionalProperties" => value.as_object().is_none_or(|map| {
                let known = schema.get("properties").expect("properties");
                map.keys().all(|key| known.get(key).is_some())
            }),
            other => panic!("{other} is not read here"),
        }
    })
}

/// The `x-edge` sections of rule documents.
fn sections(text: &str) -> Vec<Value> {
    let documents =
        text.split("\n---\n").map(|document| serde_saphyr::from_str::<Value>(document).expect("YAML"));
    documents.filter_map(|document| document.get("x-edge").cloned()).collect()
}

#[test]
fn the_schema_for_editors_says_what_the_engine_says() {
    let schema: Value = serde_json::from_str(&read("x-edge.schema.json")).expect("JSON");
    let mut good = Vec::new();
    for block in read("X-EDGE.md").split("```yaml\n").skip(1) {
        good.extend(sections(block.split("```").next().expect("a closed block")));
    }
    for case in read("tests/x_edge.yml").split("\n===\n") {
        good.extend(sections(case));
    }
    assert!(good.len() >= 30, "{}", good.len());
    for section in good {
        assert!(fits(&schema, &schema, &section), "{section}");
    }

    let loads = |section: &str| {
        let rule = "title: t\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n";
        RuleSet::load(&[("r.yml", format!("{rule}x-edge: {section}\n"))]).1.is_empty()
    };
    for (section, right) in [
        ("{key: device_id, for: 5m}", true),
        ("{key: [a, b], scope: [s, not s], severity: {level: low, when: {b|gt: 1}}}", true),
        ("{schedule: {days: mon, from: '7:00', to: '24:00', zone: Europe/Berlin}}", true),
        ("{delta: {gt: 1.5, abs: true}}", true),
        ("{clear: [{a: 2}, {a: 3}], clear-for: 90s}", true),
        ("{for: 5}", false),
        ("{for: 5 minutes}", false),
        ("{fore: 5m}", false),
        ("{on-gap: explode, max-gap: 1m}", false),
        ("{rate: {gt: 1}}", false),
        ("{rate: {per: 1m}}", false),
        ("{delta: {per: 1m, gt: 1}}", false),
        ("{delta: {gt: much}}", false),
        ("{stuck: {field: a}}", false),
        ("{first-seen: {key: [a]}}", false),
        ("{suppress: {by: [a]}}", false),
        ("{trigger: event}", false),
        ("{schedule: {from: '25:00'}}", false),
        ("{schedule: {from: '24:00'}}", false),
        ("{schedule: {days: []}}", false),
        ("{schedule: {days: [monday]}}", false),
        ("{severity: [{level: bad, when: {a: 1}}]}", false),
        ("{severity: [{level: low}]}", false),
        ("[key]", false),
    ] {
        let value: Value = serde_saphyr::from_str(section).expect("YAML");
        assert_eq!(loads(section), right, "the engine: {section}");
        assert_eq!(fits(&schema, &schema, &value), right, "the schema: {section}");
    }
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
