//! Which inputs of a case are parameters: what an exported model stores as an initializer.
//!
//! One table, printed in docs/operators.md: what gives shapes and positions, for all operators; weights, scales and
//! zero points, for those that have them. Everything else stays an input.

use tract_onnx::pb;

/// (operator, input slots, what they are)
pub(crate) const SLOTS: &[(&str, &[usize], &str)] = &[
    ("AffineGrid", &[1], "size"),
    ("ArrayFeatureExtractor", &[1], "positions"),
    (
        "BatchNormalization",
        &[1, 2, 3, 4],
        "scale, bias, mean, variance",
    ),
    ("CenterCropPad", &[1], "shape"),
    ("Clip", &[1, 2], "bounds"),
    ("Col2Im", &[1, 2], "image and block shapes"),
    ("Compress", &[1], "condition"),
    ("Conv", &[1, 2], "weights, bias"),
    ("ConvInteger", &[1, 2, 3], "weights, zero points"),
    ("ConvTranspose", &[1, 2], "weights, bias"),
    ("CumSum", &[1], "axis"),
    ("DeformConv", &[1, 3], "weights, bias"),
    ("DequantizeLinear", &[1, 2], "scale, zero point"),
    ("Dropout", &[1, 2], "ratio, training mode"),
    ("Expand", &[1], "shape"),
    ("GRU", &[1, 2, 3], "weights, recurrence weights, bias"),
    ("Gather", &[1], "indices"),
    ("GatherElements", &[1], "indices"),
    ("GatherND", &[1], "indices"),
    ("GroupNormalization", &[1, 2], "scale, bias"),
    ("InstanceNormalization", &[1, 2], "scale, bias"),
    (
        "LSTM",
        &[1, 2, 3, 4, 7],
        "weights, recurrence weights, bias, lengths, peepholes",
    ),
    ("LayerNormalization", &[1, 2], "scale, bias"),
    ("MatMulInteger", &[1, 2, 3], "weights, zero points"),
    ("MaxUnpool", &[1, 2], "indices, shape"),
    ("NonMaxSuppression", &[2, 3, 4], "count, thresholds"),
    ("OneHot", &[1, 2], "depth, values"),
    ("PRelu", &[1], "slope"),
    ("Pad", &[1, 2, 3], "pads, value, axes"),
    ("Pow", &[1], "exponent"),
    (
        "QLinearConv",
        &[1, 2, 3, 4, 5, 6, 7, 8],
        "weights, scales, zero points, bias",
    ),
    (
        "QLinearMatMul",
        &[1, 2, 3, 4, 5, 6, 7],
        "weights, scales, zero points",
    ),
    ("QuantizeLinear", &[1, 2], "scale, zero point"),
    ("RNN", &[1, 2, 3], "weights, recurrence weights, bias"),
    ("ReduceL1", &[1], "axes"),
    ("ReduceL2", &[1], "axes"),
    ("ReduceLogSum", &[1], "axes"),
    ("ReduceLogSumExp", &[1], "axes"),
    ("ReduceMax", &[1], "axes"),
    ("ReduceMean", &[1], "axes"),
    ("ReduceMin", &[1], "axes"),
    ("ReduceProd", &[1], "axes"),
    ("ReduceSum", &[1], "axes"),
    ("ReduceSumSquare", &[1], "axes"),
    ("Reshape", &[1], "shape"),
    ("Resize", &[1, 2, 3], "region, scales, sizes"),
    ("ReverseSequence", &[1], "lengths"),
    ("Scatter", &[1], "indices"),
    ("ScatterElements", &[1], "indices"),
    ("ScatterND", &[1], "indices"),
    ("Slice", &[1, 2, 3, 4], "starts, ends, axes, steps"),
    ("Split", &[1], "lengths"),
    ("Squeeze", &[1], "axes"),
    ("Tile", &[1], "repeats"),
    ("TopK", &[1], "k"),
    ("Trilu", &[1], "diagonal"),
    ("Unsqueeze", &[1], "axes"),
    ("Upsample", &[1], "scales"),
];

/// Names of the values in baked slots.
pub(crate) fn slots(nodes: &[pb::NodeProto]) -> Vec<String> {
    let mut names = Vec::new();
    for node in nodes {
        for (operator, slots, _) in SLOTS {
            if node.op_type == *operator {
                let of = |&slot: &usize| node.input.get(slot).filter(|name| !name.is_empty());
                names.extend(slots.iter().filter_map(of).cloned());
            }
        }
    }
    names
}

/// The operator that a case tests: that of its only node, or of its first.
pub(crate) fn operator(nodes: &[pb::NodeProto]) -> String {
    nodes
        .first()
        .map_or("", |node| node.op_type.as_str())
        .to_owned()
}
