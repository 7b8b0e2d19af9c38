//! Tests of processing pipelines: names, values and log sources that they change.

use std::sync::Arc;

use sitewarden_core::{LogSource, Now, Timestamp};

use crate::engine::{Engine, Limits};
use crate::set::RuleSet;

const RULE: &str = "
title: t
id: r
logsource: {product: windows, category: process_creation}
detection:
    selection: {Image|endswith: '\\cmd.exe', User|expand: '%admins%'}
    condition: selection
";

fn matches(pipeline: &str, rule: &str, source: [&str; 2], event: &str) -> bool {
    let (set, errors) = RuleSet::load(&[("pipeline.yml", pipeline), ("rule.yml", rule)]);
    assert_eq!(errors, []);
    let mut engine = Engine::new(Arc::new(set), Limits::default());
    let mut out = Vec::new();
    let [product, category] = source.map(|part| Some(Arc::from(part)));
    let source = LogSource { product, category, service: None };
    engine.handle_json(&source, event.as_bytes(), Timestamp::default(), Now::default(), &mut out);
    !out.is_empty()
}

#[test]
fn names_values_sources_and_placeholders_of_the_site() {
    let pipeline = "
name: site
priority: 10
vars: {admins: [root, 'adm_*']}
transformations:
    - {id: values, type: value_placeholders}
    - type: field_name_mapping
      mapping: {Image: [process.path, process.exe]}
      rule_conditions: [{type: logsource, product: windows}]
    - {type: field_name_suffix, suffix: _name, field_name_conditions: [{type: include_fields, fields: [User]}]}
    - {type: replace_string, regex: '^\\\\(.*)$', replacement: '/\\1'}
    - {type: add_condition, conditions: {host|startswith: srv}}
    - {type: change_logsource, product: windows, category: edr}
";
    let event = |path: &str, user: &str, host: &str| {
        format!(r#"{{"process":{{"exe":"{path}"}},"User_name":"{user}","host":"{host}"}}"#)
    };
    let hit = |event: &str| matches(pipeline, RULE, ["windows", "edr"], event);

    assert!(hit(&event("c:/cmd.exe", "adm_7", "SRV1")));
    assert!(!hit(&event("c:/cmd.exe", "eve", "srv1")) && !hit(&event("c:/cmd.exe", "root", "pc1")));
    assert!(!hit(&event("c:/sh.exe", "root", "srv1")));
    assert!(!matches(pipeline, RULE, ["windows", "process_creation"], &event("c:/cmd.exe", "root", "srv1")));
}

#[test]
fn items_can_be_dropped_and_placeholders_can_be_anything() {
    let pipeline = "
transformations:
    - {type: wildcard_placeholders}
    - type: drop_detection_item
      field_name_conditions: [{type: exclude_fields, fields: [Image]}]
";
    assert!(matches(pipeline, RULE, ["windows", "process_creation"], r#"{"Image":"x\\cmd.exe"}"#));
}

#[test]
fn what_a_pipeline_refuses_or_does_not_know_is_told() {
    for (pipeline, told) in [
        ("transformations: [{type: rule_failure, message: not here}]", "not here"),
        ("transformations: [{type: detection_item_failure, message: not this}]", "not this"),
        ("transformations: [{type: shuffle}]", "shuffle"),
        ("transformations: [{type: field_name_prefix}]", "prefix"),
        ("transformations: [{type: drop_detection_item, rule_conditions: [{type: moon}]}]", "moon"),
        ("transformations: []\nfinalizers: [{type: json}]", "finalizers"),
    ] {
        let rule = RULE.replace("|expand: '%admins%'", ": root");
        let (_, errors) = RuleSet::load(&[("pipeline.yml", pipeline), ("rule.yml", &rule)]);
        assert!(errors.iter().any(|error| error.message.contains(told)), "{pipeline}: {errors:?}");
    }
}
