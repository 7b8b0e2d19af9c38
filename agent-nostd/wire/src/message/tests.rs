//! Messages: bounds, unknown kinds, garbage. Golden bytes are in `tests/golden`.
//!
//! Properties run over seeded inputs.
//! Invariant: every assertion names the exact outcome.

use super::*;
use crate::testing::{Seeded, mutate};

fn hello() -> Hello<'static> {
    Hello {
        measurement: [1; 32],
        firmware: [0, 1, 0],
        model: Text::new("mps2-an386").unwrap(),
        boot_counter: 3,
        boot_id: [4; 8],
        uptime_ms: 5000,
        parameters: 6,
        queued: 7,
    }
}

fn readings(count: usize) -> List<Reading, MAX_READINGS> {
    let mut list = List::default();
    for n in 0..count {
        let at = Stamp { uptime_ms: u64::MAX, unix_ms: Some(u64::MAX) };
        let reading = Reading { sensor: n as u8, quantity: Quantity(255), value: i32::MIN, at };
        list.push(reading).unwrap();
    }
    list
}

#[test]
fn the_largest_of_each_fits() {
    let cose = [0xff; MAX_COSE];

    for message in [
        ToSite::Hello(Hello { model: Text::new("twenty-four characters o").unwrap(), ..hello() }),
        ToSite::Readings(readings(MAX_READINGS)),
        ToSite::Finding(Blob::new(&cose).unwrap()),
        ToSite::ParametersState(ParametersState { version: u64::MAX, outcome: ParametersOutcome::NotStored }),
    ] {
        let bytes = message.encode().unwrap();
        assert_eq!(ToSite::decode(&bytes), Ok(message));
    }
    for message in [
        ToAgent::Acknowledgement(u64::MAX),
        ToAgent::Parameters(Blob::new(&cose).unwrap()),
        ToAgent::Time(Blob::new(&cose).unwrap()),
        ToAgent::Grant(Grant { psk: [9; 32] }),
    ] {
        let bytes = message.encode().unwrap();
        assert_eq!(ToAgent::decode(&bytes), Ok(message));
    }
    assert!(Blob::<MAX_COSE>::new(&[0; MAX_COSE + 1]).is_none());
    assert!(Text::<MAX_MODEL>::new("twenty-four characters ok").is_none());
}

#[test]
fn unknown_kinds_are_told_from_garbage() {
    assert_eq!(ToSite::decode(&[0x82, 0x04, 0x80]), Err(MessageError::Unknown { kind: 4 }));
    assert_eq!(ToAgent::decode(&[0x82, 0x18, 0xff, 0x80]), Err(MessageError::Unknown { kind: 255 }));
    for garbage in [&[][..], &[0xff], &[0x82], &[0x81, 0x00], &[0x83, 0x00, 0x00, 0x00], &[0x82, 0x20, 0x00]]
    {
        assert_eq!(ToSite::decode(garbage), Err(MessageError::Malformed { kind: None }), "{garbage:x?}");
    }
    assert_eq!(ToAgent::decode(&[0x82, 0x00, 0x40]), Err(MessageError::Malformed { kind: Some(0) }));
    assert_eq!(EnrolRequest::decode(&[0x82, 0x01, 0x80]), Err(MessageError::Unknown { kind: 1 }));
}

#[test]
fn every_cut_and_every_trailing_byte_is_refused() {
    let bytes = ToSite::Hello(hello()).encode().unwrap();
    for length in 0..bytes.len() {
        assert!(ToSite::decode(&bytes[..length]).is_err(), "cut {length}");
    }
    let mut longer = bytes.clone();
    longer.push(0).unwrap();
    assert_eq!(ToSite::decode(&longer), Err(MessageError::Trailing { kind: 0, extra: 1 }));
}

#[test]
fn an_unknown_field_at_the_end_is_skipped() {
    let bytes = ToSite::ParametersState(ParametersState { version: 5, outcome: ParametersOutcome::Older });
    let mut bytes = bytes.encode().unwrap();
    assert_eq!(bytes, [0x82, 0x03, 0x82, 0x05, 0x01]);
    bytes[2] = 0x83;
    bytes.extend_from_slice(b"\x65later").unwrap();

    let state = ParametersState { version: 5, outcome: ParametersOutcome::Older };
    assert_eq!(ToSite::decode(&bytes), Ok(ToSite::ParametersState(state)));
}

#[test]
fn more_readings_than_the_bound_are_refused() {
    let mut bytes = ToSite::Readings(readings(MAX_READINGS)).encode().unwrap();
    assert_eq!(bytes[2], 0x88);
    bytes[2] = 0x89;
    let one: Encoded = bytes[3..].iter().copied().take((bytes.len() - 3) / MAX_READINGS).collect();
    bytes.extend_from_slice(&one).unwrap();

    assert_eq!(ToSite::decode(&bytes), Err(MessageError::Malformed { kind: Some(1) }));
}

#[test]
fn seeded_mutations() {
    let mut random = Seeded::new(5);
    let request = EnrolRequest {
        signing: [1; 32],
        measurement: [2; 32],
        firmware: [0, 1, 0],
        model: Text::new("m").unwrap(),
    };
    let seeds = [
        ToSite::Hello(hello()).encode().unwrap().to_vec(),
        ToSite::Readings(readings(2)).encode().unwrap().to_vec(),
        ToSite::Finding(Blob::new(&[1, 2, 3]).unwrap()).encode().unwrap().to_vec(),
        ToAgent::Acknowledgement(77).encode().unwrap().to_vec(),
        ToAgent::Grant(Grant { psk: [9; 32] }).encode().unwrap().to_vec(),
        request.encode().unwrap().to_vec(),
    ];
    for _ in 0..2000 {
        for seed in &seeds {
            fuzz_message(&mutate(&mut random, seed));
        }
    }
}
