//! Judging: any split of a log ends in the same tree; what contradicts is refused with an alarm.

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sitewarden_core::Timestamp;
use sitewarden_log::{Encoder, Limits, VerifierKey, tree};
use uuid::Uuid;

use super::*;

struct Signer(Ed25519KeyPair, VerifierKey);

fn signer(seed: u8) -> Signer {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes");
    let key = pair.public_key().as_ref().try_into().expect("32 bytes");
    Signer(pair, VerifierKey::new("sitewarden.example/site/one", key).expect("a name"))
}

impl Signer {
    fn note(&self, size: u64, root: Hash) -> String {
        let checkpoint = Checkpoint { origin: self.1.name().to_owned(), size, root };
        checkpoint.sign(&self.1, &|message| self.0.sign(message).as_ref().try_into().expect("64 bytes"))
    }
}

fn empty(key: &VerifierKey) -> SiteLog {
    SiteLog {
        site: Uuid::nil(),
        tenant: Uuid::nil(),
        key: key.clone(),
        frontier: Frontier::default(),
        checkpoint_size: 0,
        checkpoint: None,
        ahead: None,
    }
}

/// Records `first..=last`; each body says its number and `mark`.
fn bytes(first: u64, last: u64, mark: &str) -> Vec<u8> {
    let mut encoder = Encoder::new(first, Limits::default());
    for seq in first..=last {
        let body = format!("{{\"n\":\"{seq}{mark}\"}}");
        assert!(
            encoder.push(seq, Timestamp::from_micros(5), "device.seen", body.as_bytes()).expect("a record")
        );
    }
    encoder.finish(None)
}

fn batch(bytes: &[u8]) -> Batch<'_> {
    Batch::parse(bytes, &Limits::default()).expect("a batch")
}

fn leaves(size: u64) -> Vec<Hash> {
    let mut all = Vec::new();
    for first in (1..=size).step_by(500) {
        let bytes = bytes(first, size.min(first + 499), "");
        all.extend(batch(&bytes).records.iter().map(BatchRecord::leaf_hash));
    }
    all
}

#[test]
fn any_split_of_a_log_ends_in_the_same_tree_and_blocks() {
    let Signer(_, key) = signer(1);
    let all = leaves(2_100);
    for step in [1, 7, 333, 500] {
        let (mut log, mut blocks, mut records) = (empty(&key), Vec::new(), 0);
        for first in (1..=2_100).step_by(step) {
            let last = 2_100.min(first + step as u64 - 1);
            let bytes = bytes(first, last, "");
            let batch = batch(&bytes);
            let accepted = judge(&log, &batch, &[], None, None).expect("an honest batch");
            blocks.extend(accepted.blocks);
            records += accepted.records.len();
            log = accepted.log;
        }
        assert_eq!((log.frontier.root(), records), (tree::subtree(&all), 2_100), "step {step}");
        let wanted = [(0, tree::subtree(&all[..1_024])), (1, tree::subtree(&all[1_024..2_048]))];
        assert_eq!(blocks, wanted, "step {step}");
    }
}

#[test]
fn a_checkpoint_is_compared_wherever_it_stands_in_the_batch() {
    let signer = signer(1);
    let log = empty(&signer.1);
    let all = leaves(10);
    let bytes = bytes(1, 10, "");
    let batch = batch(&bytes);
    for size in 1..=10_u64 {
        let root = tree::subtree(&all[..size as usize]);
        let good = signer.note(size, root);
        let claimed = checkpoint(&log, &good).expect("signed");
        let accepted = judge(&log, &batch, &[], Some((&claimed, &good)), None).expect("it agrees");
        assert_eq!((accepted.log.checkpoint_size, accepted.log.checkpoint), (size, Some(good)));

        let bad = signer.note(size, [9; 32]);
        let claimed = checkpoint(&log, &bad).expect("signed");
        let refused = judge(&log, &batch, &[], Some((&claimed, &bad)), None).expect_err("another root");
        assert!(
            matches!(refused, Refusal::Forked(alarm) if alarm.kind == Kind::LogForked && alarm.seq == size)
        );
    }
}

#[test]
fn a_checkpoint_beyond_the_batch_proves_nothing_and_is_not_kept() {
    let signer = signer(1);
    let log = empty(&signer.1);
    let bytes = bytes(1, 3, "");
    let note = signer.note(7, [9; 32]);
    let claimed = checkpoint(&log, &note).expect("signed");

    let batch = batch(&bytes);
    let accepted = judge(&log, &batch, &[], Some((&claimed, &note)), None).expect("the records are honest");

    assert_eq!((accepted.log.checkpoint_size, accepted.log.checkpoint, accepted.records.len()), (0, None, 3));
}

#[test]
fn what_is_here_is_compared_and_never_new() {
    let Signer(_, key) = signer(1);
    let first = bytes(1, 5, "");
    let first = batch(&first);
    let stored = judge(&empty(&key), &first, &[], None, None).expect("an honest batch");

    let again = bytes(3, 7, "");
    let again = batch(&again);
    let accepted = judge(&stored.log, &again, &stored.leaves[2..], None, None).expect("the same records");
    assert_eq!(accepted.records.iter().map(|record| record.seq).collect::<Vec<_>>(), [6, 7]);

    let bent = bytes(3, 7, "x");
    let bent = batch(&bent);
    let refused = judge(&stored.log, &bent, &stored.leaves[2..], None, None).expect_err("other records");
    assert!(matches!(refused, Refusal::Forked(alarm) if alarm.seq == 3));

    let late = bytes(7, 8, "");
    let late = batch(&late);
    let refused = judge(&stored.log, &late, &[], None, None).expect_err("a gap");
    assert_eq!(refused, Refusal::Gap { next: 6, first: 7 });
}

#[test]
fn another_key_another_name_and_a_changed_text_are_no_checkpoints() {
    let (ours, theirs) = (signer(1), signer(2));
    let log = empty(&ours.1);
    let good = ours.note(3, [1; 32]);
    checkpoint(&log, &good).expect("ours");
    for bad in
        [theirs.note(3, [1; 32]), good.replace("\n3\n", "\n4\n"), good.replace("one", "two"), String::new()]
    {
        let refused = checkpoint(&log, &bad).expect_err("not ours");
        assert!(
            matches!(refused, Refusal::BadCheckpoint(alarm) if alarm.kind == Kind::BadCheckpoint),
            "{bad}"
        );
    }
}
