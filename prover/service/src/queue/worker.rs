//! A worker: takes jobs of the models that it has, proves them, and answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, AckKind, Context, Message as Delivery};
use async_nats::HeaderMap;
use clearproof_prover::engine::store::Pending;
use clearproof_prover::engine::Job;
use clearproof_prover::prove::Artifact;
use clearproof_shared::log::merkle::Hash;
use futures_util::StreamExt;
use rand_core::OsRng;
use thiserror::Error;

use super::message::Answer;
use super::{Names, QueueError, MOST_DELIVERIES, PROGRESS};
use crate::config::{bundle_digest, compiled, hex, ConfigError, WORKER_KEY};
use crate::sealing::{Message, SealingKey};
use crate::secret_file::KeyFileError;

/// Why a worker does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// There is no key file.
    #[error("{}: not there; copy the service's worker.key into this folder", .0.display())]
    NoKey(PathBuf),
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The models.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nothing that it could prove.
    #[error("{}: no compiled model in it; put those that the service has loaded there", .0.display())]
    NoModels(PathBuf),
    /// The queue's server.
    #[error("{url}: {cause}; is nats-server running there, with JetStream (-js)?")]
    Connect {
        /// Where.
        url: String,
        /// What its client said.
        cause: QueueError,
    },
    /// No thread.
    #[error("no thread can be started: {0}")]
    Thread(std::io::Error),
}

/// A worker with its key, its models, and a line to the queue.
pub struct Worker {
    hands: Hands,
    runtime: tokio::runtime::Runtime,
}

/// All of a worker but what runs it.
struct Hands {
    key: SealingKey,
    names: Names,
    folder: PathBuf,
    models: BTreeMap<Hash, Arc<Artifact>>,
    queue: Context,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Worker({} models)", self.hands.models.len())
    }
}

impl Worker {
    /// Reads `worker.key` and the compiled models in `models/` of a folder, and connects.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub fn open(dir: &Path, url: &str) -> Result<Self, WorkerError> {
        let path = dir.join(WORKER_KEY);
        if !path.exists() {
            return Err(WorkerError::NoKey(path));
        }
        let key = SealingKey::load(&path)?;
        let folder = dir.join("models");
        let mut models = BTreeMap::new();
        add_models(&folder, &mut models)?;
        if models.is_empty() {
            return Err(WorkerError::NoModels(folder));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(WorkerError::Thread)?;
        let names = Names::new(&key.id());
        let connected = runtime.block_on(connect(url, &names));
        let queue = connected.map_err(|cause| WorkerError::Connect {
            url: without_secrets(url),
            cause,
        })?;
        let hands = Hands {
            key,
            names,
            folder,
            models,
            queue,
        };
        Ok(Self { hands, runtime })
    }

    /// Works until SIGTERM or SIGINT; then the batch in work goes back to the queue. `log` gets one line at a time.
    ///
    /// # Errors
    /// Those of the system's signals.
    pub fn run(self, log: &dyn Fn(&str)) -> std::io::Result<()> {
        use tokio::signal::unix::{signal, SignalKind};
        let Self { mut hands, runtime } = self;
        let stopped = runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let stop = async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            hands.work(stop, log).await;
            Ok(())
        });
        // A proof that nobody waits for is not waited for.
        runtime.shutdown_background();
        stopped
    }
}

impl Hands {
    async fn work(&mut self, stop: impl std::future::Future<Output = ()>, log: &dyn Fn(&str)) {
        tokio::pin!(stop);
        let mut consumers: BTreeMap<Hash, PullConsumer> = BTreeMap::new();
        let mut looked = Instant::now();
        loop {
            let next = async {
                if looked.elapsed() > LOOK_EVERY {
                    looked = Instant::now();
                    if let Err(error) = add_models(&self.folder, &mut self.models) {
                        log(&error.to_string());
                    }
                }
                self.next(&mut consumers).await
            };
            let taken = tokio::select! {
                () = &mut stop => return,
                taken = next => taken,
            };
            let delivery = match taken {
                Ok(Some(delivery)) => delivery,
                Ok(None) => {
                    tokio::select! {
                        () = &mut stop => return,
                        () = tokio::time::sleep(IDLE) => continue,
                    }
                }
                Err(error) => {
                    log(&format!("no work from the queue: {error}"));
                    consumers.clear();
                    tokio::select! {
                        () = &mut stop => return,
                        () = tokio::time::sleep(AFTER_TROUBLE) => continue,
                    }
                }
            };
            let done = tokio::select! {
                () = &mut stop => {
                    let _ = delivery.ack_with(AckKind::Nak(None)).await;
                    let _ = self.queue.client().flush().await;
                    log("stopping; the batch in work goes back to the queue");
                    return;
                }
                done = self.handle(&delivery, log) => done,
            };
            if let Err(error) = done {
                // Not acknowledged: the job comes again, to this worker or another.
                log(&format!("an answer did not reach the queue: {error}"));
                tokio::time::sleep(AFTER_TROUBLE).await;
            }
        }
    }

    /// A job of one of the models, if one waits.
    async fn next(
        &self,
        consumers: &mut BTreeMap<Hash, PullConsumer>,
    ) -> Result<Option<Delivery>, QueueError> {
        for bundle in self.models.keys() {
            let consumer = match consumers.get(bundle) {
                Some(consumer) => consumer,
                None => {
                    let stream = self.queue.get_or_create_stream(self.names.job_stream());
                    let stream = stream.await?;
                    let config = self.names.worker(bundle);
                    let name = config.durable_name.clone().unwrap_or_default();
                    let consumer = stream.get_or_create_consumer(&name, config).await?;
                    consumers.entry(*bundle).or_insert(consumer)
                }
            };
            let mut one = consumer.fetch().max_messages(1).messages().await?;
            if let Some(delivery) = one.next().await {
                return Ok(Some(delivery?));
            }
        }
        Ok(None)
    }

    async fn handle(&self, delivery: &Delivery, log: &dyn Fn(&str)) -> Result<(), QueueError> {
        let opened = self.key.open_message(Message::Job, &delivery.payload);
        let Some(job) = opened.ok().and_then(|bytes| Job::from_bytes(&bytes)) else {
            let reason = "the job does not open with this worker's key, or is none";
            return self.bury(delivery, None, reason, log).await;
        };
        let batch = Pending {
            bundle: *job.bundle(),
            rows: job.rows(),
        };
        let delivered = delivery.info()?.delivered;
        if delivered > MOST_DELIVERIES {
            let reason = format!(
                "the job was begun {} times and never finished; it may be what ends the workers",
                delivered - 1
            );
            return self.bury(delivery, Some(batch), &reason, log).await;
        }
        let Some(artifact) = self.models.get(job.bundle()).map(Arc::clone) else {
            let reason = "the job is of another model than its subject says";
            return self.bury(delivery, Some(batch), reason, log).await;
        };
        let span = span(&batch.rows);
        log(&format!("proving {} decisions, {span}", batch.rows.len()));
        let begun = Instant::now();
        let mut proving = tokio::task::spawn_blocking(move || job.prove(&artifact));
        let proved = loop {
            tokio::select! {
                proved = &mut proving => break proved,
                () = tokio::time::sleep(PROGRESS) => {
                    // If it does not arrive, another worker proves the same: the first answer counts.
                    let _ = delivery.ack_with(AckKind::Progress).await;
                }
            }
        };
        match proved {
            Ok(Ok(proof)) => {
                let answer = Answer {
                    batch,
                    proof: Ok(proof),
                };
                self.answer(&answer).await?;
                delivery.double_ack().await?;
                let seconds = begun.elapsed().as_secs_f64();
                log(&format!("proved {span} in {seconds:.2} s"));
                Ok(())
            }
            Ok(Err(error)) => {
                let reason = error.to_string();
                self.bury(delivery, Some(batch), &reason, log).await
            }
            Err(_) => {
                let reason = "the prover failed on it by a mistake of its own";
                self.bury(delivery, Some(batch), reason, log).await
            }
        }
    }

    /// Puts a job aside with its reason. Its records become failures of the service, which an admin can have proved again.
    async fn bury(
        &self,
        delivery: &Delivery,
        batch: Option<Pending>,
        reason: &str,
        log: &dyn Fn(&str),
    ) -> Result<(), QueueError> {
        let mut headers = HeaderMap::new();
        headers.insert("Reason", reason.replace(['\r', '\n'], " "));
        if let Some(batch) = &batch {
            headers.insert("Bundle", hex(&batch.bundle));
            headers.insert("Records", span(&batch.rows));
        }
        let letter =
            self.queue
                .publish_with_headers(self.names.dead(), headers, delivery.payload.clone());
        letter.await?.await?;
        if let Some(batch) = batch {
            log(&format!("{} cannot be proved: {reason}", span(&batch.rows)));
            let proof = Err(reason.to_owned());
            self.answer(&Answer { batch, proof }).await?;
        } else {
            log(reason);
        }
        delivery.double_ack_with(AckKind::Term).await
    }

    /// Durable in the queue on return.
    async fn answer(&self, answer: &Answer) -> Result<(), QueueError> {
        let sealed = self
            .key
            .seal_message(Message::Answer, &answer.to_bytes(), &mut OsRng);
        let sent = self.queue.publish(self.names.results(), sealed.into());
        sent.await?.await?;
        Ok(())
    }
}

async fn connect(url: &str, names: &Names) -> Result<Context, QueueError> {
    let options = async_nats::ConnectOptions::new().name("clearproof worker");
    let queue = jetstream::new(options.connect(url).await?);
    queue.get_or_create_stream(names.job_stream()).await?;
    queue.get_or_create_stream(names.result_stream()).await?;
    queue.get_or_create_stream(names.dead_stream()).await?;
    Ok(queue)
}

/// Loads the compiled models of a folder that are not loaded yet.
fn add_models(
    folder: &Path,
    models: &mut BTreeMap<Hash, Arc<Artifact>>,
) -> Result<(), ConfigError> {
    for folder in compiled(folder)? {
        let digest = bundle_digest(&folder)?;
        if let std::collections::btree_map::Entry::Vacant(vacant) = models.entry(digest) {
            vacant.insert(Arc::new(Artifact::load(&folder)?));
        }
    }
    Ok(())
}

/// First and last sequence number, for people.
fn span(rows: &[u64]) -> String {
    match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".into(),
    }
}

/// A server's URL without what stands before its host.
fn without_secrets(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.into(),
    }
}

const IDLE: Duration = Duration::from_millis(200);
const AFTER_TROUBLE: Duration = Duration::from_secs(1);
/// How often new models are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
