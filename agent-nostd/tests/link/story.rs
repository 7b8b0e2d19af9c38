//! The whole story on a good line: enrolment, parameters, findings, readings, time.
//!
//! Faults are in `faults`, power cuts in `power`.
//! Invariant: a finding stands at the site once.

use ed25519_dalek::Signer as _;
use sitewarden_agent::Indication;
use sitewarden_agent::sensor::Sample;
use sitewarden_agent::wire::code::Code;
use sitewarden_agent::wire::message::{ParametersOutcome, ParametersState, Quantity};
use sitewarden_agent::wire::server::{Dropped, OfferError};
use sitewarden_agent::wire::statement::{FindingKind, FindingState};

use crate::support::{Pair, Random, WALL_MS, cold_room, empty_flash, start};

#[test]
fn a_device_enrols_by_its_code_and_its_finding_stands_at_the_site_once() {
    let mut pair = Pair::new();
    assert_eq!(pair.agent.indication(), Indication::NotEnrolled);
    let typed = Code::parse(&pair.agent.code().unwrap().to_string().to_lowercase()).unwrap();
    pair.site.offer(&typed, 0, 600_000).unwrap();
    pair.site.parameters = Some(pair.site.sign_parameters(pair.agent.device(), 1, &[cold_room()], 0));

    pair.run(5_000);
    assert_eq!(pair.agent.indication(), Indication::Well);
    assert!(pair.agent.code().is_none(), "the code is spent");
    pair.sample(Some(9000), false);
    assert_eq!(pair.agent.indication(), Indication::Alarm);
    pair.run(5_000);

    assert_eq!(pair.agent.queued(), 0);
    assert_eq!(pair.site.dropped, []);
    let [(finding, _)] = pair.site.findings.values().collect::<Vec<_>>()[..] else { panic!("one finding") };
    assert_eq!(
        (finding.kind, finding.state, finding.value),
        (FindingKind::Above, FindingState::Raised, Some(9000))
    );
    assert_eq!((finding.rule, finding.parameters, finding.boot_counter), (1, 1, 1));
    assert_eq!((finding.uptime_ms, finding.unix_ms), (5_000, Some(WALL_MS + 5_000)));
    assert_eq!(pair.site.states, [ParametersState { version: 1, outcome: ParametersOutcome::Applied }]);
}

#[test]
fn an_unknown_an_expired_and_a_used_code_are_refused_and_said_so() {
    let mut pair = Pair::new();
    pair.run(1);
    assert_eq!(pair.site.dropped.pop(), Some(Dropped::Code(OfferError::Unknown)));

    let code = pair.agent.code().unwrap().clone();
    pair.site.offer(&code, 0, 10).unwrap();
    pair.run(40_000);
    assert_eq!(pair.site.dropped.last(), Some(&Dropped::Code(OfferError::Expired)));
    assert!(pair.site.devices.is_empty());

    // Entered again, it is open again, and used once.
    pair.site.offer(&code, 50_000, 1_000_000).unwrap();
    pair.run(40_000);
    assert_eq!(pair.agent.indication(), Indication::Well);
    assert_eq!(pair.site.offer(&code, 90_000, 1_000_000), Err(OfferError::Used));

    // Another device with the same code: the same random bytes, other keys.
    let mut thief = start(empty_flash(), &mut Random(1));
    assert_eq!(thief.code().unwrap(), &code);
    pair.site.dropped.clear();
    thief.poll(0, &mut || Random(99).secret());
    pair.site.receive(thief.output(), 100_000);
    assert_eq!(pair.site.dropped, [Dropped::Code(OfferError::Used)]);
    assert_eq!(pair.site.devices.len(), 1);
}

#[test]
fn a_lost_grant_is_given_again_to_the_same_device_only() {
    let mut pair = Pair::new();
    let code = pair.agent.code().unwrap().clone();
    pair.site.offer(&code, 0, 600_000).unwrap();
    let mut downs = 0;
    pair.run_with(20_000, &mut |bytes| bytes, &mut |bytes| {
        downs += 1;
        if downs == 2 { Vec::new() } else { bytes } // the second answer is the grant
    });

    assert_eq!(pair.agent.indication(), Indication::Well);
    assert_eq!(pair.site.devices.len(), 1);
}

#[test]
fn a_gateway_killed_after_the_commit_and_before_the_grant_enrols_the_device_all_the_same() {
    let mut pair = Pair::new();
    let code = pair.agent.code().unwrap().clone();
    pair.site.offer(&code, 0, 600_000).unwrap();
    let mut downs = 0;
    pair.run_with(100, &mut |bytes| bytes, &mut |bytes| {
        downs += 1;
        if downs == 2 { Vec::new() } else { bytes }
    });
    assert_eq!((pair.site.devices.len(), pair.agent.indication()), (1, Indication::NotEnrolled));

    // After its restart the gateway's owner opens the code again for the device that used it.
    pair.site.restart();
    let offer = sitewarden_agent::wire::server::Offer::new(&code, 600_000).used_by(pair.agent.device());
    pair.site.server.open(offer, pair.now_ms).unwrap();
    pair.run(20_000);

    assert_eq!(pair.agent.indication(), Indication::Well);
    assert_eq!(pair.site.devices.len(), 1);
}

#[test]
fn older_unsigned_foreign_and_wrong_parameters_are_refused() {
    let mut pair = Pair::linked();
    pair.site.states.clear();
    let device = pair.agent.device();
    let outcome = |pair: &mut Pair, cose: &[u8]| {
        pair.site.server.send_parameters(cose).unwrap();
        pair.run(1_000);
        pair.site.states.pop().unwrap()
    };
    let in_use = |version, outcome| ParametersState { version, outcome };

    let older = pair.site.sign_parameters(device, 1, &[], 0);
    assert_eq!(outcome(&mut pair, &older), in_use(1, ParametersOutcome::Older));
    let mut unsigned = pair.site.sign_parameters(device, 2, &[], 0);
    *unsigned.last_mut().unwrap() ^= 1;
    assert_eq!(outcome(&mut pair, &unsigned), in_use(1, ParametersOutcome::NotSigned));
    let other = sitewarden_agent::wire::DeviceId::from_bytes([9; 8]);
    let foreign = pair.site.sign_parameters(other, 2, &[], 0);
    assert_eq!(outcome(&mut pair, &foreign), in_use(1, ParametersOutcome::NotSigned));
    let unknown = {
        let payload = b"\xa1\x00\x02"; // a version and nothing else
        let signing = &pair.site.signing;
        let sign = |message: &[u8]| signing.sign(message).to_bytes();
        let kind = sitewarden_agent::wire::cose::Type::Parameters;
        sitewarden_agent::wire::cose::sign(kind, b"the site", payload, &sign).unwrap()
    };
    assert_eq!(outcome(&mut pair, &unknown), in_use(1, ParametersOutcome::Invalid));

    let newer = pair.site.sign_parameters(device, 2, &[], 0);
    assert_eq!(outcome(&mut pair, &newer), in_use(2, ParametersOutcome::Applied));
    pair.restart_agent();
    pair.run(5_000);
    assert_eq!(pair.agent.parameters(), 2, "on flash");
    assert_eq!(outcome(&mut pair, &older), in_use(2, ParametersOutcome::Older), "also after a restart");
}

#[test]
fn a_finding_before_the_time_is_known_carries_uptime_and_boot_id() {
    let mut pair = Pair::linked();
    pair.restart_agent(); // no link yet, no time yet
    pair.sample(Some(9000), false);
    let boot_uptime = pair.now_ms;
    pair.run(5_000);
    pair.sample(Some(5000), false);
    pair.run(5_000);

    let findings: Vec<_> = pair.site.findings.values().map(|(finding, _)| *finding).collect();
    let [before, after] = findings[..] else { panic!("two findings") };
    assert_eq!((before.boot_counter, before.uptime_ms, before.unix_ms), (2, boot_uptime, None));
    assert_eq!(after.unix_ms, Some(WALL_MS + after.uptime_ms));
    assert_eq!(before.boot_id, after.boot_id);
    assert_ne!(before.boot_id, [0; 8]);
}

#[test]
fn readings_are_reported_at_their_interval() {
    let mut pair = Pair::linked();
    let cose = pair.site.sign_parameters(pair.agent.device(), 2, &[], 1_000);
    pair.site.server.send_parameters(&cose).unwrap();
    for n in 0..50 {
        pair.sample(Some(n), false);
        pair.run(100);
    }

    let values: Vec<i32> = pair.site.readings.iter().map(|reading| reading.value).collect();
    assert!((4..=6).contains(&values.len()), "{values:?}");
    assert!(values.windows(2).all(|pair| pair[1] - pair[0] >= 9), "{values:?}");
    assert!(pair.site.readings.iter().all(|r| r.quantity == Quantity::TEMPERATURE && r.at.unix_ms.is_some()));
}

#[test]
fn the_tamper_contact_needs_no_rule() {
    let mut pair = Pair::linked();
    pair.sample(None, true);
    pair.run(100);
    pair.sample(None, true);
    pair.run(5_000);

    let kinds: Vec<_> = pair.site.findings.values().map(|(f, _)| (f.kind, f.state, f.rule)).collect();
    assert_eq!(kinds, [(FindingKind::Tamper, FindingState::Raised, 0)]);
}

#[test]
fn forty_findings_drain_in_order() {
    let mut pair = Pair::linked();
    pair.site.commits = false;
    let samples = |value| [Sample { sensor: 0, quantity: Quantity::TEMPERATURE, value: Some(value) }];
    for _ in 0..20 {
        pair.agent.sample(pair.now_ms, &samples(9000), false);
        pair.agent.sample(pair.now_ms, &samples(5000), false);
    }
    assert_eq!(pair.agent.queued(), 40);
    pair.site.commits = true;
    pair.run(10_000);

    assert_eq!((pair.agent.queued(), pair.site.findings.len()), (0, 40));
    let order: Vec<u64> = pair.site.findings.keys().copied().collect();
    assert!(order.windows(2).all(|two| two[0] < two[1]));
}

#[test]
fn a_full_queue_keeps_the_first_and_tells_what_was_lost() {
    let mut pair = Pair::linked();
    pair.site.commits = false;
    let mut raised = 0;
    while pair.agent.queued() == raised {
        pair.excursion();
        raised += 2;
    }
    let kept = pair.agent.queued();
    pair.excursion();
    pair.restart_agent(); // what was lost is on flash too
    pair.site.commits = true;
    pair.run(60_000);

    assert_eq!(pair.agent.queued(), 0);
    let findings: Vec<_> = pair.site.findings.values().map(|(finding, _)| *finding).collect();
    let lost: Vec<_> = findings.iter().filter_map(|finding| finding.lost).collect();
    assert_eq!(lost, [raised + 2 - kept], "each loss is told once");
    assert_eq!(findings.len() as u32, kept + 1, "what was kept, and the loss");
    assert_eq!(findings[0].state, FindingState::Raised);
}

#[test]
fn a_restart_neither_raises_again_nor_clears() {
    let mut pair = Pair::linked();
    pair.sample(Some(9000), false);
    pair.run(5_000);
    pair.restart_agent();
    pair.sample(Some(9000), false);
    assert_eq!(pair.agent.indication(), Indication::Alarm);
    pair.run(5_000);
    assert_eq!(pair.site.findings.len(), 1);

    pair.sample(Some(5000), false);
    pair.run(5_000);
    let states: Vec<_> = pair.site.findings.values().map(|(finding, _)| finding.state).collect();
    assert_eq!(states, [FindingState::Raised, FindingState::Cleared]);
}
