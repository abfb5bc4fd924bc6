//! Pointwise functions.
//!
//! Relu is an activation of an elementwise operation, Clip a clamp, Sigmoid and Tanh are tables. LeakyRelu:
//! `alpha x + (1 - alpha) relu(x)`, with alpha rounded to S + 4 fractional bits. Functions that follow relu for large
//! x (Gelu, Elu, Softplus, Mish) are relu and a table of the bounded rest.

use super::super::error::QuantizeError;
use super::super::function::{Curve, Span};
use super::super::skeleton::Activation;
use super::{Fixed, Formula, Lowering};
use crate::onnx::Pointwise;

/// Fractional bits of a public factor, at most.
const FACTOR_BITS: u32 = 24;

impl Lowering<'_> {
    pub(super) fn pointwise(
        &mut self,
        op: Pointwise,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let mut x = self.tensor(input);
        let s = self.options.scale_bits;
        if !op.keeps_whole() {
            x = self.fractional(x)?;
        }
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
                // Off by (rounded - exact)(x - relu(x)): by both operands at most.
                self.rounded(0.5, 0.0);
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
                let next = self.ops.len();
                let scalars = self.clamp_where_needed(&x.scalars, lo.min(hi), hi)?;
                if self.ops.len() > next {
                    self.rounded(0.0, 0.5);
                }
                Ok(Fixed {
                    scalars,
                    scale: x.scale,
                })
            }
            Pointwise::Sigmoid => self.function(Curve::Sigmoid, &x, s),
            Pointwise::Tanh => self.function(Curve::Tanh, &x, s),
            Pointwise::Erf => self.function(Curve::Erf, &x, s + 4),
            Pointwise::Gelu { tanh } => self.bent(&x, 1.0, Curve::Gelu { tanh }),
            Pointwise::Softplus => self.bent(&x, 1.0, Curve::Softplus),
            Pointwise::Mish => self.bent(&x, 1.0, Curve::Mish),
            Pointwise::Elu { alpha, gamma } => {
                let factor = alpha * gamma;
                if factor.is_nan() || factor.abs() > 1024.0 {
                    return Err(self.refuse("alpha is too great"));
                }
                let factor = factor.to_bits();
                self.bent(&x, gamma, Curve::Elu { factor })
            }
            Pointwise::Neg => self.public(&x, -1, 0),
            Pointwise::Not => self.public(&x, -1, 1 << x.scale),
            Pointwise::Abs => {
                let x = self.narrow(&x)?;
                Ok(Fixed {
                    scalars: self.magnitude(&x.scalars)?,
                    scale: x.scale,
                })
            }
            Pointwise::Sign => self.sign_of(&x),
            Pointwise::Floor => self.floor_or_ceil(&x, false),
            Pointwise::Ceil => self.floor_or_ceil(&x, true),
            Pointwise::Round => self.round_half_even(&x),
            Pointwise::Trunc => self.whole_part(&x),
            Pointwise::Square => {
                let x = self.narrow(&x)?;
                let shift = x.scale.saturating_sub(8);
                let x = self.as_factor(&x, shift)?;
                let square = Formula {
                    product: 1,
                    shift,
                    ..Formula::ZERO
                };
                let squares = Fixed {
                    scalars: self.local(&x.scalars, &x.scalars, square)?,
                    scale: 2 * x.scale - shift,
                };
                self.settled(squares)
            }
            Pointwise::Exp => self.exp(&x),
            Pointwise::Log => self.log(&x),
            Pointwise::Sqrt => self.sqrt(&x),
            Pointwise::Reciprocal => {
                let x = self.narrow(&x)?;
                self.reciprocal(&x)
            }
            Pointwise::Public { factor, offset } => self.public_affine(&x, factor, offset),
            Pointwise::Sin => self.sin(&x),
            Pointwise::Decay => {
                let x = self.rescaled_down(x, s + 8)?;
                let lowest = -(32i64 << x.scale);
                let x = Fixed {
                    scalars: self.clamp_where_needed(&x.scalars, lowest, 0)?,
                    scale: x.scale,
                };
                let spans = Span::decay(x.scale);
                self.wide_function(Curve::Exponential, &x, &spans, s + 8)
            }
            Pointwise::Cubic => self.function(Curve::Cubic, &x, s + 4),
            Pointwise::AcosRatio => self.function(Curve::AcosRatio, &x, s + 4),
            Pointwise::Acosh => {
                let x = self.narrow(&x)?;
                let spans = Span::growing(1 << x.scale, self.options.log_segments);
                self.wide_function(Curve::Acosh, &x, &spans, s + 8)
            }
            Pointwise::Atan => self.odd(&x, Curve::Atan),
            Pointwise::Asinh => self.odd(&x, Curve::Asinh),
            Pointwise::Softsign => {
                let x = self.narrow(&x)?;
                let size = self.magnitude(&x.scalars)?;
                let more = Formula {
                    left: 1,
                    constant: 1 << x.scale,
                    ..Formula::ZERO
                };
                let divisor = Fixed {
                    scalars: self.local(&size, &size, more)?,
                    scale: x.scale,
                };
                let y = self.quotient(&x, &divisor)?;
                let one = 1i64 << y.scale;
                Ok(Fixed {
                    scalars: self.clamp_where_needed(&y.scalars, -one, one)?,
                    scale: y.scale,
                })
            }
            Pointwise::HardSigmoid { alpha, beta } => {
                let x = self.narrow(&x)?;
                let y = self.scaled(&x, (alpha, beta), s + 8)?;
                Ok(Fixed {
                    scalars: self.clamp_where_needed(&y.scalars, 0, 1 << y.scale)?,
                    scale: y.scale,
                })
            }
            Pointwise::HardSwish => {
                let x = self.narrow(&x)?;
                let moved = self.public(&x, 1, 3 << x.scale)?;
                let part = self.clamp_where_needed(&moved.scalars, 0, 6 << x.scale)?;
                let product = Formula {
                    product: 1,
                    shift: x.scale,
                    ..Formula::ZERO
                };
                let product = Fixed {
                    scalars: self.local(&x.scalars, &part, product)?,
                    scale: x.scale,
                };
                let product = self.narrow(&product)?;
                self.scaled(&product, (1.0 / 6.0, 0.0), s + 8)
            }
        }
    }

    /// `factor x + constant` at the operand's scale; exact.
    fn public(&mut self, x: &Fixed, factor: i64, constant: i64) -> Result<Fixed, QuantizeError> {
        let x = self.narrow(x)?;
        let formula = Formula {
            left: factor,
            constant,
            ..Formula::ZERO
        };
        Ok(Fixed {
            scalars: self.local(&x.scalars, &x.scalars, formula)?,
            scale: x.scale,
        })
    }

    /// `factor x + offset`: exact for whole numbers, else the factor has up to 24 fractional bits.
    fn public_affine(
        &mut self,
        x: &Fixed,
        factor: f64,
        offset: f64,
    ) -> Result<Fixed, QuantizeError> {
        if factor == 0.0 && offset.fract() == 0.0 {
            // A whole number, at the scale of those.
            let x = Fixed {
                scalars: x.scalars.clone(),
                scale: 0,
            };
            return self.scaled(&x, (0.0, offset), 0);
        }
        let x = self.narrow(x)?;
        let widest = x.scalars.iter().map(|&id| self.interval(id).bits()).max();
        let size = factor.abs().max(1.0).log2().ceil() as u32;
        let room = 59u32.saturating_sub(widest.unwrap_or(0) + size);
        let bits = if factor.fract() == 0.0 {
            0
        } else {
            // Less than 2^31 with its fraction.
            room.min(FACTOR_BITS).min(30u32.saturating_sub(size))
        };
        self.scaled(&x, (factor, offset), bits)
    }

    /// Sine: `x - 2 pi q`, q the nearest whole number to `x / 2 pi`, in a table over one period. The period is rounded to
    /// S + 12 fractional bits, so the argument is off by q half units of that.
    fn sin(&mut self, x: &Fixed) -> Result<Fixed, QuantizeError> {
        let s = self.options.scale_bits;
        let x = self.rescaled_down(x.clone(), s + 12)?;
        let x = self.rescaled_up(x, s + 12)?;
        let x = self.narrow(&x)?;
        let turn = std::f64::consts::TAU;
        let turns = Formula {
            left: (2f64.powi(16) / turn).round() as i64,
            shift: 16 + x.scale,
            ..Formula::ZERO
        };
        let q = self.local(&x.scalars, &x.scalars, turns)?;
        let rest = Formula {
            left: 1,
            right: -((turn * 2f64.powi(x.scale as i32)).round() as i64),
            ..Formula::ZERO
        };
        let rest = Fixed {
            scalars: self.local(&x.scalars, &q, rest)?,
            scale: x.scale,
        };
        self.function(Curve::Sin, &rest, s + 4)
    }

    /// An odd function by tables of its positive half.
    fn odd(&mut self, x: &Fixed, curve: Curve) -> Result<Fixed, QuantizeError> {
        let x = self.narrow(x)?;
        let (size, sign) = self.size_and_sign(&x)?;
        let size = Fixed {
            scalars: size,
            scale: x.scale,
        };
        let spans = Span::growing(0, self.options.log_segments);
        let y = self.wide_function(curve, &size, &spans, self.options.scale_bits + 8)?;
        let Some(sign) = sign else { return Ok(y) };
        Ok(Fixed {
            scalars: self.signed(&sign, &y.scalars)?,
            scale: y.scale,
        })
    }

    /// `gamma relu(x)` and a table of what is left.
    fn bent(&mut self, x: &Fixed, gamma: f64, rest: Curve) -> Result<Fixed, QuantizeError> {
        let s = self.options.scale_bits;
        let x = self.narrow(x)?;
        let x = self.rescaled_down(x, s + 8)?;
        let relu = Formula {
            left: 1,
            activation: Activation::Relu,
            ..Formula::ZERO
        };
        let mut positive = Fixed {
            scalars: self.local(&x.scalars, &x.scalars, relu)?,
            scale: x.scale,
        };
        if gamma != 1.0 {
            positive = self.scaled(&positive, (gamma, 0.0), s + 8)?;
        }
        let rest = self.function(rest, &x, s + 4)?;
        self.weighted(&positive, &rest, (1, 1), Activation::None)
    }
}
