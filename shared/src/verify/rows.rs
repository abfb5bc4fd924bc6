//! From what an evidence file says of one proof to the statement that the proof is about.
//!
//! 1. Claim: the statement is a function of the proof's entry, the bundle's commitments and the
//!    log's origin alone; a change to any of them changes the digest.
//! 2. Steps: input commitments (computed for public inputs), metadata digests, leaf hashes: of the log's entries where
//!    the rows stand in a log.
//! 3. Assumed: nothing of the entry.
//! 4. Source: docs/design/contracts.md, "Records".

use ark_ec::CurveGroup;

use super::statement::{Claimed, Statement};
use crate::artifact::evidence::{Inputs, Metadata, ProvedRows};
use crate::artifact::key::VerifyingKey;
use crate::bn254::{Fr, G1Affine, G1Projective};
use crate::commitment::input;
use crate::commitment::metadata::{metadata_digest, row_salt};
use crate::commitment::record::leaf_hash;
use crate::encoding::{point_from_bytes, point_to_bytes, scalar_from_i64};
use crate::log::entry::{Decision, Mode};
use crate::log::merkle::leaf_hash as entry_leaf_hash;

/// The parts of a statement that stand in the evidence, one each per row.
#[derive(Clone, Debug)]
pub struct StatedRows {
    /// Input commitments.
    pub commitments: Vec<G1Affine>,
    /// Leaf hashes of the records.
    pub leaves: Vec<[u8; 32]>,
    /// Released values, row after row.
    pub released: Vec<Fr>,
}

impl StatedRows {
    /// Reads a proof's entry; `None` if a commitment is no canonical point, or public inputs do not
    /// fit the circuit.
    pub fn read(key: &VerifyingKey, bundle: &[u8; 32], rows: &ProvedRows) -> Option<StatedRows> {
        Some(Self::new(
            read_commitments(key, &rows.inputs)?,
            bundle,
            rows,
        ))
    }

    /// As [`StatedRows::read`], with the input commitments already at hand; `bundle` is SHA-256 of the bundle, which
    /// entries of a log name.
    pub fn new(commitments: Vec<G1Affine>, bundle: &[u8; 32], rows: &ProvedRows) -> StatedRows {
        let released: Vec<Fr> = rows.released.iter().map(|v| scalar_from_i64(*v)).collect();
        let per_row = released.len() / commitments.len().max(1);
        let leaf = |(row, commitment): (usize, &G1Affine)| {
            if let Some(decision) = logged_decision(rows, row, commitment, bundle) {
                return entry_leaf_hash(&decision.encode());
            }
            let released = released.get(row * per_row..(row + 1) * per_row);
            leaf_hash(
                &point_to_bytes(commitment),
                released.unwrap_or_default(),
                &digest_of_metadata(rows, row),
            )
        };
        let leaves = commitments.iter().enumerate().map(leaf).collect();
        StatedRows {
            commitments,
            leaves,
            released,
        }
    }

    /// The statement of a decision proof about these rows.
    pub fn statement<'a>(&'a self, model: &'a [G1Affine], origin: &'a str) -> Statement<'a> {
        Statement {
            claimed: Claimed::Decisions,
            model,
            inputs: &self.commitments,
            leaves: &self.leaves,
            origin,
            released: &self.released,
        }
    }
}

/// The entry of the log that a row stands for; `None` if it stands in none.
fn logged_decision(
    rows: &ProvedRows,
    row: usize,
    commitment: &G1Affine,
    bundle: &[u8; 32],
) -> Option<Decision> {
    let logged = rows.logged.as_ref()?;
    let place = logged.places.get(row)?;
    Some(Decision {
        seq: place.seq,
        time_ms: place.time_ms,
        lifecycle: *logged.lifecycles.get(place.lifecycle as usize)?,
        bundle: *bundle,
        mode: Mode::Prove,
        commitment: point_to_bytes(commitment),
        released: rows.released_of(row).to_vec(),
        metadata: digest_of_metadata(rows, row),
    })
}

fn read_commitments(key: &VerifyingKey, inputs: &Inputs) -> Option<Vec<G1Affine>> {
    match inputs {
        Inputs::Committed(commitments) => commitments.iter().map(point_from_bytes).collect(),
        Inputs::Public(rows) => {
            let zero = Fr::default();
            let points = rows.iter().map(|row| input::commit(key, row, &zero));
            let points: Vec<G1Projective> = points.collect::<Option<_>>()?;
            Some(G1Projective::normalize_batch(&points))
        }
    }
}

fn digest_of_metadata(rows: &ProvedRows, row: usize) -> [u8; 32] {
    match rows.metadata.get(row) {
        Some(Metadata::Shown(bytes)) => {
            let batch_salt = rows.batch_salt.unwrap_or_default();
            metadata_digest(&row_salt(&batch_salt, row as u64), bytes)
        }
        Some(Metadata::ShownAlone { salt, metadata }) => metadata_digest(salt, metadata),
        Some(Metadata::Hidden(digest)) => *digest,
        None => [0; 32],
    }
}
