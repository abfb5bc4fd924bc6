//! Proving rows: commitments, witness, proofs of at most one batch each.

use std::sync::Arc;

use clearproof_shared::artifact::evidence::{BundleRef, Evidence, Inputs, Metadata, ProvedRows};
use clearproof_shared::encoding::point_to_bytes;
use clearproof_shared::verify::{verify_prepared, StatedRows};
use ff::Field;
use halo2curves::bn256::{Fr, G1Affine};
use rand_core::{CryptoRng, RngCore};

use super::artifact::Artifact;
use super::commit::commit_inputs;
use super::compile::InputVisibility;
use super::export::g1_to_ark;
use super::link::wipe;
use super::proof::{horner, prove_linked};
use super::{Progress, ProveError};
use crate::circuit::fixed::int;
use crate::circuit::model::{ModelCircuit, Witness};
use crate::circuit::params::Scheme;
use crate::circuit::witness::{eval_slots, Cell, PhaseZero};
use crate::circuit::CircuitError;

/// One row to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The quantised input scalars, in the skeleton's order.
    pub input: Vec<i64>,
    /// Metadata bound to the record, as bytes.
    pub metadata: Vec<u8>,
}

/// A row with its commitment, as the engine makes it when it decides.
#[derive(Clone)]
pub struct CommittedRow {
    row: Row,
    /// Secret: r_t.
    blinding: Fr,
    point: G1Affine,
}

impl std::fmt::Debug for CommittedRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CommittedRow({:?}, opening hidden)", self.point)
    }
}

impl Drop for CommittedRow {
    fn drop(&mut self) {
        wipe(&mut self.blinding);
    }
}

impl CommittedRow {
    /// The commitment's 32 bytes.
    pub fn commitment(&self) -> [u8; 32] {
        point_to_bytes(&g1_to_ark(&self.point))
    }
}

/// Commits to a row's input: fresh r_t, or none where inputs are public.
///
/// # Errors
/// When the row has another shape than the model's input.
pub fn commit_row(
    artifact: &Artifact,
    row: Row,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<CommittedRow, ProveError> {
    let mut committed = commit_rows(artifact, &[row], rng)?;
    Ok(committed.pop().expect("a commitment for the row"))
}

/// [`commit_row`] for many rows, which is faster for each.
///
/// # Errors
/// When a row has another shape than the model's input.
pub fn commit_rows(
    artifact: &Artifact,
    rows: &[Row],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Vec<CommittedRow>, ProveError> {
    let layout = &artifact.shape.layout;
    let expected = layout.program.inputs.len();
    if let Some(row) = rows.iter().find(|row| row.input.len() != expected) {
        let reason = format!(
            "{} values where the model takes {expected}",
            row.input.len()
        );
        return Err(CircuitError::Input { reason }.into());
    }
    let blinded: Vec<(&[i64], Fr)> = rows
        .iter()
        .map(|row| {
            let blinding = match artifact.inputs {
                InputVisibility::Committed => Fr::random(&mut *rng),
                InputVisibility::Public => Fr::ZERO,
            };
            (&row.input[..], blinding)
        })
        .collect();
    let points = commit_inputs(&artifact.bases, layout, &blinded);
    let committed = rows.iter().zip(&blinded).zip(points);
    Ok(committed
        .map(|((row, (_, blinding)), point)| CommittedRow {
            row: row.clone(),
            blinding: *blinding,
            point,
        })
        .collect())
}

/// Proofs of one artifact's rows.
#[derive(Clone, Debug)]
pub struct EvidenceProofs {
    /// The proofs, in the order of the rows; each refers to bundle 0.
    pub proofs: Vec<ProvedRows>,
}

impl EvidenceProofs {
    /// The bytes of an evidence file; without its bundle it names the bundle by digest.
    pub fn evidence(&self, artifact: &Artifact, with_bundle: bool) -> Vec<u8> {
        let bundle = match with_bundle {
            true => BundleRef::Embedded(artifact.bundle_bytes().to_vec()),
            false => BundleRef::Digest(artifact.bundle_digest()),
        };
        Evidence {
            bundles: vec![bundle],
            origin: String::new(),
            proofs: self.proofs.clone(),
        }
        .encode()
    }
}

/// Proves rows, in batches of the circuit's size. Every proof refers to bundle 0 of its evidence.
///
/// # Errors
/// When a row has another shape, or lies outside the declared range.
pub fn prove(
    artifact: &Artifact,
    rows: &[Row],
    rng: &mut (impl RngCore + CryptoRng),
    progress: &dyn Progress,
) -> Result<EvidenceProofs, ProveError> {
    if rows.is_empty() {
        return Err(ProveError::NoRows);
    }
    let batch = artifact.shape.layout.batch();
    let total = rows.len() as u64;
    let mut proved = vec![];
    for (i, chunk) in rows.chunks(batch).enumerate() {
        progress.step("prove", (i * batch) as u64, total);
        let committed = commit_rows(artifact, chunk, rng)?;
        proved.push(prove_batch(artifact, &committed, rng)?);
    }
    progress.step("prove", total, total);
    Ok(EvidenceProofs { proofs: proved })
}

/// Proves one batch of committed rows.
fn prove_batch(
    artifact: &Artifact,
    rows: &[CommittedRow],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<ProvedRows, ProveError> {
    let layout = &artifact.shape.layout;
    let batch = layout.batch();
    // 1. Evaluate; slots without a row repeat the last.
    let mut cells: Vec<Vec<Cell>> = Vec::with_capacity(batch);
    for row in rows {
        cells.push(eval_slots(layout, &artifact.model.weights, &row.row.input)?);
    }
    let released: Vec<i64> = cells
        .iter()
        .flat_map(|c| layout.program.released.iter().map(|s| c[*s].a))
        .map(|a| i64::try_from(a).map_err(|_| CircuitError::TooWide { bits: 64 }))
        .collect::<Result<_, _>>()?;
    let last = cells.last().expect("a batch has rows").clone();
    cells.resize(batch, last);
    let rows_of = layout.released_rows();
    let mut instance = vec![Fr::ZERO; rows_of.last().map_or(0, |r| r + 1)];
    for (j, s) in layout.program.released.iter().enumerate() {
        for (b, c) in cells.iter().enumerate() {
            instance[rows_of[j * batch + b]] = int(c[*s].a);
        }
    }
    // 2. The statement.
    let batch_salt = rows.iter().any(|r| !r.row.metadata.is_empty()).then(|| {
        let mut salt = [0u8; 32];
        rng.fill_bytes(&mut salt);
        salt
    });
    let mut entry = ProvedRows {
        bundle: 0,
        inputs: match artifact.inputs {
            InputVisibility::Committed => {
                Inputs::Committed(rows.iter().map(|r| r.commitment()).collect())
            }
            InputVisibility::Public => {
                Inputs::Public(rows.iter().map(|r| r.row.input.clone()).collect())
            }
        },
        released,
        // Without metadata the salt hides nothing and is a constant.
        batch_salt: Some(batch_salt.unwrap_or([0; 32])),
        metadata: rows
            .iter()
            .map(|r| Metadata::Shown(r.row.metadata.clone()))
            .collect(),
        disclosures: vec![],
        proof: vec![],
    };
    let inputs = rows.iter().map(|r| g1_to_ark(&r.point)).collect();
    let stated = StatedRows::new(inputs, &entry);
    let model: Vec<_> = artifact.commitment.points.iter().map(g1_to_ark).collect();
    let statement = stated.statement(&model, "");
    let digest = statement.digest(artifact.prepared.key().scheme(), &artifact.circuit_id());
    // 3. The proof.
    let zero = PhaseZero::new(
        layout,
        &artifact.weights,
        &cells,
        layout.params.scheme == Scheme::Kzg,
        rng,
    );
    let circuit = ModelCircuit {
        witness: Some(Arc::new(Witness {
            weights: artifact.weights.clone(),
            zero,
            tamper: None,
        })),
        ..ModelCircuit::empty(&artifact.shape)
    };
    let links = &artifact.pk.key.links;
    let tails = |challenges: &[Fr]| {
        let mut blindings: Vec<Fr> = rows.iter().map(|r| r.blinding).collect();
        blindings.resize(batch, *blindings.last().expect("a batch has rows"));
        let tails = vec![
            horner(
                &artifact.commitment.tails,
                challenges[links[0].challenge as usize],
            ),
            horner(&blindings, challenges[links[1].challenge as usize]),
        ];
        blindings.iter_mut().for_each(wipe);
        tails
    };
    entry.proof = prove_linked(
        &artifact.bases,
        &artifact.pk,
        &circuit,
        Some(&instance),
        &digest,
        tails,
        rng,
    )?;
    // 4. What leaves has been checked as its verifier will.
    verify_prepared(&artifact.prepared, &statement, &entry.proof).map_err(ProveError::Own)?;
    Ok(entry)
}
