//! Features of Sigma, one by one, through the whole engine: what SIGMA.md lists.
//!
//! Each case is a rule, an event, and whether it matches.

use std::sync::Arc;

use sitewarden_core::{LogSource, Monotonic, Now, Severity, Timestamp};

use super::*;
use crate::engine::{Engine, Limits};

fn load(text: &str) -> Arc<RuleSet> {
    let (set, errors) = RuleSet::load(&[("rule.yml", text)]);
    assert_eq!(errors, [], "{text}");
    Arc::new(set)
}

fn source() -> LogSource {
    LogSource { product: Some("p".into()), ..LogSource::default() }
}

/// Plays JSON events at seconds; gives what fired as `second id`.
fn play(rules: &str, events: &[(i64, &str)]) -> Vec<String> {
    let mut engine = Engine::new(load(rules), Limits::default());
    let mut told = Vec::new();
    let mut out = Vec::new();
    for (second, event) in events {
        let time = Timestamp::from_seconds(1_795_514_400 + second);
        let now = Now { wall: time, mono: Monotonic::from_micros(second.cast_unsigned() * 1_000_000) };
        engine.handle_json(&source(), event.as_bytes(), time, now, &mut out);
        told.extend(out.drain(..).map(|draft| format!("{second} {}", draft.rule_id)));
    }
    told
}

fn holds(selection: &str, event: &str) -> bool {
    let rule =
        format!("title: t\nid: r\nlogsource: {{product: p}}\ndetection:\n  s: {selection}\n  condition: s\n");
    !play(&rule, &[(0, event)]).is_empty()
}

#[test]
fn every_modifier() {
    for (selection, event, expected) in [
        ("{a|contains: ELL}", r#"{"a":"hello"}"#, true),
        ("{a|startswith: he}", r#"{"a":"Hello"}"#, true),
        ("{a|startswith: lo}", r#"{"a":"Hello"}"#, false),
        ("{a|endswith: LO}", r#"{"a":"Hello"}"#, true),
        ("{a|contains|all: [he, lo]}", r#"{"a":"Hello"}"#, true),
        ("{a|contains|all: [he, xx]}", r#"{"a":"Hello"}"#, false),
        ("{a|cased: hello}", r#"{"a":"Hello"}"#, false),
        ("{a|contains|cased: ell}", r#"{"a":"Hello"}"#, true),
        ("{a|exists: true}", r#"{"a":null}"#, true),
        ("{a|exists: false}", r#"{"b":1}"#, true),
        ("{a|neq: x}", r#"{"a":"y"}"#, true),
        ("{a|neq: x}", r#"{"a":"X"}"#, false),
        ("{a|neq: [x, y]}", r#"{"b":1}"#, true),
        ("{a|contains|windash: ' -enc'}", r#"{"a":"p /enc x"}"#, true),
        ("{a|re: '^h.l+o$'}", r#"{"a":"hello"}"#, true),
        ("{a|re: '^H'}", r#"{"a":"hello"}"#, false),
        ("{a|re|i: '^H'}", r#"{"a":"hello"}"#, true),
        ("{a|re|m: '^b$'}", r#"{"a":"a\nb\nc"}"#, true),
        ("{a|re: '^b$'}", r#"{"a":"a\nb\nc"}"#, false),
        ("{a|re|s: 'a.b'}", r#"{"a":"a\nb"}"#, true),
        ("{a|re: 'a.b'}", r#"{"a":"a\nb"}"#, false),
        ("{a|re|i|s: 'A.B'}", r#"{"a":"a\nb"}"#, true),
        ("{a|base64: 'foobar'}", r#"{"a":"Zm9vYmFy"}"#, true),
        ("{a|base64offset|contains: 'http://'}", r#"{"a":"x IGh0dHA6Ly9l"}"#, true),
        ("{a|wide|base64offset|contains: 'ping'}", r#"{"a":"cABpAG4AZwA="}"#, true),
        ("{a|utf16|base64: 'a'}", r#"{"a":"//5hAA=="}"#, true),
        ("{a|utf16be|base64: 'a'}", r#"{"a":"AGE="}"#, true),
        ("{a|utf16le|base64: 'a'}", r#"{"a":"YQA="}"#, true),
        ("{a|lt: 5}", r#"{"a":4.9}"#, true),
        ("{a|lte: 5}", r#"{"a":"5"}"#, true),
        ("{a|gt: 5}", r#"{"a":5}"#, false),
        ("{a|gte: 5}", r#"{"a":5}"#, true),
        ("{a|gt: 5}", r#"{"a":"six"}"#, false),
        ("{a|cidr: 10.0.0.0/8}", r#"{"a":"10.9.8.7"}"#, true),
        ("{a|cidr: 'fe80::/10'}", r#"{"a":"fe80::1"}"#, true),
        ("{a|cidr: 10.0.0.0/8}", r#"{"a":"11.0.0.1"}"#, false),
        ("{a|fieldref: b}", r#"{"a":"X","b":"x"}"#, true),
        ("{a|fieldref|neq: b}", r#"{"a":"X","b":"y"}"#, true),
        ("{a|fieldref|startswith: b}", r#"{"a":"xyz","b":"xy"}"#, true),
        ("{a|fieldref|endswith: b}", r#"{"a":"xyz","b":"yz"}"#, true),
        ("{a|fieldref|contains: b}", r#"{"a":"xyz","b":"y"}"#, true),
        ("{a|hour: 8}", r#"{"a":"2026-11-24T08:15:00Z"}"#, true),
        ("{a|hour|gte: 22}", r#"{"a":"2026-11-24T08:15:00Z"}"#, false),
        ("{a|minute: 15}", r#"{"a":"2026-11-24T08:15:00Z"}"#, true),
        ("{a|day: 24}", r#"{"a":"2026-11-24"}"#, true),
        ("{a|week: 48}", r#"{"a":"2026-11-24"}"#, true),
        ("{a|month: 11}", r#"{"a":"2026-11-24"}"#, true),
        ("{a|year|lt: 2027}", r#"{"a":1795514400}"#, true),
    ] {
        assert_eq!(holds(selection, event), expected, "{selection} {event}");
    }
}

#[test]
fn encodings_give_the_known_texts() {
    // The three offsets of "/bin/bash", as published with the specification of `base64offset`.
    for encoded in ["L2Jpbi9iYXNo", "9iaW4vYmFza", "vYmluL2Jhc2"] {
        let event = format!(r#"{{"a":"xx{encoded}yy"}}"#);
        assert!(holds("{a|base64offset|contains: /bin/bash}", &event), "{encoded}");
    }
    assert!(!holds("{a|base64offset|contains: /bin/bash}", r#"{"a":"L2Jpbi9zaA=="}"#));
}

#[test]
fn lists_and_maps_join_as_the_specification_says() {
    for (selection, event, expected) in [
        ("{a: [1, 2], b: x}", r#"{"a":2,"b":"X"}"#, true),
        ("{a: [1, 2], b: x}", r#"{"a":2}"#, false),
        ("[{a: 1}, {b: 2}]", r#"{"b":2}"#, true),
        ("[EVILSERVICE, 'svchost.exe -n evil']", r#"{"x":{"y":["an EvilService here"]}}"#, true),
        ("[evil]", r#"{"evil":"good"}"#, false),
        ("{'|all': [one, two]}", r#"{"x":"one","y":"TWO"}"#, true),
        ("{'|all': [one, two]}", r#"{"x":"one"}"#, false),
        ("{'|re': 'o.e'}", r#"{"x":"one"}"#, true),
        ("keyword", r#"{"x":"a keyword"}"#, true),
        ("{a.b: 1}", r#"{"a":{"b":1}}"#, true),
        ("{a.b: 1}", r#"{"a":[{"b":0},{"b":1}]}"#, true),
        ("{a.b: 1}", r#"{"a.b":1,"a":{"b":0}}"#, true),
        ("{a: x}", r#"{"a":["y","x"]}"#, true),
        ("{a: '4624'}", r#"{"a":4624}"#, true),
        ("{a: 4624}", r#"{"a":"4624"}"#, true),
        ("{a: true}", r#"{"a":true}"#, true),
        ("{a: 'C:\\\\*.exe'}", r#"{"a":"c:\\x\\y.EXE"}"#, true),
    ] {
        assert_eq!(holds(selection, event), expected, "{selection} {event}");
    }
}

#[test]
fn special_values() {
    for (selection, event, expected) in [
        ("{a: null}", r#"{"b":1}"#, true),
        ("{a: null}", r#"{"a":null}"#, true),
        ("{a: null}", r#"{"a":""}"#, false),
        ("{a: ''}", r#"{"a":""}"#, true),
        ("{a: ''}", r#"{"b":1}"#, false),
        ("{a: []}", r#"{"b":1}"#, true),
        ("{a: [null, x]}", r#"{"a":"x"}"#, true),
    ] {
        assert_eq!(holds(selection, event), expected, "{selection} {event}");
    }
}

#[test]
fn metadata_is_read() {
    let set = load(
        "title: t\nid: r\nname: n\nstatus: test\nlevel: high\ntags: [attack.t1059.001, attack.execution, car.2016]\n\
         fields: [a]\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\ncustom: {x: 1}\n",
    );
    let rule = set.find("n").expect("by name");
    assert_eq!((rule.severity, &*rule.status), (Severity::High, "test"));
    assert_eq!(rule.techniques, [Arc::from("T1059.001")]);
    assert_eq!(rule.fields, [Arc::from("a")]);
}

#[test]
fn log_sources_route() {
    let rule = |part: &str| {
        format!("title: t\nid: r\nlogsource: {{{part}}}\ndetection: {{s: {{a: 1}}, condition: s}}\n")
    };
    let event = [(0, r#"{"a":1}"#)];
    assert_eq!(play(&rule("product: P"), &event).len(), 1);
    assert_eq!(play(&rule("product: q"), &event).len(), 0);
    assert_eq!(play(&rule("category: c"), &event).len(), 1, "the event does not say its category");
}

const BASE: &str = "title: a\nid: a\nname: a\nlogsource: {product: p}\ndetection: {s: {k: a}, condition: s}\n---\n\
                    title: b\nid: b\nname: b\nlogsource: {product: p}\ndetection: {s: {k: b}, condition: s}\n---\n";

fn correlation(text: &str) -> String {
    format!("{BASE}title: c\nid: c\nname: c\ncorrelation: {text}\n")
}

#[test]
fn event_counts() {
    let a = |second| (second, r#"{"k":"a","u":"x"}"#);
    let rule =
        correlation("{type: event_count, rules: [a], group-by: [u], timespan: 10s, condition: {gte: 3}}");
    assert_eq!(play(&rule, &[a(0), a(5), a(10), a(11)]), ["10 c"]);
    assert_eq!(play(&rule, &[a(0), a(5), a(11)]), [""; 0]);
    assert_eq!(play(&rule, &[a(0), (1, r#"{"k":"a","u":"y"}"#), a(2)]), [""; 0]);
    assert_eq!(play(&rule, &[a(0), a(1), a(2), a(60), a(61), a(62)]), ["2 c", "62 c"]);
    let rule = correlation(
        "{type: event_count, rules: [a], timespan: 10s, condition: {gt: 1, lte: 2}, generate: true}",
    );
    assert_eq!(play(&rule, &[a(0), a(1), a(2)]), ["0 a", "1 a", "1 c", "2 a"]);
}

#[test]
fn value_counts_and_metrics() {
    let a = |second, value: &'static str| (second, value);
    let events = [
        a(0, r#"{"k":"a","v":"1"}"#),
        a(1, r#"{"k":"a","v":1}"#),
        a(2, r#"{"k":"a","v":2}"#),
        a(3, r#"{"k":"a","v":30}"#),
    ];
    for (condition, expected) in [
        ("value_count, condition: {field: v, gte: 3}", vec!["3 c"]),
        ("value_count, condition: {field: [v, k], gte: 2}", vec!["2 c"]),
        ("value_sum, condition: {field: v, gt: 33}", vec!["3 c"]),
        ("value_avg, condition: {field: v, gt: 1.2}", vec!["2 c"]),
        ("value_median, condition: {field: v, gte: 1.5}", vec!["3 c"]),
        ("value_percentile, condition: {field: v, percentile: 100, eq: 30}", vec!["3 c"]),
    ] {
        let rule = correlation(&format!("{{type: {condition}, rules: [a], timespan: 1m}}"));
        assert_eq!(play(&rule, &events), expected, "{condition}");
    }
}

#[test]
fn temporal_and_ordered() {
    let a = |second| (second, r#"{"k":"a"}"#);
    let b = |second| (second, r#"{"k":"b"}"#);
    let rule = correlation("{type: temporal, rules: [a, b], timespan: 10s}");
    assert_eq!(play(&rule, &[b(0), a(5)]), ["5 c"]);
    assert_eq!(play(&rule, &[b(0), a(11)]), [""; 0]);
    let rule = correlation("{type: temporal_ordered, rules: [a, b], timespan: 10s}");
    assert_eq!(play(&rule, &[b(0), a(5)]), [""; 0]);
    assert_eq!(play(&rule, &[b(0), a(5), b(6)]), ["6 c"]);
    let rule = correlation("{type: temporal, rules: [a, b], timespan: 10s, condition: a or b}");
    assert_eq!(play(&rule, &[a(0)]), ["0 c"]);
    // `not` is known only when the window has passed.
    let rule = correlation("{type: temporal, rules: [a, b], timespan: 10s, condition: a and not b}");
    assert_eq!(play(&rule, &[a(0), b(5), (30, "{}")]), [""; 0]);
    assert_eq!(play(&rule, &[a(0), (30, "{}")]), ["30 c"]);
}

#[test]
fn order_is_strict_and_judges_each_combination() {
    let a = |second| (second, r#"{"k":"a"}"#);
    let b = |second| (second, r#"{"k":"b"}"#);
    let both = |second| (second, r#"{"k":["a","b"]}"#);
    let rule = correlation("{type: temporal_ordered, rules: [a, b], timespan: 10s}");
    assert_eq!(play(&rule, &[both(0)]), [""; 0], "no event is later than itself");
    assert_eq!(play(&rule, &[both(0), both(0)]), ["0 c"]);
    assert_eq!(play(&rule, &[b(5), a(5)]), [""; 0], "equal times: by arrival");
    assert_eq!(play(&rule, &[a(5), b(5)]), ["5 c"]);
    assert_eq!(play(&rule, &[b(5), a(3)]), ["3 c"], "late, but before");

    let third =
        "title: e\nid: e\nname: e\nlogsource: {product: p}\ndetection: {s: {k: e}, condition: s}\n---\n";
    let extended = |condition: &str| {
        let section =
            format!("{{type: temporal_ordered, rules: [a, b, e], timespan: 10s, condition: {condition}}}");
        format!("{third}{}", correlation(&section))
    };
    let e = |second| (second, r#"{"k":"e"}"#);
    // A rule that is not asked for, or stands in another branch, spoils no order.
    assert_eq!(play(&extended("a and b"), &[e(0), a(1), b(2)]), ["2 c"]);
    assert_eq!(play(&extended("(a and b) or e"), &[b(0), a(1), e(2)]), ["2 c"]);
    assert_eq!(play(&extended("(a and e) or (b and e)"), &[e(0), a(1), b(2), e(3)]), ["3 c"]);
    assert_eq!(play(&extended("2 of them"), &[e(0), b(1), a(2)]), [""; 0]);
    assert_eq!(play(&extended("2 of them"), &[b(0), a(1), e(2)]), ["2 c"]);
}

#[test]
fn chains_end() {
    let chain = |length: usize| {
        let link = |n: usize| {
            let below = if n == 0 { "a".to_owned() } else { format!("l{}", n - 1) };
            format!(
                "title: l\nid: l{n}\ncorrelation: {{type: event_count, rules: [{below}], timespan: 1m, condition: {{gte: 1}}}}\n"
            )
        };
        // The longest way to settle them: each stands before what it refers to.
        (0..length).rev().map(link).collect::<Vec<_>>().join("---\n")
    };
    let (set, errors) = RuleSet::load(&[("a.yml", BASE.to_owned() + &chain(16))]);
    assert_eq!((set.len(), errors.len()), (18, 0));
    let (set, errors) = RuleSet::load(&[("a.yml", BASE.to_owned() + &chain(1_000))]);
    assert_eq!((set.len(), errors.len()), (18, 984));
    let many: Vec<String> = (0..24).map(|n| format!("r{n}")).collect();
    let bases: String = many
        .iter()
        .map(|n| format!("title: t\nid: {n}\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n"))
        .collect();
    let wide = format!(
        "{bases}title: w\ncorrelation: {{type: temporal_ordered, rules: [{}], timespan: 1m, condition: 12 of them}}\n",
        many.join(", ")
    );
    let (_, errors) = RuleSet::load(&[("a.yml", wide)]);
    assert!(errors[0].message.contains("more than 256 combinations"), "{}", errors[0]);
}

#[test]
fn chains_and_circles() {
    let chain =
        correlation("{type: event_count, rules: [a], group-by: [u], timespan: 10s, condition: {gte: 2}}")
            + "---\ntitle: d\nid: d\ncorrelation: {type: temporal_ordered, rules: [c, b], timespan: 1m}\n";
    let events = [(0, r#"{"k":"a","u":1}"#), (1, r#"{"k":"a","u":1}"#), (2, r#"{"k":"b"}"#)];
    assert_eq!(play(&chain, &events), ["2 d"]);

    let circle = "title: x\nid: x\ncorrelation: {type: event_count, rules: [y], timespan: 1m, condition: {gte: 1}}\n---\n\
                  title: y\nid: y\ncorrelation: {type: event_count, rules: [x], timespan: 1m, condition: {gte: 1}}\n";
    let (set, errors) = RuleSet::load(&[("c.yml", circle)]);
    assert_eq!((set.len(), errors.len()), (0, 2));
    let (_, errors) =
        RuleSet::load(&[("c.yml", correlation("{type: temporal, rules: [a, nobody], timespan: 1m}"))]);
    assert!(errors[0].message.contains("nobody"));
    for wrong in [
        "{type: sum, rules: [a], timespan: 1m}",
        "{type: event_count, rules: [a], timespan: 1m}",
        "{type: event_count, rules: [a], timespan: soon, condition: {gte: 1}}",
        "{type: event_count, rules: [a], timespan: 1m, condition: {gte: 5000}}",
        "{type: value_count, rules: [a], timespan: 1m, condition: {gte: 5}}",
        "{type: event_count, rules: [], timespan: 1m, condition: {gte: 1}}",
        "{type: temporal, rules: [a], timespan: 1m, condition: a and b}",
        "{type: event_count, rules: [a], timespan: 1m, condition: {above: 1}}",
    ] {
        let (set, errors) = RuleSet::load(&[("c.yml", correlation(wrong))]);
        assert_eq!((set.len(), errors.len()), (2, 1), "{wrong}");
        assert!(!errors[0].hint.is_empty() && errors[0].line > 0, "{}", errors[0]);
    }
}

#[test]
fn aliases_join_different_fields() {
    let rule = correlation(
        "{type: temporal, rules: [a, b], group-by: [ip], timespan: 1m, aliases: {ip: {a: src, b: dst}}}",
    );
    assert_eq!(play(&rule, &[(0, r#"{"k":"a","src":"x"}"#), (1, r#"{"k":"b","dst":"x"}"#)]), ["1 c"]);
    assert_eq!(play(&rule, &[(0, r#"{"k":"a","src":"x"}"#), (1, r#"{"k":"b","dst":"y"}"#)]), [""; 0]);
}

#[test]
fn filters_join_their_condition() {
    let filter = |rules: &str, product: &str| {
        format!(
            "{BASE}title: f\nlogsource: {{product: {product}}}\n\
             filter: {{rules: {rules}, selection: {{u|startswith: adm_}}, condition: not selection}}\n"
        )
    };
    let events =
        [(0, r#"{"k":"a","u":"ADM_x"}"#), (1, r#"{"k":"a","u":"eve"}"#), (2, r#"{"k":"b","u":"adm_x"}"#)];
    assert_eq!(play(&filter("[a]", "p"), &events), ["1 a", "2 b"]);
    assert_eq!(play(&filter("any", "p"), &events), ["1 a"]);
    assert_eq!(play(&filter("any", "q"), &events), ["0 a", "1 a", "2 b"]);
}
