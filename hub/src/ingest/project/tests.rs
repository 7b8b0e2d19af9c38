//! Projecting: records of the log become findings and keys; nonsense becomes nothing, never a panic.

use std::borrow::Cow;

use sitewarden_core::Timestamp;
use sitewarden_wire::keys::DeviceId;

use super::*;

fn record(seq: u64, kind: &'static str, body: &'static str) -> BatchRecord<'static> {
    BatchRecord { seq, time: Timestamp::from_micros(seq.cast_signed()), kind: Cow::Borrowed(kind), body }
}

const RAISED: &str = r#"{"id":"7","rule_id":"r","title":"T","summary":"S","severity":"high","status":"open","count":2,"demo":true}"#;
const CLOSED: &str = r#"{"id":"7","rule_id":"r","title":"T","severity":"high","status":"closed","count":3,"note":"done","asset":null}"#;

#[test]
fn records_of_one_finding_fold_into_its_newest_state() {
    let records = [record(4, "finding.raised", RAISED), record(9, "finding.closed", CLOSED)];

    let projection = project(Events::read(&records), Vec::new());

    let [finding] = projection.findings.as_slice() else { panic!("{projection:?}") };
    assert_eq!((finding.id, finding.fresh, &*finding.status, finding.count), (7, true, "closed", 3));
    assert_eq!((finding.raised_seq, finding.last_seq, finding.raised, finding.changed), (4, 9, 4, 9));
    assert_eq!(finding.summary, "S", "a person's act has no summary: the one before stays");
    assert_eq!(finding.signature, Signature::None);
}

#[test]
fn what_is_not_understood_is_counted_and_the_rest_goes_on() {
    let bodies = [
        "null",
        "[]",
        r#"{"id":7}"#,
        r#"{"id":"07","rule_id":"r","title":"T","severity":"high","status":"open"}"#,
        r#"{"id":"9223372036854775808","rule_id":"r","title":"T","severity":"high","status":"open"}"#,
        r#"{"id":"1","rule_id":"r","title":"T","severity":"worst","status":"open"}"#,
        r#"{"id":"1","rule_id":"r","title":"T","severity":"high","status":"open","statement":{"format":"x"}}"#,
    ];
    let mut records: Vec<_> =
        (1..).zip(bodies).map(|(seq, body)| record(seq, "finding.raised", body)).collect();
    records.push(record(50, "agent.enrolled", r#"{"agent":"0101010101010101","signing_key":"short"}"#));
    records.push(record(
        51,
        "agent.enrolled",
        r#"{"agent":"01010101010101zz","signing_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#,
    ));
    records.push(record(52, "device.seen", "{}"));
    records.push(record(60, "finding.raised", RAISED));

    let events = Events::read(&records);

    assert_eq!(events.not_understood, 9);
    assert_eq!(project(events, Vec::new()).findings.len(), 1);
}

#[test]
fn a_statement_of_an_unknown_or_nonsensical_agent_is_told() {
    const UNKNOWN: &str = r#"{"id":"1","rule_id":"r","title":"T","severity":"high","status":"open","statement":{"format":"cose-sign1","agent":"0101010101010101","sequence":"3","bytes":"AAAA"}}"#;
    const ODD: &str = r#"{"id":"2","rule_id":"r","title":"T","severity":"high","status":"open","statement":{"format":"cose-sign1","agent":"../..","sequence":"3","bytes":"AAAA"}}"#;
    let records = [record(1, "finding.raised", UNKNOWN), record(2, "finding.raised", ODD)];
    let events = Events::read(&records);
    assert_eq!(events.agents(), ["0101010101010101"]);

    let projection = project(events, Vec::new());

    let signatures: Vec<Signature> = projection.findings.iter().map(|finding| finding.signature).collect();
    assert_eq!(signatures, [Signature::UnknownAgent, Signature::Invalid]);
    assert_eq!(projection.alarms.len(), 2);
}

#[test]
fn device_ids_are_sixteen_lower_case_digits() {
    assert_eq!(device("0102030405060708"), Some(DeviceId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8])));
    for bad in ["", "01", "010203040506070A", "+102030405060708", "01020304050607080"] {
        assert_eq!(device(bad), None, "{bad}");
    }
}
