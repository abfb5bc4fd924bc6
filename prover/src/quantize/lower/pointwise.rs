//! Pointwise functions.
//!
//! Relu is an activation of an elementwise operation, Clip a clamp, Sigmoid and Tanh are tables. LeakyRelu:
//! `alpha x + (1 - alpha) relu(x)`, with alpha rounded to S + 4 fractional bits.

use super::super::error::QuantizeError;
use super::super::function::Curve;
use super::super::skeleton::Activation;
use super::{Fixed, Formula, Lowering};
use crate::onnx::Pointwise;

impl Lowering<'_> {
    pub(super) fn pointwise(
        &mut self,
        op: Pointwise,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        let s = self.options.scale_bits;
        match op {
            Pointwise::Relu => {
                let relu = Formula {
                    left: 1,
                    activation: Activation::Relu,
                    ..Formula::ZERO
                };
                Ok(Fixed {
                    scalars: self.local(&x.scalars, &x.scalars, relu)?,
                    scale: x.scale,
                })
            }
            Pointwise::LeakyRelu { alpha } => {
                let x = self.narrow(&x)?;
                let bits = s + 4;
                let one = 1i64 << bits;
                let rounded = (alpha * one as f64).round();
                if rounded.abs() >= 2f64.powi(31) {
                    return Err(self.refuse("alpha is too great"));
                }
                let alpha = rounded as i64;
                let relu = Formula {
                    left: 1,
                    activation: Activation::Relu,
                    ..Formula::ZERO
                };
                let positive = self.local(&x.scalars, &x.scalars, relu)?;
                let blend = Formula {
                    left: alpha,
                    right: one - alpha,
                    shift: bits,
                    ..Formula::ZERO
                };
                let scalars = self.local(&x.scalars, &positive, blend)?;
                Ok(Fixed {
                    scalars,
                    scale: x.scale,
                })
            }
            Pointwise::From { offset } => {
                let from = Formula {
                    left: -1,
                    constant: offset << x.scale,
                    ..Formula::ZERO
                };
                Ok(Fixed {
                    scalars: self.local(&x.scalars, &x.scalars, from)?,
                    scale: x.scale,
                })
            }
            Pointwise::Clip { lo, hi } => {
                let unit = 2f64.powi(x.scale as i32);
                let widest = x.scalars.iter().map(|&id| self.interval(id).bits()).max();
                let open = 1i64 << widest.unwrap_or(0);
                let bound = |v: f64| {
                    let q = (v * unit).round();
                    q.clamp(-(open as f64), open as f64) as i64
                };
                let (lo, hi) = (lo.map_or(-open, bound), hi.map_or(open, bound));
                // min(max(x, lo), hi) is hi wherever the bounds cross.
                let scalars = self.clamp_where_needed(&x.scalars, lo.min(hi), hi)?;
                Ok(Fixed {
                    scalars,
                    scale: x.scale,
                })
            }
            Pointwise::Sigmoid => self.function(Curve::Sigmoid, &x, s),
            Pointwise::Tanh => self.function(Curve::Tanh, &x, s),
        }
    }
}
