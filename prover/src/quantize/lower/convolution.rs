//! Layers whose weights serve many positions: convolutions, a dense layer at several places, one number for each
//! channel. `round_shift(y, S)` of each accumulator, Relu fused.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, LinearWeights, Op, Positions, ScalarId};
use super::{Fixed, Lowering, MAX_WEIGHTS};
use crate::onnx::{Affine, Convolution, Linear};

impl Lowering<'_> {
    pub(super) fn convolution(
        &mut self,
        op: &Convolution,
        input: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        self.shared(op, x, input, activation)
    }

    /// A dense layer at each of several positions, x: [positions, inputs].
    pub(super) fn dense_at_positions(
        &mut self,
        op: &Linear,
        input: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        let positions = x.scalars.len() / op.inputs;
        let convolution = Convolution {
            channels: op.inputs,
            outputs: op.outputs,
            groups: 1,
            positions: Positions::dense(positions),
            weights: op.weights.clone(),
            bias: op.bias.clone(),
        };
        let x = Fixed {
            scalars: turned(&x.scalars, op.inputs),
            scale: x.scale,
        };
        let y = self.shared(&convolution, x, input, activation)?;
        Ok(Fixed {
            scalars: turned(&y.scalars, positions),
            scale: y.scale,
        })
    }

    /// An affine map with one number for each run of `op.inner` elements.
    pub(super) fn affine_by_channel(
        &mut self,
        op: &Affine,
        input: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        let channels = x.scalars.len() / op.inner;
        let entries = || (0..channels).map(|c| c * op.inner);
        let convolution = Convolution {
            channels,
            outputs: channels,
            groups: channels,
            positions: Positions::dense(op.inner),
            weights: entries().map(|i| op.scale_at(i)).collect(),
            bias: entries().map(|i| op.offset_at(i)).collect(),
        };
        self.shared(&convolution, x, input, activation)
    }

    fn shared(
        &mut self,
        op: &Convolution,
        x: Fixed,
        input: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let s = self.options.scale_bits;
        let x = self.narrow(&x)?;
        // Whole numbers and bits get the model's scale here.
        let shift = s.min(x.scale);
        let d = self.extra_bits(op.kernel_len(), x.scale, &op.weights);
        let integers = self.integer_weights(&op.weights, s + d)?;
        let bias = self.corrected_channels(op, &integers, s + d, input);
        self.weight_count = self.weight_count.saturating_add(op.weights.len());
        if self.weight_count > MAX_WEIGHTS {
            return Err(QuantizeError::Limit {
                what: "weights",
                limit: MAX_WEIGHTS,
            });
        }
        self.weights.linear.push(LinearWeights {
            biases: self.integer_biases(&bias, x.scale + s + d)?,
            weights: integers,
        });
        let scalars = self.emit(Op::Convolution {
            inputs: x.scalars,
            outputs: op.outputs as u32,
            groups: op.groups as u32,
            positions: op.positions.clone(),
            shift,
            activation,
        })?;
        self.settled(Fixed {
            scalars,
            scale: x.scale + s + d - shift,
        })
    }

    /// The bias, less what the rounding of the weights adds on average over rows and results, where means are
    /// known.
    fn corrected_channels(
        &self,
        op: &Convolution,
        weights: &[i32],
        bits: u32,
        input: usize,
    ) -> Vec<f64> {
        let means = self.means.get(input).map_or(&[][..], Vec::as_slice);
        let (width, taps) = (op.positions.at.len(), op.positions.taps.len());
        if means.len() != op.channels * width || op.channels * width == 0 {
            return op.bias.clone();
        }
        let unit = 2f64.powi(-(bits as i32));
        let results = op.positions.to.len() as f64;
        // For each tap and channel the mean of what the tap meets.
        let mut met = vec![0.0; op.channels * taps];
        for (t, q) in op.positions.pairs().into_iter().flatten() {
            for c in 0..op.channels {
                met[c * taps + t] += means[c * width + q] / results;
            }
        }
        let size = op.kernel_len();
        let kernels = op
            .weights
            .chunks_exact(size)
            .zip(weights.chunks_exact(size));
        kernels
            .zip(&op.bias)
            .enumerate()
            .map(|(o, ((exact, rounded), bias))| {
                let met = &met[op.first_channel(o) * taps..][..size];
                let added = exact.iter().zip(rounded).zip(met);
                added.fold(*bias, |b, ((w, q), m)| b + (w - f64::from(*q) * unit) * m)
            })
            .collect()
    }
}

/// [rows, columns] as [columns, rows].
pub(super) fn turned(scalars: &[ScalarId], columns: usize) -> Vec<ScalarId> {
    (0..columns)
        .flat_map(|c| scalars.iter().skip(c).step_by(columns).copied())
        .collect()
}
