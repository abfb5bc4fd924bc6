//! Affine: an elementwise map by private constants, `round_shift(w_i x_i + b_i, S)`, Relu fused. Of many elements,
//! scale and offset become private vectors and the map a product and a sum.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, LinearWeights, Op, Positions, ScalarId};
use super::{Fixed, Formula, Lowering};
use crate::onnx::Affine;

/// Greatest number of elements of a `Diagonal`, whose cells grow with the square.
const MAX_DIAGONAL: usize = 64;

impl Lowering<'_> {
    pub(super) fn affine(
        &mut self,
        op: &Affine,
        input: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        if self.tensor(input).scalars.len() > op.period {
            return self.affine_by_channel(op, input, activation);
        }
        if op.period > MAX_DIAGONAL {
            return self.affine_by_vectors(op, input, activation);
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
        self.note_weights(&weights, (&scale, bits), (&offset, x.scale + bits));
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

    /// The map by a vector of scales and one of offsets.
    fn affine_by_vectors(
        &mut self,
        op: &Affine,
        input: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let s = self.options.scale_bits;
        let x = self.fractional(self.tensor(input))?;
        let mut y = self.narrow(&x)?;
        let last = |more: bool| if more { Activation::None } else { activation };
        if let Some(scale) = &op.scale {
            let bits = s + self.extra_bits(1, y.scale, scale);
            let factors = self.private_vector(scale, bits, &y)?;
            let product = Formula {
                product: 1,
                shift: s,
                activation: last(op.offset.is_some()),
                ..Formula::ZERO
            };
            let scalars = self.local(&y.scalars, &factors, product)?;
            y = self.settled(Fixed {
                scalars,
                scale: y.scale + bits - s,
            })?;
        }
        if let Some(offset) = &op.offset {
            let bits = (s + 3).min(y.scale);
            let offsets = self.private_vector(offset, bits, &y)?;
            let y_narrow = self.narrow(&y)?;
            let sum = Formula {
                left: 1,
                right: 1 << (y_narrow.scale - bits),
                activation,
                ..Formula::ZERO
            };
            y = Fixed {
                scalars: self.local(&y_narrow.scalars, &offsets, sum)?,
                scale: y_narrow.scale,
            };
        }
        Ok(y)
    }

    /// Private numbers with `bits` fractional bits as scalars: the taps of a kernel on the number one.
    fn private_vector(
        &mut self,
        numbers: &[f64],
        bits: u32,
        any: &Fixed,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let one = Formula {
            constant: 1,
            ..Formula::ZERO
        };
        let one = self.local(&any.scalars[..1], &any.scalars[..1], one)?;
        // About as many outputs as lanes fit in a cell.
        let outputs = 8;
        let taps = numbers.len().div_ceil(outputs);
        let mut weights = self.integer_weights(numbers, bits)?;
        weights.resize(outputs * taps, 0);
        let weights = LinearWeights {
            weights,
            biases: vec![0; outputs],
        };
        self.note_weights(&weights, (numbers, bits), (&[], 0));
        self.weights.linear.push(weights);
        let mut scalars = self.emit(Op::Convolution {
            inputs: one,
            outputs: outputs as u32,
            groups: 1,
            positions: Positions::taps(taps),
            shift: 0,
            activation: Activation::None,
        })?;
        scalars.truncate(numbers.len());
        Ok(scalars)
    }
}
