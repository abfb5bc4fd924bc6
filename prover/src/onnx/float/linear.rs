//! Dense layer by constants, on each of T positions: `y_tj = sum_i W_ji x_ti + b_j`.
//!
//! W: [outputs, inputs], x: [T, inputs], y: [T, outputs]; T = length of x / inputs.

#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// [outputs, inputs]
    pub(crate) weights: Vec<f64>,
    /// `[outputs]`
    pub(crate) bias: Vec<f64>,
}

impl Linear {
    pub(crate) fn eval(&self, x: &[f64]) -> Vec<f64> {
        let mut y = Vec::with_capacity(x.len() / self.inputs * self.outputs);
        for position in x.chunks_exact(self.inputs) {
            for (row, bias) in self.weights.chunks_exact(self.inputs).zip(&self.bias) {
                y.push(row.iter().zip(position).map(|(w, x)| w * x).sum::<f64>() + bias);
            }
        }
        y
    }
}
