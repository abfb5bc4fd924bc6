//! Float graph to integer graph.
//!
//! [`quantize`] turns a float graph into an [`skeleton::IntegerModel`]: a public skeleton and private
//! weights. Two models of one architecture get equal skeletons as long as their declared scales and widths
//! are equal; those derive from the weights' magnitudes only as whole powers of two.

mod calibrate;
mod deviations;
mod encoding;
mod error;
mod features;
mod forward_error;
mod function;
mod input;
mod interpreter;
mod lower;
mod options;
mod positions;
mod prune;
pub mod ranges;
mod report;
mod sensitivity;
mod shape;
pub mod skeleton;
mod steps;

use crate::onnx::{Graph, Kind};

pub use encoding::{SkeletonError, MAX_SKELETON_BYTES};
pub use error::QuantizeError;
pub use function::FunctionError;
pub use input::{quantize_input, InputError};
pub(crate) use interpreter::{convolution, walk};
pub use interpreter::{OutputValue, Values};
pub use options::QuantizeOptions;
pub use report::{
    report, DecisionAgreement, ErrorBound, LeafRounding, OutputError, Reference, Report,
    RoundingDifference, RowSource,
};

use calibrate::{lifted, Statistics};
use lower::{Lowered, Seen};
use ranges::Widths;
use skeleton::{
    InputEncoding, InputSpec, IntegerModel, Missing, PrivateWeights, Replacement, Reveal,
};

/// One row: a flat vector for each model input.
pub type Row = Vec<Vec<f64>>;

/// A quantised model and what is known about its error.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The model.
    pub model: IntegerModel,
    /// Error bounds of its tabled functions.
    pub functions: Vec<FunctionError>,
    /// How the leaves of its trees are rounded.
    pub leaves: Vec<LeafRounding>,
    /// Where a quantised network's integers may differ from onnxruntime's.
    pub roundings: Vec<RoundingDifference>,
    /// Where its operations depart from the float graph.
    pub(crate) deviations: deviations::Deviations,
}

/// Least width of the biases of quantised layers.
const INTEGER_BIAS_BITS: u32 = 16;

/// Least width of an input of whole numbers.
const WHOLE_RANGE_BITS: u32 = 16;

/// Greatest width of an input.
const MAX_RANGE_BITS: u32 = 36;

/// Quantises a float graph; calibration rows, if any, set the inputs' ranges and how weights are rounded.
///
/// # Errors
/// Options out of range, constants that no integer of the declared width stands for, calibration rows
/// that do not fit, forms without a lowering.
pub fn quantize(
    graph: &Graph,
    calibration: &[Row],
    options: &QuantizeOptions,
) -> Result<Quantized, QuantizeError> {
    quantize_revealing(graph, calibration, options, options.reveal)
}

fn quantize_revealing(
    graph: &Graph,
    calibration: &[Row],
    options: &QuantizeOptions,
    reveal: Reveal,
) -> Result<Quantized, QuantizeError> {
    options.check()?;
    let mut more = options.deep_bits_of(graph);
    loop {
        match quantize_with(graph, calibration, &options.deepened(more), reveal) {
            // What is too wide with more bits may fit with fewer.
            Err(QuantizeError::Lowering { .. } | QuantizeError::Range(_)) if more > 0 => more -= 1,
            other => return other,
        }
    }
}

/// With these options as they are.
fn quantize_with(
    original: &Graph,
    calibration: &[Row],
    options: &QuantizeOptions,
    reveal: Reveal,
) -> Result<Quantized, QuantizeError> {
    let graph = original;
    let calibration: Vec<Row> = calibration
        .iter()
        .map(|row| {
            let inputs = graph.inputs.iter().zip(row);
            inputs.map(|(port, values)| port.replaced(values)).collect()
        })
        .collect();
    check_rows(graph, &calibration)?;
    let exponents = features::exponents(graph, &calibration);
    let (graph, calibration) = &features::rescaled(graph, &calibration, &exponents);
    let inputs = input_specs(original, calibration, exponents, options)?;

    let statistics = Statistics::of(graph, calibration);
    let greatest = &statistics.greatest;
    let seen = Seen {
        means: &[],
        greatest,
    };
    let (plain, widths) = lower_twice(graph, &inputs, seen, None, options, reveal)?;
    if calibration.is_empty() {
        return Ok(plain);
    }
    // Lifted biases may need a greater declared width; then less room is given to them.
    for slack in [2, 1, 0] {
        let lifted = lifted(graph, &statistics, slack);
        let Statistics {
            means, greatest, ..
        } = &Statistics::of(&lifted, calibration);
        let seen = Seen { means, greatest };
        match lower_twice(&lifted, &inputs, seen, Some(&widths), options, reveal) {
            Ok((better, _)) if better.model.skeleton == plain.model.skeleton => return Ok(better),
            _ => {}
        }
    }
    Ok(plain)
}

/// Lowers with the least widths that hold the weights.
///
/// The widths follow from the integer weights, which do not depend on them: lower once to learn the
/// weights, and once more with the widths they need, or with `declared` ones that are no narrower.
fn lower_twice(
    graph: &Graph,
    inputs: &[InputSpec],
    seen: Seen<'_>,
    declared: Option<&Widths>,
    options: &QuantizeOptions,
    reveal: Reveal,
) -> Result<(Quantized, Widths), QuantizeError> {
    let (weight_bits, bias_bits) = match graph.integer_widths() {
        Some(weight_bits) => (weight_bits, INTEGER_BIAS_BITS),
        None => (options.scale_bits, 2 * options.scale_bits),
    };
    let floor = Widths {
        weight_bits,
        bias_bits,
        layer_bias_bits: Vec::new(),
        layers: 0,
    };
    // Ranges follow from the widths, so saturation is told by the second alone.
    let first = Seen {
        greatest: &[],
        ..seen
    };
    let lowered = lower::lower(graph, inputs, first, floor.clone(), options, reveal)?;
    let needed = needed_widths(&lowered.model.weights, &lowered.biases, &floor);
    let too_great = |what, needed, allowed| QuantizeError::TooGreat {
        layer: 0,
        operator: "model",
        what,
        needed,
        allowed,
    };
    let check = |what, needed: u32, declared: Option<u32>| match declared {
        Some(allowed) if needed > allowed => Err(too_great(what, needed, allowed)),
        Some(allowed) => Ok(allowed),
        None => Ok(needed),
    };
    let own = Widths {
        weight_bits: check("weights", needed.weight_bits, options.weight_bits)?,
        bias_bits: check("biases", needed.bias_bits, options.bias_bits)?,
        layer_bias_bits: match options.bias_bits {
            Some(_) => Vec::new(),
            None => needed.layer_bias_bits,
        },
        layers: 0,
    };
    let widths = match declared {
        None => own,
        Some(declared) => {
            check("weights", own.weight_bits, Some(declared.weight_bits))?;
            check("biases", own.bias_bits, Some(declared.bias_bits))?;
            for entry in 0..lowered.biases.len() {
                let of = |w: &Widths| w.layer_bias_bits.get(entry).copied().unwrap_or(w.bias_bits);
                check("biases", of(&own), Some(of(declared)))?;
            }
            declared.clone()
        }
    };
    let Lowered {
        model,
        function_errors,
        leaves,
        roundings,
        deviations,
        ..
    } = lower::lower(graph, inputs, seen, widths.clone(), options, reveal)?;
    let quantized = Quantized {
        model,
        functions: function_errors,
        leaves,
        roundings,
        deviations,
    };
    Ok((quantized, widths))
}

/// No narrower than `floor`; `biases`: the greatest of each layer, dead ones included.
fn needed_widths(weights: &PrivateWeights, biases: &[i64], floor: &Widths) -> Widths {
    // Least b with -2^b <= v < 2^b.
    let bits = |v: i64| 64 - (if v < 0 { !v } else { v }).leading_zeros();
    let all = || weights.linear.iter().chain(&weights.diagonal);
    let weight = all()
        .flat_map(|l| &l.weights)
        .map(|&w| bits(i64::from(w)))
        .max();
    // Two digits for what a node of a tree holds.
    let nodes = if weights.forests.is_empty() { 0 } else { 16 };
    // In steps of four, so that most models of one architecture agree.
    let stepped = |bits: u32| bits.max(floor.bias_bits).next_multiple_of(4);
    let bias = all().flat_map(|l| &l.biases).map(|&b| bits(b)).max();
    let bias_bits = stepped(bias.unwrap_or(0));
    let layer = |greatest: &i64| stepped(bits(*greatest)).min(bias_bits);
    let mut layers: Vec<u32> = biases.iter().map(layer).collect();
    if layers.iter().all(|b| *b == bias_bits) {
        layers.clear();
    }
    Widths {
        weight_bits: weight.unwrap_or(0).max(floor.weight_bits).max(nodes),
        bias_bits,
        layer_bias_bits: layers,
        layers: 0,
    }
}

fn check_rows(graph: &Graph, calibration: &[Row]) -> Result<(), QuantizeError> {
    let fail = |row: usize, reason: String| Err(QuantizeError::Calibration { row, reason });
    for (number, row) in calibration.iter().enumerate() {
        if row.len() != graph.inputs.len() {
            return fail(
                number,
                format!("{} inputs for {}", row.len(), graph.inputs.len()),
            );
        }
        for (values, port) in row.iter().zip(&graph.inputs) {
            if values.len() != port.len() {
                let found = values.len();
                return fail(
                    number,
                    format!(
                        "\"{}\" needs {} numbers, found {found}",
                        port.name,
                        port.len()
                    ),
                );
            }
            let exact = port.encoding != InputEncoding::Fixed;
            let missing = port.encoding == InputEncoding::Float32OrMissing;
            if exact && !missing && values.iter().any(|v| v.is_nan()) {
                return fail(number, format!("\"{}\" holds NaN", port.name));
            }
            if !exact && values.iter().any(|v| !v.is_finite()) {
                return fail(number, format!("\"{}\" holds NaN or infinity", port.name));
            }
        }
    }
    Ok(())
}

/// Calibration rows are those of the rescaled graph; `graph` is the original one.
fn input_specs(
    graph: &Graph,
    calibration: &[Row],
    exponents: Vec<Vec<i32>>,
    options: &QuantizeOptions,
) -> Result<Vec<InputSpec>, QuantizeError> {
    let s = options.scale_bits;
    let ports = graph.inputs.iter().enumerate().zip(exponents);
    let specs = ports.map(|((i, port), exponents)| {
        let greatest = || {
            let values = calibration.iter().flat_map(|row| &row[i]);
            values.fold(0f64, |m, v| m.max(v.abs()))
        };
        let (scale_bits, range_bits) = if let Some(element) = port.element {
            (0, element.bits())
        } else if port.encoding != InputEncoding::Fixed {
            (0, 31)
        } else if port.kind == Kind::Boolean {
            (0, 1)
        } else if let Some(bits) = port.range_bits {
            (0, bits)
        } else if port.kind == Kind::Integer {
            // Whole numbers as they are, up to four times as great as those seen.
            let seen = (4.0 * greatest()).log2().ceil().max(0.0) as u32;
            (0, seen.clamp(WHOLE_RANGE_BITS, MAX_RANGE_BITS))
        } else if calibration.is_empty() {
            (s, s + 11)
        } else if !exponents.is_empty() {
            // Numbers within +-4, with finer steps than weights: a feature may vary little beside its size.
            (s + 6, s + 8)
        } else {
            let greatest = greatest();
            // Least b with 4 greatest <= 2^b.
            let whole = if greatest > 0.0 {
                (4.0 * greatest).log2().ceil() as i64
            } else {
                2
            };
            // Features below 1 get more fractional bits, up to 8, so that the width stays S + 2.
            let s = i64::from(s);
            let most = (s + 2 - whole).clamp(s, s + 8);
            let scale = (i64::from(MAX_RANGE_BITS) - whole).clamp(0, most);
            (
                scale as u32,
                (scale + whole).clamp(s + 2, i64::from(MAX_RANGE_BITS)) as u32,
            )
        };
        let mut spec = InputSpec {
            name: port.name.clone(),
            shape: port.shape.iter().map(|&d| d as u32).collect(),
            scale_bits,
            range_bits,
            exponents,
            replacements: Vec::new(),
            encoding: port.encoding,
        };
        let mut replacements = Vec::with_capacity(port.replacements.len());
        for (index, imputed) in port.replacements.iter().enumerate() {
            let Some(imputed) = imputed else {
                replacements.push(None);
                continue;
            };
            let value = f64::from_bits(imputed.value);
            let Ok((integer, false)) = quantize_input(&spec, index, value) else {
                return Err(QuantizeError::Replacement {
                    input: port.name.clone(),
                    index,
                });
            };
            replacements.push(Some(Replacement {
                missing: Missing::of(f64::from_bits(imputed.missing)),
                integer,
            }));
        }
        spec.replacements = replacements;
        Ok(spec)
    });
    specs.collect()
}

impl QuantizeOptions {
    fn check(&self) -> Result<(), QuantizeError> {
        let within = |option, value: u32, lo: u32, hi: u32, allowed| {
            if (lo..=hi).contains(&value) {
                return Ok(());
            }
            Err(QuantizeError::Option {
                option,
                value: value.to_string(),
                allowed,
            })
        };
        within("scale_bits", self.scale_bits, 6, 16, "6..=16")?;
        within("activation_bits", self.activation_bits, 24, 48, "24..=48")?;
        within("log_segments", self.log_segments, 2, 12, "2..=12")?;
        within(
            "weight_bits",
            self.weight_bits.unwrap_or(16),
            1,
            31,
            "1..=31",
        )?;
        within("bias_bits", self.bias_bits.unwrap_or(32), 1, 60, "1..=60")
    }
}
