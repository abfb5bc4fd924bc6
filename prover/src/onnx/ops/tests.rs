//! Operators one by one: the float graph against values worked out by hand, the integer model against the float graph.

use super::super::testing::{Attr, ModelBuilder};
use super::super::{load, load_with, BatchDimension, Graph, ImportError};
use crate::quantize::skeleton::Missing;
use crate::quantize::{quantize, quantize_input, QuantizeError, QuantizeOptions, Values};

use Attr::{Float, Floats, Int, Ints, Text, Texts};

fn x(width: i64) -> ModelBuilder {
    ModelBuilder::new(20).input("x", &[0, width]).output("y", 1)
}

fn graph(model: ModelBuilder) -> Graph {
    load(&model.bytes()).unwrap_or_else(|e| panic!("{e}"))
}

/// All outputs of the integer model, as numbers.
fn integer(graph: &Graph, row: &[f64]) -> Vec<Vec<f64>> {
    let model = quantize(graph, &[], &QuantizeOptions::default())
        .unwrap_or_else(|e| panic!("{e}"))
        .model;
    model.check().unwrap_or_else(|e| panic!("{e}"));
    let spec = &model.skeleton.inputs[0];
    let quantized = row
        .iter()
        .enumerate()
        .map(|(i, &v)| quantize_input(spec, i, v).unwrap().0);
    let scalars = model.eval(&quantized.collect::<Vec<_>>());
    let outputs = model.outputs_of(&scalars).into_iter();
    outputs
        .map(|output| match output.values {
            Values::Numbers(v) => v,
            Values::Integers(v) => v.into_iter().map(|i| i as f64).collect(),
            Values::Labels(v) => panic!("labels {v:?}"),
        })
        .collect()
}

/// The first output is `expected`, of both models; the integer one within `tolerance`.
fn check(name: &str, model: ModelBuilder, row: &[f64], expected: &[f64], tolerance: f64) {
    let graph = graph(model);
    let float = graph.eval(&[row.to_vec()]);
    let integer = integer(&graph, row);
    assert_eq!(float[0].len(), expected.len(), "{name}");
    for (i, &e) in expected.iter().enumerate() {
        let (f, q) = (float[0][i], integer[0][i]);
        assert!(
            (f - e).abs() < 1e-6 * e.abs().max(1.0),
            "{name}: float {f} for {e}"
        );
        assert!((q - e).abs() <= tolerance, "{name}: integer {q} for {e}");
    }
}

fn unary(
    operator: &str,
    attributes: &[(&str, Attr<'_>)],
    row: &[f64],
    expected: &[f64],
    tolerance: f64,
) {
    let model = x(row.len() as i64).node(operator, &["x"], "y", attributes);
    check(operator, model, row, expected, tolerance);
}

#[test]
fn exact_functions_of_one_element() {
    let row = [-2.5, -1.5, -0.5, -1.0, 0.0, 0.5, 1.5, 2.5, 0.25];
    unary("Neg", &[], &row, &row.map(|v| -v), 0.0);
    unary("Abs", &[], &row, &row.map(f64::abs), 0.0);
    unary(
        "Sign",
        &[],
        &row,
        &[-1.0, -1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0, 1.0],
        0.0,
    );
    unary("Floor", &[], &row, &row.map(f64::floor), 0.0);
    unary("Ceil", &[], &row, &row.map(f64::ceil), 0.0);
    // Ties go to the even number.
    unary(
        "Round",
        &[],
        &row,
        &[-2.0, -2.0, 0.0, -1.0, 0.0, 0.0, 2.0, 2.0, 0.0],
        0.0,
    );
    unary("Cast", &[("to", Int(7))], &row, &row.map(f64::trunc), 0.0);
}

#[test]
fn tabled_functions() {
    let row = [-9.0, -2.0, -0.75, 0.0, 0.5, 1.0, 3.0, 9.0];
    let of = |f: fn(f64) -> f64| row.map(f);
    let softplus = |v: f64| v.exp().ln_1p();
    unary("Softplus", &[], &row, &row.map(softplus), 5e-4);
    unary(
        "Mish",
        &[],
        &row,
        &row.map(|v| v * softplus(v).tanh()),
        1e-3,
    );
    unary("Softsign", &[], &row, &of(|v| v / (1.0 + v.abs())), 1e-4);
    unary(
        "HardSigmoid",
        &[],
        &row,
        &of(|v| (0.2f32 as f64 * v + 0.5).clamp(0.0, 1.0)),
        1e-3,
    );
    unary(
        "HardSwish",
        &[],
        &row,
        &of(|v| v * (v / 6.0 + 0.5).clamp(0.0, 1.0)),
        1e-3,
    );
    unary(
        "Elu",
        &[],
        &row,
        &of(|v| if v > 0.0 { v } else { v.exp_m1() }),
        5e-4,
    );
    let small = [-9.0, -2.0, -0.75, 0.0, 0.5, 1.0, 3.0, 4.0];
    unary("Exp", &[], &small, &small.map(f64::exp), 1e-2);
    let positive = [0.001_220_703_125, 0.25, 0.5, 1.0, 2.0, 10.0, 100.0, 1500.0];
    unary("Sqrt", &[], &positive, &positive.map(f64::sqrt), 1e-3);
    unary("Log", &[], &positive, &positive.map(f64::ln), 1e-3);
    unary(
        "Reciprocal",
        &[],
        &[-4.0, -0.5, 0.25, 3.0],
        &[-0.25, -2.0, 4.0, 1.0 / 3.0],
        1e-4,
    );
    unary(
        "Erf",
        &[],
        &[-5.0, -1.0, 0.0, 0.5],
        &[-1.0, -0.842_700_79, 0.0, 0.520_499_88],
        5e-4,
    );
    unary(
        "Gelu",
        &[],
        &[-9.0, -1.0, 0.0, 1.0, 9.0],
        &[0.0, -0.158_655_25, 0.0, 0.841_344_75, 9.0],
        5e-4,
    );
    unary(
        "Gelu",
        &[("approximate", Text("tanh"))],
        &[-1.0, 1.0],
        &[-0.158_808_01, 0.841_191_99],
        5e-4,
    );
}

#[test]
fn powers() {
    let row: [f64; 4] = [-2.0, -0.5, 0.25, 3.0];
    for (exponent, expected) in [
        (1.0, row),
        (2.0, row.map(|v| v * v)),
        (3.0, row.map(|v| v.powi(3))),
        (4.0, row.map(|v| v.powi(4))),
        (-1.0, row.map(f64::recip)),
        (-2.0, row.map(|v| v.powi(-2))),
    ] {
        let model = x(4)
            .floats("e", &[], &[exponent])
            .node("Pow", &["x", "e"], "y", &[]);
        check("Pow", model, &row, &expected, 1e-3);
    }
    let model = x(4)
        .floats("e", &[], &[0.3])
        .node("Pow", &["x", "e"], "y", &[]);
    assert!(refusal(model).contains("exponent"));
}

#[test]
fn comparisons_are_exact_at_the_threshold() {
    let step = 1.0 / 4096.0;
    let row = [0.5 - step, 0.5, 0.5 + step];
    for (operator, expected) in [
        ("Less", [1.0, 0.0, 0.0]),
        ("LessOrEqual", [1.0, 1.0, 0.0]),
        ("Greater", [0.0, 0.0, 1.0]),
        ("GreaterOrEqual", [0.0, 1.0, 1.0]),
        ("Equal", [0.0, 1.0, 0.0]),
    ] {
        let constant = x(3)
            .floats("c", &[1], &[0.5])
            .node(operator, &["x", "c"], "y", &[]);
        check(operator, constant, &row, &expected, 0.0);
        // The constant first: the relation turns round.
        let turned = x(3)
            .floats("c", &[1], &[0.5])
            .node("Neg", &["x"], "n", &[])
            .floats("m", &[1], &[-0.5])
            .node(operator, &["m", "n"], "y", &[]);
        check(operator, turned, &row, &expected, 0.0);
        // Two activations: x and a copy whose elements are all the middle one.
        let both = x(3)
            .ints("i", &[1, 1, 1])
            .node("Gather", &["x", "i"], "m", &[("axis", Int(1))])
            .node(operator, &["x", "m"], "y", &[]);
        check(operator, both, &row, &expected, 0.0);
    }
    // A threshold between two multiples of the unit.
    let between = x(3)
        .floats("c", &[1], &[0.50001])
        .node("Equal", &["x", "c"], "y", &[]);
    check("Equal", between, &row, &[0.0; 3], 0.0);
}

#[test]
fn logic_and_selection() {
    let base = |m: ModelBuilder| {
        m.floats("zero", &[1], &[0.0])
            .floats("one", &[1], &[1.0])
            .node("Greater", &["x", "zero"], "p", &[])
            .node("Greater", &["x", "one"], "q", &[])
    };
    let row = [-1.0, 0.5, 2.0];
    for (operator, expected) in [
        ("And", [0.0, 0.0, 1.0]),
        ("Or", [0.0, 1.0, 1.0]),
        ("Xor", [0.0, 1.0, 0.0]),
    ] {
        let model = base(x(3)).node(operator, &["p", "q"], "y", &[]);
        check(operator, model, &row, &expected, 0.0);
    }
    check(
        "Not",
        base(x(3)).node("Not", &["p"], "y", &[]),
        &row,
        &[1.0, 0.0, 0.0],
        0.0,
    );
    let chosen = base(x(3))
        .node("Neg", &["x"], "n", &[])
        .node("Where", &["q", "x", "n"], "y", &[]);
    check("Where", chosen, &row, &[1.0, -0.5, 2.0], 0.0);
    let constant = base(x(3)).node("Where", &["p", "x", "zero"], "y", &[]);
    check("Where", constant, &row, &[0.0, 0.5, 2.0], 0.0);
    for (operator, expected) in [("Min", [-1.0, 0.5, 1.0]), ("Max", [1.0, 1.0, 2.0])] {
        let model = base(x(3)).node(operator, &["x", "one"], "y", &[]);
        check(operator, model, &row, &expected, 0.0);
    }
    assert!(refusal(x(3).node("Not", &["x"], "y", &[])).contains("logic on numbers"));
}

#[test]
fn reductions() {
    let row = [3.0, -4.0, 0.5, 2.0, 2.0, -1.0];
    let pair = |operator: &str, keep| {
        ModelBuilder::new(13)
            .input("x", &[0, 2, 3])
            .output("y", 1)
            .node(
                operator,
                &["x"],
                "y",
                &[("axes", Ints(&[2])), ("keepdims", Int(keep))],
            )
    };
    let lse = |v: &[f64]| v.iter().map(|v| v.exp()).sum::<f64>().ln();
    for (operator, expected) in [
        ("ReduceSum", [-0.5, 3.0]),
        ("ReduceMean", [-0.5 / 3.0, 1.0]),
        ("ReduceMax", [3.0, 2.0]),
        ("ReduceMin", [-4.0, -1.0]),
        ("ReduceProd", [-6.0, -4.0]),
        ("ReduceL1", [7.5, 5.0]),
        ("ReduceL2", [25.25f64.sqrt(), 3.0]),
        ("ReduceSumSquare", [25.25, 9.0]),
        ("ReduceLogSumExp", [lse(&row[..3]), lse(&row[3..])]),
    ] {
        for keep in [0, 1] {
            check(operator, pair(operator, keep), &row, &expected, 1e-3);
        }
    }
    // An axis before the last.
    let first = ModelBuilder::new(13)
        .input("x", &[0, 2, 3])
        .output("y", 1)
        .node("ReduceMax", &["x"], "y", &[("axes", Ints(&[1]))]);
    check("ReduceMax", first, &row, &[3.0, 2.0, 0.5], 0.0);
    let rows = x(3).node("ReduceSum", &["x"], "y", &[]);
    assert!(refusal(rows).contains("rows"));
}

#[test]
fn the_first_of_equals_is_the_least() {
    for (last, expected) in [(0, 1.0), (1, 2.0)] {
        let attributes = [("axis", Int(1)), ("select_last_index", Int(last))];
        let model = x(3).node("ArgMin", &["x"], "y", &attributes);
        check("ArgMin", model, &[2.0, -1.0, -1.0], &[expected], 0.0);
    }
}

#[test]
fn normalisations() {
    let norm =
        |name: &'static str| x(3).node("ml.Normalizer", &["x"], "y", &[("norm", Text(name))]);
    let row = [3.0, -4.0, 0.0];
    check("L1", norm("L1"), &row, &[3.0 / 7.0, -4.0 / 7.0, 0.0], 1e-4);
    check("L2", norm("L2"), &row, &[0.6, -0.8, 0.0], 1e-4);
    check("MAX", norm("MAX"), &row, &[1.0, -4.0 / 3.0, 0.0], 1e-4);
    // A norm of zero leaves the row as it is, a negative greatest element turns it.
    for name in ["L1", "L2", "MAX"] {
        check(name, norm(name), &[0.0; 3], &[0.0; 3], 0.0);
    }
    check(
        "MAX",
        norm("MAX"),
        &[-1.0, -3.0, 0.0],
        &[-1.0, -3.0, 0.0],
        1e-4,
    );
    check(
        "MAX",
        norm("MAX"),
        &[-1.0, -2.0, -4.0],
        &[1.0, 2.0, 4.0],
        1e-3,
    );

    let layer = x(4)
        .floats("s", &[4], &[1.0, 2.0, 1.0, 0.5])
        .floats("o", &[4], &[0.0, 0.0, 1.0, 0.0])
        .node("LayerNormalization", &["x", "s", "o"], "y", &[]);
    let root = 1.25001f64.sqrt();
    let expected = [-1.5 / root, -1.0 / root, 1.0 + 0.5 / root, 0.75 / root];
    check(
        "LayerNormalization",
        layer,
        &[1.0, 2.0, 3.0, 4.0],
        &expected,
        1e-3,
    );

    let log = x(3).node("LogSoftmax", &["x"], "y", &[]);
    let sum: f64 = [0.0f64, 1.0, -2.0].iter().map(|v| v.exp()).sum();
    let expected = [0.0, 1.0, -2.0].map(|v: f64| v - sum.ln());
    check("LogSoftmax", log, &[0.0, 1.0, -2.0], &expected, 1e-3);
    // Exporters of naive Bayes write a softmax in three steps.
    let softmax = x(3)
        .node("LogSoftmax", &["x"], "l", &[])
        .node("Exp", &["l"], "y", &[]);
    let names: Vec<&str> = graph(softmax)
        .operators()
        .into_iter()
        .map(|(n, _)| n)
        .collect();
    assert_eq!(names, ["Softmax"]);
}

#[test]
fn quotients() {
    let model = x(4)
        .node("Split", &["x"], "a", &[("axis", Int(1))])
        .also("b")
        .node("Div", &["a", "b"], "y", &[]);
    check("Div", model, &[3.0, -1.0, -4.0, -0.5], &[-0.75, 2.0], 1e-4);
    let constant = x(2)
        .floats("c", &[1], &[3.0])
        .node("Div", &["c", "x"], "y", &[]);
    check("Div", constant, &[2.0, -8.0], &[1.5, -0.375], 1e-3);
    let slopes = x(2)
        .floats("s", &[2], &[0.25, 2.0])
        .node("PRelu", &["x", "s"], "y", &[]);
    check("PRelu", slopes, &[-4.0, -1.0], &[-1.0, -2.0], 1e-3);
}

#[test]
fn movements() {
    let tiled = x(2).ints("r", &[1, 2]).node("Tile", &["x", "r"], "y", &[]);
    check("Tile", tiled, &[1.0, 2.0], &[1.0, 2.0, 1.0, 2.0], 0.0);
    let joined =
        x(2).floats("c", &[1, 1], &[7.0])
            .node("Concat", &["c", "x"], "y", &[("axis", Int(1))]);
    check("Concat", joined, &[1.0, 2.0], &[7.0, 1.0, 2.0], 1e-3);
    let vector = x(2).node(
        "ml.FeatureVectorizer",
        &["x", "x"],
        "y",
        &[("inputdimensions", Ints(&[2, 2]))],
    );
    check(
        "FeatureVectorizer",
        vector,
        &[1.0, 2.0],
        &[1.0, 2.0, 1.0, 2.0],
        0.0,
    );
}

fn classifier(intercepts: &[f32], labels: &[i64], transform: &str) -> ModelBuilder {
    let weights: Vec<f32> = (0..2 * intercepts.len()).map(|i| i as f32 - 1.0).collect();
    ModelBuilder::new(17)
        .input("x", &[0, 2])
        .output("label", 7)
        .output("p", 1)
        .node(
            "ml.LinearClassifier",
            &["x"],
            "label",
            &[
                ("coefficients", Floats(&weights)),
                ("intercepts", Floats(intercepts)),
                ("classlabels_ints", Ints(labels)),
                ("post_transform", Text(transform)),
            ],
        )
        .also("p")
}

#[test]
fn linear_classifiers() {
    let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
    // One row of weights, [-1, 0]: the second label above 0, not at it.
    for (row, label) in [([-2.0, 1.0], 7.0), ([2.0, 1.0], 5.0), ([0.0, 1.0], 5.0)] {
        let score = -row[0];
        for (transform, expected) in [
            ("NONE", [1.0 - score, score]),
            ("LOGISTIC", [1.0 - sigmoid(score), sigmoid(score)]),
            ("SOFTMAX", [1.0 - score, score]),
        ] {
            let graph = graph(classifier(&[0.0], &[5, 7], transform));
            let float = graph.eval(&[row.to_vec()]);
            let integer = integer(&graph, &row);
            assert_eq!(integer[0], [label], "{transform} {row:?}");
            for i in 0..2 {
                assert!((float[1][i] - expected[i]).abs() < 1e-9);
                assert!((integer[1][i] - expected[i]).abs() < 5e-4);
            }
        }
    }
    // Three rows; the first of equal scores wins.
    let graph = graph(classifier(&[0.0, 0.0, 0.0], &[4, 5, 6], "SOFTMAX"));
    assert_eq!(integer(&graph, &[0.0, 0.0])[0], [4.0]);
    assert_eq!(integer(&graph, &[1.0, 1.0])[0], [6.0]);
    for transform in ["PROBIT", "SOFTMAX_ZERO"] {
        let reason = refusal(classifier(&[0.0, 0.0], &[4, 5], transform));
        assert!(reason.contains(transform), "{reason}");
    }
}

#[test]
fn encoders() {
    let whole = |m: ModelBuilder| m.whole_input("x", &[0, 2]).output("y", 1);
    let one_hot = whole(ModelBuilder::new(17)).node(
        "ml.OneHotEncoder",
        &["x"],
        "y",
        &[("cats_int64s", Ints(&[1, 4]))],
    );
    check(
        "OneHotEncoder",
        one_hot,
        &[4.0, 9.0],
        &[0.0, 1.0, 0.0, 0.0],
        0.0,
    );
    let codes = whole(ModelBuilder::new(17)).node(
        "ml.LabelEncoder",
        &["x"],
        "y",
        &[
            ("keys_int64s", Ints(&[1, 4])),
            ("values_floats", Floats(&[0.5, -2.0])),
            ("default_float", Float(10.0)),
        ],
    );
    check("LabelEncoder", codes, &[4.0, 9.0], &[-2.0, 10.0], 2e-3);
    let strings = x(2).node(
        "ml.LabelEncoder",
        &["x"],
        "y",
        &[
            ("keys_strings", Texts(&["a"])),
            ("values_int64s", Ints(&[1])),
        ],
    );
    assert!(refusal(strings).contains("keys of numbers"));
    let bits = x(3).node("ml.Binarizer", &["x"], "y", &[("threshold", Float(0.5))]);
    check("Binarizer", bits, &[0.5, 0.6, -1.0], &[0.0, 1.0, 0.0], 0.0);
}

fn imputed(missing: f32) -> ModelBuilder {
    x(2).node(
        "ml.Imputer",
        &["x"],
        "i",
        &[
            ("imputed_value_floats", Floats(&[3.0, -1.5])),
            ("replaced_value_float", Float(missing)),
        ],
    )
}

#[test]
fn missing_values_are_replaced_at_the_input() {
    let doubled = |m: ModelBuilder| m.node("Add", &["i", "i"], "y", &[]);
    let nan = graph(doubled(imputed(f32::NAN)));
    for (row, expected) in [
        ([f64::NAN, 2.0], [6.0, 4.0]),
        ([1.0, f64::NAN], [2.0, -3.0]),
    ] {
        assert_eq!(nan.eval(&[row.to_vec()])[0], expected);
        assert_eq!(integer(&nan, &row)[0], expected);
    }
    let model = quantize(
        &nan,
        &[vec![vec![f64::NAN, 1.0]]],
        &QuantizeOptions::default(),
    );
    let spec = &model.unwrap().model.skeleton.inputs[0];
    let missing: Vec<Missing> = spec
        .replacements
        .iter()
        .flatten()
        .map(|r| r.missing)
        .collect();
    assert_eq!(missing, [Missing::NotANumber; 2]);
    let number = graph(doubled(imputed(-0.1)));
    assert_eq!(
        integer(&number, &[f64::from(-0.1f32), -0.25])[0],
        [6.0, -0.5]
    );
    // Without an Imputer, NaN is no input.
    let plain = graph(x(2).node("Add", &["x", "x"], "y", &[]));
    let model = quantize(&plain, &[], &QuantizeOptions::default())
        .unwrap()
        .model;
    assert!(quantize_input(&model.skeleton.inputs[0], 0, f64::NAN).is_err());
    let rows = [vec![vec![f64::NAN, 1.0]]];
    let refused = quantize(&plain, &rows, &QuantizeOptions::default());
    assert!(matches!(refused, Err(QuantizeError::Calibration { .. })));
}

#[test]
fn imputers_that_no_input_declaration_equals_are_refused() {
    let also_raw = imputed(f32::NAN).node("Add", &["i", "x"], "y", &[]);
    assert!(refusal(also_raw).contains("another step"));
    let computed = x(2).node("Relu", &["x"], "r", &[]).node(
        "ml.Imputer",
        &["r"],
        "y",
        &[("imputed_value_floats", Floats(&[1.0]))],
    );
    assert!(refusal(computed).contains("computed"));
    let two = imputed(f32::NAN)
        .node(
            "ml.Imputer",
            &["x"],
            "j",
            &[
                ("imputed_value_floats", Floats(&[1.0])),
                ("replaced_value_float", Float(f32::NAN)),
            ],
        )
        .node("Add", &["i", "j"], "y", &[]);
    assert!(refusal(two).contains("two different"));
}

fn refusal(model: ModelBuilder) -> String {
    match load(&model.bytes()) {
        Err(error @ ImportError::Unsupported { .. }) => error.to_string(),
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

/// A model whose input is a whole tensor without a batch dimension.
fn whole(shape: &[i64]) -> ModelBuilder {
    ModelBuilder::new(20).input("x", shape).output("y", 1)
}

/// The same as [`check`], each whole tensor one row.
fn check_whole(name: &str, model: ModelBuilder, row: &[f64], expected: &[f64], tolerance: f64) {
    let graph =
        load_with(&model.bytes(), BatchDimension::None).unwrap_or_else(|e| panic!("{name}: {e}"));
    let float = graph.eval(&[row.to_vec()]);
    let integer = integer(&graph, row);
    for (i, &e) in expected.iter().enumerate() {
        let (f, q) = (float[0][i], integer[0][i]);
        assert!((f - e).abs() < 1e-6, "{name}: float {f} for {e}");
        assert!((q - e).abs() <= tolerance, "{name}: integer {q} for {e}");
    }
    assert_eq!(float[0].len(), expected.len(), "{name}");
}

#[test]
fn without_a_batch_dimension_the_leading_axis_is_one_of_the_row() {
    let model = || whole(&[2, 2]).node("Softmax", &["x"], "y", &[("axis", Int(0))]);
    assert!(load(&model().bytes())
        .unwrap_err()
        .to_string()
        .contains("rows"));
    check_whole("Softmax", model(), &[0.0; 4], &[0.5; 4], 1e-3);
    let dynamic = ModelBuilder::new(20).input("x", &[0, 2]).output("y", 1);
    let dynamic = dynamic.node("Relu", &["x"], "y", &[]).bytes();
    let error = load_with(&dynamic, BatchDimension::None).unwrap_err();
    assert!(error.to_string().contains("dynamic"), "{error}");
}

#[test]
fn pads_in_every_mode() {
    let row = [1.0, 2.0, 3.0];
    for (mode, expected) in [
        ("constant", [0.5, 0.5, 1.0, 2.0, 3.0, 0.5]),
        ("edge", [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]),
        ("reflect", [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]),
        ("wrap", [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]),
    ] {
        let model = whole(&[3])
            .ints("pads", &[2, 1])
            .floats("value", &[], &[0.5])
            .node("Pad", &["x", "pads", "value"], "y", &[("mode", Text(mode))]);
        check_whole(mode, model, &row, &expected, 1e-3);
    }
    // A pad below zero takes away.
    let model = whole(&[3])
        .ints("pads", &[-1, 1])
        .node("Pad", &["x", "pads"], "y", &[]);
    check_whole("Pad", model, &row, &[2.0, 3.0, 0.0], 0.0);
}

#[test]
fn pools_windows() {
    let row: Vec<f64> = (1..=9).map(f64::from).collect();
    let pool = |operator, more: &[(&str, Attr<'_>)]| {
        let mut attributes = vec![("kernel_shape", Ints(&[2, 2])), ("strides", Ints(&[2, 2]))];
        attributes.extend_from_slice(more);
        whole(&[1, 1, 3, 3]).node(operator, &["x"], "y", &attributes)
    };
    check_whole("MaxPool", pool("MaxPool", &[]), &row, &[5.0], 0.0);
    let ceil = [("ceil_mode", Int(1))];
    check_whole(
        "MaxPool",
        pool("MaxPool", &ceil),
        &row,
        &[5.0, 6.0, 8.0, 9.0],
        0.0,
    );
    let means = [3.0, 4.5, 7.5, 9.0];
    check_whole(
        "AveragePool",
        pool("AveragePool", &ceil),
        &row,
        &means,
        1e-3,
    );
    let padded = [("pads", Ints(&[1, 1, 0, 0])), ("count_include_pad", Int(1))];
    let means = [0.25, 1.25, 2.75, 7.0];
    check_whole(
        "AveragePool",
        pool("AveragePool", &padded),
        &row,
        &means,
        1e-3,
    );
    // Implementations disagree on what a window beyond the padding counts.
    let beyond = pool(
        "AveragePool",
        &[("ceil_mode", Int(1)), ("count_include_pad", Int(1))],
    );
    let error = load_with(&beyond.bytes(), BatchDimension::None).unwrap_err();
    assert!(error.to_string().contains("disagree"), "{error}");
    // Where the greatest elements are, counted in the operand.
    let model = ModelBuilder::new(20)
        .input("x", &[1, 1, 2, 3])
        .output("p", 7)
        .node("MaxPool", &["x"], "y,p", &[("kernel_shape", Ints(&[2, 2]))]);
    check_whole(
        "MaxPool",
        model,
        &[0.0, 5.0, 1.0, 2.0, 3.0, 7.0],
        &[1.0, 5.0],
        0.0,
    );
}

#[test]
fn resizes_by_public_weights() {
    let resize = |attributes: &[(&str, Attr<'_>)]| {
        whole(&[1, 1, 1, 2])
            .floats("scales", &[4], &[1.0, 1.0, 1.0, 2.0])
            .node("Resize", &["x", "", "scales"], "y", attributes)
    };
    let nearest = resize(&[("mode", Text("nearest"))]);
    check_whole("nearest", nearest, &[1.0, 3.0], &[1.0, 1.0, 3.0, 3.0], 0.0);
    let linear = resize(&[("mode", Text("linear"))]);
    check_whole("linear", linear, &[1.0, 3.0], &[1.0, 1.5, 2.5, 3.0], 1e-3);
}

#[test]
fn orders_elements_and_says_where_they_were() {
    let order = |output: &str, largest: i64| {
        ModelBuilder::new(20)
            .input("x", &[5])
            .output(output, 1)
            .ints("k", &[3])
            .node("TopK", &["x", "k"], "v,i", &[("largest", Int(largest))])
    };
    let row = [1.0, 4.0, 2.0, 4.0, -1.0];
    check_whole("values", order("v", 1), &row, &[4.0, 4.0, 2.0], 0.0);
    check_whole("positions", order("i", 1), &row, &[1.0, 3.0, 2.0], 0.0);
    check_whole("least", order("v", 0), &row, &[-1.0, 1.0, 2.0], 0.0);
    check_whole(
        "where the least are",
        order("i", 0),
        &row,
        &[4.0, 0.0, 2.0],
        0.0,
    );
    let hardmax = whole(&[5]).node("Hardmax", &["x"], "y", &[]);
    check_whole("Hardmax", hardmax, &row, &[0.0, 1.0, 0.0, 0.0, 0.0], 0.0);
}

#[test]
fn looks_rows_of_a_private_table_up() {
    let model = ModelBuilder::new(20)
        .whole_input("x", &[0, 3])
        .output("y", 1)
        .floats(
            "table",
            &[4, 2],
            &[0.5, 1.0, 1.5, 2.0, 2.5, 3.0, -1.0, -2.0],
        )
        .node("Gather", &["table", "x"], "y", &[]);
    // The last two count from the end, and lie outside.
    let expected = [2.5, 3.0, -1.0, -2.0, 0.0, 0.0];
    let graph = graph(model);
    let integer = integer(&graph, &[2.0, -1.0, 7.0]);
    for (got, expected) in integer[0].iter().zip(expected) {
        assert!((got - expected).abs() < 1e-3, "{got} for {expected}");
    }
}

#[test]
fn whole_numbers_stay_exact() {
    let model = |operator: &str, attributes: &[(&str, Attr<'_>)]| {
        ModelBuilder::new(20)
            .whole_input("x", &[4])
            .output("y", 7)
            .ints("c", &[3])
            .node(operator, &["x", "c"], "y", attributes)
    };
    let row = [-7.0, -1.0, 5.0, 10_000.0];
    for (operator, attributes, expected) in [
        ("Div", &[][..], [-2.0, 0.0, 1.0, 3_333.0]),
        ("Mod", &[], [2.0, 2.0, 2.0, 1.0]),
        ("Mod", &[("fmod", Int(1))], [-1.0, -1.0, 2.0, 1.0]),
        ("Mul", &[], [-21.0, -3.0, 15.0, 30_000.0]),
        ("BitwiseAnd", &[], [1.0, 3.0, 1.0, 0.0]),
        ("BitwiseXor", &[], [-6.0, -4.0, 6.0, 10_003.0]),
    ] {
        check_whole(operator, model(operator, attributes), &row, &expected, 0.0);
    }
}

#[test]
fn an_input_of_truth_values_is_one_whatever_is_committed() {
    let model = ModelBuilder::new(20)
        .truth_input("x", &[3])
        .output("y", 9)
        .node("Not", &["x"], "y", &[]);
    let graph = load_with(&model.bytes(), BatchDimension::None).unwrap();
    let model = quantize(&graph, &[], &QuantizeOptions::default())
        .unwrap()
        .model;
    // -2 is inside the declared range, and no truth value.
    let scalars = model.eval(&[1, 0, -2]);
    assert_eq!(model.released_of(&scalars), [0, 1, 1]);
}

#[test]
fn multiplies_two_activations() {
    let model = ModelBuilder::new(20)
        .input("x", &[2, 2])
        .output("y", 1)
        .node("Transpose", &["x"], "t", &[])
        .node("MatMul", &["x", "t"], "y", &[]);
    check_whole(
        "MatMul",
        model,
        &[1.0, 2.0, 3.0, 4.0],
        &[5.0, 11.0, 11.0, 25.0],
        1e-3,
    );
    let trace = whole(&[2, 2]).node("Einsum", &["x"], "y", &[("equation", Text("ii->"))]);
    check_whole("Einsum", trace, &[1.0, 2.0, 3.0, 4.0], &[5.0], 0.0);
}

#[test]
fn calibration_rows_beyond_the_saturation_are_told() {
    let product = (0..4).fold(whole(&[2]), |model, i| {
        let (from, to) = (format!("v{i}"), format!("v{}", i + 1));
        let from = if i == 0 { "x" } else { from.as_str() };
        let to = if i == 3 { "y" } else { to.as_str() };
        model.node("Mul", &[from, from], to, &[])
    });
    let graph = load_with(&product.bytes(), BatchDimension::None).unwrap();
    let error = quantize(
        &graph,
        &[vec![vec![10.0, 1.0]]],
        &QuantizeOptions::default(),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("saturates"), "{error}");
    quantize(&graph, &[vec![vec![1.5, 1.0]]], &QuantizeOptions::default()).unwrap();
}

#[test]
fn a_kernel_machine_is_its_sum_of_kernels() {
    let vectors = [0.0f32, 1.0, 1.0, 0.5, -1.0, 0.0];
    let attributes = [
        ("coefficients", Floats(&[1.0, -0.5, 0.25])),
        ("kernel_params", Floats(&[0.5, 0.0, 3.0])),
        ("kernel_type", Text("RBF")),
        ("n_supports", Int(3)),
        ("rho", Floats(&[0.125])),
        ("support_vectors", Floats(&vectors)),
    ];
    let row = [0.5, -0.25];
    let of = |i: usize| {
        let v = &vectors[2 * i..2 * i + 2];
        let distance: f64 = row
            .iter()
            .zip(v)
            .map(|(x, v)| (x - f64::from(*v)).powi(2))
            .sum();
        (-0.5 * distance).exp()
    };
    let expected = of(0) - 0.5 * of(1) + 0.25 * of(2) + 0.125;
    let model = x(2).node("ml.SVMRegressor", &["x"], "y", &attributes);
    check("SVMRegressor", model, &row, &[expected], 1e-3);
}

/// The definition, by loops: x [channels, width], kernel [outputs, channels / groups, taps], results at `o stride - pad`.
#[allow(clippy::too_many_arguments)] // one convolution, spelled out
fn convolved(
    x: &[f64],
    channels: usize,
    kernel: &[f32],
    outputs: usize,
    groups: usize,
    stride: usize,
    dilation: usize,
    pad: (usize, usize),
) -> Vec<f64> {
    let (width, of_group) = (x.len() / channels, channels / groups);
    let taps = kernel.len() / outputs / of_group;
    let results = (width + pad.0 + pad.1 - (taps - 1) * dilation - 1) / stride + 1;
    let mut y = Vec::new();
    for o in 0..outputs {
        let first = o * groups / outputs * of_group;
        for r in 0..results {
            let mut sum = 0.0;
            for c in 0..of_group {
                for t in 0..taps {
                    let at = (r * stride + t * dilation).wrapping_sub(pad.0);
                    if at < width {
                        let w = kernel[(o * of_group + c) * taps + t];
                        sum += f64::from(w) * x[(first + c) * width + at];
                    }
                }
            }
            y.push(sum);
        }
    }
    y
}

#[test]
fn convolutions_are_their_definition() {
    let row: Vec<f64> = (0..24).map(|i| f64::from(i * 7 % 11) / 4.0 - 1.0).collect();
    for (channels, outputs, taps, groups, stride, dilation, pad) in [
        (2, 3, 3, 1, 1, 1, (1, 1)),
        (4, 4, 3, 4, 1, 1, (1, 1)), // depthwise
        (4, 2, 2, 2, 2, 1, (0, 1)),
        (2, 1, 3, 1, 1, 2, (2, 0)),
        (2, 3, 2, 1, 2, 1, (0, 0)), // windows apart
        (1, 2, 24, 1, 1, 1, (0, 0)),
    ] {
        let count = outputs * channels / groups * taps;
        let kernel: Vec<f32> = (0..count)
            .map(|i| (i * 5 % 7) as f32 / 4.0 - 0.75)
            .collect();
        let expected = convolved(
            &row, channels, &kernel, outputs, groups, stride, dilation, pad,
        );
        let width = 24 / channels as i64;
        let model = ModelBuilder::new(20)
            .input("x", &[0, channels as i64, width])
            .output("y", 1)
            .floats(
                "w",
                &[outputs as i64, (channels / groups) as i64, taps as i64],
                &kernel,
            )
            .node(
                "Conv",
                &["x", "w"],
                "y",
                &[
                    ("group", Int(groups as i64)),
                    ("strides", Ints(&[stride as i64])),
                    ("dilations", Ints(&[dilation as i64])),
                    ("pads", Ints(&[pad.0 as i64, pad.1 as i64])),
                ],
            );
        check("Conv", model, &row, &expected, 2e-3);
    }
}

/// A transposed convolution spreads each element by the kernel: `y[i s + t - pad] += w[t] x[i]`.
#[test]
fn transposed_convolutions_spread_their_operand() {
    let row = [1.0, -2.0, 0.5];
    let kernel = [0.5f32, 1.0, -1.5];
    let mut expected = [0.0; 8];
    for (i, x) in row.iter().enumerate() {
        for (t, w) in kernel.iter().enumerate() {
            expected[i * 2 + t] += x * f64::from(*w);
        }
    }
    let model = ModelBuilder::new(20)
        .input("x", &[0, 1, 3])
        .output("y", 1)
        .floats("w", &[1, 1, 3], &kernel)
        .node(
            "ConvTranspose",
            &["x", "w"],
            "y",
            &[
                ("strides", Ints(&[2])),
                ("pads", Ints(&[1, 0])),
                ("output_padding", Ints(&[1])),
            ],
        );
    check("ConvTranspose", model, &row, &expected[1..8], 1e-3);
}

#[test]
fn many_private_factors_and_offsets() {
    let row: Vec<f64> = (0..100).map(|i| f64::from(i % 13) / 4.0 - 1.5).collect();
    let factors: Vec<f32> = (0..100).map(|i| (i * 3 % 17) as f32 / 8.0 - 1.0).collect();
    let offsets: Vec<f32> = (0..100).map(|i| (i * 5 % 19) as f32 / 8.0 - 1.0).collect();
    let expected: Vec<f64> = (0..100)
        .map(|i| (row[i] * f64::from(factors[i]) + f64::from(offsets[i])).max(0.0))
        .collect();
    let model = x(100)
        .floats("f", &[100], &factors)
        .floats("o", &[100], &offsets)
        .node("Mul", &["x", "f"], "a", &[])
        .node("Add", &["a", "o"], "b", &[])
        .node("Relu", &["b"], "y", &[]);
    check("Mul and Add", model, &row, &expected, 2e-3);
}

/// A Scan of rows of two features over the three points of `c`, by this body's distance.
fn scan(distance: impl Fn(ModelBuilder) -> ModelBuilder, c: &[f32]) -> ModelBuilder {
    let body = ModelBuilder::new(20)
        .input("x_in", &[0, 2])
        .input("c_t", &[2])
        .output("x_out", 1)
        .output("d", 1)
        .ints("features", &[1])
        .node("Identity", &["x_in"], "x_out", &[])
        .node("Sub", &["x_in", "c_t"], "apart", &[]);
    let body = distance(body);
    ModelBuilder::new(20)
        .input("x", &[0, 2])
        .floats("c", &[3, 2], c)
        .node(
            "Scan",
            &["x", "c"],
            "last,stacked",
            &[("body", Attr::Graph(&body)), ("num_scan_inputs", Int(1))],
        )
        .node(
            "Transpose",
            &["stacked"],
            "d",
            &[("perm", Attr::Ints(&[1, 0]))],
        )
}

const POINTS: [f32; 6] = [0.0, 1.0, 2.0, -1.0, 0.5, 0.25];

fn squared(body: ModelBuilder) -> ModelBuilder {
    let keep = [("keepdims", Int(0))];
    body.node("ReduceSumSquare", &["apart", "features"], "d", &keep)
}

#[test]
fn a_scan_over_constants_is_unrolled() {
    let manhattan = |body: ModelBuilder| {
        let keep = [("keepdims", Int(0))];
        body.node("Abs", &["apart"], "sizes", &[]).node(
            "ReduceSum",
            &["sizes", "features"],
            "d",
            &keep,
        )
    };
    let graph = graph(scan(manhattan, &POINTS).output("d", 1));
    let row = [1.0, 0.5];
    let expected = [1.5, 2.5, 0.75];
    let (float, integer) = (graph.eval(&[row.to_vec()]), integer(&graph, &row));
    for (i, e) in expected.into_iter().enumerate() {
        assert!((float[0][i] - e).abs() < 1e-9, "{:?}", float[0]);
        assert!((integer[0][i] - e).abs() < 1e-3, "{:?}", integer[0]);
    }
}

#[test]
fn squared_distances_are_one_layer() {
    let graph = graph(scan(squared, &POINTS).output("d", 1));
    let layers = graph
        .operators()
        .iter()
        .filter(|(name, _)| *name == "Linear")
        .count();
    assert_eq!(layers, 1, "{:?}", graph.operators());
    let row = [1.0, 0.5];
    let integer = integer(&graph, &row);
    for (got, expected) in integer[0].iter().zip([1.25, 3.25, 0.3125]) {
        assert!((got - expected).abs() < 2e-3, "{:?}", integer[0]);
    }
}

#[test]
fn the_nearest_neighbours_private_targets() {
    let model = scan(squared, &POINTS)
        .output("y", 1)
        .floats("targets", &[3], &[10.0, 20.0, 40.0])
        .ints("k", &[2])
        .ints("by row", &[-1, 2])
        .node("Sqrt", &["d"], "root", &[])
        .node("TopK", &["root", "k"], "v,at", &[("largest", Int(0))])
        .node("Flatten", &["at"], "flat", &[])
        .node("ml.ArrayFeatureExtractor", &["targets", "flat"], "z", &[])
        .node("Reshape", &["z", "by row"], "y", &[]);
    let graph = graph(model);
    let operators: Vec<&str> = graph.operators().iter().map(|(name, _)| *name).collect();
    // Neither roots nor what all distances share, and the positions' bits are TopK's own.
    assert_eq!(operators, ["Linear", "TopK", "Linear"]);
    for (row, expected) in [([1.0, 0.5], [40.0, 10.0]), ([2.0, 0.0], [20.0, 40.0])] {
        assert_eq!(graph.eval(&[row.to_vec()])[0], expected);
        assert_eq!(integer(&graph, &row)[0], expected);
    }
}

#[test]
fn a_scan_over_activations_is_refused_by_name() {
    let body = ModelBuilder::new(20)
        .input("s", &[2])
        .output("t", 1)
        .node("Relu", &["s"], "t", &[]);
    let attributes = [("body", Attr::Graph(&body)), ("num_scan_inputs", Int(1))];
    let model = ModelBuilder::new(20)
        .input("x", &[0, 2])
        .output("y", 1)
        .node("Scan", &["x"], "y", &attributes);
    let error = load(&model.bytes()).unwrap_err().to_string();
    assert!(error.contains("Scan"), "{error}");
}

#[test]
fn two_classes_without_probabilities_score_by_the_margin() {
    // s = x_0 - x_1 + 0.25 votes for the first class where it is above zero.
    let model = ModelBuilder::new(20)
        .input("x", &[0, 2])
        .output("label", 7)
        .output("scores", 1)
        .node(
            "ml.SVMClassifier",
            &["x"],
            "label,scores",
            &[
                ("classlabels_ints", Attr::Ints(&[3, 7])),
                ("vectors_per_class", Attr::Ints(&[1, 1])),
                ("support_vectors", Attr::Floats(&[1.0, 0.0, 0.0, 1.0])),
                ("coefficients", Attr::Floats(&[1.0, -1.0])),
                ("rho", Attr::Floats(&[0.25])),
            ],
        );
    let graph = graph(model);
    for (row, label, s) in [([1.0, 0.5], 0.0, 0.75), ([0.0, 1.0], 1.0, -0.75)] {
        let (float, integer) = (graph.eval(&[row.to_vec()]), integer(&graph, &row));
        assert_eq!(float[0], [label]);
        for scores in [&float[1], &integer[1]] {
            assert!(
                (scores[0] + s).abs() < 1e-3 && (scores[1] - s).abs() < 1e-3,
                "{scores:?}"
            );
        }
    }
}

#[test]
fn a_normalisation_gets_fewer_bits_where_more_leave_no_room() {
    let outputs = "y,mean,inverse";
    let model = x(4)
        .floats("s", &[4], &[1.0; 4])
        .node("LayerNormalization", &["x", "s"], outputs, &[])
        .output("inverse", 1);
    let graph = graph(model);
    let rows = vec![vec![vec![0.5, -1.25, 2.0, 0.0]]];
    let scale = |deep_bits| {
        let options = QuantizeOptions {
            deep_bits,
            ..QuantizeOptions::default()
        };
        let quantized = quantize(&graph, &rows, &options).unwrap_or_else(|e| panic!("{e}"));
        quantized.model.skeleton.inputs[0].scale_bits
    };
    // The inverse deviation has room for no more than one of the three.
    assert!(scale(3) < scale(0) + 3, "{} {}", scale(3), scale(0));
}

#[test]
fn kernels_that_meet_too_many_operands_are_refused() {
    let width = 1 << 13;
    let model = ModelBuilder::new(20)
        .input("x", &[0, 1, width])
        .floats("w", &[1, 1, width], &vec![0.0; width as usize])
        .node("Conv", &["x", "w"], "y", &[])
        .output("y", 1);
    let refusal = load(&model.bytes()).unwrap_err().to_string();
    assert!(refusal.contains("positions of a convolution"), "{refusal}");
}
