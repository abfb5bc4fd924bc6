//! Proving behind the decisions: batches of what waits, attached to their records once their own verifier accepts them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clearproof_shared::artifact::evidence::ProvedRows;
use clearproof_shared::log::entry::Entry;
use clearproof_shared::log::merkle::{leaf_hash, Hash};
use clearproof_shared::verify::{verify_prepared, StatedRows, VerifyError};
use rayon::prelude::*;

use super::job::Job;
use super::model::Model;
use super::secret::Secret;
use super::store::{NewFailure, NewProof, Pending, StoreError};
use super::Engine;
use crate::prove::{CommittedRow, LoggedRow, ProveError, Row};

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

/// Most batches of one model that are proved at once; each takes its proof's memory.
const AT_ONCE: usize = 2;

/// As many threads as the machine has cores, which give way to those that decide.
fn threads() -> Option<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .thread_name(|i| format!("clearproof-prove-{i}"))
        .start_handler(|_| {
            // Of this thread alone, as Linux counts; elsewhere, and where it is not allowed, the proofs are as important.
            #[cfg(target_os = "linux")]
            let _ = rustix::process::setpriority_process(None, LOWEST);
        })
        .build()
        .ok()
}

/// Priority of the threads that prove: what is left over by all others.
#[cfg(target_os = "linux")]
const LOWEST: i32 = 19;

impl Engine {
    /// Proves the oldest decisions that wait, of each loaded model one batch, or two at once where two are full, and attaches
    /// the proofs. A batch that fails is noted with its reason, and does not hold up the others.
    ///
    /// # Errors
    /// Those of the store.
    pub fn prove_pending(&self) -> Result<Vec<ProvedBatch>, StoreError> {
        let mut batches = self.pending_batches(AT_ONCE, &|_| false)?;
        let mut seen = Vec::new();
        batches.retain(|pending| {
            let first = !seen.contains(&pending.bundle);
            seen.push(pending.bundle);
            let full = |model: Arc<Model>| model.artifact.batch() == pending.rows.len();
            first || self.model(&pending.bundle).is_some_and(full)
        });
        // A proof leaves the machine's cores idle a third of the time; another fills them.
        let prove = || -> Vec<_> {
            let proofs = batches.par_iter();
            proofs.map(|pending| self.prove_batch(pending)).collect()
        };
        let results = match self.provers.get_or_init(threads) {
            Some(threads) => threads.install(prove),
            None => prove(),
        };
        let mut proved = Vec::new();
        for (pending, result) in batches.into_iter().zip(results) {
            match result {
                Ok(batch) => proved.push(batch),
                Err(ProvingError::Store(StoreError::AlreadyProven { .. })) => {}
                Err(ProvingError::Store(error)) => return Err(error),
                Err(error) => {
                    self.give_up(pending, error.to_string())?;
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
        self.pending_batches(1, &|_| false)
    }

    /// What waits, of each loaded model at most `most` whole or last batches, the rows of which `taken` is true left out: those
    /// are in somebody's hands already.
    ///
    /// # Errors
    /// Those of the store.
    pub fn pending_batches(
        &self,
        most: usize,
        taken: &dyn Fn(u64) -> bool,
    ) -> Result<Vec<Pending>, StoreError> {
        let batches = |models: &std::collections::BTreeMap<Hash, Arc<Model>>| {
            models.values().map(|model| model.artifact.batch()).max()
        };
        let longest = batches(&self.models.read().unwrap_or_else(|e| e.into_inner())).unwrap_or(1);
        let mut jobs = Vec::new();
        for pending in self.store.pending(longest.saturating_mul(most))? {
            let Some(model) = self.model(&pending.bundle) else {
                continue;
            };
            let free: Vec<u64> = pending
                .rows
                .into_iter()
                .filter(|row| !taken(*row))
                .collect();
            let batches = free.chunks(model.artifact.batch()).take(most);
            jobs.extend(batches.map(|rows| Pending {
                bundle: pending.bundle,
                rows: rows.to_vec(),
            }));
        }
        Ok(jobs)
    }

    /// These decisions as a job, for this or another machine.
    ///
    /// # Errors
    /// Those of the store, and records whose sealed parts do not open.
    pub fn job(&self, pending: &Pending) -> Result<Job, ProvingError> {
        Ok(Job {
            origin: self.keeper.origin().to_owned(),
            bundle: pending.bundle,
            rows: self.logged_rows(&pending.rows)?,
        })
    }

    /// Proves these decisions and attaches the proof.
    ///
    /// # Errors
    /// [`ProvingError`]; then nothing is attached.
    pub fn prove_batch(&self, pending: &Pending) -> Result<ProvedBatch, ProvingError> {
        let model = self.model(&pending.bundle).ok_or(ProvingError::Model)?;
        let proof = self.job(pending)?.prove(&model.artifact)?;
        self.attach(pending, proof)
    }

    /// Attaches a proof that was made elsewhere ([`Job::prove`]), once it is checked against the log's own entries.
    ///
    /// # Errors
    /// [`ProvingError::Verify`] or [`ProvingError::Entry`] if it does not hold, [`StoreError::AlreadyProven`] if another proof
    /// came first; then nothing is attached.
    pub fn accept(&self, pending: &Pending, proof: Vec<u8>) -> Result<ProvedBatch, ProvingError> {
        self.check(&pending.bundle, &pending.rows, &proof)?;
        let attached = self.attach(pending, proof)?;
        self.store.mark_verified(attached.proof)?;
        Ok(attached)
    }

    fn attach(&self, pending: &Pending, proof: Vec<u8>) -> Result<ProvedBatch, ProvingError> {
        let proof = self.store.attach(&NewProof {
            rows: pending.rows.clone(),
            bundle: pending.bundle,
            proof,
            proved_ms: now_ms(),
        })?;
        Ok(ProvedBatch {
            proof,
            bundle: pending.bundle,
            rows: pending.rows.clone(),
        })
    }

    /// Notes that a batch cannot be proved: its records no longer wait.
    ///
    /// # Errors
    /// Those of the store.
    pub fn give_up(&self, pending: Pending, reason: String) -> Result<u64, StoreError> {
        self.store.mark_failed(&NewFailure {
            rows: pending.rows,
            bundle: pending.bundle,
            reason,
            failed_ms: now_ms(),
        })
    }

    /// Checks an attached proof against the log's own entries, and notes that it holds.
    ///
    /// # Errors
    /// [`ProvingError::Verify`] or [`ProvingError::Entry`] if it does not hold.
    pub fn verify(&self, proof: u64) -> Result<(), ProvingError> {
        let stored = self.store.proof(proof)?.proof;
        self.check(&stored.bundle, &stored.rows, &stored.proof)?;
        Ok(self.store.mark_verified(proof)?)
    }

    /// Whether a proof is about these records as they stand in the log, and holds.
    fn check(&self, bundle: &Hash, seqs: &[u64], proof: &[u8]) -> Result<(), ProvingError> {
        let first = seqs.first().copied().unwrap_or_default();
        let model = self.model(bundle).ok_or(ProvingError::Model)?;
        let rows = ProvedRows::from_bytes(proof)
            .map_err(|cause| StoreError::Entry { seq: first, cause })?;
        let artifact = &model.artifact;
        let key = artifact.prepared.key();
        let stated =
            StatedRows::read(key, bundle, &rows).ok_or(ProvingError::Entry { seq: first })?;
        if stated.leaves.len() != seqs.len() {
            return Err(ProvingError::Entry { seq: first });
        }
        for (seq, leaf) in seqs.iter().zip(&stated.leaves) {
            if leaf_hash(&self.store.entry(*seq)?) != *leaf {
                return Err(ProvingError::Entry { seq: *seq });
            }
        }
        let model_points = artifact.model_points();
        let statement = stated.statement(&model_points, self.keeper.origin());
        verify_prepared(&artifact.prepared, &statement, &rows.proof)?;
        Ok(())
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
