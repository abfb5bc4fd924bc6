//! `clearproof demo`: the main job on the embedded example: model, trades, proofs, verdict, page.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clearproof_prover::onnx;
use clearproof_prover::prove::{CompileOptions, InputVisibility, Row, SrsSource};
use clearproof_prover::quantize::skeleton::Reveal;
use clearproof_prover::quantize::{quantize, QuantizeOptions};
use clearproof_shared::artifact::key::Scheme;
use clearproof_shared::verify::Verdict;

use crate::args::Demo;
use crate::example::{self, Trade};
use crate::failure::Failure;
use crate::files::{self, Secrecy};
use crate::metadata;

use super::compile::{compile_artifact, report, save};
use super::prove::evidence;
use super::run::integers;
use super::verify::{judge, to_text};
use super::{hex, print};

/// Shows every step, and fails unless the verdict is valid.
pub(super) fn demo(arguments: &Demo) -> Result<(), anyhow::Error> {
    let out = &arguments.out;
    let paths = Paths::in_folder(out);
    std::fs::create_dir_all(out).map_err(|e| Failure::output(out, &e))?;
    let trades: Vec<Trade> = example::trades().into_iter().take(arguments.trades as usize).collect();

    // 1. The bank compiles its model and hands `verifier.bin` to the auditor.
    print("1. compile the model: commit to its weights, make the keys\n")?;
    let start = Instant::now();
    let graph = onnx::load(example::MODEL)?;
    let calibration: Vec<Vec<Vec<f64>>> = trades.iter().map(|t| vec![t.features.clone()]).collect();
    let options = QuantizeOptions { reveal: Reveal::Decision, ..QuantizeOptions::default() };
    let quantized = quantize(&graph, &calibration, &options)?;
    let options = CompileOptions {
        scheme: Scheme::Ipa,
        srs: SrsSource::Transparent,
        batch: arguments.trades,
        inputs: InputVisibility::Committed,
        model_name: example::MODEL_NAME.to_owned(),
    };
    let artifact = compile_artifact(&quantized, &options)?;
    // An earlier demo's keys open nothing that anybody keeps.
    if paths.artifact.exists() {
        std::fs::remove_dir_all(&paths.artifact).map_err(|e| Failure::output(&paths.artifact, &e))?;
    }
    save(&artifact, &report(&graph, &quantized, &calibration, &artifact), &paths.artifact)?;
    files::write(&paths.bundle, artifact.bundle_bytes(), Secrecy::Public)?;
    print(&format!("   circuit {}, {}\n", hex(&artifact.circuit_id()), seconds(start)))?;

    // 2. It decides, and proves the decisions.
    print(&format!("2. prove {} trades\n", trades.len()))?;
    let start = Instant::now();
    let rows = trades.iter().map(|trade| row(&quantized.model, trade)).collect::<Result<Vec<_>, _>>()?;
    let bytes = evidence(&artifact, &rows, true)?;
    files::write(&paths.evidence, &bytes, Secrecy::Public)?;
    print(&format!("   {} bytes, {}\n", bytes.len(), seconds(start)))?;

    // 3. The auditor checks them.
    print("3. verify the evidence against the bundle that the auditor keeps\n\n")?;
    let name = paths.evidence.display().to_string();
    let verdict = judge(&[(name, bytes)], vec![artifact.bundle_bytes().to_vec()], false);
    print(&to_text(&verdict))?;
    print(&closing(&paths, arguments.page.as_deref()))?;
    anyhow::ensure!(matches!(verdict.verdict, Verdict::Valid), "the demo's own evidence is not valid");
    Ok(())
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

fn row(model: &clearproof_prover::quantize::skeleton::IntegerModel, trade: &Trade) -> Result<Row, anyhow::Error> {
    let (input, _) = integers(model, &vec![trade.features.clone()]).map_err(anyhow::Error::msg)?;
    Ok(Row { input, metadata: metadata::encode(&trade.metadata) })
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
