//! The Fiat-Shamir transcript that reads a proof.
//!
//! 1. Claim: challenges depend on everything absorbed or read before them, and the proof has no
//!    byte that is not read.
//! 2. Layout: Blake2b-512 personalised `Halo2-Transcript`; a prefix 0 / 1 / 2 before a challenge,
//!    a point (x, y; the identity as zeros) and a scalar; a challenge is the 64-byte digest mod r.
//! 3. Assumed: Blake2b as a random oracle.
//! 4. Source: halo2_proofs, `transcript::{Blake2bRead, Challenge255}`.

use ark_ec::AffineRepr;
use blake2::digest::core_api::{Buffer, UpdateCore, VariableOutputCore};
use blake2::digest::Output;
use blake2::Blake2bVarCore;

use super::VerifyError;
use crate::bn254::{Fr, G1Affine};
use crate::encoding::{
    base_to_bytes, point_from_bytes, scalar_from_bytes, scalar_from_bytes_mod_order,
    scalar_to_bytes, Reader,
};

/// Absorbs public values and reads the proof's.
#[derive(Clone)]
pub struct Transcript<'a> {
    state: State,
    proof: Reader<'a>,
}

impl core::fmt::Debug for Transcript<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Transcript").finish_non_exhaustive()
    }
}

impl<'a> Transcript<'a> {
    /// Starts before halo2's own first element.
    pub fn new(proof: &'a [u8]) -> Self {
        Self {
            state: State::new(),
            proof: Reader::new(proof),
        }
    }

    /// Draws the next challenge.
    pub fn challenge(&mut self) -> Fr {
        self.state.update(&[PREFIX_CHALLENGE]);
        scalar_from_bytes_mod_order(&self.state.digest())
    }

    /// Absorbs a point that is not part of the proof.
    pub fn common_point(&mut self, point: &G1Affine) {
        self.state.update(&[PREFIX_POINT]);
        if point.is_zero() {
            self.state.update(&[0; 64]);
        } else {
            self.state.update(&base_to_bytes(&point.x));
            self.state.update(&base_to_bytes(&point.y));
        }
    }

    /// Absorbs a scalar that is not part of the proof.
    pub fn common_scalar(&mut self, scalar: &Fr) {
        self.state.update(&[PREFIX_SCALAR]);
        self.state.update(&scalar_to_bytes(scalar));
    }

    /// Absorbs a 32-byte digest as two scalars: its low and its high 16 bytes.
    pub fn common_digest(&mut self, digest: &[u8; 32]) {
        for half in digest.chunks_exact(16) {
            self.common_scalar(&scalar_from_bytes_mod_order(half));
        }
    }

    /// Reads and absorbs a point.
    ///
    /// # Errors
    /// [`VerifyError::Truncated`], or [`VerifyError::Point`] for any second encoding.
    pub fn point(&mut self) -> Result<G1Affine, VerifyError> {
        let bytes = self.proof.array().ok_or(VerifyError::Truncated)?;
        let point = point_from_bytes(bytes).ok_or(VerifyError::Point)?;
        self.common_point(&point);
        Ok(point)
    }

    /// Reads and absorbs a scalar.
    ///
    /// # Errors
    /// [`VerifyError::Truncated`], or [`VerifyError::Scalar`] if not below the modulus.
    pub fn scalar(&mut self) -> Result<Fr, VerifyError> {
        let bytes = self.proof.array().ok_or(VerifyError::Truncated)?;
        let scalar = scalar_from_bytes(bytes).ok_or(VerifyError::Scalar)?;
        self.common_scalar(&scalar);
        Ok(scalar)
    }

    pub(crate) fn points(&mut self, count: usize) -> Result<Vec<G1Affine>, VerifyError> {
        (0..count).map(|_| self.point()).collect()
    }

    pub(crate) fn scalars(&mut self, count: usize) -> Result<Vec<Fr>, VerifyError> {
        (0..count).map(|_| self.scalar()).collect()
    }

    /// Ends the proof.
    ///
    /// # Errors
    /// [`VerifyError::TrailingBytes`] if bytes are left.
    pub fn finish(self) -> Result<(), VerifyError> {
        match self.proof.remaining() {
            0 => Ok(()),
            _ => Err(VerifyError::TrailingBytes),
        }
    }
}

/// Blake2b-512, personalised.
#[derive(Clone)]
struct State {
    core: Blake2bVarCore,
    buffer: Buffer<Blake2bVarCore>,
}

impl State {
    fn new() -> Self {
        Self {
            core: Blake2bVarCore::new_with_params(&[], PERSONAL, 0, DIGEST_BYTES),
            buffer: Buffer::<Blake2bVarCore>::default(),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        let core = &mut self.core;
        self.buffer
            .digest_blocks(bytes, |blocks| core.update_blocks(blocks));
    }

    fn digest(&self) -> [u8; DIGEST_BYTES] {
        let State {
            mut core,
            mut buffer,
        } = self.clone();
        let mut digest = Output::<Blake2bVarCore>::default();
        core.finalize_variable_core(&mut buffer, &mut digest);
        digest.into()
    }
}

const DIGEST_BYTES: usize = 64;
const PERSONAL: &[u8; 16] = b"Halo2-Transcript";
const PREFIX_CHALLENGE: u8 = 0;
const PREFIX_POINT: u8 = 1;
const PREFIX_SCALAR: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::point_to_bytes;

    #[test]
    fn every_element_changes_the_challenge() {
        let start = || Transcript::new(&[]);
        let mut seen = vec![start().challenge()];
        let mut t = start();
        t.common_scalar(&Fr::from(1u64));
        seen.push(t.challenge());
        seen.push(t.challenge());
        let mut t = start();
        t.common_point(&G1Affine::generator());
        seen.push(t.challenge());
        let mut t = start();
        t.common_point(&G1Affine::identity());
        seen.push(t.challenge());
        for i in 0..seen.len() {
            assert!(!seen[i + 1..].contains(&seen[i]));
        }
    }

    #[test]
    fn short_long_and_bad_bytes_are_named() {
        let good = point_to_bytes(&G1Affine::generator());
        assert_eq!(
            Transcript::new(&good[..31]).point(),
            Err(VerifyError::Truncated)
        );
        assert_eq!(
            Transcript::new(&[0xff; 32]).point(),
            Err(VerifyError::Point)
        );
        assert_eq!(
            Transcript::new(&[0xff; 32]).scalar(),
            Err(VerifyError::Scalar)
        );
        let mut t = Transcript::new(&[1; 33]);
        t.scalar().expect("canonical");
        assert_eq!(t.finish(), Err(VerifyError::TrailingBytes));
    }
}
