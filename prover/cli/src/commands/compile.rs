//! `clearproof compile`: a model becomes keys, the auditor's bundle, and the secret opening.

use std::path::Path;

use clearproof_prover::onnx::Graph;
use clearproof_prover::prove::{self, Artifact, CompileError, CompileOptions, InputVisibility, SrsSource};
use clearproof_prover::quantize::skeleton::Reveal;
use clearproof_prover::quantize::{quantize, QuantizeOptions, Quantized, Row};
use clearproof_shared::artifact::key::Scheme;
use serde_json::{json, Value};

use crate::args::{Compile, InputsArgument, RevealArgument, SchemeArgument, SrsArguments};
use crate::failure::Failure;
use crate::files::{self, Secrecy};
use crate::progress::Display;

use super::{hex, load_model, print};

/// Compiles a model, or rebuilds the keys of a bundle.
pub(super) fn compile(arguments: &Compile) -> Result<(), anyhow::Error> {
    match (&arguments.model, &arguments.out, &arguments.skeleton) {
        (Some(model), Some(out), None) => compile_model(model, out, arguments),
        (None, None, Some(bundle)) => rebuild(bundle, arguments),
        _ => Err(Failure::usage("compile takes a model and --out, or --skeleton alone; see clearproof compile --help").into()),
    }
}

fn compile_model(path: &Path, out: &Path, arguments: &Compile) -> Result<(), anyhow::Error> {
    // 1. What was asked for can be done, before any work.
    let srs = srs_source(arguments.scheme, &arguments.srs)?;
    refuse_existing(out)?;
    // 2. The integer model.
    let graph = load_model(path)?;
    let calibration = match &arguments.calibration {
        Some(rows) => read_rows(&graph, rows)?,
        None => Vec::new(),
    };
    let quantized = quantize(&graph, &calibration, &quantize_options(arguments)).map_err(|e| Failure::input(path, e))?;
    // 3. The circuit, the commitment and the keys.
    let model_name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let options = CompileOptions {
        scheme: scheme(arguments.scheme),
        srs,
        batch: arguments.batch,
        inputs: match arguments.inputs {
            InputsArgument::Committed => InputVisibility::Committed,
            InputsArgument::Public => InputVisibility::Public,
        },
        model_name,
    };
    let artifact = compile_artifact(&quantized, &options).map_err(|e| Failure::input(path, e))?;
    // 4. The folder, whole or not at all.
    let report = report(&graph, &quantized, &calibration, &artifact);
    save(&artifact, &report, out)?;
    print(&format!("{}: circuit {}\n", out.display(), hex(&artifact.circuit_id())))?;
    Ok(())
}

/// Compiles with progress shown.
pub(super) fn compile_artifact(quantized: &Quantized, options: &CompileOptions) -> Result<Artifact, CompileError> {
    prove::compile(&quantized.model, options, &Display::new())
}

/// Writes the folder.
pub(super) fn save(artifact: &Artifact, report: &Value, out: &Path) -> Result<(), anyhow::Error> {
    files::write_folder(out, |folder| {
        artifact.save(folder).map_err(|e| Failure::output(out, &e))?;
        files::write(&folder.join("report.json"), format!("{report:#}\n").as_bytes(), Secrecy::Public)?;
        Ok(())
    })
}

/// A folder with something in it is never overwritten: it may hold the only opening of a commitment.
fn refuse_existing(out: &Path) -> Result<(), Failure> {
    let free = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if free {
        return Ok(());
    }
    Err(Failure::usage(format!("{} exists; remove it or name another folder with --out", out.display())))
}

fn quantize_options(arguments: &Compile) -> QuantizeOptions {
    QuantizeOptions {
        scale_bits: arguments.scale_bits,
        reveal: match arguments.reveal {
            RevealArgument::Decision => Reveal::Decision,
            RevealArgument::Outputs => Reveal::Outputs,
        },
        threshold: arguments.threshold,
        ..QuantizeOptions::default()
    }
}

fn scheme(argument: SchemeArgument) -> Scheme {
    match argument {
        SchemeArgument::Ipa => Scheme::Ipa,
        SchemeArgument::Kzg => Scheme::Kzg,
    }
}

fn srs_source(scheme: SchemeArgument, arguments: &SrsArguments) -> Result<SrsSource, Failure> {
    match (scheme, &arguments.file, arguments.insecure_dev_srs) {
        (SchemeArgument::Ipa, None, false) => Ok(SrsSource::Transparent),
        (SchemeArgument::Kzg, Some(file), _) => Ok(SrsSource::File(file.clone())),
        (SchemeArgument::Kzg, None, true) => Ok(SrsSource::InsecureDevelopment),
        (SchemeArgument::Ipa, ..) => {
            Err(Failure::usage("--scheme ipa has no reference string; leave --srs and --insecure-dev-srs out, or say --scheme kzg"))
        }
        (SchemeArgument::Kzg, None, false) => {
            Err(Failure::usage("--scheme kzg needs a reference string; give --srs FILE, or --insecure-dev-srs for development"))
        }
    }
}

/// What `report.json` says: the circuit, and the error against the float model on the calibration rows.
pub(super) fn report(graph: &Graph, quantized: &Quantized, calibration: &[Row], artifact: &Artifact) -> Value {
    let functions: Vec<Value> = quantized
        .functions
        .iter()
        .map(|f| json!({"name": f.name, "segments": f.segments, "max_abs_error": f.max_abs}))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "circuit_id": hex(&artifact.circuit_id()),
        "circuit": artifact.description(),
        "parameters": graph.parameters(),
        "decision": quantized.model.skeleton.decision,
        "functions": functions,
        "calibration_rows": calibration.len(),
    })
}

/// Rebuilds the keys of a bundle from its skeleton alone, and compares the circuit ids.
fn rebuild(path: &Path, arguments: &Compile) -> Result<(), anyhow::Error> {
    let _ = (path, arguments);
    anyhow::bail!("not yet")
}
