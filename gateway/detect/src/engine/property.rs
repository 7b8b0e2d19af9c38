//! Any split of a stream by snapshot and restore gives the same matches as no split.
//!
//! Streams are generated from a seed over rules of every kind of state: hold, gap, rate, stuck, first seen, windows,
//! waits and silence, with timers running between the events.

use std::sync::Arc;

use sitewarden_core::{Event, FindingDraft, LogSource, Monotonic, Now, Timestamp, Value};

use super::*;

mod replayed;

const RULES: &str = r#"
title: hold
id: hold
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t, value|gt: 5}, condition: s}
x-edge: {key: [d], for: 40s, clear: {value|lt: 3}, clear-for: 20s, max-gap: 60s, on-gap: clear}
---
title: timer
id: timer
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t, value|gt: 7}, condition: s}
x-edge: {key: [d], for: 30s, trigger: timer, suppress: {when: silent, by: [via]}}
---
title: gap
id: gap
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t, value|gte: 0}, condition: not s}
x-edge: {key: [d], scope: s, max-gap: 45s, on-gap: fire}
---
title: rate
id: rate
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t}, condition: s}
x-edge: {key: [d], scope: s, rate: {per: 10s, gt: 3, abs: true}}
---
title: stuck
id: stuck
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t}, condition: s}
x-edge: {key: [d], scope: s, stuck: {for: 30s}}
---
title: seen
id: seen
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t}, condition: s}
x-edge: {first-seen: {key: [d], value: value, memory: 5m, learn: 1m}}
---
title: high
id: high
name: high
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t, value|gt: 6}, condition: s}
---
title: low
id: low
name: low
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t, value|lt: 2}, condition: s}
---
title: any
id: any
name: any
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t}, condition: s}
---
title: many
id: many
name: many
correlation: {type: event_count, rules: [high], group-by: [d], timespan: 60s, condition: {gte: 3}, generate: true}
---
title: values
id: values
correlation: {type: value_count, rules: [any], group-by: [via], timespan: 60s, condition: {field: value, gte: 5}, generate: true}
---
title: order
id: order
correlation: {type: temporal_ordered, rules: [many, low], group-by: [d], timespan: 90s, generate: true}
---
title: without
id: without
correlation: {type: temporal, rules: [high, low], group-by: [d], timespan: 30s, condition: high and not low, generate: true}
---
title: average
id: average
correlation: {type: value_avg, rules: [any], group-by: [d], timespan: 60s, condition: {field: value, gt: 6}, generate: true}
---
title: silent
id: silent
correlation: {type: event_count, rules: [any], group-by: [d], timespan: 50s, condition: {lt: 1}, generate: true}
x-edge: {trigger: timer, start-grace: 20s, collapse-by: [via]}
---
title: few
id: few
correlation: {type: event_count, rules: [any], group-by: [via], timespan: 40s, condition: {lt: 3}, generate: true}
x-edge: {trigger: timer, suppress: {when: worse, by: [via]}}
---
title: known
id: known
correlation: {type: event_count, rules: [low], group-by: [d], timespan: 60s, condition: {lt: 1}, generate: true}
x-edge: {trigger: timer, groups: inventory, start-grace: 90s, collapse-by: [port]}
---
title: worse
id: worse
name: worse
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t, value|gt: 4}, condition: s}
x-edge: {key: [via], for: 10s, severity: [{level: critical, when: {value|gt: 8}}, {level: high, when: {value|gt: 6}}], expr: "value * 2 > 9"}
---
title: jump
id: jump
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t}, condition: s}
x-edge: {key: [d, via], scope: s, delta: {gte: 7, abs: true}, for: 5s, clear-for: 10s}
---
title: night
id: night
logsource: {product: iot, category: sensor_reading}
detection: {s: {m: t, value|gt: 3}, condition: s}
x-edge: {key: [d], for: 20s, trigger: timer, max-gap: 5m, on-gap: hold, schedule: {from: "10:05", to: "10:12"}}
---
title: worst
id: worst
correlation: {type: value_percentile, rules: [any], group-by: [d], timespan: 60s, condition: {field: value, percentile: 75, gte: 8}, generate: true}
---
title: branches
id: branches
correlation: {type: temporal_ordered, rules: [many, low, high], group-by: [who], aliases: {who: {low: via, high: via, many: d}}, timespan: 40s, condition: (low and high) or (many and not low), generate: true}
---
title: quiet
id: quiet
correlation: {type: event_count, rules: [any], group-by: [d], timespan: 30s, condition: {gte: 3}, generate: true}
x-edge: {suppress: {when: worse, by: [via]}, schedule: {from: "10:00", to: "10:10"}}
"#;

/// 2026-11-24T10:00:00Z, a Tuesday.
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

fn stream(seed: u64, length: usize) -> Vec<(Now, Event)> {
    let mut dice = Dice(seed);
    let mut second = 100;
    (0..length)
        .map(|_| {
            second += if dice.roll(12) == 0 { 30 + dice.roll(90) } else { dice.roll(12) };
            // One event in ten is late, one in fifty comes from a clock that was set back.
            let back = if dice.roll(50) == 0 {
                4_000
            } else if dice.roll(10) == 0 {
                dice.roll(40)
            } else {
                0
            };
            let wall = Timestamp::from_seconds(BEGIN + second.cast_signed());
            let time = Timestamp::from_seconds(BEGIN + second.cast_signed() - back.cast_signed());
            let fields = vec![
                (Arc::from("d"), Value::from(["a", "b", "c"][dice.roll(3) as usize])),
                (Arc::from("via"), Value::from(["x", "y"][dice.roll(2) as usize])),
                (Arc::from("m"), Value::from("t")),
                (Arc::from("value"), Value::Int(dice.roll(10).cast_signed())),
            ];
            let now = Now { wall, mono: Monotonic::from_micros(second * 1_000_000) };
            let source = LogSource::sensor_reading();
            (now, Event { source, asset: None, time, received: wall, fields })
        })
        .collect()
}

/// A fresh engine that knows an inventory.
fn engine(set: &Arc<RuleSet>) -> Engine {
    let asset =
        |d: &str, port: &str| vec![(Arc::from("d"), Arc::from(d)), (Arc::from("port"), Arc::from(port))];
    let mut engine = Engine::new(set.clone(), Limits::default());
    let start = Now { wall: Timestamp::from_seconds(BEGIN + 100), mono: Monotonic::from_micros(100_000_000) };
    engine.set_inventory(vec![asset("a", "p1"), asset("b", "p1"), asset("c", "p2"), asset("z", "p2")], start);
    engine
}

/// Plays events, letting timers run at their deadlines in between.
fn play(engine: &mut Engine, events: &[(Now, Event)], out: &mut Vec<FindingDraft>) {
    play_shifted(engine, events, 0, out);
}

/// The same on a box whose monotonic clock shows that many microseconds more.
fn play_shifted(engine: &mut Engine, events: &[(Now, Event)], shift: i64, out: &mut Vec<FindingDraft>) {
    for (now, event) in events {
        let now = &Now { wall: now.wall, mono: shifted(now.mono, shift) };
        while let Some(due) = engine.next_deadline().filter(|due| *due <= now.mono) {
            let before = now.mono.since(due);
            engine.handle_timeout(Now { wall: now.wall.before(before), mono: due }, out);
        }
        engine.handle_event(event, *now, out);
    }
}

fn shifted(mono: Monotonic, shift: i64) -> Monotonic {
    Monotonic::from_micros(mono.micros().checked_add_signed(shift).expect("a time after the start"))
}

fn told(out: &[FindingDraft]) -> Vec<String> {
    out.iter()
        .map(|draft| {
            format!("{} {} {} {}", draft.time, draft.dedup_key, draft.cleared, draft.evidence.reason)
        })
        .collect()
}

fn split_agrees(seed: u64, set: &Arc<RuleSet>) -> usize {
    let events = stream(seed, 120);
    let mut whole = engine(set);
    let mut expected = Vec::new();
    play(&mut whole, &events, &mut expected);

    let mut dice = Dice(seed ^ 0xdead_beef);
    let mut engine = engine(set);
    let mut out = Vec::new();
    let mut rest = events.as_slice();
    let mut shift = 0;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at((1 + dice.roll(60) as usize).min(rest.len()));
        play_shifted(&mut engine, head, shift, &mut out);
        let now = head.last().expect("at least one event").0;
        let bytes = engine.snapshot();
        // A kill: what came after the snapshot is played again. The box that was killed is not asked any more.
        let again = tail.get(..dice.roll(4) as usize).unwrap_or_default();
        play_shifted(&mut engine, again, shift, &mut Vec::new());
        // A restart: the monotonic clock begins anew, and what it shows is all that changes.
        shift = (dice.roll(1 << 40)).cast_signed() - now.mono.micros().cast_signed();
        let now = Now { wall: now.wall, mono: shifted(now.mono, shift) };
        engine = Engine::restore(set.clone(), Limits::default(), &bytes, now).expect("restored");
        rest = tail;
    }

    assert_eq!(told(&out), told(&expected), "seed {seed}");
    assert_eq!(engine.stats(), whole.stats(), "seed {seed}");
    out.len()
}

fn set() -> Arc<RuleSet> {
    let (set, errors) = RuleSet::load(&[("rules.yml", RULES)]);
    assert_eq!(errors, []);
    Arc::new(set)
}

#[test]
fn splits_change_nothing() {
    let set = set();
    let matches: usize = (1..=8).map(|seed| split_agrees(seed, &set)).sum();
    assert!(matches > 200, "the streams must make the rules work: {matches}");
}

#[test]
#[ignore = "deep tier: 1,000 streams, each split at random"]
fn a_thousand_random_splits_change_nothing() {
    let set = set();
    for seed in 1_000..2_000 {
        split_agrees(seed, &set);
    }
}

#[test]
fn every_rule_of_the_property_matches_at_least_once() {
    let set = set();
    let mut out = Vec::new();
    for seed in 1..=40 {
        play(&mut engine(&set), &stream(seed, 120), &mut out);
    }
    for rule in set.rules().iter().filter(|rule| !set.is_referred_to(&rule.id) || &*rule.id == "many") {
        assert!(out.iter().any(|draft| draft.rule_id == rule.id), "{}", rule.id);
    }
}

#[test]
fn a_restart_with_a_fresh_monotonic_clock_neither_fires_nor_clears() {
    let set = set();
    let events = stream(7, 60);
    let mut engine = engine(&set);
    play(&mut engine, &events, &mut Vec::new());
    let wall = events.last().expect("events").0.wall;
    let remaining = engine.next_deadline().expect("timers run").since(events.last().expect("events").0.mono);

    let down = Timestamp::from_micros(wall.micros() + 3_600_000_000);
    let now = Now { wall: down, mono: Monotonic::from_micros(5) };
    let mut engine = Engine::restore(set, Limits::default(), &engine.snapshot(), now).expect("restored");
    let mut out = Vec::new();
    engine.handle_timeout(now, &mut out);

    assert_eq!(told(&out), [""; 0]);
    assert_eq!(engine.next_deadline().expect("timers run").since(now.mono), remaining);
}

#[test]
fn a_snapshot_keeps_every_digit_and_is_the_same_when_taken_again() {
    let set = set();
    let mut engine = engine(&set);
    let mut dice = Dice(11);
    let mut events = stream(3, 200);
    for (_, event) in &mut events {
        let value =
            f64::from_bits(0x3fe0_0000_0000_0000 | dice.roll(1 << 20) << 31 | dice.roll(1 << 31)) * 9.0;
        event.fields.last_mut().expect("fields").1 = Value::Float(value);
    }
    play(&mut engine, &events, &mut Vec::new());
    let bytes = engine.snapshot();
    let now = events.last().expect("events").0;
    let again = Engine::restore(set, Limits::default(), &bytes, now).expect("restored");
    // Deadlines that were queued too early are queued anew; all else is the same.
    let plain = |bytes: &[u8]| {
        let mut value: serde_json::Value = serde_json::from_slice(&bytes[5..]).expect("JSON");
        fn strip(value: &mut serde_json::Value) {
            match value {
                serde_json::Value::Object(map) => {
                    map.remove("queued");
                    map.values_mut().for_each(strip);
                }
                serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
                _ => {}
            }
        }
        strip(&mut value);
        value
    };
    assert_eq!(plain(&bytes), plain(&again.snapshot()));
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let other = String::from_utf8_lossy(&again.snapshot()).into_owned();
    let floats = |text: &str| -> std::collections::BTreeSet<String> {
        text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
            .filter(|word| word.len() > 15 && word.contains('.'))
            .map(str::to_owned)
            .collect()
    };
    assert!(floats(&text).len() > 20);
    assert_eq!(floats(&text), floats(&other));
}
