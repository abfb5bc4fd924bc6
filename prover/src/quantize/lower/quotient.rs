//! Quotients of two activations: `sign(l) sign(r) round(2^s |l| / |r|)`, exactly rounded.
//!
//! A divisor of zero counts as one unit of its scale, so that the quotient saturates where a float would be
//! infinite.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, Op, ScalarId};
use super::{Fixed, Formula, Lowering};

const AT_LEAST_ZERO: Formula = Formula {
    left: 1,
    activation: Activation::Sign,
    ..Formula::ZERO
};

impl Lowering<'_> {
    /// `l / r`, elementwise.
    pub(super) fn quotient(&mut self, l: &Fixed, r: &Fixed) -> Result<Fixed, QuantizeError> {
        let (l, r) = (self.narrow(l)?, self.narrow(r)?);
        let target = self.options.scale_bits + 4;
        // |l| / |r| in units: 2^(f_r - f_l) l / r.
        let up = target + r.scale;
        let (up, scale) = if up >= l.scale {
            (up - l.scale, target)
        } else {
            (0, l.scale - r.scale)
        };
        let (l_size, l_sign) = self.size_and_sign(&l)?;
        let (r_size, r_sign) = self.size_and_sign(&r)?;
        let divisor = self.at_least_one_unit(r_size)?;
        let widest = l_size.iter().map(|id| self.interval(*id).bits()).max();
        if up > 40 || widest.unwrap_or(0) + up > 60 {
            return Err(self.refuse("the quotient's operands are too wide; lower scale_bits"));
        }
        let quotients = self.emit(Op::Divide {
            numerators: l_size,
            denominators: divisor,
            scale_bits: up,
        })?;
        let scalars = match self.signs_agree(l_sign, r_sign)? {
            None => quotients,
            Some(agree) => self.signed(&agree, &quotients)?,
        };
        Ok(Fixed { scalars, scale })
    }

    /// Divisors, those of zero replaced by one unit.
    pub(super) fn at_least_one_unit(
        &mut self,
        sizes: Vec<ScalarId>,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        if sizes.iter().all(|id| self.interval(*id).lo >= 1) {
            return Ok(sizes);
        }
        let excess = Formula {
            left: 1,
            constant: -1,
            activation: Activation::Relu,
            ..Formula::ZERO
        };
        let excess = self.local(&sizes, &sizes, excess)?;
        let one_more = Formula {
            left: 1,
            constant: 1,
            ..Formula::ZERO
        };
        self.local(&excess, &excess, one_more)
    }

    /// Bits that say whether two signs agree, where any of them can be negative.
    pub(super) fn signs_agree(
        &mut self,
        l: Option<Vec<ScalarId>>,
        r: Option<Vec<ScalarId>>,
    ) -> Result<Option<Vec<ScalarId>>, QuantizeError> {
        Ok(match (l, r) {
            (None, None) => None,
            (Some(sign), None) | (None, Some(sign)) => Some(sign),
            (Some(l), Some(r)) => {
                let same = Formula {
                    product: 2,
                    left: -1,
                    right: -1,
                    constant: 1,
                    ..Formula::ZERO
                };
                Some(self.local(&l, &r, same)?)
            }
        })
    }

    /// `x` where the bit is 1, `-x` where it is 0.
    pub(super) fn signed(
        &mut self,
        bits: &[ScalarId],
        x: &[ScalarId],
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let formula = Formula {
            product: 2,
            right: -1,
            ..Formula::ZERO
        };
        self.local(bits, x, formula)
    }

    /// `|x|`, and the bits `x >= 0` where some x can be negative.
    #[allow(clippy::type_complexity)] // magnitudes and signs
    pub(super) fn size_and_sign(
        &mut self,
        x: &Fixed,
    ) -> Result<(Vec<ScalarId>, Option<Vec<ScalarId>>), QuantizeError> {
        if x.scalars.iter().all(|id| self.interval(*id).lo >= 0) {
            return Ok((x.scalars.clone(), None));
        }
        let size = self.magnitude(&x.scalars)?;
        let sign = self.local(&x.scalars, &x.scalars, AT_LEAST_ZERO)?;
        Ok((size, Some(sign)))
    }

    /// `|x| = relu(x) + relu(-x)`.
    pub(super) fn magnitude(&mut self, x: &[ScalarId]) -> Result<Vec<ScalarId>, QuantizeError> {
        let relu = |factor| Formula {
            left: factor,
            activation: Activation::Relu,
            ..Formula::ZERO
        };
        let positive = self.local(x, x, relu(1))?;
        let negative = self.local(x, x, relu(-1))?;
        let sum = Formula {
            left: 1,
            right: 1,
            ..Formula::ZERO
        };
        self.local(&positive, &negative, sum)
    }
}
