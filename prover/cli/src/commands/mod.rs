//! The commands, one file each.

mod audit;
mod bench;
mod ceremony;
mod compile;
mod demo;
mod federated;
mod inspect;
mod prove;
mod reference;
mod run;
mod serve;
mod verify;
mod worker;

use std::io::Write;
use std::path::Path;

use clearproof_prover::onnx::{self, BatchDimension, Graph};
use clearproof_prover::prove::Artifact;

use crate::args::Command;
use crate::failure::{status, Failure};
use crate::files;

/// Carries out a command; the result is its exit status.
///
/// # Errors
/// A [`Failure`] inside, or our own mistake.
pub(crate) fn dispatch(command: &Command) -> Result<u8, anyhow::Error> {
    match command {
        Command::Inspect(arguments) => inspect::inspect(arguments),
        Command::Compile(arguments) => compile::compile(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Prove(arguments) => prove::prove(arguments),
        Command::Verify(arguments) => return verify::verify(arguments),
        Command::Serve(arguments) => serve::serve(arguments),
        Command::Worker(arguments) => worker::worker(arguments),
        Command::Demo(arguments) => demo::demo(arguments),
        Command::Bench(arguments) => bench::bench(arguments),
        Command::Federated(arguments) => return federated::federated(arguments),
        Command::Audit(arguments) => return audit::audit(arguments),
        Command::Ceremony(arguments) => ceremony::ceremony(arguments),
    }
    .map(|()| status::OK)
}

/// Prints a result on standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has read enough (`| head`).
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|e| Failure::stdout(&e)),
    }
}

/// Prints JSON on standard output, one value and a newline.
fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

/// An ONNX file, and the model in it.
fn load_model(path: &Path, batch: BatchDimension) -> Result<(Vec<u8>, Graph), Failure> {
    let bytes = files::read(path, onnx::MAX_FILE_BYTES as u64)?;
    let graph = onnx::load_with(&bytes, batch).map_err(|e| Failure::input(path, e))?;
    Ok((bytes, graph))
}

/// A folder that `compile` wrote.
fn load_artifact(folder: &Path) -> Result<Artifact, Failure> {
    Artifact::load(folder).map_err(|e| Failure::bad_input(&e))
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
