//! The operators that can be imported: a table from name to importer, one file per operator.
//!
//! An importer checks the node against its operator's specification, reads what is architecture from
//! attributes and constants, and adds float operators to the graph. To support another operator, write
//! its file and add its line.

mod add;
mod arg_max;
mod array_feature_extractor;
mod batch_normalization;
mod broadcast;
mod cast;
mod clip;
mod concat;
mod constant;
mod div;
mod expand;
mod flatten;
mod gather;
mod gemm;
mod identity;
mod leaky_relu;
mod matmul;
mod mul;
mod relu;
mod reshape;
mod scaler;
mod shape;
mod sigmoid;
mod slice;
mod softmax;
mod squeeze;
mod sub;
mod tanh;
mod transpose;
mod tree_ensemble;
mod unsqueeze;

use super::error::OpError;
use super::import::{Builder, NodeView, Operand};

/// Adds a node to the graph and returns its outputs.
pub(crate) type Importer = fn(&mut Builder, &NodeView<'_>) -> Result<Vec<Operand>, OpError>;

/// (domain, operator, importer)
const IMPORTERS: &[(&str, &str, Importer)] = &[
    ("", "Add", add::import),
    ("", "ArgMax", arg_max::import),
    ("", "BatchNormalization", batch_normalization::import),
    ("", "Cast", cast::import),
    ("", "Clip", clip::import),
    ("", "Concat", concat::import),
    ("", "Constant", constant::import),
    ("", "Div", div::import),
    ("", "Dropout", identity::import),
    ("", "Expand", expand::import),
    ("", "Flatten", flatten::import),
    ("", "Gather", gather::import),
    ("", "Gemm", gemm::import),
    ("", "Identity", identity::import),
    ("", "LeakyRelu", leaky_relu::import),
    ("", "MatMul", matmul::import),
    ("", "Mul", mul::import),
    ("", "Relu", relu::import),
    ("", "Reshape", reshape::import),
    ("", "Shape", shape::import),
    ("", "Sigmoid", sigmoid::import),
    ("", "Slice", slice::import),
    ("", "Softmax", softmax::import),
    ("", "Squeeze", squeeze::import),
    ("", "Sub", sub::import),
    ("", "Tanh", tanh::import),
    ("", "Transpose", transpose::import),
    ("", "Unsqueeze", unsqueeze::import),
    (
        "ai.onnx.ml",
        "ArrayFeatureExtractor",
        array_feature_extractor::import,
    ),
    ("ai.onnx.ml", "Scaler", scaler::import),
    ("ai.onnx.ml", "TreeEnsemble", tree_ensemble::import),
    (
        "ai.onnx.ml",
        "TreeEnsembleClassifier",
        tree_ensemble::classifier::import,
    ),
    (
        "ai.onnx.ml",
        "TreeEnsembleRegressor",
        tree_ensemble::regressor::import,
    ),
    ("ai.onnx.ml", "ZipMap", identity::import),
];

/// (operator, nearest supported form)
const NEAREST: &[(&str, &str)] = &[
    ("Elu", "LeakyRelu"),
    ("Selu", "LeakyRelu"),
    ("PRelu", "LeakyRelu"),
    ("Gelu", "Relu, Sigmoid or Tanh"),
    ("Erf", "Tanh"),
    ("Exp", "Softmax"),
    ("Log", "the same model without its final Log"),
    ("LogSoftmax", "Softmax"),
    ("Hardmax", "ArgMax"),
    ("HardSigmoid", "Clip after a linear layer"),
    ("HardSwish", "Mul of an activation by a Clip"),
    ("Softplus", "Relu"),
    ("Softsign", "Tanh"),
    ("Pow", "Mul of an activation by itself"),
    ("Sqrt", "a linear layer"),
    ("InstanceNormalization", "BatchNormalization"),
    ("LayerNormalization", "BatchNormalization"),
    ("GroupNormalization", "BatchNormalization"),
    ("If", "the branch taken, exported alone"),
    ("Loop", "the loop unrolled"),
    ("Scan", "the loop unrolled"),
    ("Einsum", "MatMul"),
    ("NonZero", "a fixed set of positions"),
];

/// The importer of an operator.
pub(crate) fn importer(domain: &str, operator: &str) -> Option<Importer> {
    IMPORTERS
        .iter()
        .find(|(d, o, _)| *d == domain && *o == operator)
        .map(|(_, _, f)| *f)
}

/// The nearest supported form of an operator that has no importer.
pub(crate) fn nearest(operator: &str) -> &'static str {
    NEAREST.iter().find(|(o, _)| *o == operator).map_or(
        "Gemm, MatMul, elementwise arithmetic, Relu, Sigmoid, Tanh or Softmax, with this step outside \
         the model",
        |(_, nearest)| nearest,
    )
}

/// The operators that can be imported, each with its domain.
pub fn supported() -> impl Iterator<Item = (&'static str, &'static str)> {
    IMPORTERS
        .iter()
        .map(|(domain, operator, _)| (*domain, *operator))
}
