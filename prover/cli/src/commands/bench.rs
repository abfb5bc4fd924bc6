//! `clearproof bench`: compiling, proving and verifying, measured here and now.
//!
//! Proving is measured as a user pays for it: each proof is a `clearproof prove` of its own, from the start of
//! the process to the file on the disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clearproof_prover::onnx::{self, BatchDimension, Graph, Port};
use clearproof_prover::prove::{CompileOptions, InputVisibility, Scheme, SrsSource};
use clearproof_prover::quantize::skeleton::Reveal;
use clearproof_prover::quantize::{self, quantize, QuantizeOptions};
use clearproof_shared::verify::{Verdict, Verifier};
use serde_json::{json, Value};

use crate::args::{Bench, SchemeArgument};
use crate::example;
use crate::failure::Failure;
use crate::files;
use crate::table::Table;
use crate::usage::Usage;

use super::compile::{compile_artifact, save};
use super::verify::{gravest, judge, LogKeys};
use super::{load_model, print, print_json};

/// One line of the table: medians over the runs, seconds and bytes.
struct Line {
    model: String,
    scheme: Scheme,
    batch: u32,
    parameters: usize,
    k: u32,
    compile: f64,
    prove: f64,
    /// Of the whole process over all threads, where the system tells it.
    prove_cpu: Option<f64>,
    prove_memory: Option<u64>,
    /// Evidence file and trusted bundle as bytes to the verdict, registration proofs included.
    verify_first: f64,
    /// The same with a bundle that this verifier has checked before.
    verify: f64,
    /// Without the bundle.
    evidence: usize,
    bundle: usize,
}

/// A model to measure.
struct Subject {
    name: String,
    file: Vec<u8>,
    graph: Graph,
}

/// Prints one line for each model, scheme and batch.
pub(super) fn bench(arguments: &Bench) -> Result<(), anyhow::Error> {
    let mut subjects = Vec::new();
    for path in &arguments.models {
        let (file, graph) = load_model(path, BatchDimension::Leading)?;
        let name = name_of(path);
        subjects.push(Subject { name, file, graph });
    }
    if subjects.is_empty() {
        subjects.push(Subject {
            name: example::MODEL_NAME.to_owned(),
            file: example::MODEL.to_vec(),
            graph: onnx::load(example::MODEL)?,
        });
    }
    let schemes = match arguments.scheme {
        None => vec![Scheme::Ipa, Scheme::Kzg],
        Some(SchemeArgument::Ipa) => vec![Scheme::Ipa],
        Some(SchemeArgument::Kzg) => vec![Scheme::Kzg],
    };
    let mut lines = Vec::new();
    for subject in &subjects {
        for &scheme in &schemes {
            for &batch in &arguments.batch {
                let name = &subject.name;
                eprintln!("{name}, {}, batch {batch} ...", scheme_name(scheme));
                lines.push(measure(subject, scheme, batch, arguments.runs)?);
            }
        }
    }
    if arguments.json {
        let lines: Vec<Value> = lines.iter().map(to_json).collect();
        print_json(&json!({ "lines": lines }))?;
    } else {
        print(&to_table(&lines))?;
    }
    Ok(())
}

/// `model` of `.../model/model.onnx`, else the file's name.
fn name_of(path: &Path) -> String {
    let named = match (path.file_stem(), path.parent().and_then(Path::file_name)) {
        (Some(stem), Some(folder)) if stem == "model" => folder,
        (Some(stem), _) => stem,
        (None, _) => path.as_os_str(),
    };
    named.to_string_lossy().into_owned()
}

fn measure(
    subject: &Subject,
    scheme: Scheme,
    batch: u32,
    runs: u32,
) -> Result<Line, anyhow::Error> {
    let graph = &subject.graph;
    let options = QuantizeOptions {
        reveal: Reveal::Decision,
        ..QuantizeOptions::default()
    };
    let quantized = quantize(graph, &[], &options)?;
    let report = quantize::report(&subject.file, graph, &[], &options)?;
    let options = CompileOptions {
        scheme,
        srs: match scheme {
            Scheme::Ipa => SrsSource::Transparent,
            Scheme::Kzg => SrsSource::InsecureDevelopment,
        },
        batch,
        inputs: InputVisibility::Committed,
        model_name: subject.name.clone(),
        policy: None,
    };
    let start = Instant::now();
    let artifact = compile_artifact(&quantized, &options)?;
    let compile = start.elapsed().as_secs_f64();
    let folder = tempfile::tempdir().map_err(|e| Failure::output(&std::env::temp_dir(), &e))?;
    let prove = ProveRun::prepare(folder.path(), graph, batch)?;
    save(&artifact, &report, &prove.artifact)?;
    let (bundle, k) = (artifact.bundle_bytes().to_vec(), artifact.description().k);
    drop(artifact);

    let mut proved = Vec::new();
    let (mut first_verified, mut verified) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        proved.push(prove.run()?);
        let bytes = files::read(&prove.out, u64::MAX - 1)?;
        let file = [(subject.name.clone(), bytes)];
        let mut verifier = Verifier::default();
        for times in [&mut first_verified, &mut verified] {
            let start = Instant::now();
            let reports = judge(
                &mut verifier,
                &file,
                std::slice::from_ref(&bundle),
                &LogKeys::default(),
                true,
            );
            times.push(start.elapsed().as_secs_f64());
            anyhow::ensure!(
                gravest(&reports) == Verdict::Valid,
                "{}: the proof is not valid",
                subject.name
            );
        }
    }
    let evidence = files::read(&prove.out, u64::MAX - 1)?.len();
    let cpu: Option<Vec<f64>> = proved.iter().map(|(_, used)| used.cpu_s).collect();
    Ok(Line {
        model: subject.name.clone(),
        scheme,
        batch,
        parameters: graph.parameters(),
        k,
        compile,
        prove: median(proved.iter().map(|(wall, _)| *wall).collect()).unwrap_or_default(),
        prove_cpu: cpu.and_then(median),
        prove_memory: proved.iter().filter_map(|(_, u)| u.peak_memory_bytes).max(),
        verify_first: median(first_verified).unwrap_or_default(),
        verify: median(verified).unwrap_or_default(),
        evidence,
        bundle: bundle.len(),
    })
}

/// The files of one `clearproof prove`.
struct ProveRun {
    artifact: PathBuf,
    input: PathBuf,
    out: PathBuf,
}

impl ProveRun {
    /// Writes the rows. Any input in range serves: the circuit's cost does not depend on it.
    fn prepare(folder: &Path, graph: &Graph, batch: u32) -> Result<ProveRun, anyhow::Error> {
        let tensor = |port: &Port| {
            let shape: Vec<usize> = std::iter::once(batch as usize)
                .chain(port.shape.iter().copied())
                .collect();
            let values: Vec<f64> = (0..shape.iter().product::<usize>())
                .map(|i| (i * 37 % 64) as f64 / 64.0)
                .collect();
            (port.name.clone(), json!({"shape": shape, "values": values}))
        };
        let tensors: serde_json::Map<String, Value> = graph.inputs.iter().map(tensor).collect();
        let input = folder.join("input.json");
        let text = serde_json::to_vec(&json!({ "inputs": tensors }))?;
        files::write(&input, &text, files::Secrecy::Public)?;
        Ok(ProveRun {
            artifact: folder.join("artifact"),
            input,
            out: folder.join("evidence"),
        })
    }

    /// Wall-clock seconds of the process, and what it used.
    fn run(&self) -> Result<(f64, Usage), anyhow::Error> {
        let start = Instant::now();
        let output = Command::new(std::env::current_exe()?)
            .arg("prove")
            .arg(&self.artifact)
            .arg("--input")
            .arg(&self.input)
            .arg("--out")
            .arg(&self.out)
            .args(["--no-bundle", "--json"])
            .output()?;
        let wall = start.elapsed().as_secs_f64();
        anyhow::ensure!(
            output.status.success(),
            "prove failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let told: Value = serde_json::from_slice(&output.stdout)?;
        Ok((wall, Usage::from_json(&told["used"])))
    }
}

fn to_table(lines: &[Line]) -> String {
    let heading = [
        "model",
        "scheme",
        "batch",
        "parameters",
        "k",
        "compile s",
        "prove s",
        "prove CPU s",
        "prove MB",
        "first verify ms",
        "verify ms",
        "evidence bytes",
        "bundle bytes",
    ];
    let mut table = Table::new(&heading);
    for m in lines {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.push(vec![
            m.model.clone(),
            scheme_name(m.scheme).to_owned(),
            m.batch.to_string(),
            m.parameters.to_string(),
            m.k.to_string(),
            format!("{:.2}", m.compile),
            format!("{:.3}", m.prove),
            or_dash(m.prove_cpu.map(|s| format!("{s:.3}"))),
            or_dash(m.prove_memory.map(|b| (b / 1_000_000).to_string())),
            format!("{:.1}", m.verify_first * 1e3),
            format!("{:.1}", m.verify * 1e3),
            m.evidence.to_string(),
            m.bundle.to_string(),
        ]);
    }
    table.render()
}

fn to_json(m: &Line) -> Value {
    json!({
        "model": m.model, "scheme": scheme_name(m.scheme), "batch": m.batch, "parameters": m.parameters, "k": m.k,
        "compile_s": m.compile, "prove_s": m.prove, "prove_cpu_s": m.prove_cpu,
        "prove_memory_bytes": m.prove_memory, "verify_first_s": m.verify_first, "verify_s": m.verify,
        "evidence_bytes": m.evidence, "bundle_bytes": m.bundle,
    })
}

fn scheme_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Ipa => "ipa",
        Scheme::Kzg => "kzg",
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
