//! `clearproof worker`: proves what a service hands out.

use clearproof_service::queue::{Worker, WorkerError};

use crate::args;
use crate::failure::Failure;

use super::print;

/// Proves until it is told to stop.
pub(super) fn worker(arguments: &args::Worker) -> Result<(), anyhow::Error> {
    let worker = Worker::open(&arguments.dir, &arguments.nats).map_err(|error| match error {
        WorkerError::NoModels(_) => Failure::usage(error.to_string()),
        _ => Failure::bad_input(&error),
    })?;
    print("waiting for work\n")?;
    Ok(worker.run(&|line| eprintln!("clearproof: {line}"))?)
}
