//! Proofs over the stored log: a record is in the tree of a size; one size is the beginning of another.
//!
//! Reads leaf hashes only, so pruned bodies do not matter. Costs one hash per leaf of the subtrees that a proof
//! names; stored tiles can take their place without a change of the proofs. Invariant: what is returned verifies with
//! [`super::tree`] against the root that is returned with it.

use rusqlite::{Connection, params};

pub use sitewarden_log::{Consistency, Inclusion};

use super::read::size as size_of_log;
use super::tree::{self, Frontier, Hash};
use crate::error::{SqlContext, StoreError};

/// Proves that record `seq` is in the tree of the first `size` records; `None` when there is no such record or size.
///
/// # Errors
/// [`StoreError`] when the table cannot be read or a leaf is missing.
pub fn inclusion(conn: &Connection, seq: u64, size: u64) -> Result<Option<Inclusion>, StoreError> {
    let stored = size_of_log(conn)?;
    let Some(index) = seq.checked_sub(1).filter(|_| seq <= size && size <= stored) else {
        return Ok(None);
    };
    let leaf = range(conn, index, index + 1)?;
    let path = tree::inclusion_proof(index, size, &mut |lo, hi| range(conn, lo, hi))?;
    let root = range(conn, 0, size)?;
    Ok(path.map(|path| Inclusion { seq, size, leaf_hash: leaf, path, root }))
}

/// Proves that the first `old` records are the beginning of the first `new`; `None` when there are not so many.
///
/// # Errors
/// [`StoreError`] when the table cannot be read or a leaf is missing.
pub fn consistency(conn: &Connection, old: u64, new: u64) -> Result<Option<Consistency>, StoreError> {
    if new > size_of_log(conn)? {
        return Ok(None);
    }
    let path = tree::consistency_proof(old, new, &mut |lo, hi| range(conn, lo, hi))?;
    let Some(path) = path else {
        return Ok(None);
    };
    Ok(Some(Consistency { old, old_root: range(conn, 0, old)?, new, new_root: range(conn, 0, new)?, path }))
}

/// Root of the tree of the first `size` records; `None` when there are not so many.
///
/// # Errors
/// [`StoreError`] when the table cannot be read or a leaf is missing.
pub fn root(conn: &Connection, size: u64) -> Result<Option<Hash>, StoreError> {
    if size > size_of_log(conn)? {
        return Ok(None);
    }
    range(conn, 0, size).map(Some)
}

/// Hash of the subtree over leaves `lo..hi`.
fn range(conn: &Connection, lo: u64, hi: u64) -> Result<Hash, StoreError> {
    let mut statement = conn
        .prepare_cached("SELECT leaf_hash FROM site_log WHERE seq > ?1 AND seq <= ?2 ORDER BY seq")
        .doing("preparing to read leaf hashes")?;
    let mut rows = statement.query(params![lo, hi]).doing("reading leaf hashes")?;
    let mut subtree = Frontier::default();
    while let Some(row) = rows.next().doing("reading leaf hashes")? {
        subtree.push(row.get(0).doing("reading a leaf hash")?);
    }
    if subtree.size() != hi - lo {
        let text = format!("{} of the records {} to {hi} are there", subtree.size(), lo + 1);
        return Err(StoreError::LogInconsistent(text));
    }
    Ok(subtree.root())
}
