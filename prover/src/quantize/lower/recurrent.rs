//! A dense layer that several steps of a recurrence use: made once, used again with the same integers, so that the
//! proof shows one set of weights. Operands of later uses come to the first one's scale.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, LinearWeights, Op};
use super::{Fixed, Lowering};
use crate::onnx::Recurrent;

/// What the first use of a layer fixed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    layer: u32,
    shift: u32,
    /// Scale of operands and of results.
    from: u32,
    to: u32,
}

impl Lowering<'_> {
    pub(super) fn recurrent(
        &mut self,
        op: &Recurrent,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        // A first state of whole numbers must not fix the scale of the later ones.
        let x = self.fractional(self.tensor(input))?;
        let mut x = self.narrow(&x)?;
        let layer = &op.layer;
        let mut scalars = Vec::new();
        let known = match self.recurrent.get(&op.number) {
            Some(known) => *known,
            None => {
                let s = self.options.scale_bits;
                let shift = s.min(x.scale);
                let d = self.extra_bits(layer.inputs, x.scale, &layer.weights);
                let to = x.scale + s + d - shift;
                let weights = LinearWeights {
                    weights: self.integer_weights(&layer.weights, s + d)?,
                    biases: self.integer_biases(&layer.bias, x.scale + s + d)?,
                };
                let known = Known {
                    layer: self.weights.linear.len() as u32,
                    shift,
                    from: x.scale,
                    to,
                };
                self.note_weights(
                    &weights,
                    (&layer.weights, s + d),
                    (&layer.bias, x.scale + s + d),
                );
                self.weights.linear.push(weights);
                self.recurrent.insert(op.number, known);
                let first = x.scalars.split_off(layer.inputs.min(x.scalars.len()));
                let inputs = std::mem::replace(&mut x.scalars, first);
                scalars = self.emit(Op::Linear {
                    inputs,
                    outputs: layer.outputs as u32,
                    shift,
                    activation: Activation::None,
                })?;
                known
            }
        };
        let x = self.rescaled_up(x, known.from)?;
        let x = self.rescaled_down(x, known.from)?;
        for inputs in x.scalars.chunks_exact(layer.inputs) {
            scalars.extend(self.emit(Op::Again {
                inputs: inputs.to_vec(),
                outputs: layer.outputs as u32,
                layer: known.layer,
                shift: known.shift,
                activation: Activation::None,
            })?);
        }
        self.settled(Fixed {
            scalars,
            scale: known.to,
        })
    }
}
