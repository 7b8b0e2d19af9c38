//! The format against golden bytes made by another implementation, against hostile input, and as properties.
//!
//! Fuzz bodies run here over kept and mutated inputs.

use proptest::prelude::*;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sitewarden_core::Timestamp;

use crate::limits::{BATCH_RECORDS, RECORD_BYTES, ZSTD_RATIO_FREE};
use crate::proof::{Consistency, Inclusion};
use crate::tree::{consistency_proof, empty_root, inclusion_proof, subtree};
use crate::*;

const ORIGIN: &str = "sitewarden.example/site/00000000-0000-4000-8000-000000000001";

/// Made by Python's `cryptography` from the seed of 32 bytes 7: if a test of these fails the format changed.
const GOLDEN_KEY: &str = "sitewarden.example/site/00000000-0000-4000-8000-000000000001+03748ca4+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
const GOLDEN_NOTE: &str = "sitewarden.example/site/00000000-0000-4000-8000-000000000001\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} sitewarden.example/site/00000000-0000-4000-8000-000000000001 A3SMpA71ypa8SVhyRMeK5n7nW/Sal2oTA/SqSZAmQeA2UDtixyrnJfH7TFs/8W966QAnFU6mNAyGrlJHFBGlG8YRiA0=\n";
const GOLDEN_BATCH: &str = r#"{"first":"17","records":[{"seq":"17","time":"2026-02-02T02:40:00.123456Z","kind":"finding.raised","body":{"actor":"rule:x","id":"1"}}],"checkpoint":null}"#;

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed")
}

fn key() -> VerifierKey {
    let public = pair().public_key().as_ref().try_into().expect("32 bytes");
    VerifierKey::new(ORIGIN, public).expect("a name")
}

fn sign(message: &[u8]) -> [u8; 64] {
    pair().sign(message).as_ref().try_into().expect("64 bytes")
}

fn check(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

fn encoded(first: u64, count: u64) -> Vec<u8> {
    let mut encoder = Encoder::new(first, Limits::default());
    for seq in first..first + count {
        let body = format!(r#"{{"actor":"rule:é","n":{seq}}}"#);
        let time = Timestamp::from_micros(1_770_000_000_000_000 + i64::try_from(seq).expect("small"));
        assert!(encoder.push(seq, time, "finding.raised", body.as_bytes()).expect("a record"));
    }
    encoder.finish(Some(GOLDEN_NOTE))
}

#[test]
fn memory_that_is_used_again_changes_nothing() {
    let mut packer = Packer::new().expect("memory");
    let mut memory = b"what was there before".to_vec();
    for (first, count) in [(1, 40), (900, 3), (u64::from(u32::MAX) - 2, 9), (10, 200)] {
        let mut encoder = Encoder::within(memory, first, Limits::default());
        for seq in first..first + count {
            let body = format!(r#"{{"actor":"rule:é","n":{seq}}}"#);
            let time = Timestamp::from_micros(1_770_000_000_000_000 + i64::try_from(seq).expect("small"));
            assert!(encoder.push(seq, time, "finding.raised", body.as_bytes()).expect("a record"));
        }
        let raw = encoder.finish(Some(GOLDEN_NOTE));
        assert_eq!(raw, encoded(first, count));
        let packed = packer.pack(&raw).expect("packed");
        assert_eq!(packed, crate::pack(&raw).expect("packed"));
        assert_eq!(unpack(&packed, 1 << 20).expect("unpacked"), raw);
        memory = raw;
    }
}

#[test]
fn the_key_and_the_note_are_those_of_another_implementation() {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 3, root: empty_root() };
    assert_eq!(key().to_string(), GOLDEN_KEY);
    assert_eq!(checkpoint.sign(&key(), &sign), GOLDEN_NOTE);
    let note = SignedNote::parse(GOLDEN_NOTE).expect("parses");
    assert_eq!(note.verify(&GOLDEN_KEY.parse().expect("a key"), &check), Ok(&checkpoint));
}

#[test]
fn public_verifier_keys_parse_and_their_hashes_fit() {
    for text in [
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    ] {
        assert_eq!(text.parse::<VerifierKey>().expect("a key").to_string(), text);
    }
    for wrong in ["", "a+b", "a+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "a b+00000000+AQ=="] {
        assert!(matches!(wrong.parse::<VerifierKey>(), Err(CheckpointError::BadKey { .. })), "{wrong}");
    }
}

#[test]
fn every_changed_character_of_a_note_is_noticed() {
    let key = key();
    for (place, character) in GOLDEN_NOTE.char_indices() {
        for other in ['A', 'B', '1', '\n', ' '] {
            if other == character {
                continue;
            }
            let mut changed = GOLDEN_NOTE.to_owned();
            changed.replace_range(place..place + character.len_utf8(), &other.to_string());
            let verified = SignedNote::parse(&changed).and_then(|note| note.verify(&key, &check).cloned());
            assert!(verified.is_err(), "{place}: {changed}");
        }
    }
}

#[test]
fn signatures_of_others_are_kept_aside_and_too_many_refused() {
    let witness = "\u{2014} witness.example AAAAAAAAAAA=\n";
    let note = SignedNote::parse(&format!("{GOLDEN_NOTE}{witness}")).expect("parses");
    assert!(note.verify(&key(), &check).is_ok());
    let strange = VerifierKey::new("witness.example", [1; 32]).expect("a name");
    assert!(matches!(note.verify(&strange, &check), Err(CheckpointError::Unsigned { .. })));
    let many = format!("{GOLDEN_NOTE}{}", witness.repeat(16));
    assert!(matches!(SignedNote::parse(&many), Err(CheckpointError::Malformed { .. })));
    let long = format!("{GOLDEN_NOTE}{}", witness.repeat(200));
    assert!(matches!(SignedNote::parse(&long), Err(CheckpointError::TooLong { .. })));
}

#[test]
fn a_note_has_exactly_the_three_lines() {
    let signature = GOLDEN_NOTE.split("\n\n").nth(1).expect("a signature");
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    for text in [
        format!("o\n03\n{root}\n"),
        format!("o\n+3\n{root}\n"),
        format!("o\n9223372036854775808\n{root}\n"),
        format!("o\n3\n{root}\nmore\n"),
        format!("o o\n3\n{root}\n"),
        "o\n3\nAAAA\n".to_owned(),
        "o\n3\n".to_owned(),
        String::new(),
    ] {
        let note = format!("{text}\n{signature}");
        assert!(matches!(SignedNote::parse(&note), Err(CheckpointError::Malformed { .. })), "{note}");
    }
}

#[test]
fn a_batch_is_pinned_by_golden_bytes_and_its_leaf_by_another_implementation() {
    let mut encoder = Encoder::new(17, Limits::default());
    let time = Timestamp::from_micros(1_770_000_000_123_456);
    let body = br#"{"actor":"rule:x","id":"1"}"#;
    assert!(encoder.push(17, time, "finding.raised", body).expect("a record"));
    assert_eq!(String::from_utf8(encoder.finish(None)).expect("text"), GOLDEN_BATCH);
    let batch = Batch::parse(GOLDEN_BATCH.as_bytes(), &Limits::default()).expect("parses");
    let hex: String = batch.records[0].leaf_hash().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "d47f51f6b6a9aee65a00c68e3bdf6c301ae135bd67ec639262230979b0c424f2");
}

#[test]
fn a_body_is_taken_byte_for_byte_however_it_is_written() {
    for body in [r#"{"b":1,"a":1.0}"#, r#"{ "a" : "\u00e9" }"#, r#"{"a":1e2,"a":2}"#, "null", r#""text""#] {
        let mut encoder = Encoder::new(1, Limits::default());
        assert!(encoder.push(1, Timestamp::from_micros(1), "k", body.as_bytes()).expect("a record"));
        let bytes = encoder.finish(None);
        let batch = Batch::parse(&bytes, &Limits::default()).expect("parses");
        assert_eq!(batch.records[0].body, body);
        assert_eq!(
            batch.records[0].leaf_hash(),
            record::leaf_hash(1, Timestamp::from_micros(1), "k", body.as_bytes())
        );
    }
}

#[test]
fn a_record_that_no_log_has_is_refused_and_leaves_the_batch_as_it_was() {
    let mut encoder = Encoder::new(1, Limits::default());
    let time = Timestamp::from_micros(1);
    let before = encoder.bytes();
    for body in ["", " {}", "{} ", "{", "{}{}", "\u{0}"] {
        assert!(
            matches!(encoder.push(1, time, "k", body.as_bytes()), Err(BatchError::Record { .. })),
            "{body}"
        );
    }
    assert!(matches!(encoder.push(1, time, "k", b"\"\xff\""), Err(BatchError::Record { .. })));
    assert!(matches!(encoder.push(2, time, "k", b"{}"), Err(BatchError::Order { expected: 1, found: 2 })));
    assert!(matches!(encoder.push(1, time, "", b"{}"), Err(BatchError::Record { .. })));
    let far = Timestamp::from_micros(i64::MAX);
    assert!(matches!(encoder.push(1, far, "k", b"{}"), Err(BatchError::Record { .. })));
    let long = format!("\"{}\"", "x".repeat(RECORD_BYTES));
    assert!(matches!(encoder.push(1, time, "k", long.as_bytes()), Err(BatchError::Record { .. })));
    assert_eq!((encoder.bytes(), encoder.records()), (before, 0));
}

#[test]
fn a_batch_ends_at_its_limits_and_the_first_record_always_fits() {
    let time = Timestamp::from_micros(1);
    let mut encoder = Encoder::new(1, Limits { records: 2, bytes: 1 << 20 });
    assert!(encoder.push(1, time, "k", b"{}").expect("a record"));
    assert!(encoder.push(2, time, "k", b"{}").expect("a record"));
    assert!(!encoder.push(3, time, "k", b"{}").expect("a record"));
    let bytes = encoder.finish(None);
    assert_eq!(Batch::parse(&bytes, &Limits::default()).expect("parses").last(), 2);

    let mut small = Encoder::new(1, Limits { records: 100, bytes: 10 });
    assert!(small.push(1, time, "k", b"{}").expect("a record"));
    assert!(!small.push(2, time, "k", b"{}").expect("a record"));

    let largest = format!("\"{}\"", "x".repeat(RECORD_BYTES - 2));
    let mut full = Encoder::new(1, Limits::default());
    let mut seq = 1;
    while full.push(seq, time, "k", largest.as_bytes()).expect("a record") {
        seq += 1;
    }
    assert_eq!(seq, 4, "three of the longest records and the tail fit");
    assert!(Batch::parse(&full.finish(Some(GOLDEN_NOTE)), &Limits::default()).is_ok());
}

#[test]
fn batches_with_holes_strange_numbers_and_too_much_are_refused() {
    let parse = |text: &str| Batch::parse(text.as_bytes(), &Limits::default()).expect_err("refused");
    let record =
        |seq: &str| format!(r#"{{"seq":{seq},"time":"2026-02-02T02:40:00Z","kind":"k","body":{{}}}}"#);
    let batch = |first: &str, records: &str| format!(r#"{{"first":{first},"records":[{records}]}}"#);
    let hole = format!("{},{}", record("\"1\""), record("\"3\""));
    assert!(matches!(parse(&batch("\"1\"", &hole)), BatchError::Order { expected: 2, found: 3 }));
    assert!(matches!(parse(&batch("\"2\"", &record("\"1\""))), BatchError::Order { .. }));
    assert!(matches!(parse(&batch("\"0\"", &record("\"0\""))), BatchError::Record { .. }));
    assert!(matches!(parse(&batch("\"1\"", "")), BatchError::Empty));
    for seq in ["1", "\"01\"", "\"+1\"", "\"-1\"", "\"1.0\"", "\"18446744073709551616\"", "\"\""] {
        assert!(matches!(parse(&batch(seq, &record(seq))), BatchError::Json(_)), "{seq}");
    }
    let last = "\"18446744073709551615\"";
    assert!(matches!(parse(&batch(last, &record(last))), BatchError::Record { .. }));
    let many = vec![record("\"1\""); BATCH_RECORDS + 1].join(",");
    assert!(matches!(parse(&batch("\"1\"", &many)), BatchError::TooMany { .. }));
    assert!(matches!(parse(&" ".repeat((1 << 20) + 1)), BatchError::TooLong { .. }));
    let deep = format!(r#"{{"first":"1","records":{}"#, "[".repeat(100_000));
    assert!(matches!(parse(&deep), BatchError::Json(_)));
    let note =
        format!(r#"{{"first":"1","records":[{}],"checkpoint":"{}"}}"#, record("\"1\""), "x".repeat(4_097));
    assert!(matches!(parse(&note), BatchError::Checkpoint { bytes: 4_097 }));
}

#[test]
fn packing_is_undone_and_bombs_and_damage_are_refused() {
    let batch = encoded(1, 500);
    let packed = pack(&batch).expect("packs");
    assert!(packed.len() * 5 < batch.len(), "alike records pack well");
    assert_eq!(unpack(&packed, batch.len()).expect("unpacks"), batch);
    assert!(matches!(unpack(&packed, batch.len() - 1), Err(PackingError::TooLong { .. })));
    let bomb = pack(&vec![0; 64 << 20]).expect("packs");
    assert!(matches!(unpack(&bomb, 1 << 20), Err(PackingError::TooLong { .. })));
    assert!(matches!(unpack(&bomb, usize::MAX), Err(PackingError::Bomb { .. })), "{}", bomb.len());
    assert_eq!(
        unpack(&pack(&vec![0; ZSTD_RATIO_FREE]).expect("packs"), 1 << 20).expect("unpacks").len(),
        ZSTD_RATIO_FREE
    );
    assert!(matches!(unpack(&packed[..packed.len() - 1], 1 << 20), Err(PackingError::Damaged(_))));
    assert!(matches!(unpack(b"not zstd", 1 << 20), Err(PackingError::Damaged(_))));
    let twice = [packed.clone(), packed].concat();
    assert_eq!(unpack(&twice, 1 << 20).expect("frames one after another").len(), 2 * batch.len());
}

#[test]
fn proofs_survive_json_and_changed_ones_do_not_hold() {
    let leaves: Vec<Hash> =
        (1..=20).map(|seq| record::leaf_hash(seq, Timestamp::from_micros(0), "k", b"{}")).collect();
    let part = |lo: u64, hi: u64| -> Result<Hash, std::convert::Infallible> {
        Ok(subtree(&leaves[lo as usize..hi as usize]))
    };
    let path = inclusion_proof(6, 20, &mut { part }).expect("infallible").expect("a leaf");
    let inclusion = Inclusion { seq: 7, size: 20, leaf_hash: leaves[6], path, root: subtree(&leaves) };
    let text = serde_json::to_string(&inclusion).expect("serialises");
    assert!(text.contains(r#""seq":"7""#), "{text}");
    let read: Inclusion = serde_json::from_str(&text).expect("reads");
    assert_eq!((&read, read.holds()), (&inclusion, Ok(())));
    assert_eq!(Inclusion { seq: 8, ..read.clone() }.holds(), Err(ProofError::DoesNotHold));
    for seq in [0, 21, u64::MAX] {
        assert!(matches!(Inclusion { seq, ..read.clone() }.holds(), Err(ProofError::Impossible { .. })));
    }
    let path = consistency_proof(7, 20, &mut { part }).expect("infallible").expect("sizes");
    let (old_root, new_root) = (subtree(&leaves[..7]), subtree(&leaves));
    let consistency = Consistency { old: 7, old_root, new: 20, new_root, path };
    let text = serde_json::to_string(&consistency).expect("serialises");
    let read: Consistency = serde_json::from_str(&text).expect("reads");
    assert_eq!((&read, read.holds()), (&consistency, Ok(())));
    assert_eq!(Consistency { old_root: new_root, ..read.clone() }.holds(), Err(ProofError::DoesNotHold));
    assert!(matches!(Consistency { old: 21, ..read }.holds(), Err(ProofError::Impossible { .. })));
    let many = text.replacen(
        "\"path\":[",
        &format!("\"path\":[{}", format!("\"{}\",", number::hash_text(&old_root)).repeat(65)),
        1,
    );
    assert!(serde_json::from_str::<Consistency>(&many).is_err(), "more hashes than any proof has");
}

fn kept() -> Vec<Vec<u8>> {
    let inclusion = Inclusion { seq: 1, size: 1, leaf_hash: [1; 32], path: vec![[2; 32]], root: [1; 32] };
    let consistency =
        Consistency { old: 1, old_root: [1; 32], new: 2, new_root: [1; 32], path: vec![[2; 32]] };
    vec![
        GOLDEN_BATCH.into(),
        GOLDEN_NOTE.into(),
        GOLDEN_KEY.into(),
        encoded(3, 4),
        pack(&encoded(3, 4)).expect("packs"),
        serde_json::to_vec(&inclusion).expect("serialises"),
        serde_json::to_vec(&consistency).expect("serialises"),
        r#"{"first":"1","records":[{"seq":"1","time":"2026-02-02T02:40:00Z","kind":"k\u00e9","body":[[]]}]}"#
            .into(),
    ]
}

fn all(data: &[u8]) {
    fuzz_batch(data);
    fuzz_packed(data);
    fuzz_checkpoint(data);
    fuzz_proof(data);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_inputs_break_nothing(pick in 0_usize..8, cuts in prop::collection::vec((any::<usize>(), any::<u8>(), 0_u8..4), 0..6)) {
        let mut data = kept().swap_remove(pick);
        for (place, byte, how) in cuts {
            let place = place % data.len().max(1);
            match how {
                0 if !data.is_empty() => data[place] = byte,
                1 => data.insert(place.min(data.len()), byte),
                2 if !data.is_empty() => { data.remove(place); }
                _ => data.truncate(place.max(1)),
            }
        }
        all(&data);
    }
}

proptest! {
    #[test]
    fn any_bytes_break_nothing(data in prop::collection::vec(any::<u8>(), 0..300)) {
        all(&data);
    }

    #[test]
    fn any_records_survive_a_batch(
        first in 1_u64..1_000_000,
        records in prop::collection::vec((-60_000_000_000_000_000_i64..200_000_000_000_000_000, "[a-z.\"\\\\é]{1,20}", any::<String>()), 1..30),
    ) {
        let mut encoder = Encoder::new(first, Limits::default());
        let bodies: Vec<_> = records.iter().map(|(_, _, text)| serde_json::json!({ "t": text }).to_string()).collect();
        for ((seq, (time, kind, _)), body) in (first..).zip(&records).zip(&bodies) {
            prop_assert!(encoder.push(seq, Timestamp::from_micros(*time), kind, body.as_bytes()).expect("a record"));
        }
        let packed = pack(&encoder.finish(None)).expect("packs");
        let bytes = unpack(&packed, 1 << 20).expect("unpacks");
        let batch = Batch::parse(&bytes, &Limits::default()).expect("parses");
        prop_assert_eq!(batch.records.len(), records.len());
        for ((record, (time, kind, _)), body) in batch.records.iter().zip(&records).zip(&bodies) {
            let stored = record::leaf_hash(record.seq, Timestamp::from_micros(*time), kind, body.as_bytes());
            prop_assert_eq!(record.leaf_hash(), stored);
        }
    }
}
