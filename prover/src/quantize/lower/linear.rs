//! Linear: one dense integer layer per position, `round_shift(sum_i w_ji x_i + b_j, S)`, Relu fused.

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
        let x = self.narrow(&x)?;
        let d = self.extra_bits(op.inputs, x.scale, &op.weights);
        let weights = LinearWeights {
            weights: self.integer_weights(&op.weights, s + d)?,
            biases: self.integer_biases(&op.bias, x.scale + s + d)?,
        };
        let positions = x.scalars.len() / op.inputs;
        self.weight_count = self
            .weight_count
            .saturating_add(positions * op.weights.len());
        if self.weight_count > MAX_WEIGHTS {
            return Err(QuantizeError::Limit {
                what: "weights",
                limit: MAX_WEIGHTS,
            });
        }
        let mut scalars = Vec::new();
        for position in x.scalars.chunks_exact(op.inputs) {
            self.weights.linear.push(weights.clone());
            scalars.extend(self.emit(Op::Linear {
                inputs: position.to_vec(),
                outputs: op.outputs as u32,
                shift: s,
                activation,
            })?);
        }
        self.settled(Fixed {
            scalars,
            scale: x.scale + d,
        })
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
