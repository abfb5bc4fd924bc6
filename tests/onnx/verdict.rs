//! Whether a case passes.
//!
//! A case passes if every output has the expected shape and
//! - integers, truth values, indices and labels are equal;
//! - a number differs by no more than the model states: [`TOLERANCE`] of the greatest expected magnitude (of 1 at
//!   least), the requirement at default settings; the bounds of the tabled functions that report.json names, in the
//!   same unit; and what rounding the inputs to their declared scale changes in the float graph, which is much near a
//!   pole. The float graph on the inputs as they are is held to [`SEMANTICS`].
//!
//! The case's own inputs are the calibration rows, as a user would give typical inputs; they set the inputs' scale.

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

use clearproof_prover::onnx::{self, BatchDimension};
use clearproof_prover::quantize::skeleton::{InputEncoding, IntegerModel};
use clearproof_prover::quantize::{quantize, quantize_input, QuantizeOptions, Values};
use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;

use crate::case::{Case, Elements, Expected};

/// Of the integer model, without tables.
const TOLERANCE: f64 = 1e-3;

/// Of the float graph: the rounding of float32 and of its order of summation.
const SEMANTICS: f64 = 1e-5;

/// The same for float16, whose expected outputs have eleven bits.
const SEMANTICS_HALF: f64 = 2e-3;

/// What became of a case.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed(Box<Passed>),
    Refused(String),
    Wrong(String),
}

/// The model of a case that passed, and its row.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) model: IntegerModel,
    pub(crate) input: Vec<i64>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(_) => write!(f, "passed"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Wrong(reason) => write!(f, "WRONG: {reason}"),
        }
    }
}

/// Runs a case; a panic is wrong.
pub(crate) fn judge(case: &Case) -> Verdict {
    match catch_unwind(AssertUnwindSafe(|| run(case))) {
        Ok(Ok(passed)) => Verdict::Passed(Box::new(passed)),
        Ok(Err(verdict)) => verdict,
        Err(_) => Verdict::Wrong("a panic".into()),
    }
}

fn run(case: &Case) -> Result<Passed, Verdict> {
    let refused = |e: String| Verdict::Refused(e);
    let graph = onnx::load_with(&case.model.encode_to_vec(), BatchDimension::None)
        .map_err(|e| refused(e.to_string()))?;
    for (port, values) in graph.inputs.iter().zip(&case.inputs) {
        if port.len() != values.len() {
            return Err(Verdict::Wrong(format!("shape of input \"{}\"", port.name)));
        }
    }
    let row = case.inputs.clone();
    let quantized = quantize(
        &graph,
        std::slice::from_ref(&row),
        &QuantizeOptions::default(),
    )
    .map_err(|e| refused(e.to_string()))?;
    let model = quantized.model;
    model.check().map_err(|e| Verdict::Wrong(e.to_string()))?;
    let mut input = Vec::new();
    for (values, spec) in row.iter().zip(&model.skeleton.inputs) {
        for (i, &v) in values.iter().enumerate() {
            match quantize_input(spec, i, v) {
                Ok((q, false)) => input.push(q),
                // QuantizeLinear saturates by definition.
                Ok((q, true)) if matches!(spec.encoding, InputEncoding::Affine { .. }) => {
                    input.push(q);
                }
                Ok((_, true)) => {
                    let limit = spec.range_bits - spec.scale_bits;
                    return Err(refused(format!(
                        "input \"{}\" saturates at 2^{limit}",
                        spec.name
                    )));
                }
                Err(e) => return Err(refused(e.to_string())),
            }
        }
    }
    let floats = graph.eval(&row);
    let mut left = input.iter();
    let rounded: Vec<Vec<f64>> = model
        .skeleton
        .inputs
        .iter()
        .zip(&row)
        .map(|(spec, values)| {
            // Features of trees are images, exact.
            let fixed = spec.encoding == InputEncoding::Fixed;
            let integers = left.by_ref().take(values.len());
            integers
                .zip(values)
                .enumerate()
                .map(|(i, (&q, &v))| {
                    let exponent = spec.exponents.get(i).copied().unwrap_or(0);
                    let value = q as f64 * 2f64.powi(exponent - spec.scale_bits as i32);
                    if fixed {
                        value
                    } else {
                        v
                    }
                })
                .collect()
        })
        .collect();
    let rounded = graph.eval(&rounded);
    let outputs = model.outputs_of(&model.eval(&input));
    let tables: f64 = quantized.functions.iter().map(|f| f.max_abs).sum();
    let floats = floats.iter().zip(&rounded);
    for ((expected, got), (float, rounded)) in case.outputs.iter().zip(&outputs).zip(floats) {
        let Some(expected) = expected else { continue };
        if got.shape != expected.shape {
            let (got, expected) = (&got.shape, &expected.shape);
            return Err(Verdict::Wrong(format!("shape {got:?} for {expected:?}")));
        }
        compare(expected, &got.values, (float, rounded), tables).map_err(Verdict::Wrong)?;
    }
    Ok(Passed { model, input })
}

/// The float graph's values are those of the inputs as they are, and of the inputs rounded.
fn compare(
    expected: &Expected,
    got: &Values,
    (float, rounded): (&[f64], &[f64]),
    tables: f64,
) -> Result<(), String> {
    let numbers = match &expected.values {
        Elements::Text(text) => {
            return match got {
                Values::Labels(labels) if labels == text => Ok(()),
                other => Err(format!("{other:?} for {text:?}")),
            }
        }
        Elements::Numbers(numbers) => numbers,
    };
    let got: Vec<f64> = match got {
        Values::Numbers(v) => v.clone(),
        Values::Integers(v) => v.iter().map(|&i| i as f64).collect(),
        Values::Labels(v) => return Err(format!("labels {v:?}")),
    };
    let (tolerance, semantics) = match expected.kind {
        DataType::Float | DataType::Double => (TOLERANCE + tables, SEMANTICS),
        DataType::Float16 => (TOLERANCE + SEMANTICS_HALF + tables, SEMANTICS_HALF),
        _ => (0.0, 0.0),
    };
    let finite = numbers.iter().filter(|v| v.is_finite());
    let size = finite.fold(1f64, |m, v| m.max(v.abs()));
    // Labels are numbered in the float graph, and are compared as what they read above.
    let floats = if float.len() == numbers.len() {
        float
    } else {
        return Err("length".into());
    };
    for (i, &e) in numbers.iter().enumerate() {
        if !e.is_finite() {
            return Err(format!("element {i}: {} where {e} is expected", got[i]));
        }
        let off = |v: f64, allowed: f64| v.is_nan() || (v - e).abs() > allowed;
        let moved = if tolerance > 0.0 {
            (rounded[i] - floats[i]).abs()
        } else {
            0.0
        };
        if off(got[i], tolerance * size + moved) {
            let (g, f) = (got[i], floats[i]);
            return Err(format!("element {i}: {g} (float graph {f}) for {e}"));
        }
        if tolerance > 0.0 && off(floats[i], semantics * size) {
            return Err(format!("element {i}: float graph {} for {e}", floats[i]));
        }
    }
    Ok(())
}
