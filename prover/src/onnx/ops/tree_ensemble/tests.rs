//! Small ensembles: every comparison, labels, and each way in which trees are malformed.

use crate::onnx::testing::{Attr, ModelBuilder};
use crate::onnx::{load, ImportError};
use crate::quantize::skeleton::{InputEncoding, Reveal};
use crate::quantize::{quantize, quantize_input, report, QuantizeOptions, Values};

type Attributes<'a> = Vec<(&'static str, Attr<'a>)>;

/// One tree: `x_0 mode 1.5`, leaf 1 where it holds and leaf 2 where not.
fn stump(mode: &'static str, tracks: &'static [i64]) -> Attributes<'static> {
    let modes: &'static [&'static str] = match mode {
        "BRANCH_LEQ" => &["BRANCH_LEQ", "LEAF", "LEAF"],
        "BRANCH_LT" => &["BRANCH_LT", "LEAF", "LEAF"],
        "BRANCH_GTE" => &["BRANCH_GTE", "LEAF", "LEAF"],
        "BRANCH_GT" => &["BRANCH_GT", "LEAF", "LEAF"],
        "BRANCH_EQ" => &["BRANCH_EQ", "LEAF", "LEAF"],
        _ => &["BRANCH_NEQ", "LEAF", "LEAF"],
    };
    vec![
        ("nodes_treeids", Attr::Ints(&[0, 0, 0])),
        ("nodes_nodeids", Attr::Ints(&[0, 1, 2])),
        ("nodes_featureids", Attr::Ints(&[0, 0, 0])),
        ("nodes_modes", Attr::Texts(modes)),
        ("nodes_values", Attr::Floats(&[1.5, 0.0, 0.0])),
        ("nodes_truenodeids", Attr::Ints(&[1, 0, 0])),
        ("nodes_falsenodeids", Attr::Ints(&[2, 0, 0])),
        ("nodes_missing_value_tracks_true", Attr::Ints(tracks)),
    ]
}

fn regressor(mut attributes: Attributes<'_>) -> Vec<u8> {
    attributes.extend([
        ("target_treeids", Attr::Ints(&[0, 0])),
        ("target_nodeids", Attr::Ints(&[1, 2])),
        ("target_ids", Attr::Ints(&[0, 0])),
        ("target_weights", Attr::Floats(&[10.0, 20.0])),
    ]);
    ModelBuilder::new(17)
        .input("x", &[0, 2])
        .output("y", 1)
        .node("ml.TreeEnsembleRegressor", &["x"], "y", &attributes)
        .bytes()
}

fn changed<'a>(mut attributes: Attributes<'a>, name: &str, value: Attr<'a>) -> Attributes<'a> {
    for (n, v) in &mut attributes {
        if *n == name {
            *v = value;
        }
    }
    attributes
}

/// The integer model's numbers for one row.
fn numbers(bytes: &[u8], row: &[f64]) -> Vec<f64> {
    let graph = load(bytes).unwrap();
    let model = quantize(&graph, &[], &QuantizeOptions::default())
        .unwrap()
        .model;
    model.check().unwrap();
    let integers: Vec<i64> = row
        .iter()
        .map(|&v| quantize_input(&model.skeleton.inputs[0], 0, v).unwrap().0)
        .collect();
    let outputs = model.outputs_of(&model.eval(&integers));
    let Values::Numbers(numbers) = &outputs.last().unwrap().values else {
        panic!("numbers")
    };
    assert_eq!(*numbers, graph.eval(&[row.to_vec()])[outputs.len() - 1]);
    numbers.clone()
}

#[test]
fn every_comparison_is_that_of_floats() {
    let up = f64::from(f32::from_bits(1.5f32.to_bits() + 1));
    let down = f64::from(f32::from_bits(1.5f32.to_bits() - 1));
    // Doubles beside the threshold that round to it.
    let beside = [1.5 + 1e-12, 1.5 - 1e-12];
    for (mode, holds) in [
        ("BRANCH_LEQ", (|x, t| x <= t) as fn(f32, f32) -> bool),
        ("BRANCH_LT", |x, t| x < t),
        ("BRANCH_GTE", |x, t| x >= t),
        ("BRANCH_GT", |x, t| x > t),
        ("BRANCH_EQ", |x, t| x == t),
        ("BRANCH_NEQ", |x, t| x != t),
    ] {
        let xs = [
            1.5,
            up,
            down,
            beside[0],
            beside[1],
            0.0,
            -0.0,
            -3.0,
            1e38,
            f64::INFINITY,
        ];
        for x in xs.into_iter().chain([f64::NEG_INFINITY]) {
            let expected = if holds(x as f32, 1.5) { 10.0 } else { 20.0 };
            let found = numbers(&regressor(stump(mode, &[])), &[x, 0.0]);
            assert_eq!(found, [expected], "{x} {mode}");
        }
        // NaN as floats compare it, or to the true child.
        let found = numbers(&regressor(stump(mode, &[1, 0, 0])), &[f64::NAN, 0.0]);
        assert_eq!(found, [10.0], "{mode}");
    }
}

#[test]
fn zeros_are_equal_and_nan_needs_provision() {
    let at_zero = changed(
        stump("BRANCH_LT", &[]),
        "nodes_values",
        Attr::Floats(&[-0.0, 0.0, 0.0]),
    );
    let bytes = regressor(at_zero);
    assert_eq!(numbers(&bytes, &[0.0, 0.0]), [20.0]);
    assert_eq!(numbers(&bytes, &[-0.0, 0.0]), [20.0]);
    assert_eq!(numbers(&bytes, &[-1e-45, 0.0]), [10.0]);
    let graph = load(&bytes).unwrap();
    assert_eq!(graph.inputs[0].encoding, InputEncoding::Float32);
    let model = quantize(&graph, &[], &QuantizeOptions::default())
        .unwrap()
        .model;
    assert!(quantize_input(&model.skeleton.inputs[0], 0, f64::NAN).is_err());
    let options = QuantizeOptions::default();
    let report = report(&bytes, &graph, &[], &options).unwrap();
    assert!(report.leaves[0].exact && report.outputs[0].max_abs == 0.0);
}

#[test]
fn malformed_trees_are_refused_by_name() {
    let refused = |attributes: Attributes<'_>, words: &str| {
        let error = load(&regressor(attributes)).unwrap_err();
        assert!(matches!(error, ImportError::Node { .. }), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    };
    let good = || stump("BRANCH_LEQ", &[]);
    let with = |name, value| changed(good(), name, value);
    let loops = with(
        "nodes_modes",
        Attr::Texts(&["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"]),
    );
    let loops = changed(loops, "nodes_truenodeids", Attr::Ints(&[1, 1, 0]));
    let loops = changed(loops, "nodes_falsenodeids", Attr::Ints(&[2, 2, 0]));
    let mut bytes = loops.clone();
    bytes.extend([
        ("target_treeids", Attr::Ints(&[0])),
        ("target_nodeids", Attr::Ints(&[2])),
        ("target_ids", Attr::Ints(&[0])),
        ("target_weights", Attr::Floats(&[20.0])),
    ]);
    let model = ModelBuilder::new(17)
        .input("x", &[0, 2])
        .output("y", 1)
        .node("ml.TreeEnsembleRegressor", &["x"], "y", &bytes)
        .bytes();
    assert!(load(&model).unwrap_err().to_string().contains("a cycle"));
    refused(with("nodes_truenodeids", Attr::Ints(&[0, 0, 0])), "a cycle");
    refused(
        with("nodes_featureids", Attr::Ints(&[2, 0, 0])),
        "2 where there are 2",
    );
    refused(
        with("nodes_featureids", Attr::Ints(&[-1, 0, 0])),
        "-1 where there are 2",
    );
    refused(
        with("nodes_truenodeids", Attr::Ints(&[7, 0, 0])),
        "the child 7",
    );
    refused(
        with("nodes_nodeids", Attr::Ints(&[0, 1, 1])),
        "is there twice",
    );
    refused(with("nodes_values", Attr::Floats(&[1.5])), "3 are needed");
    refused(
        with("nodes_values", Attr::Floats(&[f32::NAN, 0.0, 0.0])),
        "NaN",
    );
    refused(
        with("nodes_modes", Attr::Texts(&["BRANCH_MOD", "LEAF", "LEAF"])),
        "BRANCH_MOD",
    );
}

fn classifier(labels: (&'static str, Attr<'static>), post: &str, weights: &[f32]) -> Vec<u8> {
    let mut attributes = stump("BRANCH_LEQ", &[]);
    attributes.extend([
        ("class_treeids", Attr::Ints(&[0, 0])),
        ("class_nodeids", Attr::Ints(&[1, 2])),
        ("class_ids", Attr::Ints(&[0, 0])),
        ("class_weights", Attr::Floats(weights)),
        ("post_transform", Attr::Text(post)),
        labels,
    ]);
    ModelBuilder::new(17)
        .input("x", &[0, 2])
        .output("l", 7)
        .output("p", 1)
        .node("ml.TreeEnsembleClassifier", &["x"], "l,p", &attributes)
        .bytes()
}

#[test]
fn two_classes_follow_onnxruntime() {
    const INTS: (&str, Attr<'static>) = ("classlabels_int64s", Attr::Ints(&[5, 9]));
    let label = |bytes: &[u8], x: f64, reveal| {
        let graph = load(bytes).unwrap();
        let options = QuantizeOptions {
            reveal,
            ..QuantizeOptions::default()
        };
        let model = quantize(&graph, &[], &options).unwrap().model;
        let input = [x, 0.0].map(|v| quantize_input(&model.skeleton.inputs[0], 0, v).unwrap().0);
        model.outputs_of(&model.eval(&input)).swap_remove(0).values
    };
    let positive = classifier(INTS, "NONE", &[0.25, 0.75]);
    assert_eq!(
        label(&positive, 0.0, Reveal::Outputs),
        Values::Integers(vec![5])
    );
    assert_eq!(
        label(&positive, 2.0, Reveal::Decision),
        Values::Integers(vec![9])
    );
    assert_eq!(numbers(&positive, &[2.0, 0.0]), [0.25, 0.75]);
    let mixed = classifier(INTS, "NONE", &[-0.25, 0.75]);
    assert_eq!(
        label(&mixed, 0.0, Reveal::Outputs),
        Values::Integers(vec![5])
    );
    assert_eq!(numbers(&mixed, &[0.0, 0.0]), [0.25, -0.25]);
    // Exactly one half is not above it.
    let half = classifier(INTS, "NONE", &[0.5, 0.75]);
    assert_eq!(
        label(&half, 0.0, Reveal::Outputs),
        Values::Integers(vec![5])
    );
    let strings = ("classlabels_strings", Attr::Texts(&["no", "yes"]));
    let named = classifier(strings, "LOGISTIC", &[-0.25, 0.75]);
    assert_eq!(
        label(&named, 2.0, Reveal::Outputs),
        Values::Labels(vec!["yes".into()])
    );
    for post in ["PROBIT", "SOFTMAX_ZERO"] {
        let labels = ("classlabels_int64s", Attr::Ints(&[0, 1]));
        let error = load(&classifier(labels, post, &[0.5, 0.75])).unwrap_err();
        assert!(matches!(error, ImportError::Unsupported { .. }), "{error}");
    }
}

/// `x_0 <= 1` and then `x_1 > 2`, in the form of version 5.
fn version_five(roots: &[i64], modes: &[f32], aggregate: i64) -> Vec<u8> {
    ModelBuilder::new(17)
        .input("x", &[0, 2])
        .output("y", 1)
        .node(
            "ml.TreeEnsemble",
            &["x"],
            "y",
            &[
                ("n_targets", Attr::Int(1)),
                ("aggregate_function", Attr::Int(aggregate)),
                ("tree_roots", Attr::Ints(roots)),
                ("nodes_featureids", Attr::Ints(&[0, 1])),
                ("nodes_modes", Attr::Tensor(modes)),
                ("nodes_splits", Attr::Tensor(&[1.0, 2.0])),
                ("nodes_truenodeids", Attr::Ints(&[1, 1])),
                ("nodes_trueleafs", Attr::Ints(&[0, 1])),
                ("nodes_falsenodeids", Attr::Ints(&[0, 2])),
                ("nodes_falseleafs", Attr::Ints(&[1, 1])),
                ("leaf_targetids", Attr::Ints(&[0, 0, 0])),
                ("leaf_weights", Attr::Tensor(&[1.0, 2.0, 4.0])),
            ],
        )
        .bytes()
}

#[test]
fn version_five_trees() {
    let bytes = version_five(&[0], &[0.0, 3.0], 1);
    assert_eq!(numbers(&bytes, &[5.0, 0.0]), [1.0]);
    assert_eq!(numbers(&bytes, &[1.0, 3.0]), [2.0]);
    assert_eq!(numbers(&bytes, &[1.0, 2.0]), [4.0]);
    // Two trees, averaged; the second is the lower branch alone.
    let average = version_five(&[0, 1], &[0.0, 3.0], 0);
    assert_eq!(numbers(&average, &[5.0, 0.0]), [2.5]);
    for (roots, modes, aggregate) in [
        (&[0][..], &[6.0, 3.0][..], 1),
        (&[0], &[0.0, 3.0], 2),
        (&[0], &[0.0, 3.0], 3),
    ] {
        let error = load(&version_five(roots, modes, aggregate)).unwrap_err();
        assert!(matches!(error, ImportError::Unsupported { .. }), "{error}");
    }
    for (roots, modes) in [
        (&[2][..], &[0.0, 3.0][..]),
        (&[0], &[0.0]),
        (&[], &[0.0, 3.0]),
    ] {
        let error = load(&version_five(roots, modes, 1)).unwrap_err();
        assert!(matches!(error, ImportError::Node { .. }), "{error}");
    }
}

#[test]
fn a_feature_is_for_trees_alone() {
    let mut attributes = stump("BRANCH_LEQ", &[]);
    attributes.extend([
        ("target_treeids", Attr::Ints(&[0, 0])),
        ("target_nodeids", Attr::Ints(&[1, 2])),
        ("target_ids", Attr::Ints(&[0, 0])),
        ("target_weights", Attr::Floats(&[10.0, 20.0])),
    ]);
    let model = |tree: &str, other: &str| {
        ModelBuilder::new(17)
            .input("x", &[0, 2])
            .output("y", 1)
            .output("z", 1)
            .node("Relu", &[other], "z", &[])
            .node("ml.TreeEnsembleRegressor", &[tree], "y", &attributes)
            .bytes()
    };
    for tree in ["x", "z"] {
        let error = load(&model(tree, "x")).unwrap_err();
        assert!(matches!(error, ImportError::Unsupported { .. }), "{error}");
    }
}
