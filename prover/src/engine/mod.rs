//! Decide now, prove later: the compliance engine.
//!
//! Claims: [`Engine::decide`] runs the integer model that the circuit proves, appends the decision to the log and returns once
//! it is durable; decisions are appended one after the other, however many callers there are, and many of them share one
//! append. [`Engine::prove_pending`] attaches to each decision of mode [`Mode::Prove`] at most one proof, whose statement holds
//! the hashes of the entries. [`Engine::export`] writes a window of the log as an evidence file.
//!
//! A [`policy`] is compiled into the circuit of a model; a [`store`] keeps records, proofs and checkpoints; who signs
//! checkpoints and who encrypts what is kept is given by [`Keeper`].
//!
//! Source: DESIGN sections 6 and 7, SOUNDNESS conditions 16 to 20.

mod export;
mod job;
mod model;
pub mod policy;
mod proving;
mod secret;
pub mod store;
mod trade;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, RwLock};

use clearproof_shared::log::entry::Action;
pub use clearproof_shared::log::entry::Mode;
use clearproof_shared::log::merkle::Hash;
use zeroize::Zeroizing;

pub use export::{Export, ExportError};
pub use job::Job;
pub use model::DecideError;
pub use proving::{ProvedBatch, ProvingError};
pub use trade::{Decision, Features, Trade};

use crate::prove::Artifact;
use model::Model;
use store::{Filter, Record, Stats, Store, StoreError, StoredCheckpoint};
use writer::Writer;

/// Signs a log's checkpoints and encrypts what only the operator keeps.
pub trait Keeper: Send + Sync {
    /// Origin of the log: the name of the signing key.
    fn origin(&self) -> &str;

    /// A checkpoint as a signed note.
    fn checkpoint(&self, size: u64, root: &Hash) -> Vec<u8>;

    /// Encrypts what belongs to one record.
    fn seal(&self, seq: u64, opened: &[u8]) -> Vec<u8>;

    /// Decrypts it; `None` if it is not what [`Keeper::seal`] made for this record.
    fn open(&self, seq: u64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

/// Counts and rates over the whole log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EngineStats {
    /// The store's counts.
    pub counts: Stats,
    /// Decisions, lifecycle entries left out.
    pub decisions: u64,
    /// Verified decisions of all, 0 to 1; decide-only ones never count as proved.
    pub verification_rate: f64,
    /// Compliant decisions of all, 0 to 1.
    pub compliance_rate: f64,
}

/// The engine over one log.
pub struct Engine {
    store: Arc<dyn Store>,
    keeper: Arc<dyn Keeper>,
    models: Arc<RwLock<BTreeMap<Hash, Arc<Model>>>>,
    writer: Writer,
    /// Threads that prove, from the first batch on, where the system gives some.
    provers: OnceLock<Option<rayon::ThreadPool>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.keeper.origin())
    }
}

impl Engine {
    /// Opens the engine on a store; it is the store's only writer.
    ///
    /// # Errors
    /// Those of the store, and entries that cannot be read.
    pub fn open(
        store: Arc<dyn Store>,
        keeper: Arc<dyn Keeper>,
        mode: Mode,
    ) -> Result<Self, StoreError> {
        let models = Arc::default();
        let writer = Writer::start(
            Arc::clone(&store),
            Arc::clone(&keeper),
            Arc::clone(&models),
            mode,
        )?;
        Ok(Self {
            store,
            keeper,
            models,
            writer,
            provers: OnceLock::new(),
        })
    }

    /// Makes a compiled model known to the engine, so that it can decide and prove once it is in force; returns SHA-256
    /// of its bundle. The log does not change.
    ///
    /// # Errors
    /// Those of the store, where running totals are read back.
    pub fn load(&self, artifact: Arc<Artifact>) -> Result<Hash, StoreError> {
        let model = Model::new(artifact);
        let digest = model.digest();
        if model.has_totals() {
            self.writer.recover(&model)?;
        }
        let mut models = self.models.write().unwrap_or_else(|e| e.into_inner());
        models.insert(digest, Arc::new(model));
        Ok(digest)
    }

    /// SHA-256 of the bundle that decides where a trade names none: the one in force, if it is alone.
    ///
    /// # Errors
    /// None or several are in force; those of the store.
    pub fn model_hash(&self) -> Result<Hash, DecideError> {
        self.writer.in_force()
    }

    /// Writes a lifecycle entry: a model is registered, approved, put in another's place, retired.
    ///
    /// # Errors
    /// An action that is not possible now, texts that are too long; those of the store.
    pub fn lifecycle(
        &self,
        action: Action,
        subject: Hash,
        by: &str,
        note: &str,
    ) -> Result<u64, DecideError> {
        self.writer.lifecycle(action, subject, by, note)
    }

    /// Decides, and returns once the decision is durable in the log. A request that was decided before gets the decision
    /// that it got then.
    ///
    /// # Errors
    /// What is wrong with the trade; no model in force; those of the store, and then nothing was decided.
    pub fn decide(&self, trade: Trade) -> Result<Decision, DecideError> {
        let mut decided = self.writer.decide_all(vec![trade]);
        decided.pop().unwrap_or(Err(DecideError::Stopped))
    }

    /// Decides several trades in their order, as [`Engine::decide`] does each; they share appends, and one that is refused
    /// does not hold up the others.
    pub fn decide_all(&self, trades: Vec<Trade>) -> Vec<Result<Decision, DecideError>> {
        self.writer.decide_all(trades)
    }

    /// The newest records that pass the filter, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub fn history(&self, filter: &Filter, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.store.history(filter, limit)
    }

    /// Counts and rates over the whole log.
    ///
    /// # Errors
    /// Those of the store.
    pub fn stats(&self) -> Result<EngineStats, StoreError> {
        let counts = self.store.stats()?;
        let decisions = counts.total - counts.lifecycle;
        let rate = |part: u64| match decisions {
            0 => 0.0,
            all => part as f64 / all as f64,
        };
        Ok(EngineStats {
            counts,
            decisions,
            verification_rate: rate(counts.verified),
            compliance_rate: rate(counts.compliant),
        })
    }

    /// Signs the log as it stands, and keeps the checkpoint.
    ///
    /// # Errors
    /// Those of the store.
    pub fn checkpoint(&self) -> Result<StoredCheckpoint, StoreError> {
        let size = self.store.size()?;
        if let Some(latest) = self.store.latest_checkpoint()? {
            if latest.size == size {
                return Ok(latest);
            }
        }
        let root = self.store.root(size)?;
        let checkpoint = StoredCheckpoint {
            size,
            root,
            note: self.keeper.checkpoint(size, &root),
        };
        self.store.put_checkpoint(&checkpoint)?;
        Ok(checkpoint)
    }

    /// Origin of the log.
    pub fn origin(&self) -> &str {
        self.keeper.origin()
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    fn model(&self, digest: &Hash) -> Option<Arc<Model>> {
        let models = self.models.read().unwrap_or_else(|e| e.into_inner());
        models.get(digest).map(Arc::clone)
    }
}
