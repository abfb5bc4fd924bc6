//! Comparisons and selection, exact on the operands' integers.
//!
//! `l >= r` is the sign bit of `l - r` at a common scale, `l > r` that of `l - r - 1`, `l = r` their difference. A
//! public threshold t becomes the least integer at or above `2^f t` (or above it), so nothing is rounded but
//! the operand itself. Selection: `b + c (a - b)`, c a bit.

use std::collections::BTreeMap;

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, InputEncoding, ScalarId};
use super::super::steps::least;
use super::{Fixed, Formula, Lowering};
use crate::onnx::{image, Bound, Relation, Threshold};

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

    /// `[x rel threshold]` of one element of a model input, on the integer that it is committed as.
    pub(super) fn bound(&mut self, op: &Bound, input: usize) -> Result<Fixed, QuantizeError> {
        let graph = self.graph;
        let port = graph.inputs.iter().find(|port| port.value == input);
        let encoding = port.map_or(InputEncoding::Fixed, |port| port.encoding);
        let x = self.tensor(input);
        let one = &x.scalars[op.position..=op.position];
        let scalars = match encoding {
            InputEncoding::Fixed => self.related(op.relation, one, x.scale, op.threshold)?,
            InputEncoding::Float32 | InputEncoding::Float32OrMissing => {
                // The float32 next to the threshold stands for it, above or below.
                let nearest = f64::from(op.threshold as f32);
                let at = image::image(nearest);
                let least = at + i64::from(nearest < op.threshold);
                let above = at + i64::from(nearest <= op.threshold);
                let mut bits = self.related_to_integers(op.relation, one, least, above)?;
                let upward = matches!(op.relation, Relation::Greater | Relation::GreaterOrEqual);
                if upward && encoding == InputEncoding::Float32OrMissing {
                    // NaN is above all others, and greater than none.
                    let missing = self.related_to_integers(
                        Relation::GreaterOrEqual,
                        one,
                        image::NAN,
                        image::NAN,
                    )?;
                    bits = self.local(&bits, &missing, BIT_DIFFERENCE)?;
                }
                bits
            }
            InputEncoding::Affine { scale, zero_point } => {
                let number = |q: i64| {
                    let steps = (q - i64::from(zero_point)) as f32;
                    f64::from(steps * f32::from_bits(scale))
                };
                let interval = self.interval(one[0]);
                let domain = (interval.lo as i64, interval.hi as i64);
                let first = least(domain, |q| number(q) >= op.threshold);
                let above = least(domain, |q| number(q) > op.threshold);
                self.related_to_integers(op.relation, one, first, above)?
            }
        };
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
        self.related_to_integers(relation, x, least, above)
    }

    /// `[x rel t]`, where `x >= t` iff the integer is at least `least`, and `x > t` iff it is at least `above`.
    fn related_to_integers(
        &mut self,
        relation: Relation,
        x: &[ScalarId],
        least: i64,
        above: i64,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
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
