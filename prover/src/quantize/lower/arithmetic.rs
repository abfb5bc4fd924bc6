//! Arithmetic of two activations: operands brought to a common scale by public powers of two.
//!
//! Sum and difference: `2^(f - f_l) l +- 2^(f - f_r) r` at f = max(f_l, f_r); exact. Product:
//! `round_shift(l r, min(f_l, f_r))` at max(f_l, f_r).

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
        let (l, r) = (self.narrow(&l)?, self.narrow(&r)?);
        let scale = l.scale.max(r.scale);
        let up = |from: u32| 1i64 << (scale - from);
        let formula = match op {
            Arithmetic::Add => Formula {
                left: up(l.scale),
                right: up(r.scale),
                ..Formula::ZERO
            },
            Arithmetic::Sub => Formula {
                left: up(l.scale),
                right: -up(r.scale),
                ..Formula::ZERO
            },
            Arithmetic::Mul => Formula {
                product: 1,
                shift: l.scale.min(r.scale),
                ..Formula::ZERO
            },
        };
        let formula = Formula {
            activation,
            ..formula
        };
        Ok(Fixed {
            scalars: self.local(&l.scalars, &r.scalars, formula)?,
            scale,
        })
    }
}
