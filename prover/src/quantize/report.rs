//! The distance between a float model and its integer model, measured row by row.
//!
//! Claims nothing beyond the rows it names: calibration rows where there are some, else rows drawn uniformly
//! from [-1, 1] (or the declared range where that is smaller) by a fixed generator, which say little about
//! real data. Per output: greatest and mean absolute error against the named reference, and how often
//! the greatest element agrees. Beside what is measured, [`ErrorBound`] states what forward_error.rs proves.

use serde::{Deserialize, Serialize};

use super::deviations::Deviations;
use super::forward_error::{self, Bounded};
use super::function::FunctionError;
use super::input::quantize_input;
use super::interpreter::Values;
use super::skeleton::{InputEncoding, InputSpec, IntegerModel, OutputKind, Reveal};
use super::{quantize_revealing, QuantizeError, QuantizeOptions, Quantized, Row};
use crate::onnx::{self, Graph, Kind};

/// What the integer model is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// tract on the ONNX file, in floats.
    Tract,
    /// clearproof's own evaluator of the float graph, in f64.
    FloatGraph,
}

/// Where the compared rows came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowSource {
    /// Given by the user.
    Calibration,
    /// Drawn at random from the declared input range; says little about real data.
    Synthetic,
}

/// The error of one output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputError {
    /// Name of the output.
    pub name: String,
    /// Greatest absolute error of a number.
    pub max_abs: f64,
    /// Mean absolute error of the numbers.
    pub mean_abs: f64,
    /// Greatest magnitude of a number of the reference.
    pub greatest: f64,
    /// Rows on which the greatest element is the same, or the label or index is.
    pub argmax_agreements: usize,
    /// Bounds of the absolute error; absent for labels and indices, and where none can be stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_bound: Option<ErrorBound>,
}

/// Bounds of the distance between an output's numbers and the float model's in exact arithmetic: every rounding of
/// inputs, weights and intermediate results and every table's error, carried through the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorBound {
    /// To first order over the rows: what all roundings together may reach the output by, at each row's derivatives.
    /// Leaves out products of errors and branches that errors change.
    pub first_order: Option<f64>,
    /// Over the rows, with nothing left out. Says nothing of other rows.
    pub over_rows: Option<f64>,
    /// Over every input of the declared range. Loose; absent where nothing is known of some such input.
    pub over_range: Option<f64>,
}

/// What `report.json` holds about the error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was compared with.
    pub reference: Reference,
    /// Why tract was not the reference, where it was not.
    pub reference_note: Option<String>,
    /// Where the rows came from.
    pub rows_from: RowSource,
    /// Number of rows.
    pub rows: usize,
    /// Per output.
    pub outputs: Vec<OutputError>,
    /// Number of rows, the first, that error bounds over rows hold for.
    #[serde(default)]
    pub error_bound_rows: usize,
    /// Why no error bounds are stated, where none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_bound_note: Option<String>,
    /// How the decision reads, and rows on which it agrees with the reference's; absent where the model
    /// has no single decision.
    pub decision: Option<DecisionAgreement>,
    /// Error bounds of the tabled functions.
    pub functions: Vec<FunctionError>,
    /// How the leaves of trees are rounded, for each ensemble; comparisons are exact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<LeafRounding>,
    /// Where a quantised network's integers may differ from onnxruntime's; none means that none do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roundings: Vec<RoundingDifference>,
    /// Input numbers that saturated.
    pub saturated_inputs: usize,
    /// Rounding of inputs.
    pub input_rounding: String,
}

/// How the leaves of one tree ensemble became integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeafRounding {
    /// Fractional bits of a leaf.
    pub scale_bits: u32,
    /// Whether every leaf is a multiple of the unit, so that none is rounded.
    pub exact: bool,
    /// Greatest absolute error of a leaf.
    pub greatest_error: f64,
}

/// Operands of one requantisation on which the integer formula may differ from onnxruntime's float32 arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundingDifference {
    /// Name of the requantised tensor.
    pub value: String,
    /// Number of sums, of pairs of integers, or of an output's numbers.
    pub count: u64,
    /// What is known of them.
    pub what: String,
    /// Some of them: one sum, or two integers.
    pub operands: Vec<Vec<i64>>,
}

/// Agreement of decisions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionAgreement {
    /// `"score >= 0.5"`, `"argmax"`, `"label"`.
    pub decision: String,
    /// Rows that agree.
    pub agreements: usize,
}

/// Rows for which error bounds are stated, at most.
const BOUND_ROWS: usize = 64;

/// Numbers of outputs whose derivatives are taken, at most.
const MAX_DIFFERENTIATED: usize = 256;

/// Multiplications that error bounds over rows are worth.
const BOUND_WORK: usize = 1 << 32;

/// Number of rows drawn when none are given.
const SYNTHETIC_ROWS: usize = 64;

/// Measures a model's quantisation error; `file` is the ONNX file that `graph` was loaded from.
///
/// # Errors
/// As [`super::quantize`].
pub fn report(
    file: &[u8],
    graph: &Graph,
    calibration: &[Row],
    options: &QuantizeOptions,
) -> Result<Report, QuantizeError> {
    let Quantized {
        model,
        functions,
        leaves,
        roundings,
        deviations,
    } = quantize_revealing(graph, calibration, options, Reveal::Outputs)?;
    let decision = quantize_revealing(graph, calibration, options, Reveal::Decision).ok();
    let synthetic;
    let (rows, rows_from) = if calibration.is_empty() {
        synthetic = synthetic_rows(graph, &model.skeleton.inputs);
        (synthetic.as_slice(), RowSource::Synthetic)
    } else {
        (calibration, RowSource::Calibration)
    };

    // 1. Outputs of the reference; tract where it runs every row.
    let tract = if !model.weights.forests.is_empty() {
        Err("it leaves parts of tree ensembles out".to_owned())
    } else if graph.is_quantized() {
        Err("it rounds quantised networks in its own way".to_owned())
    } else {
        onnx::Reference::load(file, graph)
    };
    let tract = tract.and_then(|tract| {
        rows.iter()
            .map(|row| tract.run(row))
            .collect::<Result<Vec<_>, _>>()
    });
    let own: Vec<Vec<Vec<f64>>> = rows.iter().map(|row| graph.eval(row)).collect();
    let (reference, reference_note) = match &tract {
        Ok(_) => (Reference::Tract, None),
        Err(reason) => (
            Reference::FloatGraph,
            Some(format!("tract cannot run it: {reason}")),
        ),
    };

    // 2. Row by row.
    let mut outputs: Vec<OutputError> = graph
        .outputs
        .iter()
        .map(|port| OutputError {
            name: port.name.clone(),
            max_abs: 0.0,
            mean_abs: 0.0,
            greatest: 0.0,
            argmax_agreements: 0,
            error_bound: None,
        })
        .collect();
    let mut agreements = 0;
    let mut saturated_inputs = 0;
    for (r, row) in rows.iter().enumerate() {
        let (integers, saturated) = integers(&model, row);
        saturated_inputs += saturated;
        let got = model.outputs_of(&model.eval(&integers));
        for (i, (got, error)) in got.iter().zip(&mut outputs).enumerate() {
            // tract's tensor where it is one of numbers of the right size, else our own.
            let theirs = tract
                .as_ref()
                .ok()
                .and_then(|rows| rows[r].get(i)?.as_ref());
            match &got.values {
                Values::Numbers(got) => {
                    let expected = theirs
                        .filter(|t| t.len() == got.len())
                        .unwrap_or(&own[r][i]);
                    let mut sum = 0.0;
                    for (got, expected) in got.iter().zip(expected) {
                        let difference = (got - expected).abs();
                        error.max_abs = error.max_abs.max(difference);
                        error.greatest = error.greatest.max(expected.abs());
                        sum += difference;
                    }
                    error.mean_abs += sum / (got.len() * rows.len()) as f64;
                    error.argmax_agreements += usize::from(argmax(got) == argmax(expected));
                }
                Values::Integers(_) | Values::Labels(_) => {
                    let spec = &model.skeleton.outputs[i];
                    let expected = spec.value(&to_integers(&own[r][i]));
                    error.argmax_agreements += usize::from(*got == expected);
                }
            }
        }
        if let Some(Quantized { model, .. }) = &decision {
            // Its scale may be another one: a decision takes room that the outputs leave.
            let (integers, _) = self::integers(model, row);
            let got = model.released_of(&model.eval(&integers))[0];
            let outputs = &own[r];
            agreements += usize::from(got == float_decision(graph, outputs, options.threshold));
        }
    }
    // 3. What is proven.
    let mut error_bound_rows = 0;
    let error_bound_note = if graph.is_quantized() {
        error_bound_rows = rows.len();
        // Equal to the float graph, unless noted otherwise.
        let exact = ErrorBound {
            first_order: Some(0.0),
            over_rows: Some(0.0),
            over_range: Some(0.0),
        };
        for (error, spec) in outputs.iter_mut().zip(&model.skeleton.outputs) {
            let affine = matches!(spec.kind, OutputKind::Affine { .. });
            error.error_bound = (affine && roundings.is_empty()).then_some(exact);
        }
        (!roundings.is_empty()).then(|| "integers may differ as roundings says".to_owned())
    } else {
        let obstacle = forward_error::obstacle(graph);
        if obstacle.is_none() {
            let passes = 1 + numbers(&model);
            let worth = BOUND_WORK / forward_error::work(&model).saturating_mul(passes).max(1);
            error_bound_rows = rows.len().min(BOUND_ROWS).min(worth.max(1));
            let rows = &rows[..error_bound_rows];
            let bounds = error_bounds(graph, &model, &deviations, rows);
            for (error, bound) in outputs.iter_mut().zip(bounds) {
                error.error_bound = Some(bound).filter(|b| *b != ErrorBound::default());
            }
        }
        obstacle
    };
    Ok(Report {
        reference,
        reference_note,
        rows_from,
        rows: rows.len(),
        outputs,
        error_bound_rows,
        error_bound_note,
        decision: decision.map(|d| DecisionAgreement {
            decision: d.model.skeleton.decision,
            agreements,
        }),
        functions,
        leaves,
        roundings,
        saturated_inputs,
        input_rounding: input_rounding(graph).into(),
    })
}

/// The bounds of each output over these rows and over the declared range.
fn error_bounds(
    graph: &Graph,
    model: &IntegerModel,
    deviations: &Deviations,
    rows: &[Row],
) -> Vec<ErrorBound> {
    let none = ErrorBound {
        first_order: Some(0.0),
        over_rows: Some(0.0),
        over_range: None,
    };
    let mut all = vec![none; model.skeleton.outputs.len()];
    let greater = |all: &mut Option<f64>, one: Option<f64>| {
        *all = all.zip(one).map(|(a, b)| a.max(b));
    };
    let differentiable = numbers(model) <= MAX_DIFFERENTIATED;
    for row in rows {
        let (integers, _) = integers(model, row);
        let scalars = model.eval(&integers);
        let inputs = row_inputs(graph, &model.skeleton.inputs, row, &integers);
        let bounded = forward_error::propagate(model, deviations, inputs.clone(), Some(&scalars));
        let bounds = forward_error::of_outputs(model, &bounded);
        let first_order = match differentiable {
            true => forward_error::first_order(model, deviations, inputs, &scalars),
            false => vec![None; all.len()],
        };
        for ((all, bound), first_order) in all.iter_mut().zip(bounds).zip(first_order) {
            greater(&mut all.over_rows, bound);
            greater(&mut all.first_order, first_order);
        }
    }
    let specs = model.skeleton.inputs.iter().zip(&graph.inputs);
    let range = specs.flat_map(|(spec, port)| {
        let limit = 2f64.powi(spec.range_bits as i32);
        let rounded = spec.encoding == InputEncoding::Fixed && port.kind == Kind::Number;
        let one = Bounded {
            lo: -limit,
            hi: limit - 1.0,
            error: if rounded { 0.5 } else { 0.0 },
        };
        vec![one; port.len()]
    });
    let bounded = forward_error::propagate(model, deviations, range.collect(), None);
    let over_range = forward_error::of_outputs(model, &bounded);
    for (all, range) in all.iter_mut().zip(over_range) {
        all.over_range = range;
    }
    all
}

/// Numbers of outputs in fixed point.
fn numbers(model: &IntegerModel) -> usize {
    let outputs = model.skeleton.outputs.iter();
    let fixed = outputs.filter(|output| matches!(output.kind, OutputKind::Fixed { .. }));
    fixed.map(|output| output.scalars.len()).sum()
}

/// A row's integers with what its numbers were rounded by.
fn row_inputs(graph: &Graph, specs: &[InputSpec], row: &Row, integers: &[i64]) -> Vec<Bounded> {
    let mut integers = integers.iter();
    let mut inputs = Vec::with_capacity(integers.len());
    for ((port, spec), values) in graph.inputs.iter().zip(specs).zip(row) {
        for (i, v) in port.replaced(values).into_iter().enumerate() {
            let q = *integers.next().expect("one integer for each number") as f64;
            let exponent = spec.exponents.get(i).copied().unwrap_or(0);
            let exact = v * 2f64.powi(spec.scale_bits as i32 - exponent);
            let fixed = spec.encoding == InputEncoding::Fixed;
            inputs.push(Bounded {
                lo: q,
                hi: q,
                error: if fixed { (q - exact).abs() } else { 0.0 },
            });
        }
    }
    inputs
}

fn input_rounding(graph: &Graph) -> &'static str {
    let any = |f: fn(&InputEncoding) -> bool| graph.inputs.iter().any(|port| f(&port.encoding));
    if any(|e| matches!(e, InputEncoding::Affine { .. })) {
        "as QuantizeLinear, half to even"
    } else if any(|e| *e != InputEncoding::Fixed) {
        "half away from zero; features of trees: to float32, half to even"
    } else {
        "half away from zero"
    }
}

/// The integers of a row of finite numbers, and how many saturated.
fn integers(model: &IntegerModel, row: &Row) -> (Vec<i64>, usize) {
    let mut saturated = 0;
    let mut integers = Vec::with_capacity(model.skeleton.input_len());
    for (values, spec) in row.iter().zip(&model.skeleton.inputs) {
        for (index, &v) in values.iter().enumerate() {
            let (q, outside) = quantize_input(spec, index, v)
                .expect("rows are checked to hold numbers where the model needs them");
            saturated += usize::from(outside);
            integers.push(q);
        }
    }
    (integers, saturated)
}

fn to_integers(values: &[f64]) -> Vec<i64> {
    values.iter().map(|&v| v as i64).collect()
}

/// What the float model decides, by the rules of `lower/decision.rs`.
fn float_decision(graph: &Graph, outputs: &[Vec<f64>], threshold: f64) -> i64 {
    let label = graph.outputs.iter().position(|port| port.kind.decides());
    match label {
        Some(i) => outputs[i][0] as i64,
        None if outputs[0].len() == 1 => i64::from(outputs[0][0] >= threshold),
        None => argmax(&outputs[0]) as i64,
    }
}

fn argmax(v: &[f64]) -> usize {
    (0..v.len()).fold(0, |best, i| if v[i] > v[best] { i } else { best })
}

/// Rows for a model that comes without any: a fixed xorshift generator, so that reports repeat.
fn synthetic_rows(graph: &Graph, inputs: &[InputSpec]) -> Vec<Row> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..SYNTHETIC_ROWS)
        .map(|_| {
            let values = graph.inputs.iter().zip(inputs).map(|(port, spec)| {
                let limit = 2f64
                    .powi(spec.range_bits as i32 - spec.scale_bits as i32)
                    .min(1.0);
                (0..port.len()).map(|_| limit * uniform()).collect()
            });
            values.collect()
        })
        .collect()
}
