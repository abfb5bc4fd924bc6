//! The leaf of one decision: what a log orders and a proof's statement absorbs.
//!
//! 1. Claim: a leaf hash fixes the input commitment, the released values and the metadata digest.
//! 2. Equation: SHA-256 over the length-prefixed parts `clearproof record v1`, the compressed
//!    commitment, the released values (32 bytes each), the metadata digest.
//! 3. Assumed: SHA-256 is collision resistant.
//! 4. Source: docs/design/contracts.md, "Statement digest".

use crate::bn254::Fr;
use crate::encoding::scalar_to_bytes;
use crate::verify::statement::hash_parts;

/// The leaf hash of one decision.
pub fn leaf_hash(commitment: &[u8; 32], released: &[Fr], metadata_digest: &[u8; 32]) -> [u8; 32] {
    let released: Vec<u8> = released.iter().flat_map(scalar_to_bytes).collect();
    hash_parts(&[TAG, commitment, &released, metadata_digest])
}

const TAG: &[u8] = b"clearproof record v1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let one = [Fr::from(1u64)];
        let leaf = leaf_hash(&[1; 32], &one, &[2; 32]);
        assert_ne!(leaf, leaf_hash(&[2; 32], &one, &[2; 32]));
        assert_ne!(leaf, leaf_hash(&[1; 32], &[], &[2; 32]));
        assert_ne!(leaf, leaf_hash(&[1; 32], &one, &[3; 32]));
    }
}
