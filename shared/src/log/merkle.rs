//! The log's Merkle tree: roots, proofs of sets of leaves, proofs of consistency.
//!
//! 1. Claim: a root and a size fix every leaf; a proof checks only against the one root that its
//!    leaves belong to. Checking costs at most 64 hashes for each known leaf.
//! 2. Equations: `leaf = SHA-256(0x00 || entry)`, `node = SHA-256(0x01 || left || right)`; a tree of
//!    n > 1 leaves is split at the largest power of two below n; the root of none is SHA-256 of nothing.
//!    A proof of a set of leaves walks the tree from the root, left before right: a subtree without
//!    known leaves takes the next hash of the proof. One leaf is a set of one.
//! 3. Assumed: SHA-256 is collision resistant; root and size come from a checked checkpoint.
//! 4. Source: RFC 6962, section 2.1; sets of leaves: docs/design/log.md.

use core::slice;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MerkleError {
    /// Indices repeat, descend or lie outside the tree.
    #[error("leaf indices must ascend and lie inside the tree")]
    Indices,
    /// The proof has too few or too many hashes.
    #[error("the proof does not have as many hashes as it needs")]
    Length,
    /// The earlier tree is the larger one.
    #[error("the earlier tree is larger than the later one")]
    Sizes,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// The hash of an entry's leaf.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(entry);
    hash.finalize().into()
}

/// The hash of a node over its children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The root of the tree without leaves.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root of the tree of `size` leaves in which the `known` leaves (index, hash; ascending) stand.
/// It proves nothing until compared with a root that is trusted.
///
/// # Errors
/// [`MerkleError::Indices`] or [`MerkleError::Length`].
pub fn root_of(size: u64, known: &[(u64, Hash)], proof: &[Hash]) -> Result<Hash, MerkleError> {
    check_indices(size, known, |(index, _)| *index)?;
    let mut rest = proof.iter();
    let root = match size {
        0 => empty_root(),
        _ => set_root(0, size, known, &mut rest)?,
    };
    exhausted(rest).map(|()| root)
}

/// That the `known` leaves stand in the tree of this size and root.
///
/// # Errors
/// [`MerkleError`].
pub fn verify_set(
    size: u64,
    root: &Hash,
    known: &[(u64, Hash)],
    proof: &[Hash],
) -> Result<(), MerkleError> {
    match root_of(size, known, proof)? == *root {
        true => Ok(()),
        false => Err(MerkleError::Root),
    }
}

/// That the later tree begins with the leaves of the earlier one.
///
/// # Errors
/// [`MerkleError`].
pub fn verify_consistency(
    (old_size, old_root): (u64, &Hash),
    (new_size, new_root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), MerkleError> {
    if old_size > new_size {
        return Err(MerkleError::Sizes);
    }
    let mut rest = proof.iter();
    let reached = match old_size {
        0 => (empty_root(), *new_root),
        _ => consistent_roots(old_size, new_size, Some(old_root), &mut rest)?,
    };
    exhausted(rest)?;
    let of_none = new_size != 0 || *new_root == empty_root();
    match reached == (*old_root, *new_root) && of_none {
        true => Ok(()),
        false => Err(MerkleError::Root),
    }
}

/// The roots of the first `old_size` leaves and of all `new_size`, as a proof by [`prove_prefix`] has
/// them; the first is fixed by the second.
///
/// # Errors
/// [`MerkleError::Sizes`] or [`MerkleError::Length`].
pub fn prefix_roots(
    old_size: u64,
    new_size: u64,
    proof: &[Hash],
) -> Result<(Hash, Hash), MerkleError> {
    if old_size > new_size {
        return Err(MerkleError::Sizes);
    }
    let mut rest = proof.iter();
    let roots = match old_size {
        0 => (empty_root(), next(&mut rest)?),
        _ => consistent_roots(old_size, new_size, None, &mut rest)?,
    };
    exhausted(rest).map(|()| roots)
}

/// The proof that the leaves at `indices` (ascending) stand in the tree of `size` leaves.
/// `node(level, index)` is the root of the leaves from `index 2^level` to before `(index + 1) 2^level`;
/// only subtrees that are full are asked for.
///
/// # Errors
/// `node`'s, and [`MerkleError::Indices`].
pub fn prove_set<E: From<MerkleError>>(
    size: u64,
    indices: &[u64],
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    check_indices(size, indices, |index| *index)?;
    let mut proof = vec![];
    if size > 0 {
        push_set(0, size, indices, node, &mut proof)?;
    }
    Ok(proof)
}

/// The proof that the tree of `new_size` leaves begins with the leaves of the tree of `old_size`.
///
/// # Errors
/// `node`'s, and [`MerkleError::Sizes`].
pub fn prove_consistency<E: From<MerkleError>>(
    old_size: u64,
    new_size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    if old_size > new_size {
        return Err(MerkleError::Sizes.into());
    }
    let mut proof = vec![];
    if old_size > 0 {
        push_consistency(old_size, 0, new_size, true, node, &mut proof)?;
    }
    Ok(proof)
}

/// The proof of what the first `old_size` of `new_size` leaves are, whatever another tree has there:
/// as [`prove_consistency`], with the earlier root where that leaves it out.
///
/// # Errors
/// `node`'s, and [`MerkleError::Sizes`].
pub fn prove_prefix<E: From<MerkleError>>(
    old_size: u64,
    new_size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    if old_size > new_size {
        return Err(MerkleError::Sizes.into());
    }
    let mut proof = vec![];
    match old_size {
        0 => proof.push(root_from_nodes(new_size, node)?),
        _ => push_consistency(old_size, 0, new_size, false, node, &mut proof)?,
    }
    Ok(proof)
}

/// The root of the tree of `size` leaves, from full subtrees as in [`prove_set`].
///
/// # Errors
/// `node`'s.
pub fn root_from_nodes<E>(
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    match size {
        0 => Ok(empty_root()),
        _ => subtree_root(0, size, node),
    }
}

/// Number of full subtrees, leaves included, of the tree of `size` leaves.
pub fn stored_nodes(size: u64) -> u64 {
    2 * size - u64::from(size.count_ones())
}

/// Position of a full subtree's root in the order in which appending leaves completes them.
pub fn stored_position(level: u32, index: u64) -> u64 {
    let last_leaf = (index << level) + ((1 << level) - 1);
    stored_nodes(last_leaf) + u64::from(level)
}

/// The right edge of a growing tree: the roots of its maximal full subtrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Largest subtree first, one for each bit of `size`.
    roots: Vec<Hash>,
}

impl Frontier {
    /// The right edge of the tree of `size` leaves, from full subtrees as in [`prove_set`].
    ///
    /// # Errors
    /// `node`'s.
    pub fn from_nodes<E>(
        size: u64,
        node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
    ) -> Result<Self, E> {
        let levels = (0..64u32).rev().filter(|level| size >> level & 1 == 1);
        let roots = levels.map(|level| node(level, (size >> level) - 1));
        Ok(Self {
            size,
            roots: roots.collect::<Result<_, _>>()?,
        })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf, and each full subtree it completes to `completed`, in the order of
    /// [`stored_position`]: the leaf first.
    pub fn push(&mut self, leaf: Hash, completed: &mut Vec<Hash>) {
        let mut node = leaf;
        completed.push(node);
        for _ in 0..self.size.trailing_ones() {
            let left = self.roots.pop().expect("one root for each bit of the size");
            node = node_hash(&left, &node);
            completed.push(node);
        }
        self.roots.push(node);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else {
            return empty_root();
        };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }
}

fn check_indices<T>(size: u64, items: &[T], index: impl Fn(&T) -> u64) -> Result<(), MerkleError> {
    let ascending = items.is_sorted_by(|a, b| index(a) < index(b));
    let inside = items.last().is_none_or(|last| index(last) < size);
    match ascending && inside {
        true => Ok(()),
        false => Err(MerkleError::Indices),
    }
}

/// Largest power of two below `size`, which is 2 at least.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

fn next(rest: &mut slice::Iter<'_, Hash>) -> Result<Hash, MerkleError> {
    rest.next().copied().ok_or(MerkleError::Length)
}

fn exhausted(mut rest: slice::Iter<'_, Hash>) -> Result<(), MerkleError> {
    rest.next().map_or(Ok(()), |_| Err(MerkleError::Length))
}

/// Each call either takes a hash or has a known leaf below it; depth is 64 at most.
fn set_root(
    start: u64,
    size: u64,
    known: &[(u64, Hash)],
    rest: &mut slice::Iter<'_, Hash>,
) -> Result<Hash, MerkleError> {
    let Some((_, hash)) = known.first() else {
        return next(rest);
    };
    if size == 1 {
        return Ok(*hash);
    }
    let middle = start + split(size);
    let (left, right) = known.split_at(known.partition_point(|(index, _)| *index < middle));
    let left = set_root(start, split(size), left, rest)?;
    let right = set_root(middle, size - split(size), right, rest)?;
    Ok(node_hash(&left, &right))
}

fn push_set<E>(
    start: u64,
    size: u64,
    indices: &[u64],
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
    proof: &mut Vec<Hash>,
) -> Result<(), E> {
    if indices.is_empty() {
        proof.push(subtree_root(start, size, node)?);
        return Ok(());
    }
    if size == 1 {
        return Ok(());
    }
    let middle = start + split(size);
    let (left, right) = indices.split_at(indices.partition_point(|index| *index < middle));
    push_set(start, split(size), left, node, proof)?;
    push_set(middle, size - split(size), right, node, proof)
}

/// The root of the leaves from `start`, a multiple of a power of two that `size` does not exceed.
fn subtree_root<E>(
    start: u64,
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    if size.is_power_of_two() {
        let level = size.ilog2();
        return node(level, start >> level);
    }
    let left = subtree_root(start, split(size), node)?;
    let right = subtree_root(start + split(size), size - split(size), node)?;
    Ok(node_hash(&left, &right))
}

/// The roots of the first `old` and of all `new` leaves of a subtree; `old_root` is given where the
/// old tree is this subtree's beginning and therefore not in the proof.
fn consistent_roots(
    old: u64,
    new: u64,
    old_root: Option<&Hash>,
    rest: &mut slice::Iter<'_, Hash>,
) -> Result<(Hash, Hash), MerkleError> {
    if old == new {
        let root = old_root.copied().map_or_else(|| next(rest), Ok)?;
        return Ok((root, root));
    }
    let left_size = split(new);
    if old <= left_size {
        let (old_root, left) = consistent_roots(old, left_size, old_root, rest)?;
        let right = next(rest)?;
        return Ok((old_root, node_hash(&left, &right)));
    }
    let (old_right, right) = consistent_roots(old - left_size, new - left_size, None, rest)?;
    let left = next(rest)?;
    Ok((node_hash(&left, &old_right), node_hash(&left, &right)))
}

fn push_consistency<E>(
    old: u64,
    start: u64,
    new: u64,
    from_first: bool,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
    proof: &mut Vec<Hash>,
) -> Result<(), E> {
    if old == new {
        if !from_first {
            proof.push(subtree_root(start, new, node)?);
        }
        return Ok(());
    }
    let left_size = split(new);
    let middle = start + left_size;
    if old <= left_size {
        push_consistency(old, start, left_size, from_first, node, proof)?;
        proof.push(subtree_root(middle, new - left_size, node)?);
    } else {
        push_consistency(old - left_size, middle, new - left_size, false, node, proof)?;
        proof.push(subtree_root(start, left_size, node)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Every full subtree of the tree whose leaf i is the hash of i.
    struct Tree {
        nodes: Vec<Hash>,
        frontier: Frontier,
    }

    impl Tree {
        fn of(size: u64) -> Self {
            let mut tree = Tree {
                nodes: vec![],
                frontier: Frontier::default(),
            };
            for index in 0..size {
                tree.frontier.push(leaf(index), &mut tree.nodes);
            }
            tree
        }

        fn node(&self) -> impl FnMut(u32, u64) -> Result<Hash, MerkleError> + '_ {
            |level, index| Ok(self.nodes[stored_position(level, index) as usize])
        }
    }

    fn leaf(index: u64) -> Hash {
        leaf_hash(&index.to_le_bytes())
    }

    /// The definition, from the leaves.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    fn root_at(tree: &Tree, size: u64) -> Hash {
        root_from_nodes(size, &mut tree.node()).expect("no node is missing")
    }

    /// A small generator, so that the tests repeat.
    fn random(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *state >> 33
    }

    #[test]
    fn roots_follow_the_definition() {
        let tree = Tree::of(70);
        let leaves: Vec<Hash> = (0..70).map(leaf).collect();
        for size in 0..=70 {
            let expected = naive_root(&leaves[..size as usize]);
            assert_eq!(root_at(&tree, size), expected, "{size}");
            let frontier = Frontier::from_nodes(size, &mut tree.node()).expect("all nodes");
            assert_eq!((frontier.root(), frontier.size()), (expected, size));
            assert_eq!(stored_nodes(size), Tree::of(size).nodes.len() as u64);
        }
        let whole = Frontier::from_nodes(70, &mut tree.node());
        assert_eq!(whole.as_ref(), Ok(&tree.frontier));
    }

    #[test]
    fn sets_of_leaves_prove_and_nothing_else_does() {
        let tree = Tree::of(40);
        let mut state = 7;
        for round in 0..300 {
            let size = random(&mut state) % 40 + 1;
            let mask = random(&mut state) & random(&mut state) & (u64::MAX >> (round % 60));
            let indices: Vec<u64> = (0..size).filter(|i| mask >> i & 1 == 1).collect();
            let known: Vec<(u64, Hash)> = indices.iter().map(|i| (*i, leaf(*i))).collect();
            let root = root_at(&tree, size);
            let proof = prove_set(size, &indices, &mut tree.node()).expect("all inside");
            assert_eq!(verify_set(size, &root, &known, &proof), Ok(()));

            let mut longer = proof.clone();
            longer.push([0; 32]);
            assert_eq!(root_of(size, &known, &longer), Err(MerkleError::Length));
            if let Some((_, shorter)) = proof.split_last() {
                assert_eq!(root_of(size, &known, shorter), Err(MerkleError::Length));
            }
            for place in 0..proof.len() {
                let mut wrong = proof.clone();
                wrong[place][31] ^= 1;
                assert_eq!(
                    verify_set(size, &root, &known, &wrong),
                    Err(MerkleError::Root)
                );
            }
            for place in 0..known.len() {
                let mut wrong = known.clone();
                wrong[place].1[0] ^= 1;
                assert_eq!(
                    verify_set(size, &root, &wrong, &proof),
                    Err(MerkleError::Root)
                );
                let mut moved = known.clone();
                moved[place].0 += 1;
                assert!(verify_set(size, &root, &moved, &proof).is_err());
            }
        }
    }

    #[test]
    fn indices_ascend_and_lie_inside() {
        let at = |indices: &[u64]| indices.iter().map(|i| (*i, leaf(*i))).collect::<Vec<_>>();
        for indices in [&[1, 1][..], &[2, 1], &[5], &[0, u64::MAX]] {
            assert_eq!(root_of(5, &at(indices), &[]), Err(MerkleError::Indices));
            let proof = prove_set(5, indices, &mut Tree::of(5).node());
            assert_eq!(proof, Err(MerkleError::Indices));
        }
        assert_eq!(root_of(0, &at(&[0]), &[]), Err(MerkleError::Indices));
        assert_eq!(root_of(0, &[], &[]), Ok(empty_root()));
        assert_eq!(root_of(0, &[], &[[0; 32]]), Err(MerkleError::Length));
    }

    #[test]
    fn the_largest_sizes_cost_a_hash_a_level() {
        let known = [(u64::MAX - 1, leaf(0))];
        let proof = vec![[1; 32]; 63];
        assert!(root_of(u64::MAX, &known, &proof).is_ok());
        assert_eq!(
            root_of(u64::MAX, &known, &proof[1..]),
            Err(MerkleError::Length)
        );
        let both = [(0, leaf(0)), (u64::MAX - 1, leaf(0))];
        assert!(root_of(u64::MAX, &both, &vec![[1; 32]; 125]).is_ok());
        let (old, new) = ((u64::MAX - 1, &[0; 32]), (u64::MAX, &[0; 32]));
        assert_eq!(
            verify_consistency(old, new, &proof),
            Err(MerkleError::Length)
        );
        assert_eq!(
            verify_consistency(new, old, &proof),
            Err(MerkleError::Sizes)
        );
    }

    #[test]
    fn consistency_proves_and_nothing_else_does() {
        let tree = Tree::of(35);
        for new in 0..=35 {
            let new_root = root_at(&tree, new);
            for old in 0..=new {
                let old_root = root_at(&tree, old);
                let proof = prove_consistency(old, new, &mut tree.node()).expect("old <= new");
                let check = |old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]| {
                    verify_consistency(old, new, proof)
                };
                assert_eq!(check((old, &old_root), (new, &new_root), &proof), Ok(()));
                let other = [3; 32];
                assert!(check((old, &other), (new, &new_root), &proof).is_err());
                if old > 0 {
                    assert!(check((old, &old_root), (new, &other), &proof).is_err());
                }
                for place in 0..proof.len() {
                    let mut wrong = proof.clone();
                    wrong[place][5] ^= 4;
                    let wrong = check((old, &old_root), (new, &new_root), &wrong);
                    assert_eq!(wrong, Err(MerkleError::Root));
                }
                let mut longer = proof.clone();
                longer.push([0; 32]);
                let longer = check((old, &old_root), (new, &new_root), &longer);
                assert_eq!(longer, Err(MerkleError::Length));
                if let Some((_, shorter)) = proof.split_last() {
                    let shorter = check((old, &old_root), (new, &new_root), shorter);
                    assert_eq!(shorter, Err(MerkleError::Length));
                }
            }
        }
        assert!(prove_consistency(2, 1, &mut tree.node()).is_err());
        let nothing = empty_root();
        assert_eq!(
            verify_consistency((0, &nothing), (0, &nothing), &[]),
            Ok(())
        );
        let forged = verify_consistency((0, &nothing), (0, &[1; 32]), &[]);
        assert_eq!(forged, Err(MerkleError::Root));
    }

    /// The same roots and proofs as an implementation of others; its proofs of one leaf list the
    /// siblings from the leaf up, ours from left to right.
    #[test]
    fn agrees_with_ct_merkle() {
        let mut theirs = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let ours = Tree::of(130);
        let mut state = 99;
        let mut small = None;
        for size in 1..=130u64 {
            theirs.push((size - 1).to_le_bytes().to_vec());
            let root = root_at(&ours, size);
            assert_eq!(theirs.root().as_bytes()[..], root[..]);
            let index = random(&mut state) % size;
            let path = theirs.prove_inclusion(index as usize);
            let mut path: Vec<Hash> = path.as_bytes().as_chunks::<32>().0.to_vec();
            let mut proof = prove_set(size, &[index], &mut ours.node()).expect("inside");
            path.sort_unstable();
            proof.sort_unstable();
            assert_eq!(path, proof);
            if let Some((old, old_root)) = small {
                let expected = theirs.prove_consistency((size - old) as usize);
                let proof = prove_consistency(old, size, &mut ours.node()).expect("old <= size");
                assert_eq!(proof.as_flattened(), expected.as_bytes());
                let checked = verify_consistency((old, &old_root), (size, &root), &proof);
                assert_eq!(checked, Ok(()));
            }
            if random(&mut state).is_multiple_of(5) {
                small = Some((size, root));
            }
        }
    }

    #[test]
    fn errors_of_the_store_pass_through() {
        #[derive(Debug, PartialEq)]
        struct Missing(u32, u64);
        impl From<MerkleError> for Missing {
            fn from(_: MerkleError) -> Self {
                Missing(99, 0)
            }
        }
        let mut node = |level, index| Err(Missing(level, index));
        assert_eq!(prove_set(8, &[0], &mut node), Err(Missing(0, 1)));
        let root: Result<Hash, Infallible> = root_from_nodes(0, &mut |_, _| unreachable!());
        assert_eq!(root, Ok(empty_root()));
    }
}
