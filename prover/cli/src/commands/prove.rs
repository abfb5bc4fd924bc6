//! `clearproof prove`: rows of inputs become an evidence file.

use std::path::Path;

use clearproof_prover::prove::{self, Artifact, Row};
use rand_core::OsRng;
use serde_json::json;

use crate::args::Prove;
use crate::files::{self, Secrecy};
use crate::progress::Display;
use crate::usage::Usage;
use crate::{metadata, rows};

use super::{hex, load_artifact, print, print_json};

/// Proves the rows and writes the evidence.
pub(super) fn prove(arguments: &Prove) -> Result<(), anyhow::Error> {
    let artifact = load_artifact(&arguments.artifact)?;
    let rows = rows::read_integers(artifact.model(), &arguments.inputs)?;
    let mut rows: Vec<Row> = rows
        .into_iter()
        .map(|row| Row {
            input: row.input,
            metadata: row.metadata,
        })
        .collect();
    if let Some(path) = &arguments.metadata {
        let metadata = metadata::read(path, rows.len())?;
        for (row, metadata) in rows.iter_mut().zip(metadata) {
            row.metadata = metadata;
        }
    }

    let evidence = evidence(&artifact, &rows, !arguments.no_bundle)?;
    files::write(&arguments.out, &evidence, Secrecy::Public)?;
    tell(&artifact, rows.len(), evidence.len(), arguments)
}

/// The bytes of the evidence file for rows.
pub(super) fn evidence(
    artifact: &Artifact,
    rows: &[Row],
    with_bundle: bool,
) -> Result<Vec<u8>, anyhow::Error> {
    let proofs = prove::prove(artifact, rows, &mut OsRng, &Display::new())?;
    Ok(proofs.evidence(artifact, with_bundle))
}

fn tell(
    artifact: &Artifact,
    rows: usize,
    bytes: usize,
    arguments: &Prove,
) -> Result<(), anyhow::Error> {
    let out: &Path = &arguments.out;
    let circuit_id = hex(&artifact.circuit_id());
    if arguments.json {
        print_json(&json!({
            "out": out, "rows": rows, "bytes": bytes, "circuit_id": circuit_id, "used": Usage::so_far().to_json(),
        }))?;
    } else if out != Path::new("/dev/stdout") {
        print(&format!(
            "{}: {rows} decisions proved, {bytes} bytes\n",
            out.display()
        ))?;
    }
    Ok(())
}
