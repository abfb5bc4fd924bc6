//! The float operators: what ONNX operators become.
//!
//! Each works on flat row-major vectors and has one `eval`, the definition that the integer model is
//! measured against. ONNX operators that only move data all become [`Movement`].

mod affine;
mod arithmetic;
mod axis;
pub(crate) mod image;
mod linear;
mod movement;
mod pointwise;
mod trees;

pub(crate) use affine::Affine;
pub(crate) use arithmetic::Arithmetic;
pub(crate) use axis::{argmax, softmax, AxisView};
pub(crate) use linear::Linear;
pub(crate) use movement::Movement;
pub(crate) use pointwise::Pointwise;
pub(crate) use trees::{TreeNode, Trees};

/// A float operator.
#[derive(Clone, Debug)]
pub(crate) enum FloatOp {
    /// Private dense layer.
    Linear(Linear),
    /// Private elementwise affine map.
    Affine(Affine),
    /// Sum, difference or product of two activations.
    Arithmetic(Arithmetic),
    /// A public function of each element.
    Pointwise(Pointwise),
    /// Softmax along one axis.
    Softmax(AxisView),
    /// Index of the greatest element along one axis.
    ArgMax {
        axis: AxisView,
        /// Whether the last of equal elements wins.
        last: bool,
    },
    /// Elements of the operands, rearranged.
    Movement(Movement),
    /// Private decision trees.
    Trees(Trees),
    /// Index 1 where the operand is above the level, else 0.
    Above(f64),
}

impl FloatOp {
    pub(crate) fn eval(&self, inputs: &[&[f64]]) -> Vec<f64> {
        match self {
            Self::Linear(op) => op.eval(inputs[0]),
            Self::Affine(op) => op.eval(inputs[0]),
            Self::Arithmetic(op) => op.eval(inputs[0], inputs[1]),
            Self::Pointwise(op) => inputs[0].iter().map(|&x| op.eval(x)).collect(),
            Self::Softmax(axis) => softmax(axis, inputs[0]),
            Self::ArgMax { axis, last } => argmax(axis, *last, inputs[0]),
            Self::Movement(op) => op.eval(inputs),
            Self::Trees(op) => op.eval(inputs[0]),
            Self::Above(level) => inputs[0]
                .iter()
                .map(|x| f64::from(u8::from(x > level)))
                .collect(),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Linear(_) => "Linear",
            Self::Affine(_) => "Affine",
            Self::Arithmetic(op) => op.name(),
            Self::Pointwise(op) => op.name(),
            Self::Softmax(_) => "Softmax",
            Self::ArgMax { .. } => "ArgMax",
            Self::Movement(_) => "Movement",
            Self::Trees(_) => "TreeEnsemble",
            Self::Above(_) => "Above",
        }
    }

    pub(crate) fn parameters(&self) -> usize {
        match self {
            Self::Linear(op) => op.weights.len() + op.bias.len(),
            Self::Affine(op) => {
                op.scale.as_ref().map_or(0, Vec::len) + op.offset.as_ref().map_or(0, Vec::len)
            }
            Self::Trees(op) => op.parameters(),
            _ => 0,
        }
    }
}
