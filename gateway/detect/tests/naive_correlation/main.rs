//! A naive evaluator of Sigma correlations and filters, written from the specification, against the engine.
//!
//! It shares no code with the engine and never forgets: every question is answered from the list of all matches of
//! a group. Rules (counts, values, metrics, orders, extended conditions, aliases, chains, `generate`, filters) and
//! streams (late and equal times, absent fields) are generated from a seed. `make test` runs a few thousand pairs of
//! rule and event, the deep tier 100,000.

#![expect(clippy::unwrap_used, reason = "a generator of tests: what it unwraps it has made itself")]

#[path = "../support/dice.rs"]
mod dice;
mod evaluator;
mod generator;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sitewarden_core::{FindingDraft, LogSource, Monotonic, Now, Timestamp};
use sitewarden_detect::{Engine, Limits, RuleSet};

use dice::Dice;
use evaluator::Naive;
use generator::{SECOND, Sent, stream, text, world};

const BEGIN: i64 = 1_795_514_400;

fn told(drafts: &mut Vec<FindingDraft>) -> Vec<String> {
    let line = |draft: FindingDraft| format!("{} {}", draft.time.micros() - BEGIN * SECOND, draft.dedup_key);
    drafts.drain(..).map(line).collect()
}

/// Plays a stream to both; gives the number of (rule, event) pairs and of matches.
fn agree(seed: u64) -> (usize, usize) {
    let mut dice = Dice(seed);
    for _ in 0..8 {
        dice.roll(2);
    }
    let world = world(&mut dice);
    let files = text(&world);
    let (set, errors) = RuleSet::load(&files);
    assert_eq!(errors, [], "seed {seed}");
    let mut engine = Engine::new(Arc::new(set), Limits::default());
    let mut naive = Naive::new(&world);
    let source = LogSource { product: Some("p".into()), ..LogSource::default() };
    let at = |micros: i64| Timestamp::from_micros(BEGIN * SECOND + micros);
    let stream = stream(&mut dice, 60);
    let mut matches = 0;
    let end = Sent { fields: Map::new(), time: 0, arrives: stream.last().unwrap().arrives + 100 * SECOND };
    for (number, sent) in stream.iter().chain([&end]).enumerate() {
        let mono = Monotonic::from_micros(sent.arrives.cast_unsigned());
        let mut out = Vec::new();
        while let Some(due) = engine.next_deadline().filter(|due| *due <= mono) {
            let now = Now { wall: at(due.micros().cast_signed()), mono: due };
            engine.handle_timeout(now, &mut out);
        }
        let now = Now { wall: at(sent.arrives), mono };
        if number < stream.len() {
            let text = Value::Object(sent.fields.clone()).to_string();
            engine.handle_json(&source, text.as_bytes(), at(sent.time), now, &mut out);
            naive.event(sent);
        } else {
            naive.pass(sent.arrives);
        }
        let mut got = told(&mut out);
        let mut wanted = std::mem::take(&mut naive.out);
        got.sort();
        wanted.sort();
        if got != wanted {
            let rules: String = files.iter().map(|(_, text)| format!("{text}\n")).collect();
            let events: String = stream[..stream.len().min(number + 1)]
                .iter()
                .map(|sent| {
                    format!("{} {} {}\n", sent.arrives / SECOND, sent.time / SECOND, json!(sent.fields))
                })
                .collect();
            panic!(
                "seed {seed}, event {number}: the engine says {got:?}, the specification {wanted:?}\n{rules}{events}"
            );
        }
        matches += got.len();
    }
    ((world.bases.len() + world.correlations.len()) * stream.len(), matches)
}

fn agree_on(seeds: std::ops::Range<u64>) -> usize {
    let (mut pairs, mut matches) = (0, 0);
    for seed in seeds {
        let (more, found) = agree(seed);
        pairs += more;
        matches += found;
    }
    assert!(matches * 20 > pairs, "the streams must make the rules work: {matches} matches of {pairs} pairs");
    pairs
}

#[test]
fn correlations_agree_with_the_naive_evaluator() {
    assert_eq!(agree_on(1..6), 4_800);
}

#[test]
#[ignore = "deep tier: 100,000 pairs"]
fn correlations_agree_with_the_naive_evaluator_on_100_000_pairs() {
    assert_eq!(agree_on(1_000..1_105), 100_800);
}
