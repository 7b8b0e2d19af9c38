//! `x-edge` under attack: each feature at its edges, on the clock, and with a restart in every state.
//!
//! The cases are rules with tests of their own. Each of them, each example of `X-EDGE.md` and each shipped rule is
//! also played with a snapshot and a restore (the monotonic clock begins anew) after every event and every deadline:
//! a restart neither fires nor clears.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sitewarden_core::{Event, FindingDraft, LogSource, Monotonic, Now, Timestamp, Value};
use sitewarden_detect::rule::Rule;
use sitewarden_detect::rule::tests_section::RuleTest;
use sitewarden_detect::{Engine, Limits, RuleSet, rule_tests};

const CASES: &str = include_str!("x_edge.yml");

/// 2026-11-24T10:00:00Z, a Tuesday: when tests of rules begin.
const BEGIN: i64 = 1_795_514_400;

fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("X-EDGE.md")).expect("X-EDGE.md");
    let blocks =
        text.split("```yaml\n").skip(1).map(|block| block.split("```").next().expect("a closed block"));
    let mut documents: Vec<(String, String)> =
        blocks.enumerate().map(|(at, block)| (format!("X-EDGE.md {at}"), block.to_owned())).collect();
    documents.extend(
        CASES.split("\n===\n").map(|case| (case.lines().next().unwrap_or("").to_owned(), case.to_owned())),
    );
    documents
}

fn shipped(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            shipped(&path, files);
        } else if path.extension().is_some_and(|end| end == "yml") {
            files.push((path.display().to_string(), std::fs::read_to_string(&path).expect("a rule")));
        }
    }
}

/// An engine with a box around it: a clock, and restarts at will.
struct Site {
    engine: Engine,
    /// Time since the test began at which the box started last.
    started: Duration,
    restarts: u64,
    out: Vec<FindingDraft>,
}

impl Site {
    fn now(&self, at: Duration) -> Now {
        // Each start has a monotonic clock of its own, sometimes ahead of the one before.
        let base = Monotonic::from_micros(self.restarts % 3 * 77_777_777);
        Now {
            wall: Timestamp::from_seconds(BEGIN).after(at),
            mono: base.after(at.saturating_sub(self.started)),
        }
    }

    fn restart(&mut self, at: Duration) {
        let bytes = self.engine.snapshot();
        self.started = at;
        self.restarts += 1;
        let set = self.engine.rules().clone();
        self.engine = Engine::restore(set, Limits::default(), &bytes, self.now(at)).expect("restored");
    }

    fn pass(&mut self, until: Duration, restarts: bool) {
        loop {
            let zero = self.now(self.started).mono;
            let Some(due) = self.engine.next_deadline() else { return };
            let at = self.started + due.since(zero);
            if at > until {
                return;
            }
            let now = self.now(at);
            self.engine.handle_timeout(now, &mut self.out);
            if restarts {
                self.restart(at);
            }
        }
    }
}

fn play(set: &Arc<RuleSet>, rule: &Rule, test: &RuleTest, restarts: bool) -> Vec<String> {
    let engine = Engine::new(set.clone(), Limits::default());
    let mut site = Site { engine, started: Duration::ZERO, restarts: 0, out: Vec::new() };
    let now = site.now(Duration::ZERO);
    site.engine.set_inventory(test.inventory.clone(), now);
    let source = set.source_of(rule);
    for event in &test.events {
        site.pass(event.at, restarts);
        let own = |name: &str, part: &Option<Arc<str>>| {
            let value = event.fields.iter().find(|(key, _)| **key == *format!("logsource.{name}"));
            match value {
                Some((_, Value::Text(text))) => Some(text.clone()),
                _ => part.clone(),
            }
        };
        let source = LogSource {
            product: own("product", &source.product),
            category: own("category", &source.category),
            service: own("service", &source.service),
        };
        let fields = event.fields.iter().filter(|(key, _)| !key.starts_with("logsource.")).cloned().collect();
        let now = site.now(event.at);
        let told = Event { source, asset: None, time: now.wall, received: now.wall, fields };
        site.engine.handle_event(&told, now, &mut site.out);
        if restarts {
            site.restart(event.at);
        }
    }
    let last = test.events.last().map_or(Duration::ZERO, |event| event.at);
    site.pass(test.until.map_or(last, |until| until.max(last)), restarts);
    site.out
        .iter()
        .map(|draft| format!("{} {} {} {:?}", draft.time, draft.dedup_key, draft.cleared, draft.severity))
        .collect()
}

fn restarts_change_nothing(set: RuleSet) -> usize {
    let set = Arc::new(set);
    let mut tests = 0;
    for rule in set.rules() {
        for test in &rule.tests {
            let whole = play(&set, rule, test, false);
            assert_eq!(play(&set, rule, test, true), whole, "{}: {}", rule.title, test.name);
            tests += 1;
        }
    }
    tests
}

#[test]
fn every_case_passes() {
    for (name, case) in documents() {
        let report = rule_tests::run(&[(name, case)]);
        assert!(report.passed() && !report.tests.is_empty(), "{}", report.text());
    }
}

#[test]
fn a_restart_in_any_state_neither_fires_nor_clears() {
    let mut tests = 0;
    for (name, case) in documents() {
        let (set, errors) = RuleSet::load(&[(name, case)]);
        assert_eq!(errors, []);
        tests += restarts_change_nothing(set);
    }
    let mut files = Vec::new();
    shipped(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/rules"), &mut files);
    let (set, errors) = RuleSet::load(&files);
    assert_eq!(errors, []);
    tests += restarts_change_nothing(set);
    assert!(tests > 60, "{tests}");
}

/// One rule and events with times of their own.
struct Bench {
    engine: Engine,
    second: i64,
}

impl Bench {
    fn new(rule: &str) -> Self {
        let (set, errors) = RuleSet::load(&[("r.yml", rule)]);
        assert_eq!(errors, []);
        Self { engine: Engine::new(Arc::new(set), Limits::default()), second: 0 }
    }

    /// An event of this time (seconds after the beginning) that arrives now; a second passes each time.
    fn at(&mut self, time: i64, json: &str) -> Vec<String> {
        self.absolute(BEGIN + time, json)
    }

    fn absolute(&mut self, seconds: i64, json: &str) -> Vec<String> {
        self.second += 1;
        let wall = Timestamp::from_seconds(BEGIN + self.second);
        let now = Now { wall, mono: Monotonic::from_micros(self.second.cast_unsigned() * 1_000_000) };
        let mut out = Vec::new();
        let time = Timestamp::from_seconds(seconds);
        self.engine.handle_json(&LogSource::sensor_reading(), json.as_bytes(), time, now, &mut out);
        out.iter()
            .map(|draft| format!("{}{}", if draft.cleared { "-" } else { "+" }, draft.dedup_key))
            .collect()
    }
}

fn rule(edge: &str) -> String {
    format!(
        "title: t\nid: r\nlogsource: {{product: iot}}\ndetection: {{s: {{m: t}}, condition: s}}\nx-edge: {{{edge}}}\n"
    )
}

fn reading(value: f64) -> String {
    format!(r#"{{"m":"t","d":"a","value":{value}}}"#)
}

#[test]
fn late_events_move_no_measurement() {
    let mut bench = Bench::new(&rule("key: [d], scope: s, rate: {per: 1m, gt: 5}"));
    bench.at(-300, &reading(10.0));
    bench.at(-240, &reading(11.0));
    assert_eq!(bench.at(-270, &reading(0.0)), [""; 0], "late");
    assert_eq!(bench.at(-180, &reading(12.0)), [""; 0], "one degree a minute, not twelve in half a minute");
    assert_eq!(bench.at(-120, &reading(20.0)), ["+r|a"]);
    assert_eq!(bench.at(-120, &reading(20.0)), [""; 0], "the same reading once more ends nothing");
    assert_eq!(bench.engine.stats().late, 1);

    let mut bench = Bench::new(&rule("key: [d], scope: s, stuck: {for: 2m}"));
    bench.at(-300, &reading(10.0));
    bench.at(-200, &reading(10.0));
    bench.at(-250, &reading(3.0));
    assert_eq!(bench.at(-170, &reading(10.0)), ["+r|a"], "a late other value does not start it again");

    let mut bench = Bench::new(&rule("key: [d], scope: s, delta: {gt: 5}"));
    bench.at(-300, &reading(1.0));
    assert_eq!(bench.at(-300, &reading(9.0)), ["+r|a"], "two readings of one second");
    assert_eq!(bench.at(-300, &reading(9.0)), [""; 0]);
}

#[test]
fn clocks_that_were_never_set_or_run_ahead_get_the_time_of_the_box() {
    let mut bench = Bench::new(&rule("first-seen: {key: [d], value: value, learn: 1h}"));
    for seconds in [0, 315_532_800, 946_684_800, i64::MIN / 2, -1] {
        assert_eq!(bench.absolute(seconds, &reading(1.0)), [""; 0], "1970, 1980, 2000");
    }
    // Its clock is set now. Had it begun to learn in 1970, everything would be new.
    assert_eq!(bench.at(1, &reading(2.0)), [""; 0]);
    assert_eq!(bench.absolute(4_102_444_800, &reading(3.0)), [""; 0], "2100");
    assert_eq!((bench.engine.stats().unset, bench.engine.stats().ahead), (5, 1));
}

#[test]
fn first_seen_survives_a_clock_that_was_wrong() {
    // The box itself believed in 2100 for a while: nothing may learn for the 74 years until then.
    let mut bench = Bench::new(&rule("first-seen: {key: [d], value: value, learn: 1m, memory: 50m}"));
    let mut out = Vec::new();
    let far = Timestamp::from_seconds(4_102_444_800);
    let source = LogSource::sensor_reading();
    bench.engine.handle_json(
        &source,
        reading(1.0).as_bytes(),
        far,
        Now { wall: far, ..Now::default() },
        &mut out,
    );
    assert_eq!(bench.at(0, &reading(1.0)), [""; 0], "learns again");
    assert_eq!(bench.at(61, &reading(2.0)), ["+r|a|2"]);
    assert_eq!(bench.at(3_100, &reading(1.0)), ["+r|a|1"], "forgotten after its time");
}

#[test]
fn a_hold_counts_only_what_was_seen() {
    let mut bench = Bench::new(&rule("key: [d], scope: s, for: 5m"));
    bench.at(-4_000, &reading(9.0));
    assert_eq!(bench.at(-5_000, &reading(9.0)), [""; 0], "set back");
    assert_eq!(bench.at(-4_720, &reading(9.0)), [""; 0], "4m40s from there");
    assert_eq!(bench.at(-4_690, &reading(9.0)), ["+r|a"]);
    assert_eq!(bench.at(-6_000, r#"{"m":"x","d":"a"}"#), [""; 0], "out of scope");
}

#[test]
fn queues_of_deadlines_stay_bounded() {
    let mut bench = Bench::new(
        "title: t\nid: r\nlogsource: {product: iot}\ndetection: {s: {m: t}, high: {value|gt: 5}, condition: s and high}\n\
         x-edge: {key: [d], for: 10h, trigger: timer}\n",
    );
    let keys = |bench: &Bench| (bench.engine.keys(), bench.engine.items());
    for n in 0..20_000 {
        bench.at(n, &reading(9.0));
        assert_eq!(keys(&bench), (1, 2));
        bench.at(n, &reading(1.0));
        assert_eq!(keys(&bench), (0, 0));
    }
    let size = bench.engine.queued();
    assert!(size <= 1_024 + 2, "{size}");
}

#[test]
fn a_silence_ends_when_its_asset_leaves_the_inventory() {
    let rules = "title: any\nid: any\nname: any\nlogsource: {product: iot}\ndetection: {s: {d|exists: true}, condition: s}\n---\n\
                 title: one\nid: one\ncorrelation: {type: event_count, rules: [any], group-by: [d], timespan: 10s, condition: {lt: 1}}\nx-edge: {trigger: timer, groups: inventory}\n---\n\
                 title: port\nid: port\ncorrelation: {type: event_count, rules: [any], group-by: [d], timespan: 10s, condition: {lt: 1}}\nx-edge: {trigger: timer, groups: inventory, collapse-by: [p]}\n";
    let (set, errors) = RuleSet::load(&[("r.yml", rules)]);
    assert_eq!(errors, []);
    let mut engine = Engine::new(Arc::new(set), Limits::default());
    let now = |second: u64| Now {
        wall: Timestamp::from_seconds(BEGIN + second.cast_signed()),
        mono: Monotonic::from_micros(second * 1_000_000),
    };
    let assets = |names: &[&str]| -> Vec<Vec<(Arc<str>, Arc<str>)>> {
        let asset = |name: &&str| vec![(Arc::from("d"), Arc::from(*name)), (Arc::from("p"), Arc::from("p1"))];
        names.iter().map(asset).collect()
    };
    let told = |engine: &mut Engine, second: u64| {
        let mut out = Vec::new();
        engine.handle_timeout(now(second), &mut out);
        out.iter().map(|draft| format!("{} {}", draft.dedup_key, draft.cleared)).collect::<Vec<_>>()
    };
    engine.set_inventory(assets(&["a", "b"]), now(0));
    assert_eq!(told(&mut engine, 20), ["one|a false", "one|b false", "port|p1 false"]);
    engine.set_inventory(assets(&["b"]), now(21));
    assert_eq!(engine.next_deadline(), Some(now(21).mono));
    assert_eq!(told(&mut engine, 21), ["one|a true"], "the port still has one that is silent");
    engine.set_inventory(assets(&["c"]), now(22));
    assert_eq!(told(&mut engine, 22), ["one|b true", "port|p1 true"]);
    assert_eq!(engine.keys(), 2);
    assert_eq!(told(&mut engine, 32), ["one|c false", "port|p1 false"]);
}
