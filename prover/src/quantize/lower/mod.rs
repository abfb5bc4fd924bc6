//! Lowering: each float operator as primitive integer operations, one file per family.
//!
//! Claims: the operations made depend on the graph's structure, the options and the declared scales and
//! widths alone. Every tensor carries its scale (fractional bits); a linear layer shifts by the
//! model's scale S (by less where its operands have fewer fractional bits), so a layer whose weights have f_w = S + d
//! fractional bits raises the scale by d.
//! Operands wider than `activation_bits` are clamped where they are used.

mod affine;
mod arithmetic;
mod axis;
mod bitwise;
mod combination;
mod compare;
mod convolution;
mod decision;
mod linear;
mod order;
mod pointwise;
mod quantized;
mod quotient;
mod recurrent;
mod reduce;
mod remainder;
mod rounding;
mod table;
mod trees;
mod weights;

use std::collections::HashMap;

use super::deviations::{ConstantErrors, Deviations, Saturation, WeightErrors};
use super::error::QuantizeError;
use super::function::{Curve, FunctionError, Span};
use super::options::QuantizeOptions;
use super::ranges::{extend, Interval, Widths};
use super::report::{LeafRounding, RoundingDifference};
use super::skeleton::{
    Activation, FunctionTable, InputSpec, IntegerModel, LinearWeights, Op, OutputKind, OutputSpec,
    PrivateWeights, Reveal, ScalarId, Skeleton,
};
use crate::onnx::{Arithmetic, FloatOp, Graph, Kind, Pointwise, Port};
use quantized::Dequantized;

/// Greatest number of scalars of a model.
pub(crate) const MAX_SCALARS: usize = 1 << 24;

/// Greatest number of operations of a model.
pub(crate) const MAX_OPS: usize = 1 << 20;

/// Greatest number of weights of a model.
pub(crate) const MAX_WEIGHTS: usize = 1 << 26;

/// A tensor of the integer graph.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    pub(crate) scalars: Vec<ScalarId>,
    pub(crate) scale: u32,
}

/// An elementwise operation on public factors; its operands are given beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formula {
    pub(crate) product: i64,
    pub(crate) left: i64,
    pub(crate) right: i64,
    pub(crate) constant: i64,
    pub(crate) shift: u32,
    pub(crate) activation: Activation,
}

impl Formula {
    pub(crate) const ZERO: Self = Self {
        product: 0,
        left: 0,
        right: 0,
        constant: 0,
        shift: 0,
        activation: Activation::None,
    };
}

/// What lowering produces.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) model: IntegerModel,
    pub(crate) function_errors: Vec<FunctionError>,
    pub(crate) leaves: Vec<LeafRounding>,
    pub(crate) roundings: Vec<RoundingDifference>,
    pub(crate) deviations: Deviations,
    /// The greatest bias of each layer, those included that nothing needs: `b` or `-b - 1`.
    pub(crate) biases: Vec<i64>,
}

/// The integer graph under construction.
#[derive(Debug)]
pub(crate) struct Lowering<'a> {
    graph: &'a Graph,
    means: &'a [Vec<f64>],
    greatest: &'a [f64],
    options: &'a QuantizeOptions,
    widths: Widths,
    ops: Vec<Op>,
    intervals: Vec<Interval>,
    functions: Vec<FunctionTable>,
    function_errors: Vec<FunctionError>,
    /// How the leaves of each forest are rounded.
    leaves: Vec<LeafRounding>,
    /// Where a quantised network's rounding is not onnxruntime's.
    roundings: Vec<RoundingDifference>,
    /// Where the operations depart from the float graph.
    deviations: Deviations,
    tables: HashMap<(Curve, Option<Span>, u32, u32), u32>,
    weights: PrivateWeights,
    weight_count: usize,
    tensors: Vec<Option<Fixed>>,
    /// Narrowed copies of scalars that were wider than `activation_bits`.
    narrowed: HashMap<ScalarId, ScalarId>,
    /// Layers of recurrences by their number.
    recurrent: HashMap<usize, recurrent::Known>,
    /// Running maxima by the scalars they run over.
    maxima: HashMap<Vec<Vec<ScalarId>>, axis::RunningMax>,
    producers: Vec<Option<usize>>,
    /// Nodes whose result is only read by a Relu, which they take over.
    takes_relu: Vec<bool>,
    /// Nodes whose errors reach an output with no bounded function between.
    undamped: Vec<bool>,
    /// Node being lowered.
    layer: usize,
}

/// What calibration rows tell of the graph's values; empty where there are none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen<'a> {
    /// Means of each value's elements.
    pub(crate) means: &'a [Vec<f64>],
    /// Greatest magnitude of each value.
    pub(crate) greatest: &'a [f64],
}

/// Lowers a graph with its declared inputs and widths.
pub(crate) fn lower(
    graph: &Graph,
    inputs: &[InputSpec],
    seen: Seen<'_>,
    widths: Widths,
    options: &QuantizeOptions,
    reveal: Reveal,
) -> Result<Lowered, QuantizeError> {
    let mut lowering = Lowering::new(graph, seen, options, widths);
    lowering.inputs(inputs)?;
    for layer in 0..graph.nodes.len() {
        lowering.layer = layer;
        lowering.node(layer)?;
    }
    let reveal = match graph.released {
        Some(_) => Reveal::Outputs,
        None => reveal,
    };
    let (outputs, released, decision) = match reveal {
        Reveal::Outputs => {
            let outputs = graph.outputs.iter().map(|port| lowering.output(port));
            let outputs: Vec<OutputSpec> = outputs.collect::<Result<_, _>>()?;
            let released = outputs[..graph.released.unwrap_or(outputs.len())]
                .iter()
                .flat_map(|o| o.scalars.iter().copied())
                .collect();
            let what = match graph.released {
                Some(_) => "policy",
                None => "outputs",
            };
            (outputs, released, what.to_owned())
        }
        Reveal::Decision => {
            let (output, decision) = lowering.decision()?;
            let released = output.scalars.clone();
            (vec![output], released, decision)
        }
    };
    let greatest = |l: &LinearWeights| {
        let sizes = l.biases.iter().map(|&b| if b < 0 { !b } else { b });
        sizes.max().unwrap_or(0)
    };
    let biases = lowering.weights.linear.iter().map(greatest).collect();
    let mut model = IntegerModel {
        skeleton: Skeleton {
            version: 1,
            inputs: inputs.to_vec(),
            weight_bits: lowering.widths.weight_bits,
            bias_bits: lowering.widths.bias_bits,
            layer_bias_bits: lowering.widths.layer_bias_bits,
            functions: lowering.functions,
            ops: lowering.ops,
            outputs,
            reveal,
            released,
            decision,
        },
        weights: lowering.weights,
    };
    let kept = super::prune::prune(&mut model);
    let errors = lowering.function_errors.into_iter().zip(&kept.tables);
    let function_errors = errors
        .filter(|(_, kept)| **kept)
        .map(|(error, _)| error)
        .collect();
    Ok(Lowered {
        model,
        function_errors,
        leaves: lowering.leaves,
        roundings: lowering.roundings,
        deviations: lowering.deviations.pruned(&kept.ops, &kept.tables),
        biases,
    })
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph, seen: Seen<'a>, options: &'a QuantizeOptions, widths: Widths) -> Self {
        let uses = graph.uses();
        let producers = graph.producers();
        let mut takes_relu = vec![false; graph.nodes.len()];
        for node in &graph.nodes {
            if !matches!(node.op, FloatOp::Pointwise(Pointwise::Relu)) || uses[node.inputs[0]] != 1
            {
                continue;
            }
            if let Some(before) = producers[node.inputs[0]] {
                takes_relu[before] = matches!(
                    graph.nodes[before].op,
                    FloatOp::Linear(_)
                        | FloatOp::Convolution(_)
                        | FloatOp::Affine(_)
                        | FloatOp::Arithmetic(Arithmetic::Add | Arithmetic::Sub | Arithmetic::Mul)
                );
            }
        }
        Self {
            graph,
            means: seen.means,
            greatest: seen.greatest,
            options,
            widths,
            ops: Vec::new(),
            intervals: Vec::new(),
            functions: Vec::new(),
            function_errors: Vec::new(),
            leaves: Vec::new(),
            roundings: Vec::new(),
            deviations: Deviations::default(),
            tables: HashMap::new(),
            weights: PrivateWeights::default(),
            weight_count: 0,
            tensors: vec![None; graph.values.len()],
            narrowed: HashMap::new(),
            recurrent: HashMap::new(),
            maxima: HashMap::new(),
            producers,
            takes_relu,
            undamped: undamped(graph),
            layer: 0,
        }
    }

    fn inputs(&mut self, inputs: &[InputSpec]) -> Result<(), QuantizeError> {
        for (port, spec) in self.graph.inputs.iter().zip(inputs) {
            let first = self.intervals.len();
            self.intervals
                .extend((0..port.len()).map(|_| Interval::signed(spec.range_bits)));
            self.check_caps()?;
            let scalars = (first as ScalarId..self.intervals.len() as ScalarId).collect();
            self.tensors[port.value] = Some(Fixed {
                scalars,
                scale: spec.scale_bits,
            });
        }
        Ok(())
    }

    fn node(&mut self, layer: usize) -> Result<(), QuantizeError> {
        let node = &self.graph.nodes[layer];
        let activation = if self.takes_relu[layer] {
            Activation::Relu
        } else {
            Activation::None
        };
        let made = match &node.op {
            FloatOp::Linear(op) => self.linear(op, node.inputs[0], activation)?,
            FloatOp::Convolution(op) => self.convolution(op, node.inputs[0], activation)?,
            FloatOp::Recurrent(op) => self.recurrent(op, node.inputs[0])?,
            FloatOp::Affine(op) => self.affine(op, node.inputs[0], activation)?,
            FloatOp::Combination(op) => self.combination(op, node.inputs[0])?,
            FloatOp::Arithmetic(op) => {
                self.arithmetic(*op, node.inputs[0], node.inputs[1], activation)?
            }
            FloatOp::Pointwise(Pointwise::Relu)
                if self.producers[node.inputs[0]].is_some_and(|p| self.takes_relu[p]) =>
            {
                self.tensor(node.inputs[0])
            }
            FloatOp::Pointwise(op) => self.pointwise(*op, node.inputs[0])?,
            FloatOp::Compare(relation) => {
                self.compare(*relation, node.inputs[0], node.inputs[1])?
            }
            FloatOp::Threshold(op) => self.threshold(op, node.inputs[0])?,
            FloatOp::Bound(op) => self.bound(op, node.inputs[0])?,
            FloatOp::Select => self.select(node.inputs[0], node.inputs[1], node.inputs[2])?,
            FloatOp::Reduce(op, axis) => self.reduce(*op, axis, node.inputs[0])?,
            FloatOp::Normalize(norm, axis) => self.normalize(*norm, axis, node.inputs[0])?,
            FloatOp::Standardize { axis, epsilon } => {
                self.standardize(axis, *epsilon, node.inputs[0])?
            }
            FloatOp::Impute { .. } => return Err(self.refuse("missing values are left")),
            FloatOp::Softmax(axis) => self.softmax(axis, node.inputs[0])?,
            FloatOp::ArgMax { axis, last } => self.argmax_node(axis, *last, node.inputs[0])?,
            FloatOp::Order {
                axis,
                count,
                largest,
            } => self.order(axis, *count, *largest, node.inputs[0])?,
            FloatOp::Trees(op) => self.trees(op, node.inputs[0])?,
            FloatOp::Above(level) => self.above(*level, node.inputs[0])?,
            FloatOp::Quantized(op) => self.quantized(op, &node.inputs, node.output)?,
            FloatOp::Movement(op) => {
                let operands: Vec<Fixed> = node.inputs.iter().map(|&id| self.tensor(id)).collect();
                let scale = operands.iter().map(|t| t.scale).max().unwrap_or(0);
                let mut all = Vec::new();
                for operand in operands {
                    all.extend(self.rescaled_up(operand, scale)?.scalars);
                }
                Fixed {
                    scalars: op.indices.iter().map(|&i| all[i as usize]).collect(),
                    scale,
                }
            }
        };
        self.check_saturation(node.output, &made)?;
        self.tensors[node.output] = Some(made);
        Ok(())
    }

    /// Whether the calibration rows stay within what [`Self::narrow`] leaves of a value where it is used.
    fn check_saturation(&self, value: usize, made: &Fixed) -> Result<(), QuantizeError> {
        // A quantised type saturates by definition, and its scalars are moved by its offset.
        if matches!(self.graph.values[value].kind, Kind::Quantized(_)) {
            return Ok(());
        }
        let widest = made.scalars.iter().map(|&id| self.interval(id).bits());
        let mut bits = widest.max().unwrap_or(0);
        if bits > self.options.activation_bits {
            bits = self.narrow_bits(made.scale);
        }
        // Rounding may pass the interval by a unit or two.
        let bound = 2f64.powi(bits as i32 - made.scale as i32) * 1.01 + 1.0;
        match self.greatest.get(value) {
            Some(&greatest) if greatest > bound => Err(self.refuse(format!(
                "a calibration row makes it {greatest:.4e}, and the integer model saturates at {bound:.4e}; lower \
                 scale_bits, or scale the features down before the model"
            ))),
            _ => Ok(()),
        }
    }

    /// The tensor of a value.
    pub(crate) fn tensor(&self, id: usize) -> Fixed {
        self.tensors[id]
            .clone()
            .expect("nodes are in topological order")
    }

    fn output(&mut self, port: &Port) -> Result<OutputSpec, QuantizeError> {
        let mut made = self.tensor(port.value);
        if port.kind == Kind::Integer {
            // Whole numbers at any scale: nothing is lost.
            made = self.rescaled_down(made, 0)?;
        }
        let Fixed { mut scalars, scale } = made;
        let mut affine = None;
        if let Some(dequantized) = self.dequantized(port.value) {
            let Dequantized {
                scales,
                zeros,
                scalars: integers,
            } = self.with_one_zero(dequantized)?;
            let mut scales: Vec<u32> = scales.into_iter().map(f32::to_bits).collect();
            if scales.iter().all(|s| *s == scales[0]) {
                scales.truncate(1);
            }
            scalars = integers;
            affine = Some(OutputKind::Affine {
                scales,
                zero_point: zeros.first().copied().unwrap_or(0),
            });
        } else {
            self.note_float_tail(port.value);
        }
        if let Kind::Quantized(element) = port.kind {
            if element.offset() != 0 {
                let formula = Formula {
                    left: 1,
                    constant: element.offset(),
                    ..Formula::ZERO
                };
                scalars = self.local(&scalars, &scalars, formula)?;
            }
        }
        Ok(OutputSpec {
            name: port.name.clone(),
            shape: port.shape.iter().map(|&d| d as u32).collect(),
            scalars,
            kind: match &port.kind {
                Kind::Number => affine.unwrap_or(OutputKind::Fixed { scale_bits: scale }),
                Kind::Quantized(_) | Kind::Integer | Kind::Index | Kind::Boolean => {
                    OutputKind::Integer
                }
                Kind::Label { labels, integer } => OutputKind::Label {
                    labels: labels.clone(),
                    integer: *integer,
                },
            },
        })
    }

    pub(crate) fn interval(&self, id: ScalarId) -> Interval {
        self.intervals[id as usize]
    }

    fn check_caps(&self) -> Result<(), QuantizeError> {
        if self.intervals.len() > MAX_SCALARS {
            return Err(QuantizeError::Limit {
                what: "scalars",
                limit: MAX_SCALARS,
            });
        }
        if self.ops.len() > MAX_OPS {
            return Err(QuantizeError::Limit {
                what: "operations",
                limit: MAX_OPS,
            });
        }
        Ok(())
    }

    /// Appends an operation and numbers its results.
    pub(crate) fn emit(&mut self, op: Op) -> Result<Vec<ScalarId>, QuantizeError> {
        let first = self.intervals.len() as ScalarId;
        extend(
            &mut self.intervals,
            self.ops.len(),
            &op,
            &mut self.widths,
            &self.functions,
        )?;
        self.ops.push(op);
        self.check_caps()?;
        Ok((first..self.intervals.len() as ScalarId).collect())
    }

    /// Notes how the weights of the next operation are rounded, given with their fractional bits.
    pub(crate) fn note_weights(
        &mut self,
        integers: &LinearWeights,
        weights: (&[f64], u32),
        biases: (&[f64], u32),
    ) {
        let errors = WeightErrors::of(integers, weights, biases);
        self.deviations.weights.insert(self.ops.len(), errors);
    }

    /// Notes what the public factors and the constant of the last operation are rounded by, in units, if they are.
    pub(crate) fn rounded(&mut self, factor: f64, constant: f64) {
        if factor != 0.0 || constant != 0.0 {
            let errors = ConstantErrors {
                factor: factor.abs(),
                constant: constant.abs(),
            };
            self.deviations.constants.insert(self.ops.len() - 1, errors);
        }
    }

    /// Notes that this operation, if it was made, is a clamp that the float graph does not have.
    pub(crate) fn saturates(&mut self, number: usize, how: Saturation) {
        if number < self.ops.len() {
            self.deviations.saturations.insert(number, how);
        }
    }

    /// `formula` on each pair of operands.
    pub(crate) fn local(
        &mut self,
        left: &[ScalarId],
        right: &[ScalarId],
        formula: Formula,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        self.emit(Op::Local {
            left: left.to_vec(),
            right: right.to_vec(),
            product: formula.product,
            left_factor: formula.left,
            right_factor: formula.right,
            constant: formula.constant,
            shift: formula.shift,
            activation: formula.activation,
        })
    }

    pub(crate) fn clamp(
        &mut self,
        inputs: &[ScalarId],
        lo: i64,
        hi: i64,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        self.emit(Op::Clamp {
            inputs: inputs.to_vec(),
            lo,
            hi,
        })
    }

    /// The operands clamped to [lo, hi], those excepted that lie inside already.
    pub(crate) fn clamp_where_needed(
        &mut self,
        scalars: &[ScalarId],
        lo: i64,
        hi: i64,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let outside = |id: &ScalarId| {
            let i = self.interval(*id);
            i.lo < i128::from(lo) || i.hi > i128::from(hi)
        };
        let mut wide: Vec<ScalarId> = scalars.iter().copied().filter(outside).collect();
        wide.sort_unstable();
        wide.dedup();
        if wide.is_empty() {
            return Ok(scalars.to_vec());
        }
        let made = self.clamp(&wide, lo, hi)?;
        let by: HashMap<ScalarId, ScalarId> = wide.into_iter().zip(made).collect();
        Ok(scalars
            .iter()
            .map(|id| by.get(id).copied().unwrap_or(*id))
            .collect())
    }

    /// The operands, those wider than `activation_bits` clamped to `+-2^(S + 19)` or a little above.
    pub(crate) fn narrow(&mut self, tensor: &Fixed) -> Result<Fixed, QuantizeError> {
        let limit = self.options.activation_bits;
        let is_wide = |id: &ScalarId| self.interval(*id).bits() > limit;
        if tensor.scale > self.options.scale_bits + 12 && tensor.scalars.iter().any(is_wide) {
            // Fractional bits that nobody needs would leave no room before the point.
            let fewer = self.rescaled_down(tensor.clone(), self.options.scale_bits + 4)?;
            return self.narrow(&fewer);
        }
        let mut wide: Vec<ScalarId> = tensor
            .scalars
            .iter()
            .copied()
            .filter(|id| self.interval(*id).bits() > limit && !self.narrowed.contains_key(id))
            .collect();
        wide.sort_unstable();
        wide.dedup();
        if !wide.is_empty() {
            let bound = 1i64 << self.narrow_bits(tensor.scale);
            let next = self.ops.len();
            let made = self.clamp(&wide, -bound, bound)?;
            self.saturates(next, Saturation::Excess);
            self.narrowed.extend(wide.into_iter().zip(made));
        }
        let scalars = tensor
            .scalars
            .iter()
            .map(|id| self.narrowed.get(id).copied().unwrap_or(*id))
            .collect();
        Ok(Fixed {
            scalars,
            scale: tensor.scale,
        })
    }

    /// log2 of the magnitude that wide operands are clamped to; at least 2^11 units of 1, whatever the scale.
    fn narrow_bits(&self, scale: u32) -> u32 {
        let bits = (self.options.scale_bits + 19).max(scale + 11);
        // A product of two whole numbers fits too.
        bits.min(self.options.activation_bits).min(30 + scale / 2)
    }

    /// A tensor of whole numbers gets the model's scale, so that fractions of it can be told.
    pub(crate) fn fractional(&mut self, t: Fixed) -> Result<Fixed, QuantizeError> {
        self.rescaled_up(t, self.options.scale_bits)
    }

    /// The tensor with at least this many fractional bits.
    pub(crate) fn rescaled_up(&mut self, t: Fixed, scale: u32) -> Result<Fixed, QuantizeError> {
        if t.scale >= scale {
            return Ok(t);
        }
        let t = self.narrow(&t)?;
        let factor = 1i64 << (scale - t.scale);
        let formula = Formula {
            left: factor,
            ..Formula::ZERO
        };
        Ok(Fixed {
            scalars: self.local(&t.scalars, &t.scalars, formula)?,
            scale,
        })
    }

    /// The tensor with this many fractional bits at most, rounded.
    pub(crate) fn rescaled_down(&mut self, t: Fixed, scale: u32) -> Result<Fixed, QuantizeError> {
        if t.scale <= scale {
            return Ok(t);
        }
        let formula = Formula {
            left: 1,
            shift: t.scale - scale,
            ..Formula::ZERO
        };
        Ok(Fixed {
            scalars: self.local(&t.scalars, &t.scalars, formula)?,
            scale,
        })
    }

    pub(crate) fn refuse(&self, reason: impl Into<String>) -> QuantizeError {
        QuantizeError::Lowering {
            layer: self.layer,
            operator: self.graph.nodes[self.layer].op.name(),
            reason: reason.into(),
        }
    }
}

/// Nodes whose errors reach an output of numbers with no bounded function between.
fn undamped(graph: &Graph) -> Vec<bool> {
    let mut values = vec![false; graph.values.len()];
    for port in graph.outputs.iter().filter(|port| !port.kind.decides()) {
        values[port.value] = true;
    }
    let mut nodes = vec![false; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        let bounded = matches!(
            node.op,
            FloatOp::Pointwise(
                Pointwise::Sigmoid | Pointwise::Tanh | Pointwise::Erf | Pointwise::Softsign
            ) | FloatOp::Softmax(_)
                | FloatOp::Compare(_)
                | FloatOp::Threshold(_)
                | FloatOp::Bound(_)
                | FloatOp::ArgMax { .. }
                | FloatOp::Order { .. }
        );
        nodes[i] = values[node.output] && !bounded;
        if nodes[i] {
            for &id in &node.inputs {
                values[id] = true;
            }
        }
    }
    nodes
}
