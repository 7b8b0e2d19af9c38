//! rsigma over rule files and events, in the same form as `sitewarden rules match --json`.
//!
//! Not part of the product. It times JSON bytes to matches, with logsource routing on and each of rsigma's
//! optional indexes on or off (`--bloom`, `--cross`), so that the fastest configuration can be taken.

use std::path::Path;
use std::time::{Duration, Instant};

use rsigma_eval::{Engine, JsonEvent, LogSourceExtractor};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut rules, mut events, mut repeat, mut bloom, mut cross) = (String::new(), String::new(), 1, false, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rules" => rules = arguments.next().expect("a folder"),
            "--events" => events = arguments.next().expect("a file"),
            "--repeat" => repeat = arguments.next().and_then(|n| n.parse().ok()).expect("a number"),
            "--bloom" => bloom = true,
            "--cross" => cross = true,
            "--json" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    let mut engine = Engine::with_logsource_extractor(LogSourceExtractor::new());
    engine.set_bloom_prefilter(bloom);
    engine.set_cross_rule_ac(cross);
    let mut files = Vec::new();
    walk(Path::new(&rules), &mut files);
    files.sort();
    let mut errors = Vec::new();
    let load = Instant::now();
    let mut parsed = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a rule file");
        match rsigma_parser::parse_sigma_yaml(&text) {
            Ok(collection) => parsed.extend(collection.rules),
            Err(error) => errors.push(serde_json::json!({"file": file, "reason": error.to_string()})),
        }
    }
    for (index, error) in engine.add_rules(parsed.iter()) {
        errors.push(serde_json::json!({"file": parsed[index].id, "reason": error.to_string()}));
    }
    let load = load.elapsed();
    let bytes = std::fs::read(&events).expect("events");
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut matches: Vec<(usize, Option<String>)> = Vec::new();
    let mut spans: Vec<Duration> = Vec::new();
    for _ in 0..repeat {
        matches.clear();
        let start = Instant::now();
        for (index, line) in lines.iter().enumerate() {
            let value: serde_json::Value = serde_json::from_slice(line).expect("JSON");
            let found = engine.evaluate(&JsonEvent::borrow(&value));
            matches.extend(found.into_iter().map(|result| (index + 1, result.header.rule_id.clone())));
        }
        spans.push(start.elapsed());
    }
    let matches: Vec<_> = matches
        .into_iter()
        .map(|(event, rule)| serde_json::json!({"event": event, "rule": rule, "cleared": false}))
        .collect();
    spans.sort();
    let us = spans[spans.len() / 2].as_secs_f64() * 1e6 / lines.len() as f64;
    let report = serde_json::json!({
        "rules": engine.rule_count(), "events": lines.len(), "matches": matches, "errors": errors,
        "us_per_event": us, "load_ms": load.as_secs_f64() * 1e3,
    });
    println!("{report}");
}

fn walk(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of rules") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|end| end == "yml" || end == "yaml") {
            files.push(path);
        }
    }
}
