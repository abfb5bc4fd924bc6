//! Scan over constants, and the nearest neighbours that it finds.

use super::*;

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
