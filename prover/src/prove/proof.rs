//! The one path to a proof: statement digest, halo2's proof, the link, in one transcript.

use ff::Field;
use halo2_proofs::plonk::{create_proof, Circuit};
use halo2_proofs::transcript::{Transcript, TranscriptWriterBuffer};
use halo2curves::bn256::Fr;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, RngCore, SeedableRng};
use zeroize::Zeroize;

use super::bases::{Bases, Extra};
use super::keys::ProvingKey;
use super::link::{prove_link, replay, LinkedColumn, Writer};
use super::opening::{OwnIpa, OwnShplonk};
use super::scheme::OwnScheme;
use super::ProveError;

/// The two scalars that a transcript absorbs of a statement digest.
pub(crate) fn digest_scalars(digest: &[u8; 32]) -> [Fr; 2] {
    let half = |b: &[u8]| {
        let word =
            |i: usize| u64::from_le_bytes(b[8 * i..8 * i + 8].try_into().expect("eight bytes"));
        Fr::from_raw([word(0), word(1), 0, 0])
    };
    [half(&digest[..16]), half(&digest[16..])]
}

/// Proves `circuit` for the statement of `digest` and appends the link. `secrets` gives, once the proof is made
/// and its challenges are drawn, the combined tails of the linked commitments (V first, then z).
pub(crate) fn prove_linked<C: Circuit<Fr>>(
    bases: &Bases,
    pk: &ProvingKey,
    circuit: &C,
    instance: &[&[Fr]],
    digest: &[u8; 32],
    secrets: impl FnOnce() -> Vec<Fr>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Vec<u8>, ProveError> {
    let mut transcript = Writer::init(vec![]);
    for scalar in digest_scalars(digest) {
        transcript
            .common_scalar(scalar)
            .map_err(ProveError::transcript)?;
    }
    // 1. halo2's proof, from a fresh seed.
    let mut seed = [0u8; 32];
    rng.fill_bytes(&mut seed);
    let stream = ChaCha20Rng::from_seed(seed);
    let circuits = std::slice::from_ref(circuit);
    match bases.extra {
        Extra::Ipa { .. } => create_proof::<OwnScheme, OwnIpa<'_>, _, _, _, _>(
            bases,
            pk,
            circuits,
            &[instance],
            stream,
            &mut transcript,
        ),
        Extra::Kzg { .. } => create_proof::<OwnScheme, OwnShplonk<'_>, _, _, _, _>(
            bases,
            pk,
            circuits,
            &[instance],
            stream,
            &mut transcript,
        ),
    }
    .map_err(ProveError::halo2)?;
    // 2. The link.
    let cs = pk.get_vk().cs();
    let phases = cs.advice_column_phase();
    let zero = phases.iter().filter(|p| **p == 0).count();
    let tail = cs.blinding_factors() + 1;
    let mut tails = secrets();
    let blindings = replay(seed, zero, phases.len() - zero, tail, tails.len());
    seed.zeroize();
    let columns: Vec<LinkedColumn> = blindings
        .into_iter()
        .zip(&tails)
        .map(|(blinding, tail)| LinkedColumn {
            blinding,
            combined_tail: *tail,
        })
        .collect();
    prove_link(&mut transcript, bases, (1 << bases.k) - tail, &columns, rng)
        .map_err(ProveError::transcript)?;
    tails.iter_mut().for_each(super::link::wipe);
    Ok(transcript.finalize())
}

/// `sum_t base^t values_t`.
pub(crate) fn horner(values: &[Fr], base: Fr) -> Fr {
    values.iter().rev().fold(Fr::ZERO, |sum, v| sum * base + v)
}
