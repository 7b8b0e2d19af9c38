//! The rules as tables of time, value and what is expected.
//!
//! Time is given; nothing waits.
//! Invariant: each line names what changes, and nothing else does.

use super::*;
use sitewarden_wire::statement::FindingState::{Cleared, Raised};
use std::vec::Vec;

const ABOVE: Rule = Rule { id: 1, sensor: 0, check: Check::Above { limit: 8000, clear: 7000 }, hold_ms: 300 };
const BELOW: Rule = Rule { id: 2, sensor: 0, check: Check::Below { limit: 2000, clear: 3000 }, hold_ms: 0 };
const MISSING: Rule = Rule { id: 3, sensor: 0, check: Check::Missing, hold_ms: 1000 };

fn step(rules: &mut Rules, now_ms: u64, value: Option<i32>, open: bool) -> Vec<(u16, FindingState)> {
    let mut changes = Vec::new();
    let samples = [Sample { sensor: 0, quantity: Quantity::TEMPERATURE, value }];
    rules.sample(&samples, open, now_ms, &mut |change| changes.push((change.rule, change.state)));
    changes
}

/// Feeds `(time, value)` and returns `(time, rule, state)` of each change.
fn run(rules: &mut Rules, samples: &[(u64, Option<i32>)]) -> Vec<(u64, u16, FindingState)> {
    let mut all = Vec::new();
    for &(now_ms, value) in samples {
        all.extend(step(rules, now_ms, value, false).into_iter().map(|(rule, state)| (now_ms, rule, state)));
    }
    all
}

#[test]
fn a_threshold_raises_after_its_hold_and_clears_below_its_hysteresis() {
    let mut rules = Rules::new(&[ABOVE], 0);
    let samples = [
        (0, Some(8000)), // at the limit is not above
        (100, Some(8001)),
        (300, Some(9000)),
        (400, Some(9000)), // held 300 ms
        (500, Some(7500)), // between clear and limit: stays raised
        (1900, Some(7500)),
        (2000, Some(7000)),
        (2300, Some(6000)), // held 300 ms
        (2400, Some(7500)),
        (9000, Some(7500)), // between clear and limit: stays cleared
    ];

    assert_eq!(run(&mut rules, &samples), [(400, 1, Raised), (2300, 1, Cleared)]);
}

#[test]
fn a_gap_or_a_dip_begins_the_hold_anew() {
    let mut rules = Rules::new(&[ABOVE], 0);
    let samples = [
        (0, Some(9000)),
        (200, None), // a sample is missing
        (300, Some(9000)),
        (500, Some(7999)), // a dip
        (600, Some(9000)),
        (800, Some(9000)),
        (900, Some(9000)),
    ];

    assert_eq!(run(&mut rules, &samples), [(900, 1, Raised)]);
}

#[test]
fn below_is_the_mirror_and_without_hold_at_once() {
    let mut rules = Rules::new(&[BELOW], 0);
    let samples = [(0, Some(2000)), (10, Some(1999)), (20, Some(2999)), (30, Some(3000)), (40, Some(1999))];

    assert_eq!(run(&mut rules, &samples), [(10, 2, Raised), (30, 2, Cleared), (40, 2, Raised)]);
}

#[test]
fn a_missing_sensor_raises_after_its_time_and_clears_with_a_value() {
    let mut rules = Rules::new(&[MISSING, ABOVE], 0);
    let samples =
        [(0, None), (500, Some(1)), (600, None), (1599, None), (1600, None), (5000, None), (5100, Some(1))];

    assert_eq!(run(&mut rules, &samples), [(1600, 3, Raised), (5100, 3, Cleared)]);
}

#[test]
fn a_sensor_that_the_board_does_not_have_is_missing() {
    let mut rules = Rules::new(&[Rule { sensor: 9, ..MISSING }], 0);

    assert_eq!(run(&mut rules, &[(0, Some(1)), (1000, Some(1))]), [(1000, 3, Raised)]);
}

#[test]
fn the_contact_counts_after_its_hold() {
    let mut rules = Rules::new(&[], 0);
    let hold = u64::from(TAMPER_HOLD_MS);

    assert_eq!(step(&mut rules, 0, None, true), []);
    assert_eq!(step(&mut rules, hold - 1, None, false), [], "a bounce");
    assert_eq!(step(&mut rules, 100, None, true), []);
    assert_eq!(step(&mut rules, 100 + hold, None, true), [(0, Raised)]);
    assert_eq!(rules.raised(), TAMPER);
    assert_eq!(step(&mut rules, 900, None, false), []);
    assert_eq!(step(&mut rules, 900 + hold, None, false), [(0, Cleared)]);
}

#[test]
fn a_restart_neither_raises_nor_clears() {
    let mut rules = Rules::new(&[BELOW, ABOVE], 0);
    assert_eq!(run(&mut rules, &[(0, Some(1000))]), [(0, 2, Raised)]);

    let mut restarted = Rules::new(&[BELOW, ABOVE], rules.raised());

    assert_eq!(run(&mut restarted, &[(0, Some(1000)), (9000, Some(1000))]), []);
    assert_eq!(run(&mut restarted, &[(9100, Some(3000))]), [(9100, 2, Cleared)]);
}

#[test]
fn new_parameters_keep_the_state_of_a_rule_that_stays() {
    let mut rules = Rules::new(&[ABOVE, BELOW], 0);
    assert_eq!(run(&mut rules, &[(0, Some(1000))]), [(0, 2, Raised)]);

    rules.replace(&[BELOW, MISSING]);
    assert_eq!(rules.raised(), 0b01);
    assert_eq!(run(&mut rules, &[(10, Some(1000))]), []);

    rules.replace(&[Rule { hold_ms: 1, ..BELOW }]);
    assert_eq!(rules.raised(), 0, "another rule of the same number begins anew");
}

#[test]
fn a_change_tells_what_decided() {
    let mut rules = Rules::new(&[BELOW], 0);
    let mut told = None;
    let samples = [Sample { sensor: 0, quantity: Quantity::HUMIDITY, value: Some(-5) }];
    rules.sample(&samples, false, 7, &mut |change| told = Some(change));

    let expected = Change {
        rule: 2,
        kind: FindingKind::Below,
        state: Raised,
        sensor: Some(0),
        quantity: Some(Quantity::HUMIDITY),
        value: Some(-5),
        limit: Some(2000),
    };
    assert_eq!(told, Some(expected));
}

/// A reference model: raises and clears alternate, whatever the samples are.
#[test]
fn raises_and_clears_alternate() {
    let mut seed = 1_u64;
    let mut rules = Rules::new(&[ABOVE, BELOW, MISSING], 0);
    let mut last = [Cleared; 4];
    let mut count = 0;
    for now_ms in (0..4_000_000).step_by(100) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value =
            [None, Some(1000), Some(2500), Some(5000), Some(7500), Some(9000)][(seed >> 60) as usize % 6];
        let hold = (seed >> 40) % 8;
        for repeat in 0..hold {
            for (rule, state) in step(&mut rules, now_ms + repeat * 10, value, seed >> 63 == 1) {
                assert_ne!(last[usize::from(rule)], state, "rule {rule} at {now_ms}");
                last[usize::from(rule)] = state;
                count += 1;
            }
        }
    }
    assert!(count > 1000, "{count} changes");
}
