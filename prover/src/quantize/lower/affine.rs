//! Affine: an elementwise map by private constants, `round_shift(w_i x_i + b_i, S)`, Relu fused.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, LinearWeights, Op};
use super::{Fixed, Lowering};
use crate::onnx::Affine;

impl Lowering<'_> {
    pub(super) fn affine(
        &mut self,
        op: &Affine,
        input: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        if op.inner > 1 {
            return self.affine_by_channel(op, input, activation);
        }
        let s = self.options.scale_bits;
        let x = self.tensor(input);
        let x = self.narrow(&x)?;
        let n = x.scalars.len();
        let whole = self.makes_whole();
        let scale: Vec<f64> = (0..n).map(|i| op.scale_at(i)).collect();
        let offset: Vec<f64> = (0..n).map(|i| op.offset_at(i)).collect();
        // Whole numbers and bits get the model's scale here.
        let shift = if whole { 0 } else { s.min(x.scale) };
        let bits = if whole {
            0
        } else {
            s + self.extra_bits(1, x.scale, &scale)
        };
        let weights = LinearWeights {
            weights: self.integer_weights(&scale, bits)?,
            biases: self.integer_biases(&offset, x.scale + bits)?,
        };
        self.weights.diagonal.push(weights);
        let scalars = self.emit(Op::Diagonal {
            inputs: x.scalars,
            shift,
            activation,
        })?;
        self.settled(Fixed {
            scalars,
            scale: x.scale + bits - shift,
        })
    }
}
