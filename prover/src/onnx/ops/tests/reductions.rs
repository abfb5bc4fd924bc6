//! Reductions and normalisations along axes.

use super::*;

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
