//! Public linear combinations: rows of equal coefficients side by side, summed by halves.
//!
//! Whole coefficients are exact. A row of one coefficient is a sum, multiplied once: `round(2^b c) / 2^b`, b at most 24
//! and as great as the declared ranges leave room for. Other rows sum `round(2^b c_k) x_k` and are rounded once.

use std::collections::BTreeMap;

use super::super::error::QuantizeError;
use super::super::skeleton::ScalarId;
use super::{Fixed, Formula, Lowering};
use crate::onnx::Combination;

/// Fractional bits of a coefficient, at most.
const COEFFICIENT_BITS: u32 = 24;

impl Lowering<'_> {
    pub(super) fn combination(
        &mut self,
        op: &Combination,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        let mut x = self.narrow(&x)?;
        if !op.is_whole() {
            x = self.fractional(x)?;
        }
        // 1. Rows by their coefficients.
        let mut classes: BTreeMap<Vec<u64>, Vec<usize>> = BTreeMap::new();
        let mut operands: Vec<Vec<ScalarId>> = Vec::new();
        for (i, row) in op.rows().enumerate() {
            let mut row: Vec<(u64, ScalarId)> = row
                .iter()
                .map(|&(at, c)| (c.to_bits(), x.scalars[at as usize]))
                .collect();
            row.sort_unstable();
            let (coefficients, scalars) = row.into_iter().unzip();
            classes.entry(coefficients).or_default().push(i);
            operands.push(scalars);
        }
        // 2. Each class at once.
        let mut scalars = vec![0; operands.len()];
        for (coefficients, rows) in classes {
            let coefficients: Vec<f64> = coefficients.into_iter().map(f64::from_bits).collect();
            let terms: Vec<Vec<ScalarId>> = (0..coefficients.len())
                .map(|k| rows.iter().map(|&i| operands[i][k]).collect())
                .collect();
            let made = if terms.is_empty() {
                let any = vec![x.scalars[0]; rows.len()];
                self.local(&any, &any, Formula::ZERO)?
            } else {
                self.combined(&coefficients, terms, x.scale)?
            };
            for (i, id) in rows.into_iter().zip(made) {
                scalars[i] = id;
            }
        }
        Ok(Fixed {
            scalars,
            scale: x.scale,
        })
    }

    /// `sum_k c_k x_k`, for each of the positions side by side.
    fn combined(
        &mut self,
        coefficients: &[f64],
        terms: Vec<Vec<ScalarId>>,
        scale: u32,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let first = coefficients[0];
        let widest = |this: &Self, terms: &[Vec<ScalarId>]| {
            let bits = terms.iter().flatten().map(|&id| this.interval(id).bits());
            bits.max().unwrap_or(0)
        };
        // 1. One coefficient: a sum, multiplied once.
        if coefficients.iter().all(|&c| c == first) {
            let sum = self.total(terms)?;
            if first == 1.0 {
                return Ok(sum);
            }
            let size = first.abs().log2().ceil().max(0.0) as u32;
            let room = 60u32.saturating_sub(widest(self, std::slice::from_ref(&sum)) + size);
            let bits = if first.fract() == 0.0 {
                0
            } else {
                room.min(COEFFICIENT_BITS)
            };
            let sum = Fixed {
                scalars: sum,
                scale,
            };
            return Ok(self.scaled(&sum, (first, 0.0), bits)?.scalars);
        }
        // 2. Several: products in pairs, summed by halves, rounded once.
        let whole = coefficients.iter().all(|c| c.fract() == 0.0);
        let size: f64 = coefficients.iter().map(|c| c.abs()).sum();
        let growth = size.log2().ceil().max(0.0) as u32;
        let room = 60u32.saturating_sub(widest(self, &terms) + growth);
        let bits = if whole { 0 } else { room.min(COEFFICIENT_BITS) };
        let mut factors = Vec::with_capacity(coefficients.len());
        for c in coefficients {
            let factor = (c * 2f64.powi(bits as i32)).round();
            if factor.abs() >= 2f64.powi(31) {
                return Err(self.refuse("a coefficient is too great"));
            }
            factors.push(factor as i64);
        }
        let mut sums = Vec::with_capacity(terms.len().div_ceil(2));
        for (factors, terms) in factors.chunks(2).zip(terms.chunks(2)) {
            let formula = Formula {
                left: factors[0],
                right: factors.get(1).copied().unwrap_or(0),
                ..Formula::ZERO
            };
            let right = terms.get(1).unwrap_or(&terms[0]);
            sums.push(self.local(&terms[0], right, formula)?);
            if bits > 0 {
                self.rounded(0.5, 0.0);
            }
        }
        let sum = self.total(sums)?;
        if bits == 0 {
            return Ok(sum);
        }
        let rounded = Formula {
            left: 1,
            shift: bits,
            ..Formula::ZERO
        };
        self.local(&sum, &sum, rounded)
    }
}
