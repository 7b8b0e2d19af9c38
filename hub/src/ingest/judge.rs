//! Judges a batch against a site's log: what is new, and whether all that is known agrees. Pure.
//!
//! Every leaf hash is computed here from the record that came. Compared are: records that are stored already, the batch's
//! checkpoint, and a checkpoint that the site signed earlier for more records. Invariant: what is accepted begins where the
//! log ends, and its tree has the root of every checkpoint of the site that can be compared.

#![deny(clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sitewarden_log::{Batch, BatchRecord, Checkpoint, Frontier, Hash, SignedNote};

use super::{Ahead, Refusal, SiteLog, ed25519};
use crate::alarm::{Alarm, Kind};
use crate::limits::{BLOCK_LEAVES, EVIDENCE_BYTES};

/// What of a batch is stored.
#[derive(Debug, PartialEq)]
pub(crate) struct Accepted<'a> {
    /// The records that are new; none when all were here.
    pub(crate) records: &'a [BatchRecord<'a>],
    /// Their leaf hashes.
    pub(crate) leaves: Vec<Hash>,
    /// Number and hash of the blocks that they complete.
    pub(crate) blocks: Vec<(u64, Hash)>,
    /// The log as it stands then.
    pub(crate) log: SiteLog,
}

/// The checkpoint of a batch, its signature checked.
///
/// # Errors
/// [`Refusal::BadCheckpoint`].
pub(crate) fn checkpoint(log: &SiteLog, note: &str) -> Result<Checkpoint, Refusal> {
    let checked = SignedNote::parse(note)
        .and_then(|parsed| parsed.verify(&log.key, &ed25519).map(|checkpoint| (*checkpoint).clone()));
    checked.map_err(|error| {
        let detail = format!(
            "A checkpoint is not of this site's log: {error}. Nothing of what came with it was stored."
        );
        let evidence = json!({ "checkpoint": STANDARD.encode(note), "expected_key": log.key.to_string() });
        Refusal::BadCheckpoint(Alarm {
            kind: Kind::BadCheckpoint,
            seq: log.frontier.size(),
            detail,
            evidence,
        })
    })
}

/// The alarm of a checkpoint whose root is not that of the records here.
pub(crate) fn other_root(size: u64, ours: &Hash, note: &str) -> Refusal {
    let detail = format!(
        "The site signed another root for its first {size} records than the records here have: one of both logs was rewritten or forked."
    );
    let evidence = json!({ "size": size.to_string(), "root_here": STANDARD.encode(ours), "checkpoint": STANDARD.encode(note) });
    Refusal::Forked(Alarm { kind: Kind::LogForked, seq: size, detail, evidence })
}

/// Judges a batch. `stored` are the leaf hashes that are here for the batch's first records, as many as overlap;
/// `checkpoint` is the batch's, checked, with its text; `root_before` is the root here at its size, when that is below the log's.
///
/// # Errors
/// [`Refusal`]; then nothing of the batch may be stored.
pub(crate) fn judge<'a>(
    log: &SiteLog,
    batch: &'a Batch<'a>,
    stored: &[Hash],
    checkpoint: Option<(&Checkpoint, &str)>,
    root_before: Option<Hash>,
) -> Result<Accepted<'a>, Refusal> {
    let size = log.frontier.size();
    if batch.first > log.next() {
        return Err(Refusal::Gap { next: log.next(), first: batch.first });
    }
    let leaves: Vec<Hash> = batch.records.iter().map(BatchRecord::leaf_hash).collect();
    for ((record, leaf), here) in batch.records.iter().zip(&leaves).zip(stored) {
        if leaf != here {
            return Err(rewritten(record, leaf, here));
        }
    }
    // Both are in step: `stored` has one hash per record that is here.
    let overlap = stored.len().min(leaves.len());
    let records = batch.records.get(overlap..).unwrap_or_default();
    let new_leaves = leaves.get(overlap..).unwrap_or_default().to_vec();

    let wanted = [checkpoint.map(|(claimed, _)| claimed.size), log.ahead.as_ref().map(|ahead| ahead.size)];
    let mut roots = vec![(size, log.frontier.root())];
    roots.extend(checkpoint.map(|(claimed, _)| claimed.size).zip(root_before));
    let mut growing = Growing::new(log.frontier.clone());
    for leaf in &new_leaves {
        growing.push(*leaf);
        let grown = growing.frontier.size();
        if wanted.contains(&Some(grown)) {
            roots.push((grown, growing.frontier.root()));
        }
    }
    let root_at = |size: u64| roots.iter().find(|(known, _)| *known == size).map(|(_, root)| *root);

    let mut after = SiteLog { frontier: growing.frontier.clone(), ..log.clone() };
    if let Some(ahead) = log.ahead.as_ref().filter(|ahead| ahead.size <= after.frontier.size()) {
        match root_at(ahead.size) {
            Some(root) if root == ahead.root => settle(&mut after, ahead.size, &ahead.note),
            other => return Err(other_root(ahead.size, &other.unwrap_or_default(), &ahead.note)),
        }
        after.ahead = None;
    }
    if let Some((claimed, note)) = checkpoint.filter(|(claimed, _)| claimed.size <= after.frontier.size()) {
        match root_at(claimed.size) {
            Some(root) if root == claimed.root => settle(&mut after, claimed.size, note),
            other => return Err(other_root(claimed.size, &other.unwrap_or_default(), note)),
        }
    }
    Ok(Accepted { records, leaves: new_leaves, blocks: growing.blocks, log: after })
}

/// Takes a checkpoint that agrees, if it is the newest.
pub(crate) fn settle(log: &mut SiteLog, size: u64, note: &str) {
    if size > log.checkpoint_size {
        log.checkpoint_size = size;
        log.checkpoint = Some(note.to_owned());
    }
}

fn rewritten(record: &BatchRecord<'_>, leaf: &Hash, here: &Hash) -> Refusal {
    let detail = format!(
        "Record {} came again and is another one: the log was rewritten or forked. What was stored first stays.",
        record.seq
    );
    let evidence = json!({
        "seq": record.seq.to_string(),
        "leaf_here": STANDARD.encode(here),
        "leaf_sent": STANDARD.encode(leaf),
        "time_sent": record.time,
        "kind_sent": STANDARD.encode(record.kind.as_bytes()),
        "body_sent": (record.body.len() <= EVIDENCE_BYTES).then(|| STANDARD.encode(record.body)),
        "body_bytes": record.body.len(),
    });
    Refusal::Forked(Alarm { kind: Kind::LogForked, seq: record.seq, detail, evidence })
}

/// A tree that grows, and the blocks that it completes.
struct Growing {
    frontier: Frontier,
    block: Frontier,
    blocks: Vec<(u64, Hash)>,
}

impl Growing {
    fn new(frontier: Frontier) -> Self {
        // The peaks of the unfinished block are the last ones: as many as its size has bits.
        let size = frontier.size() % BLOCK_LEAVES;
        let bytes = frontier.to_bytes();
        let length = usize::try_from(size.count_ones()).unwrap_or(0) * 32;
        let tail = bytes.get(bytes.len().saturating_sub(length)..).unwrap_or_default();
        let block = Frontier::from_parts(size, tail).unwrap_or_default();
        Self { frontier, block, blocks: Vec::new() }
    }

    fn push(&mut self, leaf: Hash) {
        self.frontier.push(leaf);
        self.block.push(leaf);
        if self.block.size() == BLOCK_LEAVES {
            self.blocks.push((self.frontier.size() / BLOCK_LEAVES - 1, self.block.root()));
            self.block = Frontier::default();
        }
    }
}

/// Judges a checkpoint that is ahead of what is here: it must follow from what the site signed, or from what is here.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn ahead(
    log: &SiteLog,
    claimed: &Checkpoint,
    note: &str,
    proof: Option<&sitewarden_log::Consistency>,
    signed_root: Option<Hash>,
) -> Result<Ahead, Refusal> {
    // What it may follow from: the one that is ahead already; else the newest that the site signed, or what is here.
    let bases = match (&log.ahead, signed_root) {
        (Some(ahead), _) => vec![(ahead.size, ahead.root)],
        (None, signed) => {
            let signed = signed.map(|root| (log.checkpoint_size, root));
            signed.into_iter().chain([(log.frontier.size(), log.frontier.root())]).collect()
        }
    };
    let wanted = bases.first().map_or(0, |(size, _)| *size);
    let wanted = format!("a consistency proof from {wanted} to {} records", claimed.size);
    let Some(proof) = proof else {
        return Err(Refusal::Unproven(format!(
            "The checkpoint covers more records than are here: send them first, or {wanted}."
        )));
    };
    let base = bases.into_iter().find(|(size, _)| *size == proof.old);
    let fits = proof.new == claimed.size && proof.new_root == claimed.root;
    let Some((old, root)) = base.filter(|_| fits) else {
        return Err(Refusal::Unproven(format!(
            "The proof is about other sizes or roots; needed is {wanted}."
        )));
    };
    // A proof that holds for another old root is signed evidence of two logs.
    match proof.holds() {
        Ok(()) if proof.old_root == root => {
            Ok(Ahead { size: claimed.size, root: claimed.root, note: note.to_owned() })
        }
        Ok(()) => Err(other_root(old, &root, note)),
        Err(error) => Err(Refusal::Unproven(format!("{error}."))),
    }
}

#[cfg(test)]
mod tests;
