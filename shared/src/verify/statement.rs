//! The statement: what a proof is about, in one digest that its transcript absorbs first.
//!
//! 1. Claim: two statements that differ anywhere have different digests.
//! 2. Layout: SHA-256 over length-prefixed parts (u64 little-endian, then the bytes): tag, scheme,
//!    circuit id, model commitments, input commitments, leaf hashes, log origin, released values.
//! 3. Assumed: SHA-256 is collision resistant.
//! 4. Source: docs/design/contracts.md, "Statement digest".

use sha2::{Digest, Sha256};

use crate::artifact::key::Scheme;
use crate::bn254::{Fr, G1Affine};
use crate::encoding::{points_to_bytes, scalar_to_bytes};

/// What a proof claims to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Decisions of a committed model on committed inputs.
    Decisions,
    /// That a model commitment holds packed integers in range.
    Registration,
    /// That an update and its noise, both committed, are in the bounds of a round. The one leaf is the digest
    /// of the round's manifest and the party.
    Update,
}

/// The public side of one proof.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// What is claimed.
    pub claimed: Claimed,
    /// Model commitments `C_0 ..` that the circuit's model link combines.
    pub model: &'a [G1Affine],
    /// Input commitments, one per row (m <= B of them; the verifier pads by itself).
    pub inputs: &'a [G1Affine],
    /// Record leaf hashes, one per row.
    pub leaves: &'a [[u8; 32]],
    /// Origin line of the log, empty if there is none.
    pub origin: &'a str,
    /// Released values, row after row.
    pub released: &'a [Fr],
}

impl Statement<'_> {
    /// The digest that the transcript absorbs.
    pub fn digest(&self, scheme: Scheme, circuit_id: &[u8; 32]) -> [u8; 32] {
        let tag = match self.claimed {
            Claimed::Decisions => TAG_DECISIONS,
            Claimed::Registration => TAG_REGISTRATION,
            Claimed::Update => TAG_UPDATE,
        };
        let released: Vec<u8> = self.released.iter().flat_map(scalar_to_bytes).collect();
        hash_parts(&[
            tag,
            &[scheme.byte()],
            circuit_id,
            &points_to_bytes(self.model),
            &points_to_bytes(self.inputs),
            self.leaves.as_flattened(),
            self.origin.as_bytes(),
            &released,
        ])
    }
}

/// SHA-256 over parts, each after its length.
pub(crate) fn hash_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

const TAG_DECISIONS: &[u8] = b"clearproof statement v1";
const TAG_REGISTRATION: &[u8] = b"clearproof registration v1";
const TAG_UPDATE: &[u8] = b"clearproof update v1";

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ec::AffineRepr;

    #[test]
    fn every_part_counts() {
        let g = [G1Affine::generator()];
        let two = [G1Affine::generator(), G1Affine::identity()];
        let base = Statement {
            claimed: Claimed::Decisions,
            model: &g,
            inputs: &g,
            leaves: &[[1; 32]],
            origin: "log",
            released: &[],
        };
        let one = [Fr::from(1u64)];
        let variants = [
            base,
            Statement {
                claimed: Claimed::Registration,
                ..base
            },
            Statement {
                claimed: Claimed::Update,
                ..base
            },
            Statement {
                model: &two,
                ..base
            },
            Statement {
                inputs: &two,
                ..base
            },
            Statement {
                leaves: &[[2; 32]],
                ..base
            },
            Statement { origin: "", ..base },
            Statement {
                released: &one,
                ..base
            },
        ];
        let mut digests: Vec<_> = variants
            .iter()
            .map(|s| s.digest(Scheme::Kzg, &[7; 32]))
            .collect();
        digests.push(base.digest(Scheme::Ipa, &[7; 32]));
        digests.push(base.digest(Scheme::Kzg, &[8; 32]));
        for i in 0..digests.len() {
            assert!(!digests[i + 1..].contains(&digests[i]));
        }
    }
}
