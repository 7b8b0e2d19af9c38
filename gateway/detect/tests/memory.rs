//! What the rules' memory takes, held against what the engine says that it takes.
//!
//! Not a timed test. In the deep tier: it is about the memory of a whole process. Invariant: what is bounded is what the
//! process takes, so the engine's figure is never below it.

use std::sync::Arc;

use sitewarden_core::{LogSource, Monotonic, Now, Timestamp};
use sitewarden_detect::{Engine, Limits, RuleSet};

const RULES: usize = 1_000;
const KEYS: usize = 200;

/// Bytes of memory that the process has in use.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line VmRSS");
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().expect("kibibytes") * 1_024
}

/// An engine whose rules have each this key's condition raised or pending.
fn play(x_edge: &str, limits: Limits) -> (Engine, usize) {
    let rule = |n: usize| {
        format!(
            "title: r{n}\nid: r{n}\nlogsource: {{product: p}}\ndetection: {{s: {{kind: t, value|gt: {n}}}, condition: s}}\nx-edge: {x_edge}\n---\n"
        )
    };
    let (set, errors) = RuleSet::load(&[("r.yml", (0..RULES).map(rule).collect::<String>())]);
    assert_eq!(errors, []);
    let mut engine = Engine::new(Arc::new(set), limits);
    let (source, mut out) = (LogSource { product: Some("p".into()), ..LogSource::default() }, Vec::new());
    let mut before = 0;
    for n in 0..=KEYS {
        if n == 1 {
            // The gates are made, the first key is there.
            before = resident();
        }
        let time = Timestamp::from_seconds(1_795_514_400 + i64::try_from(n).expect("small"));
        let now = Now { wall: time, mono: Monotonic::from_micros(n as u64 * 1_000_000) };
        let event =
            format!(r#"{{"device_id":"sensor-{n:04}","kind":"t","value":5000,"unit":"C","zone":"cold"}}"#);
        engine.handle_json(&source, event.as_bytes(), time, now, &mut out);
        out.clear();
    }
    let after = resident();
    (engine, after.saturating_sub(before))
}

#[test]
#[ignore = "deep tier: the memory of a whole process"]
fn the_memory_that_is_counted_is_the_memory_that_is_taken() {
    let wide = Limits { state_bytes: usize::MAX, ..Limits::default() };
    let (engine, taken) = play("{key: [device_id], for: 1h}", wide);
    assert_eq!(engine.keys(), RULES * (KEYS + 1));
    let (counted, keys) = (engine.state_bytes(), engine.keys());
    println!("{keys} keys: counted {} bytes a key, taken {} bytes a key", counted / keys, taken / keys);
    assert!(counted >= taken, "counted {counted}, taken {taken}");
    assert!(counted <= 8 * taken, "counted {counted}, taken {taken}");
    drop(engine);

    let (engine, _) = play("{key: [device_id], for: 1h}", Limits::default());
    assert!(engine.state_bytes() <= Limits::default().state_bytes, "{}", engine.state_bytes());
    println!("{} keys fit into {} bytes", engine.keys(), engine.state_bytes());
}
