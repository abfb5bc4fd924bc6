//! The prover's half of the link: a Schnorr proof of knowledge of a representation, in the proof's transcript.
//!
//! The blinding of V and z is known by replaying the seeded generator that halo2 draws from: for each phase first
//! the tail rows of every column, then one blind a column (pinned by a test for the locked crate version).
//! Nonces come from the caller's generator, never from the replayed stream (SOUNDNESS 7).

use ff::Field;
use group::Curve;
use halo2_proofs::transcript::{Blake2bWrite, Challenge255, Transcript, TranscriptWrite};
use halo2curves::bn256::{Fr, G1Affine};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, RngCore, SeedableRng};
use zeroize::Zeroize;

use super::bases::Bases;
use super::export::scalar_from_ark;
use super::msm::msm;

/// The writing transcript of all proofs.
pub(crate) type Writer = Blake2bWrite<Vec<u8>, G1Affine, Challenge255<G1Affine>>;

/// The blinding of one advice column.
#[derive(Clone)]
pub(crate) struct Blinding {
    /// Values of the rows u..n.
    pub(crate) tail: Vec<Fr>,
    /// Blind of the commitment (IPA).
    pub(crate) blind: Fr,
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

/// Replays halo2's draws: the blinding of the first `wanted` columns of phase 1.
pub(crate) fn replay(
    mut seed: [u8; 32],
    phase_zero: usize,
    phase_one: usize,
    tail: usize,
    wanted: usize,
) -> Vec<Blinding> {
    let mut rng = ChaCha20Rng::from_seed(seed);
    seed.zeroize();
    for _ in 0..phase_zero * (tail + 1) {
        Fr::random(&mut rng);
    }
    let mut tails: Vec<Vec<Fr>> = (0..phase_one)
        .map(|_| (0..tail).map(|_| Fr::random(&mut rng)).collect())
        .collect();
    let blinds: Vec<Fr> = (0..phase_one).map(|_| Fr::random(&mut rng)).collect();
    tails.truncate(wanted);
    tails
        .into_iter()
        .zip(blinds)
        .map(|(tail, blind)| Blinding { tail, blind })
        .collect()
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
