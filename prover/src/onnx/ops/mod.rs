//! The operators that can be imported: a table from name to importer, one file per operator.
//!
//! An importer checks the node against its operator's specification, reads what is architecture from
//! attributes and constants, and adds float operators to the graph. To support another operator, write
//! its file and add its line.

mod abs;
mod add;
mod affine_grid;
mod and;
mod arg_max;
mod arg_min;
mod array_feature_extractor;
mod average_pool;
mod batch_normalization;
mod binarizer;
mod bit_shift;
mod bitwise;
mod broadcast;
mod cast;
mod ceil;
mod celu;
mod center_crop_pad;
mod clip;
mod col2im;
mod comparison;
mod compress;
mod concat;
mod constant;
mod constant_of_shape;
mod contraction;
mod conv;
mod conv_transpose;
mod cum_sum;
mod depth_to_space;
mod det;
mod div;
mod einsum;
mod elementwise;
mod elu;
mod equal;
mod erf;
mod exp;
mod expand;
mod extremum;
mod eye_like;
mod feature_vectorizer;
mod finite;
mod flatten;
mod floor;
mod gather;
mod gather_elements;
mod gather_nd;
mod gelu;
mod gemm;
mod greater;
mod greater_or_equal;
mod grid_sample;
mod gru;
mod hard_sigmoid;
mod hard_swish;
mod hardmax;
mod hyperbolic;
mod identity;
mod imputer;
mod index;
mod label_encoder;
mod layer_normalization;
mod leaky_relu;
mod less;
mod less_or_equal;
mod linear_classifier;
mod linear_map;
mod linear_regressor;
mod log;
mod log_softmax;
mod lp_pool;
mod lrn;
mod lstm;
mod matmul;
mod max_pool;
mod max_unpool;
mod mish;
mod mod_;
mod mul;
mod neg;
mod normalization;
mod normalizer;
mod not;
mod one_hot;
mod one_hot_encoder;
mod or;
mod pad;
mod pow;
mod prelu;
mod quantized;
mod range;
mod reciprocal;
mod recurrent;
mod reduce_l1;
mod reduce_l2;
mod reduce_log_sum;
mod reduce_log_sum_exp;
mod reduce_max;
mod reduce_mean;
mod reduce_min;
mod reduce_prod;
mod reduce_sum;
mod reduce_sum_square;
mod reduction;
mod relu;
mod reshape;
mod resize;
mod reverse_sequence;
mod rnn;
mod round;
mod scaler;
mod scatter;
mod selu;
mod shape;
mod sigmoid;
mod sign;
mod size;
mod slice;
mod softmax;
mod softplus;
mod softsign;
mod spatial;
mod split;
mod sqrt;
mod squeeze;
mod sub;
mod sum;
mod svm;
mod svm_classifier;
mod svm_regressor;
mod tanh;
mod threshold;
mod tile;
mod top_k;
mod transpose;
mod tree_ensemble;
mod trigonometry;
mod trilu;
mod unsqueeze;
mod where_;
mod window;
mod xor;

use super::error::OpError;
use super::import::{Builder, NodeView, Operand};

/// Adds a node to the graph and returns its outputs.
pub(crate) type Importer = fn(&mut Builder, &NodeView<'_>) -> Result<Vec<Operand>, OpError>;

/// (domain, operator, importer)
const IMPORTERS: &[(&str, &str, Importer)] = &[
    ("", "Abs", abs::import),
    ("", "Acos", trigonometry::acos),
    ("", "Acosh", hyperbolic::acosh),
    ("", "Add", add::import),
    ("", "AffineGrid", affine_grid::import),
    ("", "And", and::import),
    ("", "ArgMax", arg_max::import),
    ("", "ArgMin", arg_min::import),
    ("", "Asin", trigonometry::asin),
    ("", "Asinh", hyperbolic::asinh),
    ("", "Atan", trigonometry::atan),
    ("", "Atanh", hyperbolic::atanh),
    ("", "AveragePool", average_pool::import),
    ("", "BatchNormalization", batch_normalization::import),
    ("", "BitShift", bit_shift::import),
    ("", "Cast", cast::import),
    ("", "BitwiseAnd", bitwise::and),
    ("", "BitwiseOr", bitwise::or),
    ("", "BitwiseXor", bitwise::xor),
    ("", "CastLike", cast::like),
    ("", "Ceil", ceil::import),
    ("", "Celu", celu::import),
    ("", "CenterCropPad", center_crop_pad::import),
    ("", "Clip", clip::import),
    ("", "Col2Im", col2im::import),
    ("", "Compress", compress::import),
    ("", "Concat", concat::import),
    ("", "Constant", constant::import),
    ("", "ConstantOfShape", constant_of_shape::import),
    ("", "Conv", conv::import),
    ("", "ConvInteger", quantized::qlinear_conv::integer),
    ("", "ConvTranspose", conv_transpose::import),
    ("", "Cos", trigonometry::cos),
    ("", "Cosh", hyperbolic::cosh),
    ("", "CumSum", cum_sum::import),
    ("", "DepthToSpace", depth_to_space::depth_to_space),
    ("", "DequantizeLinear", quantized::dequantize_linear::import),
    ("", "Det", det::import),
    ("", "Div", div::import),
    ("", "Dropout", identity::import),
    (
        "",
        "DynamicQuantizeLinear",
        quantized::dynamic_quantize_linear::import,
    ),
    ("", "Einsum", einsum::import),
    ("", "Elu", elu::import),
    ("", "Equal", equal::import),
    ("", "Erf", erf::import),
    ("", "Exp", exp::import),
    ("", "Expand", expand::import),
    ("", "EyeLike", eye_like::import),
    ("", "Flatten", flatten::import),
    ("", "Floor", floor::import),
    ("", "Gather", gather::import),
    ("", "GatherElements", gather_elements::import),
    ("", "GatherND", gather_nd::import),
    ("", "Gelu", gelu::import),
    ("", "Gemm", gemm::import),
    ("", "GlobalAveragePool", average_pool::global),
    ("", "GlobalLpPool", lp_pool::global),
    ("", "GlobalMaxPool", max_pool::global),
    ("", "Greater", greater::import),
    ("", "GreaterOrEqual", greater_or_equal::import),
    ("", "GridSample", grid_sample::import),
    ("", "GroupNormalization", normalization::group),
    ("", "GRU", gru::import),
    ("", "HardSigmoid", hard_sigmoid::import),
    ("", "HardSwish", hard_swish::import),
    ("", "Hardmax", hardmax::import),
    ("", "Identity", identity::import),
    ("", "InstanceNormalization", normalization::instance),
    ("", "IsInf", finite::import),
    ("", "IsNaN", finite::import),
    ("", "LRN", lrn::import),
    ("", "LayerNormalization", layer_normalization::import),
    ("", "LeakyRelu", leaky_relu::import),
    ("", "Less", less::import),
    ("", "LessOrEqual", less_or_equal::import),
    ("", "Log", log::import),
    ("", "LogSoftmax", log_softmax::import),
    ("", "LpNormalization", normalization::lp),
    ("", "LpPool", lp_pool::import),
    ("", "LSTM", lstm::import),
    ("", "MatMul", matmul::import),
    ("", "MatMulInteger", quantized::matmul_integer::import),
    ("", "Max", extremum::max),
    ("", "MaxPool", max_pool::import),
    ("", "MaxUnpool", max_unpool::import),
    ("", "Mean", sum::mean),
    (
        "",
        "MeanVarianceNormalization",
        normalization::mean_variance,
    ),
    ("", "Min", extremum::min),
    ("", "Mish", mish::import),
    ("", "Mod", mod_::import),
    ("", "Mul", mul::import),
    ("", "Neg", neg::import),
    ("", "Not", not::import),
    ("", "OneHot", one_hot::import),
    ("", "Or", or::import),
    ("", "PRelu", prelu::import),
    ("", "Pad", pad::import),
    ("", "Pow", pow::import),
    ("", "QLinearConv", quantized::qlinear_conv::import),
    ("", "QLinearMatMul", quantized::qlinear_matmul::import),
    ("", "QuantizeLinear", quantized::quantize_linear::import),
    ("", "RMSNormalization", normalization::rms),
    ("", "Range", range::import),
    ("", "RNN", rnn::import),
    ("", "Reciprocal", reciprocal::import),
    ("", "ReduceL1", reduce_l1::import),
    ("", "ReduceL2", reduce_l2::import),
    ("", "ReduceLogSum", reduce_log_sum::import),
    ("", "ReduceLogSumExp", reduce_log_sum_exp::import),
    ("", "ReduceMax", reduce_max::import),
    ("", "ReduceMean", reduce_mean::import),
    ("", "ReduceMin", reduce_min::import),
    ("", "ReduceProd", reduce_prod::import),
    ("", "ReduceSum", reduce_sum::import),
    ("", "ReduceSumSquare", reduce_sum_square::import),
    ("", "Relu", relu::import),
    ("", "Reshape", reshape::import),
    ("", "Resize", resize::import),
    ("", "ReverseSequence", reverse_sequence::import),
    ("", "Round", round::import),
    ("", "Scatter", scatter::elements),
    ("", "ScatterElements", scatter::elements),
    ("", "ScatterND", scatter::nd),
    ("", "Selu", selu::import),
    ("", "Shape", shape::import),
    ("", "Shrink", threshold::shrink),
    ("", "Sigmoid", sigmoid::import),
    ("", "Sign", sign::import),
    ("", "Sin", trigonometry::sin),
    ("", "Sinh", hyperbolic::sinh),
    ("", "Size", size::import),
    ("", "Slice", slice::import),
    ("", "Softmax", softmax::import),
    ("", "Softplus", softplus::import),
    ("", "Softsign", softsign::import),
    ("", "SpaceToDepth", depth_to_space::space_to_depth),
    ("", "Split", split::import),
    ("", "Sqrt", sqrt::import),
    ("", "Squeeze", squeeze::import),
    ("", "Sub", sub::import),
    ("", "Sum", sum::import),
    ("", "Tan", trigonometry::tan),
    ("", "Tanh", tanh::import),
    ("", "ThresholdedRelu", threshold::thresholded_relu),
    ("", "Tile", tile::import),
    ("", "TopK", top_k::import),
    ("", "Transpose", transpose::import),
    ("", "Trilu", trilu::import),
    ("", "Unsqueeze", unsqueeze::import),
    ("", "Upsample", resize::upsample),
    ("", "Where", where_::import),
    ("", "Xor", xor::import),
    (
        "ai.onnx.ml",
        "ArrayFeatureExtractor",
        array_feature_extractor::import,
    ),
    ("ai.onnx.ml", "Binarizer", binarizer::import),
    (
        "ai.onnx.ml",
        "FeatureVectorizer",
        feature_vectorizer::import,
    ),
    ("ai.onnx.ml", "Imputer", imputer::import),
    ("ai.onnx.ml", "LabelEncoder", label_encoder::import),
    ("ai.onnx.ml", "LinearClassifier", linear_classifier::import),
    ("ai.onnx.ml", "LinearRegressor", linear_regressor::import),
    ("ai.onnx.ml", "Normalizer", normalizer::import),
    ("ai.onnx.ml", "OneHotEncoder", one_hot_encoder::import),
    ("ai.onnx.ml", "SVMClassifier", svm_classifier::import),
    ("ai.onnx.ml", "SVMRegressor", svm_regressor::import),
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
    (
        "com.microsoft",
        "DequantizeLinear",
        quantized::dequantize_linear::import,
    ),
    (
        "com.microsoft",
        "DynamicQuantizeMatMul",
        quantized::dynamic_quantize_linear::import,
    ),
    (
        "com.microsoft",
        "MatMulIntegerToFloat",
        quantized::matmul_integer::to_float,
    ),
    ("com.microsoft", "QGemm", quantized::qgemm::import),
    (
        "com.microsoft",
        "QLinearAdd",
        quantized::qlinear_add::import,
    ),
    (
        "com.microsoft",
        "QLinearAveragePool",
        quantized::qlinear_average::pool,
    ),
    (
        "com.microsoft",
        "QLinearConcat",
        quantized::qlinear_concat::import,
    ),
    (
        "com.microsoft",
        "QLinearGlobalAveragePool",
        quantized::qlinear_average::global_pool,
    ),
    (
        "com.microsoft",
        "QLinearLeakyRelu",
        quantized::qlinear_leaky_relu::import,
    ),
    (
        "com.microsoft",
        "QLinearMul",
        quantized::qlinear_mul::import,
    ),
    (
        "com.microsoft",
        "QLinearReduceMean",
        quantized::qlinear_average::reduce_mean,
    ),
    (
        "com.microsoft",
        "QLinearSigmoid",
        quantized::qlinear_sigmoid::import,
    ),
    (
        "com.microsoft",
        "QLinearSoftmax",
        quantized::qlinear_softmax::import,
    ),
    (
        "com.microsoft",
        "QuantizeLinear",
        quantized::quantize_linear::import,
    ),
];

/// (operator, nearest supported form)
const NEAREST: &[(&str, &str)] = &[
    ("If", "the branch taken, exported alone"),
    ("Loop", "the loop unrolled"),
    ("Scan", "the loop unrolled"),
    ("NonZero", "a fixed set of positions"),
    ("Unique", "a fixed set of values"),
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

#[cfg(test)]
mod tests;
