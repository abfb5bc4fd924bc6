//! `Y = X W^T + b`, X: `[m, inputs]`, W: `[outputs, inputs]`.
//!
//! 1. Claim: [`squared_norms`] are the squared norms of each example's gradients `g x^T` and `g`, which are
//!    never formed: `|g x^T|^2 = |g|^2 |x|^2` ("ghost norms").
//! 2. Assumed: slices have these shapes.
//! 3. Source: Goodfellow, arXiv 1510.01799.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

pub(super) fn forward(x: &[f32], weights: &[f32], biases: &[f32], y: &mut [f32]) {
    let (outputs, inputs) = (biases.len(), weights.len() / biases.len());
    for row in y.chunks_exact_mut(outputs) {
        row.copy_from_slice(biases);
    }
    let rows = x.len() / inputs;
    let (x, w) = (view(x, rows, inputs), view(weights, outputs, inputs));
    general_mat_mul(1.0, &x, &w.t(), 1.0, &mut view_mut(y, rows, outputs));
}

/// Gradient of the input.
pub(super) fn backward(g: &[f32], weights: &[f32], outputs: usize, dx: &mut [f32]) {
    let (rows, inputs) = (g.len() / outputs, weights.len() / outputs);
    let (g, w) = (view(g, rows, outputs), view(weights, outputs, inputs));
    general_mat_mul(1.0, &g, &w, 0.0, &mut view_mut(dx, rows, inputs));
}

/// Adds each example's to `norms`.
pub(super) fn squared_norms(x: &[f32], g: &[f32], norms: &mut [f64]) {
    let (inputs, outputs) = (x.len() / norms.len(), g.len() / norms.len());
    let rows = x.chunks_exact(inputs).zip(g.chunks_exact(outputs));
    for (norm, (x, g)) in norms.iter_mut().zip(rows) {
        *norm += square(g) * (square(x) + 1.0);
    }
}

/// Adds `sum_i c_i g_i x_i^T` and `sum_i c_i g_i`; g is scaled by c.
pub(super) fn add_gradient(
    x: &[f32],
    g: &mut [f32],
    factors: &[f32],
    dw: &mut [f32],
    db: &mut [f32],
) {
    let (rows, outputs) = (factors.len(), db.len());
    for (row, factor) in g.chunks_exact_mut(outputs).zip(factors) {
        for (value, sum) in row.iter_mut().zip(&mut *db) {
            *value *= factor;
            *sum += *value;
        }
    }
    let inputs = x.len() / rows;
    let (g, x) = (view(g, rows, outputs), view(x, rows, inputs));
    general_mat_mul(1.0, &g.t(), &x, 1.0, &mut view_mut(dw, outputs, inputs));
}

pub(super) fn square(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum()
}

pub(super) fn view(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect("as many values")
}

pub(super) fn view_mut(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), values).expect("as many values")
}
