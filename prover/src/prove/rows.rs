//! Proving rows: commitments, witness, proofs of at most one batch each.

use std::sync::Arc;

use clearproof_shared::artifact::evidence::{BundleRef, Evidence, Inputs, Metadata, ProvedRows};
use clearproof_shared::artifact::window::{LoggedRows, Place};
use clearproof_shared::encoding::{point_from_bytes, point_to_bytes};
use clearproof_shared::log::entry::LeafRef;
use clearproof_shared::verify::{verify_prepared, StatedRows};
use ff::{Field, PrimeField};
use halo2curves::bn256::{Fr, G1Affine};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::artifact::Artifact;
use super::commit::commit_inputs;
use super::compile::InputVisibility;
use super::export::{g1_from_ark, g1_to_ark, scalar_to_ark};
use super::link::wipe;
use super::proof::{prove_linked, Combines};
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

    /// The row.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// Secret: r_t, which with the input opens the commitment; to be stored encrypted.
    pub fn blinding(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.blinding.to_repr())
    }

    /// The commitment as a point of the verifier's curve library.
    pub(crate) fn point(&self) -> ark_bn254::G1Affine {
        g1_to_ark(&self.point)
    }

    /// Secret: r_t as a scalar of the verifier's curve library.
    pub(crate) fn blinding_scalar(&self) -> ark_bn254::Fr {
        scalar_to_ark(&self.blinding)
    }

    /// A row committed to before, from its parts; `None` if the blinding is no scalar or the commitment no point. That
    /// the commitment opens to them is checked when it is proved.
    pub fn from_parts(row: Row, blinding: &[u8; 32], commitment: &[u8; 32]) -> Option<Self> {
        Some(Self {
            row,
            blinding: Option::from(Fr::from_repr(*blinding))?,
            point: g1_from_ark(&point_from_bytes(commitment)?),
        })
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
            window: None,
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
        let mut batch_salt = [0; 32];
        // Without metadata the salt hides nothing and is a constant.
        if chunk.iter().any(|row| !row.metadata.is_empty()) {
            rng.fill_bytes(&mut batch_salt);
        }
        let shown = |row: &Row| Metadata::Shown(row.metadata.clone());
        let stated = Stated {
            origin: "",
            batch_salt: Some(batch_salt),
            metadata: chunk.iter().map(shown).collect(),
            logged: None,
        };
        let committed: Vec<&CommittedRow> = committed.iter().collect();
        proved.push(prove_batch(artifact, &committed, stated, rng)?);
    }
    progress.step("prove", total, total);
    Ok(EvidenceProofs { proofs: proved })
}

/// A committed row with its place in a log.
#[derive(Clone, Debug)]
pub struct LoggedRow {
    /// The row.
    pub committed: CommittedRow,
    /// Salt of its metadata's digest.
    pub salt: [u8; 32],
    /// Sequence number.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// The lifecycle entry that it names.
    pub lifecycle: LeafRef,
}

/// Proves decisions that stand in a log, at most one batch of them, in the log's order. The proof's statement holds the
/// hashes of their entries, so that it is about no other place.
///
/// # Errors
/// No rows, more than a batch, or what [`prove`] refuses.
pub fn prove_logged(
    artifact: &Artifact,
    origin: &str,
    rows: &[LoggedRow],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<ProvedRows, ProveError> {
    if rows.is_empty() {
        return Err(ProveError::NoRows);
    }
    let most = artifact.batch();
    if rows.len() > most {
        let reason = format!("{} rows where a proof has at most {most}", rows.len());
        return Err(CircuitError::Input { reason }.into());
    }
    let mut lifecycles: Vec<LeafRef> = vec![];
    let mut places = vec![];
    for row in rows {
        let known = lifecycles.iter().position(|l| *l == row.lifecycle);
        places.push(Place {
            seq: row.seq,
            time_ms: row.time_ms,
            lifecycle: known.unwrap_or(lifecycles.len()) as u32,
        });
        if known.is_none() {
            lifecycles.push(row.lifecycle);
        }
    }
    let stated = Stated {
        origin,
        batch_salt: None,
        metadata: rows
            .iter()
            .map(|row| Metadata::ShownAlone {
                salt: row.salt,
                metadata: row.committed.row.metadata.clone(),
            })
            .collect(),
        logged: Some(LoggedRows { lifecycles, places }),
    };
    let committed: Vec<&CommittedRow> = rows.iter().map(|row| &row.committed).collect();
    prove_batch(artifact, &committed, stated, rng)
}

/// What the statement of a batch says beside its rows.
struct Stated<'a> {
    origin: &'a str,
    batch_salt: Option<[u8; 32]>,
    metadata: Vec<Metadata>,
    logged: Option<LoggedRows>,
}

/// Proves one batch of committed rows.
fn prove_batch(
    artifact: &Artifact,
    rows: &[&CommittedRow],
    stated: Stated<'_>,
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
        batch_salt: stated.batch_salt,
        metadata: stated.metadata,
        disclosures: vec![],
        proof: vec![],
        logged: stated.logged,
    };
    let inputs = rows.iter().map(|r| g1_to_ark(&r.point)).collect();
    let origin = stated.origin;
    let stated = StatedRows::new(inputs, &artifact.bundle_digest(), &entry);
    let model: Vec<_> = artifact.commitment.points.iter().map(g1_to_ark).collect();
    let statement = stated.statement(&model, origin);
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
    let mut blindings: Vec<Fr> = rows.iter().map(|r| r.blinding).collect();
    blindings.resize(batch, *blindings.last().expect("a batch has rows"));
    let commitment = &artifact.commitment;
    let mut outside: Vec<Combines<'_>> = layout
        .linked()
        .map(|columns| Combines {
            points: &commitment.points[columns.clone()],
            tails: &commitment.tails[columns],
        })
        .collect();
    // z is nearly empty, and its commitments are those of padded rows: it is committed by its cells.
    outside.push(Combines {
        points: &[],
        tails: &blindings,
    });
    let proof = prove_linked(
        &artifact.bases,
        &artifact.pk,
        &circuit,
        Some(&instance),
        &digest,
        &outside,
        rng,
    );
    drop(outside);
    blindings.iter_mut().for_each(wipe);
    entry.proof = proof?;
    // 4. What leaves has been checked as its verifier will.
    verify_prepared(&artifact.prepared, &statement, &entry.proof).map_err(ProveError::Own)?;
    Ok(entry)
}
