//! Hostile rules, events and snapshots: nothing panics, memory stays bounded, times that lie move nothing.
//!
//! The fuzz bodies run here over mutations from a seed, so that `make test` exercises them without a fuzzer; the
//! fuzz targets run the same bodies for hours.

#[path = "support/dice.rs"]
mod dice;

use std::sync::Arc;

use sitewarden_core::{LogSource, Monotonic, Now, Timestamp};
use sitewarden_detect::{Engine, Limits, RuleSet};

use dice::Dice;

/// Changes, cuts, doubles or swaps bytes.
fn mutated(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.roll(4) {
        if bytes.is_empty() {
            break;
        }
        let at = dice.roll(bytes.len());
        match dice.roll(5) {
            0 => bytes[at] = dice.roll(256) as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, dice.pick(b"{}[]\":,\\*?|%&-\n 0u")),
            3 => bytes.truncate(at),
            _ => {
                let end = (at + dice.roll(20)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

fn texts(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn mutated_rules_never_panic() {
    let mut dice = Dice(1);
    for seed in [
        "title: t\nlogsource: {product: p}\ndetection:\n  s: {a|contains|all: [x, 'y*?'], b|re|i: '^a+$'}\n  f: [k, {c|cidr: 10.0.0.0/8}]\n  condition: s and not 1 of f*\n",
        "title: t\nid: x\nlogsource: {product: p}\ndetection: {s: {value|gt: 5}, condition: s}\nx-edge: {key: [a], for: 5m, clear: {value|lt: 3}, schedule: {days: [mon], from: \"08:00\"}, expr: 'value > 3'}\ntests: [{name: n, events: [{at: 1m, a: b, value: 6}], expect: 0}]\n",
        "title: c\ncorrelation: {type: temporal, rules: [a, b], group-by: [x], timespan: 5m, condition: a and not b, aliases: {x: {a: y}}}\n---\ntitle: f\nlogsource: {product: p}\nfilter: {rules: any, s: {a: 1}, condition: not s}\n",
        "transformations: [{type: field_name_mapping, mapping: {a: [b, c]}, rule_conditions: [{type: logsource, product: p}]}]\n---\na: &a [*a, {b: !x y}]\n",
    ] {
        for _ in 0..400 {
            sitewarden_detect::fuzz_rule(&texts(&mutated(seed.as_bytes(), &mut dice)));
        }
    }
}

#[test]
fn mutated_conditions_and_expressions_never_panic() {
    let mut dice = Dice(2);
    for _ in 0..4_000 {
        let condition = texts(&mutated(b"a and not (1 of filter_* or all of them) or 2 of a*", &mut dice));
        sitewarden_detect::fuzz_condition(&condition);
        let expression =
            texts(&mutated(b"value * 1.8 + 32 > size(a) && !(a in ['x', \"y\"]) || has(b.c)", &mut dice));
        sitewarden_detect::fuzz_expression(&expression);
    }
}

#[test]
fn mutated_events_match_as_the_judgement_atom_by_atom_says() {
    let mut dice = Dice(3);
    for seed in [
        r#"{"a":"C:\\x","b":"x\\cmd.exe","c":null,"d":{"e":7},"k":["mimikatz",1.5]}"#,
        r#"{"a":4624,"b":"10.1.2.3","c":-0.5e1,"d.e":"7","a":"2026-11-24T08:00:00Z"}"#,
        r#"{ "a" : "\u006dimikatz" , "b":["ab\/cd","fe80::1"],"c":true,"d":[{"e":1},{"e":7}]}"#,
    ] {
        for _ in 0..1_200 {
            sitewarden_detect::fuzz_json(&mutated(seed.as_bytes(), &mut dice));
        }
    }
}

#[test]
fn mutated_snapshots_are_refused_or_work() {
    let mut dice = Dice(4);
    let seed = sitewarden_detect::fuzz_snapshot_seed();
    for _ in 0..800 {
        sitewarden_detect::fuzz_snapshot(&mutated(&seed, &mut dice));
    }
}

fn engine(rule: &str, keys_per_rule: usize) -> Engine {
    let (set, errors) = RuleSet::load(&[("r.yml", rule)]);
    assert_eq!(errors, []);
    Engine::new(Arc::new(set), Limits { keys_per_rule, ..Limits::default() })
}

fn send(engine: &mut Engine, second: i64, event: &[u8]) -> usize {
    let source = LogSource { product: Some("p".into()), ..LogSource::default() };
    let time = Timestamp::from_seconds(1_795_514_400 + second);
    let now = Now { wall: time, mono: Monotonic::from_micros(second.max(0).cast_unsigned() * 1_000_000) };
    let mut out = Vec::new();
    engine.handle_json(&source, event, time, now, &mut out);
    out.len()
}

#[test]
fn a_flood_of_groups_is_bounded_and_counted() {
    let rules = "title: b\nname: b\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n---\n\
                 title: c\ncorrelation: {type: event_count, rules: [b], group-by: [g], timespan: 1h, condition: {gte: 3}}\n---\n\
                 title: h\nlogsource: {product: p}\ndetection: {s: {a|gte: 1}, condition: s}\nx-edge: {key: [g], for: 1h}\n---\n\
                 title: f\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\nx-edge: {first-seen: {key: [g], value: a}}\n";
    let mut engine = engine(rules, 200);
    for n in 0..5_000 {
        send(&mut engine, n, format!(r#"{{"a":1,"g":"group-{n}"}}"#).as_bytes());
        assert!(engine.keys() <= 600, "{}", engine.keys());
    }
    assert!(engine.stats().evicted > 14_000, "{:?}", engine.stats());
}

/// Memory for some hundred keys with an event each.
const LITTLE: usize = 1 << 19;

#[test]
fn all_rules_together_stay_bounded_and_the_flooded_one_pays() {
    let rule = |name: &str| {
        format!(
            "title: {name}\nid: {name}\nlogsource: {{product: p}}\ndetection: {{s: {{{name}: 1}}, condition: s}}\nx-edge: {{key: [g], clear: {{{name}: 2}}}}\n---\n"
        )
    };
    let base = "title: b\nid: b\nname: b\nlogsource: {product: p}\ndetection: {s: {b: 1}, condition: s}\n---\n\
                title: c\nid: c\ncorrelation: {type: event_count, rules: [b], group-by: [g], timespan: 1d, condition: {gte: 4000}}\n---\n\
                title: v\nid: v\nlogsource: {product: p}\ndetection: {s: {v: '*'}, condition: s}\nx-edge: {first-seen: {key: [g], value: v}}\n";
    let files = [("r.yml", rule("quiet") + &rule("loud") + base)];
    let (set, errors) = RuleSet::load(&files);
    assert_eq!(errors, []);
    let mut engine = Engine::new(Arc::new(set), Limits { state_bytes: LITTLE, ..Limits::default() });
    for n in 0..100 {
        assert_eq!(send(&mut engine, n, format!(r#"{{"quiet":1,"g":"q{n}"}}"#).as_bytes()), 1);
    }
    // Keys of one rule, matches in one window, values of one key.
    for n in 0..6_000 {
        send(&mut engine, n, format!(r#"{{"loud":1,"g":"l{n}"}}"#).as_bytes());
        assert!(engine.state_bytes() <= LITTLE, "{}", engine.state_bytes());
    }
    for n in 0..4_000 {
        if n < 1_000 {
            send(&mut engine, n, br#"{"b":1,"g":"x"}"#);
        }
        send(&mut engine, n, format!(r#"{{"v":"v{n}","g":"x"}}"#).as_bytes());
        assert!(engine.state_bytes() <= LITTLE, "{}", engine.state_bytes());
    }
    let stats = engine.stats();
    assert!(stats.evicted > 5_000, "{stats:?}");
    assert_eq!(stats.dropped, 4_000 - 1_024, "values of one key");
    assert!(engine.state_bytes() > LITTLE / 2, "all of it is counted: {}", engine.state_bytes());
    // Whoever was quiet is still remembered: what is out is not told again.
    for n in 0..100 {
        assert_eq!(send(&mut engine, 6_000 + n, format!(r#"{{"quiet":1,"g":"q{n}"}}"#).as_bytes()), 0, "{n}");
    }
    // A snapshot of a larger box fits a smaller one.
    let small = Limits { state_bytes: LITTLE / 8, keys_per_rule: 50 };
    let engine =
        Engine::restore(engine.rules().clone(), small, &engine.snapshot(), Now::default()).expect("restored");
    assert!(engine.state_bytes() <= LITTLE / 8, "{}", engine.state_bytes());
}

#[test]
fn chains_of_evictions_cost_little() {
    // A thousand rules keyed by the same hostile field, four keys each event.
    let rules: String = (0..300)
        .map(|n| {
            format!(
                "title: t\nid: r{n}\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: s}}\nx-edge: {{key: [g], clear: {{a: 2}}}}\n---\n"
            )
        })
        .collect();
    let (set, errors) = RuleSet::load(&[("r.yml", rules)]);
    assert_eq!(errors, []);
    let mut engine = Engine::new(Arc::new(set), Limits { state_bytes: LITTLE, ..Limits::default() });
    for n in 0..300 {
        send(&mut engine, n, format!(r#"{{"a":1,"g":"{n}"}}"#).as_bytes());
        assert!(engine.state_bytes() <= LITTLE);
    }
    let before = engine.stats().evicted;
    assert!(before > 50_000, "{before}");
}

#[test]
fn large_and_deep_events_cost_what_they_weigh() {
    let mut engine = engine(
        "title: t\nlogsource: {product: p}\ndetection: {s: {a|contains: needle}, k: [needle], condition: s or k}\n",
        10,
    );
    let megabyte = "x".repeat(1 << 20);
    assert_eq!(send(&mut engine, 0, format!(r#"{{"a":"{megabyte}needle"}}"#).as_bytes()), 1);
    assert_eq!(send(&mut engine, 1, format!(r#"{{"{megabyte}":1,"b":"{megabyte}"}}"#).as_bytes()), 0);
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(send(&mut engine, 2, deep.as_bytes()), 0);
    assert_eq!(send(&mut engine, 3, b"{\"a\":\"needle\xff\"}"), 0, "not UTF-8");
    assert_eq!(send(&mut engine, 4, b"{\"a\":\"needle\n\"}"), 0, "a bare line end is no JSON");
    assert_eq!(send(&mut engine, 5, br#"{"a":"needle","a":"hay"}"#), 0, "the last of two equal names counts");
}

fn loads(selection: &str) -> Result<RuleSet, String> {
    let rule = format!("title: t\nlogsource: {{product: p}}\ndetection:\n  s: {selection}\n  condition: s\n");
    let (set, errors) = RuleSet::load(&[("r.yml", rule)]);
    errors.first().map_or(Ok(set), |error| {
        assert!(error.line == 4 && error.column > 1 && !error.hint.is_empty(), "{error}");
        Err(error.to_string())
    })
}

#[test]
fn regular_expressions_cannot_explode() {
    // Exponential for engines that backtrack; here linear in a megabyte.
    let set = loads("{a|re: ['^(a+)+$', '(a|aa)+$', '(.*)*x$', '(a|a)*b{2,}$', '([a-z]+)*[0-9]$']}")
        .expect("loads");
    let mut engine = Engine::new(Arc::new(set), Limits::default());
    let text = format!(r#"{{"a":"{}!"}}"#, "a".repeat(1 << 20));
    assert_eq!(send(&mut engine, 0, text.as_bytes()), 0);
    // Small to write, huge when compiled; and what a linear engine cannot do.
    for refused in [
        "{a|re: 'a{1000}{1000}{1000}'}",
        "{a|re: '((((.{99}){99}){99}){99})'}",
        "{a|re: '\\w{5000}'}",
        "{a|re: '(?=x)y'}",
        "{a|re: '(a)\\1'}",
        "{a|re: '(?<!x)y'}",
        "{a|re: '('}",
        "{a|re: '[z-a]'}",
    ] {
        assert!(loads(refused).is_err(), "{refused}");
    }
    let deep = format!("{{a|re: '{}x{}'}}", "(".repeat(4_000), ")".repeat(4_000));
    assert!(loads(&deep).is_err());
    // Many wildcards are judged one after the other, never tried against each other.
    let stars = format!("{{a: '{}b'}}", "*a".repeat(30));
    let mut engine = Engine::new(Arc::new(loads(&stars).expect("loads")), Limits::default());
    assert_eq!(send(&mut engine, 0, text.as_bytes()), 0);
    let more = format!("{{a: '{}b'}}", "*a".repeat(100));
    assert!(loads(&more).is_err(), "a bound on wildcards");
}

#[test]
fn numbers_as_text_and_numbers_beyond_all_bounds() {
    let set = loads("{a|gte: 5}").expect("loads");
    let mut engine = Engine::new(Arc::new(set), Limits::default());
    let digits = "9".repeat(500);
    for (value, wanted) in [
        ("5", 1),
        ("\"5\"", 1),
        ("\"5.0\"", 1),
        ("\"+7\"", 1),
        ("5e0", 1),
        ("\"1e3\"", 1),
        ("18446744073709551616", 1),
        ("4.9999999999999991", 0),
        ("-0.0", 0),
        ("\" 5\"", 0),
        ("\"5 \"", 0),
        ("\"0x10\"", 0),
        ("\"NaN\"", 0),
        ("\"inf\"", 0),
        ("\"1e999\"", 0),
        ("\"\"", 0),
        ("\"٥\"", 0),
        ("true", 0),
        ("null", 0),
        ("[1,\"9\"]", 1),
        ("{\"a\":9}", 0),
    ] {
        assert_eq!(send(&mut engine, 0, format!(r#"{{"a":{value}}}"#).as_bytes()), wanted, "{value}");
    }
    // No number at all for JSON, and too long to be one as text.
    assert_eq!(send(&mut engine, 0, format!(r#"{{"a":"{digits}"}}"#).as_bytes()), 0);
    assert_eq!(send(&mut engine, 0, br#"{"a":05}"#), 0);
    assert_eq!(send(&mut engine, 0, br#"{"a":NaN}"#), 0);
}

#[test]
fn rule_files_cannot_take_the_box_down() {
    let file = |text: String| {
        let (set, errors) = RuleSet::load(&[("r.yml", text)]);
        assert!(errors.iter().all(|error| error.line > 0 && !error.message.is_empty()), "{errors:?}");
        (set.len(), errors.len())
    };
    let rule = "title: t\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n";
    assert_eq!(file(format!("{rule}---\n").repeat(2_000)), (1_024, 1), "documents");
    assert_eq!(file(format!("# {}\n{rule}", "x".repeat(2 << 20))), (0, 1), "bytes");
    let many = |count: usize| {
        let values: Vec<String> = (0..count).map(|n| format!("v{n}")).collect();
        format!(
            "title: t\nlogsource: {{product: p}}\ndetection: {{s: {{a: [{}]}}, condition: s}}\n",
            values.join(", ")
        )
    };
    assert_eq!(file(many(8_000)), (1, 0));
    assert_eq!(file(many(9_000)), (0, 1), "comparisons");
    let deep = format!(
        "title: t\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: '{}s{}'}}\n",
        "(".repeat(3_000),
        ")".repeat(3_000)
    );
    assert_eq!(file(deep), (0, 1), "parentheses");
    let wide = format!(
        "title: t\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: '{}s'}}\n",
        "s or ".repeat(1_500)
    );
    assert_eq!(file(wide), (1, 0));
    // A rule twice, and an alias that names itself.
    assert_eq!(file(format!("{rule}id: x\n---\n{rule}id: x\n")), (1, 1));
    assert_eq!(file("title: &t\n  - *t\n".to_owned()).0, 0);
}

/// A snapshot with one part of its JSON changed.
fn changed(snapshot: &[u8], change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let mut body: serde_json::Value = serde_json::from_slice(&snapshot[5..]).expect("JSON");
    change(&mut body);
    let mut bytes = snapshot[..5].to_vec();
    bytes.extend(serde_json::to_vec(&body).expect("JSON"));
    bytes
}

#[test]
fn snapshots_that_lie_are_refused_or_harmless() {
    let rules = "title: b\nid: b\nname: b\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n---\n\
                 title: c\nid: c\ncorrelation: {type: event_count, rules: [b], group-by: [g], timespan: 1h, condition: {gte: 3}}\n---\n\
                 title: n\nid: n\ncorrelation: {type: temporal, rules: [b], group-by: [g], timespan: 1h, condition: not b}\n---\n\
                 title: h\nid: h\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\nx-edge: {key: [g], for: 1h, trigger: timer, schedule: {from: '10:00', to: '09:00'}}\n---\n\
                 title: s\nid: s\ncorrelation: {type: event_count, rules: [b], group-by: [g], timespan: 1h, condition: {lt: 1}}\nx-edge: {trigger: timer}\n";
    let mut before = engine(rules, 100);
    send(&mut before, 0, br#"{"a":1,"g":"x"}"#);
    let snapshot = before.snapshot();
    let set = before.rules().clone();
    let now = Now { wall: Timestamp::from_seconds(1_795_514_400), ..Now::default() };
    let restore = |bytes: &[u8]| Engine::restore(set.clone(), Limits::default(), bytes, now);
    let works = |bytes: &[u8]| {
        let mut engine = restore(bytes).expect("restored");
        let mut out = Vec::new();
        for micros in [0, 1, u64::MAX / 2, u64::MAX] {
            engine.handle_timeout(Now { wall: now.wall, mono: Monotonic::from_micros(micros) }, &mut out);
        }
        send(&mut engine, 5, br#"{"a":1,"g":"x"}"#);
        assert!(restore(&engine.snapshot()).is_ok());
    };

    works(&snapshot);
    for extreme in [i64::MIN, -1, 0, i64::MAX] {
        works(&changed(&snapshot, |body| body["mono"] = extreme.into()));
        works(&changed(&snapshot, |body| body["started"] = extreme.into()));
        // Every number of the states, at any depth.
        fn all(value: &mut serde_json::Value, extreme: i64) {
            match value {
                serde_json::Value::Number(number) if number.is_i64() && !number.is_u64() => {
                    *value = extreme.into()
                }
                serde_json::Value::Number(number) if number.as_u64().is_some_and(|n| n > 70_000) => {
                    *value = extreme.into()
                }
                serde_json::Value::Array(items) => items.iter_mut().for_each(|item| all(item, extreme)),
                serde_json::Value::Object(map) => map.iter_mut().for_each(|(key, item)| {
                    if key != "fingerprint" {
                        all(item, extreme);
                    }
                }),
                _ => {}
            }
        }
        works(&changed(&snapshot, |body| all(&mut body["rules"], extreme)));
    }
    // Rules that are gone, states of another kind, keys of another day.
    works(&changed(&snapshot, |body| body["rules"][0]["id"] = "gone".into()));
    works(&changed(&snapshot, |body| body["rules"][0]["state"] = serde_json::json!({"seen": []})));
    works(&changed(&snapshot, |body| {
        let rule = body["rules"][0].clone();
        body["rules"].as_array_mut().expect("rules").extend(vec![rule; 500]);
    }));
    // Older, newer, foreign, deep, empty.
    let mut old = snapshot.clone();
    old[4] = 1;
    assert!(restore(&old).is_err_and(|error| error.to_string().contains("version 1")));
    for bytes in [&b""[..], b"SWDE", b"SWDE\x02", b"SQLite format 3\0", &snapshot[..snapshot.len() - 1]] {
        assert!(restore(bytes).is_err(), "{bytes:?}");
    }
    let mut deep = snapshot[..5].to_vec();
    deep.extend("[".repeat(1 << 20).bytes());
    assert!(restore(&deep).is_err());
    assert!(restore(&changed(&snapshot, |body| body["more"] = 1.into())).is_err());
}

#[test]
fn long_keys_stay_apart() {
    let mut engine = engine(
        "title: t\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\nx-edge: {key: [g], clear: {a: 2}}\n",
        10,
    );
    let long = "k".repeat(10_000);
    assert_eq!(send(&mut engine, 0, format!(r#"{{"a":1,"g":"{long}x"}}"#).as_bytes()), 1);
    assert_eq!(send(&mut engine, 1, format!(r#"{{"a":1,"g":"{long}y"}}"#).as_bytes()), 1);
    assert_eq!(send(&mut engine, 2, format!(r#"{{"a":1,"g":"{long}x"}}"#).as_bytes()), 0);
}

#[test]
fn the_monotonic_clock_may_stand_still_or_jump() {
    let rules = "title: b\nname: b\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n---\n\
                 title: s\ncorrelation: {type: event_count, rules: [b], group-by: [g], timespan: 1m, condition: {lt: 1}}\nx-edge: {trigger: timer}\n";
    let mut engine = engine(rules, 10);
    send(&mut engine, 10, br#"{"a":1,"g":"x"}"#);
    let mut out = Vec::new();
    for mono in [0, u64::MAX, 5, u64::MAX] {
        let now = Now { wall: Timestamp::from_micros(i64::MAX), mono: Monotonic::from_micros(mono) };
        engine.handle_timeout(now, &mut out);
    }
    assert_eq!(out.len(), 1, "one silence, told once");
}
