//! A box that is killed at any point and replays its journal says what one says that is never killed.

use std::collections::BTreeMap;

use sitewarden_core::{ReadingValue, TimeSource};
use sitewarden_detect::{Limits, RuleSet};

use super::super::call_log::CallLog;
use super::super::judge::Judge;
use super::*;

const RULES: &str = r#"
title: hold
id: hold
logsource: {product: iot, category: sensor_reading}
detection: {s: {zone: cold, value|gt: 5}, condition: s}
x-edge: {key: [device_id], for: 40s, clear: {value|lt: 3}, clear-for: 20s, max-gap: 90s, on-gap: clear}
---
title: timer
id: timer
logsource: {product: iot, category: sensor_reading}
detection: {s: {value|gt: 7}, condition: s}
x-edge: {key: [device_id], for: 30s, trigger: timer, suppress: {when: silent, by: [device_id]}}
---
title: stuck
id: stuck
logsource: {product: iot, category: sensor_reading}
detection: {s: {sensor_type: t}, condition: s}
x-edge: {key: [device_id], scope: s, stuck: {for: 30s}}
---
title: seen
id: seen
logsource: {product: iot, category: sensor_reading}
detection: {s: {sensor_type: t}, condition: s}
x-edge: {first-seen: {key: [device_id], value: value, memory: 10m, learn: 2m}}
---
title: failed
id: failed
name: failed
logsource: {product: sitewarden, service: identity}
detection: {s: {action: sign-in-failed}, condition: s}
---
title: guessing
id: guessing
correlation: {type: event_count, rules: [failed], group-by: [address], timespan: 2m, condition: {gte: 4}, generate: true}
---
title: any
id: any
name: any
logsource: {product: iot, category: sensor_reading}
detection: {s: {sensor_type: t}, condition: s}
---
title: silent
id: silent
name: silent
correlation: {type: event_count, rules: [any], group-by: [device_id], timespan: 50s, condition: {lt: 1}, generate: true}
x-edge: {trigger: timer, start-grace: 20s, groups: inventory}
---
title: few
id: few
correlation: {type: event_count, rules: [any], group-by: [topic], timespan: 40s, condition: {lt: 3}, generate: true}
x-edge: {trigger: timer}
---
title: high
id: high
logsource: {product: iot, category: sensor_reading}
detection: {s: {value|gt: 8}, condition: s}
"#;

/// 2026-11-24T10:00:00Z.
const BEGIN: i64 = 1_795_514_400;

/// Deterministic numbers (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

enum Step {
    Reading(Reading, Arc<str>, Standing),
    Event(Event),
    Inventory(Vec<Asset>),
    Rules(Arc<RuleSet>),
}

type Work = Vec<(Now, Step)>;

fn rules(text: &str) -> Arc<RuleSet> {
    let (set, errors) = RuleSet::load(&[("rules.yml", text)]);
    assert_eq!(errors, []);
    Arc::new(set)
}

fn reading(device: &str, value: ReadingValue, now: Now) -> Reading {
    Reading {
        asset: AssetRef::new(device),
        via: None,
        metric: "t".into(),
        unit: "Cel".into(),
        value,
        time: now.wall,
        time_source: TimeSource::Arrival,
        received: now.wall,
        trusted: true,
    }
}

fn sign_in_failed(address: &str, now: Now) -> Event {
    let fields =
        vec![("action".into(), Value::from("sign-in-failed")), ("address".into(), Value::from(address))];
    Event { source: LogSource::own("identity"), asset: None, time: now.wall, received: now.wall, fields }
}

fn at(second: u64) -> Now {
    let wall = Timestamp::from_seconds(BEGIN + second.cast_signed());
    Now { wall, mono: Monotonic::from_micros(second * 1_000_000) }
}

fn asset(device: &str) -> Asset {
    vec![("device_id".into(), device.into())]
}

/// Works as a site would bring them: readings above all, sign-ins, a changing inventory, other rules now and then.
fn works(seed: u64, count: usize) -> Vec<Work> {
    let mut dice = Dice(seed);
    let other = RULES.replace("for: 40s", "for: 20s").replace("{gte: 4}", "{gte: 3}");
    let sets = [rules(RULES), rules(&other)];
    let mut second = 100;
    let mut works = vec![vec![(at(second), Step::Inventory(vec![asset("a"), asset("b")]))]];
    for _ in 0..count {
        let mut work = Vec::new();
        if dice.roll(25) == 0 {
            work.push((at(second), Step::Rules(Arc::clone(&sets[dice.roll(2) as usize]))));
        }
        for _ in 0..=dice.roll(5) {
            second += if dice.roll(15) == 0 { 20 + dice.roll(60) } else { dice.roll(8) };
            let now = at(second);
            let device = ["a", "b", "c"][dice.roll(3) as usize];
            work.push((
                now,
                match dice.roll(20) {
                    0 => Step::Inventory(
                        (0..=dice.roll(3)).map(|n| asset(["a", "b", "c", "d"][n as usize])).collect(),
                    ),
                    1..=3 => {
                        Step::Event(sign_in_failed(["10.0.0.1", "10.0.0.2"][dice.roll(2) as usize], now))
                    }
                    _ => {
                        #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
                        let value = ReadingValue::Number(dice.roll(10) as f64);
                        let zone = Some(["cold", "hall"][dice.roll(2) as usize].into());
                        let topic = Arc::from(format!("site/{}", ["x", "y"][dice.roll(2) as usize]));
                        Step::Reading(reading(device, value, now), topic, Standing { trusted: true, zone })
                    }
                },
            ));
        }
        works.push(work);
    }
    works
}

/// A box: what it has in memory, and what is on its disk.
struct Site {
    set: Arc<RuleSet>,
    judge: Judge,
    journal: Vec<(Vec<Reading>, Vec<u8>)>,
    snapshot: Option<(usize, Monotonic, Vec<u8>)>,
}

impl Site {
    fn new(set: Arc<RuleSet>) -> Self {
        let judge = Judge::new(Engine::new(Arc::clone(&set), Limits::default()));
        Self { set, judge, journal: Vec::new(), snapshot: None }
    }

    /// Does a work, with the timers that come up meanwhile.
    fn perform(&mut self, work: &Work) -> (Vec<Reading>, Vec<FindingDraft>) {
        let (mut readings, mut out) = (Vec::new(), Vec::new());
        for (now, step) in work {
            if let Step::Rules(set) = step {
                self.set = Arc::clone(set);
                self.judge.replace(Arc::clone(set), *now, &mut out);
                continue;
            }
            while let Some(due) = self.judge.engine().next_deadline().filter(|due| *due <= now.mono) {
                let wall = now.wall.before(now.mono.since(due));
                self.judge.timeout(Now { wall, mono: due }, &mut out);
            }
            match step {
                Step::Reading(reading, topic, standing) => {
                    self.judge.reading(reading, topic, standing, *now, &mut out);
                    readings.push(reading.clone());
                }
                Step::Event(event) => self.judge.event(event, *now, &mut out),
                Step::Inventory(assets) => self.judge.inventory(assets.clone(), *now),
                Step::Rules(_) => {}
            }
        }
        if let Some((now, _)) = work.last() {
            self.judge.pass(*now, &mut out);
        }
        (readings, out)
    }

    fn commit(&mut self, readings: Vec<Reading>) {
        let bytes = self.judge.log().take();
        self.journal.push((readings, bytes));
    }

    fn take_snapshot(&mut self) {
        self.judge.log().begin_anew();
        let engine = self.judge.engine();
        self.snapshot = Some((self.journal.len(), engine.time(), engine.snapshot()));
    }

    fn kill(&mut self) {
        let (block, engine) = match &self.snapshot {
            Some((block, time, bytes)) => {
                let now = Now { wall: Timestamp::default(), mono: *time };
                (
                    *block,
                    Engine::restore(Arc::clone(&self.set), Limits::default(), bytes, now).expect("restored"),
                )
            }
            None => (0, Engine::new(Arc::clone(&self.set), Limits::default())),
        };
        let mut replay = Replay::new(engine);
        for (readings, bytes) in &self.journal[block..] {
            replay.block(Ok(readings), bytes).expect("not damaged");
        }
        self.judge = Judge::new(replay.finish());
    }
}

fn uninterrupted(works: &[Work]) -> Vec<FindingDraft> {
    let mut site = Site::new(rules(RULES));
    works.iter().flat_map(|work| site.perform(work).1).collect()
}

fn killed(works: &[Work], seed: u64) -> Vec<FindingDraft> {
    let mut dice = Dice(seed ^ 0xdead);
    let mut site = Site::new(rules(RULES));
    let mut out = Vec::new();
    for work in works {
        // Files of rules that change while the box is down are another story.
        let same_rules = !matches!(work.first(), Some((_, Step::Rules(_))));
        if dice.roll(6) == 0 && same_rules {
            // Killed before the commit: nothing of it was acknowledged, and it comes again.
            site.perform(work);
            site.kill();
        }
        let (readings, findings) = site.perform(work);
        site.commit(readings);
        out.extend(findings);
        if dice.roll(12) == 0 {
            site.take_snapshot();
        }
        if dice.roll(5) == 0 {
            site.kill();
        }
    }
    out
}

fn differs(seed: u64) -> (usize, BTreeMap<Arc<str>, usize>) {
    let works = works(seed, 120);
    let expected = uninterrupted(&works);
    let got = killed(&works, seed);
    for (index, (expected, got)) in expected.iter().zip(&got).enumerate() {
        assert_eq!(format!("{got:?}"), format!("{expected:?}"), "seed {seed}, finding {index}");
    }
    assert_eq!(got.len(), expected.len(), "seed {seed}");
    let mut by_rule = BTreeMap::new();
    expected.iter().for_each(|draft| *by_rule.entry(Arc::clone(&draft.rule_id)).or_default() += 1);
    (expected.len(), by_rule)
}

#[test]
fn killed_at_any_point_the_findings_are_those_of_a_box_that_was_never_killed() {
    let mut fired = BTreeMap::<Arc<str>, usize>::new();
    for seed in 1..=12 {
        for (rule, count) in differs(seed).1 {
            *fired.entry(rule).or_default() += count;
        }
    }
    let set = rules(RULES);
    for rule in set.rules().iter().filter(|rule| !set.is_referred_to(&rule.id) || &*rule.id == "silent") {
        assert!(fired.contains_key(&rule.id), "the works must make {} fire: {fired:?}", rule.id);
    }
}

#[test]
#[ignore = "deep tier: 300 sites, each killed some thirty times"]
fn three_hundred_sites_killed_at_any_point() {
    for seed in 1_000..1_300 {
        differs(seed);
    }
}

/// A site whose journal has a hold of device a that has lasted 30 of 40 s, in three blocks.
fn warm() -> Site {
    let mut site = Site::new(rules(RULES));
    for second in [100, 110, 120, 130] {
        let now = at(second);
        let standing = Standing { trusted: true, zone: Some("cold".into()) };
        let warm = Step::Reading(reading("a", ReadingValue::Number(6.0), now), "site/x".into(), standing);
        let (readings, _) = site.perform(&vec![(now, warm)]);
        site.commit(readings);
    }
    site
}

fn goes_on(site: &mut Site) -> bool {
    let now = at(140);
    let standing = Standing { trusted: true, zone: Some("cold".into()) };
    let warm = Step::Reading(reading("a", ReadingValue::Number(6.0), now), "site/x".into(), standing);
    let (readings, findings) = site.perform(&vec![(now, warm)]);
    site.commit(readings);
    findings.iter().any(|draft| &*draft.rule_id == "hold")
}

/// Replays a journal in which blocks may be bad; gives the errors.
fn replayed(site: &mut Site) -> Vec<String> {
    let mut replay = Replay::new(Engine::new(Arc::clone(&site.set), Limits::default()));
    let errors = site
        .journal
        .iter()
        .filter_map(|(readings, bytes)| replay.block(Ok(readings), bytes).err())
        .map(|error| error.to_string())
        .collect();
    site.judge = Judge::new(replay.finish());
    errors
}

#[test]
fn a_damaged_block_and_what_rests_on_it_are_left_out_and_the_next_chain_is_not() {
    let mut whole = warm();
    assert_eq!(replayed(&mut whole), [""; 0]);
    assert!(goes_on(&mut whole));

    for bit in 0..whole.journal[0].1.len() * 8 {
        let mut site = warm();
        site.journal[0].1[bit / 8] ^= 1 << (bit % 8);
        let errors = replayed(&mut site);
        assert_eq!(errors.len(), 4, "bit {bit}: the block itself and the three that rest on it: {errors:?}");
        assert!(!goes_on(&mut site));
    }

    let mut site = warm();
    site.journal[0].1[7] ^= 1;
    site.judge.log().begin_anew();
    for second in [132, 134] {
        let standing = Standing { trusted: true, zone: Some("hall".into()) };
        let now = at(second);
        let step = Step::Reading(reading("b", ReadingValue::Number(9.0), now), "site/y".into(), standing);
        let (readings, _) = site.perform(&vec![(now, step)]);
        site.commit(readings);
    }
    assert_eq!(replayed(&mut site).len(), 4);
    let mut out = Vec::new();
    site.judge.timeout(at(162), &mut out);
    assert!(
        out.iter().any(|draft| &*draft.rule_id == "timer"),
        "the chain after the damage is replayed: {out:?}"
    );
}

#[test]
fn rules_that_changed_while_the_box_was_down_begin_anew_and_the_others_go_on() {
    let mut site = warm();
    site.set = rules(&RULES.replace("for: 40s", "for: 41s"));
    site.kill();
    assert!(!goes_on(&mut site), "the changed rule saw nothing yet");

    let mut site = warm();
    site.set = rules(&RULES.replace("title: seen", "title: shown"));
    site.kill();
    assert!(goes_on(&mut site));
    // The next block says which rules are in force: after another kill it is the same.
    site.kill();
    assert!(!goes_on(&mut site), "it was told before");
}

#[test]
fn a_block_that_was_never_stored_is_noticed() {
    let mut site = warm();
    site.journal.remove(1);
    let errors = replayed(&mut site);
    assert_eq!(errors, ["it rests on a block that is damaged or was never stored"; 2]);

    let mut site = warm();
    site.journal[1].0.clear();
    assert_eq!(replayed(&mut site)[0], "it is damaged", "its readings are missing");
}

#[test]
fn every_kind_of_value_comes_back_as_it_was() {
    let mut deep = Value::from("end");
    for _ in 0..VALUE_DEPTH {
        deep = Value::List(vec![deep]);
    }
    let fields: Vec<(Arc<str>, Value)> = [
        Value::Null,
        Value::from(true),
        Value::from(false),
        Value::from(i64::MIN),
        Value::Float(0.1 + 0.2),
        Value::from("ä\u{1f}"),
        Value::Map(vec![("a".into(), Value::List(vec![Value::from(1), Value::Null]))]),
        deep,
    ]
    .into_iter()
    .enumerate()
    .map(|(index, value)| (Arc::from(format!("field {index}")), value))
    .collect();
    let event = Event {
        source: LogSource { product: Some("p".into()), category: None, service: Some("s".into()) },
        asset: Some(AssetRef::new("a")),
        time: Timestamp::from_micros(-5),
        received: Timestamp::from_micros(i64::MAX),
        fields,
    };
    let mut log = CallLog::new(vec![1, u64::MAX]);
    log.event(&event, at(7));
    log.event(&event, at(3));
    let bytes = log.take();

    let (_, calls) = decode(None, &[], &bytes, &ReadingFields::default()).expect("not damaged");
    let [Call::Rules(marks), Call::Event(first, now), Call::Event(second, earlier)] = &calls[..] else {
        panic!("{} calls", calls.len())
    };
    assert_eq!(marks, &[1, u64::MAX]);
    assert_eq!((&**first, &**second), (&event, &event));
    assert_eq!((*now, *earlier), (at(7), at(3)));
    assert!(log.take().is_empty(), "nothing came since");
}

#[test]
fn bytes_of_another_version_and_all_mutations_end_in_an_error_or_other_calls() {
    let mut log = CallLog::new(vec![7]);
    log.reading(&"a/b".into(), Some(&"cold".into()), at(1));
    log.event(&sign_in_failed("10.0.0.1", at(2)), at(2));
    log.inventory(&BTreeSet::from([asset("a")]), &BTreeSet::from([asset("b")]), at(3));
    let framed = log.take();
    let bytes = unpack(&framed[4..]).expect("packed");
    let readings = [reading("a", ReadingValue::Bool(true), at(1))];
    let frame = |bytes: &[u8]| {
        let packed = sitewarden_telemetry::codec::pack(bytes);
        [&checksum(&packed).to_le_bytes()[..], &packed].concat()
    };
    let decode = |bytes: &[u8]| decode(None, &readings, &frame(bytes), &ReadingFields::default());
    assert_eq!(decode(&bytes).expect("whole").1.len(), 4);

    let mut other = bytes.clone();
    assert_eq!(other[1..3], [0, 1], "a begin and its version");
    other[2] = 9;
    assert!(decode(&other).err().expect("refused").to_string().contains("damaged"));
    for at in 0..bytes.len() {
        let _ = decode(&bytes[..at]);
        for bit in 0..8 {
            let mut mutated = bytes.clone();
            mutated[at] ^= 1 << bit;
            let _ = decode(&mutated);
        }
    }
}

#[test]
fn a_long_text_that_the_journal_cuts_is_replayed_whole() {
    let text = format!("{}tail", "x".repeat(sitewarden_telemetry::limits::TEXT_VALUE_BYTES));
    let mut site = Site::new(rules(RULES));
    let send = |site: &mut Site, text: &str, second: u64| {
        let now = at(second);
        let whole = reading("a", ReadingValue::Text(text.into()), now);
        let step = Step::Reading(whole, "site/x".into(), Standing { trusted: true, zone: None });
        site.perform(&vec![(now, step)])
    };
    let (mut readings, _) = send(&mut site, &text, 100);
    readings[0].value = ReadingValue::Text(text[..256].into());
    site.commit(readings);
    site.kill();

    let findings = send(&mut site, &text, 140).1;
    assert!(findings.iter().any(|draft| &*draft.rule_id == "stuck"), "the same whole text: {findings:?}");
}

#[test]
fn more_names_than_one_chain_takes_begin_another() {
    let mut site = Site::new(rules(RULES));
    let standing = Standing { trusted: true, zone: None };
    let mut readings = Vec::new();
    for index in 0..crate::limits::REPLAY_NAMES + 10 {
        let now = at(100 + index as u64 / 10_000);
        let reading = reading("a", ReadingValue::Number(6.0), now);
        let topic = format!("t/{index}").into();
        site.judge.reading(&reading, &topic, &standing, now, &mut Vec::new());
        readings.push(reading);
    }
    site.commit(readings);
    assert_eq!(replayed(&mut site), [""; 0]);
    let before = site.judge.engine().keys();
    assert!(before > 5_000, "{before}");
}

#[test]
fn time_that_passed_is_told_by_commits_that_something_else_asked_for() {
    let mut site = warm();
    site.judge.pass(at(133), &mut Vec::new());
    assert!(site.judge.log().take().is_empty(), "not so often");
    site.judge.pass(at(145), &mut Vec::new());
    let bytes = site.judge.log().take();
    assert!(!bytes.is_empty() && bytes.len() < 20, "{} bytes", bytes.len());
    site.journal.push((Vec::new(), bytes));
    assert_eq!(replayed(&mut site), [""; 0]);
    assert_eq!(site.judge.engine().time(), at(145).mono);
}

/// A thousand sensors that report each second under the shipped rules, ten commits a second.
fn busy(seconds: u64) -> Site {
    let (set, errors) = RuleSet::load(crate::embedded::RULES);
    assert_eq!(errors, []);
    let mut site = Site::new(Arc::new(set));
    let assets = (0..1_000).map(|index| asset(&format!("sensor-{index:04}"))).collect();
    site.judge.inventory(assets, at(100));
    let standing = Standing { trusted: true, zone: Some("cold store 2".into()) };
    let topics: Vec<Arc<str>> =
        (0..1_000).map(|index| format!("site/cold/sensor-{index:04}/temperature").into()).collect();
    let mut dice = Dice(9);
    for tenth in 0..seconds * 10 {
        let micros = tenth * 100_000 + dice.roll(90_000);
        let now = Now {
            wall: Timestamp::from_micros((BEGIN + 100) * 1_000_000 + (micros + dice.roll(30)).cast_signed()),
            mono: Monotonic::from_micros(100_000_000 + micros),
        };
        let mut readings = Vec::new();
        for index in (tenth % 10 * 100)..(tenth % 10 * 100 + 100) {
            #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
            let value = ReadingValue::Number(4.0 + dice.roll(100) as f64 / 50.0);
            let reading = Reading {
                metric: "temperature".into(),
                ..reading(&format!("sensor-{index:04}"), value, now)
            };
            let topic = &topics[usize::try_from(index).expect("small")];
            site.judge.reading(&reading, topic, &standing, now, &mut Vec::new());
            readings.push(reading);
        }
        site.judge.pass(now, &mut Vec::new());
        site.commit(readings);
    }
    site
}

#[test]
fn a_reading_costs_few_bytes_beside_what_the_journal_holds_of_it() {
    let site = busy(20);
    let bytes =
        |blocks: &[(Vec<Reading>, Vec<u8>)]| blocks.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let (first, rest) = site.journal.split_at(10);
    let readings: usize = rest.iter().map(|(readings, _)| readings.len()).sum();
    println!(
        "the first second, with its names: {} bytes; then {:.2} bytes a reading",
        bytes(first),
        bytes(rest) as f64 / readings as f64
    );
    assert!(bytes(rest) < 3 * readings, "{} bytes for {readings} readings", bytes(rest));
    assert!(bytes(first) < 40 * 1_000, "{} bytes", bytes(first));
}

#[test]
#[ignore = "deep tier: replays as much as is ever replayed, and prints how long it takes"]
fn the_longest_replay() {
    let mut site = busy(crate::limits::REPLAY_READINGS as u64 / 1_000);
    let began = std::time::Instant::now();
    assert_eq!(replayed(&mut site), [""; 0]);
    let took = began.elapsed();
    let began = std::time::Instant::now();
    let snapshot = site.judge.engine().snapshot();
    let made = began.elapsed();
    let packed = zstd::bulk::compress(&snapshot, 1).expect("packed").len();
    println!("replay: {took:?}; {} bytes of snapshot in {made:?}, packed {packed}", snapshot.len());
}
