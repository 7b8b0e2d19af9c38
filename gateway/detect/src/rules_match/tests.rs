//! Tests of `rules match` on what strangers bring.

use super::*;

fn report(rules: &str, events: &[u8]) -> Report {
    run(&[("r.yml", rules)], events, 1, &mut Duration::default)
}

fn found(rules: &str, events: &[u8]) -> Vec<String> {
    let report = report(rules, events);
    let word = |cleared| if cleared { "-" } else { "+" };
    report
        .matches
        .iter()
        .map(|found| format!("{} {}{}", found.event, word(found.cleared), found.rule))
        .collect()
}

const RULE: &str = "title: t\nid: r\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n";

#[test]
fn lines_of_any_writer() {
    let events = b"\xef\xbb\xbf{\"a\":1}\r\n\r\n  {\"a\":1,\"product\":\"P\"}  \n{\"a\":1,\"product\":\"moon\"}\nno\n[1]\n\"x\"\n{\"a\":\"\xff\"}\n{\"a\":1}";
    let report = report(RULE, events);
    let lines: Vec<usize> = report.matches.iter().map(|found| found.event).collect();
    assert_eq!(lines, [1, 3, 9], "numbers are those of the lines");
    assert_eq!((report.events, report.malformed), (8, 4));
    assert!(report.text().contains("4 lines are no JSON objects"), "{}", report.text());

    let compressed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 10, 0xff, 10, 1, 2];
    assert_eq!(found(RULE, &compressed), [""; 0]);
    assert_eq!(found(RULE, b""), [""; 0]);
    let long = format!(
        "{{\"x\":\"{}\",\"a\":1}}\n{{\"a\":{}1{}}}\n",
        "y".repeat(4 << 20),
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(found(RULE, long.as_bytes()), ["1 +r"]);
}

#[test]
fn broken_rules_leave_the_others_alone() {
    let report = report(&format!("{RULE}---\ntitle: [\n---\n{RULE}"), b"{\"a\":1}\n");
    assert_eq!((report.rules, report.matches.len()), (1, 1));
    assert!(!report.errors.is_empty() && report.errors.iter().all(|failed| failed.line > 0));
}

#[test]
fn times_in_every_form_and_none() {
    let rule = "title: b\nid: b\nname: b\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n---\n\
                title: c\nid: c\ncorrelation: {type: event_count, rules: [b], timespan: 10s, condition: {gte: 2}}\n";
    for (first, second) in [
        (r#""ts":1700000000"#, r#""ts":1700000005.5"#),
        (r#""ts":1700000000000"#, r#""ts":1700000005500"#),
        (r#""time":1700000000000000"#, r#""time":1700000005500000"#),
        (r#""UtcTime":"2023-11-14 22:13:20.000""#, r#""@timestamp":"2023-11-14T22:13:25Z""#),
        (r#""ts":1700000000"#, r#""x":"a line without time has that of the one before""#),
    ] {
        let events = format!("{{\"a\":1,{first}}}\n{{\"a\":1,{second}}}\n");
        assert_eq!(found(rule, events.as_bytes()), ["2 +c"], "{events}");
    }
    let far = "{\"a\":1,\"ts\":1700000000}\n{\"a\":1,\"ts\":1700000011}\n";
    assert_eq!(found(rule, far.as_bytes()), [""; 0]);
}

#[test]
fn the_clock_runs_between_the_lines() {
    let rule = "title: b\nid: b\nname: b\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n---\n\
                title: c\nid: c\ncorrelation: {type: event_count, rules: [b], group-by: [g], timespan: 10s, condition: {lt: 1}}\nx-edge: {trigger: timer}\n---\n\
                title: d\nid: d\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\nx-edge: {key: [g], for: 1m, trigger: timer}\n";
    let events = "{\"a\":1,\"g\":\"x\",\"ts\":1700000000}\n{\"b\":1,\"ts\":1700000100}\n{\"a\":1,\"g\":\"x\",\"ts\":1700000101}\n";
    assert_eq!(found(rule, events.as_bytes()), ["2 +c", "2 +d", "3 -c"]);
    // From 1970 to 2100 in one step, and back.
    let events = "{\"a\":1,\"g\":\"x\",\"ts\":0}\n{\"a\":1,\"g\":\"x\",\"ts\":4102444800}\n{\"a\":1,\"g\":\"x\",\"ts\":1700000000}\n";
    assert_eq!(report(rule, events.as_bytes()).events, 3);
}

#[test]
fn repetitions_count_the_matches_once() {
    let mut clock = Duration::ZERO;
    let mut elapsed = || {
        clock += Duration::from_micros(10);
        clock
    };
    let report = run(&[("r.yml", RULE)], b"{\"a\":1}\n{\"a\":1}\n", 3, &mut elapsed);
    assert_eq!((report.matches.len(), report.events), (2, 2));
    // The clock is read around each repetition, not around each event.
    assert!((report.us_per_event - 5.0).abs() < 1e-9, "{}", report.us_per_event);
}
