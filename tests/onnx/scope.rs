//! Which cases speak of inference on tensors of numbers, by rule.

use tract_onnx::pb::{attribute_proto::AttributeType, tensor_proto::DataType};

use crate::case::Case;

/// (operators, why they are outside)
const FAMILIES: &[(&[&str], &str)] = &[
    (
        &["SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss"],
        "training: losses",
    ),
    (
        &[
            "Bernoulli",
            "Multinomial",
            "RandomNormalLike",
            "RandomUniformLike",
        ],
        "random generators",
    ),
    (
        &[
            "DFT",
            "STFT",
            "HannWindow",
            "HammingWindow",
            "BlackmanWindow",
            "MelWeightMatrix",
        ],
        "signal processing: DFT, STFT, windows",
    ),
    (&["ImageDecoder"], "image decoders"),
];

/// Cases whose expected integers wrap around where the specification says "saturated": -236 as int8 is 20 there, and
/// -128 in the specification and in onnxruntime.
const WRAPPED: &[&str] = &[
    "test_qlinearmatmul_2D_int8_float16",
    "test_qlinearmatmul_2D_int8_float32",
    "test_qlinearmatmul_3D_int8_float16",
    "test_qlinearmatmul_3D_int8_float32",
];

/// Why the case is outside the scope, or nothing.
pub(crate) fn outside(case: &Case) -> Option<&'static str> {
    if WRAPPED.contains(&case.name.as_str()) {
        return Some("expected outputs that wrap around where the specification saturates");
    }
    // 1. Types.
    if case.types.iter().any(Option::is_none) {
        return Some("sequences, optionals, maps");
    }
    let labels = case.nodes.iter().all(|node| node.domain == "ai.onnx.ml");
    for code in case.types.iter().flatten() {
        match DataType::try_from(*code) {
            Ok(DataType::String) if !labels => return Some("strings beyond labels"),
            Ok(DataType::Complex64 | DataType::Complex128) => return Some("complex numbers"),
            Ok(
                DataType::Float
                | DataType::Double
                | DataType::Float16
                | DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::Uint8
                | DataType::Uint16
                | DataType::Uint32
                | DataType::Uint64
                | DataType::Bool
                | DataType::String,
            ) => {}
            _ => return Some("bfloat16, float8 and 4-bit types"),
        }
    }
    // 2. What the nodes are; a definition written out is judged by the operator that it defines.
    for node in &case.nodes {
        let graph = |t: i32| t == AttributeType::Graph as i32 || t == AttributeType::Graphs as i32;
        if node.attribute.iter().any(|a| graph(a.r#type)) {
            return Some("control flow");
        }
        let training = node.domain == "ai.onnx.preview.training"
            || node
                .attribute
                .iter()
                .any(|a| a.name == "training_mode" && a.i != 0)
            || (node.op_type == "Dropout" && trains(case, node.input.get(2)));
        if training {
            return Some("training: optimisers, gradients, training mode");
        }
        for (operators, why) in FAMILIES {
            if operators.contains(&node.op_type.as_str()) {
                return Some(why);
            }
        }
        if node.op_type.starts_with("Sequence") || node.op_type.starts_with("Optional") {
            return Some("sequences, optionals, maps");
        }
    }
    None
}

/// Whether a baked training mode is on.
fn trains(case: &Case, name: Option<&String>) -> bool {
    let initializers = case.model.graph.iter().flat_map(|g| &g.initializer);
    let mut named = initializers.filter(|t| Some(&t.name) == name);
    named.any(|t| t.raw_data.iter().any(|&b| b != 0))
}
