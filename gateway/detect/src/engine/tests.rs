//! Tests of the engine: holds, windows, timers, reloads, on events with times.

use std::sync::Arc;

use super::*;

/// Rules under test with a clock of its own.
struct Bench {
    engine: Engine,
    out: Vec<FindingDraft>,
}

impl Bench {
    fn new(rule: &str) -> Self {
        let (set, errors) = RuleSet::load(&[("test.yml", rule)]);
        assert_eq!(errors, []);
        Self { engine: Engine::new(Arc::new(set), Limits::default()), out: Vec::new() }
    }

    /// Sends a JSON event at a second; gives what came, `+key` or `-key` for ends.
    fn send(&mut self, second: i64, json: &str) -> Vec<String> {
        let time = Timestamp::from_seconds(1_700_000_000 + second);
        let now = Now { wall: time, mono: Monotonic::from_micros(second.max(0).cast_unsigned() * 1_000_000) };
        self.engine.handle_json(&LogSource::sensor_reading(), json.as_bytes(), time, now, &mut self.out);
        self.out
            .drain(..)
            .map(|draft| format!("{}{}", if draft.cleared { "-" } else { "+" }, draft.dedup_key))
            .collect()
    }
}

const COLD_ROOM: &str = "
title: Cold-room temperature
id: cold
logsource: {product: iot, category: sensor_reading}
detection:
  selection: {sensor_type: temperature, zone: cold}
  high: {value|gt: 8}
  low: {value|lt: 2}
  condition: selection and (high or low)
x-edge: {key: [device_id], for: 5m, clear: {value|gte: 3, value|lte: 7}, clear-for: 2m, max-gap: 30s, on-gap: hold}
";

fn reading(value: f64) -> String {
    format!(r#"{{"device_id":"a","sensor_type":"temperature","zone":"cold","value":{value}}}"#)
}

#[test]
fn a_hold_fires_once_and_clears_after_the_hysteresis() {
    let mut bench = Bench::new(COLD_ROOM);
    let mut seen = Vec::new();
    for second in (0..=1200).step_by(30) {
        // 9 degrees until 600 s, then 7.5 (neither high nor clear) until 900 s, then 5.
        let value = if second <= 600 {
            9.0
        } else if second <= 900 {
            7.5
        } else {
            5.0
        };
        for found in bench.send(second, &reading(value)) {
            seen.push((second, found));
        }
    }

    assert_eq!(seen, [(300, "+cold|a".to_owned()), (1050, "-cold|a".to_owned())]);
}

#[test]
fn other_readings_leave_the_hold_alone_and_other_keys_count_for_themselves() {
    let mut bench = Bench::new(COLD_ROOM);
    for second in (0..300).step_by(30) {
        assert_eq!(bench.send(second, &reading(9.0)), [""; 0]);
        let other = r#"{"device_id":"a","sensor_type":"humidity","zone":"cold","value":50}"#;
        assert_eq!(bench.send(second, other), [""; 0]);
        assert_eq!(
            bench.send(second, r#"{"device_id":"a","sensor_type":"temperature","zone":"cold"}"#),
            [""; 0]
        );
        let warm = r#"{"device_id":"b","sensor_type":"temperature","zone":"cold","value":5}"#;
        assert_eq!(bench.send(second, warm), [""; 0]);
    }
    assert_eq!(bench.send(300, &reading(1.0)), ["+cold|a"]);
}

#[test]
fn the_condition_must_hold_all_the_time() {
    let mut bench = Bench::new(COLD_ROOM);
    for second in (0..=600).step_by(30) {
        let value = if second == 270 { 6.0 } else { 9.0 };
        let expected: &[&str] = if second == 600 { &["+cold|a"] } else { &[] };
        assert_eq!(bench.send(second, &reading(value)), expected, "{second}");
    }
}

#[test]
fn gaps_hold_clear_or_fire() {
    // hold: the unobserved ten minutes do not count.
    let mut bench = Bench::new(COLD_ROOM);
    bench.send(0, &reading(9.0));
    assert_eq!(bench.send(600, &reading(9.0)), [""; 0]);
    for second in (630..900).step_by(30) {
        assert_eq!(bench.send(second, &reading(9.0)), [""; 0]);
    }
    assert_eq!(bench.send(900, &reading(9.0)), ["+cold|a"]);

    let mut bench =
        Bench::new(&COLD_ROOM.replace("on-gap: hold", "on-gap: clear").replace("for: 5m", "for: 0s"));
    assert_eq!(bench.send(0, &reading(9.0)), ["+cold|a"]);
    assert_eq!(bench.send(60, &reading(9.0)), ["-cold|a", "+cold|a"]);

    let mut bench = Bench::new(&COLD_ROOM.replace("on-gap: hold", "on-gap: fire"));
    assert_eq!(bench.send(0, &reading(5.0)), [""; 0]);
    assert_eq!(bench.send(60, &reading(9.0)), ["+cold|a"]);
}

#[test]
fn clocks_that_jump_never_complete_a_hold() {
    let rule = COLD_ROOM.replace(", max-gap: 30s, on-gap: hold", "");
    let mut bench = Bench::new(&rule);
    let json = reading(9.0);
    let mut at = |time: i64| {
        let now = Now { wall: Timestamp::from_seconds(1_700_000_000), mono: Monotonic::default() };
        let time = Timestamp::from_seconds(time);
        bench.engine.handle_json(&LogSource::sensor_reading(), json.as_bytes(), time, now, &mut bench.out);
        bench.out.len()
    };

    assert_eq!(at(1_700_000_000), 0);
    assert_eq!(at(0), 0, "1970");
    assert_eq!(at(1_700_000_000), 0, "back from 1970");
    assert_eq!(at(4_102_444_800), 0, "2100 is taken as now");
    assert_eq!(at(1_699_999_900), 0, "late");
    assert_eq!(at(i64::MIN / 2), 0);
    assert_eq!(at(i64::MAX), 0);
    assert_eq!(bench.engine.stats().ahead, 2);
    assert_eq!(bench.engine.stats().late, 1);
}

#[test]
fn a_match_explains_itself() {
    let mut bench = Bench::new(
        "
title: Service started
id: svc
logsource: {product: iot}
detection:
  selection:
    name|contains: ['evil', 'bad']
  filter_known: {path|startswith: '/opt/'}
  condition: selection and not filter_known
",
    );
    let time = Timestamp::from_seconds(0);
    let json = br#"{"name":"Very EVIL thing","path":"/tmp/x","device_id":"cam-1"}"#;
    bench.engine.handle_json(&LogSource::sensor_reading(), json, time, Now::default(), &mut bench.out);
    let draft = &bench.out[0];

    assert_eq!(draft.asset.as_ref().map(|asset| asset.as_str()), Some("cam-1"));
    assert!(draft.evidence.reason.contains("Very EVIL thing"), "{}", draft.evidence.reason);
    assert!(draft.evidence.rule_source.starts_with("title: Service started"));
    let atoms: Vec<_> =
        draft.evidence.atoms.iter().map(|a| (a.field.as_str(), a.test.as_str(), a.matched, a.line)).collect();
    assert_eq!(atoms, [("name", "contains 'evil'", true, 7), ("path", "startswith '/opt/'", false, 8)]);
    assert_eq!(draft.evidence.events[0].fields["path"], "/tmp/x");
}

#[test]
fn replace_keeps_the_state_of_unchanged_rules_alone() {
    let other = "title: other\nid: o\nlogsource: {product: x}\ndetection:\n  s: {a: 1}\n  condition: s\n";
    let mut bench = Bench::new(COLD_ROOM);
    for second in (0..300).step_by(30) {
        bench.send(second, &reading(9.0));
    }
    let (set, _) = RuleSet::load(&[("o.yml", other), ("test.yml", COLD_ROOM)]);
    bench.engine.replace(Arc::new(set));
    assert_eq!(bench.send(300, &reading(9.0)), ["+cold|a"]);

    let changed = COLD_ROOM.replace("gt: 8", "gt: 8.5");
    let (set, _) = RuleSet::load(&[("test.yml", &changed)]);
    bench.engine.replace(Arc::new(set));
    assert_eq!(
        bench.send(330, &reading(9.0)),
        ["-cold|a"],
        "what the rule had raised as it was ends with it"
    );
    for second in (360..630).step_by(30) {
        assert_eq!(bench.send(second, &reading(9.0)), [""; 0], "{second}");
    }
    assert_eq!(bench.send(630, &reading(9.0)), ["+cold|a"], "and is told anew");

    // A rule that is taken away ends what it raised too, once, without waiting for an event.
    bench.engine.replace(Arc::new(RuleSet::load(&[("o.yml", other)]).0));
    let due = bench.engine.next_deadline().expect("ends are due at once");
    let now = Now { wall: Timestamp::from_seconds(1_700_000_640), mono: due };
    bench.engine.handle_timeout(now, &mut bench.out);
    let told: Vec<_> = bench.out.drain(..).map(|draft| (draft.dedup_key, draft.cleared)).collect();
    assert_eq!(told, [(Arc::from("cold|a"), true)]);
    assert_eq!(bench.engine.next_deadline(), None);
    assert_eq!((bench.engine.keys(), bench.engine.state_bytes()), (0, 0));
}

#[test]
fn a_snapshot_goes_on_where_it_was_taken() {
    let mut bench = Bench::new(COLD_ROOM);
    for second in (0..300).step_by(30) {
        bench.send(second, &reading(9.0));
    }
    let bytes = bench.engine.snapshot();
    let set = bench.engine.rules().clone();
    bench.engine = Engine::restore(set.clone(), Limits::default(), &bytes, Now::default()).expect("restored");
    assert_eq!(bench.send(300, &reading(9.0)), ["+cold|a"]);

    for end in 0..bytes.len() {
        assert!(Engine::restore(set.clone(), Limits::default(), &bytes[..end], Now::default()).is_err());
    }
    let mut newer = bytes.clone();
    newer[4] = 99;
    let error = Engine::restore(set, Limits::default(), &newer, Now::default()).unwrap_err();
    assert!(matches!(error, SnapshotError::Version { found: 99 }));
}

#[test]
fn what_is_not_an_object_is_counted() {
    let mut bench = Bench::new(COLD_ROOM);
    let deep = "[".repeat(10_000);
    for bytes in ["", "[]", "{", "5", "{\"a\":\"\u{fffd}", &deep] {
        assert_eq!(bench.send(0, bytes), [""; 0]);
    }
    assert_eq!(bench.engine.stats().malformed, 6);
}

#[test]
fn a_match_in_order_shows_what_it_rests_on_and_not_what_was_before_or_came_more_often() {
    let mut bench = Bench::new(
        "title: Refused\nid: refused\nlogsource: {category: sensor_reading}\n\
         detection: {selection: {kind: refused}, condition: selection}\n---\n\
         title: Connected\nid: connected\nlogsource: {category: sensor_reading}\n\
         detection: {selection: {kind: connected}, condition: selection}\n---\n\
         title: In\nid: in\n\
         correlation: {type: temporal_ordered, rules: [refused, connected], group-by: [device_id], timespan: 1h}\n",
    );
    let event = |kind: &str, n: i64| format!(r#"{{"device_id":"a","kind":"{kind}","n":{n}}}"#);
    for n in 0..40 {
        assert_eq!(bench.send(n, &event("connected", n)), [""; 0]);
    }
    for n in 40..43 {
        assert_eq!(bench.send(n, &event("refused", n)), [""; 0]);
    }
    let time = Timestamp::from_seconds(1_700_000_043);
    let now = Now { wall: time, mono: Monotonic::from_micros(43_000_000) };
    let last = event("connected", 43);
    bench.engine.handle_json(&LogSource::sensor_reading(), last.as_bytes(), time, now, &mut bench.out);
    let draft = bench.out.pop().expect("they came in this order");
    let shown: Vec<_> = draft.evidence.events.iter().map(|event| event.fields["n"].as_i64()).collect();
    assert_eq!(shown, [Some(40), Some(41), Some(42), Some(43)]);
}
