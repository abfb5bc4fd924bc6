//! The float operators: what ONNX operators become.
//!
//! Each works on flat row-major vectors and has one `eval`, the definition that the integer model is
//! measured against. ONNX operators that only move data all become [`Movement`].

mod affine;
mod arithmetic;
mod axis;
mod bound;
mod combination;
mod compare;
mod convolution;
pub(crate) mod image;
mod linear;
mod movement;
mod pointwise;
pub(crate) mod quantized;
mod recurrent;
mod reduce;
mod special;
mod trees;

pub(crate) use affine::Affine;
pub(crate) use arithmetic::Arithmetic;
pub(crate) use axis::{argmax, order, softmax, AxisView};
pub(crate) use bound::Bound;
pub(crate) use combination::Combination;
pub(crate) use compare::{Relation, Threshold};
pub(crate) use convolution::Convolution;
pub(crate) use linear::Linear;
pub(crate) use movement::Movement;
pub(crate) use pointwise::{cubic, Pointwise};
pub(crate) use quantized::{
    AddRule, Element, IntegerConvolution, IntegerLayer, Quantized, Requantize, Rule, Scale,
    SoftmaxRule,
};
pub(crate) use recurrent::Recurrent;
pub(crate) use reduce::{normalize, standardize, Norm, Reduction};
pub(crate) use special::erf;
pub(crate) use trees::{TreeNode, Trees};

/// A float operator.
#[derive(Clone, Debug)]
pub(crate) enum FloatOp {
    /// Private dense layer.
    Linear(Linear),
    /// Private layer whose weights serve many positions.
    Convolution(Convolution),
    /// Private dense layer that several nodes use.
    Recurrent(Recurrent),
    /// Private elementwise affine map.
    Affine(Affine),
    /// Public linear combinations of one operand's elements.
    Combination(Combination),
    /// Two activations, elementwise.
    Arithmetic(Arithmetic),
    /// A public function of each element.
    Pointwise(Pointwise),
    /// Two activations compared.
    Compare(Relation),
    /// Activations compared with public constants.
    Threshold(Threshold),
    /// One element of a model input compared with a public constant.
    Bound(Bound),
    /// `a` where the condition is not zero, else `b`.
    Select,
    /// Softmax along one axis.
    Softmax(AxisView),
    /// Index of the greatest element along one axis.
    ArgMax {
        axis: AxisView,
        /// Whether the last of equal elements wins.
        last: bool,
    },
    /// One-hot bits of the first elements of each group in order, [groups, count, len]; the first of equals comes first.
    Order {
        axis: AxisView,
        /// How many elements are told.
        count: usize,
        /// Whether the greatest comes first, or the least.
        largest: bool,
    },
    /// One number for each group along an axis.
    Reduce(Reduction, AxisView),
    /// Each group divided by its norm.
    Normalize(Norm, AxisView),
    /// `(x - mean) / sqrt(variance + epsilon)` of each group.
    Standardize { axis: AxisView, epsilon: f64 },
    /// `values[i mod period]` where an element is missing; never left in a loaded graph.
    Impute { missing: f64, values: Vec<f64> },
    /// Elements of the operands, rearranged.
    Movement(Movement),
    /// Private decision trees.
    Trees(Trees),
    /// Index 1 where the operand is above the level, else 0.
    Above(f64),
    /// Integers of a quantised network.
    Quantized(Quantized),
}

impl FloatOp {
    pub(crate) fn eval(&self, inputs: &[&[f64]]) -> Vec<f64> {
        match self {
            Self::Linear(op) => op.eval(inputs[0]),
            Self::Convolution(op) => op.eval(inputs[0]),
            Self::Recurrent(op) => op.layer.eval(inputs[0]),
            Self::Affine(op) => op.eval(inputs[0]),
            Self::Combination(op) => op.eval(inputs[0]),
            Self::Arithmetic(op) => op.eval(inputs[0], inputs[1]),
            Self::Pointwise(op) => inputs[0].iter().map(|&x| op.eval(x)).collect(),
            Self::Compare(relation) => relation.eval(inputs[0], inputs[1]),
            Self::Threshold(op) => op.eval(inputs[0]),
            Self::Bound(op) => op.eval(inputs[0]),
            Self::Select => {
                let branches = inputs[1].iter().zip(inputs[2]);
                let chosen = inputs[0].iter().zip(branches);
                chosen
                    .map(|(&c, (&a, &b))| if c != 0.0 { a } else { b })
                    .collect()
            }
            Self::Softmax(axis) => softmax(axis, inputs[0]),
            Self::ArgMax { axis, last } => argmax(axis, *last, inputs[0]),
            Self::Order {
                axis,
                count,
                largest,
            } => order(axis, *count, *largest, inputs[0]),
            Self::Reduce(op, axis) => op.eval(axis, inputs[0]),
            Self::Normalize(norm, axis) => normalize(*norm, axis, inputs[0]),
            Self::Standardize { axis, epsilon } => standardize(axis, *epsilon, inputs[0]),
            Self::Impute { missing, values } => {
                let replace = |(i, &v): (usize, &f64)| {
                    if v == *missing || (missing.is_nan() && v.is_nan()) {
                        values[i % values.len()]
                    } else {
                        v
                    }
                };
                inputs[0].iter().enumerate().map(replace).collect()
            }
            Self::Movement(op) => op.eval(inputs),
            Self::Trees(op) => op.eval(inputs[0]),
            Self::Above(level) => inputs[0]
                .iter()
                .map(|x| f64::from(u8::from(x > level)))
                .collect(),
            Self::Quantized(op) => op.eval(inputs),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Linear(_) => "Linear",
            Self::Convolution(_) => "Convolution",
            Self::Recurrent(_) => "Recurrent",
            Self::Affine(_) => "Affine",
            Self::Combination(_) => "Combination",
            Self::Arithmetic(op) => op.name(),
            Self::Pointwise(op) => op.name(),
            Self::Compare(relation) => relation.name(),
            Self::Threshold(op) => op.relation.name(),
            Self::Bound(op) => op.relation.name(),
            Self::Select => "Where",
            Self::Softmax(_) => "Softmax",
            Self::ArgMax { .. } => "ArgMax",
            Self::Order { .. } => "TopK",
            Self::Reduce(op, _) => op.name(),
            Self::Normalize(..) => "Normalizer",
            Self::Standardize { .. } => "Standardize",
            Self::Impute { .. } => "Imputer",
            Self::Movement(_) => "Movement",
            Self::Trees(_) => "TreeEnsemble",
            Self::Above(_) => "Above",
            Self::Quantized(op) => op.name(),
        }
    }

    /// Whether it makes whole numbers of whole numbers; layers by constants are told by their importers.
    pub(crate) fn keeps_whole(&self) -> bool {
        match self {
            Self::Arithmetic(op) => op.keeps_whole(),
            Self::Pointwise(op) => op.keeps_whole(),
            Self::Combination(op) => op.is_whole(),
            Self::Reduce(op, _) => op.keeps_whole(),
            Self::Select => true,
            _ => false,
        }
    }

    pub(crate) fn parameters(&self) -> usize {
        match self {
            Self::Linear(op) => op.weights.len() + op.bias.len(),
            Self::Convolution(op) => op.weights.len() + op.bias.len(),
            Self::Recurrent(op) => op.layer.weights.len() + op.layer.bias.len(),
            Self::Affine(op) => {
                op.scale.as_ref().map_or(0, Vec::len) + op.offset.as_ref().map_or(0, Vec::len)
            }
            Self::Trees(op) => op.parameters(),
            Self::Quantized(op) => op.parameters(),
            _ => 0,
        }
    }
}
