//! `clearproof demo`: the main job on the embedded example: model, trades, proofs, verdict, page.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clearproof_prover::onnx::input::{self, Format, InputFile, InputShape};
use clearproof_prover::onnx::{self, Graph};
use clearproof_prover::prove::{CompileOptions, InputVisibility, Row, Scheme, SrsSource};
use clearproof_prover::quantize::skeleton::Reveal;
use clearproof_prover::quantize::{self, quantize, QuantizeOptions};
use clearproof_shared::verify::{Verdict, Verifier};

use crate::args::Demo;
use crate::failure::Failure;
use crate::files::{self, Secrecy};
use crate::{example, rows};

use super::compile::{compile_artifact, save};
use super::prove::evidence;
use super::verify::{gravest, judge, to_text, LogKeys};
use super::{hex, print};

/// Shows every step, and fails unless the verdict is valid.
pub(super) fn demo(arguments: &Demo) -> Result<(), anyhow::Error> {
    let out = &arguments.out;
    let paths = Paths::in_folder(out);
    std::fs::create_dir_all(out).map_err(|e| Failure::output(out, &e))?;
    let graph = onnx::load(example::MODEL)?;
    let trades = trades(&graph, arguments.trades as usize)?;

    // 1. The bank compiles its model and hands `verifier.bin` to the auditor.
    print("1. compile the model: commit to its weights, make the keys\n")?;
    let start = Instant::now();
    let options = QuantizeOptions {
        reveal: Reveal::Decision,
        ..QuantizeOptions::default()
    };
    let quantized = quantize(&graph, &trades.rows, &options)?;
    let error = quantize::report(example::MODEL, &graph, &trades.rows, &options)?;
    let options = CompileOptions {
        scheme: Scheme::Ipa,
        srs: SrsSource::Transparent,
        batch: arguments.trades,
        inputs: InputVisibility::Committed,
        model_name: example::MODEL_NAME.to_owned(),
        policy: None,
    };
    let artifact = compile_artifact(&quantized, &options)?;
    // An earlier demo's keys open nothing that anybody keeps.
    if paths.artifact.exists() {
        std::fs::remove_dir_all(&paths.artifact)
            .map_err(|e| Failure::output(&paths.artifact, &e))?;
    }
    save(&artifact, &error, &paths.artifact)?;
    files::write(&paths.bundle, artifact.bundle_bytes(), Secrecy::Public)?;
    print(&format!(
        "   circuit {}, {}\n",
        hex(&artifact.circuit_id()),
        seconds(start)
    ))?;

    // 2. It decides, and proves the decisions.
    print(&format!("2. prove {} trades\n", trades.rows.len()))?;
    let start = Instant::now();
    let (rows, _) = rows::integer_rows(&quantized.model, &trades).map_err(anyhow::Error::msg)?;
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|row| Row {
            input: row.input,
            metadata: row.metadata,
        })
        .collect();
    let bytes = evidence(&artifact, &rows, true)?;
    files::write(&paths.evidence, &bytes, Secrecy::Public)?;
    print(&format!("   {} bytes, {}\n", bytes.len(), seconds(start)))?;

    // 3. The auditor checks them.
    print("3. verify the evidence against the bundle that the auditor keeps\n\n")?;
    let name = paths.evidence.display().to_string();
    let trust = [artifact.bundle_bytes().to_vec()];
    let reports = judge(
        &mut Verifier::default(),
        &[(name, bytes)],
        &trust,
        &LogKeys::default(),
        false,
    );
    print(&reports.iter().map(to_text).collect::<String>())?;
    print(&closing(&paths, arguments.page.as_deref()))?;
    anyhow::ensure!(
        gravest(&reports) == Verdict::Valid,
        "the demo's own evidence is not valid"
    );
    Ok(())
}

/// The first `count` of the embedded trades.
fn trades(graph: &Graph, count: usize) -> Result<InputFile, anyhow::Error> {
    let shapes: Vec<InputShape> = graph.inputs.iter().map(InputShape::from).collect();
    let features = example::FEATURES.map(str::to_owned);
    let mut trades = input::read(Format::Csv, example::TRADES, &shapes, Some(&features))?;
    trades.rows.truncate(count);
    Ok(trades)
}

/// Where the demo's files lie.
struct Paths {
    artifact: PathBuf,
    bundle: PathBuf,
    evidence: PathBuf,
}

impl Paths {
    fn in_folder(folder: &Path) -> Self {
        Self {
            artifact: folder.join("artifact"),
            bundle: folder.join("verifier.bin"),
            evidence: folder.join("trades.evidence"),
        }
    }
}

fn closing(paths: &Paths, page: Option<&Path>) -> String {
    let (bundle, evidence) = (paths.bundle.display(), paths.evidence.display());
    let mut text = format!("\nthe same check:  clearproof verify {evidence} --trust {bundle}\n");
    if let Some(page) = page {
        let page = std::fs::canonicalize(page).unwrap_or_else(|_| page.to_owned());
        text += &format!(
            "in a browser:    open file://{}\n                 add {bundle} as trusted, then drop {evidence} on the page\n",
            page.display()
        );
    }
    text
}

fn seconds(start: Instant) -> String {
    format!("{:.2} s", start.elapsed().as_secs_f64())
}
