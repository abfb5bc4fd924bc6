//! Every model at hand compiles, proves, verifies, and keeps to its float outputs.

use std::fs;
use std::path::{Path, PathBuf};

use clearproof_prover::onnx;
use clearproof_prover::plan::{estimate, plan};
use clearproof_prover::prove::{prove, Row, Scheme, Silent};
use clearproof_prover::quantize::skeleton::{IntegerModel, Reveal, Skeleton};
use clearproof_prover::quantize::{quantize_input, QuantizeOptions};
use clearproof_shared::verify::report::Verdict;
use clearproof_tests::{compiled, load_model, rng, root, shared_models};
use serde_json::Value;

use super::end_to_end::judge;

/// Input rows (flat, as integers) of a model folder: `io.json` or `input.json`.
fn input_rows(model: &IntegerModel, folder: &Path) -> Vec<Vec<i64>> {
    let read = |name: &str| {
        fs::read_to_string(folder.join(name))
            .ok()
            .map(|t| serde_json::from_str::<Value>(&t).expect("valid JSON"))
    };
    let floats = |v: &Value| {
        v.as_array()
            .expect("a list")
            .iter()
            .map(|x| match x {
                Value::Null => f64::NAN,
                x => x.as_f64().expect("a number"),
            })
            .collect::<Vec<f64>>()
    };
    let per_input: Vec<Vec<f64>> = if let Some(io) = read("io.json") {
        model
            .skeleton
            .inputs
            .iter()
            .map(|i| floats(&io["inputs"][&i.name]["values"]))
            .collect()
    } else {
        let input = read("input.json").expect("the folder holds inputs");
        input["input_data"]
            .as_array()
            .expect("a list per input")
            .iter()
            .map(floats)
            .collect()
    };
    let len = |i: usize| model.skeleton.inputs[i].shape.iter().product::<u32>() as usize;
    let rows = per_input[0].len() / len(0);
    (0..rows)
        .map(|r| {
            per_input
                .iter()
                .enumerate()
                .flat_map(|(i, values)| {
                    values[r * len(i)..(r + 1) * len(i)]
                        .iter()
                        .enumerate()
                        .map(|(k, x)| {
                            quantize_input(&model.skeleton.inputs[i], k, *x)
                                .expect("finite")
                                .0
                        })
                        .collect::<Vec<_>>()
                })
                .collect()
        })
        .collect()
}

fn prove_one(path: &Path, folder: &Path, scheme: Scheme, reveal: Reveal) {
    let name = folder.display();
    let model = load_model(path, reveal);
    let rows = input_rows(&model, folder);
    let artifact = compiled(&model, scheme, 1);
    let row = Row {
        input: rows[0].clone(),
        metadata: vec![],
    };
    let proofs = prove(&artifact, std::slice::from_ref(&row), &mut rng(), &Silent).unwrap();
    assert_eq!(
        proofs.proofs[0].released,
        model.released_of(&model.eval(&row.input)),
        "{name}"
    );
    let report = judge(
        &proofs.evidence(&artifact, true),
        &[artifact.bundle_bytes()],
    );
    assert_eq!(
        report.verdict,
        Verdict::Valid,
        "{name} {scheme:?} {reveal:?}: {:?}",
        report.checks
    );
}

/// Folders under `base` whose model this version supports.
fn supported(base: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(base)
        .expect("a folder")
        .map(|e| e.expect("readable").path())
        .collect();
    folders.sort();
    folders.retain(|f| {
        fs::read(f.join("model.onnx")).is_ok_and(|bytes| {
            onnx::load(&bytes).is_ok_and(|g| {
                clearproof_prover::quantize::quantize(&g, &[], &QuantizeOptions::default()).is_ok()
            })
        })
    });
    folders
}

/// Whether a proof of the model has more than 2^11 rows, or more than a hundred columns of weights.
fn is_large(path: &Path) -> bool {
    let model = load_model(path, Reveal::Decision);
    let (params, _) = plan(&model.skeleton, Scheme::Ipa, 1).expect("a plan");
    let estimate = estimate(&model.skeleton, &params).expect("an estimate");
    params.k > 11 || estimate.weight_columns > 100
}

#[test]
fn the_repositorys_models_prove() {
    let folders = supported(&root().join("tests/models"));
    assert!(
        folders.len() >= 5,
        "the repository's models are supported: {folders:?}"
    );
    for folder in folders {
        for (scheme, reveal) in [
            (Scheme::Kzg, Reveal::Outputs),
            (Scheme::Ipa, Reveal::Decision),
        ] {
            prove_one(&folder.join("model.onnx"), &folder, scheme, reveal);
        }
    }
}

#[test]
fn the_shared_models_prove() {
    let Some(base) = shared_models() else { return };
    let mut folders = supported(&base);
    // For a closer look at some: their names, separated by commas.
    if let Ok(only) = std::env::var("CLEARPROOF_MODELS") {
        let named = |f: &PathBuf| only.split(',').any(|name| f.ends_with(name));
        folders.retain(named);
        assert!(!folders.is_empty(), "none of {only} is supported");
        for folder in folders {
            let model = folder.join("model.onnx");
            prove_one(&model, &folder, Scheme::Kzg, Reveal::Outputs);
            println!("{}: proved", folder.display());
        }
        return;
    }
    for must in [
        "anchor_logreg_skl",
        "anchor_mlp_small",
        "anchor_mlp_100k",
        "anchor_mlp_1m",
        "anchor_rf_skl",
        "anchor_gbdt_skl",
        "hgb_bc",
        "xgb_iris",
        "mlp_digits",
        "q_cnn_qdq_s8s8_pc",
        "q_mlp_qdq_u8s8",
        "q_resnetish_qop_u8s8",
        "svr_rbf",
        "anchor_mnist_cnn",
        "torch_autoenc_dyn_dynb",
        "torch_cnn_dyn_fix1",
        "torch_gru_dyn_fix1",
        "torch_lstm_dyn_fix1",
        "torch_resnetish_dyn_fix1",
        "torch_transformer_dyn_fix1",
        "torch_embed_dyn_dynb",
        "torch_embed_legacy_dynb",
        "torch_mlp_legacy_dynb",
    ] {
        assert!(
            folders.iter().any(|f| f.ends_with(must)),
            "{must} is supported"
        );
    }
    // A model exported in several ways is one circuit.
    let mut proved: Vec<Skeleton> = vec![];
    for folder in folders {
        let skeleton = load_model(&folder.join("model.onnx"), Reveal::Outputs).skeleton;
        if proved.contains(&skeleton) {
            continue;
        }
        proved.push(skeleton);
        // One scheme is enough where keys take a while to make.
        let large = is_large(&folder.join("model.onnx"));
        prove_one(
            &folder.join("model.onnx"),
            &folder,
            Scheme::Kzg,
            Reveal::Outputs,
        );
        if !large {
            prove_one(
                &folder.join("model.onnx"),
                &folder,
                Scheme::Ipa,
                Reveal::Decision,
            );
        }
    }
}
