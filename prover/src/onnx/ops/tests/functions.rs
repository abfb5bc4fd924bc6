//! Functions of one element, exact and tabled.

use super::*;

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
