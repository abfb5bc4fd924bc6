//! Tabled functions: operands clamped to the table's domain, or split over several tables.
//!
//! A function that does not level off has tables over pieces of its domain, each eight times as wide as the one
//! before: `f(x) = f(a_0) + sum_j (f(clamp(x, a_j, a_(j+1))) - f(a_j))`, so relative steps stay alike. Only as
//! many pieces are made as the operand's declared interval needs; beyond the last, and below `a_0`, the
//! operand saturates.

use super::super::deviations::{Saturation, TableError};
use super::super::error::QuantizeError;
use super::super::function::{Curve, Span};
use super::super::skeleton::{Op, ScalarId};
use super::{Fixed, Formula, Lowering};

impl Lowering<'_> {
    /// A tabled function of a tensor, clamped to its domain first.
    pub(crate) fn function(
        &mut self,
        curve: Curve,
        operand: &Fixed,
        out_bits: u32,
    ) -> Result<Fixed, QuantizeError> {
        let scalars = self.tabled(curve, None, operand, out_bits, false)?;
        Ok(Fixed {
            scalars,
            scale: out_bits,
        })
    }

    /// A function over as much of `[lo, ..)` as the operand reaches, in integers of the operand's scale.
    pub(crate) fn wide_function(
        &mut self,
        curve: Curve,
        operand: &Fixed,
        spans: &[Span],
        out_bits: u32,
    ) -> Result<Fixed, QuantizeError> {
        let reach = operand.scalars.iter().map(|&id| self.interval(id).hi).max();
        let reach = reach.unwrap_or(0);
        let mut sum: Option<Vec<ScalarId>> = None;
        for span in spans {
            if span.follows && i128::from(span.lo) >= reach {
                break;
            }
            let last = spans.last() == Some(span);
            let piece = self.tabled(curve, Some(*span), operand, out_bits, last)?;
            sum = Some(match sum {
                None => piece,
                Some(sum) => {
                    let add = Formula {
                        left: 1,
                        right: 1,
                        ..Formula::ZERO
                    };
                    self.local(&sum, &piece, add)?
                }
            });
        }
        Ok(Fixed {
            scalars: sum.ok_or_else(|| self.refuse("the operand lies outside the domain"))?,
            scale: out_bits,
        })
    }

    fn tabled(
        &mut self,
        curve: Curve,
        span: Option<Span>,
        operand: &Fixed,
        out_bits: u32,
        last: bool,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        // Where operands leave the function's domain: a logarithm at its pole, others behind their last piece.
        let below = curve == Curve::Log && span.is_some_and(|span| !span.follows);
        let key = (curve, span, operand.scale, out_bits);
        let number = match self.tables.get(&key) {
            Some(&number) => number,
            None => {
                let log_segments = self.options.log_segments;
                let (table, error, base) = curve.table(span, operand.scale, out_bits, log_segments);
                // Below its first piece an exponential is between nothing and what it is there.
                let vanishing = match (curve, span) {
                    (Curve::Exponential, Some(span)) if !span.follows => {
                        curve.eval(span.lo as f64 * 2f64.powi(-(operand.scale as i32)))
                    }
                    _ => 0.0,
                };
                self.deviations.tables.push(TableError {
                    curve: Some(curve),
                    in_bits: operand.scale,
                    out_bits,
                    base,
                    max_abs: error.max_abs + vanishing,
                    below,
                    above: last,
                });
                self.functions.push(table);
                self.function_errors.push(error);
                let number = self.functions.len() as u32 - 1;
                self.tables.insert(key, number);
                number
            }
        };
        let (lo, hi) = self.functions[number as usize].domain();
        let next = self.ops.len();
        let inside = self.clamp_where_needed(&operand.scalars, lo as i64, hi as i64)?;
        if below || last {
            self.saturates(next, Saturation::Domain { below, above: last });
        }
        self.emit(Op::Function {
            inputs: inside,
            function: number,
        })
    }

    /// `e^x`, from -16 up to 16.
    pub(super) fn exp(&mut self, x: &Fixed) -> Result<Fixed, QuantizeError> {
        let s = self.options.scale_bits;
        let x = self.rescaled_down(x.clone(), s + 4)?;
        let spans = Span::exponential(x.scale);
        self.wide_function(Curve::Exponential, &x, &spans, s + 4)
    }

    /// Natural logarithm, from one unit of the operand up.
    pub(super) fn log(&mut self, x: &Fixed) -> Result<Fixed, QuantizeError> {
        let x = self.narrow(x)?;
        let spans = Span::growing(1, self.options.log_segments);
        self.wide_function(Curve::Log, &x, &spans, self.options.scale_bits + 8)
    }

    /// Square root, of 0 below 0.
    pub(super) fn sqrt(&mut self, x: &Fixed) -> Result<Fixed, QuantizeError> {
        let x = self.narrow(x)?;
        let spans = Span::growing(0, self.options.log_segments);
        self.wide_function(Curve::Sqrt, &x, &spans, self.options.scale_bits + 8)
    }
}
