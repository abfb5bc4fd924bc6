//! Operators that move elements, by constant positions and by computed ones.

use super::*;

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
