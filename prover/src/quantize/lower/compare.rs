//! Comparisons and selection, exact on the operands' integers.
//!
//! `l >= r` is the sign bit of `l - r` at a common scale, `l > r` that of `l - r - 1`, `l = r` their difference. A
//! public threshold t becomes the least integer at or above `2^f t` (or above it), so nothing is rounded but
//! the operand itself. Selection: `b + c (a - b)`, c a bit.

use std::collections::BTreeMap;

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, ScalarId};
use super::{Fixed, Formula, Lowering};
use crate::onnx::{Relation, Threshold};

pub(super) const NOT: Formula = Formula {
    left: -1,
    constant: 1,
    ..Formula::ZERO
};
const BIT_DIFFERENCE: Formula = Formula {
    left: 1,
    right: -1,
    ..Formula::ZERO
};

impl Lowering<'_> {
    pub(super) fn compare(
        &mut self,
        relation: Relation,
        left: usize,
        right: usize,
    ) -> Result<Fixed, QuantizeError> {
        let (l, r) = (self.tensor(left), self.tensor(right));
        let (l, r) = (self.narrow(&l)?, self.narrow(&r)?);
        let scale = l.scale.max(r.scale);
        let (up_l, up_r) = (1i64 << (scale - l.scale), 1i64 << (scale - r.scale));
        // [l - r >= constant], or of r - l.
        let at_least = |swapped: bool, constant: i64| {
            let sign = if swapped { -1 } else { 1 };
            Formula {
                left: sign * up_l,
                right: -sign * up_r,
                constant: -constant,
                activation: Activation::Sign,
                ..Formula::ZERO
            }
        };
        let (l, r) = (l.scalars, r.scalars);
        let scalars = match relation {
            Relation::Greater => self.local(&l, &r, at_least(false, 1))?,
            Relation::GreaterOrEqual => self.local(&l, &r, at_least(false, 0))?,
            Relation::Less => self.local(&l, &r, at_least(true, 1))?,
            Relation::LessOrEqual => self.local(&l, &r, at_least(true, 0))?,
            Relation::Equal => {
                let at_least_r = self.local(&l, &r, at_least(false, 0))?;
                let above_r = self.local(&l, &r, at_least(false, 1))?;
                self.local(&at_least_r, &above_r, BIT_DIFFERENCE)?
            }
        };
        Ok(Fixed { scalars, scale: 0 })
    }

    pub(super) fn threshold(
        &mut self,
        op: &Threshold,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        // One operation for each distinct threshold.
        let mut by: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for i in 0..x.scalars.len() {
            by.entry(op.at(i).to_bits()).or_default().push(i);
        }
        let mut scalars = vec![0; x.scalars.len()];
        for (threshold, positions) in by {
            let operands: Vec<ScalarId> = positions.iter().map(|&i| x.scalars[i]).collect();
            let threshold = f64::from_bits(threshold);
            let bits = self.related(op.relation, &operands, x.scale, threshold)?;
            for (i, bit) in positions.into_iter().zip(bits) {
                scalars[i] = bit;
            }
        }
        Ok(Fixed { scalars, scale: 0 })
    }

    /// `[x rel threshold]` of scalars at `scale`.
    fn related(
        &mut self,
        relation: Relation,
        x: &[ScalarId],
        scale: u32,
        threshold: f64,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        if threshold.is_nan() {
            return Err(self.refuse("a threshold is NaN"));
        }
        let exact = threshold * 2f64.powi(scale as i32);
        // Beyond every interval the answer is the same.
        let limit = 2f64.powi(62);
        let least = exact.ceil().clamp(-limit, limit) as i64;
        let above = (exact.floor().clamp(-limit, limit) as i64) + 1;
        let at_least = |constant: i64| Formula {
            left: 1,
            constant: -constant,
            activation: Activation::Sign,
            ..Formula::ZERO
        };
        Ok(match relation {
            Relation::GreaterOrEqual => self.local(x, x, at_least(least))?,
            Relation::Greater => self.local(x, x, at_least(above))?,
            Relation::Less => {
                let not = self.local(x, x, at_least(least))?;
                self.local(&not, &not, NOT)?
            }
            Relation::LessOrEqual => {
                let not = self.local(x, x, at_least(above))?;
                self.local(&not, &not, NOT)?
            }
            // No multiple of 2^-scale equals such a threshold.
            Relation::Equal if least == above => self.local(x, x, Formula::ZERO)?,
            Relation::Equal => {
                let at = self.local(x, x, at_least(least))?;
                let over = self.local(x, x, at_least(above))?;
                self.local(&at, &over, BIT_DIFFERENCE)?
            }
        })
    }

    pub(super) fn select(
        &mut self,
        condition: usize,
        then: usize,
        otherwise: usize,
    ) -> Result<Fixed, QuantizeError> {
        let (c, a, b) = (
            self.tensor(condition),
            self.tensor(then),
            self.tensor(otherwise),
        );
        let (a, b) = (self.narrow(&a)?, self.narrow(&b)?);
        self.selected(&c.scalars, &a, &b)
    }

    /// `b + c (a - b)` for bits c.
    pub(super) fn selected(
        &mut self,
        c: &[ScalarId],
        a: &Fixed,
        b: &Fixed,
    ) -> Result<Fixed, QuantizeError> {
        let difference = self.weighted(a, b, (1, -1), Activation::None)?;
        let product = Formula {
            product: 1,
            ..Formula::ZERO
        };
        let chosen = Fixed {
            scalars: self.local(c, &difference.scalars, product)?,
            scale: difference.scale,
        };
        let mut sum = self.weighted(&chosen, b, (1, 1), Activation::None)?;
        // Intervals do not see that the sum is one of the two.
        let bound = |t: &Fixed| {
            let up = sum.scale - t.scale;
            let of = |id: &ScalarId| {
                let i = self.interval(*id);
                (i.lo << up, i.hi << up)
            };
            t.scalars.iter().map(of).fold((0, 0), |(lo, hi), (l, h)| {
                (i128::min(lo, l), i128::max(hi, h))
            })
        };
        let ((a_lo, a_hi), (b_lo, b_hi)) = (bound(a), bound(b));
        let wider = |lo: i128, hi: i128| (lo.min(-hi), hi.max(-lo));
        let (lo, hi) = wider(a_lo.min(b_lo), a_hi.max(b_hi));
        let grown = sum
            .scalars
            .iter()
            .any(|id| self.interval(*id).bits() > self.options.activation_bits);
        if grown {
            sum.scalars = self.clamp_where_needed(&sum.scalars, lo as i64, hi as i64)?;
        }
        Ok(sum)
    }
}
