//! Whole numbers from fixed point, exact on the operand's integer X at f fractional bits.
//!
//! `round_shift(y, f) = floor((y + 2^(f-1)) / 2^f)`, so floor is `round_shift(X - 2^(f-1), f)`, and ceil is
//! `round_shift(X + 2^(f-1) - 1, f)`. Half to even: `r = round_shift(X, f)` less one where X lies exactly half a unit
//! below r and r is odd.

use super::super::error::QuantizeError;
use super::super::skeleton::Activation;
use super::{Fixed, Formula, Lowering};

impl Lowering<'_> {
    /// `floor(x)` or `ceil(x)`.
    pub(super) fn floor_or_ceil(&mut self, x: &Fixed, ceil: bool) -> Result<Fixed, QuantizeError> {
        if x.scale == 0 {
            return Ok(x.clone());
        }
        let half = 1i64 << (x.scale - 1);
        let formula = Formula {
            left: 1,
            constant: if ceil { half - 1 } else { -half },
            shift: x.scale,
            ..Formula::ZERO
        };
        Ok(Fixed {
            scalars: self.local(&x.scalars, &x.scalars, formula)?,
            scale: 0,
        })
    }

    /// The nearest whole number, the even one of two.
    pub(super) fn round_half_even(&mut self, x: &Fixed) -> Result<Fixed, QuantizeError> {
        if x.scale == 0 {
            return Ok(x.clone());
        }
        let f = x.scale;
        let nearest = Formula {
            left: 1,
            shift: f,
            ..Formula::ZERO
        };
        let r = self.local(&x.scalars, &x.scalars, nearest)?;
        // 2^f r - X <= 2^(f-1), with equality at a tie.
        let tie = Formula {
            left: 1 << f,
            right: -1,
            constant: -(1 << (f - 1)),
            activation: Activation::Sign,
            ..Formula::ZERO
        };
        let tie = self.local(&r, &x.scalars, tie)?;
        // round_shift(r, 1) = floor((r + 1) / 2), so twice it less r is 1 for odd r, 0 for even r.
        let half = Formula {
            left: 1,
            shift: 1,
            ..Formula::ZERO
        };
        let half = self.local(&r, &r, half)?;
        let odd = Formula {
            left: 2,
            right: -1,
            ..Formula::ZERO
        };
        let odd = self.local(&half, &r, odd)?;
        let both = Formula {
            product: 1,
            ..Formula::ZERO
        };
        let down = self.local(&tie, &odd, both)?;
        let less = Formula {
            left: 1,
            right: -1,
            ..Formula::ZERO
        };
        Ok(Fixed {
            scalars: self.local(&r, &down, less)?,
            scale: 0,
        })
    }

    /// `floor(relu(x)) - floor(relu(-x))`.
    pub(super) fn whole_part(&mut self, x: &Fixed) -> Result<Fixed, QuantizeError> {
        let mut parts = Vec::with_capacity(2);
        for factor in [1, -1] {
            let relu = Formula {
                left: factor,
                activation: Activation::Relu,
                ..Formula::ZERO
            };
            let part = Fixed {
                scalars: self.local(&x.scalars, &x.scalars, relu)?,
                scale: x.scale,
            };
            parts.push(self.floor_or_ceil(&part, false)?);
        }
        self.weighted(&parts[0], &parts[1], (1, -1), Activation::None)
    }

    /// -1, 0 or 1: `[x >= 1] - [-x >= 1]` in units.
    pub(super) fn sign_of(&mut self, x: &Fixed) -> Result<Fixed, QuantizeError> {
        let beyond = |factor| Formula {
            left: factor,
            constant: -1,
            activation: Activation::Sign,
            ..Formula::ZERO
        };
        let above = self.local(&x.scalars, &x.scalars, beyond(1))?;
        let below = self.local(&x.scalars, &x.scalars, beyond(-1))?;
        let difference = Formula {
            left: 1,
            right: -1,
            ..Formula::ZERO
        };
        Ok(Fixed {
            scalars: self.local(&above, &below, difference)?,
            scale: 0,
        })
    }
}
