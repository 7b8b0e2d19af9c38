//! The tree against a naive one that follows the definition of RFC 6962 word by word.
//!
//! No database here. The naive tree is the oracle: it splits the list of leaves and recurses.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

fn leaf(number: u64) -> Hash {
    Sha256::digest(number.to_be_bytes()).into()
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(leaf).collect()
}

/// MTH(D[n]) as the RFC defines it.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [only] => *only,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

fn include(leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let size = leaves.len() as u64;
    let proof: Result<_, Infallible> =
        inclusion_proof(index, size, &mut |lo, hi| Ok(naive_root(&leaves[lo as usize..hi as usize])));
    proof.expect("infallible")
}

fn consist(leaves: &[Hash], old: u64) -> Option<Vec<Hash>> {
    let new = leaves.len() as u64;
    let proof: Result<_, Infallible> =
        consistency_proof(old, new, &mut |lo, hi| Ok(naive_root(&leaves[lo as usize..hi as usize])));
    proof.expect("infallible")
}

#[test]
fn the_frontier_gives_the_naive_root_at_every_size_up_to_300() {
    let mut frontier = Frontier::default();
    for size in 0..300_u64 {
        assert_eq!(frontier.root(), naive_root(&leaves(size)), "size {size}");
        let again = Frontier::from_parts(frontier.size(), &frontier.to_bytes()).expect("fits");
        assert_eq!(again, frontier);
        frontier.push(leaf(size));
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    assert_eq!(Frontier::from_parts(3, &[0; 32]), None, "two peaks are needed");
    assert_eq!(Frontier::from_parts(1, &[0; 31]), None);
    assert_eq!(Frontier::from_parts(0, &[]), Some(Frontier::default()));
}

#[test]
fn the_empty_root_and_a_known_tree_are_those_of_the_rfc() {
    // Certificate transparency's reference vectors: the empty tree, and the single empty leaf.
    let hex = |hash: &Hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let empty_leaf: Hash = Sha256::digest([0x00]).into();
    assert_eq!(
        hex(&subtree(&[empty_leaf])),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
}

#[test]
fn every_inclusion_proof_up_to_70_leaves_verifies_and_for_no_other_leaf() {
    for size in 1..70_u64 {
        let leaves = leaves(size);
        let root = naive_root(&leaves);
        for index in 0..size {
            let proof = include(&leaves, index).expect("there is such a leaf");
            assert!(verify_inclusion(&leaf(index), index, size, &proof, &root), "{index} of {size}");
            assert!(!verify_inclusion(&leaf(index + 1), index, size, &proof, &root));
            assert!(!verify_inclusion(&leaf(index), index + 1, size, &proof, &root));
        }
        assert_eq!(include(&leaves, size), None);
    }
}

#[test]
fn every_consistency_proof_up_to_70_leaves_verifies_and_no_fork_does() {
    for new in 0..70_u64 {
        let leaves = leaves(new);
        let root = naive_root(&leaves);
        for old in 0..=new {
            let old_root = naive_root(&leaves[..old as usize]);
            let proof = consist(&leaves, old).expect("old is not larger");
            assert!(verify_consistency(old, &old_root, new, &root, &proof), "{old} to {new}");
            if old > 0 {
                assert!(!verify_consistency(old, &leaf(999), new, &root, &proof), "forked old tree");
                assert!(!verify_consistency(old, &old_root, new, &leaf(999), &proof), "forked new tree");
            }
        }
        assert_eq!(consist(&leaves, new + 1), None);
    }
}

proptest! {
    #[test]
    fn a_changed_proof_never_verifies(size in 2_u64..200, pick in any::<u64>(), place in any::<usize>(), bit in 0_usize..256) {
        let leaves = leaves(size);
        let root = naive_root(&leaves);
        let index = pick % size;
        let mut proof = include(&leaves, index).expect("there is such a leaf");
        let place = place % proof.len();
        proof[place][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!verify_inclusion(&leaf(index), index, size, &proof, &root));
        let shorter = include(&leaves, index).expect("again")[1..].to_vec();
        prop_assert!(!verify_inclusion(&leaf(index), index, size, &shorter, &root));
    }

    #[test]
    fn hostile_sizes_and_proofs_never_panic(old in any::<u64>(), new in any::<u64>(), index in any::<u64>(), length in 0_usize..80) {
        let proof = vec![leaf(1); length];
        let _ = verify_consistency(old, &leaf(2), new, &leaf(3), &proof);
        prop_assert!(!verify_inclusion(&leaf(1), index, new, &proof, &leaf(2)));
    }
}
