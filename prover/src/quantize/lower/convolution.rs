//! Layers whose weights serve many positions: convolutions, a dense layer at several places, one number for each
//! channel. `round_shift(y, S)` of each accumulator, Relu fused.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, LinearWeights, Op, Positions};
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
        let means = self.means_of(input).map(<[f64]>::to_vec);
        self.shared(op, &x, means.as_deref(), activation)
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
        let means = self.means_of(input).map(|m| turned(m, op.inputs));
        let y = self.shared(&convolution, &x, means.as_deref(), activation)?;
        Ok(Fixed {
            scalars: turned(&y.scalars, positions),
            scale: y.scale,
        })
    }

    /// An affine map whose entries serve several elements each: entry e is a channel of its own.
    pub(super) fn affine_by_channel(
        &mut self,
        op: &Affine,
        input: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        // Elements by entry: x is [repeats, period, inner].
        let (period, inner) = (op.period, op.inner);
        let repeats = x.scalars.len() / op.block();
        let places = (0..period).flat_map(|e| {
            (0..repeats).flat_map(move |r| {
                let first = (r * period + e) * inner;
                first..first + inner
            })
        });
        let places: Vec<usize> = places.collect();
        let convolution = Convolution {
            channels: period,
            outputs: period,
            groups: period,
            positions: Positions::dense(repeats * inner),
            weights: (0..period).map(|e| op.scale_at(e * inner)).collect(),
            bias: (0..period).map(|e| op.offset_at(e * inner)).collect(),
        };
        let x = Fixed {
            scalars: places.iter().map(|&i| x.scalars[i]).collect(),
            scale: x.scale,
        };
        let y = self.shared(&convolution, &x, None, activation)?;
        let mut scalars = y.scalars.clone();
        for (&place, id) in places.iter().zip(y.scalars) {
            scalars[place] = id;
        }
        Ok(Fixed {
            scalars,
            scale: y.scale,
        })
    }

    fn shared(
        &mut self,
        op: &Convolution,
        x: &Fixed,
        means: Option<&[f64]>,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let s = self.options.scale_bits;
        let x = self.narrow(x)?;
        // Whole numbers and bits get the model's scale here.
        let shift = s.min(x.scale);
        let d = self.extra_bits(op.kernel_len(), x.scale, &op.weights);
        let integers = self.integer_weights(&op.weights, s + d)?;
        let bias = corrected(op, &integers, s + d, means.unwrap_or(&[]));
        self.weight_count = self.weight_count.saturating_add(op.weights.len());
        if self.weight_count > MAX_WEIGHTS {
            return Err(QuantizeError::Limit {
                what: "weights",
                limit: MAX_WEIGHTS,
            });
        }
        let weights = LinearWeights {
            biases: self.integer_biases(&bias, x.scale + s + d)?,
            weights: integers,
        };
        self.note_weights(&weights, (&op.weights, s + d), (&op.bias, x.scale + s + d));
        self.weights.linear.push(weights);
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

    /// Means of a value's elements over calibration rows, where there are some.
    fn means_of(&self, input: usize) -> Option<&[f64]> {
        let means = self.means.get(input)?;
        Some(means.as_slice()).filter(|m| !m.is_empty())
    }
}

/// The bias, less what the rounding of the weights adds on average over rows and results, where means are
/// known.
fn corrected(op: &Convolution, weights: &[i32], bits: u32, means: &[f64]) -> Vec<f64> {
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

/// [rows, columns] as [columns, rows].
pub(super) fn turned<T: Copy>(all: &[T], columns: usize) -> Vec<T> {
    (0..columns)
        .flat_map(|c| all.iter().skip(c).step_by(columns).copied())
        .collect()
}
