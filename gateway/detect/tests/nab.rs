//! A hold on a public recording: machine temperature of the Numenta Anomaly Benchmark.
//!
//! Its samples are five minutes apart on their own clock, which once goes back by 55 minutes. The recording is not
//! part of the project: without `SITEWARDEN_TESTDATA` the test is skipped by name, with `CI=true` it fails.

use std::sync::Arc;

use sitewarden_core::{LogSource, Now, Timestamp};
use sitewarden_detect::{Engine, Limits, RuleSet};

const RULE: &str = "
title: Machine too cold
id: machine-cold
logsource: {product: iot, category: sensor_reading}
detection:
  cold: {value|lt: 40}
  condition: cold
x-edge: {for: 10m}
";

#[test]
fn machine_temperature_below_40_for_10_minutes_fires_three_times() {
    let Some(folder) = std::env::var_os("SITEWARDEN_TESTDATA") else {
        assert!(std::env::var_os("CI").is_none(), "SITEWARDEN_TESTDATA is not set");
        println!(
            "skipped: machine_temperature_below_40_for_10_minutes_fires_three_times (no SITEWARDEN_TESTDATA)"
        );
        return;
    };
    let path = std::path::Path::new(&folder).join("nab/machine_temperature_system_failure.csv.xz");
    let read = std::process::Command::new("xz").arg("-dc").arg(&path).output().expect("xz runs");
    assert!(read.status.success(), "{}", path.display());
    let text = String::from_utf8(read.stdout).expect("text");
    let (set, errors) = RuleSet::load(&[("nab.yml", RULE)]);
    assert_eq!(errors, []);
    let mut engine = Engine::new(Arc::new(set), Limits::default());
    let mut out = Vec::new();
    let mut readings = 0;

    for line in text.lines().skip(1) {
        let (time, value) = line.split_once(',').expect("two columns");
        let time = Timestamp::parse_rfc3339(&format!("{}Z", time.replace(' ', "T"))).expect("a time");
        let now = Now { wall: time, ..Now::default() };
        let json = format!(r#"{{"device_id":"machine","sensor_type":"temperature","value":{value}}}"#);
        engine.handle_json(&LogSource::sensor_reading(), json.as_bytes(), time, now, &mut out);
        readings += 1;
    }

    let fired: Vec<String> =
        out.iter().filter(|draft| !draft.cleared).map(|draft| draft.time.to_string()).collect();
    assert_eq!(readings, 22_695);
    assert_eq!(fired, ["2013-12-16T15:50:00Z", "2014-02-08T04:25:00Z", "2014-02-08T05:20:00Z"]);
}
