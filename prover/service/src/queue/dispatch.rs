//! The service's side: gives what waits to workers, and attaches what they answer.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context};
use clearproof_prover::engine::store::{Pending, StoreError};
use clearproof_prover::engine::{Engine, ProvedBatch, ProvingError};
use futures_util::StreamExt;
use rand_core::OsRng;
use tokio::runtime::Runtime;

use super::message::Answer;
use super::{Names, QueueError};
use crate::sealing::{Message, SealingKey};

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its proof holds and is attached.
    Proved(ProvedBatch),
    /// It cannot be proved, and stands among the failures.
    Failed {
        /// Its rows.
        rows: Vec<u64>,
        /// Why.
        reason: String,
    },
}

/// Gives what waits to workers.
pub(crate) struct Dispatcher {
    url: String,
    key: SealingKey,
    names: Names,
    runtime: Runtime,
    line: Option<Line>,
    /// Rows that are in the queue, as far as is known.
    sent: BTreeSet<u64>,
}

/// A line to the queue.
struct Line {
    queue: Context,
    jobs: Stream,
    results: PullConsumer,
}

impl Dispatcher {
    /// A dispatcher that connects when it is first used.
    pub(crate) fn new(url: &str, key: SealingKey) -> std::io::Result<Self> {
        Ok(Self {
            url: url.into(),
            names: Names::new(&key.id()),
            key,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?,
            line: None,
            sent: BTreeSet::new(),
        })
    }

    /// Takes the answers that have come, and hands out what waits; what became of batches goes to `tell`.
    ///
    /// # Errors
    /// Those of the queue and of the store; nothing is lost by them.
    pub(crate) fn turn(
        &mut self,
        engine: &Engine,
        tell: &mut dyn FnMut(Outcome),
    ) -> Result<(), QueueError> {
        let done = self.try_turn(engine, tell);
        if done.is_err() {
            self.line = None;
        }
        done
    }

    fn try_turn(
        &mut self,
        engine: &Engine,
        tell: &mut dyn FnMut(Outcome),
    ) -> Result<(), QueueError> {
        let line = match self.line.take() {
            Some(line) => line,
            None => {
                // What an earlier line left in the queue is unknown. It is made anew: the answers of jobs that a worker has
                // in hands are still taken.
                let within = async {
                    tokio::time::timeout(CONNECT_WITHIN, connect(&self.url, &self.names)).await
                };
                let line = self.runtime.block_on(within)??;
                self.sent.clear();
                line
            }
        };
        // 1. A worker answers before it acknowledges: if no job is left before the answers are taken, then all have come.
        let left = self.runtime.block_on(line.jobs.get_info())?.state.messages as usize;
        while self.take(&line, engine, tell)? == AT_ONCE {}
        if left == 0 {
            self.sent.clear();
        }
        // 2. What waits.
        let waiting = engine.pending_batches(MOST_SENT, &|row| self.sent.contains(&row))?;
        for pending in waiting.into_iter().take(MOST_SENT.saturating_sub(left)) {
            self.send(&line, engine, pending, tell)?;
        }
        self.line = Some(line);
        Ok(())
    }

    /// Takes answers; returns how many.
    fn take(
        &mut self,
        line: &Line,
        engine: &Engine,
        tell: &mut dyn FnMut(Outcome),
    ) -> Result<usize, QueueError> {
        let fetch = async {
            let mut messages = line
                .results
                .fetch()
                .max_messages(AT_ONCE)
                .messages()
                .await?;
            let mut taken = Vec::new();
            while let Some(message) = messages.next().await {
                taken.push(message?);
            }
            Ok::<_, QueueError>(taken)
        };
        let taken = self.runtime.block_on(fetch)?;
        for message in &taken {
            let opened = self.key.open_message(Message::Answer, &message.payload);
            // Another's message in the stream is nothing to us.
            if let Some(answer) = opened.ok().and_then(|bytes| Answer::from_bytes(&bytes)) {
                for row in &answer.batch.rows {
                    self.sent.remove(row);
                }
                if let Some(outcome) = settle(engine, answer)? {
                    tell(outcome);
                }
            }
            self.runtime.block_on(message.double_ack())?;
        }
        Ok(taken.len())
    }

    /// Hands one batch out, in parts if the queue takes no message as long.
    fn send(
        &mut self,
        line: &Line,
        engine: &Engine,
        mut pending: Pending,
        tell: &mut dyn FnMut(Outcome),
    ) -> Result<(), QueueError> {
        let most = line.queue.client().max_payload();
        loop {
            let job = match engine.job(&pending) {
                Ok(job) => job,
                Err(ProvingError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tell(give_up(engine, pending, error.to_string())?);
                    return Ok(());
                }
            };
            let sealed = self
                .key
                .seal_message(Message::Job, &job.to_bytes(), &mut OsRng);
            if sealed.len() <= most {
                let sent = async {
                    let subject = self.names.jobs_of(&pending.bundle);
                    line.queue.publish(subject, sealed.into()).await?.await?;
                    Ok::<_, QueueError>(())
                };
                self.runtime.block_on(sent)?;
                self.sent.extend(&pending.rows);
                return Ok(());
            }
            if pending.rows.len() == 1 {
                let bytes = sealed.len();
                let reason = format!(
                    "one decision is {bytes} bytes and the queue takes {most}; raise max_payload of nats-server"
                );
                tell(give_up(engine, pending, reason)?);
                return Ok(());
            }
            // The rest goes with a later turn.
            pending.rows.truncate(pending.rows.len() / 2);
        }
    }
}

/// Attaches a proof, or notes why there is none; `None` if the records have a proof already.
fn settle(engine: &Engine, answer: Answer) -> Result<Option<Outcome>, StoreError> {
    let Answer { batch, proof } = answer;
    let reason = match proof {
        Ok(proof) => match engine.accept(&batch, proof) {
            Ok(proved) => return Ok(Some(Outcome::Proved(proved))),
            Err(ProvingError::Store(StoreError::AlreadyProven { .. })) => return Ok(None),
            Err(ProvingError::Store(error)) if passes(&error) => return Err(error),
            Err(error) => format!("a worker's proof was refused: {error}"),
        },
        Err(reason) => reason,
    };
    match give_up(engine, batch, reason) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(error) if passes(&error) => Err(error),
        // Nothing waits for it.
        Err(_) => Ok(None),
    }
}

/// Whether the same may go well later.
fn passes(error: &StoreError) -> bool {
    matches!(error, StoreError::Backend(_) | StoreError::Corrupt { .. })
}

fn give_up(engine: &Engine, pending: Pending, reason: String) -> Result<Outcome, StoreError> {
    let rows = pending.rows.clone();
    engine.give_up(pending, reason.clone())?;
    Ok(Outcome::Failed { rows, reason })
}

async fn connect(url: &str, names: &Names) -> Result<Line, QueueError> {
    let options = async_nats::ConnectOptions::new().name("clearproof serve");
    let queue = jetstream::new(options.connect(url).await?);
    let jobs = queue.get_or_create_stream(names.job_stream()).await?;
    jobs.purge().await?;
    let results = queue.get_or_create_stream(names.result_stream()).await?;
    queue.get_or_create_stream(names.dead_stream()).await?;
    let config = names.service();
    let name = config.durable_name.clone().unwrap_or_default();
    let results = results.get_or_create_consumer(&name, config).await?;
    Ok(Line {
        queue,
        jobs,
        results,
    })
}

/// Batches in the queue at most: enough for some workers, and a restart makes few anew.
const MOST_SENT: usize = 64;
/// Answers taken at once.
const AT_ONCE: usize = 16;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
