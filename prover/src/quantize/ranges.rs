//! Ranges: the interval of every scalar, from public widths alone.
//!
//! Claims: for any input in its declared range and any private weights in theirs, each scalar lies in its
//! interval. Linear layers: `|y| <= sum_i 2^weight_bits max|x_i| + 2^bias_bits`. The circuit sizes its range
//! checks and lanes from the same intervals (SOUNDNESS.md, condition 10), so no value of a model and no
//! calibration row enters them.

use super::skeleton::{Activation, FunctionTable, Op, Positions, ScalarId, Skeleton};

/// Scalars must lie in `[-2^MAX_BITS, 2^MAX_BITS]`, so that they and their differences fit i64.
pub const MAX_BITS: u32 = 61;

/// A closed interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Least value.
    pub lo: i128,
    /// Greatest value.
    pub hi: i128,
}

/// Why a skeleton's ranges cannot be stated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// Values may grow past what the circuit holds.
    #[error("operation {op} can make values of more than {MAX_BITS} bits; lower the scale or the input range")]
    TooWide {
        /// Number of the operation.
        op: usize,
    },
    /// A tabled function may be called outside its table.
    #[error("operation {op} can leave the domain of its function")]
    OutsideDomain {
        /// Number of the operation.
        op: usize,
    },
    /// A quotient may have a negative numerator or a denominator that is not positive.
    #[error("operation {op} can divide by zero or by a negative number")]
    Divisor {
        /// Number of the operation.
        op: usize,
    },
}

/// Public widths that the intervals depend on.
#[derive(Clone, Debug)]
pub(crate) struct Widths {
    pub(crate) weight_bits: u32,
    pub(crate) bias_bits: u32,
    /// Of the biases of each entry of the linear weights, where they differ.
    pub(crate) layer_bias_bits: Vec<u32>,
    /// Entries met so far.
    pub(crate) layers: usize,
}

impl Widths {
    /// Width of the biases that an operation adds; counts the entries.
    fn bias_bits(&mut self, op: &Op) -> u32 {
        let entry = match op {
            Op::Linear { .. } | Op::Convolution { .. } => {
                self.layers += 1;
                self.layers - 1
            }
            Op::Again { layer, .. } => *layer as usize,
            _ => return self.bias_bits,
        };
        let width = self.layer_bias_bits.get(entry);
        width.copied().unwrap_or(self.bias_bits)
    }
}

impl Interval {
    /// The interval of `range_bits`-bit inputs.
    pub(crate) fn signed(range_bits: u32) -> Self {
        Self {
            lo: -(1 << range_bits),
            hi: (1 << range_bits) - 1,
        }
    }

    /// Greatest magnitude.
    pub fn magnitude(self) -> i128 {
        self.lo.abs().max(self.hi.abs())
    }

    /// Least b such that the interval lies in `[-2^b, 2^b]`.
    pub fn bits(self) -> u32 {
        let m = self.magnitude();
        if m == 0 {
            0
        } else {
            128 - (m - 1).leading_zeros()
        }
    }

    fn shifted(self, shift: u32) -> Option<Self> {
        Some(Self {
            lo: round_shift(self.lo, shift)?,
            hi: round_shift(self.hi, shift)?,
        })
    }

    fn activated(self, activation: Activation) -> Self {
        match activation {
            Activation::None => self,
            Activation::Relu => Self {
                lo: self.lo.max(0),
                hi: self.hi.max(0),
            },
            Activation::Sign => Self {
                lo: i128::from(self.lo >= 0),
                hi: i128::from(self.hi >= 0),
            },
        }
    }

    fn scaled(self, factor: i64) -> Option<Self> {
        let (a, b) = (
            self.lo.checked_mul(i128::from(factor))?,
            self.hi.checked_mul(i128::from(factor))?,
        );
        Some(Self {
            lo: a.min(b),
            hi: a.max(b),
        })
    }

    fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            lo: self.lo.checked_add(other.lo)?,
            hi: self.hi.checked_add(other.hi)?,
        })
    }

    fn times(self, other: Self) -> Option<Self> {
        let corners = [
            self.lo.checked_mul(other.lo)?,
            self.lo.checked_mul(other.hi)?,
            self.hi.checked_mul(other.lo)?,
            self.hi.checked_mul(other.hi)?,
        ];
        Some(Self {
            lo: *corners.iter().min()?,
            hi: *corners.iter().max()?,
        })
    }

    fn within(self, lo: i128, hi: i128) -> bool {
        lo <= self.lo && self.hi <= hi
    }
}

/// `floor((y + 2^(s-1)) / 2^s)`, or `y` for s = 0; nothing if it overflows.
pub(crate) fn round_shift(y: i128, shift: u32) -> Option<i128> {
    match shift {
        0 => Some(y),
        1..=126 => Some(y.checked_add(1 << (shift - 1))? >> shift),
        _ => None,
    }
}

/// The interval of every scalar of a skeleton whose operands precede their users.
///
/// # Errors
/// A value over [`MAX_BITS`] bits, a function outside its domain, a divisor that may be zero.
pub fn intervals(skeleton: &Skeleton) -> Result<Vec<Interval>, RangeError> {
    let mut widths = Widths {
        weight_bits: skeleton.weight_bits,
        bias_bits: skeleton.bias_bits,
        layer_bias_bits: skeleton.layer_bias_bits.clone(),
        layers: 0,
    };
    let mut all = Vec::new();
    for input in &skeleton.inputs {
        let count: u64 = input.shape.iter().map(|&d| u64::from(d)).product();
        all.extend((0..count).map(|_| Interval::signed(input.range_bits)));
    }
    for (i, op) in skeleton.ops.iter().enumerate() {
        extend(&mut all, i, op, &mut widths, &skeleton.functions)?;
    }
    Ok(all)
}

/// Appends the intervals of the scalars that one operation makes.
pub(crate) fn extend(
    all: &mut Vec<Interval>,
    number: usize,
    op: &Op,
    widths: &mut Widths,
    functions: &[FunctionTable],
) -> Result<(), RangeError> {
    let wide = RangeError::TooWide { op: number };
    let of = |id: &ScalarId| all[*id as usize];
    let weight = 1i128 << widths.weight_bits;
    let bias = 1i128 << widths.bias_bits(op);
    let made: Vec<Option<Interval>> = match op {
        Op::Linear {
            inputs,
            outputs,
            shift,
            activation,
        }
        | Op::Again {
            inputs,
            outputs,
            shift,
            activation,
            ..
        } => {
            let sum: Option<i128> = inputs.iter().try_fold(bias, |sum: i128, id| {
                sum.checked_add(weight.checked_mul(of(id).magnitude())?)
            });
            let one = sum.and_then(|b| Interval { lo: -b, hi: b }.shifted(*shift));
            vec![one.map(|i| i.activated(*activation)); *outputs as usize]
        }
        Op::Convolution {
            inputs,
            outputs,
            groups,
            positions,
            shift,
            activation,
        } => {
            let magnitudes: Vec<i128> = inputs.iter().map(|id| of(id).magnitude()).collect();
            let bounds = convolution_bounds(&magnitudes, *groups as usize, positions, weight, bias);
            let one = |bound: &Option<i128>| {
                let bound = (*bound)?;
                let y = Interval {
                    lo: -bound,
                    hi: bound,
                };
                Some(y.shifted(*shift)?.activated(*activation))
            };
            let each = *outputs as usize / (*groups).max(1) as usize;
            let group = |bounds: &Vec<Option<i128>>| -> Vec<Option<Interval>> {
                let row: Vec<Option<Interval>> = bounds.iter().map(one).collect();
                row.repeat(each)
            };
            bounds.iter().flat_map(group).collect()
        }
        Op::Forest {
            trees,
            outputs,
            leaf_bits,
            ..
        } => {
            let bound = i128::from(*trees) << leaf_bits;
            let one = Interval {
                lo: -bound,
                hi: bound,
            };
            vec![Some(one); *outputs as usize]
        }
        Op::Diagonal {
            inputs,
            shift,
            activation,
        } => inputs
            .iter()
            .map(|id| {
                let b = weight.checked_mul(of(id).magnitude())?.checked_add(bias)?;
                Some(
                    Interval { lo: -b, hi: b }
                        .shifted(*shift)?
                        .activated(*activation),
                )
            })
            .collect(),
        Op::Local {
            left,
            right,
            product,
            left_factor,
            right_factor,
            constant,
            shift,
            activation,
        } => left
            .iter()
            .zip(right)
            .map(|(l, r)| {
                let constant = i128::from(*constant);
                let (l_id, r_id, l, r) = (l, r, of(l), of(r));
                let linear = if l_id == r_id {
                    let factor = left_factor.checked_add(*right_factor)?;
                    l.scaled(factor)?
                } else {
                    l.scaled(*left_factor)?.plus(r.scaled(*right_factor)?)?
                };
                let y = l.times(r)?.scaled(*product)?.plus(linear)?.plus(Interval {
                    lo: constant,
                    hi: constant,
                })?;
                Some(y.shifted(*shift)?.activated(*activation))
            })
            .collect(),
        Op::Clamp { inputs, lo, hi } => {
            let (lo, hi) = (i128::from(*lo), i128::from(*hi));
            inputs
                .iter()
                .map(|id| {
                    let x = of(id);
                    Some(Interval {
                        lo: x.lo.max(lo).min(hi),
                        hi: x.hi.max(lo).min(hi),
                    })
                })
                .collect()
        }
        Op::Max { inputs, width } => {
            let windows = inputs.chunks_exact(*width as usize);
            let greatest = |window: &[ScalarId]| {
                let ends = window.iter().map(of);
                ends.reduce(|a, b| Interval {
                    lo: a.lo.max(b.lo),
                    hi: a.hi.max(b.hi),
                })
            };
            windows.map(greatest).collect()
        }
        Op::Function { inputs, function } => {
            let table = &functions[*function as usize];
            let (lo, hi) = table.domain();
            if !inputs.iter().all(|id| of(id).within(lo, hi)) {
                return Err(RangeError::OutsideDomain { op: number });
            }
            let image = table.image();
            vec![image; inputs.len()]
        }
        Op::Divide {
            numerators,
            denominators,
            scale_bits,
        } => {
            let valid = numerators.iter().all(|id| of(id).lo >= 0)
                && denominators.iter().all(|id| of(id).lo > 0);
            if !valid {
                return Err(RangeError::Divisor { op: number });
            }
            numerators
                .iter()
                .zip(denominators)
                .map(|(n, d)| {
                    let hi = quotient(of(n).hi, of(d).lo, *scale_bits)?;
                    Some(Interval {
                        lo: quotient(of(n).lo, of(d).hi, *scale_bits)?,
                        hi,
                    })
                })
                .collect()
        }
    };
    for interval in made {
        let interval = interval.ok_or_else(|| wide.clone())?;
        if interval.bits() > MAX_BITS {
            return Err(wide);
        }
        all.push(interval);
    }
    Ok(())
}

/// For each group and each result `bias + sum weight max|x|` over its operands, nothing where it overflows.
/// `magnitudes`: [channels, positions.at].
pub(crate) fn convolution_bounds(
    magnitudes: &[i128],
    groups: usize,
    positions: &Positions,
    weight: i128,
    bias: i128,
) -> Vec<Vec<Option<i128>>> {
    let width = positions.at.len();
    let pairs = positions.pairs();
    let group = |channels: &[i128]| -> Vec<Option<i128>> {
        // Per position the sum over the group's channels.
        let sums: Vec<Option<i128>> = (0..width)
            .map(|q| {
                let mut column = channels.iter().skip(q).step_by(width);
                column.try_fold(0i128, |sum, m| sum.checked_add(weight.checked_mul(*m)?))
            })
            .collect();
        let result = |pairs: &Vec<(usize, usize)>| {
            let mut pairs = pairs.iter();
            pairs.try_fold(bias, |sum, (_, q)| sum.checked_add(sums[*q]?))
        };
        pairs.iter().map(result).collect()
    };
    let size = (magnitudes.len() / groups.max(1)).max(1);
    magnitudes.chunks(size).map(group).collect()
}

/// `floor((2 num 2^s + den) / (2 den))` for num >= 0, den > 0; nothing if it overflows.
pub(crate) fn quotient(num: i128, den: i128, scale_bits: u32) -> Option<i128> {
    if scale_bits > 62 {
        return None;
    }
    let doubled = num.checked_mul(1 << (scale_bits + 1))?.checked_add(den)?;
    Some(doubled / den.checked_mul(2)?)
}

impl FunctionTable {
    /// Least and greatest input.
    pub fn domain(&self) -> (i128, i128) {
        let width = (self.segments.len() as i128) << self.segment_bits;
        (i128::from(self.lo), i128::from(self.lo) + width - 1)
    }

    /// Least and greatest output: a line takes its extremes at the ends of its segment.
    pub(crate) fn image(&self) -> Option<Interval> {
        let last = (1i128 << self.segment_bits) - 1;
        let mut all: Option<Interval> = None;
        for &(c0, c1) in &self.segments {
            let (a, b) = (
                i128::from(c0),
                i128::from(c0) + i128::from(c1).checked_mul(last)?,
            );
            let (a, b) = (round_shift(a, self.shift)?, round_shift(b, self.shift)?);
            let (lo, hi) = (a.min(b), a.max(b));
            all = Some(match all {
                None => Interval { lo, hi },
                Some(i) => Interval {
                    lo: i.lo.min(lo),
                    hi: i.hi.max(hi),
                },
            });
        }
        all
    }

    /// The function at an input of its domain.
    pub(crate) fn at(&self, x: i64) -> i128 {
        let offset = i128::from(x) - i128::from(self.lo);
        let (c0, c1) = self.segments[(offset >> self.segment_bits) as usize];
        let t = offset & ((1 << self.segment_bits) - 1);
        round_shift(i128::from(c0) + i128::from(c1) * t, self.shift)
            .expect("segments are checked by `image`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_up() {
        assert_eq!(round_shift(3, 1), Some(2));
        assert_eq!(round_shift(-3, 1), Some(-1));
        assert_eq!(round_shift(-4, 2), Some(-1));
        assert_eq!(round_shift(5, 0), Some(5));
        assert_eq!(round_shift(i128::MAX, 3), None);
    }

    #[test]
    fn counts_bits() {
        assert_eq!(Interval { lo: -8, hi: 7 }.bits(), 3);
        assert_eq!(Interval { lo: -8, hi: 8 }.bits(), 3);
        assert_eq!(Interval { lo: 0, hi: 9 }.bits(), 4);
        assert_eq!(Interval::signed(5), Interval { lo: -32, hi: 31 });
    }
}
