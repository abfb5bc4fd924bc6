//! Linear: a dense integer layer, `round_shift(sum_i w_ji x_i + b_j, S)`, Relu fused.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, LinearWeights, Op};
use super::{Fixed, Lowering, MAX_WEIGHTS};
use crate::onnx::Linear;

impl Lowering<'_> {
    pub(super) fn linear(
        &mut self,
        op: &Linear,
        input: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let s = self.options.scale_bits;
        let x = self.tensor(input);
        if x.scalars.len() > op.inputs {
            return self.dense_at_positions(op, input, activation);
        }
        let x = self.narrow(&x)?;
        // Whole numbers and bits get the model's scale here.
        let whole = self.makes_whole();
        let shift = if whole { 0 } else { s.min(x.scale) };
        let bits = if whole {
            0
        } else {
            s + self.extra_bits(op.inputs, x.scale, &op.weights)
        };
        let integers = self.integer_weights(&op.weights, bits)?;
        let bias = self.corrected_bias(op, &integers, bits, input);
        let weights = LinearWeights {
            biases: self.integer_biases(&bias, x.scale + bits)?,
            weights: integers,
        };
        self.note_weights(&weights, (&op.weights, bits), (&op.bias, x.scale + bits));
        self.weight_count = self.weight_count.saturating_add(op.weights.len());
        if self.weight_count > MAX_WEIGHTS {
            return Err(QuantizeError::Limit {
                what: "weights",
                limit: MAX_WEIGHTS,
            });
        }
        self.weights.linear.push(weights);
        let scalars = self.emit(Op::Linear {
            inputs: x.scalars,
            outputs: op.outputs as u32,
            shift,
            activation,
        })?;
        self.settled(Fixed {
            scalars,
            scale: x.scale + bits - shift,
        })
    }

    /// The bias, less what the rounding of the weights adds to the output on average, where means are known.
    fn corrected_bias(&self, op: &Linear, weights: &[i32], bits: u32, input: usize) -> Vec<f64> {
        let mean = self.means.get(input).map_or(&[][..], Vec::as_slice);
        if mean.len() != op.inputs {
            return op.bias.clone();
        }
        let unit = 2f64.powi(-(bits as i32));
        let rows = op.weights.chunks_exact(op.inputs);
        rows.zip(weights.chunks_exact(op.inputs))
            .zip(&op.bias)
            .map(|((exact, rounded), bias)| {
                let added = exact.iter().zip(rounded).zip(mean);
                added.fold(*bias, |b, ((w, q), m)| b + (w - f64::from(*q) * unit) * m)
            })
            .collect()
    }

    /// A layer's result, brought back near the model's scale if small weights raised it far.
    pub(super) fn settled(&mut self, t: Fixed) -> Result<Fixed, QuantizeError> {
        let most = self.options.scale_bits + 12;
        if t.scale <= most {
            return Ok(t);
        }
        let target = self.options.scale_bits + 4;
        self.rescaled_down(t, target)
    }
}
