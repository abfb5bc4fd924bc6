//! Proving behind the decisions: batches of what waits, attached to their records once their own verifier accepts them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clearproof_shared::artifact::evidence::{Metadata, ProvedRows};
use clearproof_shared::log::entry::Entry;
use clearproof_shared::log::merkle::{leaf_hash, Hash};
use clearproof_shared::verify::{verify_prepared, StatedRows};
use clearproof_shared::{commitment::metadata::metadata_digest, verify::VerifyError};
use rand_core::OsRng;

use super::model::Model;
use super::secret::Secret;
use super::store::{NewFailure, NewProof, Pending, StoreError};
use super::Engine;
use crate::prove::{prove_logged, CommittedRow, LoggedRow, ProveError, Row};

/// A batch that was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedBatch {
    /// The proof's id in the store.
    pub proof: u64,
    /// SHA-256 of the bundle.
    pub bundle: Hash,
    /// Sequence numbers of its rows.
    pub rows: Vec<u64>,
}

/// Why a batch could not be proved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvingError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The prover.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The proof does not hold.
    #[error("the proof does not hold: {0}")]
    Verify(#[from] VerifyError),
    /// The model is not loaded here.
    #[error("the model that decided is not loaded here; load its compiled folder")]
    Model,
    /// What was sealed does not open.
    #[error("record {seq}: what was sealed with it does not open; is this the log's sealing key?")]
    Sealed {
        /// The record.
        seq: u64,
    },
    /// The proof is not about the entries that stand in the log.
    #[error("the proof is not about record {seq} as it stands in the log")]
    Entry {
        /// The record.
        seq: u64,
    },
}

impl Engine {
    /// Proves the oldest decisions that wait, one batch of each loaded model, and attaches the proofs. A batch that fails is
    /// noted with its reason, and does not hold up the others.
    ///
    /// # Errors
    /// Those of the store.
    pub fn prove_pending(&self) -> Result<Vec<ProvedBatch>, StoreError> {
        let mut proved = Vec::new();
        for pending in self.pending()? {
            match self.prove_batch(&pending) {
                Ok(batch) => proved.push(batch),
                Err(ProvingError::Store(StoreError::AlreadyProven { .. })) => {}
                Err(ProvingError::Store(error)) => return Err(error),
                Err(error) => {
                    self.store.mark_failed(&NewFailure {
                        rows: pending.rows,
                        bundle: pending.bundle,
                        reason: error.to_string(),
                        failed_ms: now_ms(),
                    })?;
                }
            }
        }
        Ok(proved)
    }

    /// What waits, of each loaded model at most one batch: the jobs that a worker can take.
    ///
    /// # Errors
    /// Those of the store.
    pub fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        let batches = |models: &std::collections::BTreeMap<Hash, Arc<Model>>| {
            models.values().map(|model| model.artifact.batch()).max()
        };
        let most = batches(&self.models.read().unwrap_or_else(|e| e.into_inner())).unwrap_or(1);
        let mut pending = self.store.pending(most)?;
        pending.retain_mut(|pending| match self.model(&pending.bundle) {
            Some(model) => {
                pending.rows.truncate(model.artifact.batch());
                true
            }
            None => false,
        });
        Ok(pending)
    }

    /// Proves these decisions and attaches the proof.
    ///
    /// # Errors
    /// [`ProvingError`]; then nothing is attached.
    pub fn prove_batch(&self, pending: &Pending) -> Result<ProvedBatch, ProvingError> {
        let model = self.model(&pending.bundle).ok_or(ProvingError::Model)?;
        let rows = self.logged_rows(&pending.rows)?;
        let mut proved = prove_logged(&model.artifact, self.keeper.origin(), &rows, &mut OsRng)?;
        // The metadata stays with the records; the proof needs its digests alone.
        proved.metadata = rows
            .iter()
            .map(|row| {
                let metadata = &row.committed.row().metadata;
                Metadata::Hidden(metadata_digest(&row.salt, metadata))
            })
            .collect();
        let proof = self.store.attach(&NewProof {
            rows: pending.rows.clone(),
            bundle: pending.bundle,
            proof: proved.to_bytes(),
            proved_ms: now_ms(),
        })?;
        Ok(ProvedBatch {
            proof,
            bundle: pending.bundle,
            rows: pending.rows.clone(),
        })
    }

    /// Checks an attached proof against the log's own entries, and notes that it holds.
    ///
    /// # Errors
    /// [`ProvingError::Verify`] or [`ProvingError::Entry`] if it does not hold.
    pub fn verify(&self, proof: u64) -> Result<(), ProvingError> {
        let stored = self.store.proof(proof)?;
        let first = stored.proof.rows.first().copied().unwrap_or_default();
        let model = self
            .model(&stored.proof.bundle)
            .ok_or(ProvingError::Model)?;
        let rows = ProvedRows::from_bytes(&stored.proof.proof)
            .map_err(|cause| StoreError::Entry { seq: first, cause })?;
        let artifact = &model.artifact;
        let key = artifact.prepared.key();
        let stated = StatedRows::read(key, &stored.proof.bundle, &rows)
            .ok_or(ProvingError::Entry { seq: first })?;
        if stated.leaves.len() != stored.proof.rows.len() {
            return Err(ProvingError::Entry { seq: first });
        }
        for (seq, leaf) in stored.proof.rows.iter().zip(&stated.leaves) {
            if leaf_hash(&self.store.entry(*seq)?) != *leaf {
                return Err(ProvingError::Entry { seq: *seq });
            }
        }
        let model_points = artifact.model_points();
        let statement = stated.statement(&model_points, self.keeper.origin());
        verify_prepared(&artifact.prepared, &statement, &rows.proof)?;
        Ok(self.store.mark_verified(proof)?)
    }

    /// The rows of a proof with their openings and places.
    pub(super) fn logged_rows(&self, rows: &[u64]) -> Result<Vec<LoggedRow>, ProvingError> {
        let mut logged = Vec::with_capacity(rows.len());
        for run in runs(rows) {
            let entries = self.store.entries(run.clone())?;
            let sealed = self.store.sealed(run.clone())?;
            for ((seq, entry), sealed) in run.zip(&entries).zip(&sealed) {
                let Ok(Entry::Decision(entry)) = Entry::decode(entry) else {
                    return Err(StoreError::NotProvable { seq }.into());
                };
                let opened = self.keeper.open(seq, sealed);
                let secret = opened.and_then(|bytes| Secret::from_bytes(&bytes));
                let secret = secret.ok_or(ProvingError::Sealed { seq })?;
                let row = Row {
                    input: secret.inputs.to_vec(),
                    metadata: self.store.record(seq)?.metadata.into_bytes(),
                };
                let committed = CommittedRow::from_parts(row, &secret.blinding, &entry.commitment);
                logged.push(LoggedRow {
                    committed: committed.ok_or(ProvingError::Sealed { seq })?,
                    salt: secret.salt,
                    seq,
                    time_ms: entry.time_ms,
                    lifecycle: entry.lifecycle,
                });
            }
        }
        Ok(logged)
    }
}

/// Neighbouring numbers as ranges.
fn runs(rows: &[u64]) -> Vec<std::ops::Range<u64>> {
    let mut runs: Vec<std::ops::Range<u64>> = Vec::new();
    for &row in rows {
        match runs.last_mut() {
            Some(run) if run.end == row => run.end += 1,
            _ => runs.push(row..row + 1),
        }
    }
    runs
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
