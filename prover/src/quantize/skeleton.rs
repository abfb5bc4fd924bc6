//! The integer graph: the public skeleton and the private weights.
//!
//! A tensor is a list of scalars; scalars are numbered once (`ScalarId`): first those of the inputs,
//! in order, then those that each operation makes, in order. Operators that only move data
//! (reshape, transpose, concat, slice, ...) leave no operation behind: they rearrange ids.
//! One *row* is one item of the leading (batch) dimension; the graph describes one row.
//!
//! Arithmetic is exact, over i128. `round_shift(y, s) = floor((y + 2^(s-1)) / 2^s)` for s > 0, and y
//! for s = 0. The skeleton holds no private value and nothing derived from one except declared,
//! power-of-two scales and widths; the circuit and its key are functions of the skeleton alone.

use serde::{Deserialize, Serialize};

pub use super::positions::Positions;
pub(crate) use super::positions::MAX_EXPONENT;

/// Number of one scalar value of the graph.
pub type ScalarId = u32;

/// What follows the (shifted) accumulator of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `q`
    None,
    /// `max(q, 0)`
    Relu,
    /// `1` if `q >= 0`, else `0`
    Sign,
}

/// How an input's numbers become integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputEncoding {
    /// Fixed point: `round(v 2^scale_bits)`, saturating.
    #[default]
    Fixed,
    /// The order-preserving integer image of float32: exact. NaN is refused.
    Float32,
    /// The same, and NaN is one integer above all others.
    Float32OrMissing,
    /// `rint(v / scale) + zero_point` in float32, half to even, saturating at the declared range: exact for a
    /// quantised network. An unsigned type's integers are moved into the signed type of the same width.
    Affine {
        /// Bits of the float32 scale.
        scale: u32,
        /// The integer of 0.
        zero_point: i32,
    },
}

impl InputEncoding {
    fn is_fixed(&self) -> bool {
        *self == Self::Fixed
    }
}

/// One model input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Name in the ONNX file.
    pub name: String,
    /// Shape of one row (leading batch dimension removed).
    pub shape: Vec<u32>,
    /// Fractional bits.
    pub scale_bits: u32,
    /// Declared range of the integer: `[-2^range_bits, 2^range_bits)`. Values outside saturate, and the
    /// saturation is reported.
    pub range_bits: u32,
    /// One for each scalar, or none: the value is `integer / 2^scale_bits * 2^exponent`, so that features of
    /// different sizes share one width.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exponents: Vec<i32>,
    /// One for each scalar, or none: what a missing value is replaced by before it is committed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replacements: Vec<Option<Replacement>>,
    /// How the numbers become integers; images of float32 have scale 0 and range 31, affine integers scale 0.
    #[serde(default, skip_serializing_if = "InputEncoding::is_fixed")]
    pub encoding: InputEncoding,
}

/// What stands for a missing value, and the integer that it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// What stands for a missing value.
    pub missing: Missing,
    /// The integer in its place.
    pub integer: i64,
}

/// What stands for a missing value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Any NaN.
    NotANumber,
    /// The number of these bits (of an f64 that an f32 holds, or of a whole number).
    Bits(u64),
}

/// A piecewise linear function over `[lo, lo + segments * 2^segment_bits)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionTable {
    /// Name and parameters, for people: `"sigmoid"`.
    pub name: String,
    /// Least input.
    pub lo: i64,
    /// log2 of the width of one segment.
    pub segment_bits: u32,
    /// `(c0, c1)` of each segment: `y = c0 + c1 * t`, t the offset in the segment. A power of two many.
    pub segments: Vec<(i64, i64)>,
    /// `out = round_shift(y, shift)`.
    pub shift: u32,
}

/// An operation. Vectors of operands have one entry per scalar made, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// Private dense linear layer: `y_j = sum_i w_ji x_i + b_j`, `out_j = act(round_shift(y_j, shift))`.
    /// Its weights are the next entry of [`PrivateWeights::linear`].
    Linear {
        /// The operands `x_i`, distinct or not.
        inputs: Vec<ScalarId>,
        /// Number of scalars made.
        outputs: u32,
        /// Bits dropped.
        shift: u32,
        /// What follows.
        activation: Activation,
    },
    /// Private linear layer whose weights serve many places: on `inputs` of shape `[channels, positions.at]` it
    /// makes `[outputs, positions.to]`, `y_op = b_o + sum_c sum_(t, q) w_oct x_cq` over the channels of
    /// the output's group and the pairs with `at[q] + taps[t] = to[p]`, then
    /// `out = act(round_shift(y, shift))`. Convolutions, transposed ones, and dense layers at several positions.
    /// Its weights are the next entry of [`PrivateWeights::linear`], of shape `[outputs, channels / groups, taps]`.
    Convolution {
        /// The operands.
        inputs: Vec<ScalarId>,
        /// Output channels.
        outputs: u32,
        /// Groups of channels: output o reads the channels of its group alone.
        groups: u32,
        /// Where operands, taps and results lie.
        positions: Positions,
        /// Bits dropped.
        shift: u32,
        /// What follows.
        activation: Activation,
    },
    /// The `Linear` layer that uses entry `layer` of [`PrivateWeights::linear`], once more, on other operands.
    Again {
        /// The operands.
        inputs: Vec<ScalarId>,
        /// Number of scalars made.
        outputs: u32,
        /// Which entry of the weights.
        layer: u32,
        /// Bits dropped.
        shift: u32,
        /// What follows.
        activation: Activation,
    },
    /// Private elementwise affine map: `y_i = w_i x_i + b_i`. Weights in [`PrivateWeights::diagonal`].
    Diagonal {
        /// The operands.
        inputs: Vec<ScalarId>,
        /// Bits dropped.
        shift: u32,
        /// What follows.
        activation: Activation,
    },
    /// Public elementwise map: `y = product * l * r + left_factor * l + right_factor * r + constant`.
    Local {
        /// First operands.
        left: Vec<ScalarId>,
        /// Second operands (equal to `left` where only one is needed).
        right: Vec<ScalarId>,
        /// Coefficient of `l * r`.
        product: i64,
        /// Coefficient of `l`.
        left_factor: i64,
        /// Coefficient of `r`.
        right_factor: i64,
        /// Constant term.
        constant: i64,
        /// Bits dropped.
        shift: u32,
        /// What follows.
        activation: Activation,
    },
    /// `min(max(x, lo), hi)` with public bounds.
    Clamp {
        /// The operands.
        inputs: Vec<ScalarId>,
        /// Least value.
        lo: i64,
        /// Greatest value.
        hi: i64,
    },
    /// The greatest of each window: `out_i = max_j x_ij`.
    Max {
        /// The operands, [windows, width].
        inputs: Vec<ScalarId>,
        /// Operands of one window.
        width: u32,
    },
    /// A tabled function; every operand lies in the table's domain (the quantiser clamps first).
    Function {
        /// The operands.
        inputs: Vec<ScalarId>,
        /// Index into [`Skeleton::functions`].
        function: u32,
    },
    /// `floor((2 * num * 2^scale_bits + den) / (2 * den))`, with `num >= 0` and `den > 0` proven by range.
    Divide {
        /// Numerators.
        numerators: Vec<ScalarId>,
        /// Denominators.
        denominators: Vec<ScalarId>,
        /// Fractional bits of the quotient beyond the operands' common scale.
        scale_bits: u32,
    },
    /// Private decision trees over images of float32: `outputs` scores, each the sum over the trees of what the
    /// walk from the tree's root ends with. Its table is the next entry of [`PrivateWeights::forests`], see
    /// [`ForestNode`].
    Forest {
        /// The features.
        inputs: Vec<ScalarId>,
        /// Number of trees; the roots are the first nodes of the table.
        trees: u32,
        /// Nodes visited on each walk.
        depth: u32,
        /// Nodes of the table, padding included.
        nodes: u32,
        /// Number of scores made.
        outputs: u32,
        /// What a node holds lies in `[-2^leaf_bits, 2^leaf_bits)`.
        leaf_bits: u32,
    },
}

/// One model output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// Name in the ONNX file.
    pub name: String,
    /// Shape of one row (leading batch dimension removed).
    pub shape: Vec<u32>,
    /// The scalars, row-major.
    pub scalars: Vec<ScalarId>,
    /// How the integers read.
    pub kind: OutputKind,
}

/// How an output's integers read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OutputKind {
    /// Fixed point: value = integer / 2^scale_bits.
    Fixed {
        /// Fractional bits.
        scale_bits: u32,
    },
    /// An integer as it is.
    Integer,
    /// `(integer - zero_point) * scale`, in float32.
    Affine {
        /// Bits of the float32 scale, one for each scalar or one for all.
        scales: Vec<u32>,
        /// The integer of 0.
        zero_point: i64,
    },
    /// An index into a public table of labels.
    Label {
        /// The labels.
        labels: Vec<String>,
        /// Whether the labels are integers (int64) in the ONNX file.
        integer: bool,
    },
}

/// What a proof releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reveal {
    /// One decision: a bit (single score against the threshold) or the index of the greatest score.
    Decision,
    /// Every output of the model.
    Outputs,
}

/// The public integer graph of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skeleton {
    /// Format version, 1.
    pub version: u32,
    /// The inputs.
    pub inputs: Vec<InputSpec>,
    /// Private linear weights lie in `[-2^weight_bits, 2^weight_bits)`.
    pub weight_bits: u32,
    /// Private biases lie in `[-2^bias_bits, 2^bias_bits)`.
    pub bias_bits: u32,
    /// Narrower widths of the biases of each entry of [`PrivateWeights::linear`]; none where all have `bias_bits`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layer_bias_bits: Vec<u32>,
    /// Tabled functions.
    pub functions: Vec<FunctionTable>,
    /// The operations, operands before users.
    pub ops: Vec<Op>,
    /// The model's outputs.
    pub outputs: Vec<OutputSpec>,
    /// What is released.
    pub reveal: Reveal,
    /// The released scalars, in order (with `Reveal::Decision` a single one).
    pub released: Vec<ScalarId>,
    /// How the decision reads, for people: `"score >= 0.5"`, `"argmax"`.
    pub decision: String,
}

impl Skeleton {
    /// Width of the biases of one entry of [`PrivateWeights::linear`].
    pub fn bias_bits_of(&self, layer: usize) -> u32 {
        let width = self.layer_bias_bits.get(layer);
        width.copied().unwrap_or(self.bias_bits)
    }
}

/// Weights of one linear layer, integers.
#[derive(Clone, PartialEq, Eq)]
pub struct LinearWeights {
    /// Row-major, shape `[outputs, inputs]`; of a convolution `[outputs, channels / groups, taps]`.
    pub weights: Vec<i32>,
    /// Shape `[outputs]`.
    pub biases: Vec<i64>,
}

/// All private integers of a model, in the order of the operations.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PrivateWeights {
    /// One entry per `Op::Linear` and `Op::Convolution`.
    pub linear: Vec<LinearWeights>,
    /// One entry per `Op::Diagonal` (`weights` has one entry per scalar).
    pub diagonal: Vec<LinearWeights>,
    /// One entry per `Op::Forest`: its table of nodes.
    pub forests: Vec<Vec<ForestNode>>,
}

/// A node of a forest's table. Let `bit` be 1 if `x_feature <= threshold` and 0 if not. The walk goes on at node
/// `yes[0] + 1 - bit`, so siblings are neighbours; on its last node it ends with `yes` if `bit` is 1 and with
/// `no` if not. A leaf above the last level compares with [`ForestNode::NEVER`] and has `yes[0]` its own number
/// less one: it goes on at itself and ends with `no`.
#[derive(Clone, PartialEq, Eq)]
pub struct ForestNode {
    /// The feature that is compared.
    pub feature: u32,
    /// Its threshold.
    pub threshold: i64,
    /// One integer per score.
    pub yes: Vec<i64>,
    /// One integer per score.
    pub no: Vec<i64>,
}

impl ForestNode {
    /// Below every image.
    pub const NEVER: i64 = -(1 << 31) - 1;
}

impl std::fmt::Debug for ForestNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ForestNode(hidden)")
    }
}

impl std::fmt::Debug for LinearWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinearWeights({} weights, hidden)", self.weights.len())
    }
}

impl std::fmt::Debug for PrivateWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "PrivateWeights({} linear, {} diagonal, {} forests, hidden)",
            self.linear.len(),
            self.diagonal.len(),
            self.forests.len()
        )
    }
}

/// A quantised model: the public skeleton and its private weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegerModel {
    /// The public part.
    pub skeleton: Skeleton,
    /// The private part.
    pub weights: PrivateWeights,
}
