//! [`super::Encoding::Coordinates`]: uncompressed points, one after another.

use super::{Groth16Error, Proof, VerifyingKey, MAX_PUBLIC_INPUTS};
use crate::bn254::{G1Affine, G2Affine};
use crate::encoding::{g1_from_bytes, g2_from_bytes, Reader, G1_BYTES, G2_BYTES};

/// Bytes before the points of the public inputs.
const KEY_HEAD: usize = G1_BYTES + 3 * G2_BYTES;
const PROOF_BYTES: usize = 2 * G1_BYTES + G2_BYTES;

pub(super) fn key(bytes: &[u8]) -> Result<VerifyingKey, Groth16Error> {
    let points = bytes.len().saturating_sub(KEY_HEAD) / G1_BYTES;
    let whole = bytes.len() == KEY_HEAD + points * G1_BYTES;
    if points == 0 || points > 1 + MAX_PUBLIC_INPUTS || !whole {
        return Err(Groth16Error::KeyLength);
    }
    let mut reader = Reader::new(bytes);
    let mut key = || {
        Some(VerifyingKey {
            alpha: g1(&mut reader)?,
            beta: g2(&mut reader)?,
            gamma: g2(&mut reader)?,
            delta: g2(&mut reader)?,
            inputs: (0..points)
                .map(|_| g1(&mut reader))
                .collect::<Option<_>>()?,
        })
    };
    key().ok_or(Groth16Error::KeyPoint)
}

pub(super) fn proof(bytes: &[u8]) -> Result<Proof, Groth16Error> {
    if bytes.len() != PROOF_BYTES {
        return Err(Groth16Error::ProofLength);
    }
    let mut reader = Reader::new(bytes);
    let mut proof = || {
        Some(Proof {
            a: g1(&mut reader)?,
            b: g2(&mut reader)?,
            c: g1(&mut reader)?,
        })
    };
    proof().ok_or(Groth16Error::ProofPoint)
}

fn g1(reader: &mut Reader<'_>) -> Option<G1Affine> {
    g1_from_bytes(reader.array()?)
}

fn g2(reader: &mut Reader<'_>) -> Option<G2Affine> {
    g2_from_bytes(reader.array()?, &[])
}
