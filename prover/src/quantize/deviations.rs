//! Where an integer program departs from the float graph, besides the shifts that its operations state: what
//! forward_error.rs needs and a skeleton does not tell.

use std::collections::{HashMap, HashSet};

use super::function::{Curve, FunctionError};
use super::skeleton::{FunctionTable, LinearWeights};

/// All deviations of a program, by number of its operation or of its table.
#[derive(Clone, Default)]
pub(crate) struct Deviations {
    /// Of the weights of `Linear`, `Convolution` and `Diagonal`.
    pub(crate) weights: HashMap<usize, WeightErrors>,
    /// Of the public constants of `Local` and `Clamp`.
    pub(crate) constants: HashMap<usize, ConstantErrors>,
    /// Clamps that are no part of the float graph.
    pub(crate) saturations: HashMap<usize, Saturation>,
    /// Quotients that lie in `[0, 1]` by what they divide.
    pub(crate) fractions: HashSet<usize>,
    /// Greatest error of a leaf of `Forest`, in units.
    pub(crate) leaves: HashMap<usize, f64>,
    /// One for each table.
    pub(crate) tables: Vec<TableError>,
}

/// `integer - exact` of one layer's weights and biases, in units of each; in the order of the weights.
#[derive(Clone)]
pub(crate) struct WeightErrors {
    pub(crate) weights: Vec<f32>,
    pub(crate) biases: Vec<f64>,
}

/// Bounds of what a public factor and a constant are rounded by, in units.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConstantErrors {
    /// Of the factors of either operand.
    pub(crate) factor: f64,
    /// Of the constant term, or of a clamp's bounds.
    pub(crate) constant: f64,
}

/// What a clamp that only the integer program has does to a value outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saturation {
    /// Loses what is beyond either bound.
    Excess,
    /// Leaves the domain of a table: nothing is known of the function there.
    Domain {
        /// Below the least operand.
        below: bool,
        /// Above the greatest.
        above: bool,
    },
}

/// The function behind a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableError {
    /// Nothing for tables that are exact.
    pub(crate) curve: Option<Curve>,
    /// Fractional bits of operands and of results.
    pub(crate) in_bits: u32,
    pub(crate) out_bits: u32,
    /// What the table's function is less than the curve by.
    pub(crate) base: f64,
    /// Bound of the error anywhere, in units of the function.
    pub(crate) max_abs: f64,
    /// Whether operands below and above leave the function's domain.
    pub(crate) below: bool,
    pub(crate) above: bool,
}

impl WeightErrors {
    /// Of integers for these numbers with `bits` and `bias_bits` fractional bits; none stand for zeros.
    pub(crate) fn of(
        integers: &LinearWeights,
        (weights, bits): (&[f64], u32),
        (biases, bias_bits): (&[f64], u32),
    ) -> Self {
        let error = |q: f64, exact: Option<&f64>, bits: u32| {
            q - exact.copied().unwrap_or(0.0) * 2f64.powi(bits as i32)
        };
        let all = integers.weights.iter().enumerate();
        let weights = all.map(|(i, &q)| error(f64::from(q), weights.get(i), bits) as f32);
        let all = integers.biases.iter().enumerate();
        let biases = all.map(|(i, &q)| error(q as f64, biases.get(i), bias_bits));
        Self {
            weights: weights.collect(),
            biases: biases.collect(),
        }
    }
}

impl TableError {
    /// Of a table that holds its function exactly, up to the stated error.
    pub(crate) fn exact(error: &FunctionError) -> Self {
        Self {
            curve: None,
            in_bits: 0,
            out_bits: 0,
            base: 0.0,
            max_abs: error.max_abs,
            below: false,
            above: false,
        }
    }

    /// Distance of table and function at one operand of the domain, in units.
    pub(crate) fn at(&self, table: &FunctionTable, x: f64) -> f64 {
        let one = 2f64.powi(self.out_bits as i32);
        let (lo, hi) = table.domain();
        match self.curve {
            // Operands at the ends stand for what saturates into them too.
            Some(curve) if (lo as f64) < x && x < hi as f64 => {
                let exact = curve.eval(x * 2f64.powi(-(self.in_bits as i32))) - self.base;
                (table.at(x as i64) as f64 - exact * one).abs()
            }
            _ => self.max_abs * one,
        }
    }

    /// A bound of the function's slope over one segment, in units of results over units of operands.
    pub(crate) fn slope(&self, table: &FunctionTable, segment: usize) -> f64 {
        let chord = (table.segments[segment].1.abs() as f64) * 2f64.powi(-(table.shift as i32));
        let Some(curve) = self.curve else {
            return f64::INFINITY;
        };
        // Slopes within a segment part from its chord's by at most `h max|f''|`; the line's own rounding is one unit.
        let unit = 2f64.powi(-(self.in_bits as i32));
        let width = 2f64.powi(table.segment_bits as i32);
        let start = (table.lo as f64 + segment as f64 * width) * unit;
        let h = width * unit;
        let bend = h * curve.curvature(start, start + h);
        let per_unit = 2f64.powi(self.out_bits as i32 - self.in_bits as i32);
        chord + bend * per_unit + 2f64.powi(-(table.segment_bits as i32))
    }
}

impl Deviations {
    /// Those of the operations and tables that stay.
    pub(crate) fn pruned(self, ops: &[bool], tables: &[bool]) -> Self {
        let mut number = Vec::with_capacity(ops.len());
        let mut next = 0;
        for &kept in ops {
            number.push(kept.then_some(next));
            next += usize::from(kept);
        }
        let mut kept = tables.iter();
        let mut tables = self.tables;
        tables.retain(|_| kept.next() == Some(&true));
        Self {
            weights: renumbered(self.weights, &number),
            constants: renumbered(self.constants, &number),
            saturations: renumbered(self.saturations, &number),
            leaves: renumbered(self.leaves, &number),
            fractions: self.fractions.iter().filter_map(|op| number[*op]).collect(),
            tables,
        }
    }
}

fn renumbered<T>(by: HashMap<usize, T>, number: &[Option<usize>]) -> HashMap<usize, T> {
    let renamed = |(op, of): (usize, T)| Some((number[op]?, of));
    by.into_iter().filter_map(renamed).collect()
}

impl std::fmt::Debug for Deviations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Deviations(of {} layers, hidden)", self.weights.len())
    }
}
