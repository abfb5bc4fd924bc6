//! Groth16 over BN254: proofs of circuits made elsewhere, with arkworks or snarkjs.
//!
//! 1. Claim: [`VerifyingKey::verify`] accepts iff
//!    `e(A, B) = e(alpha, beta) e(IC_0 + sum_i x_i IC_i, gamma) e(C, delta)`.
//! 2. Encodings: [`Encoding`]; each value has one in each, and all else is refused: coordinates and public
//!    inputs not below their modulus, points off the curve or outside the subgroup.
//! 3. Assumed: the key comes from whoever judges, and a contributor to its set-up forgot their secret. Keys
//!    under which anybody can forge are refused. A proof can be re-randomised: its bytes name nothing.
//! 4. Source: Groth 2016 (eprint 2016/260), section 3.2; SOUNDNESS conditions 1, 5 and 27.

mod arkworks;
mod coordinates;
pub mod report;

use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::One;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::bn254::{Bn254, Fr, G1Affine, G2Affine};
use crate::encoding::{
    g1_to_bytes, g2_to_bytes, scalar_from_bytes, scalar_from_bytes_mod_order, SCALAR_BYTES,
};
use crate::verify::msm::{msm, Term};

/// How keys and proofs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Uncompressed points as [`crate::encoding`] writes them, one after another. A key: alpha, beta,
    /// gamma, delta, then `IC_0`, `IC_1`, ... to its end. A proof: A, B, C.
    Coordinates,
    /// `ark_groth16`'s types by `ark_serialize`, compressed or not.
    Arkworks,
}

/// A key of a circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    alpha: G1Affine,
    beta: G2Affine,
    gamma: G2Affine,
    delta: G2Affine,
    /// `IC_0`, and one point for each public input.
    inputs: Vec<G1Affine>,
}

/// A proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    a: G1Affine,
    b: G2Affine,
    c: G1Affine,
}

/// Why a key, a proof or its public inputs are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Groth16Error {
    /// No key's length, or more than [`MAX_PUBLIC_INPUTS`].
    #[error("the key has a length that no key of at most {MAX_PUBLIC_INPUTS} public inputs has")]
    KeyLength,
    /// A point of the key.
    #[error("the key holds bytes that are not the canonical encoding of a point of its group")]
    KeyPoint,
    /// alpha, beta, gamma or delta is the identity, or gamma is delta.
    #[error(
        "anybody can forge proofs under the key: a part of its set-up is the identity, or gamma is delta, \
         as in a key whose second phase has no contribution"
    )]
    Forgeable,
    /// No proof's length.
    #[error("the proof has a length that no proof has")]
    ProofLength,
    /// A point of the proof.
    #[error("the proof holds bytes that are not the canonical encoding of a point of its group")]
    ProofPoint,
    /// The public inputs do not fit the key.
    #[error("{got} public inputs where the key takes {expected}")]
    Inputs {
        /// Those of the key.
        expected: usize,
        /// Those given.
        got: usize,
    },
    /// A public input is not 32 bytes below the modulus.
    #[error("a public input is not a canonical scalar")]
    Scalar,
    /// The equation.
    #[error("the pairing equation does not hold")]
    Equation,
}

impl VerifyingKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`Groth16Error::KeyLength`], [`Groth16Error::KeyPoint`], [`Groth16Error::Forgeable`].
    pub fn decode(bytes: &[u8], encoding: Encoding) -> Result<Self, Groth16Error> {
        let key = match encoding {
            Encoding::Coordinates => coordinates::key(bytes),
            Encoding::Arkworks => arkworks::key(bytes),
        }?;
        let missing = [&key.beta, &key.gamma, &key.delta].map(AffineRepr::is_zero);
        if key.alpha.is_zero() || missing.contains(&true) || key.gamma == key.delta {
            return Err(Groth16Error::Forgeable);
        }
        Ok(key)
    }

    /// How many public inputs it takes.
    pub fn public_inputs(&self) -> usize {
        self.inputs.len() - 1
    }

    /// SHA-256 of [`Encoding::Coordinates`]: the same for a key in any encoding.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(g1_to_bytes(&self.alpha));
        for point in [&self.beta, &self.gamma, &self.delta] {
            hash.update(g2_to_bytes(point));
        }
        for point in &self.inputs {
            hash.update(g1_to_bytes(point));
        }
        hash.finalize().into()
    }

    /// Checks a proof for public inputs.
    ///
    /// # Errors
    /// [`Groth16Error::Inputs`] unless there are [`VerifyingKey::public_inputs`], else
    /// [`Groth16Error::Equation`].
    pub fn verify(&self, proof: &Proof, inputs: &[Fr]) -> Result<(), Groth16Error> {
        if inputs.len() != self.public_inputs() {
            return Err(Groth16Error::Inputs {
                expected: self.public_inputs(),
                got: inputs.len(),
            });
        }
        let scalars = std::iter::once(Fr::one()).chain(inputs.iter().copied());
        let terms: Vec<Term> = scalars.zip(self.inputs.iter().copied()).collect();
        let statement = msm(&terms).into_affine();
        // e(A, B) e(-alpha, beta) e(-statement, gamma) e(-C, delta) = 1
        let firsts = vec![proof.a, -self.alpha, -statement, -proof.c];
        let seconds = [proof.b, self.beta, self.gamma, self.delta];
        let seconds = seconds.iter().map(<Bn254 as Pairing>::G2Prepared::from);
        match Bn254::multi_pairing(firsts, seconds).0.is_one() {
            true => Ok(()),
            false => Err(Groth16Error::Equation),
        }
    }
}

impl Proof {
    /// Reads a proof.
    ///
    /// # Errors
    /// [`Groth16Error::ProofLength`], [`Groth16Error::ProofPoint`].
    pub fn decode(bytes: &[u8], encoding: Encoding) -> Result<Self, Groth16Error> {
        match encoding {
            Encoding::Coordinates => coordinates::proof(bytes),
            Encoding::Arkworks => arkworks::proof(bytes),
        }
    }
}

/// Reads public inputs, 32 bytes each, little-endian.
///
/// # Errors
/// [`Groth16Error::Scalar`].
pub fn public_inputs(bytes: &[u8]) -> Result<Vec<Fr>, Groth16Error> {
    let (inputs, rest) = bytes.as_chunks::<SCALAR_BYTES>();
    let inputs: Option<Vec<Fr>> = inputs.iter().map(scalar_from_bytes).collect();
    inputs
        .filter(|_| rest.is_empty())
        .ok_or(Groth16Error::Scalar)
}

/// The scalar that binds a proof to its place: SHA-256 of the bytes, without the top byte.
pub fn context(bytes: &[u8]) -> Fr {
    let mut hash = Sha256::new();
    hash.update(b"clearproof groth16 context 1");
    hash.update(bytes);
    scalar_from_bytes_mod_order(&hash.finalize()[..31])
}

/// Most public inputs of a key.
pub const MAX_PUBLIC_INPUTS: usize = 1 << 14;

#[cfg(test)]
mod tests;
