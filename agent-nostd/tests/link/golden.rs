//! Golden bytes of wire version 1, field by field, encoded and decoded.
//!
//! If one of these fails, do not change the test: devices in the field speak these bytes. A new version gets a new file.
//! Invariant: every kind of message, frame and statement of the version has its bytes here.

use ed25519_dalek::{Signer as _, SigningKey};
use sitewarden_agent::wire::frame::{Header, Kind, decode, encode};
use sitewarden_agent::wire::message::{
    EnrolRequest, Grant, Hello, ParametersOutcome, ParametersState, Quantity, Reading, Stamp, ToAgent, ToSite,
};
use sitewarden_agent::wire::statement::{Check, Finding, FindingKind, FindingState, Parameters, Rule, Time};
use sitewarden_agent::wire::{Blob, DeviceId, List, Text};

const DEVICE: DeviceId = DeviceId::from_bytes([0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7]);
const BOOT: [u8; 8] = [0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7];

pub(crate) fn finding_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

pub(crate) fn finding() -> Finding {
    Finding {
        device: DEVICE,
        sequence: 0x0000_0002_0000_0003,
        boot_id: BOOT,
        boot_counter: 2,
        uptime_ms: 5000,
        unix_ms: Some(1_790_000_000_000),
        rule: 4,
        kind: FindingKind::Above,
        state: FindingState::Raised,
        sensor: Some(1),
        quantity: Some(Quantity::TEMPERATURE),
        value: Some(9000),
        limit: Some(8000),
        parameters: 6,
        lost: None,
    }
}

fn rules() -> Parameters {
    let mut rules = List::default();
    rules
        .push(Rule { id: 1, sensor: 0, check: Check::Above { limit: 8000, clear: 7000 }, hold_ms: 300_000 })
        .unwrap();
    rules.push(Rule { id: 2, sensor: 0, check: Check::Below { limit: -20, clear: 0 }, hold_ms: 0 }).unwrap();
    rules.push(Rule { id: 3, sensor: 1, check: Check::Missing, hold_ms: 60_000 }).unwrap();
    Parameters { version: 6, device: DEVICE, rules, report_ms: 1000 }
}

fn sign(message: &[u8]) -> [u8; 64] {
    finding_key().sign(message).to_bytes()
}

/// Joins fields to one byte string.
fn fields(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
#[rustfmt::skip]
fn v1_frame() {
    #[rustfmt::skip]
    let golden = [
        0x07, 0x01,                                // COBS code | version 1
        0x04,                                      // kind 4: data
        0xa1, 0xa2, 0xa3, 0xa4,                    // session
        0x01, 0x01, 0x03, 0x05,             // COBS codes for three zeros | number 5 (its last byte)
        0xee,                                      // body: ee 00 ef
        0x06, 0xef,                                // COBS code for the zero of the body
        0x1b, 0x83, 0xbe, 0x32,                    // CRC-32/ISO-HDLC, as zlib computes it
        0x00,                                      // delimiter
    ];
    let header = Header { version: 1, kind: Kind::Data, session: 0xa1a2_a3a4, sequence: 5 };
    let mut line = [0; 64];
    let length = encode(header, &[0xee, 0x00, 0xef], &mut line).unwrap();

    assert_eq!(&line[..length], golden);
    let frame = decode(&mut line[..length - 1]).unwrap();
    assert_eq!((frame.header, &*frame.body), (header, &[0xee, 0x00, 0xef][..]));
}

fn to_site(message: &ToSite<'_>, golden: &[&[u8]]) {
    let golden = fields(golden);
    assert_eq!(message.encode().unwrap().as_slice(), golden, "encoding");
    assert_eq!(ToSite::decode(&golden).as_ref(), Ok(message), "decoding");
}

fn to_agent(message: &ToAgent<'_>, golden: &[&[u8]]) {
    let golden = fields(golden);
    assert_eq!(message.encode().unwrap().as_slice(), golden, "encoding");
    assert_eq!(ToAgent::decode(&golden).as_ref(), Ok(message), "decoding");
}

#[test]
#[rustfmt::skip]
fn v1_hello() {
    let hello = Hello {
        measurement: [0xaa; 32],
        firmware: [1, 2, 3],
        model: Text::new("model").unwrap(),
        boot_counter: 2,
        boot_id: BOOT,
        uptime_ms: 5000,
        parameters: 6,
        queued: 7,
    };
    to_site(
        &ToSite::Hello(hello),
        &[
            &[0x82, 0x00, 0x88],                   // [kind 0, [8 fields]]
            &[0x58, 0x20], &[0xaa; 32],            // measurement
            &[0x43, 1, 2, 3],                      // firmware
            b"\x65model",                          // model
            &[0x02],                               // boot counter
            &[0x48], &BOOT,                        // boot id
            &[0x19, 0x13, 0x88],                   // uptime 5000 ms
            &[0x06],                               // parameters
            &[0x07],                               // queued
        ],
    );
}

#[test]
#[rustfmt::skip]
fn v1_readings() {
    let mut readings = List::default();
    let at = Stamp { uptime_ms: 5000, unix_ms: None };
    readings.push(Reading { sensor: 0, quantity: Quantity::TEMPERATURE, value: -250, at }).unwrap();
    let at = Stamp { uptime_ms: 5000, unix_ms: Some(1_790_000_000_000) };
    readings.push(Reading { sensor: 1, quantity: Quantity::HUMIDITY, value: 45_000, at }).unwrap();
    to_site(
        &ToSite::Readings(readings),
        &[
            &[0x82, 0x01, 0x82],                   // [kind 1, [2 readings]]
            &[0x84, 0x00, 0x01],                   // sensor 0, temperature
            &[0x38, 0xf9],                         // -250
            &[0x81, 0x19, 0x13, 0x88],             // uptime 5000 ms, time not known
            &[0x84, 0x01, 0x02],                   // sensor 1, humidity
            &[0x19, 0xaf, 0xc8],                   // 45000
            &[0x82, 0x19, 0x13, 0x88],             // uptime 5000 ms
            &[0x1b, 0x00, 0x00, 0x01, 0xa0, 0xc4, 0x50, 0x6c, 0x00], // 1,790,000,000,000 ms
        ],
    );
}

#[test]
#[rustfmt::skip]
fn v1_finding_and_parameters_state_messages() {
    to_site(
        &ToSite::Finding(Blob::new(&[0xd2, 0x84]).unwrap()),
        &[&[0x82, 0x02], &[0x42, 0xd2, 0x84]],     // [kind 2, COSE bytes]
    );
    let outcomes = [
        (ParametersOutcome::Applied, 0),
        (ParametersOutcome::Older, 1),
        (ParametersOutcome::NotSigned, 2),
        (ParametersOutcome::Invalid, 3),
        (ParametersOutcome::NotStored, 4),
    ];
    for (outcome, byte) in outcomes {
        to_site(
            &ToSite::ParametersState(ParametersState { version: 6, outcome }),
            &[&[0x82, 0x03, 0x82], &[0x06, byte]], // [kind 3, [version, outcome]]
        );
    }
}

#[test]
#[rustfmt::skip]
fn v1_messages_to_the_agent() {
    to_agent(
        &ToAgent::Acknowledgement(0x0000_0002_0000_0003),
        &[&[0x82, 0x00], &[0x1b, 0, 0, 0, 2, 0, 0, 0, 3]], // [kind 0, number]
    );
    let cose = Blob::new(&[0xd2, 0x84]).unwrap();
    to_agent(&ToAgent::Parameters(cose), &[&[0x82, 0x01], &[0x42, 0xd2, 0x84]]); // [kind 1, COSE bytes]
    to_agent(&ToAgent::Time(cose), &[&[0x82, 0x02], &[0x42, 0xd2, 0x84]]); // [kind 2, COSE bytes]
    to_agent(
        &ToAgent::Grant(Grant { psk: [0xcc; 32] }),
        &[&[0x82, 0x03, 0x81], &[0x58, 0x20], &[0xcc; 32]], // [kind 3, [pre-shared key]]
    );
}

#[test]
#[rustfmt::skip]
fn v1_enrolment_request() {
    let model = Text::new("model").unwrap();
    let request = EnrolRequest { signing: [0x55; 32], measurement: [0xaa; 32], firmware: [1, 2, 3], model };
    let golden = fields(&[
        &[0x82, 0x00, 0x84],                       // [kind 0, [4 fields]]
        &[0x58, 0x20], &[0x55; 32],                // signing key
        &[0x58, 0x20], &[0xaa; 32],                // measurement
        &[0x43, 1, 2, 3],                          // firmware
        b"\x65model",                              // model
    ]);
    assert_eq!(request.encode().unwrap().as_slice(), golden);
    assert_eq!(EnrolRequest::decode(&golden), Ok(request));
}

#[rustfmt::skip]
/// `18([ << {1: -8, 4: kid, 16: type} >>, {}, payload, signature ])`
fn statement(kid: &[u8; 8], kind: &str, payload: &[u8]) -> Vec<u8> {
    let protected = fields(&[
        &[0xa3],                                   // a map of three
        &[0x01, 0x27],                             // algorithm: EdDSA (-8)
        &[0x04, 0x48], kid,                        // key identifier
        &[0x10, 0x60 + kind.len() as u8], kind.as_bytes(), // type
    ]);
    let length = payload.len() as u8;
    let head = if length < 24 { vec![0x40 + length] } else { vec![0x58, length] };
    let signed = fields(&[
        &[0x84], b"\x6aSignature1",                // RFC 9052 §4.4
        &[0x58, protected.len() as u8], &protected,
        &[0x40],                                   // no external data
        &head, payload,
    ]);
    fields(&[
        &[0xd2, 0x84],                             // tag 18, array of four
        &[0x58, protected.len() as u8], &protected,
        &[0xa0],                                   // no unprotected header
        &head, payload,
        &[0x58, 0x40], &sign(&signed),             // Ed25519
    ])
}

#[test]
#[rustfmt::skip]
fn v1_finding() {
    let payload = fields(&[
        &[0xae],                                   // 14 of the 15 fields
        &[0x00, 0x48], DEVICE.as_bytes(),          // device
        &[0x01, 0x1b, 0, 0, 0, 2, 0, 0, 0, 3],     // number: boot 2, third
        &[0x02, 0x48], &BOOT,                      // boot id
        &[0x03, 0x02],                             // boot counter
        &[0x04, 0x19, 0x13, 0x88],                 // uptime 5000 ms
        &[0x05, 0x1b, 0x00, 0x00, 0x01, 0xa0, 0xc4, 0x50, 0x6c, 0x00], // 1,790,000,000,000 ms
        &[0x06, 0x04],                             // rule 4
        &[0x07, 0x01],                             // above
        &[0x08, 0x01],                             // raised
        &[0x09, 0x01],                             // sensor 1
        &[0x0a, 0x01],                             // temperature
        &[0x0b, 0x19, 0x23, 0x28],                 // value 9000
        &[0x0c, 0x19, 0x1f, 0x40],                 // limit 8000
        &[0x0d, 0x06],                             // parameters 6
    ]);
    let golden = statement(DEVICE.as_bytes(), "sitewarden/finding", &payload);
    let key = finding_key().verifying_key().to_bytes();

    assert_eq!(finding().sign(&sign).unwrap().as_slice(), golden);
    assert_eq!(Finding::verify(&golden, DEVICE, &key, sitewarden_agent::verify), Ok(finding()));
}

#[test]
#[rustfmt::skip]
fn v1_parameters() {
    let payload = fields(&[
        &[0xa4],                                   // a map of four
        &[0x00, 0x06],                             // version 6
        &[0x01, 0x48], DEVICE.as_bytes(),          // device
        &[0x02, 0x83],                             // three rules
        &[0x84, 0x01, 0x00],                       // rule 1, sensor 0
        &[0x82, 0x01, 0x82, 0x19, 0x1f, 0x40, 0x19, 0x1b, 0x58], // above 8000, clear at 7000
        &[0x1a, 0x00, 0x04, 0x93, 0xe0],           // hold 300,000 ms
        &[0x84, 0x02, 0x00],                       // rule 2, sensor 0
        &[0x82, 0x02, 0x82, 0x33, 0x00],           // below -20, clear at 0
        &[0x00],                                   // no hold
        &[0x84, 0x03, 0x01],                       // rule 3, sensor 1
        &[0x82, 0x03, 0x80],                       // missing
        &[0x19, 0xea, 0x60],                       // for 60,000 ms
        &[0x03, 0x19, 0x03, 0xe8],                 // report each 1000 ms
    ]);
    let golden = statement(b"the site", "sitewarden/parameters", &payload);
    let key = finding_key().verifying_key().to_bytes();

    assert_eq!(rules().sign(b"the site", &sign).unwrap().as_slice(), golden);
    assert_eq!(Parameters::verify(&golden, DEVICE, &key, sitewarden_agent::verify), Ok(rules()));
}

#[test]
#[rustfmt::skip]
fn v1_time() {
    let time = Time { device: DEVICE, boot_id: BOOT, unix_ms: 1_790_000_000_000 };
    let payload = fields(&[
        &[0xa3],                                   // a map of three
        &[0x00, 0x48], DEVICE.as_bytes(),          // device
        &[0x01, 0x48], &BOOT,                      // boot id
        &[0x02, 0x1b, 0x00, 0x00, 0x01, 0xa0, 0xc4, 0x50, 0x6c, 0x00], // 1,790,000,000,000 ms
    ]);
    let golden = statement(b"the site", "sitewarden/time", &payload);
    let key = finding_key().verifying_key().to_bytes();

    assert_eq!(time.sign(b"the site", &sign).unwrap().as_slice(), golden);
    assert_eq!(Time::verify(&golden, DEVICE, BOOT, &key, sitewarden_agent::verify), Ok(time));
}
