//! What all requests share, and how they reach the engine: it blocks, so that every call of it has a thread of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::StatusCode;
use clearproof_prover::engine::store::StoredCheckpoint;
use clearproof_prover::engine::Engine;
use clearproof_prover::prove::Artifact;
use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::policy::PolicyDescription;
use clearproof_shared::log::merkle::Hash;
use tokio::sync::{broadcast, watch, Semaphore};

use super::events::Event;
use super::limits::Buckets;
use super::metrics::Metrics;
use super::problem::Problem;
use crate::config::{Config, Opened};

/// A model that is loaded.
pub(super) struct Loaded {
    pub(super) folder: PathBuf,
    pub(super) name: String,
    pub(super) policy: Option<PolicyDescription>,
    pub(super) artifact: Arc<Artifact>,
}

impl Loaded {
    pub(super) fn new(folder: PathBuf, artifact: Arc<Artifact>) -> Self {
        let bundle = Bundle::decode(artifact.bundle_bytes()).expect("a bundle of our own making");
        Self {
            folder,
            name: bundle.name,
            policy: bundle.policy,
            artifact,
        }
    }
}

/// What all requests share.
pub(super) struct State {
    pub(super) config: Config,
    pub(super) engine: Engine,
    pub(super) log_key: String,
    pub(super) loaded: RwLock<BTreeMap<Hash, Arc<Loaded>>>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) metrics: Metrics,
    pub(super) buckets: Buckets,
    pub(super) stopping: watch::Sender<bool>,
    work: Arc<Semaphore>,
    log: Box<dyn Fn(&str) + Send + Sync>,
}

pub(super) type Shared = Arc<State>;

impl State {
    pub(super) fn new(
        config: Config,
        opened: Opened,
        log: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Shared {
        let loaded = opened.loaded.into_iter().map(|model| {
            let digest = model.artifact.bundle_digest();
            (digest, Arc::new(Loaded::new(model.folder, model.artifact)))
        });
        let limits = config.limits;
        Arc::new(Self {
            loaded: RwLock::new(loaded.collect()),
            engine: opened.engine,
            log_key: opened.log_key,
            events: broadcast::channel(EVENTS).0,
            metrics: Metrics::default(),
            buckets: Buckets::new(limits.requests_per_second, limits.burst),
            stopping: watch::channel(false).0,
            work: Arc::new(Semaphore::new(limits.concurrent)),
            log,
            config,
        })
    }

    /// One line for the operator; never a secret.
    pub(super) fn log(&self, line: &str) {
        (self.log)(line);
    }

    pub(super) fn models(&self) -> Vec<(Hash, Arc<Loaded>)> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded
            .iter()
            .map(|(digest, model)| (*digest, Arc::clone(model)))
            .collect()
    }

    pub(super) fn model(&self, digest: &Hash) -> Result<Arc<Loaded>, Problem> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let model = loaded.get(digest).map(Arc::clone);
        model.ok_or_else(|| Problem::not_found("no model of that hash is loaded here"))
    }

    /// Tells those who listen; that nobody does is no failure.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Signs a checkpoint, if entries came since the latest.
    pub(super) fn checkpoint(&self) -> Result<StoredCheckpoint, Problem> {
        let before = self.engine.store().latest_checkpoint()?;
        let checkpoint = self.engine.checkpoint()?;
        if before.is_none_or(|before| before.size != checkpoint.size) {
            self.tell(Event::Checkpoint {
                size: checkpoint.size,
            });
        }
        Ok(checkpoint)
    }
}

/// Carries out work that blocks; turned away if too much is in work already.
pub(super) async fn blocking<T: Send + 'static>(
    state: &Shared,
    work: impl FnOnce(&State) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let permit = Arc::clone(&state.work).try_acquire_owned();
    let permit = permit.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are in work; ask again in a moment",
        )
    })?;
    let shared = Arc::clone(state);
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work(&shared)
    });
    done.await.unwrap_or_else(|error| {
        state.log(&format!("a request ended in a panic: {error}"));
        Err(Problem::internal())
    })
}

/// Events that a slow listener may be behind.
const EVENTS: usize = 1024;
