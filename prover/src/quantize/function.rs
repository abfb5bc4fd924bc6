//! Function tables: sigmoid, tanh, exp, log, sin and others as piecewise linear functions over integers.
//!
//! Claims: for each table, [`FunctionError::max_abs`] bounds `|table(x) / 2^out - f(x / 2^in)|` over every integer
//! of the domain (scanned, or sampled with a bound between samples), and over everything
//! that saturates into it where f levels off there. Functions that do not (exp, log, sqrt) have several tables,
//! named with their domains: their errors add up, and beyond the last domain the operand saturates. A segment's line is the minimax one where f does not turn: the chord's slope,
//! moved half way to the parallel tangent (Chebyshev); error `h^2 max|f''| / 16` for width h.

use serde::{Deserialize, Serialize};

use super::skeleton::FunctionTable;
use crate::onnx::Pointwise;

/// What a table approximates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Curve {
    /// Over [-8, 8).
    Sigmoid,
    /// Over [-8, 8).
    Tanh,
    /// Over (-16, 0], at least one unit everywhere so that sums of it are positive.
    Exp,
    /// Over [-4, 4).
    Erf,
    /// `gelu(x) - relu(x)` over [-8, 8), exact or its approximation by tanh.
    Gelu {
        /// Which.
        tanh: bool,
    },
    /// `softplus(x) - relu(x)` over [-16, 16).
    Softplus,
    /// `mish(x) - relu(x)` over [-16, 16).
    Mish,
    /// `factor (e^x - 1)` over (-16, 0]; the factor's bits.
    Elu {
        /// Bits of an f64.
        factor: u64,
    },
    /// Over pieces.
    Exponential,
    /// Over pieces.
    Log,
    /// Over pieces.
    Sqrt,
    /// Over [-4, 4), which holds a period.
    Sin,
    /// Over pieces from 0 on.
    Atan,
    /// Over pieces from 0 on.
    Asinh,
    /// Over pieces from 1 on.
    Acosh,
    /// Over [-2, 2), zero beyond.
    Cubic,
    /// `acos(x) / sqrt(1 - x)` over [0, 1).
    AcosRatio,
}

/// A piece of a domain, in integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    /// Least integer.
    pub(crate) lo: i64,
    /// log2 of the number of integers.
    pub(crate) width_bits: u32,
    /// Whether a piece comes before; then the table holds `f(x) - f(lo)`.
    pub(crate) follows: bool,
}

impl Span {
    /// Pieces from `lo` on, the first exact, each eight times as wide as the one before; the last integer of one is
    /// the first of the next.
    pub(crate) fn growing(lo: i64, log_segments: u32) -> Vec<Self> {
        let mut spans = Vec::new();
        let (mut lo, mut width_bits) = (lo, log_segments);
        while width_bits <= 40 {
            spans.push(Self {
                lo,
                width_bits,
                follows: !spans.is_empty(),
            });
            lo += (1 << width_bits) - 1;
            width_bits += 3;
        }
        spans
    }

    /// [-18, -2), [-2, 0).
    pub(crate) fn decay(in_bits: u32) -> Vec<Self> {
        let first = Self {
            lo: -(18i64 << in_bits) + 1,
            width_bits: 4 + in_bits,
            follows: false,
        };
        let second = Self {
            lo: first.lo + (1 << first.width_bits) - 1,
            width_bits: 1 + in_bits,
            follows: true,
        };
        vec![first, second]
    }

    /// [-16, 0), [0, 4), [4, 8), [8, 16).
    pub(crate) fn exponential(in_bits: u32) -> Vec<Self> {
        let mut lo = -(16i64 << in_bits);
        [4, 2, 2, 3]
            .iter()
            .enumerate()
            .map(|(i, log)| {
                let span = Self {
                    lo,
                    width_bits: log + in_bits,
                    follows: i > 0,
                };
                lo += (1 << span.width_bits) - 1;
                span
            })
            .collect()
    }
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
            Self::Exp | Self::Exponential => "exp",
            Self::Erf => "erf",
            Self::Gelu { tanh: false } => "gelu",
            Self::Gelu { tanh: true } => "gelu by tanh",
            Self::Softplus => "softplus",
            Self::Mish => "mish",
            Self::Elu { .. } => "elu",
            Self::Log => "log",
            Self::Sqrt => "sqrt",
            Self::Sin => "sin",
            Self::Atan => "atan",
            Self::Asinh => "asinh",
            Self::Acosh => "acosh",
            Self::Cubic => "cubic kernel",
            Self::AcosRatio => "acos over sqrt(1 - x)",
        }
    }

    pub(crate) fn eval(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Exp | Self::Exponential => x.exp(),
            Self::Erf => Pointwise::Erf.eval(x),
            Self::Gelu { tanh } => Pointwise::Gelu { tanh }.eval(x) - x.max(0.0),
            Self::Softplus => Pointwise::Softplus.eval(x) - x.max(0.0),
            Self::Mish => Pointwise::Mish.eval(x) - x.max(0.0),
            Self::Elu { factor } => f64::from_bits(factor) * x.exp_m1(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Sin => x.sin(),
            Self::Atan => x.atan(),
            Self::Asinh => x.asinh(),
            Self::Acosh => x.acosh(),
            Self::Cubic => Pointwise::Cubic.eval(x),
            Self::AcosRatio => Pointwise::AcosRatio.eval(x),
        }
    }

    /// Values at minus and plus infinity, or at the end of the domain where operands stop; none where f does not
    /// level off.
    fn limits(self) -> Option<(f64, f64)> {
        match self {
            Self::Sigmoid | Self::Exp => Some((0.0, 1.0)),
            Self::Tanh | Self::Erf => Some((-1.0, 1.0)),
            Self::Gelu { .. } | Self::Softplus | Self::Mish | Self::Cubic => Some((0.0, 0.0)),
            Self::Elu { factor } => Some((-f64::from_bits(factor), 0.0)),
            Self::Exponential
            | Self::Log
            | Self::Sqrt
            | Self::Sin
            | Self::Atan
            | Self::Asinh
            | Self::Acosh
            | Self::AcosRatio => None,
        }
    }

    /// A bound of `|f''|` over [a, b].
    pub(crate) fn curvature(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Exponential => b.exp(),
            Self::Log => a.powi(-2),
            Self::Sqrt => a.powf(-1.5) / 4.0,
            Self::Elu { factor } => f64::from_bits(factor).abs(),
            Self::Cubic => 5.0,
            Self::Asinh => a.max(1.0).powi(-2),
            Self::Atan => 2.0 * a.max(1.0).powi(-3),
            Self::Acosh => b * (a * a - 1.0).powf(-1.5),
            _ => 1.0,
        }
    }

    /// The whole domain of a function that levels off.
    fn domain(self, in_bits: u32) -> Span {
        let width = match self {
            Self::Erf | Self::Sin => 3,
            Self::Cubic => 2,
            Self::AcosRatio => 0,
            Self::Softplus | Self::Mish => 5,
            _ => 4,
        };
        let lo = match self {
            Self::Exp | Self::Elu { .. } => 1 - (16 << in_bits),
            Self::AcosRatio => 0,
            _ => -(1 << (in_bits + width - 1)),
        };
        Span {
            lo,
            width_bits: in_bits + width,
            follows: false,
        }
    }

    /// The table from operands with `in_bits` fractional bits to results with `out_bits`, its error, and what it is
    /// less than the function by; over one span of the domain, or all of it.
    pub(crate) fn table(
        self,
        span: Option<Span>,
        in_bits: u32,
        out_bits: u32,
        log_segments: u32,
    ) -> (FunctionTable, FunctionError, f64) {
        let Span {
            lo,
            width_bits,
            follows,
        } = span.unwrap_or_else(|| self.domain(in_bits));
        let segment_bits = width_bits.saturating_sub(log_segments);
        let count = 1i64 << (width_bits - segment_bits);
        let shift = match span {
            None => in_bits.max(segment_bits),
            // Enough for slopes that hold over a segment; values may be large.
            Some(_) => segment_bits + 2,
        };
        let unit = 2f64.powi(-(in_bits as i32));
        let one = 2f64.powi((out_bits + shift) as i32);
        let floor = if self == Self::Exp { 1i64 << shift } else { 0 };
        let base = if follows {
            self.eval(lo as f64 * unit)
        } else {
            0.0
        };
        let segments = (0..count)
            .map(|k| {
                let start = lo + (k << segment_bits);
                let last = (1i64 << segment_bits) - 1;
                let (a, b) = (start as f64 * unit, (start + last) as f64 * unit);
                if last == 0 {
                    let y = ((self.eval(a) - base) * one).round() as i64;
                    return (if floor > 0 { y.max(floor) } else { y }, 0);
                }
                let slope = (self.eval(b) - self.eval(a)) / (b - a);
                // Operands beyond a piece saturate into it, so there its ends are exact: chords.
                let (over, under) = if span.is_some() && (k == 0 || k == count - 1) {
                    (0.0, 0.0)
                } else {
                    self.deviation(a, b, slope)
                };
                let c0 = ((self.eval(a) - base + (over + under) / 2.0) * one).round() as i64;
                let c1 = (slope * unit * one).round() as i64;
                if self == Self::Exp && (c0 < floor || c0 + c1 * last < floor) {
                    return (c0.max(floor), c1.max(0));
                }
                (c0, c1)
            })
            .collect();
        let mut name = self.name().to_owned();
        if span.is_some() {
            let end = (lo + (1i64 << width_bits)) as f64 * unit;
            name = format!("{name} on [{}, {end})", lo as f64 * unit);
        }
        let table = FunctionTable {
            name: name.clone(),
            lo,
            segment_bits,
            segments,
            shift,
        };
        let max_abs = self.error(&table, base, in_bits, out_bits);
        (
            table,
            FunctionError {
                name,
                segments: count as usize,
                max_abs,
            },
            base,
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

    fn error(self, table: &FunctionTable, base: f64, in_bits: u32, out_bits: u32) -> f64 {
        let (lo, hi) = table.domain();
        let width = 1i128 << table.segment_bits;
        let step = (width >> 10).max(1);
        let unit = 2f64.powi(-(in_bits as i32));
        let out = 2f64.powi(-(out_bits as i32));
        let at = |x: i128| table.at(x as i64) as f64 * out;
        let error = |x: i128| (at(x) + base - self.eval(x as f64 * unit)).abs();
        let mut worst = 0f64;
        for segment in 0..table.segments.len() as i128 {
            let start = lo + segment * width;
            let inner = (0..width).step_by(step as usize).map(|t| error(start + t));
            worst = inner.fold(worst, f64::max).max(error(start + width - 1));
        }
        if step > 1 {
            // Between two samples of a segment, line and curve part by at most the difference of their
            // slopes, `h max|f''|`, and the table rounds.
            let curvature = self.curvature(lo as f64 * unit, hi as f64 * unit);
            worst += step as f64 * unit * (width as f64 * unit) * curvature + out;
        }
        let Some((least, greatest)) = self.limits() else {
            return worst;
        };
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
                let (table, error, _) = curve.table(None, in_bits, out_bits, 8);
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
        let (table, ..) = Curve::Exp.table(None, 12, 20, 8);
        assert!(table.image().unwrap().lo >= 1);
        assert_eq!(table.domain(), (1 - (16 << 12), 0));
        assert!((table.at(0) - (1 << 20)).abs() < 300);
    }
}
