//! `clearproof bench`: compiling, proving and verifying, measured here and now.

use std::path::Path;
use std::time::Instant;

use clearproof_prover::onnx::{self, Graph};
use clearproof_prover::prove::{CompileOptions, InputVisibility, Row, Scheme, SrsSource};
use clearproof_prover::quantize::{quantize, QuantizeOptions};
use clearproof_shared::verify::Verdict;
use serde_json::{json, Value};

use crate::args::Bench;
use crate::example;
use crate::table::Table;

use super::compile::compile_artifact;
use super::prove::evidence;
use super::verify::{gravest, judge};
use super::{load_model, print, print_json};

/// One line of the table; times in seconds, medians over the runs.
struct Measured {
    model: String,
    scheme: Scheme,
    batch: u32,
    parameters: usize,
    compile: f64,
    prove: f64,
    /// CPU time over all threads, where the system tells it.
    prove_cpu: Option<f64>,
    verify: f64,
    evidence_bytes: usize,
}

/// Prints one line for each model, scheme and batch.
pub(super) fn bench(arguments: &Bench) -> Result<(), anyhow::Error> {
    let models: Vec<(String, Graph)> = if arguments.models.is_empty() {
        vec![(example::MODEL_NAME.to_owned(), onnx::load(example::MODEL)?)]
    } else {
        let named =
            |path: &std::path::PathBuf| Ok((path.display().to_string(), load_model(path)?.1));
        arguments
            .models
            .iter()
            .map(named)
            .collect::<Result<_, anyhow::Error>>()?
    };
    let mut lines = Vec::new();
    for (name, graph) in &models {
        for scheme in [Scheme::Ipa, Scheme::Kzg] {
            for batch in BATCHES {
                eprintln!("{name}, {}, batch {batch} ...", scheme_name(scheme));
                lines.push(measure(name, graph, scheme, batch, arguments.runs)?);
            }
        }
    }
    if arguments.json {
        print_json(
            &json!({"peak_memory_bytes": peak_memory_bytes(), "lines": lines.iter().map(to_json).collect::<Vec<_>>()}),
        )?;
    } else {
        print(&to_table(&lines))?;
        if let Some(bytes) = peak_memory_bytes() {
            print(&format!(
                "\npeak memory of the whole run: {} MB\n",
                bytes / 1_000_000
            ))?;
        }
    }
    Ok(())
}

fn measure(
    name: &str,
    graph: &Graph,
    scheme: Scheme,
    batch: u32,
    runs: u32,
) -> Result<Measured, anyhow::Error> {
    let quantized = quantize(graph, &[], &QuantizeOptions::default())?;
    let options = CompileOptions {
        scheme,
        srs: match scheme {
            Scheme::Ipa => SrsSource::Transparent,
            Scheme::Kzg => SrsSource::InsecureDevelopment,
        },
        batch,
        inputs: InputVisibility::Committed,
        model_name: name.to_owned(),
    };
    let start = Instant::now();
    let artifact = compile_artifact(&quantized, &options)?;
    let compile = start.elapsed().as_secs_f64();

    // Any input in range serves: the circuit's cost does not depend on it.
    let scalars: usize = graph.inputs.iter().map(onnx::Port::len).sum();
    let row = |t: u32| Row {
        input: (0..scalars)
            .map(|i| (i as i64 * 37 + i64::from(t) * 11) % 64)
            .collect(),
        metadata: Vec::new(),
    };
    let rows: Vec<Row> = (0..batch).map(row).collect();
    let (mut prove, mut prove_cpu, mut verify, mut bytes) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        bytes = evidence(&artifact, &rows, false)?;
        prove.push(start.elapsed().as_secs_f64());
        prove_cpu.extend(cpu.zip(cpu_seconds()).map(|(before, after)| after - before));
        let start = Instant::now();
        let reports = judge(
            &[(name.to_owned(), bytes.clone())],
            &[artifact.bundle_bytes().to_vec()],
            true,
        );
        verify.push(start.elapsed().as_secs_f64());
        anyhow::ensure!(
            gravest(&reports) == Verdict::Valid,
            "{name}: the proof is not valid"
        );
    }
    Ok(Measured {
        model: name.to_owned(),
        scheme,
        batch,
        parameters: graph.parameters(),
        compile,
        prove: median(prove).unwrap_or_default(),
        prove_cpu: median(prove_cpu),
        verify: median(verify).unwrap_or_default(),
        evidence_bytes: bytes.len(),
    })
}

fn to_table(lines: &[Measured]) -> String {
    let heading = [
        "model",
        "scheme",
        "batch",
        "parameters",
        "compile s",
        "prove s",
        "prove CPU s",
        "verify ms",
        "evidence bytes",
    ];
    let mut table = Table::new(&heading);
    for m in lines {
        table.push(vec![
            m.model.clone(),
            scheme_name(m.scheme).to_owned(),
            m.batch.to_string(),
            m.parameters.to_string(),
            format!("{:.2}", m.compile),
            format!("{:.3}", m.prove),
            m.prove_cpu
                .map_or_else(|| "-".to_owned(), |s| format!("{s:.2}")),
            format!("{:.1}", m.verify * 1e3),
            m.evidence_bytes.to_string(),
        ]);
    }
    table.render()
}

fn to_json(m: &Measured) -> Value {
    json!({
        "model": m.model, "scheme": scheme_name(m.scheme), "batch": m.batch, "parameters": m.parameters,
        "compile_s": m.compile, "prove_s": m.prove, "prove_cpu_s": m.prove_cpu, "verify_s": m.verify,
        "evidence_bytes": m.evidence_bytes,
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

/// User and system time of this process, on Linux; the clock ticks 100 times a second there.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Greatest resident size of this process so far, on Linux.
fn peak_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

const BATCHES: [u32; 2] = [1, 64];
