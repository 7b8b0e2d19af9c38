//! The line as an adversary, and ends that are killed: nothing is lost, nothing stands twice.
//!
//! Faults are functions over the bytes of one direction, from a seed.
//! Invariant: after any time of faults and a good line, every finding stands at the site once.

use sitewarden_agent::Indication;
use sitewarden_agent::wire::server::Dropped;
use sitewarden_agent::wire::session::SessionError;
use sitewarden_agent::wire::statement::FindingState;

use crate::support::{Pair, Random};

/// One kind of fault each; `history` holds what went over the line before.
fn fault(kind: usize, random: &mut Random, history: &mut Vec<Vec<u8>>, mut bytes: Vec<u8>) -> Vec<u8> {
    history.push(bytes.clone());
    let at = random.below(bytes.len());
    match (kind, random.below(3)) {
        (0, 0) => bytes.clear(),                                        // dropped
        (1, _) => bytes[at] ^= 1 << random.below(8),                    // a bit flipped
        (2, _) => bytes.extend_from_within(..),                         // doubled
        (3, 0) => bytes = history[random.below(history.len())].clone(), // replaced by an old frame
        (4, _) => bytes.truncate(at),                                   // cut
        (5, _) => {
            let old = history[random.below(history.len())].clone();
            bytes.splice(0..0, old); // an old frame before it
        }
        (6, 0) => {
            let noise: Vec<u8> = (0..700).map(|_| random.next() as u8).collect();
            bytes.splice(at..at, noise); // noise inside
        }
        _ => {}
    }
    bytes
}

#[test]
fn every_kind_of_fault_in_both_directions_loses_and_doubles_nothing() {
    for kind in 0..7 {
        for seed in 0..6 {
            let mut pair = Pair::linked();
            let mut random = Random(seed * 100 + kind as u64);
            let (mut ups, mut downs) = (Vec::new(), Vec::new());
            for _ in 0..3 {
                pair.excursion();
                let mut second = Random(random.next());
                pair.run_with(20_000, &mut |bytes| fault(kind, &mut random, &mut ups, bytes), &mut |bytes| {
                    fault(kind, &mut second, &mut downs, bytes)
                });
            }
            pair.run(120_000);

            let states: Vec<_> = pair.site.findings.values().map(|(finding, _)| finding.state).collect();
            let expected = [FindingState::Raised, FindingState::Cleared].repeat(3);
            assert_eq!(states, expected, "fault {kind}, seed {seed}: {:?}", pair.site.dropped.last());
            assert_eq!(pair.agent.queued(), 0);
        }
    }
}

#[test]
fn a_gateway_killed_at_any_point_gets_every_finding_once() {
    let mut pair = Pair::linked();
    for round in 0..10 {
        pair.excursion();
        // The gateway dies after as many answers; what it committed stays.
        let mut left = round;
        pair.run_with(1_000, &mut |bytes| bytes, &mut |bytes| {
            left -= 1;
            if left < 0 { Vec::new() } else { bytes }
        });
        pair.site.restart();
        pair.run(90_000);
    }

    assert_eq!((pair.site.findings.len(), pair.agent.queued()), (20, 0));
    assert_eq!(pair.agent.indication(), Indication::Well);
}

#[test]
fn a_recorded_session_played_again_changes_nothing() {
    let mut pair = Pair::linked();
    let mut recorded = Vec::new();
    pair.excursion();
    pair.run_with(
        5_000,
        &mut |bytes| {
            recorded.extend(&bytes);
            bytes
        },
        &mut |bytes| bytes,
    );
    assert_eq!(pair.site.findings.len(), 2);
    pair.site.findings.clear();
    pair.site.dropped.clear();

    pair.site.receive(&recorded, pair.now_ms);
    assert!(pair.site.findings.is_empty());
    assert!(
        pair.site.dropped.iter().all(|d| matches!(d, Dropped::Session(SessionError::Replayed { .. }))),
        "{:?}",
        pair.site.dropped
    );
    pair.excursion();
    pair.run(10_000);
    assert_eq!(pair.site.findings.len(), 2, "the session goes on");
}

#[test]
fn a_recorded_handshake_played_again_does_not_end_the_session() {
    let mut pair = Pair::linked();
    let mut recorded = Vec::new();
    pair.site.restart();
    pair.run_with(
        120_000,
        &mut |bytes| {
            recorded.push(bytes.clone());
            bytes
        },
        &mut |bytes| bytes,
    );
    pair.restart_agent();
    pair.run(5_000);
    let hellos = pair.site.hellos;

    for bytes in &recorded {
        pair.site.receive(bytes, pair.now_ms);
    }
    let _ = pair.site.output();
    pair.excursion();
    pair.run(10_000);

    assert_eq!(pair.site.findings.len(), 2);
    assert_eq!(pair.site.hellos, hellos, "no new session was needed");
}

#[test]
fn a_flood_of_handshakes_is_bounded_and_the_device_still_gets_through() {
    let mut pair = Pair::linked();
    let mut thief = crate::support::start(crate::support::empty_flash(), &mut Random(5));
    pair.site.dropped.clear();
    for n in 0..100 {
        thief.poll(n * 100_000, &mut || Random(n).secret());
        let bytes = thief.output().to_vec();
        thief.written(bytes.len());
        pair.site.receive(&bytes, pair.now_ms);
        assert!(pair.site.output().is_empty());
    }
    let refused = pair.site.dropped.iter().filter(|d| **d == Dropped::TooManyHandshakes).count();
    assert!(refused >= 90, "{refused} of 100");

    pair.excursion();
    pair.run(10_000);
    assert_eq!(pair.site.findings.len(), 2);
}

#[test]
fn a_line_that_stops_taking_bytes_costs_bounded_memory() {
    let mut pair = Pair::linked();
    for sequence in 0..1000 {
        let _ = pair.site.server.acknowledge(sequence);
    }
    let waiting = pair.site.server.output().len();
    assert!(waiting <= sitewarden_agent::wire::limits::MAX_OUTBOX, "{waiting}");

    pair.excursion();
    pair.run(60_000);
    assert_eq!(pair.site.findings.len(), 2, "and goes on when the line does");
}

#[test]
fn a_blocked_device_is_not_linked_again() {
    let mut pair = Pair::linked();
    let device = pair.agent.device();
    let known = pair.site.devices.remove(&device).unwrap();
    pair.site.server.disconnect();
    pair.excursion();
    pair.run(120_000);
    assert!(pair.site.findings.is_empty());
    assert!(pair.site.dropped.contains(&Dropped::UnknownDevice { device }));

    pair.site.devices.insert(device, known);
    pair.run(120_000);
    assert_eq!(pair.site.findings.len(), 2, "nothing was lost meanwhile");
}
