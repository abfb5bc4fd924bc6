//! One suite of small models, an operator or two each, run by tract, by the float graph and by the
//! integer interpreter; and what must be refused.

use super::testing::{uniform, Attr, ModelBuilder};
use super::{load, ImportError, Reference};
use crate::quantize::skeleton::{Op, Reveal, Skeleton};
use crate::quantize::{quantize, quantize_input, report, QuantizeOptions, Values};

use Attr::{Float, Floats, Int, Ints};

/// Whether tract agrees on the operator's semantics (it does not know all of `ai.onnx.ml`).
#[derive(Clone, Copy, PartialEq)]
enum Tract {
    Agrees,
    Skipped,
}

struct Problem {
    name: &'static str,
    model: ModelBuilder,
    tract: Tract,
    tolerance: f64,
    /// Operators expected after folding.
    operators: Option<&'static [&'static str]>,
}

fn x(opset: i64) -> ModelBuilder {
    ModelBuilder::new(opset).input("x", &[0, 4]).output("y", 1)
}

fn image(opset: i64) -> ModelBuilder {
    ModelBuilder::new(opset)
        .input("x", &[0, 2, 3, 2])
        .output("y", 1)
}

fn problem(name: &'static str, model: ModelBuilder) -> Problem {
    Problem {
        name,
        model,
        tract: Tract::Agrees,
        tolerance: 1e-3,
        operators: None,
    }
}

impl Problem {
    fn folds_to(mut self, operators: &'static [&'static str]) -> Self {
        self.operators = Some(operators);
        self
    }

    fn without_tract(mut self) -> Self {
        self.tract = Tract::Skipped;
        self
    }
}

/// `h = x W + b`, 4 to `m`.
fn dense(
    model: ModelBuilder,
    input: &str,
    output: &str,
    k: i64,
    m: i64,
    seed: u64,
) -> ModelBuilder {
    let (w, b) = (format!("w_{output}"), format!("b_{output}"));
    model
        .floats(&w, &[k, m], &uniform(seed, (k * m) as usize))
        .floats(&b, &[m], &uniform(seed + 1, m as usize))
        .node("Gemm", &[input, &w, &b], output, &[])
}

fn suite() -> Vec<Problem> {
    let c4 = || uniform(7, 4);
    let positive = || c4().iter().map(|v| v + 1.5).collect::<Vec<f32>>();
    let stats = |m: ModelBuilder, n: i64| {
        let n_ = n as usize;
        let var: Vec<f32> = uniform(4, n_).iter().map(|v| v + 1.2).collect();
        m.floats("s", &[n], &uniform(1, n_))
            .floats("o", &[n], &uniform(2, n_))
            .floats("mean", &[n], &uniform(3, n_))
            .floats("var", &[n], &var)
    };
    let bn = |m: ModelBuilder, input: &str, output: &str| {
        m.node(
            "BatchNormalization",
            &[input, "s", "o", "mean", "var"],
            output,
            &[("epsilon", Float(1e-3))],
        )
    };
    vec![
        problem("gemm", dense(x(13), "x", "y", 4, 3, 1)).folds_to(&["Linear"]),
        problem(
            "gemm with alpha, beta, transB",
            x(13)
                .floats("w", &[3, 4], &uniform(1, 12))
                .floats("b", &[1, 3], &uniform(2, 3))
                .node(
                    "Gemm",
                    &["x", "w", "b"],
                    "y",
                    &[
                        ("transB", Int(1)),
                        ("alpha", Float(0.5)),
                        ("beta", Float(-2.0)),
                    ],
                ),
        ),
        problem(
            "matmul, add",
            x(13)
                .floats("w", &[4, 3], &uniform(1, 12))
                .floats("b", &[3], &uniform(2, 3))
                .node("MatMul", &["x", "w"], "h", &[])
                .node("Add", &["b", "h"], "y", &[]),
        )
        .folds_to(&["Linear"]),
        problem(
            "matmul on positions",
            ModelBuilder::new(13)
                .input("x", &[0, 3, 4])
                .output("y", 1)
                .floats("w", &[4, 2], &uniform(1, 8))
                .node("MatMul", &["x", "w"], "y", &[]),
        ),
        problem(
            "matmul with the constant on the left",
            ModelBuilder::new(13)
                .input("x", &[0, 3, 4])
                .output("y", 1)
                .floats("w", &[2, 3], &uniform(1, 6))
                .node("MatMul", &["w", "x"], "y", &[]),
        ),
        problem(
            "standardised input",
            dense(
                x(13)
                    .floats("mean", &[4], &c4())
                    .floats("std", &[4], &positive())
                    .node("Sub", &["x", "mean"], "a", &[])
                    .node("Div", &["a", "std"], "c", &[]),
                "c",
                "y",
                4,
                3,
                1,
            ),
        )
        .folds_to(&["Linear"]),
        problem(
            "add constant",
            x(13)
                .floats("c", &[4], &c4())
                .node("Add", &["x", "c"], "y", &[]),
        ),
        problem(
            "constant minus",
            x(13)
                .floats("c", &[1], &[0.7])
                .node("Sub", &["c", "x"], "y", &[]),
        ),
        problem(
            "mul constant",
            x(13)
                .floats("c", &[4], &c4())
                .node("Mul", &["x", "c"], "y", &[]),
        ),
        problem(
            "mul by a channel",
            image(13)
                .floats("c", &[2, 1, 1], &[0.3, -0.9])
                .node("Mul", &["x", "c"], "y", &[]),
        ),
        problem("mul of activations", {
            let m = dense(x(13), "x", "a", 4, 3, 1);
            dense(m, "x", "b", 4, 3, 5).node("Mul", &["a", "b"], "y", &[])
        }),
        problem("residual add", {
            dense(x(13), "x", "h", 4, 4, 1)
                .node("Relu", &["h"], "r", &[])
                .node("Add", &["r", "x"], "y", &[])
        })
        .folds_to(&["Linear", "Relu", "Add"]),
        problem("sub of activations, relu", {
            dense(x(13), "x", "h", 4, 4, 1)
                .node("Sub", &["x", "h"], "s", &[])
                .node("Relu", &["s"], "y", &[])
        }),
        problem("leaky relu", {
            dense(x(13), "x", "h", 4, 3, 1).node("LeakyRelu", &["h"], "y", &[("alpha", Float(0.1))])
        }),
        problem(
            "clip by operands",
            x(13)
                .floats("lo", &[], &[-0.25])
                .floats("hi", &[], &[0.5])
                .node("Clip", &["x", "lo", "hi"], "y", &[]),
        ),
        problem(
            "clip above only",
            x(13)
                .floats("hi", &[], &[0.5])
                .node("Clip", &["x", "", "hi"], "y", &[]),
        ),
        problem("clip by attributes", {
            x(6).node(
                "Clip",
                &["x"],
                "y",
                &[("min", Float(0.0)), ("max", Float(0.6))],
            )
        }),
        problem(
            "sigmoid",
            dense(x(13), "x", "h", 4, 3, 1).node("Sigmoid", &["h"], "y", &[]),
        ),
        problem(
            "tanh",
            dense(x(13), "x", "h", 4, 3, 1).node("Tanh", &["h"], "y", &[]),
        ),
        problem(
            "softmax",
            dense(x(13), "x", "h", 4, 5, 1).node("Softmax", &["h"], "y", &[]),
        ),
        problem(
            "softmax along an inner axis",
            image(13).node("Softmax", &["x"], "y", &[("axis", Int(2))]),
        ),
        problem(
            "softmax of opset 11",
            image(11).node("Softmax", &["x"], "y", &[("axis", Int(2))]),
        )
        .without_tract(),
        problem("flatten", image(13).node("Flatten", &["x"], "y", &[])).folds_to(&[]),
        problem(
            "reshape",
            image(13)
                .ints("s", &[0, -1, 6])
                .node("Reshape", &["x", "s"], "y", &[]),
        ),
        problem(
            "transpose",
            image(13).node("Transpose", &["x"], "y", &[("perm", Ints(&[0, 3, 1, 2]))]),
        ),
        problem(
            "squeeze and unsqueeze by attribute",
            x(11)
                .node("Unsqueeze", &["x"], "u", &[("axes", Ints(&[1, 3]))])
                .node("Squeeze", &["u"], "y", &[("axes", Ints(&[3]))]),
        ),
        problem(
            "squeeze and unsqueeze by operand",
            x(13)
                .ints("a", &[1])
                .node("Unsqueeze", &["x", "a"], "u", &[])
                .node("Squeeze", &["u", "a"], "y", &[]),
        )
        .folds_to(&[]),
        problem("concat", {
            dense(x(13), "x", "h", 4, 3, 1).node("Concat", &["h", "x"], "y", &[("axis", Int(1))])
        }),
        problem(
            "slice with a negative step",
            image(13)
                .ints("from", &[-1])
                .ints("to", &[i64::MIN + 1])
                .ints("axis", &[2])
                .ints("step", &[-2])
                .node("Slice", &["x", "from", "to", "axis", "step"], "y", &[]),
        ),
        problem(
            "slice by attributes",
            x(9).node(
                "Slice",
                &["x"],
                "y",
                &[
                    ("starts", Ints(&[1])),
                    ("ends", Ints(&[-1])),
                    ("axes", Ints(&[1])),
                ],
            ),
        ),
        problem(
            "gather",
            x(13)
                .ints("i", &[2, 0, -1])
                .node("Gather", &["x", "i"], "y", &[("axis", Int(1))]),
        ),
        problem("batch normalisation after a layer", {
            bn(stats(dense(x(13), "x", "h", 4, 3, 1), 3), "h", "n").node("Relu", &["n"], "y", &[])
        })
        .folds_to(&["Linear", "Relu"]),
        problem("batch normalisation before a layer", {
            dense(bn(stats(x(13), 4), "x", "n"), "n", "y", 4, 3, 9)
        })
        .folds_to(&["Linear"]),
        problem(
            "batch normalisation of channels",
            bn(stats(image(13), 2), "x", "y"),
        )
        .folds_to(&["Affine"]),
        problem("shape computations", {
            // x.view(x.size(0), -1), as exporters write it
            image(13)
                .ints("zero", &[0])
                .ints("minus", &[-1])
                .node("Shape", &["x"], "shape", &[])
                .node("Gather", &["shape", "zero"], "n", &[("axis", Int(0))])
                .node("Concat", &["n", "minus"], "target", &[("axis", Int(0))])
                .node("Reshape", &["x", "target"], "y", &[])
        })
        .folds_to(&[]),
        problem("dropout", x(13).node("Dropout", &["x"], "y", &[])).folds_to(&[]),
        problem("scaler", {
            x(13).node(
                "ml.Scaler",
                &["x"],
                "y",
                &[
                    ("offset", Floats(&[0.1, 0.2, 0.3, 0.4])),
                    ("scale", Floats(&[2.0])),
                ],
            )
        })
        .without_tract(),
    ]
}

#[test]
fn suite_agrees_with_tract_and_with_the_integer_model() {
    for problem in suite() {
        let name = problem.name;
        let bytes = problem.model.bytes();
        let graph = load(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        if let Some(expected) = problem.operators {
            let names: Vec<&str> = graph.operators().into_iter().map(|(n, _)| n).collect();
            assert_eq!(names, expected, "{name}");
        }
        let quantized = quantize(&graph, &[], &QuantizeOptions::default())
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let model = quantized.model;
        model.check().unwrap_or_else(|e| panic!("{name}: {e}"));
        let encoded = model.skeleton.to_bytes();
        assert_eq!(
            Skeleton::from_bytes(&encoded).as_ref(),
            Ok(&model.skeleton),
            "{name}"
        );

        let reference = (problem.tract == Tract::Agrees)
            .then(|| Reference::load(&bytes, &graph).unwrap_or_else(|e| panic!("{name}: {e}")));
        for seed in 100..120 {
            let row: Vec<f64> = uniform(seed, graph.inputs[0].len())
                .iter()
                .map(|&v| 3.0 * f64::from(v))
                .collect();
            let floats = graph.eval(std::slice::from_ref(&row));
            if let Some(reference) = &reference {
                let theirs = reference.run(std::slice::from_ref(&row)).unwrap();
                let theirs = theirs[0].as_ref().unwrap();
                assert_eq!(theirs.len(), floats[0].len(), "{name}");
                for (a, b) in theirs.iter().zip(&floats[0]) {
                    assert!((a - b).abs() < 2e-5, "{name}: tract {a}, float graph {b}");
                }
            }
            let integers: Vec<i64> = row
                .iter()
                .enumerate()
                .map(|(i, &v)| quantize_input(&model.skeleton.inputs[0], i, v).unwrap().0)
                .collect();
            let outputs = model.outputs_of(&model.eval(&integers));
            let Values::Numbers(got) = &outputs[0].values else {
                panic!("{name}: numbers")
            };
            for (a, b) in got.iter().zip(&floats[0]) {
                assert!(
                    (a - b).abs() < problem.tolerance,
                    "{name}: integer {a}, float {b}"
                );
            }
        }
    }
}

/// A 5-10-1 network with a sigmoid, other weights for each seed.
fn small(seed: u64) -> Vec<u8> {
    let m = ModelBuilder::new(13).input("x", &[1, 5]).output("y", 1);
    let m = dense(m, "x", "h", 5, 10, seed).node("Relu", &["h"], "r", &[]);
    dense(m, "r", "z", 10, 1, seed + 10)
        .node("Sigmoid", &["z"], "y", &[])
        .bytes()
}

#[test]
fn skeletons_do_not_depend_on_the_weights() {
    // Weights of zero and equal weights included: no pass looks at them.
    let zeros = {
        let m = ModelBuilder::new(13).input("x", &[1, 5]).output("y", 1);
        m.floats("w", &[5, 10], &[0.0; 50])
            .floats("b", &[10], &[0.0; 10])
            .floats("v", &[10, 1], &[1.0; 10])
            .floats("c", &[1], &[0.0])
            .node("Gemm", &["x", "w", "b"], "h", &[])
            .node("Relu", &["h"], "r", &[])
            .node("Gemm", &["r", "v", "c"], "z", &[])
            .node("Sigmoid", &["z"], "y", &[])
            .bytes()
    };
    for reveal in [Reveal::Outputs, Reveal::Decision] {
        let options = QuantizeOptions {
            reveal,
            weight_bits: Some(14),
            bias_bits: Some(32),
            ..QuantizeOptions::default()
        };
        let skeleton = |bytes: &[u8]| {
            quantize(&load(bytes).unwrap(), &[], &options)
                .unwrap()
                .model
                .skeleton
                .to_bytes()
        };
        let first = skeleton(&small(1));
        assert_eq!(first, skeleton(&small(2)));
        assert_eq!(first, skeleton(&zeros));
    }
}

#[test]
fn small_network_needs_few_operations() {
    let graph = load(&small(1)).unwrap();
    let ops = |reveal| {
        let options = QuantizeOptions {
            reveal,
            ..QuantizeOptions::default()
        };
        quantize(&graph, &[], &options).unwrap().model.skeleton.ops
    };
    use Op::{Clamp, Function, Linear, Local};
    let outputs = ops(Reveal::Outputs);
    assert!(matches!(
        outputs[..],
        [Linear { .. }, Linear { .. }, Clamp { .. }, Function { .. }]
    ));
    let decision = ops(Reveal::Decision);
    assert!(matches!(
        decision[..],
        [Linear { .. }, Linear { .. }, Local { .. }]
    ));
}

#[test]
fn classifier_releases_its_label() {
    let model = ModelBuilder::new(13)
        .input("x", &[0, 4])
        .output("label", 8)
        .output("p", 1);
    let bytes = dense(model, "x", "z", 4, 3, 1)
        .strings("classes", &["low", "middle", "high"])
        .ints("flat", &[-1])
        .node("Softmax", &["z"], "p", &[])
        .node("ArgMax", &["p"], "i", &[("axis", Int(1))])
        .node("ml.ArrayFeatureExtractor", &["classes", "i"], "l", &[])
        .node("Reshape", &["l", "flat"], "label", &[])
        .bytes();
    let graph = load(&bytes).unwrap();
    assert_eq!(graph.outputs[0].shape, [0usize; 0]);
    let rows: Vec<Vec<Vec<f64>>> = (0..50)
        .map(|seed| vec![uniform(seed, 4).into_iter().map(f64::from).collect()])
        .collect();
    let options = QuantizeOptions::default();
    let report = report(&bytes, &graph, &rows, &options).unwrap();
    let decision = report.decision.unwrap();
    assert_eq!(
        (decision.agreements, decision.decision.as_str()),
        (50, "label")
    );
    assert_eq!(report.outputs[0].argmax_agreements, 50);
    assert!(report.outputs[1].max_abs < 1e-3);
    let options = QuantizeOptions {
        reveal: Reveal::Decision,
        ..options
    };
    let model = quantize(&graph, &rows, &options).unwrap().model;
    let scalars = model.eval(&[0; 4]);
    assert!((0..3).contains(&model.released_of(&scalars)[0]));
    assert!(matches!(&model.outputs_of(&scalars)[0].values, Values::Labels(l) if l.len() == 1));
}

#[test]
fn lists_every_unsupported_node() {
    let bytes = x(13)
        .node("NonZero", &["x"], "a", &[])
        .node("Relu", &["a"], "b", &[])
        .node("Transpose", &["x"], "t", &[("perm", Ints(&[1, 0]))])
        .node("Softmax", &["t"], "s", &[("axis", Int(1))])
        .node("Loop", &["b"], "y", &[])
        .bytes();
    let Err(ImportError::Unsupported { nodes }) = load(&bytes) else {
        panic!("unsupported nodes were expected");
    };
    let names: Vec<(&str, &str)> = nodes
        .iter()
        .map(|n| (n.node.as_str(), n.operator.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("node_a", "NonZero"),
            ("node_s", "Softmax"),
            ("node_y", "Loop")
        ]
    );
    assert!(nodes[1].reason.contains("rows"));
    assert_eq!(nodes[2].nearest, "the loop unrolled");
}

#[test]
fn refuses_what_mixes_rows() {
    let refused = |model: ModelBuilder| {
        let error = load(&model.bytes());
        matches!(error, Err(ImportError::Unsupported { nodes }) if nodes[0].reason.contains("rows"))
    };
    assert!(refused(x(13).ints("s", &[-1]).node(
        "Reshape",
        &["x", "s"],
        "y",
        &[]
    )));
    assert!(refused(x(13).node(
        "Flatten",
        &["x"],
        "y",
        &[("axis", Int(0))]
    )));
    assert!(refused(x(13).node(
        "ArgMax",
        &["x"],
        "y",
        &[("axis", Int(0))]
    )));
    assert!(refused(x(13).node(
        "Concat",
        &["x", "x"],
        "y",
        &[("axis", Int(0))]
    )));
    assert!(refused(x(13).floats("c", &[3, 4], &[0.5; 12]).node(
        "Add",
        &["x", "c"],
        "y",
        &[]
    )));
    assert!(refused(x(13).ints("a", &[0]).node(
        "Squeeze",
        &["x", "a"],
        "y",
        &[]
    )));
}

/// Two slices of one axis would add up to a position outside it.
#[test]
fn an_axis_sliced_twice_is_refused() {
    let bytes = x(13)
        .floats("c", &[4], &[0.5; 4])
        .ints("starts", &[3, 3])
        .ints("ends", &[4, 4])
        .ints("axes", &[0, -1])
        .node("Slice", &["c", "starts", "ends", "axes"], "s", &[])
        .node("Add", &["x", "s"], "y", &[])
        .bytes();
    assert!(
        matches!(load(&bytes), Err(ImportError::Node { reason, .. }) if reason.contains("twice"))
    );
}

/// A string counts by its length, or a small file could ask for terabytes.
#[test]
fn repeated_strings_are_limited() {
    let long = "s".repeat(4096);
    let repeated = |times: i64| {
        x(13)
            .strings("s", &[&long])
            .ints("shape", &[times])
            .node("Expand", &["s", "shape"], "t", &[])
            .node("Relu", &["x"], "y", &[])
            .bytes()
    };
    assert!(load(&repeated(1 << 10)).is_ok());
    assert!(matches!(
        load(&repeated(1 << 20)),
        Err(ImportError::Limit {
            what: "tensor elements",
            ..
        })
    ));
}

#[test]
fn damaged_files_never_panic() {
    let models = [
        small(1),
        suite().remove(21).model.bytes(),
        suite().remove(27).model.bytes(),
    ];
    for bytes in models {
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            for value in [0, 1, 0x55, 0x80, 0xff] {
                damaged[i] = bytes[i] ^ value;
                if let Ok(graph) = load(&damaged) {
                    let _ = quantize(&graph, &[], &QuantizeOptions::default());
                }
            }
            let _ = load(&bytes[..i]);
        }
    }
}

#[test]
fn damaged_skeletons_never_panic() {
    let model = quantize(&load(&small(1)).unwrap(), &[], &QuantizeOptions::default())
        .unwrap()
        .model;
    let bytes = model.skeleton.to_bytes();
    for i in 0..bytes.len() {
        // Digits changed keep the JSON valid and reach the checks.
        for value in *b"09-]" {
            let mut damaged = bytes.clone();
            damaged[i] = value;
            let _ = Skeleton::from_bytes(&damaged);
        }
    }
    let mut spaced = bytes.clone();
    spaced.push(b' ');
    assert!(Skeleton::from_bytes(&spaced).is_err());
}
