//! The one path to a proof: statement digest, the circuit's proof, the link, in one transcript.

use ff::Field;
use halo2_proofs::transcript::{Transcript, TranscriptWriterBuffer};
use halo2curves::bn256::{Fr, G1Affine};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, RngCore, SeedableRng};
use zeroize::Zeroize;

use super::argument::prove;
use super::bases::Bases;
use super::keys::ProvingKey;
use super::link::{prove_link, wipe, LinkedColumn, Writer};
use super::ProveError;
use crate::circuit::model::Assignment;

/// The two scalars that a transcript absorbs of a statement digest.
pub(crate) fn digest_scalars(digest: &[u8; 32]) -> [Fr; 2] {
    let half = |b: &[u8]| {
        let word =
            |i: usize| u64::from_le_bytes(b[8 * i..8 * i + 8].try_into().expect("eight bytes"));
        Fr::from_raw([word(0), word(1), 0, 0])
    };
    [half(&digest[..16]), half(&digest[16..])]
}

/// What one link combines: commitments, each to a column's rows and to one secret at the last row.
pub(crate) struct Combines<'a> {
    /// The commitments, where the column is to be committed as their combination. Without them it is committed
    /// cell by cell, which is shorter for columns that are nearly empty.
    pub(crate) points: &'a [G1Affine],
    /// Their secrets at the last row.
    pub(crate) tails: &'a [Fr],
}

/// Proves an assignment for the statement of `digest` and appends the link. `outside` holds what each of the key's
/// links combines, in their order.
pub(crate) fn prove_linked(
    bases: &Bases,
    pk: &ProvingKey,
    assignment: &dyn Assignment,
    instance: Option<&[Fr]>,
    digest: &[u8; 32],
    outside: &[Combines<'_>],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Vec<u8>, ProveError> {
    let mut transcript = Writer::init(vec![]);
    for scalar in digest_scalars(digest) {
        transcript
            .common_scalar(scalar)
            .map_err(ProveError::transcript)?;
    }
    // 1. The circuit's proof. Its many scalars come from one seed; the link's nonces do not (SOUNDNESS 7).
    let mut seed = [0u8; 32];
    rng.fill_bytes(&mut seed);
    let mut stream = ChaCha20Rng::from_seed(seed);
    seed.zeroize();
    let mut drawn = prove(
        bases,
        pk,
        assignment,
        instance,
        outside,
        &mut transcript,
        &mut stream,
    )
    .map_err(ProveError::transcript)?;
    // 2. The link.
    let mut columns: Vec<LinkedColumn> = pk
        .key
        .links
        .iter()
        .zip(outside)
        .map(|(link, of)| LinkedColumn {
            blinding: drawn.blindings[link.column as usize].take(),
            combined_tail: horner(of.tails, drawn.challenges[link.challenge as usize]),
        })
        .collect();
    prove_link(&mut transcript, bases, pk.key.usable_rows(), &columns, rng)
        .map_err(ProveError::transcript)?;
    columns.iter_mut().for_each(|c| wipe(&mut c.combined_tail));
    Ok(transcript.finalize())
}

/// `sum_t base^t values_t`.
pub(crate) fn horner(values: &[Fr], base: Fr) -> Fr {
    values.iter().rev().fold(Fr::ZERO, |sum, v| sum * base + v)
}
