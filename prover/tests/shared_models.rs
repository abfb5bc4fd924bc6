//! Integer outputs of exported models against onnxruntime's recorded ones.
//!
//! Each folder holds `model.onnx` and either `io.json` (inputs and outputs with shapes and values) or
//! `input.json` with `expected.json`. The folders lie in `shared/models` beside the checkout, or under
//! `CLEARPROOF_SHARED`; without them the tests pass and say so.

use std::path::PathBuf;

use clearproof_prover::onnx;
use clearproof_prover::quantize::skeleton::{IntegerModel, Op};
use clearproof_prover::quantize::{quantize, quantize_input, report, QuantizeOptions, Values};
use serde_json::Value;

/// Requirement: greatest absolute error of an output at default settings; for a regression whose targets
/// are in the hundreds, relative to the greatest of them.
const TOLERANCE: f64 = 1e-3;

fn models() -> Option<PathBuf> {
    let shared = match std::env::var_os("CLEARPROOF_SHARED") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let models = shared.join("models");
    if models.is_dir() {
        return Some(models);
    }
    eprintln!("no {}: nothing compared", models.display());
    None
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Null => vec![f64::NAN],
        other => vec![other.as_f64().expect("a number")],
    }
}

/// Rows of inputs, and the expected outputs by name: (values of all rows).
type Case = (Vec<Vec<Vec<f64>>>, Vec<(String, Vec<f64>)>);

fn case(folder: &std::path::Path) -> Case {
    let read = |name: &str| -> Option<Value> {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        Some(serde_json::from_str(&text).expect("valid JSON"))
    };
    if let Some(io) = read("io.json") {
        let tensors = |side: &str| -> Vec<(String, usize, Vec<f64>)> {
            let map = io[side].as_object().expect("a map");
            // A null stands for maps, which are not compared.
            map.iter()
                .filter(|(_, t)| !t.is_null())
                .map(|(name, t)| {
                    let rows = t["shape"][0].as_u64().expect("a shape") as usize;
                    (name.clone(), rows, numbers(&t["values"]))
                })
                .collect()
        };
        let inputs = tensors("inputs");
        let rows = inputs[0].1;
        let split = (0..rows)
            .map(|r| {
                let part = |v: &Vec<f64>| v[r * v.len() / rows..(r + 1) * v.len() / rows].to_vec();
                inputs.iter().map(|(_, _, v)| part(v)).collect()
            })
            .collect();
        (
            split,
            tensors("outputs")
                .into_iter()
                .map(|(n, _, v)| (n, v))
                .collect(),
        )
    } else {
        let input = read("input.json").expect("input.json");
        let expected = read("expected.json").expect("expected.json");
        let row = input["input_data"]
            .as_array()
            .expect("input_data")
            .iter()
            .map(numbers)
            .collect();
        let outputs = expected["outputs"].as_object().expect("outputs");
        (
            vec![row],
            outputs
                .iter()
                .map(|(n, v)| (n.clone(), numbers(v)))
                .collect(),
        )
    }
}

fn argmax(v: &[f64]) -> usize {
    (0..v.len()).fold(0, |best, i| if v[i] > v[best] { i } else { best })
}

/// A row as the model's input integers.
fn integers(model: &IntegerModel, row: &[Vec<f64>]) -> Vec<i64> {
    let inputs = row.iter().zip(&model.skeleton.inputs);
    let each = inputs.flat_map(|(values, spec)| values.iter().enumerate().map(move |v| (spec, v)));
    each.map(|(spec, (i, &v))| quantize_input(spec, i, v).expect("finite").0)
        .collect()
}

fn compare(name: &str, calibrated: bool) {
    let Some(models) = models() else { return };
    let folder = models.join(name);
    let bytes = std::fs::read(folder.join("model.onnx")).expect("model.onnx");
    let graph = onnx::load(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let options = QuantizeOptions::default();
    let (rows, expected) = case(&folder);
    let calibration = if calibrated { rows.as_slice() } else { &[] };
    let quantized =
        quantize(&graph, calibration, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
    let model = quantized.model;
    model.check().expect("a valid model");
    let (mut worst, mut float_worst, mut sum, mut count) = (0f64, 0f64, 0f64, 0usize);
    let started = std::time::Instant::now();
    for (r, row) in rows.iter().enumerate() {
        let outputs = model.outputs_of(&model.eval(&integers(&model, row)));
        let floats = graph.eval(row);
        for (name, values) in &expected {
            let at = outputs
                .iter()
                .position(|o| o.name == *name)
                .unwrap_or_else(|| panic!("{folder:?}: no output {name}"));
            let part = &values[r * values.len() / rows.len()..(r + 1) * values.len() / rows.len()];
            match &outputs[at].values {
                Values::Numbers(got) => {
                    assert_eq!(got.len(), part.len());
                    for (g, e) in got.iter().zip(part) {
                        worst = worst.max((g - e).abs());
                        sum += (g - e).abs();
                        count += 1;
                    }
                    for (g, e) in floats[at].iter().zip(part) {
                        float_worst = float_worst.max((g - e).abs());
                    }
                    // The greatest, or as great.
                    let (ours, theirs) = (part[argmax(got)], part[argmax(part)]);
                    assert_eq!(ours, theirs, "{name}: argmax of row {r}");
                }
                Values::Integers(got) => {
                    let got: Vec<f64> = got.iter().map(|&i| i as f64).collect();
                    assert_eq!(got, part, "{name}: row {r}");
                }
                Values::Labels(_) => panic!("{name}: no string labels here"),
            }
        }
    }
    let skeleton = &model.skeleton;
    let ops: Vec<String> = skeleton
        .ops
        .iter()
        .map(|op| {
            format!("{op:?}")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    println!(
        "{name}: max {worst:.2e} mean {:.2e} float {float_worst:.1e} weights {} bits {} bias {} ops {} rows {} in {:?}",
        sum / count.max(1) as f64,
        graph.parameters(),
        skeleton.weight_bits,
        skeleton.bias_bits,
        ops.len(),
        rows.len(),
        started.elapsed(),
    );
    if ops.len() < 12 {
        println!("    {}", ops.join(" "));
    }
    let greatest = expected
        .iter()
        .flat_map(|(_, v)| v)
        .fold(1f64, |m, v| m.max(v.abs()));
    let size = if greatest > 100.0 { greatest } else { 1.0 };
    assert!(
        float_worst < 5e-5 * size,
        "{name}: float graph differs by {float_worst}"
    );
    assert!(worst <= TOLERANCE * size, "{name}: {worst}");
}

/// Every output is onnxruntime's, bit for bit, of the integer model and of the graph.
fn equal(name: &str) {
    let Some(models) = models() else { return };
    let folder = models.join(name);
    let bytes = std::fs::read(folder.join("model.onnx")).expect("model.onnx");
    let graph = onnx::load(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let quantized = quantize(&graph, &[], &QuantizeOptions::default())
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let model = quantized.model;
    model.check().expect("a valid model");
    let (rows, expected) = case(&folder);
    for (r, row) in rows.iter().enumerate() {
        let outputs = model.outputs_of(&model.eval(&integers(&model, row)));
        let floats = graph.eval(row);
        for (name, values) in &expected {
            let part = &values[r * values.len() / rows.len()..(r + 1) * values.len() / rows.len()];
            let theirs: Vec<f32> = part.iter().map(|&v| v as f32).collect();
            let at = outputs.iter().position(|o| o.name == *name);
            let at = at.unwrap_or_else(|| panic!("{folder:?}: no output {name}"));
            let Values::Numbers(numbers) = &outputs[at].values else {
                panic!("{folder:?}: {name} holds no numbers");
            };
            for ours in [numbers, &floats[at]] {
                let ours: Vec<f32> = ours.iter().map(|&v| v as f32).collect();
                assert_eq!(ours, theirs, "{folder:?}: {name}, row {r}");
            }
        }
    }
    let skeleton = &model.skeleton;
    let shift = |op: &Op| match op {
        Op::Local { shift, .. } => Some(*shift),
        _ => None,
    };
    println!(
        "{name}: {} rows equal, weights {} bits {} bias {} ops {} greatest shift {:?}, {} notes",
        rows.len(),
        graph.parameters(),
        skeleton.weight_bits,
        skeleton.bias_bits,
        skeleton.ops.len(),
        skeleton.ops.iter().filter_map(shift).max(),
        quantized.roundings.len(),
    );
    for note in &quantized.roundings {
        println!("    {note:?}");
    }
}

/// Refused in one sentence that says why and what to do.
fn dynamic(name: &str) {
    let Some(models) = models() else { return };
    let bytes = std::fs::read(models.join(name).join("model.onnx")).expect("model.onnx");
    let sentence = onnx::load(&bytes).expect_err(name).to_string();
    println!("{name}: {sentence}");
    assert!(sentence.contains("depends on the input at run time"));
    assert!(sentence.contains("static quantisation"));
}

macro_rules! models {
    ($calibrated:literal: $($name:ident)*) => { $(
        #[test]
        fn $name() {
            compare(stringify!($name), $calibrated);
        }
    )* };
    ($check:ident: $($name:ident)*) => { $(
        #[test]
        fn $name() {
            $check(stringify!($name));
        }
    )* };
}

models! { false:
    anchor_mlp_tiny
    anchor_mlp_small
    anchor_mlp_small_other
    anchor_mlp_medium
    anchor_mlp_large
    anchor_mlp_100k
    anchor_mlp_1m
    mlp_digits
    torch_autoenc_dyn_dynb
    torch_autoenc_dyn_fix1
    torch_autoenc_legacy_dynb
    torch_mlp_dyn_dynb
    torch_mlp_dyn_fix1
    torch_embed_dyn_dynb
    torch_embed_legacy_dynb
    torch_mlp_legacy_dynb
    anchor_mnist_cnn
    torch_cnn_mobile_dyn_dynb
    torch_cnn_mobile_dyn_fix1
    torch_resnetish_dyn_dynb
    torch_resnetish_dyn_fix1
    torch_resnetish_legacy_dynb
}

// Features and targets of other sizes than 1: only calibration tells.
models! { true:
    anchor_logreg_skl
    binarizer_bnb
    gnb_iris
    imputer_logreg
    kmeans_iris
    knnr
    linreg
    linsvc_iris
    logreg_bc_scaled
    logreg_iris
    logreg_iris_zipmap
    mlpr
    normalizer_l1_logreg
    normalizer_l2_logreg
    onehot_logreg
    pca_logreg
    poly_ridge
    ridge_minmax
    robust_logreg
    torch_cnn_dyn_dynb
    torch_gru_dyn_dynb
    torch_gru_dyn_fix1
    torch_lstm_dyn_dynb
    torch_lstm_dyn_fix1
    torch_lstm_legacy_dynb
    torch_transformer_dyn_fix1
    torch_transformer_legacy_dynb
    torch_cnn_dyn_fix1
    torch_cnn_legacy_dynb
    svc_rbf_proba_iris
    svr_rbf
}

/// Trees: the label is onnxruntime's on every row.
mod trees {
    use super::compare;

    models! { false:
        anchor_dtree_skl
        anchor_rf_skl
        anchor_gbdt_skl
        dt_bc_d10
        dt_iris
        dt_iris_gt
        dtr
        rf10d5_bc
        rf10d5_iris_zipmap
        rfr10d5
        gb_bc
        gb_iris
        hgb_bc
        lgbm_iris
        lgbmr
        xgb_iris
        xgbr
    }
}

/// Quantised networks: every output is onnxruntime's, bit for bit.
mod quantised {
    use super::{dynamic, equal};

    models! { equal:
        q_cnn_qdq_s8s8_pc
        q_cnn_qop_u8s8
        q_resnetish_qdq_u8s8
        q_resnetish_qop_u8s8
        q_mlp_qdq_s8s8_pc
        q_mlp_qdq_u8s8
        q_mlp_qop_u8s8
    }

    models! { dynamic:
        q_cnn_dynamic
        q_mlp_dynamic
        q_resnetish_dynamic
    }
}

/// Measured errors lie below the stated bounds; `looseness`: the bound to first order is at most so many times the
/// measured error.
fn bounded(name: &str, calibrated: bool, looseness: f64) {
    let Some(models) = models() else { return };
    let folder = models.join(name);
    let bytes = std::fs::read(folder.join("model.onnx")).expect("model.onnx");
    let graph = onnx::load(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let (rows, _) = case(&folder);
    let rows = if calibrated {
        &rows[..rows.len().min(64)]
    } else {
        &[]
    };
    let report = report(&bytes, &graph, rows, &QuantizeOptions::default())
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(report.error_bound_rows, report.rows, "{name}");
    let numbers = report.outputs.iter().filter(|o| o.greatest > 0.0);
    for output in numbers {
        let stated = |bound: Option<f64>| bound.unwrap_or_else(|| panic!("{name}: no bound"));
        let bound = output.error_bound.unwrap_or_default();
        let (first, rows) = (stated(bound.first_order), stated(bound.over_rows));
        let measured = output.max_abs;
        println!(
            "{name} {}: measured {measured:.2e}, to first order {first:.2e}, over rows {rows:.2e}, over the range {:?}",
            output.name, bound.over_range
        );
        // The reference itself sums in float32.
        let float32 = 2e-6 * output.greatest.max(1.0);
        assert!(measured <= rows + float32, "{name}: {measured} > {rows}");
        assert!(measured <= first + float32, "{name}: {measured} > {first}");
        assert!(
            first <= looseness * (measured + float32),
            "{name}: {first} of {measured}"
        );
        if let Some(range) = bound.over_range {
            assert!(
                rows <= range,
                "{name}: {rows} over rows, {range} over the range"
            );
        }
    }
}

#[test]
fn stated_error_bounds_hold() {
    for name in [
        "anchor_mlp_small",
        "anchor_mlp_medium",
        "torch_mlp_legacy_dynb",
        "mlp_digits",
        "logreg_iris",
        "torch_cnn_legacy_dynb",
        "torch_lstm_legacy_dynb",
        "torch_gru_dyn_dynb",
        "torch_transformer_legacy_dynb",
    ] {
        for calibrated in [false, true] {
            bounded(name, calibrated, 1000.0);
        }
    }
}

#[test]
fn exact_models_state_no_error() {
    for name in ["rfr10d5", "xgbr", "q_mlp_qdq_u8s8", "q_cnn_qdq_s8s8_pc"] {
        bounded(name, false, 1.0);
    }
}
