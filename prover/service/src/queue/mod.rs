//! Batches proved by other machines, over NATS JetStream.
//!
//! 1. Claim: each batch that waits is proved by some worker as long as one with its model lives: a job that was begun and not
//!    finished comes to another one once its worker is silent for 10 seconds. At most one proof attaches to a record, since
//!    the store refuses a second one. A job that cannot be proved, or that ended five workers, goes to the
//!    stream of dead letters with its reason, and its records to the service's failures.
//! 2. Layout: three streams of one log, named after the worker key: jobs (a work queue, a subject for each model),
//!    results (a work queue), dead letters (kept). Payloads are sealed with `worker.key`: the server of the queue sees their
//!    lengths, models' digests and, in dead letters, sequence numbers and reasons.
//! 3. Assumed: a worker that has `worker.key` sees the inputs that it proves. Its results are checked as any proof.
//! 4. Source: NATS JetStream's documentation (work queues, acknowledgements); DESIGN section 7.

mod dispatch;
mod message;
mod names;
mod worker;

use std::time::Duration;

pub(crate) use dispatch::{Dispatcher, Outcome};
pub use worker::{Worker, WorkerError};

use names::Names;

/// Silence after which a job goes to another worker.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// How often a worker says that it is still at it.
const PROGRESS: Duration = Duration::from_secs(3);
/// Times that a job is begun at most.
const MOST_DELIVERIES: i64 = 5;

/// What went wrong with the queue's server, in its client's words.
type QueueError = Box<dyn std::error::Error + Send + Sync>;
