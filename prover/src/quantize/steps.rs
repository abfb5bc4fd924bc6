//! Integer formulas of rounded products: `floor((M a + c) / 2^s)`, the smallest s that gives every step of a
//! monotone function of integers exactly.
//!
//! onnxruntime's requantisation f is a step function of the sum a with 256 values at most. With `t_k` the least a for
//! which `f(a) >= k`, the formula equals f, once clamped, if and only if for each k
//! `k 2^s - M t_k <= c <= k 2^s - M (t_k - 1) - 1`: one interval for c, the intersection over all k. Products that
//! float32 rounds to a half go to the even neighbour, up for even k and down for odd k, which no line follows; then
//! even and odd k have a line each, chosen by b, the last bit of the integer half a step below:
//! `floor((M a + c + b (D a + p)) / 2^s)`. Where two lines do not suffice
//! either, a table holds the `t_k` themselves: `h + [a >= t_(h+1)]`, h = `floor((M a + c) / 2^s)` being f(a) or one
//! less; that is exact for every monotone f. Functions with more steps than a table has entries, and of pairs that no
//! table of one of them settles, keep what differs in a list; it is never assumed away.

/// `floor((M . x + c + b (D x_0 + p)) / 2^s)`, x one or two operands; b is the last bit of
/// `floor((M . x + c - 2^(s-1)) / 2^s)`, and D and p are 0 where no bit is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StepFormula {
    /// Factors of the operands; the second is 0 where there is one operand.
    pub(crate) factors: (i64, i64),
    /// Added to the products.
    pub(crate) constant: i64,
    /// D and p, added where the integer half a step below is odd.
    pub(crate) parity: (i64, i64),
    /// Bits dropped.
    pub(crate) shift: u32,
}

/// A formula and where it differs from the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit<T> {
    pub(crate) formula: StepFormula,
    /// Some of the operands on which it differs.
    pub(crate) differing: Vec<T>,
    /// Number of all of them.
    pub(crate) count: u64,
    /// `t_(h+1)` for each value h of the formula from the least bound on, to be added to by one where it is reached.
    pub(crate) thresholds: Option<Vec<i64>>,
}

/// Most operands that are listed.
const MAX_LISTED: usize = 16;

/// Greatest shift; what the circuit allows.
const MAX_SHIFT: u32 = 40;

/// Greatest shift of a formula of pairs; more bits would not follow float32 any closer.
const MAX_PAIR_SHIFT: u32 = 26;

/// Bits behind the point of scales that are multiples of powers of two.
const MAX_DYADIC_SHIFT: u32 = 16;

/// Entries of a table of thresholds, at most.
const MAX_THRESHOLDS: i64 = 256;

/// Bits of the fractional part where no formula is exact.
const FALLBACK_SHIFT: u32 = 36;

impl StepFormula {
    /// The formula's value.
    pub(crate) fn at(&self, l: i64, r: i64) -> i128 {
        let (m, n) = self.factors;
        let y = i128::from(m) * i128::from(l) + i128::from(n) * i128::from(r);
        let bit = if self.parity == (0, 0) {
            0
        } else {
            (y + i128::from(self.constant_below())) >> self.shift & 1
        };
        let (slope, added) = self.parity;
        let odd = i128::from(slope) * i128::from(l) + i128::from(added);
        (y + i128::from(self.constant) + bit * odd) >> self.shift
    }

    /// What is added for the bit.
    pub(crate) fn constant_below(&self) -> i64 {
        self.constant - (1 << (self.shift - 1))
    }

    /// From the lines of odd results and of even ones, (factor, constant), and the greatest magnitude of an operand.
    fn with_parity(
        odd: (i64, i64),
        even: (i64, i64),
        right: i64,
        shift: u32,
        greatest: i64,
    ) -> Option<Self> {
        let (slope, added) = (even.0 - odd.0, even.1 - odd.1);
        // Then the bit is right a quarter of a step around each threshold, and the formula does not decrease.
        let apart = i128::from(slope.abs()) * i128::from(greatest) + i128::from(added.abs());
        (apart < 1 << shift.checked_sub(2)?).then_some(Self {
            factors: (odd.0, right),
            constant: odd.1,
            parity: (slope, added),
            shift,
        })
    }
}

/// A function of one sum: its domain, the bounds it is clamped to, its slope, and what its rounded product is added to.
pub(crate) struct Steps<'a> {
    pub(crate) domain: (i64, i64),
    pub(crate) bounds: (i64, i64),
    pub(crate) slope: f64,
    pub(crate) zero: i64,
    pub(crate) f: &'a dyn Fn(i64) -> i64,
}

impl Steps<'_> {
    /// The formula with the smallest shift, if there is one without a bit, else with it.
    pub(crate) fn fit(&self) -> Fit<i64> {
        let steps = self.thresholds();
        let plain = (0..=MAX_SHIFT).find_map(|shift| self.plain(&steps, shift));
        let formula =
            plain.or_else(|| (1..=MAX_SHIFT).find_map(|shift| self.with_parity(&steps, shift)));
        match formula {
            Some(formula) => self.compared(formula),
            None => self
                .tabled(&steps)
                .unwrap_or_else(|| self.compared(self.nearest())),
        }
    }

    /// A formula that is the function or one less, and the thresholds that tell.
    fn tabled(&self, steps: &[(i64, i64)]) -> Option<Fit<i64>> {
        let (lo, hi) = self.bounds;
        if hi - lo > MAX_THRESHOLDS {
            return None;
        }
        let formula = (0..=MAX_SHIFT).find_map(|shift| {
            self.factors(shift).find_map(|m| {
                let formula = StepFormula {
                    factors: (m, 0),
                    constant: self.zero.checked_mul(1 << shift)?,
                    parity: (0, 0),
                    shift,
                };
                let below = |a: i64| formula.at(a, 0).clamp(lo.into(), (hi - 1).into()) as i64;
                let around = |a: i64| (0..=1).contains(&((self.f)(a) - below(a)));
                let ends = [self.domain.0, self.domain.1].into_iter();
                let mut all = ends.chain(steps.iter().flat_map(|&(_, t)| [t - 1, t]));
                all.all(around).then_some(formula)
            })
        })?;
        let threshold = |k: i64| least(self.domain, |a| (self.f)(a) >= k);
        Some(Fit {
            formula,
            differing: Vec::new(),
            count: 0,
            thresholds: Some((lo + 1..=hi).map(threshold).collect()),
        })
    }

    fn factors(&self, shift: u32) -> impl Iterator<Item = i64> {
        let ideal = (self.slope * 2f64.powi(shift as i32)).floor() as i64;
        [ideal, ideal + 1, ideal - 1, ideal + 2]
            .into_iter()
            .filter(|&m| m >= 0)
    }

    fn plain(&self, steps: &[(i64, i64)], shift: u32) -> Option<StepFormula> {
        self.factors(shift).find_map(|m| {
            let (lo, hi) = self.constants(steps.iter(), m, shift);
            Some(StepFormula {
                factors: (m, 0),
                constant: within(lo, hi)?,
                parity: (0, 0),
                shift,
            })
        })
    }

    fn with_parity(&self, steps: &[(i64, i64)], shift: u32) -> Option<StepFormula> {
        let line = |bit: i64| {
            self.factors(shift).find_map(|m| {
                let those = steps.iter().filter(move |(k, _)| k & 1 == bit);
                let (lo, hi) = self.constants(those, m, shift);
                (lo <= hi).then_some((m, (lo, hi)))
            })
        };
        let ((odd, odd_constants), (even, even_constants)) = (line(1)?, line(0)?);
        let (c, d) = nearest_of(odd_constants, even_constants)?;
        let greatest = self.domain.0.abs().max(self.domain.1.abs());
        StepFormula::with_parity((odd, c), (even, d), 0, shift, greatest)
    }

    /// (k, t_k) of every step inside the domain.
    fn thresholds(&self) -> Vec<(i64, i64)> {
        let (first, last) = ((self.f)(self.domain.0), (self.f)(self.domain.1));
        (first + 1..=last)
            .map(|k| (k, least(self.domain, |a| (self.f)(a) >= k)))
            .collect()
    }

    /// Operands whose product with the slope lies nearer than `error` to a half.
    pub(crate) fn near(&self, error: f64) -> Vec<i64> {
        let half = |k: i64| (k - self.zero) as f64 - 0.5;
        let steps = self.thresholds();
        let both = steps.iter().flat_map(|&(k, t)| [(k, t - 1), (k, t)]);
        both.filter(|&(k, a)| (a as f64 * self.slope - half(k)).abs() < error)
            .map(|(_, a)| a)
            .collect()
    }

    /// Least and greatest constant that give these steps.
    fn constants<'s>(
        &self,
        steps: impl Iterator<Item = &'s (i64, i64)>,
        factor: i64,
        shift: u32,
    ) -> (i128, i128) {
        let m = i128::from(factor);
        let level = |k: i64| i128::from(k) << shift;
        let (mut lo, mut hi) = (i128::MIN, i128::MAX);
        for &(k, t) in steps {
            lo = lo.max(level(k) - m * i128::from(t));
            hi = hi.min(level(k) - m * i128::from(t - 1) - 1);
        }
        // At the ends of the domain, where they are not clamped.
        let (a, b) = self.domain;
        let (first, last) = ((self.f)(a), (self.f)(b));
        if first > self.bounds.0 {
            lo = lo.max(level(first) - m * i128::from(a));
        }
        if last < self.bounds.1 {
            hi = hi.min(level(last + 1) - m * i128::from(b) - 1);
        }
        (lo, hi)
    }

    fn nearest(&self) -> StepFormula {
        let unit = 2f64.powi(FALLBACK_SHIFT as i32);
        StepFormula {
            factors: ((self.slope * unit).round() as i64, 0),
            constant: (self.zero << FALLBACK_SHIFT) + (1 << (FALLBACK_SHIFT - 1)),
            parity: (0, 0),
            shift: FALLBACK_SHIFT,
        }
    }

    /// Where a formula differs: for some k, between its threshold and the function's.
    fn compared(&self, formula: StepFormula) -> Fit<i64> {
        let (lo, hi) = self.bounds;
        let g = |a: i64| formula.at(a, 0).clamp(lo.into(), hi.into()) as i64;
        let mut fit = Fit {
            formula,
            differing: Vec::new(),
            count: 0,
            thresholds: None,
        };
        let mut next = self.domain.0;
        for k in lo + 1..=hi {
            let ours = least(self.domain, |a| g(a) >= k);
            let theirs = least(self.domain, |a| (self.f)(a) >= k);
            let (from, to) = (ours.min(theirs).max(next), ours.max(theirs));
            if from < to {
                fit.count += (to - from) as u64;
                let room = MAX_LISTED - fit.differing.len();
                fit.differing.extend((from..to).take(room));
                next = to;
            }
        }
        fit
    }
}

/// The least integer of the interval at which a monotone condition holds, or the one behind it.
pub(crate) fn least((lo, hi): (i64, i64), holds: impl Fn(i64) -> bool) -> i64 {
    let (mut from, mut to) = (lo, hi + 1);
    while from < to {
        let middle = from + (to - from) / 2;
        if holds(middle) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

/// A function of two operands, checked on every pair.
pub(crate) struct PairSteps<'a> {
    /// Least and greatest value of each operand.
    pub(crate) domain: (i64, i64),
    pub(crate) bounds: (i64, i64),
    pub(crate) slopes: (f64, f64),
    /// What is added to the products before rounding.
    pub(crate) fixed: f64,
    pub(crate) f: &'a dyn Fn(i64, i64) -> i64,
}

/// A formula of two operands; with a table, its right operand is the table's entry, and its right factor 1.
#[derive(Clone, Debug)]
pub(crate) struct PairFit {
    pub(crate) fit: Fit<(i64, i64)>,
    /// Entries from the right operand's least value on.
    pub(crate) table: Option<Vec<i64>>,
}

impl PairSteps<'_> {
    /// A linear formula with the smallest shift, if there is one; else a table of the right operand's share, which
    /// gives each value of it a constant of its own.
    pub(crate) fn fit(&self) -> PairFit {
        let (lo, hi) = self.domain;
        let rows: Vec<Vec<i64>> = (lo..=hi)
            .map(|r| (lo..=hi).map(|l| (self.f)(l, r)).collect())
            .collect();
        let formula = |factors, constant, shift| StepFormula {
            factors,
            constant,
            parity: (0, 0),
            shift,
        };
        let linear = (0..=MAX_PAIR_SHIFT).find_map(|shift| {
            let (m, n) = (near(self.slopes.0, shift), near(self.slopes.1, shift));
            let both = m.iter().flat_map(|&m| n.iter().map(move |&n| (m, n)));
            both.into_iter().find_map(|(m, n)| {
                let all = (lo..).zip(&rows).try_fold(EVERY, |all, (r, row)| {
                    let (from, to) = self.constants(row, m, shift)?;
                    meet(all, (from - n * r, to - n * r))
                });
                let (from, to) = all?;
                Some(formula((m, n), within(from.into(), to.into())?, shift))
            })
        });
        if let Some(formula) = linear {
            let fit = self.compared(formula, &rows, |r| r);
            return PairFit { fit, table: None };
        }
        let entries = |m: i64, shift: u32| -> Option<Vec<i64>> {
            let rows = rows.iter();
            rows.map(|row| {
                let (from, to) = self.constants(row, m, shift)?;
                within(from.into(), to.into())
            })
            .collect()
        };
        let tabled = (0..=MAX_PAIR_SHIFT).find_map(|shift| {
            let factors = near(self.slopes.0, shift).into_iter();
            let mut all = factors.map(|m| (m, shift, entries(m, shift)));
            all.find_map(|(m, shift, entries)| Some((m, shift, entries?)))
        });
        if let Some(fit) = tabled.is_none().then(|| self.dyadic(&rows)).flatten() {
            return PairFit { fit, table: None };
        }
        let (m, shift, table) = tabled.unwrap_or_else(|| {
            let unit = 2f64.powi(MAX_PAIR_SHIFT as i32);
            let share = |r: i64| (r as f64 * self.slopes.1 + self.fixed + 0.5) * unit;
            let table = (lo..=hi).map(|r| share(r).floor() as i64).collect();
            ((self.slopes.0 * unit).round() as i64, MAX_PAIR_SHIFT, table)
        });
        let entry = |r: i64| table[(r - lo) as usize];
        PairFit {
            fit: self.compared(formula((m, 1), 0, shift), &rows, entry),
            table: Some(table),
        }
    }

    /// Powers of two over one another: the sum is exact, ties are many, and a bit tells even from odd.
    fn dyadic(&self, rows: &[Vec<i64>]) -> Option<Fit<(i64, i64)>> {
        (2..=MAX_DYADIC_SHIFT).find_map(|shift| {
            let whole = |v: f64| {
                let scaled = v * 2f64.powi(shift as i32);
                (scaled.fract() == 0.0).then_some(scaled as i64)
            };
            let (m, n) = (whole(self.slopes.0)?, whole(self.slopes.1)?);
            let half = whole(self.fixed)? + (1 << (shift - 1));
            let formula = StepFormula::with_parity((m, half - 1), (m, half), n, shift, 0)?;
            let fit = self.compared(formula, rows, |r| r);
            (fit.count == 0).then_some(fit)
        })
    }

    /// Least and greatest constant that give every step for one value of the right operand, if there is one.
    fn constants(&self, row: &[i64], m: i64, shift: u32) -> Option<(i64, i64)> {
        let mut steps = (self.domain.0..).zip(row);
        steps.try_fold(EVERY, |all, (l, &value)| {
            let y = (value << shift) - m * l;
            let from = if value > self.bounds.0 { y } else { EVERY.0 };
            let to = if value < self.bounds.1 {
                y + (1 << shift) - 1
            } else {
                EVERY.1
            };
            meet(all, (from, to))
        })
    }

    fn compared(
        &self,
        formula: StepFormula,
        rows: &[Vec<i64>],
        read: impl Fn(i64) -> i64,
    ) -> Fit<(i64, i64)> {
        let (lo, hi) = self.bounds;
        let first = self.domain.0;
        let mut fit = Fit {
            formula,
            differing: Vec::new(),
            count: 0,
            thresholds: None,
        };
        for (r, row) in (first..).zip(rows) {
            for (l, &value) in (first..).zip(row) {
                let ours = formula.at(l, read(r)).clamp(lo.into(), hi.into());
                if ours != i128::from(value) {
                    fit.count += 1;
                    if fit.differing.len() < MAX_LISTED {
                        fit.differing.push((l, r));
                    }
                }
            }
        }
        fit
    }
}

/// Integers near `slope 2^shift` that are no less than 0.
fn near(slope: f64, shift: u32) -> [i64; 2] {
    let floor = (slope * 2f64.powi(shift as i32)).floor() as i64;
    [floor, floor + 1]
}

/// The intersection of two intervals, if it holds an integer.
fn meet(a: (i64, i64), b: (i64, i64)) -> Option<(i64, i64)> {
    let both = (a.0.max(b.0), a.1.min(b.1));
    (both.0 <= both.1).then_some(both)
}

/// No bound at all; sums with it stay in range.
const EVERY: (i64, i64) = (-(1 << 61), 1 << 61);

/// Integers of two intervals that lie next to each other.
fn nearest_of((a, b): (i128, i128), (c, d): (i128, i128)) -> Option<(i64, i64)> {
    if c > b {
        Some((within(b, b)?, within(c, c)?))
    } else if a > d {
        Some((within(a, a)?, within(d, d)?))
    } else {
        let both = within(a.max(c), b.min(d))?;
        Some((both, both))
    }
}

/// An integer of the interval, the middle one, if it holds one.
fn within(lo: i128, hi: i128) -> Option<i64> {
    if lo > hi {
        return None;
    }
    let lo = lo.max(-(1 << 60));
    let hi = hi.min(1 << 60);
    (lo <= hi).then(|| (lo + (hi - lo) / 2) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{AddRule, Element, Rule, Scale};

    fn steps(
        rule: Rule,
        zero: i64,
        domain: (i64, i64),
        check: impl Fn(&Fit<i64>, &dyn Fn(i64) -> i64),
    ) {
        let f = |a: i64| rule.at(a, zero, Element::Int8);
        let steps = Steps {
            domain,
            bounds: Element::Int8.range(),
            slope: rule.factor(),
            zero,
            f: &f,
        };
        check(&steps.fit(), &f);
    }

    fn clamped(fit: &Fit<i64>, a: i64) -> i64 {
        fit.formula.at(a, 0).clamp(-128, 127) as i64
    }

    #[test]
    fn equals_the_rounded_product_on_the_whole_domain() {
        for (i, m) in [0.0017263, 0.03, 0.4999, 0.75, 1.0, 3.7e-4, 0.9]
            .into_iter()
            .enumerate()
        {
            for rule in [Rule::Product(m), Rule::Shifted(m)] {
                let zero = 37 * i as i64 - 100;
                steps(rule, zero, (-60_000, 50_000), |fit, f| {
                    assert_eq!(fit.count, 0, "{rule:?}");
                    for a in -60_000..=50_000 {
                        assert_eq!(clamped(fit, a), f(a), "{rule:?} {zero} at {a}");
                    }
                });
            }
        }
    }

    #[test]
    fn ties_go_to_even() {
        for m in [0.5, 0.25, 0.375] {
            for rule in [Rule::Product(m), Rule::Shifted(m)] {
                steps(rule, 3, (-2000, 2000), |fit, f| {
                    assert_eq!(fit.count, 0, "{rule:?}");
                    for a in -2000..=2000 {
                        assert_eq!(clamped(fit, a), f(a), "{rule:?} at {a}");
                    }
                });
            }
        }
    }

    #[test]
    fn the_shift_is_small() {
        steps(Rule::Product(0.0123), 0, (-(1 << 16), 1 << 16), |fit, _| {
            assert!(fit.formula.shift <= 30, "{fit:?}");
        });
        // A domain within one step needs no bits at all.
        steps(Rule::Product(0.001), 5, (-400, 400), |fit, _| {
            assert_eq!((fit.formula.shift, fit.formula.factors.0), (0, 0));
        });
    }

    #[test]
    fn what_no_line_gives_is_tabled() {
        // Float32 holds these sums to 4 units only.
        let rule = Rule::Product(3.1e-6);
        steps(rule, 11, (-(1 << 26), 1 << 26), |fit, f| {
            let thresholds = fit.thresholds.as_ref().expect("a table");
            let below = |a: i64| fit.formula.at(a, 0).clamp(-128, 126) as i64;
            let ours = |a: i64| {
                let h = below(a);
                h + i64::from(a >= thresholds[(h + 128) as usize])
            };
            for &t in thresholds {
                for a in t - 40..t + 40 {
                    assert_eq!(ours(a), f(a), "at {a}");
                }
            }
            for a in (-(1 << 26)..1 << 26).step_by(997) {
                assert_eq!(ours(a), f(a), "at {a}");
            }
        });
    }

    #[test]
    fn what_no_formula_gives_is_listed() {
        // Steps of 1, 96 and 1 sums, and more values than a table holds: on no line.
        let f = |a: i64| i64::from(a >= 3) + i64::from(a >= 4) + i64::from(a >= 100);
        let steps = Steps {
            domain: (0, 200),
            bounds: (0, 1000),
            slope: 0.02,
            zero: 0,
            f: &f,
        };
        let fit = steps.fit();
        let ours = |a: i64| fit.formula.at(a, 0).clamp(0, 1000) as i64;
        let differing: Vec<i64> = (0..=200).filter(|&a| ours(a) != f(a)).collect();
        assert!(!differing.is_empty());
        assert_eq!(fit.count, differing.len() as u64);
        assert_eq!(fit.differing, differing[..MAX_LISTED.min(differing.len())]);
    }

    #[test]
    fn pairs_agree_everywhere() {
        let scale = |scale, zero| Scale {
            scale,
            zero,
            element: Element::Uint8,
        };
        let mut tables = 0;
        for (l, r, y) in [
            (scale(0.0143, 0), scale(0.385, 94), scale(0.246, 0)),
            (scale(0.0143305, 0), scale(0.385, 94), scale(0.246, 17)),
            (scale(0.5, 3), scale(0.25, 7), scale(1.0, 4)),
            (scale(1.0, 0), scale(0.5, 0), scale(1.0, 128)),
            (scale(0.1, 0), scale(0.1, 0), scale(0.1, 0)),
        ] {
            let rule = AddRule::new(l, r, y);
            let PairFit { fit, table } = PairSteps {
                domain: (0, 255),
                bounds: (0, 255),
                slopes: (rule.left.into(), rule.right.into()),
                fixed: rule.fixed.into(),
                f: &|l, r| rule.at(l, r),
            }
            .fit();
            assert_eq!((fit.count, &fit.differing), (0, &vec![]), "{rule:?}");
            tables += usize::from(table.is_some());
            assert_eq!(fit.thresholds, None);
            for l in 0..256 {
                for r in 0..256 {
                    let read = table.as_ref().map_or(r, |t| t[r as usize]);
                    let ours = fit.formula.at(l, read).clamp(0, 255);
                    assert_eq!(ours, i128::from(rule.at(l, r)));
                }
            }
        }
        assert!((1..4).contains(&tables), "{tables} tables");
    }
}
