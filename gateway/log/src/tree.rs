//! The Merkle tree of RFC 6962 §2.1 (RFC 9162 §2.1) over leaf hashes: frontier, root, proofs.
//!
//! Pure functions over hashes: no database, no records. Only hashes of whole subtrees are kept, so an append
//! costs a few hashes and memory does not grow with the log. Invariant: the frontier of size n holds one hash per set bit
//! of n, largest subtree first.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Hash of an inner node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// Root of the tree without leaves: the hash of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The right edge of the tree: all that an append needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Rebuilds a frontier from its size and the concatenated hashes; `None` when they do not fit together.
    #[must_use]
    pub fn from_parts(size: u64, bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && u32::try_from(chunks.len()).ok() == Some(size.count_ones());
        fits.then(|| Self { size, peaks: chunks.to_vec() })
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The hashes one after another, as the table keeps them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(&smallest) = peaks.next() else {
            return empty_root();
        };
        peaks.fold(smallest, |right, left| node_hash(left, &right))
    }
}

/// The largest power of two below `n`; `n` is at least 2.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// Hash of the subtree over `leaves`, which is MTH(D) of RFC 6962 over all of them.
#[must_use]
pub fn subtree(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// Inclusion proof of leaf `index` in the tree of the first `size` leaves (RFC 9162 §2.1.3.1), lowest
/// sibling first. `hash_of(lo, hi)` gives the subtree hash of leaves `lo..hi`. `None` when there is no such leaf.
///
/// # Errors
/// Those of `hash_of`.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    hash_of: &mut impl FnMut(u64, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if index >= size {
        return Ok(None);
    }
    let (mut lo, mut hi) = (0, size);
    let mut path = Vec::new();
    while hi - lo > 1 {
        let middle = lo + split(hi - lo);
        if index < middle {
            path.push(hash_of(middle, hi)?);
            hi = middle;
        } else {
            path.push(hash_of(lo, middle)?);
            lo = middle;
        }
    }
    path.reverse();
    Ok(Some(path))
}

/// Consistency proof between the trees of the first `old` and the first `new` leaves (RFC 9162 §2.1.4.1). Empty
/// for equal sizes and for `old` zero. `None` when `old` is larger than `new`.
///
/// # Errors
/// Those of `hash_of`.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    hash_of: &mut impl FnMut(u64, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if old > new {
        return Ok(None);
    }
    if old == new || old == 0 {
        return Ok(Some(Vec::new()));
    }
    let (mut lo, mut hi) = (0, new);
    let mut whole = true;
    let mut path = Vec::new();
    while old != hi {
        let middle = lo + split(hi - lo);
        if old <= middle {
            path.push(hash_of(middle, hi)?);
            hi = middle;
        } else {
            path.push(hash_of(lo, middle)?);
            lo = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(hash_of(lo, hi)?);
    }
    path.reverse();
    Ok(Some(path))
}

/// Checks an inclusion proof (RFC 9162 §2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Checks a consistency proof (RFC 9162 §2.1.4.2). The empty tree is consistent with every tree.
#[must_use]
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    let mut rest = proof.iter();
    // A complete old tree is its own first node and is left out of the proof.
    let first = if old.is_power_of_two() { Some(old_root) } else { rest.next() };
    let Some(&first) = first else {
        return false;
    };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
mod tests;
