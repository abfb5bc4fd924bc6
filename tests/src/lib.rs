//! What the tests that cross crates share: models, rows, compiled artifacts, folders.

use std::fs;
use std::path::{Path, PathBuf};

use clearproof_prover::onnx;
use clearproof_prover::prove::{
    compile, Artifact, CompileOptions, InputVisibility, Row, Scheme, Silent, SrsSource,
};
use clearproof_prover::quantize::skeleton::{IntegerModel, Reveal};
use clearproof_prover::quantize::{quantize, quantize_input, QuantizeOptions};
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, SeedableRng};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests lies in the root")
        .to_path_buf()
}

/// The folder of further models beside the checkout, if it is there.
pub fn shared_models() -> Option<PathBuf> {
    let beside = std::env::var_os("CLEARPROOF_SHARED")
        .map_or_else(|| root().join("../shared"), PathBuf::from);
    Some(beside.join("models")).filter(|p| p.is_dir())
}

/// Quantises an ONNX file at default settings.
///
/// # Panics
/// When the file is not a supported model.
pub fn load_model(path: &Path, reveal: Reveal) -> IntegerModel {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let graph = onnx::load(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let options = QuantizeOptions {
        reveal,
        ..QuantizeOptions::default()
    };
    quantize(&graph, &[], &options)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .model
}

/// The example model of the repository.
pub fn example(name: &str, reveal: Reveal) -> IntegerModel {
    load_model(&root().join("tests/models").join(name), reveal)
}

/// Rows of the example's trades as integers, with the symbol as metadata.
///
/// # Panics
/// When the repository's file is not what it should be.
pub fn trades(model: &IntegerModel, rows: usize) -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/data/trades.csv"))
        .expect("the repository holds the trades");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let features = ["size", "leverage", "price", "volume", "position_pct"];
    let columns: Vec<usize> = features
        .iter()
        .map(|f| {
            header
                .iter()
                .position(|h| h == f)
                .unwrap_or_else(|| panic!("no column {f}"))
        })
        .collect();
    let spec = &model.skeleton.inputs[0];
    lines
        .take(rows)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let input = columns
                .iter()
                .enumerate()
                .map(|(i, c)| {
                    quantize_input(spec, i, cells[*c].parse().expect("a number"))
                        .expect("finite")
                        .0
                })
                .collect();
            Row {
                input,
                metadata: cells[..3].join(" ").into_bytes(),
            }
        })
        .collect()
}

/// A generator for tests that need no fixed output.
pub fn rng() -> OsRng {
    OsRng
}

/// A generator with a fixed seed.
pub fn seeded(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// Compile options of tests.
pub fn options(scheme: Scheme, batch: u32) -> CompileOptions {
    CompileOptions {
        scheme,
        srs: match scheme {
            Scheme::Ipa => SrsSource::Transparent,
            Scheme::Kzg => SrsSource::InsecureDevelopment,
        },
        batch,
        inputs: InputVisibility::Committed,
        model_name: "test".into(),
        policy: None,
    }
}

/// Compiles a model for tests.
///
/// # Panics
/// When the model cannot be compiled.
pub fn compiled(model: &IntegerModel, scheme: Scheme, batch: u32) -> Artifact {
    compile(model, &options(scheme, batch), &mut rng(), &Silent).expect("the model compiles")
}
