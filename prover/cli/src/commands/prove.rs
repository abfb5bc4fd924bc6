//! `clearproof prove`: rows of inputs become an evidence file.

use std::path::Path;

use clearproof_prover::prove::{self, Artifact, Row};
use rand_core::OsRng;
use serde_json::json;

use crate::args::Prove;
use crate::failure::Failure;
use crate::files::{self, Secrecy};
use crate::metadata;
use crate::progress::Display;

use super::run::integer_rows;
use super::{hex, load_artifact, print, print_json};

/// Proves the rows and writes the evidence.
pub(super) fn prove(arguments: &Prove) -> Result<(), anyhow::Error> {
    let artifact = load_artifact(&arguments.artifact)?;
    let inputs = integer_rows(artifact.model(), &arguments.input)?;
    if inputs.is_empty() {
        return Err(Failure::input(&arguments.input[0], "holds no row; give at least one").into());
    }
    let metadata = match &arguments.metadata {
        Some(path) => metadata::read(path, inputs.len())?,
        None => vec![Vec::new(); inputs.len()],
    };
    let rows: Vec<Row> = inputs.into_iter().zip(metadata).map(|(input, metadata)| Row { input, metadata }).collect();

    let evidence = evidence(&artifact, &rows, !arguments.no_bundle)?;
    files::write(&arguments.out, &evidence, Secrecy::Public)?;
    tell(&artifact, rows.len(), evidence.len(), arguments)
}

/// The bytes of the evidence file for rows.
pub(super) fn evidence(artifact: &Artifact, rows: &[Row], with_bundle: bool) -> Result<Vec<u8>, anyhow::Error> {
    let proofs = prove::prove(artifact, rows, &mut OsRng, &Display::new())?;
    Ok(proofs.evidence(artifact, with_bundle))
}

fn tell(artifact: &Artifact, rows: usize, bytes: usize, arguments: &Prove) -> Result<(), anyhow::Error> {
    let out: &Path = &arguments.out;
    let circuit_id = hex(&artifact.circuit_id());
    if arguments.json {
        print_json(&json!({"out": out, "rows": rows, "bytes": bytes, "circuit_id": circuit_id}))?;
    } else if out != Path::new("/dev/stdout") {
        print(&format!("{}: {rows} decisions proved, {bytes} bytes\n", out.display()))?;
    }
    Ok(())
}
