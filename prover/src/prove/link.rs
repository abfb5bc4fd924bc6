//! The prover's half of the link: a Schnorr proof of knowledge of a representation, in the proof's transcript.
//!
//! The blinding of V and z is what [`super::argument`] drew. Nonces come from the caller's generator, never from
//! the stream of the circuit's proof (SOUNDNESS 7).

use ff::Field;
use group::Curve;
use halo2_proofs::transcript::{Blake2bWrite, Challenge255, Transcript, TranscriptWrite};
use halo2curves::bn256::{Fr, G1Affine};
use rand_core::{CryptoRng, RngCore};

use super::bases::Bases;
use super::export::scalar_from_ark;
use super::msm::msm;

/// The writing transcript of all proofs.
pub(crate) type Writer = Blake2bWrite<Vec<u8>, G1Affine, Challenge255<G1Affine>>;

/// The blinding of one advice column.
pub(crate) struct Blinding {
    /// Values of the rows u..n.
    pub(crate) tail: Vec<Fr>,
    /// Blind of the commitment (IPA).
    pub(crate) blind: Fr,
}

impl Blinding {
    /// Moves the values out.
    pub(crate) fn take(&mut self) -> Blinding {
        Blinding {
            tail: std::mem::take(&mut self.tail),
            blind: std::mem::replace(&mut self.blind, Fr::ZERO),
        }
    }
}

impl Drop for Blinding {
    fn drop(&mut self) {
        self.tail.iter_mut().for_each(wipe);
        wipe(&mut self.blind);
    }
}

/// Overwrites a scalar.
pub(crate) fn wipe(x: &mut Fr) {
    *x = Fr::ZERO;
    std::hint::black_box(x);
}

/// One linked column: its blinding, and the secrets of the commitments that it combines.
pub(crate) struct LinkedColumn {
    pub(crate) blinding: Blinding,
    /// `sum_t challenge^t secret_t` over the combined commitments' tails at the last row.
    pub(crate) combined_tail: Fr,
}

/// Appends the link of `columns` (V first, then z) to the transcript.
pub(crate) fn prove_link(
    transcript: &mut Writer,
    bases: &Bases,
    usable: usize,
    columns: &[LinkedColumn],
    rng: &mut (impl RngCore + CryptoRng),
) -> std::io::Result<()> {
    // 1. rho folds the columns' statements.
    transcript.common_scalar(scalar_from_ark(&clearproof_shared::verify::link::link_tag()))?;
    let rho: Fr = *transcript.squeeze_challenge_scalar::<()>();
    let mut points = bases.g_lagrange[usable..].to_vec();
    points.extend(bases.w());
    let tail = bases.g_lagrange.len() - usable;
    let mut secret = vec![Fr::ZERO; points.len()];
    let mut weight = Fr::ONE;
    for column in columns {
        for (s, t) in secret.iter_mut().zip(&column.blinding.tail) {
            *s += weight * t;
        }
        secret[tail - 1] -= weight * column.combined_tail;
        if bases.w().is_some() {
            secret[tail] += weight * column.blinding.blind;
        }
        weight *= rho;
    }
    // 2. Commit, challenge, respond.
    let mut nonces: Vec<Fr> = points.iter().map(|_| Fr::random(&mut *rng)).collect();
    transcript.write_point(msm(&nonces, &points).to_affine())?;
    let e: Fr = *transcript.squeeze_challenge_scalar::<()>();
    for (nonce, s) in nonces.iter().zip(&secret) {
        transcript.write_scalar(*nonce + e * s)?;
    }
    nonces.iter_mut().chain(&mut secret).for_each(wipe);
    Ok(())
}
