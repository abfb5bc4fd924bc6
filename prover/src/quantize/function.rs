//! Function tables: sigmoid, tanh and exp as piecewise linear functions over integers.
//!
//! Claims: for each table, [`FunctionError::max_abs`] bounds `|table(x) / 2^out - f(x / 2^in)|` over every integer
//! of the domain (scanned, or sampled with a bound between samples), and over everything
//! that saturates into it. A segment's line is the minimax one where f does not turn: the chord's slope,
//! moved half way to the parallel tangent (Chebyshev); error `h^2 max|f''| / 16` for width h.

use serde::{Deserialize, Serialize};

use super::skeleton::FunctionTable;

/// What a table approximates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Curve {
    /// Over [-8, 8).
    Sigmoid,
    /// Over [-8, 8).
    Tanh,
    /// Over (-16, 0], at least one unit everywhere so that sums of it are positive.
    Exp,
}

/// The error of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionError {
    /// Name of the function.
    pub name: String,
    /// Number of segments.
    pub segments: usize,
    /// Bound of the absolute error.
    pub max_abs: f64,
}

impl Curve {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Exp => "exp",
        }
    }

    fn eval(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Exp => x.exp(),
        }
    }

    /// Values at minus and plus infinity, or at the end of the domain where operands stop.
    fn limits(self) -> (f64, f64) {
        match self {
            Self::Sigmoid => (0.0, 1.0),
            Self::Tanh => (-1.0, 1.0),
            Self::Exp => (0.0, 1.0),
        }
    }

    /// Least input, in units of 2^-in_bits.
    fn lo(self, in_bits: u32) -> i64 {
        match self {
            Self::Sigmoid | Self::Tanh => -(8 << in_bits),
            Self::Exp => 1 - (16 << in_bits),
        }
    }

    /// The table from operands with `in_bits` fractional bits to results with `out_bits`, and its error.
    pub(crate) fn table(
        self,
        in_bits: u32,
        out_bits: u32,
        log_segments: u32,
    ) -> (FunctionTable, FunctionError) {
        // All three domains are 16 wide.
        let segment_bits = (in_bits + 4).saturating_sub(log_segments);
        let count = 1i64 << (in_bits + 4 - segment_bits);
        let shift = in_bits.max(segment_bits);
        let lo = self.lo(in_bits);
        let unit = 2f64.powi(-(in_bits as i32));
        let one = 2f64.powi((out_bits + shift) as i32);
        let floor = if self == Self::Exp { 1i64 << shift } else { 0 };
        let segments = (0..count)
            .map(|k| {
                let start = lo + (k << segment_bits);
                let last = (1i64 << segment_bits) - 1;
                let (a, b) = (start as f64 * unit, (start + last) as f64 * unit);
                if last == 0 {
                    return ((self.eval(a) * one).round().max(floor as f64) as i64, 0);
                }
                let slope = (self.eval(b) - self.eval(a)) / (b - a);
                let (over, under) = self.deviation(a, b, slope);
                let c0 = ((self.eval(a) + (over + under) / 2.0) * one).round() as i64;
                let c1 = (slope * unit * one).round() as i64;
                if self == Self::Exp && (c0 < floor || c0 + c1 * last < floor) {
                    return (c0.max(floor), c1.max(0));
                }
                (c0, c1)
            })
            .collect();
        let name = self.name().to_owned();
        let table = FunctionTable {
            name: name.clone(),
            lo,
            segment_bits,
            segments,
            shift,
        };
        let max_abs = self.error(&table, in_bits, out_bits);
        (
            table,
            FunctionError {
                name,
                segments: count as usize,
                max_abs,
            },
        )
    }

    /// Greatest and least deviation of f from the line of this slope through (a, f(a)), by sampling.
    fn deviation(self, a: f64, b: f64, slope: f64) -> (f64, f64) {
        let steps = 64;
        (0..=steps)
            .map(|i| {
                let x = a + (b - a) * f64::from(i) / f64::from(steps);
                self.eval(x) - self.eval(a) - slope * (x - a)
            })
            .fold((0.0, 0.0), |(hi, lo), d| (d.max(hi), d.min(lo)))
    }

    fn error(self, table: &FunctionTable, in_bits: u32, out_bits: u32) -> f64 {
        let (lo, hi) = table.domain();
        let width = 1i128 << table.segment_bits;
        let step = (width >> 10).max(1);
        let unit = 2f64.powi(-(in_bits as i32));
        let out = 2f64.powi(-(out_bits as i32));
        let at = |x: i128| table.at(x as i64) as f64 * out;
        let error = |x: i128| (at(x) - self.eval(x as f64 * unit)).abs();
        let mut worst = 0f64;
        for segment in 0..table.segments.len() as i128 {
            let start = lo + segment * width;
            let inner = (0..width).step_by(step as usize).map(|t| error(start + t));
            worst = inner.fold(worst, f64::max).max(error(start + width - 1));
        }
        if step > 1 {
            // Between two samples of a segment, line and curve part by at most the difference of their
            // slopes, `h max|f''|` with `|f''| <= 1`, and the table rounds.
            worst += step as f64 * unit * (width as f64 * unit) + out;
        }
        let (least, greatest) = self.limits();
        worst
            .max((at(lo) - least).abs())
            .max((at(hi) - greatest).abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_bounded() {
        for (curve, out_bits, bound) in [
            (Curve::Sigmoid, 12, 4.8e-4),
            (Curve::Tanh, 12, 6.0e-4),
            (Curve::Exp, 20, 3.0e-4),
        ] {
            for in_bits in [12, 16, 20] {
                let (table, error) = curve.table(in_bits, out_bits, 8);
                assert!(table.segments.len().is_power_of_two());
                assert!(
                    error.max_abs < bound,
                    "{curve:?} {in_bits}: {}",
                    error.max_abs
                );
            }
        }
    }

    #[test]
    fn exp_is_positive_and_reaches_one() {
        let (table, _) = Curve::Exp.table(12, 20, 8);
        assert!(table.image().unwrap().lo >= 1);
        assert_eq!(table.domain(), (1 - (16 << 12), 0));
        assert!((table.at(0) - (1 << 20)).abs() < 300);
    }
}
