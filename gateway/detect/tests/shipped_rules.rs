//! The rules that the project ships: they load, each has tests, and the tests pass.
//!
//! The radio recordings are not part of the project: without `SITEWARDEN_TESTDATA` their test is skipped by name,
//! with `CI=true` it fails.

use std::path::Path;
use std::sync::Arc;

use sitewarden_core::{LogSource, Now, Timestamp};
use sitewarden_detect::{Engine, Limits, RuleSet, rule_tests};

fn files() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|end| end == "yml") {
                let text = std::fs::read_to_string(&path).expect("a rule");
                files.push((path.display().to_string(), text));
            }
        }
    }
    let mut files = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/rules"), &mut files);
    files.sort();
    files
}

#[test]
fn every_shipped_rule_passes_its_own_tests() {
    let report = rule_tests::run(&files());

    assert!(report.passed(), "{}", report.text());
    assert_eq!(report.untested, [] as [Arc<str>; 0]);
    assert!(report.tests.len() >= 24, "{}", report.tests.len());
}

/// A client that nobody here wrote: pySigma reads every rule, resolves its references and parses its conditions.
#[test]
fn pysigma_accepts_every_shipped_rule() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = project.join(".venv/bin/python");
    let mut command = std::process::Command::new(python);
    let known =
        command.args(["-c", "import sigma.collection"]).output().is_ok_and(|out| out.status.success());
    if !known {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "pysigma is not installed");
        println!("skipped: pysigma_accepts_every_shipped_rule: pysigma is not installed (make setup)");
        return;
    }
    let mut command = std::process::Command::new(command.get_program());
    let output = command
        .arg(project.join("tests/stories/peers/pysigma_check.py"))
        .arg(project.join("config/rules"))
        .output()
        .expect("python runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let (set, _) = RuleSet::load(&files());
    assert!(told.ends_with(&format!("{} rules\n", set.len())), "{told}");
}

#[test]
fn implausible_radio_readings_are_found() {
    let Some(folder) = std::env::var_os("SITEWARDEN_TESTDATA") else {
        assert!(std::env::var_os("CI").is_none(), "SITEWARDEN_TESTDATA is not set");
        println!("skipped: implausible_radio_readings_are_found (no SITEWARDEN_TESTDATA)");
        return;
    };
    let path = Path::new(&folder).join("rtl433/codes_real.expected.jsonl");
    let text = std::fs::read_to_string(&path).expect("the recording");
    let (set, errors) = RuleSet::load(&files());
    assert_eq!(errors, []);
    let mut engine = Engine::new(Arc::new(set), Limits::default());
    let mut found = Vec::new();

    for (second, line) in (0_i64..).zip(text.lines()) {
        let message: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let number = |key: &str| message.get(key).and_then(serde_json::Value::as_f64);
        let celsius = number("temperature_C").or_else(|| number("temperature_F").map(|f| (f - 32.0) / 1.8));
        let readings = [("temperature", "Cel", celsius), ("humidity", "%", number("humidity"))];
        for (metric, unit, value) in readings {
            let Some(value) = value else { continue };
            let event = serde_json::json!({
                "device_id": format!("{}:{}", message["model"], message["id"]),
                "sensor_type": metric, "unit": unit, "value": value,
            });
            let time = Timestamp::from_seconds(1_795_514_400 + second);
            let now = Now { wall: time, ..Now::default() };
            let mut out = Vec::new();
            engine.handle_json(
                &LogSource::sensor_reading(),
                event.to_string().as_bytes(),
                time,
                now,
                &mut out,
            );
            let hit = out.iter().any(|draft| &*draft.title == "Implausible sensor reading");
            found.extend(hit.then(|| format!("{value:.1}")));
        }
    }

    let wanted = [
        "-111.0", "0.0", "141.8", "139.8", "139.6", "138.0", "139.4", "137.8", "139.2", "96.9", "168.0",
        "-143.5", "170.0",
    ];
    assert_eq!(found, wanted);
}
