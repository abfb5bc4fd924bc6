//! Cross-correlation, stride 1: `Y = W U(x) + b`, U(x) the unfolded windows.
//!
//! 1. U(x): `[channels kernel^2, positions]`; W: `[outputs, channels kernel^2]`; per example
//!    `dW = g U(x)^T`, `db = sum over positions of g`, `dx = fold(W^T g)`, g: `[outputs, positions]`.
//! 2. Per-example gradients are materialised: a kernel is small, and its ghost norm costs positions^2.
//! 3. Source: ONNX Conv 11.

use ndarray::linalg::general_mat_mul;

use super::architecture::Shape;
use super::dense::{view, view_mut};

/// Extents of a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    pub(super) input: Shape,
    pub(super) output: Shape,
    pub(super) kernel: usize,
    pub(super) padding: usize,
}

impl Conv {
    /// Rows of U(x).
    fn taps(&self) -> usize {
        self.input.channels * self.kernel * self.kernel
    }

    fn positions(&self) -> usize {
        self.output.height * self.output.width
    }

    /// Calls with (row of U, position in it, position in x) for all that lie within x.
    fn windows(&self, mut visit: impl FnMut(usize, usize)) {
        let (input, k) = (self.input, self.kernel);
        let mut at = 0;
        for channel in 0..input.channels {
            for row in 0..k {
                for column in 0..k {
                    for y in 0..self.output.height {
                        let from = (y + row).wrapping_sub(self.padding);
                        for x in 0..self.output.width {
                            let source = (x + column).wrapping_sub(self.padding);
                            if from < input.height && source < input.width {
                                visit(at, (channel * input.height + from) * input.width + source);
                            }
                            at += 1;
                        }
                    }
                }
            }
        }
    }

    fn unfold(&self, x: &[f32], unfolded: &mut [f32]) {
        unfolded.fill(0.0);
        self.windows(|to, from| unfolded[to] = x[from]);
    }

    pub(super) fn forward(&self, x: &[f32], weights: &[f32], biases: &[f32], y: &mut [f32]) {
        let (taps, positions, outputs) = (self.taps(), self.positions(), biases.len());
        let mut unfolded = vec![0.0; taps * positions];
        let examples = x
            .chunks_exact(self.input.size())
            .zip(y.chunks_exact_mut(self.output.size()));
        for (x, y) in examples {
            self.unfold(x, &mut unfolded);
            for (row, bias) in y.chunks_exact_mut(positions).zip(biases) {
                row.fill(*bias);
            }
            let (w, u) = (
                view(weights, outputs, taps),
                view(&unfolded, taps, positions),
            );
            general_mat_mul(1.0, &w, &u, 1.0, &mut view_mut(y, outputs, positions));
        }
    }

    pub(super) fn backward(&self, g: &[f32], weights: &[f32], dx: &mut [f32]) {
        let (taps, positions, outputs) = (self.taps(), self.positions(), self.output.channels);
        let mut unfolded = vec![0.0; taps * positions];
        let examples = g
            .chunks_exact(self.output.size())
            .zip(dx.chunks_exact_mut(self.input.size()));
        for (g, dx) in examples {
            let (w, g) = (view(weights, outputs, taps), view(g, outputs, positions));
            general_mat_mul(
                1.0,
                &w.t(),
                &g,
                0.0,
                &mut view_mut(&mut unfolded, taps, positions),
            );
            dx.fill(0.0);
            self.windows(|from, to| dx[to] += unfolded[from]);
        }
    }

    /// `[weights, biases]` of each example.
    pub(super) fn gradients(&self, x: &[f32], g: &[f32]) -> Vec<f32> {
        let (taps, positions, outputs) = (self.taps(), self.positions(), self.output.channels);
        let rows = x.len() / self.input.size();
        let size = outputs * (taps + 1);
        let mut gradients = vec![0.0; rows * size];
        let mut unfolded = vec![0.0; taps * positions];
        let examples = x
            .chunks_exact(self.input.size())
            .zip(g.chunks_exact(self.output.size()));
        for (gradient, (x, g)) in gradients.chunks_exact_mut(size).zip(examples) {
            self.unfold(x, &mut unfolded);
            let (dw, db) = gradient.split_at_mut(outputs * taps);
            for (sum, row) in db.iter_mut().zip(g.chunks_exact(positions)) {
                *sum = row.iter().sum();
            }
            let (g, u) = (
                view(g, outputs, positions),
                view(&unfolded, taps, positions),
            );
            general_mat_mul(1.0, &g, &u.t(), 0.0, &mut view_mut(dw, outputs, taps));
        }
        gradients
    }
}
