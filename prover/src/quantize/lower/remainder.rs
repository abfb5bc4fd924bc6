//! Whole quotients and remainders, exact on the operands' integers at a common scale.
//!
//! With magnitudes L and R >= 1: `floor(L / R) = round((2 L + R) / (2 R)) - 1`, where round is that of
//! quotient.rs, half up. The remainder `L - R floor(L / R)` lies in [0, R). A divisor of zero counts as one unit.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, Op, ScalarId};
use super::axis::DIFFERENCE;
use super::compare::NOT;
use super::{Fixed, Formula, Lowering};

const PRODUCT: Formula = Formula {
    product: 1,
    ..Formula::ZERO
};

/// The parts of a division.
struct Parts {
    /// `floor(|l| / |r|)`
    quotient: Vec<ScalarId>,
    /// `|l| - |r| floor(|l| / |r|)`
    rest: Vec<ScalarId>,
    /// Bits `l >= 0`, or all of them.
    l_sign: Option<Vec<ScalarId>>,
    r_sign: Option<Vec<ScalarId>>,
    /// The divisor at the common scale.
    r: Vec<ScalarId>,
    scale: u32,
}

impl Lowering<'_> {
    /// `trunc(l / r)`, a whole number.
    pub(super) fn whole_quotient(&mut self, l: &Fixed, r: &Fixed) -> Result<Fixed, QuantizeError> {
        let parts = self.division(l, r)?;
        let scalars = match self.signs_agree(parts.l_sign, parts.r_sign)? {
            None => parts.quotient,
            Some(agree) => self.signed(&agree, &parts.quotient)?,
        };
        Ok(Fixed { scalars, scale: 0 })
    }

    /// The remainder with the dividend's sign (`fmod`), or with the divisor's.
    pub(super) fn remainder(
        &mut self,
        l: &Fixed,
        r: &Fixed,
        fmod: bool,
    ) -> Result<Fixed, QuantizeError> {
        let parts = self.division(l, r)?;
        let mut scalars = match &parts.l_sign {
            None => parts.rest.clone(),
            Some(bits) => self.signed(bits, &parts.rest)?,
        };
        let signs_differ = match (&parts.l_sign, &parts.r_sign) {
            (None, None) => None,
            (Some(bits), None) | (None, Some(bits)) => Some(self.local(bits, bits, NOT)?),
            (Some(l), Some(r)) => {
                let xor = Formula {
                    product: -2,
                    left: 1,
                    right: 1,
                    ..Formula::ZERO
                };
                Some(self.local(l, r, xor)?)
            }
        };
        if let (false, Some(differ)) = (fmod, signs_differ) {
            let positive = Formula {
                left: 1,
                constant: -1,
                activation: Activation::Sign,
                ..Formula::ZERO
            };
            let rest = self.local(&parts.rest, &parts.rest, positive)?;
            let both = self.local(&rest, &differ, PRODUCT)?;
            let added = self.local(&both, &parts.r, PRODUCT)?;
            let sum = Formula {
                left: 1,
                right: 1,
                ..Formula::ZERO
            };
            scalars = self.local(&scalars, &added, sum)?;
        }
        Ok(Fixed {
            scalars,
            scale: parts.scale,
        })
    }

    fn division(&mut self, l: &Fixed, r: &Fixed) -> Result<Parts, QuantizeError> {
        let (l, r) = (self.narrow(l)?, self.narrow(r)?);
        let scale = l.scale.max(r.scale);
        let (l, r) = (self.rescaled_up(l, scale)?, self.rescaled_up(r, scale)?);
        let (l_size, l_sign) = self.size_and_sign(&l)?;
        let (r_size, r_sign) = self.size_and_sign(&r)?;
        let r_size = self.at_least_one_unit(r_size)?;
        let numerator = Formula {
            left: 2,
            right: 1,
            ..Formula::ZERO
        };
        let numerators = self.local(&l_size, &r_size, numerator)?;
        let twice = Formula {
            left: 2,
            ..Formula::ZERO
        };
        let denominators = self.local(&r_size, &r_size, twice)?;
        let widest = numerators.iter().map(|&id| self.interval(id).bits()).max();
        if widest.unwrap_or(0) > 58 {
            return Err(self.refuse("the quotient's operands are too wide; lower scale_bits"));
        }
        let quotient = self.emit(Op::Divide {
            numerators,
            denominators,
            scale_bits: 0,
        })?;
        let less = Formula {
            left: 1,
            constant: -1,
            ..Formula::ZERO
        };
        let quotient = self.local(&quotient, &quotient, less)?;
        let greatest = l_size.iter().map(|&id| self.interval(id).hi).max();
        let greatest = greatest.unwrap_or(0) as i64;
        // Intervals do not see that the quotient is at most the dividend, nor what the product is.
        let quotient = self.clamp_where_needed(&quotient, 0, greatest)?;
        let product = self.local(&quotient, &r_size, PRODUCT)?;
        let product = self.clamp_where_needed(&product, 0, greatest)?;
        let rest = self.local(&l_size, &product, DIFFERENCE)?;
        let most = r_size.iter().map(|&id| self.interval(id).hi).max();
        let rest = self.clamp_where_needed(&rest, 0, most.unwrap_or(0) as i64)?;
        Ok(Parts {
            quotient,
            rest,
            l_sign,
            r_sign,
            r: r.scalars,
            scale,
        })
    }
}
