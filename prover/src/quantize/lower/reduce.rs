//! Reductions and normalisations of the groups along one axis, all groups side by side.
//!
//! Sums, greatest and least elements are exact. A mean multiplies the sum by `round(2^k / n) / 2^k`, k as great as the
//! declared ranges leave room for. Squares are kept at twice the scale where they fit. `log sum exp x = m + log sum
//! exp(x - m)`, m the greatest. A norm divides by quotient.rs.

use super::super::error::QuantizeError;
use super::super::function::Curve;
use super::super::skeleton::{Activation, Op, ScalarId};
use super::axis::{DIFFERENCE, SUM};
use super::{Fixed, Formula, Lowering};
use crate::onnx::{AxisView, Norm, Reduction};

const NEGATED: Formula = Formula {
    left: -1,
    ..Formula::ZERO
};

/// Fractional bits of a mean's factor, at most.
const MEAN_BITS: u32 = 24;

impl Lowering<'_> {
    pub(super) fn reduce(
        &mut self,
        op: Reduction,
        axis: &AxisView,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let mut x = self.tensor(input);
        if !matches!(op, Reduction::Max) {
            // The greatest is no wider than what it is chosen from: whoever reads it narrows it, once.
            x = self.narrow(&x)?;
        }
        if !op.keeps_whole() {
            x = self.fractional(x)?;
        }
        let terms = self.along(axis, &x);
        let scale = x.scale;
        let scalars = match op {
            Reduction::Sum => self.total(terms)?,
            Reduction::Mean => return self.mean(terms, scale),
            Reduction::Max => self.greatest(&terms)?,
            Reduction::Min => {
                let least = self.each(terms, NEGATED)?;
                let least = self.greatest(&least)?;
                self.local(&least, &least, NEGATED)?
            }
            Reduction::L1 => {
                let sizes: Result<Vec<_>, _> = terms.iter().map(|t| self.magnitude(t)).collect();
                self.total(sizes?)?
            }
            Reduction::SumSquare => {
                let sum = self.sum_of_squares(&terms, scale)?;
                return self.settled(sum);
            }
            Reduction::L2 => {
                let sum = self.sum_of_squares(&terms, scale)?;
                return self.sqrt(&sum);
            }
            Reduction::LogSumExp => return self.log_sum_exp(&terms, scale),
        };
        Ok(Fixed { scalars, scale })
    }

    /// Sums by halves.
    pub(super) fn total(
        &mut self,
        mut terms: Vec<Vec<ScalarId>>,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let groups = terms[0].len();
        while terms.len() > 1 {
            let half = terms.len() / 2;
            let l: Vec<ScalarId> = terms[..half].iter().flatten().copied().collect();
            let r: Vec<ScalarId> = terms[half..2 * half].iter().flatten().copied().collect();
            let sums = self.local(&l, &r, SUM)?;
            let odd = terms.split_off(2 * half);
            terms = sums
                .chunks_exact(groups)
                .map(<[ScalarId]>::to_vec)
                .collect();
            terms.extend(odd);
        }
        Ok(terms.swap_remove(0))
    }

    /// The greatest of each group; terms: `[terms][groups]`.
    pub(super) fn greatest(
        &mut self,
        terms: &[Vec<ScalarId>],
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        if let Some(known) = self.maxima.get(terms).and_then(|m| m.steps.last()) {
            return Ok(known.clone());
        }
        let groups = terms[0].len();
        let inputs = (0..groups).flat_map(|g| terms.iter().map(move |t| t[g]));
        let inputs = inputs.collect();
        self.emit(Op::Max {
            inputs,
            width: terms.len() as u32,
        })
    }

    /// The formula on every term.
    fn each(
        &mut self,
        terms: Vec<Vec<ScalarId>>,
        formula: Formula,
    ) -> Result<Vec<Vec<ScalarId>>, QuantizeError> {
        terms
            .into_iter()
            .map(|t| self.local(&t, &t, formula))
            .collect()
    }

    fn widest(&self, scalars: &[ScalarId]) -> u32 {
        let bits = scalars.iter().map(|&id| self.interval(id).bits());
        bits.max().unwrap_or(0)
    }

    /// The mean of n terms.
    fn mean(&mut self, terms: Vec<Vec<ScalarId>>, scale: u32) -> Result<Fixed, QuantizeError> {
        let n = terms.len() as f64;
        let sum = self.total(terms)?;
        let room = 60u32.saturating_sub(self.widest(&sum)).min(MEAN_BITS);
        let sum = Fixed {
            scalars: sum,
            scale,
        };
        if n.log2().fract() == 0.0 {
            let formula = Formula {
                left: 1,
                shift: n.log2() as u32,
                ..Formula::ZERO
            };
            let scalars = self.local(&sum.scalars, &sum.scalars, formula)?;
            return Ok(Fixed { scalars, scale });
        }
        self.scaled(&sum, (1.0 / n, 0.0), room)
    }

    /// `sum x^2`, at up to twice the scale.
    fn sum_of_squares(
        &mut self,
        terms: &[Vec<ScalarId>],
        scale: u32,
    ) -> Result<Fixed, QuantizeError> {
        let all: Vec<ScalarId> = terms.iter().flatten().copied().collect();
        let growth = usize::BITS - terms.len().leading_zeros();
        // Room for later sums and for a clamp.
        let shift = (2 * self.widest(&all) + growth)
            .saturating_sub(56)
            .min(2 * scale);
        let square = Formula {
            product: 1,
            shift,
            ..Formula::ZERO
        };
        let squares = self.each(terms.to_vec(), square)?;
        Ok(Fixed {
            scalars: self.total(squares)?,
            scale: 2 * scale - shift,
        })
    }

    fn log_sum_exp(&mut self, terms: &[Vec<ScalarId>], scale: u32) -> Result<Fixed, QuantizeError> {
        let greatest = self.greatest(terms)?;
        let mut exponentials = Vec::with_capacity(terms.len());
        for term in terms {
            let below = Fixed {
                scalars: self.local(term, &greatest, DIFFERENCE)?,
                scale,
            };
            let bits = self.options.scale_bits + 8;
            exponentials.push(self.function(Curve::Exp, &below, bits)?.scalars);
        }
        let sum = Fixed {
            scalars: self.total(exponentials)?,
            scale: self.options.scale_bits + 8,
        };
        let log = self.log(&sum)?;
        let greatest = Fixed {
            scalars: greatest,
            scale,
        };
        self.weighted(&greatest, &log, (1, 1), Activation::None)
    }

    /// Each element over its group's norm, or as it is where the norm is zero.
    pub(super) fn normalize(
        &mut self,
        norm: Norm,
        axis: &AxisView,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        let x = self.narrow(&x)?;
        let reduction = match norm {
            Norm::Max => Reduction::Max,
            Norm::L1 => Reduction::L1,
            Norm::L2 => Reduction::L2,
        };
        let norms = self.reduce(reduction, axis, input)?;
        let divisor = Fixed {
            scalars: spread(axis, &norms.scalars),
            scale: norms.scale,
        };
        let y = self.quotient(&x, &divisor)?;
        match norm {
            // An L1 or L2 norm of zero is that of zeros, and zero over anything is zero.
            Norm::L1 | Norm::L2 => {
                // Magnitudes are at most 1; intervals do not see it. The rounding of a root leaves a little room.
                let bound = 1i64 << (y.scale + 1);
                Ok(Fixed {
                    scalars: self.clamp_where_needed(&y.scalars, -bound, bound)?,
                    scale: y.scale,
                })
            }
            Norm::Max => {
                let nonzero = self.sign_of(&divisor)?.scalars;
                let square = Formula {
                    product: 1,
                    ..Formula::ZERO
                };
                let nonzero = self.local(&nonzero, &nonzero, square)?;
                let y = self.narrow(&y)?;
                self.selected(&nonzero, &y, &x)
            }
        }
    }

    /// `(x - mean) / sqrt(variance + epsilon)`.
    pub(super) fn standardize(
        &mut self,
        axis: &AxisView,
        epsilon: f64,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        let x = self.fractional(x)?;
        let x = self.narrow(&x)?;
        let terms = self.along(axis, &x);
        let mean = self.mean(terms, x.scale)?;
        let means = Fixed {
            scalars: spread(axis, &mean.scalars),
            scale: mean.scale,
        };
        let centred = self.weighted(&x, &means, (1, -1), Activation::None)?;
        let centred = self.narrow(&centred)?;
        let terms = self.along(axis, &centred);
        let sum = self.sum_of_squares(&terms, centred.scale)?;
        let room = 60u32.saturating_sub(self.widest(&sum.scalars));
        let variance = self.scaled(&sum, (1.0 / axis.len as f64, epsilon), room.min(MEAN_BITS))?;
        let deviation = self.sqrt(&variance)?;
        let divisor = Fixed {
            scalars: spread(axis, &deviation.scalars),
            scale: deviation.scale,
        };
        let y = self.quotient(&centred, &divisor)?;
        // |x - mean| <= sqrt(n) deviation.
        let root = (axis.len as f64).sqrt().ceil() as i64;
        let bound = (root + 1) << y.scale;
        Ok(Fixed {
            scalars: self.clamp_where_needed(&y.scalars, -bound, bound)?,
            scale: y.scale,
        })
    }

    /// `1 / x`: the quotient of one by x.
    pub(super) fn reciprocal(&mut self, x: &Fixed) -> Result<Fixed, QuantizeError> {
        let one = Formula {
            constant: 1,
            ..Formula::ZERO
        };
        let one = Fixed {
            scalars: self.local(&x.scalars, &x.scalars, one)?,
            scale: 0,
        };
        self.quotient(&one, x)
    }
}

/// One scalar for each element, from one for each group.
fn spread(axis: &AxisView, of_groups: &[ScalarId]) -> Vec<ScalarId> {
    let mut all = vec![0; axis.outer * axis.len * axis.inner];
    for (group, &id) in axis.groups().zip(of_groups) {
        for i in group {
            all[i] = id;
        }
    }
    all
}
