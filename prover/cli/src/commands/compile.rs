//! `clearproof compile`: a model becomes keys, the auditor's bundle, and the secret opening.

use std::path::Path;

use clearproof_prover::engine::policy::{Policy, MAX_POLICY_BYTES};
use clearproof_prover::onnx::input::InputShape;
use clearproof_prover::onnx::Graph;
use clearproof_prover::prove::{
    self, Artifact, CircuitDescription, CompileError, CompileOptions, InputVisibility, Scheme,
    SrsSource,
};
use clearproof_prover::quantize::skeleton::Reveal;
use clearproof_prover::quantize::{self, quantize, QuantizeOptions, Quantized, Report, RowSource};
use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::key::{self, VerifyingKey};
use serde_json::json;

use crate::args::{Compile, InputsArgument, RevealArgument, SchemeArgument, SrsArguments};
use crate::failure::Failure;
use crate::files::{self, Secrecy};
use crate::progress::Display;
use crate::rows;

use super::{hex, load_model, print};

/// Compiles a model, or rebuilds the keys of a bundle.
pub(super) fn compile(arguments: &Compile) -> Result<(), anyhow::Error> {
    match (&arguments.model, &arguments.out, &arguments.skeleton) {
        (Some(model), Some(out), None) => compile_model(model, out, arguments),
        (None, None, Some(bundle)) => rebuild(bundle, arguments),
        _ => Err(Failure::usage(
            "compile takes a model and --out, or --skeleton alone; see clearproof compile --help",
        )
        .into()),
    }
}

fn compile_model(path: &Path, out: &Path, arguments: &Compile) -> Result<(), anyhow::Error> {
    // 1. What was asked for can be done, before any work.
    let srs = srs_source(scheme(arguments.scheme), &arguments.srs)?;
    refuse_existing(out)?;
    // 2. The integer model, and its distance from the float model.
    let (file, graph) = load_model(path, arguments.rows.batch_dimension())?;
    let calibration = match &arguments.calibration {
        Some(samples) => {
            let shapes: Vec<InputShape> = graph.inputs.iter().map(InputShape::from).collect();
            rows::read(samples, &shapes, &arguments.columns)?
        }
        None => Vec::new(),
    };
    let options = quantize_options(arguments);
    let policy = match &arguments.policy {
        Some(file) => Some(read_policy(file)?),
        None => None,
    };
    let quantized = match (&policy, &arguments.policy) {
        (Some(policy), Some(file)) => {
            let judged = policy.apply(&graph).map_err(|e| Failure::input(file, e))?;
            quantize(&judged, &padded(&calibration, &judged), &options)
        }
        _ => quantize(&graph, &calibration, &options),
    };
    let quantized = quantized.map_err(|e| Failure::input(path, e))?;
    let error = quantize::report(&file, &graph, &calibration, &options)
        .map_err(|e| Failure::input(path, e))?;
    // 3. The circuit, the commitment and the keys.
    let options = CompileOptions {
        scheme: scheme(arguments.scheme),
        srs,
        batch: arguments.batch,
        inputs: match arguments.inputs {
            InputsArgument::Committed => InputVisibility::Committed,
            InputsArgument::Public => InputVisibility::Public,
        },
        model_name: path
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned())
            .unwrap_or_default(),
        policy: policy.as_ref().map(Policy::description),
    };
    let artifact = compile_artifact(&quantized, &options)
        .map_err(|e| compile_failure(path, arguments.srs.file.as_deref(), e))?;
    // 4. The folder, whole or not at all.
    save(&artifact, &error, out)?;
    print(&summary(out, &artifact, &error))?;
    Ok(())
}

fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let bytes = files::read(path, MAX_POLICY_BYTES as u64)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::input(path, "it is no text in UTF-8; save it as such"))?;
    Policy::read(&text).map_err(|e| Failure::input(path, e))
}

/// Rows with zeros for the inputs that a policy adds, whose ranges are declared.
fn padded(rows: &[quantize::Row], judged: &Graph) -> Vec<quantize::Row> {
    let pad = |row: &quantize::Row| {
        let mut row = row.clone();
        for port in &judged.inputs[row.len()..] {
            row.push(vec![0.0; port.len()]);
        }
        row
    };
    rows.iter().map(pad).collect()
}

/// The few lines that end a compilation.
fn summary(out: &Path, artifact: &Artifact, error: &Report) -> String {
    let mut text = format!(
        "{}: circuit {}\n",
        out.display(),
        hex(&artifact.circuit_id())
    );
    for output in &error.outputs {
        text += &format!(
            "error of \"{}\": at most {:.2e}, {:.2e} on average, over {} {} rows\n",
            output.name,
            output.max_abs,
            output.mean_abs,
            error.rows,
            match error.rows_from {
                RowSource::Calibration => "calibration",
                RowSource::Synthetic => "random",
            }
        );
        if let Some(first_order) = output.error_bound.and_then(|bound| bound.first_order) {
            text += &format!(
                "    roundings add up to {first_order:.2e} at most, to first order, at {} of them\n",
                error.error_bound_rows
            );
        }
    }
    if let Some(decision) = &error.decision {
        text += &format!(
            "decision \"{}\": {} of {} rows agree with the float model\n",
            decision.decision, decision.agreements, error.rows
        );
    }
    if let Some(batch) = batch_of_half(&artifact.description()) {
        text += &format!(
            "hint: {} rows is little more than half the circuit holds; --batch {batch} would take one half as large\n",
            artifact.batch()
        );
    }
    text
}

/// The batch that a circuit of half the rows holds, where it is nearly the batch asked for.
fn batch_of_half(circuit: &CircuitDescription) -> Option<usize> {
    let (batch, each) = (
        circuit.batch as usize,
        circuit.slots * circuit.rows_per_slot as usize,
    );
    let beside = circuit.rows_used.checked_sub(batch * each)? + BLINDING_ROWS;
    let fits = (1usize << circuit.k >> 1).checked_sub(beside)? / each.max(1);
    (batch > 1 && fits < batch && fits * 5 >= batch * 4).then_some(fits)
}

/// At most so many rows of a domain are blinding rows, but for circuits with many rows a slot.
const BLINDING_ROWS: usize = 16;

/// Compiles with progress shown.
pub(super) fn compile_artifact(
    quantized: &Quantized,
    options: &CompileOptions,
) -> Result<Artifact, CompileError> {
    prove::compile(
        &quantized.model,
        options,
        &mut rand_core::OsRng,
        &Display::new(),
    )
}

/// Blames the reference string where it is at fault, else the model.
fn compile_failure(model: &Path, srs: Option<&Path>, error: CompileError) -> Failure {
    match (error, srs) {
        (error @ CompileError::Read { .. }, _) => Failure::bad_input(&error),
        (CompileError::Srs(error), Some(srs)) => Failure::input(srs, error),
        (error, _) => Failure::input(model, error),
    }
}

/// Writes the folder: the artifact, and `report.json` with the circuit and the error.
pub(super) fn save(artifact: &Artifact, error: &Report, out: &Path) -> Result<(), anyhow::Error> {
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "circuit_id": hex(&artifact.circuit_id()),
        "circuit": artifact.description(),
        "error": error,
    });
    files::write_folder(out, |folder| {
        artifact
            .save(folder)
            .map_err(|e| Failure::output(out, &e))?;
        files::write(
            &folder.join("report.json"),
            format!("{report:#}\n").as_bytes(),
            Secrecy::Public,
        )?;
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
    Err(Failure::usage(format!(
        "{} exists; remove it or name another folder with --out",
        out.display()
    )))
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

fn srs_source(scheme: Scheme, arguments: &SrsArguments) -> Result<SrsSource, Failure> {
    match (scheme, &arguments.file, arguments.insecure_dev_srs) {
        (Scheme::Ipa, None, false) => Ok(SrsSource::Transparent),
        (Scheme::Kzg, Some(file), _) => Ok(SrsSource::File(file.clone())),
        (Scheme::Kzg, None, true) => Ok(SrsSource::InsecureDevelopment),
        (Scheme::Ipa, ..) => {
            Err(Failure::usage("--scheme ipa has no reference string; leave --srs and --insecure-dev-srs out, or say --scheme kzg"))
        }
        (Scheme::Kzg, None, false) => {
            Err(Failure::usage("--scheme kzg needs a reference string; give --srs FILE, or --insecure-dev-srs for development"))
        }
    }
}

/// Rebuilds the keys of a bundle from its skeleton alone, and compares the circuit ids.
fn rebuild(path: &Path, arguments: &Compile) -> Result<(), anyhow::Error> {
    let bytes = files::read(path, MOST_BUNDLE_BYTES)?;
    let bundle = Bundle::decode(&bytes).map_err(|e| Failure::input(path, e))?;
    let key = VerifyingKey::decode(&bundle.key).map_err(|e| Failure::input(path, e))?;
    let scheme = match key.scheme() {
        key::Scheme::Ipa => Scheme::Ipa,
        key::Scheme::Kzg => Scheme::Kzg,
    };
    let srs = srs_source(scheme, &arguments.srs)?;
    let rebuilt = prove::rebuild(&bundle.skeleton, &bundle.params, &srs, &Display::new())
        .map_err(|e| Failure::input(path, e))?;
    let mut text = format!("circuit       {}\n", hex(&rebuilt.circuit_id));
    for id in &rebuilt.registration_ids {
        text += &format!("registration  {}\n", hex(id));
    }
    print(&text)?;
    let registration = bundle
        .registration
        .iter()
        .map(|r| VerifyingKey::decode(&r.key).map(|key| key.circuit_id()));
    let registration = registration
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Failure::input(path, e))?;
    if rebuilt.circuit_id != key.circuit_id() || rebuilt.registration_ids != registration {
        let cause = "its keys are not those of its skeleton; do not trust it, and ask its sender for another";
        return Err(Failure::input(path, cause).into());
    }
    Ok(())
}

const MOST_BUNDLE_BYTES: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_just_misses_a_smaller_circuit_is_told() {
        let circuit = |k, batch: u32| CircuitDescription {
            k,
            rows_used: 33 * batch as usize + 5,
            batch,
            slots: 33,
            advice_columns: 31,
            fixed_columns: 33,
            limb_bits: 12,
            limb_columns: 5,
            rows_per_slot: 1,
            lanes: vec![],
            lane_bits: vec![],
            weight_columns: 2,
            weight_bits: 15,
            registration_proofs: 1,
        };
        assert_eq!(batch_of_half(&circuit(16, 1000)), Some(992));
        // It fits already, or would have to be much smaller, or is no batch.
        assert_eq!(batch_of_half(&circuit(15, 992)), None);
        assert_eq!(batch_of_half(&circuit(16, 1300)), None);
        assert_eq!(batch_of_half(&circuit(6, 1)), None);
    }
}
