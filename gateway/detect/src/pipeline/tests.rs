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

const EDGE: &str = "
title: t
id: r
logsource: {product: iot, category: sensor_reading}
detection:
    s: {sensor_type: temperature}
    high: {value|gt: 8}
    condition: s and high
x-edge:
    key: [device_id]
    clear: {value|lt: 5}
    severity: [{level: critical, when: {value|gt: 20}}]
    expr: value > 9 && has(device_id)
";

const NAMES: &str = "
transformations:
    - type: field_name_mapping
      mapping: {device_id: dev.id, value: reading, sensor_type: kind, via: gateway}
      rule_conditions: [{type: logsource, product: iot}]
";

fn play(rule: &str, pipeline: &str, events: &[&str]) -> Vec<String> {
    let (set, errors) = RuleSet::load(&[("pipeline.yml", pipeline), ("rule.yml", rule)]);
    assert_eq!(errors, []);
    let mut engine = Engine::new(Arc::new(set), Limits::default());
    let mut out = Vec::new();
    for (second, event) in (0..).zip(events) {
        let time = Timestamp::from_seconds(1_795_514_400 + second * 60);
        let now = Now { wall: time, ..Now::default() };
        engine.handle_json(&LogSource::sensor_reading(), event.as_bytes(), time, now, &mut out);
    }
    let word = |cleared| if cleared { "-" } else { "+" };
    out.iter()
        .map(|draft| format!("{}{} {:?}", word(draft.cleared), draft.dedup_key, draft.severity))
        .collect()
}

#[test]
fn x_edge_uses_the_names_of_the_site_too() {
    let event = |value: u8| format!(r#"{{"dev":{{"id":"a"}},"kind":"temperature","reading":{value}}}"#);
    let events = [event(9), event(10), event(21), event(7), event(4)];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    assert_eq!(play(EDGE, NAMES, &events), ["+r|a Medium", "+r|a Critical", "-r|a Critical"]);

    // A pipeline for other log sources changes nothing.
    let other = NAMES.replace("product: iot", "product: windows");
    assert_eq!(play(EDGE, &other, &events), [""; 0]);
}

#[test]
fn every_field_that_x_edge_names_is_renamed() {
    let edge = |edge: &str, events: &[&str]| {
        let rule = format!(
            "title: t\nid: r\nlogsource: {{product: iot}}\ndetection: {{s: {{sensor_type: t}}, condition: s}}\nx-edge: {edge}\n"
        );
        play(&rule, NAMES, events).len()
    };
    let low = r#"{"dev.id":"a","kind":"t","reading":1}"#;
    let high = r#"{"dev.id":"a","kind":"t","reading":9}"#;
    assert_eq!(edge("{key: [device_id], scope: s, rate: {per: 1m, gt: 7}}", &[low, high]), 1);
    assert_eq!(edge("{key: [device_id], scope: s, delta: {field: value, gt: 7}}", &[low, high]), 1);
    assert_eq!(edge("{key: [device_id], scope: s, stuck: {for: 1m}}", &[low, low, high]), 2);
    assert_eq!(edge("{first-seen: {key: [device_id], value: value}}", &[low, high, low]), 2);

    let silence = "title: any\nid: any\nname: any\nlogsource: {product: iot}\ndetection: {s: {value|exists: true}, condition: s}\n---\n\
                   title: c\nid: c\ncorrelation: {type: event_count, rules: [any], group-by: [device_id], timespan: 1m, condition: {lt: 1}}\n\
                   x-edge: {trigger: timer, collapse-by: [via]}\n";
    let (set, errors) = RuleSet::load(&[
        ("p.yml", &*NAMES.replace("      rule_conditions: [{type: logsource, product: iot}]\n", "")),
        ("r.yml", silence),
    ]);
    assert_eq!(errors, []);
    let edge = set.find("c").and_then(|rule| rule.edge.as_ref()).expect("x-edge");
    assert_eq!(edge.collapse_by, [Arc::from("gateway")]);
}
