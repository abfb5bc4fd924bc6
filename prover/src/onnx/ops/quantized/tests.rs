//! Quantised operators against their definitions, on small models: the integer model equals the graph bit for bit.

use super::super::super::testing::{Attr, ModelBuilder};
use super::super::super::{load, Graph, ImportError};
use crate::quantize::skeleton::{InputEncoding, Op, OutputKind, Reveal};
use crate::quantize::{quantize, quantize_input, QuantizeOptions, Values};

use Attr::{Int, Ints};

const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT8: i32 = 3;
const INT32: i32 = 6;

/// x: [N, width] as uint8 `x_q`, scale `x_scale`, zero point 3.
fn quantised(width: i64, x_scale: f32) -> ModelBuilder {
    ModelBuilder::new(17)
        .input("x", &[0, width])
        .floats("x_scale", &[], &[x_scale])
        .typed("x_zero", UINT8, &[], &[3])
        .floats("y_scale", &[], &[0.25])
        .typed("y_zero", UINT8, &[], &[10])
        .node("QuantizeLinear", &["x", "x_scale", "x_zero"], "x_q", &[])
}

/// y_q to the output y.
fn released(model: ModelBuilder) -> ModelBuilder {
    model
        .node("DequantizeLinear", &["y_q", "y_scale", "y_zero"], "y", &[])
        .output("y", FLOAT)
}

fn graph(model: ModelBuilder) -> Graph {
    load(&model.bytes()).unwrap_or_else(|e| panic!("{e}"))
}

/// Outputs of the integer model, after comparing them with the graph's.
fn outputs(graph: &Graph, row: &[f64]) -> Vec<f64> {
    let model = quantize(graph, &[], &QuantizeOptions::default())
        .unwrap_or_else(|e| panic!("{e}"))
        .model;
    model.check().unwrap_or_else(|e| panic!("{e}"));
    let spec = &model.skeleton.inputs[0];
    let values = row.iter().enumerate();
    let integers: Vec<i64> = values
        .map(|(i, &v)| quantize_input(spec, i, v).unwrap().0)
        .collect();
    let all = model.outputs_of(&model.eval(&integers));
    let numbers = match all.into_iter().next().unwrap().values {
        Values::Numbers(v) => v,
        Values::Integers(v) => v.into_iter().map(|i| i as f64).collect(),
        Values::Labels(v) => panic!("labels {v:?}"),
    };
    assert_eq!(numbers, graph.eval(&[row.to_vec()])[0], "row {row:?}");
    numbers
}

fn refusal(model: ModelBuilder) -> String {
    match load(&model.bytes()) {
        Err(ImportError::Unsupported { nodes }) => {
            assert_eq!(nodes.len(), 1, "{nodes:?}");
            nodes[0].to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cluster_rounds_ties_to_even_and_saturates() {
    let model = quantised(2, 0.5)
        .typed("w", INT8, &[2, 1], &[1, 2])
        .floats("w_scale", &[], &[0.25])
        .typed("w_zero", INT8, &[], &[0])
        .typed("b", INT32, &[1], &[1])
        .floats("b_scale", &[], &[0.125])
        .node(
            "DequantizeLinear",
            &["x_q", "x_scale", "x_zero"],
            "x_d",
            &[],
        )
        .node("DequantizeLinear", &["w", "w_scale", "w_zero"], "w_d", &[])
        .node("DequantizeLinear", &["b", "b_scale"], "b_d", &[])
        .node("Gemm", &["x_d", "w_d", "b_d"], "g", &[])
        .node("QuantizeLinear", &["g", "y_scale", "y_zero"], "y_q", &[]);
    let graph = graph(released(model));
    // The factor is 0.5 0.25 / 0.25 = 1/2: sums 1 and 3 are ties, and go to 0 and 2.
    assert_eq!(outputs(&graph, &[0.0, 0.0]), [0.0]);
    assert_eq!(outputs(&graph, &[0.0, 0.5]), [2.0 * 0.25]);
    assert_eq!(outputs(&graph, &[0.5, 0.0]), [1.0 * 0.25]);
    // 10 and 245 steps away from zero the type ends; inputs saturate too.
    assert_eq!(outputs(&graph, &[-1e9, -1e9]), [-4.0 * 0.25]);
    assert_eq!(outputs(&graph, &[1e9, 1e9]), [245.0 * 0.25]);
}

#[test]
fn both_formats_give_one_skeleton() {
    let weights = |model: ModelBuilder| {
        model
            .typed("w", UINT8, &[3, 2], &[7, 250, 130, 0, 255, 90])
            .floats("w_scale", &[3], &[0.01, 0.002, 0.03])
            .typed("w_zero", UINT8, &[3], &[128, 3, 255])
            .typed("b", INT32, &[3], &[-700, 12, 3000])
            .floats("b_scale", &[3], &[0.001, 0.0002, 0.003])
    };
    let qdq = weights(quantised(2, 0.1))
        .node(
            "DequantizeLinear",
            &["x_q", "x_scale", "x_zero"],
            "x_d",
            &[],
        )
        .node(
            "DequantizeLinear",
            &["w", "w_scale", "w_zero"],
            "w_d",
            &[("axis", Int(0))],
        )
        .node(
            "DequantizeLinear",
            &["b", "b_scale"],
            "b_d",
            &[("axis", Int(0))],
        )
        .node("Gemm", &["x_d", "w_d", "b_d"], "g", &[("transB", Int(1))])
        .node("QuantizeLinear", &["g", "y_scale", "y_zero"], "y_q", &[]);
    let operands = [
        "x_q", "x_scale", "x_zero", "w", "w_scale", "w_zero", "b", "y_scale", "y_zero",
    ];
    let operator =
        weights(quantised(2, 0.1)).node("ms.QGemm", &operands, "y_q", &[("transB", Int(1))]);
    let (qdq, operator) = (graph(released(qdq)), graph(released(operator)));
    let skeleton = |graph: &Graph| {
        let quantized = quantize(graph, &[], &QuantizeOptions::default()).unwrap();
        assert_eq!(quantized.roundings, []);
        quantized.model
    };
    assert_eq!(skeleton(&qdq), skeleton(&operator));
    let factors = [0.01f32, 0.002, 0.03].map(|w| 0.1 * w / 0.25);
    for row in [[0.0, 0.0], [3.3, -0.2], [25.0, 11.1], [-9.0, 100.0]] {
        let x = row.map(|x: f64| ((x as f32 / 0.1).round_ties_even() as i64 + 3).clamp(0, 255) - 3);
        let w = [[7 - 128, 250 - 128], [130 - 3, -3], [0, 90 - 255]];
        let sums = [0, 1, 2].map(|j| w[j][0] * x[0] + w[j][1] * x[1] + [-700, 12, 3000][j]);
        let y = [0, 1, 2].map(|j| {
            let q = (sums[j] as f32 * factors[j]).round_ties_even() as i64;
            f64::from((q + 10).clamp(0, 255) as f32 - 10.0) * 0.25
        });
        assert_eq!(outputs(&qdq, &row), y, "{row:?}");
        assert_eq!(outputs(&operator, &row), y, "{row:?}");
    }
}

#[test]
fn the_input_and_the_output_keep_their_scales() {
    let model = quantised(4, 0.1).node("DequantizeLinear", &["x_q", "x_scale", "x_zero"], "y", &[]);
    let graph = graph(model.output("y", FLOAT));
    let model = quantize(&graph, &[], &QuantizeOptions::default())
        .unwrap()
        .model;
    let input = &model.skeleton.inputs[0];
    let scale = 0.1f32.to_bits();
    assert_eq!(
        input.encoding,
        InputEncoding::Affine {
            scale,
            zero_point: 3 - 128
        }
    );
    assert_eq!((input.range_bits, input.scale_bits), (7, 0));
    assert_eq!(
        model.skeleton.outputs[0].kind,
        OutputKind::Affine {
            scales: vec![scale],
            zero_point: 3 - 128
        }
    );
    assert!(model.skeleton.ops.is_empty(), "{:?}", model.skeleton.ops);
    let scaled = |q: f32| f64::from(q * 0.1);
    assert_eq!(
        outputs(&graph, &[0.25, 0.05, -7.0, 99.0]),
        [scaled(2.0), scaled(0.0), scaled(-3.0), scaled(252.0)]
    );
}

#[test]
fn functions_of_one_tensor_become_one_table() {
    let model = quantised(3, 0.1)
        .node(
            "DequantizeLinear",
            &["x_q", "x_scale", "x_zero"],
            "x_d",
            &[],
        )
        .node("LeakyRelu", &["x_d"], "l", &[("alpha", Attr::Float(0.5))])
        .node("Tanh", &["l"], "t", &[])
        .node("Reshape", &["t", "shape"], "r", &[])
        .ints("shape", &[-1, 3, 1])
        .node("QuantizeLinear", &["r", "y_scale", "y_zero"], "y_q", &[]);
    let graph = graph(released(model));
    let model = quantize(&graph, &[], &QuantizeOptions::default())
        .unwrap()
        .model;
    let [Op::Function { .. }] = model.skeleton.ops.as_slice() else {
        panic!("{:?}", model.skeleton.ops);
    };
    assert_eq!(model.skeleton.functions[0].segment_bits, 0);
    for q in -3..=252 {
        let x = f64::from(q as f32 * 0.1);
        let x = if x < 0.0 { 0.5 * x } else { x };
        let y = ((x.tanh() / 0.25).round_ties_even()).clamp(-10.0, 245.0) * 0.25;
        let row = [f64::from(q) * 0.1, 0.0, f64::from(q) * 0.1];
        assert_eq!(outputs(&graph, &row), [y, 0.0, y]);
    }
}

#[test]
fn moves_and_maxima_work_on_integers() {
    let model = quantised(16, 1.0)
        .node(
            "DequantizeLinear",
            &["x_q", "x_scale", "x_zero"],
            "x_d",
            &[],
        )
        .ints("shape", &[-1, 1, 4, 4])
        .node("Reshape", &["x_d", "shape"], "r", &[])
        .node(
            "MaxPool",
            &["r"],
            "m",
            &[("kernel_shape", Ints(&[2, 2])), ("strides", Ints(&[2, 2]))],
        )
        .node("Transpose", &["m"], "t", &[("perm", Ints(&[0, 1, 3, 2]))])
        .node("Flatten", &["t"], "f", &[])
        .node("QuantizeLinear", &["f", "x_scale", "x_zero"], "y_q", &[]);
    let model = model
        .node("DequantizeLinear", &["y_q", "x_scale", "x_zero"], "y", &[])
        .output("y", FLOAT);
    let graph = graph(model);
    let row: Vec<f64> = (0..16).map(|i| f64::from((i * 7) % 16)).collect();
    assert_eq!(outputs(&graph, &row), [12.0, 15.0, 14.0, 13.0]);
}

#[test]
fn sums_and_products_of_two_tensors() {
    for (operator, scale) in [("Add", 0.37f32), ("Mul", 1.9)] {
        let model = quantised(4, 0.1)
            .floats("c_scale", &[], &[0.3])
            .typed("c_zero", UINT8, &[], &[100])
            .typed("c", UINT8, &[4], &[0, 90, 101, 255])
            .floats("s", &[], &[scale])
            .node(
                "DequantizeLinear",
                &["x_q", "x_scale", "x_zero"],
                "x_d",
                &[],
            )
            .node("DequantizeLinear", &["c", "c_scale", "c_zero"], "c_d", &[])
            .node(operator, &["x_d", "c_d"], "o", &[])
            .node("QuantizeLinear", &["o", "s", "y_zero"], "y_q", &[])
            .node("DequantizeLinear", &["y_q", "s", "y_zero"], "y", &[])
            .output("y", FLOAT);
        let graph = graph(model);
        for q in (-3..=252).step_by(5) {
            let y = outputs(&graph, &[f64::from(q) * 0.1; 4]);
            for (y, c) in y.iter().zip([0, 90, 101, 255]) {
                let (x, c) = (f64::from(q) * 0.1, f64::from(c - 100) * 0.3);
                let exact = if operator == "Add" { x + c } else { x * c };
                let bound = f64::from(scale);
                let held = exact.clamp(-10.0 * bound, 245.0 * bound);
                assert!((y - held).abs() <= 0.501 * bound, "{operator} {x} {c}: {y}");
            }
        }
    }
}

#[test]
fn softmax_rounds_ties_to_even() {
    let model = quantised(6, 0.1)
        .floats("p_scale", &[], &[0.00392])
        .typed("p_zero", UINT8, &[], &[0])
        .node(
            "DequantizeLinear",
            &["x_q", "x_scale", "x_zero"],
            "x_d",
            &[],
        )
        .node("Softmax", &["x_d"], "p", &[])
        .node("QuantizeLinear", &["p", "p_scale", "p_zero"], "y_q", &[])
        .output("y_q", UINT8);
    let graph = graph(model);
    // 255 / 6 = 42.5
    assert_eq!(outputs(&graph, &[1.0; 6]), [42.0; 6]);
    let sure = [25.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(outputs(&graph, &sure), [255.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(
        outputs(&graph, &[2.0, 2.0, -0.3, -0.3, -0.3, -0.3])[0],
        106.0
    );
}

#[test]
fn averages_are_of_the_sum() {
    let model = quantised(4, 0.5)
        .ints("shape", &[-1, 1, 2, 2])
        .node("Reshape", &["x_q", "shape"], "r", &[])
        .node(
            "ms.QLinearGlobalAveragePool",
            &["r", "x_scale", "x_zero", "y_scale", "y_zero"],
            "y_q",
            &[],
        );
    let graph = graph(released(model));
    // Sums 1, 3 of factor 0.5 / (0.25 4) = 1/2.
    assert_eq!(outputs(&graph, &[0.5, 0.0, 0.0, 0.0]), [0.0]);
    assert_eq!(outputs(&graph, &[0.5, 1.0, 0.0, 0.0]), [0.5]);
    assert_eq!(outputs(&graph, &[100.0; 4]), [61.25]);
}

#[test]
fn padding_is_the_zero_point() {
    let model = quantised(4, 1.0)
        .ints("shape", &[-1, 1, 2, 2])
        .typed("k", INT8, &[1, 1, 3, 3], &[1; 9])
        .floats("k_scale", &[], &[1.0])
        .typed("k_zero", INT8, &[], &[0])
        .floats("s", &[], &[1.0])
        .node("Reshape", &["x_q", "shape"], "r", &[])
        .node(
            "QLinearConv",
            &[
                "r", "x_scale", "x_zero", "k", "k_scale", "k_zero", "s", "y_zero",
            ],
            "c",
            &[("pads", Ints(&[1, 1, 1, 1]))],
        )
        .node("DequantizeLinear", &["c", "s", "y_zero"], "y", &[])
        .output("y", FLOAT);
    assert_eq!(outputs(&graph(model), &[1.0, 2.0, 3.0, 4.0]), [10.0; 4]);
}

#[test]
fn a_decision_is_taken_on_the_integers() {
    let model =
        quantised(3, 1e-5).node("DequantizeLinear", &["x_q", "x_scale", "x_zero"], "y", &[]);
    let graph = graph(model.output("y", FLOAT));
    let options = QuantizeOptions {
        reveal: Reveal::Decision,
        ..QuantizeOptions::default()
    };
    let model = quantize(&graph, &[], &options).unwrap().model;
    // Neighbouring integers, nearer than the fixed-point unit of a float model.
    let scalars = model.eval(&[-100, -99, -101]);
    assert_eq!(model.released_of(&scalars), [1]);
}

#[test]
fn integer_products_are_exact() {
    let model = quantised(2, 1.0)
        .typed("w", INT8, &[2, 1], &[127, -128])
        .typed("w_zero", INT8, &[], &[-5])
        .node("MatMulInteger", &["x_q", "w", "x_zero", "w_zero"], "y", &[])
        .output("y", INT32);
    assert_eq!(
        outputs(&graph(model), &[252.0, -3.0]),
        [252.0 * 132.0 + 3.0 * 123.0]
    );
}

#[test]
fn what_is_no_function_of_integers_is_refused() {
    let dynamic = ModelBuilder::new(17)
        .input("x", &[0, 2])
        .node("DynamicQuantizeLinear", &["x"], "q,s,z", &[])
        .node("DequantizeLinear", &["q", "s", "z"], "y", &[])
        .output("y", FLOAT);
    let sentence = refusal(dynamic);
    assert!(
        sentence.contains("depends on the input at run time"),
        "{sentence}"
    );

    let float = quantised(2, 0.1)
        .floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0])
        .node(
            "DequantizeLinear",
            &["x_q", "x_scale", "x_zero"],
            "x_d",
            &[],
        )
        .node("Gemm", &["x_d", "w"], "g", &[])
        .node("QuantizeLinear", &["g", "y_scale", "y_zero"], "y_q", &[]);
    let sentence = refusal(released(float));
    assert!(
        sentence.contains("node_y_q") && sentence.contains("float32"),
        "{sentence}"
    );

    let twice = quantised(2, 0.1)
        .node("QuantizeLinear", &["x", "y_scale", "y_zero"], "y_q", &[])
        .output("x_q", UINT8);
    match load(&released(twice).bytes()) {
        Err(ImportError::Input { input, reason }) => {
            assert_eq!(input, "x");
            assert!(reason.contains("two ways"), "{reason}");
        }
        other => panic!("{other:?}"),
    }

    let negative = quantised(2, -0.1)
        .node("DequantizeLinear", &["x_q", "x_scale", "x_zero"], "y", &[])
        .output("y", FLOAT);
    match load(&negative.bytes()) {
        Err(ImportError::Node { reason, .. }) => assert!(reason.contains("positive"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

/// y_q, dequantised, through a Clip or Relu and a Flatten to the output y.
fn bounded(operator: &str, bounds: &[(&str, f32)]) -> Graph {
    let mut model = quantised(2, 0.25).node(
        "DequantizeLinear",
        &["x_q", "x_scale", "x_zero"],
        "x_d",
        &[],
    );
    let mut operands = vec!["x_d"];
    for (name, bound) in bounds {
        model = model.floats(name, &[], &[*bound]);
        operands.push(name);
    }
    let model = model
        .node(operator, &operands, "c", &[])
        .node("Flatten", &["c"], "y", &[])
        .output("y", FLOAT);
    graph(model)
}

#[test]
fn clip_behind_the_last_integers_is_exact_where_its_bounds_fall_on_them() {
    for (bounds, expected) in [
        (&[("lo", -0.5), ("hi", 6.0)][..], [-0.5, 6.0]),
        (&[("lo", 0.0)], [0.0, 63.0]),
        // Beyond the type: nothing to clip.
        (&[("lo", -1.1), ("hi", 1e9)], [-0.75, 63.0]),
    ] {
        let graph = bounded("Clip", bounds);
        assert_eq!(outputs(&graph, &[-1e9, 1e9]), expected);
        assert_eq!(outputs(&graph, &[0.25, 1.5]), [0.25, 1.5]);
        let quantized = quantize(&graph, &[], &QuantizeOptions::default()).unwrap();
        let kind = &quantized.model.skeleton.outputs[0].kind;
        assert!(matches!(kind, OutputKind::Affine { .. }), "{kind:?}");
        assert!(quantized.roundings.is_empty());
    }
    let relu = bounded("Relu", &[]);
    assert_eq!(outputs(&relu, &[-1e9, 1e9]), [0.0, 63.0]);
}

#[test]
fn other_float_operators_behind_the_last_integers_are_noted() {
    // 6.1 is no multiple of 0.25.
    let graph = bounded("Clip", &[("lo", 0.0), ("hi", 6.1)]);
    let quantized = quantize(&graph, &[], &QuantizeOptions::default()).unwrap();
    let [noted] = quantized.roundings.as_slice() else {
        panic!("{:?}", quantized.roundings)
    };
    assert_eq!((noted.value.as_str(), noted.count), ("c", 2));
    assert!(noted.what.contains("fixed point"), "{}", noted.what);
}

#[test]
fn channels_of_activations_may_have_zero_points_of_their_own() {
    let model = quantised(2, 0.25)
        .floats("scales", &[2], &[0.5, 0.125])
        .typed("zeros", UINT8, &[2], &[1, 7])
        .node(
            "DequantizeLinear",
            &["x_q", "scales", "zeros"],
            "y",
            &[("axis", Int(1))],
        )
        .output("y", FLOAT);
    // Integers 3 and 5.
    assert_eq!(outputs(&graph(model), &[0.0, 0.5]), [1.0, -0.25]);
}

#[test]
fn unsigned_integers_above_127_fit_their_type() {
    let graph = graph(quantised(1, 0.25).output("x_q", UINT8));
    let quantized = quantize(&graph, &[vec![vec![60.0]]], &QuantizeOptions::default());
    let model = quantized.unwrap_or_else(|e| panic!("{e}")).model;
    let (q, saturated) = quantize_input(&model.skeleton.inputs[0], 0, 60.0).unwrap();
    assert!(!saturated);
    assert_eq!(
        model.outputs_of(&model.eval(&[q]))[0].values,
        Values::Integers(vec![243])
    );
}

#[test]
fn a_mean_that_onnxruntime_keeps_in_float32_is_refused_by_name() {
    let model = quantised(2, 0.25)
        .node(
            "DequantizeLinear",
            &["x_q", "x_scale", "x_zero"],
            "x_d",
            &[],
        )
        .node("Relu", &["x_d"], "r", &[])
        .node("ReduceMean", &["r"], "m", &[("axes", Ints(&[1]))])
        .node("QuantizeLinear", &["m", "y_scale", "y_zero"], "y_q", &[]);
    let sentence = refusal(released(model));
    assert!(sentence.contains("keeps in float32"), "{sentence}");
}
