//! What the journal takes: long texts, many names, time, bytes.

use super::*;

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
