//! Layer by constants whose weights serve many positions: `y_op = b_o + sum_c sum_(t, q) w_oct x_cq` over the channels
//! of the output's group and the pairs (t, q) with `at[q] + taps[t] = to[p]`, see [`Positions`].
//!
//! x: [channels, positions.at], W: [outputs, channels / groups, taps], y: [outputs, positions.to].

use crate::quantize::skeleton::Positions;

#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    pub(crate) channels: usize,
    pub(crate) outputs: usize,
    pub(crate) groups: usize,
    pub(crate) positions: Positions,
    /// [outputs, channels / groups, taps]
    pub(crate) weights: Vec<f64>,
    /// `[outputs]`
    pub(crate) bias: Vec<f64>,
}

impl Convolution {
    /// Weights of one output.
    pub(crate) fn kernel_len(&self) -> usize {
        self.channels / self.groups * self.positions.taps.len()
    }

    /// The first channel that an output reads.
    pub(crate) fn first_channel(&self, output: usize) -> usize {
        output * self.groups / self.outputs * (self.channels / self.groups)
    }

    /// Whether each result is a sum over all taps: nothing is padded.
    pub(crate) fn is_full(&self) -> bool {
        let taps = self.positions.taps.len();
        self.positions.pairs().iter().all(|p| p.len() == taps)
    }

    pub(crate) fn eval(&self, x: &[f64]) -> Vec<f64> {
        let (width, taps) = (self.positions.at.len(), self.positions.taps.len());
        let pairs = self.positions.pairs();
        let kernels = self.weights.chunks_exact(self.kernel_len());
        let mut y = Vec::with_capacity(self.outputs * pairs.len());
        for (o, (kernel, bias)) in kernels.zip(&self.bias).enumerate() {
            let x = &x[self.first_channel(o) * width..];
            for pairs in &pairs {
                let channels = kernel.chunks_exact(taps).zip(x.chunks_exact(width));
                let sums = channels.map(|(kernel, x)| {
                    let products = pairs.iter().map(|&(t, q)| kernel[t] * x[q]);
                    products.sum::<f64>()
                });
                y.push(sums.sum::<f64>() + bias);
            }
        }
        y
    }
}
