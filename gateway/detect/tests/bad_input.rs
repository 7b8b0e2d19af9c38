//! Hostile rules, events and snapshots: nothing panics, memory stays bounded, times that lie move nothing.
//!
//! The fuzz bodies run here over mutations from a seed, so that `make test` exercises them without a fuzzer; the
//! fuzz targets run the same bodies for hours.

use std::sync::Arc;

use sitewarden_core::{LogSource, Monotonic, Now, Timestamp};
use sitewarden_detect::{Engine, Limits, RuleSet};

/// Deterministic numbers (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }
}

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
            2 => bytes.insert(at, b"{}[]\":,\\*?|%&-\n 0u"[dice.roll(18)]),
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
    let mut engine = Engine::new(Arc::new(set), Limits { items: 3_000, ..Limits::default() });
    for n in 0..100 {
        assert_eq!(send(&mut engine, n, format!(r#"{{"quiet":1,"g":"q{n}"}}"#).as_bytes()), 1);
    }
    // Keys of one rule, matches in one window, values of one key.
    for n in 0..6_000 {
        send(&mut engine, n, format!(r#"{{"loud":1,"g":"l{n}"}}"#).as_bytes());
        assert!(engine.items() <= 3_000, "{}", engine.items());
    }
    for n in 0..4_000 {
        send(&mut engine, n, br#"{"b":1,"g":"x"}"#);
        send(&mut engine, n, format!(r#"{{"v":"v{n}","g":"x"}}"#).as_bytes());
        assert!(engine.items() <= 3_000, "{}", engine.items());
    }
    let stats = engine.stats();
    assert!(stats.evicted > 5_000, "{stats:?}");
    // Whoever was quiet is still remembered: what is out is not told again.
    for n in 0..100 {
        assert_eq!(send(&mut engine, 6_000 + n, format!(r#"{{"quiet":1,"g":"q{n}"}}"#).as_bytes()), 0, "{n}");
    }
    // A snapshot of a larger box fits a smaller one.
    let small = Limits { items: 200, keys_per_rule: 50 };
    let engine =
        Engine::restore(engine.rules().clone(), small, &engine.snapshot(), Now::default()).expect("restored");
    assert!(engine.items() <= 200, "{}", engine.items());
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
    let mut engine = Engine::new(Arc::new(set), Limits { items: 6_000, ..Limits::default() });
    for n in 0..300 {
        send(&mut engine, n, format!(r#"{{"a":1,"g":"{n}"}}"#).as_bytes());
        assert!(engine.items() <= 6_000);
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
