//! Comparisons, logic and selection.

use super::*;

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
