//! A stored log's hashes: roots at earlier sizes and inclusion proofs, out of whole blocks and the leaves of two.
//!
//! Changes nothing. Invariant: a hash that comes out is that of RFC 6962 over the stored leaves, or the read fails.

use std::collections::HashMap;

use sitewarden_log::{Frontier, Hash, Inclusion, tree};
use uuid::Uuid;

use crate::database::{DatabaseError, Doing as _, Tx};
use crate::limits::BLOCK_LEAVES;

/// Hashes of one log, as far as one question needs them.
#[derive(Debug, Default)]
struct Hashes {
    blocks: Vec<Hash>,
    leaves: HashMap<u64, Vec<Hash>>,
}

impl Hashes {
    /// Hash over leaves `lo..hi`: within one block, or from a block's beginning on.
    fn range(&self, lo: u64, hi: u64) -> Option<Hash> {
        let (first, last) = (lo / BLOCK_LEAVES, hi / BLOCK_LEAVES);
        let place = |index: u64| usize::try_from(index).ok();
        if !lo.is_multiple_of(BLOCK_LEAVES) || first == last {
            let leaves = self.leaves.get(&first)?;
            let begin = place(lo % BLOCK_LEAVES)?;
            return leaves.get(begin..begin + place(hi - lo)?).map(tree::subtree);
        }
        let blocks = self.blocks.get(place(first)?..place(last)?)?;
        let rest = place(hi % BLOCK_LEAVES)?;
        let tail = if rest == 0 { &[] } else { self.leaves.get(&last)?.get(..rest)? };
        // The peaks of whole blocks stand before those of the rest.
        let frontier = |hashes: &[Hash]| {
            let mut frontier = Frontier::default();
            hashes.iter().for_each(|hash| frontier.push(*hash));
            frontier.to_bytes()
        };
        let peaks = [frontier(blocks), frontier(tail)].concat();
        Frontier::from_parts(hi - lo, &peaks).map(|frontier| frontier.root())
    }
}

/// Leaf hashes of records `first..=last`.
///
/// # Errors
/// [`DatabaseError`], also when one is missing.
pub(crate) async fn leaves(
    tx: &Tx<'_>,
    site: Uuid,
    first: u64,
    last: u64,
) -> Result<Vec<Hash>, DatabaseError> {
    if first > last {
        return Ok(Vec::new());
    }
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let statement = tx
        .prepare_cached("SELECT leaf FROM hub.record WHERE site = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq")
        .await
        .doing("preparing to read leaves")?;
    let rows = tx.query(&statement, &[&site, &signed(first), &signed(last)]).await.doing("reading leaves")?;
    let leaves: Vec<Hash> = rows.iter().filter_map(|row| row.get::<_, &[u8]>(0).try_into().ok()).collect();
    if leaves.len() as u64 != last - first + 1 {
        let text = format!("of the records {first} to {last} of site {site}, {} are there", leaves.len());
        return Err(DatabaseError::Inconsistent(text));
    }
    Ok(leaves)
}

async fn hashes(tx: &Tx<'_>, site: Uuid, size: u64, index: Option<u64>) -> Result<Hashes, DatabaseError> {
    let whole = size / BLOCK_LEAVES;
    let rows = tx
        .query(
            "SELECT root FROM hub.log_block WHERE site = $1 AND number < $2 ORDER BY number",
            &[&site, &i64::try_from(whole).unwrap_or(i64::MAX)],
        )
        .await
        .doing("reading blocks of leaves")?;
    let blocks: Vec<Hash> = rows.iter().filter_map(|row| row.get::<_, &[u8]>(0).try_into().ok()).collect();
    if blocks.len() as u64 != whole {
        return Err(DatabaseError::Inconsistent(format!(
            "of {whole} blocks of site {site}, {} are there",
            blocks.len()
        )));
    }
    let mut found = Hashes { blocks, leaves: HashMap::new() };
    let own = index.map(|index| index / BLOCK_LEAVES).filter(|number| *number != whole);
    for number in own.into_iter().chain([whole]) {
        let (first, last) = (number * BLOCK_LEAVES + 1, size.min((number + 1) * BLOCK_LEAVES));
        found.leaves.insert(number, leaves(tx, site, first, last).await?);
    }
    Ok(found)
}

fn missing() -> DatabaseError {
    DatabaseError::Inconsistent("hashes of a log are missing".to_owned())
}

/// Root of the first `size` records, which must be stored.
///
/// # Errors
/// [`DatabaseError`].
pub(crate) async fn root(tx: &Tx<'_>, site: Uuid, size: u64) -> Result<Hash, DatabaseError> {
    if size == 0 {
        return Ok(tree::empty_root());
    }
    hashes(tx, site, size, None).await?.range(0, size).ok_or_else(missing)
}

/// Proof that record `seq` is among the first `size`, which must be stored.
///
/// # Errors
/// [`DatabaseError`].
pub(crate) async fn inclusion(
    tx: &Tx<'_>,
    site: Uuid,
    seq: u64,
    size: u64,
) -> Result<Inclusion, DatabaseError> {
    let index = seq.checked_sub(1).filter(|_| seq <= size).ok_or_else(missing)?;
    let hashes = hashes(tx, site, size, Some(index)).await?;
    let range = |lo, hi| hashes.range(lo, hi).ok_or_else(missing);
    let path = tree::inclusion_proof(index, size, &mut |lo, hi| range(lo, hi))?.ok_or_else(missing)?;
    Ok(Inclusion { seq, size, leaf_hash: range(index, index + 1)?, path, root: range(0, size)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(number: u64) -> Hash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    fn stored(size: u64, index: u64) -> (Hashes, Vec<Hash>) {
        let all: Vec<Hash> = (0..size).map(leaf).collect();
        let chunks: Vec<&[Hash]> = all.chunks(BLOCK_LEAVES as usize).collect();
        let whole = (size / BLOCK_LEAVES) as usize;
        let blocks = chunks[..whole].iter().map(|chunk| tree::subtree(chunk)).collect();
        let leaves = [whole as u64, index / BLOCK_LEAVES]
            .map(|number| (number, chunks.get(number as usize).map_or(Vec::new(), |chunk| chunk.to_vec())));
        (Hashes { blocks, leaves: leaves.into() }, all)
    }

    #[test]
    fn proofs_out_of_blocks_are_those_of_the_whole_tree() {
        for size in [1, 2, 1_023, 1_024, 1_025, 2_048, 3_000, 5_121] {
            for index in [0, size / 2, size - 1] {
                let (hashes, all) = stored(size, index);
                let path = tree::inclusion_proof(index, size, &mut |lo, hi| hashes.range(lo, hi).ok_or(()));
                let path = path.expect("every hash is there").expect("the leaf is there");
                let root = tree::subtree(&all);
                assert_eq!(hashes.range(0, size), Some(root), "{size}");
                assert!(tree::verify_inclusion(&leaf(index), index, size, &path, &root), "{index} of {size}");
            }
        }
    }

    #[test]
    fn a_missing_hash_is_no_hash() {
        let (mut hashes, _) = stored(3_000, 0);
        hashes.blocks.pop();
        assert_eq!(hashes.range(0, 3_000), None);
    }
}
