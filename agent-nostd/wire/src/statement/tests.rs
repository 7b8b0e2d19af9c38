//! Statements: for whom they are, their ranges, their bounds.
//!
//! Golden bytes are in `tests/golden`.
//! Invariant: every refusal is the exact one.

use super::*;
use crate::testing::{Seeded, mutate, sign as with, signing, verify as check};

const DEVICE: DeviceId = DeviceId::from_bytes([7; 8]);
const OTHER: DeviceId = DeviceId::from_bytes([8; 8]);
const SITE: [u8; 8] = *b"site key";

fn key() -> SigningPublicKey {
    signing(1).verifying_key().to_bytes()
}

fn rule(id: u16, check: Check, hold_ms: u32) -> Rule {
    Rule { id, sensor: 1, check, hold_ms }
}

fn parameters(rules: &[Rule]) -> Parameters {
    let mut list = List::default();
    rules.iter().for_each(|rule| list.push(*rule).unwrap());
    Parameters { version: 9, device: DEVICE, rules: list, report_ms: 1000 }
}

fn finding() -> Finding {
    Finding {
        device: DEVICE,
        sequence: u64::MAX,
        boot_id: [9; 8],
        boot_counter: u32::MAX,
        uptime_ms: u64::MAX,
        unix_ms: Some(u64::MAX),
        rule: u16::MAX,
        kind: FindingKind::Lost,
        state: FindingState::Cleared,
        sensor: Some(255),
        quantity: Some(Quantity(255)),
        value: Some(i32::MIN),
        limit: Some(i32::MIN),
        parameters: u64::MAX,
        lost: Some(u32::MAX),
    }
}

#[test]
fn the_largest_of_each_fits() {
    let rules: std::vec::Vec<Rule> = (0..MAX_RULES)
        .map(|n| {
            let check = Check::Above { limit: i32::MIN, clear: i32::MIN };
            Rule { id: u16::MAX - n as u16, sensor: 255, check, hold_ms: MAX_RULE_TIME_MS }
        })
        .collect();
    let largest = Parameters { version: u64::MAX, report_ms: u32::MAX, ..parameters(&rules) };
    let bytes = largest.sign(&SITE, &with(&signing(1))).unwrap();
    assert_eq!(Parameters::verify(&bytes, DEVICE, &key(), check), Ok(largest));

    let bytes = finding().sign(&with(&signing(1))).unwrap();
    assert_eq!(Finding::verify(&bytes, DEVICE, &key(), check), Ok(finding()));
    assert!(bytes.len() <= 256, "a finding takes {} bytes of flash", bytes.len());
}

#[test]
fn a_statement_for_another_device_run_or_purpose_is_refused() {
    let signer = with(&signing(1));
    let sent = parameters(&[]).sign(&SITE, &signer).unwrap();
    assert_eq!(Parameters::verify(&sent, OTHER, &key(), check), Err(StatementError::OtherDevice));

    let time = Time { device: DEVICE, boot_id: [1; 8], unix_ms: 5 };
    let sent = time.sign(&SITE, &signer).unwrap();
    assert_eq!(Time::verify(&sent, DEVICE, [1; 8], &key(), check), Ok(time));
    assert_eq!(Time::verify(&sent, DEVICE, [2; 8], &key(), check), Err(StatementError::OtherDevice));
    assert_eq!(Time::verify(&sent, OTHER, [1; 8], &key(), check), Err(StatementError::OtherDevice));
    let source = CoseError::OtherType { expected: Type::Parameters };
    assert_eq!(Parameters::verify(&sent, DEVICE, &key(), check), Err(StatementError::Cose { source }));

    let other = signing(2).verifying_key().to_bytes();
    let source = CoseError::Signature;
    assert_eq!(Time::verify(&sent, DEVICE, [1; 8], &other, check), Err(StatementError::Cose { source }));
    let sent = finding().sign(&signer).unwrap();
    assert_eq!(Finding::verify(&sent, OTHER, &key(), check), Err(StatementError::OtherDevice));
}

#[test]
fn rules_out_of_range_are_neither_signed_nor_taken() {
    let above = Check::Above { limit: 8000, clear: 7000 };
    for (rules, wrong) in [
        ([rule(0, above, 0), rule(2, above, 0)], 0),
        ([rule(1, above, 0), rule(1, Check::Missing, 5)], 1),
        ([rule(1, above, 0), rule(3, Check::Above { limit: 7000, clear: 8000 }, 0)], 3),
        ([rule(1, above, 0), rule(4, Check::Below { limit: 3000, clear: 2000 }, 0)], 4),
        ([rule(1, above, 0), rule(5, Check::Missing, 0)], 5),
        ([rule(1, above, 0), rule(6, above, MAX_RULE_TIME_MS + 1)], 6),
    ] {
        let parameters = parameters(&rules);
        let range = StatementError::Range { rule: wrong };
        assert_eq!(parameters.sign(&SITE, &with(&signing(1))), Err(range));

        let sent = sign(Type::Parameters, &SITE, &parameters, &with(&signing(1))).unwrap();
        assert_eq!(Parameters::verify(&sent, DEVICE, &key(), check), Err(range));
    }
}

#[test]
fn a_signed_payload_of_another_form_is_refused() {
    for payload in [&b""[..], b"\xa0", b"\x80", b"\xff"] {
        let sent = cose::sign(Type::Time, &SITE, payload, &with(&signing(1))).unwrap();
        assert_eq!(Time::verify(&sent, DEVICE, [1; 8], &key(), check), Err(StatementError::Malformed));
    }
}

#[test]
fn seeded_mutations() {
    let mut random = Seeded::new(7);
    let signer = with(&signing(1));
    let device = DeviceId::from_bytes([0; 8]);
    let above = Check::Above { limit: 8000, clear: 7000 };
    let seeds = [
        Finding { device, ..finding() }.sign(&signer).unwrap(),
        Parameters { device, ..parameters(&[rule(1, above, 0)]) }.sign(&SITE, &signer).unwrap(),
        Time { device, boot_id: [0; 8], unix_ms: 5 }.sign(&SITE, &signer).unwrap(),
    ];
    for _ in 0..2000 {
        for seed in &seeds {
            let payload = Sign1::decode(seed).unwrap();
            let kind = [Type::Finding, Type::Parameters, Type::Time]
                .into_iter()
                .find_map(|kind| payload.verify(kind, &key(), check).ok());
            fuzz_statement(&mutate(&mut random, kind.unwrap()));
        }
    }
}
