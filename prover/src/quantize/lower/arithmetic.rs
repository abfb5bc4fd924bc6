//! Arithmetic of two activations: operands brought to a common scale by public powers of two.
//!
//! Sum and difference: `2^(f - f_l) l +- 2^(f - f_r) r` at f = max(f_l, f_r); exact. Product:
//! `round_shift(l r, min(f_l, f_r))` at max(f_l, f_r). Greatest: `r + relu(l - r)`, exact. Quotient: see
//! quotient.rs and remainder.rs. Logic on bits: `l r`, `l + r - l r`, `l + r - 2 l r`, exact.

use super::super::deviations::Saturation;
use super::super::error::QuantizeError;
use super::super::skeleton::Activation;
use super::{Fixed, Formula, Lowering};
use crate::onnx::Arithmetic;

impl Lowering<'_> {
    pub(super) fn arithmetic(
        &mut self,
        op: Arithmetic,
        left: usize,
        right: usize,
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let (l, r) = (self.tensor(left), self.tensor(right));
        let (mut l, mut r) = (self.narrow(&l)?, self.narrow(&r)?);
        let scale = l.scale.max(r.scale);
        if op == Arithmetic::Mul {
            let shift = l.scale.min(r.scale);
            (l, r) = (self.as_factor(&l, shift)?, self.as_factor(&r, shift)?);
        }
        let bits = |product, sum| Formula {
            product,
            left: sum,
            right: sum,
            ..Formula::ZERO
        };
        let formula = match op {
            Arithmetic::Add => return self.weighted(&l, &r, (1, 1), activation),
            Arithmetic::Sub => return self.weighted(&l, &r, (1, -1), activation),
            Arithmetic::Max => {
                let excess = self.weighted(&l, &r, (1, -1), Activation::Relu)?;
                return self.weighted(&excess, &r, (1, 1), Activation::None);
            }
            Arithmetic::Min => {
                let excess = self.weighted(&l, &r, (1, -1), Activation::Relu)?;
                return self.weighted(&l, &excess, (1, -1), Activation::None);
            }
            Arithmetic::Div => return self.quotient(&l, &r),
            Arithmetic::DivWhole => return self.whole_quotient(&l, &r),
            Arithmetic::Mod => return self.remainder(&l, &r, false),
            Arithmetic::Fmod => return self.remainder(&l, &r, true),
            Arithmetic::BitAnd => return self.bitwise(&l, &r, bits(1, 0)),
            Arithmetic::BitOr => return self.bitwise(&l, &r, bits(-1, 1)),
            Arithmetic::BitXor => return self.bitwise(&l, &r, bits(-2, 1)),
            Arithmetic::And => bits(1, 0),
            Arithmetic::Or => bits(-1, 1),
            Arithmetic::Xor => bits(-2, 1),
            Arithmetic::Mul => Formula {
                product: 1,
                shift: l.scale.min(r.scale),
                activation,
                ..Formula::ZERO
            },
        };
        Ok(Fixed {
            scalars: self.local(&l.scalars, &r.scalars, formula)?,
            scale,
        })
    }

    /// The tensor clamped so that a product of two such, less `shift` bits, has at most 60.
    pub(super) fn as_factor(&mut self, t: &Fixed, shift: u32) -> Result<Fixed, QuantizeError> {
        let bound = 1i64 << (30 + shift / 2).min(60);
        let next = self.ops.len();
        let scalars = self.clamp_where_needed(&t.scalars, -bound, bound)?;
        self.saturates(next, Saturation::Excess);
        Ok(Fixed {
            scalars,
            scale: t.scale,
        })
    }

    /// `act(factors.0 l + factors.1 r)` at the greater of the two scales; exact.
    pub(super) fn weighted(
        &mut self,
        l: &Fixed,
        r: &Fixed,
        factors: (i64, i64),
        activation: Activation,
    ) -> Result<Fixed, QuantizeError> {
        let scale = l.scale.max(r.scale);
        let formula = Formula {
            left: factors.0 << (scale - l.scale),
            right: factors.1 << (scale - r.scale),
            activation,
            ..Formula::ZERO
        };
        Ok(Fixed {
            scalars: self.local(&l.scalars, &r.scalars, formula)?,
            scale,
        })
    }

    /// `factor x`, the factor with `bits` fractional bits, plus `offset`.
    pub(super) fn scaled(
        &mut self,
        x: &Fixed,
        (factor, offset): (f64, f64),
        bits: u32,
    ) -> Result<Fixed, QuantizeError> {
        let exact = (
            factor * 2f64.powi(bits as i32),
            offset * 2f64.powi((bits + x.scale) as i32),
        );
        let (factor, constant) = (exact.0.round(), exact.1.round());
        let greatest = 2f64.powi(61);
        if !(factor.abs() < 2f64.powi(31) && constant.abs() < greatest) {
            return Err(self.refuse("a constant is too great"));
        }
        let formula = Formula {
            left: factor as i64,
            constant: constant as i64,
            shift: bits,
            ..Formula::ZERO
        };
        let scalars = self.local(&x.scalars, &x.scalars, formula)?;
        self.rounded(factor - exact.0, constant - exact.1);
        Ok(Fixed {
            scalars,
            scale: x.scale,
        })
    }
}
