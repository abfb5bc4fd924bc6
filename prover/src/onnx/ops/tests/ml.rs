//! Operators of ai.onnx.ml: linear classifiers, encoders, imputers, support vector machines.

use super::*;

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
