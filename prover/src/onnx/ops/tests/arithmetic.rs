//! Arithmetic of activations, constants and whole numbers.

use super::*;

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
