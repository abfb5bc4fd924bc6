//! Softmax and ArgMax from primitive operations.
//!
//! Running maximum over x_0 .. x_(n-1): `a_j = relu(x_j - m)`, `m' = m + a_j`. ArgMax adds the bit
//! `x_j - m - 1 >= 0` (the first of equals wins; `x_j - m >= 0` for the last) and
//! `idx' = idx + bit (j - idx)`. Softmax: `e_j = exp(clamp(x_j - max))`, `e_j / sum e`, where exp is at least
//! one unit, so the sum is positive by range. All groups run side by side in each operation.

use super::super::error::QuantizeError;
use super::super::function::Curve;
use super::super::skeleton::{Activation, Op, ScalarId};
use super::{Fixed, Formula, Lowering};
use crate::onnx::{AxisView, FloatOp};

/// The maxima of the first j + 1 elements of each group, for each j.
#[derive(Clone, Debug)]
pub(super) struct RunningMax {
    pub(super) steps: Vec<Vec<ScalarId>>,
}

pub(super) const DIFFERENCE: Formula = Formula {
    left: 1,
    right: -1,
    ..Formula::ZERO
};
pub(super) const SUM: Formula = Formula {
    left: 1,
    right: 1,
    ..Formula::ZERO
};

impl Lowering<'_> {
    /// Elements of each group by position along the axis: `[len][groups]`.
    pub(super) fn along(&self, axis: &AxisView, x: &Fixed) -> Vec<Vec<ScalarId>> {
        let groups: Vec<Vec<usize>> = axis.groups().collect();
        (0..axis.len)
            .map(|k| groups.iter().map(|g| x.scalars[g[k]]).collect())
            .collect()
    }

    pub(super) fn running_max(&mut self, x: &[Vec<ScalarId>]) -> Result<RunningMax, QuantizeError> {
        if let Some(known) = self.maxima.get(x) {
            return Ok(known.clone());
        }
        let mut steps = vec![x[0].clone()];
        for (j, x) in x.iter().enumerate().skip(1) {
            let excess = Formula {
                activation: Activation::Relu,
                ..DIFFERENCE
            };
            let a = self.local(x, &steps[j - 1], excess)?;
            let m = self.local(&steps[j - 1], &a, SUM)?;
            steps.push(m);
        }
        let made = RunningMax { steps };
        self.maxima.insert(x.to_vec(), made.clone());
        Ok(made)
    }

    /// Index of the greatest element along the axis, for each group.
    pub(super) fn argmax(
        &mut self,
        axis: &AxisView,
        last: bool,
        x: &Fixed,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.narrow(x)?;
        let x = self.along(axis, &x);
        if x.len() == 1 {
            // The only index is 0.
            let zero = self.local(&x[0], &x[0], Formula::ZERO)?;
            return Ok(Fixed {
                scalars: zero,
                scale: 0,
            });
        }
        let maxima = self.running_max(&x)?;
        let mut index: Vec<ScalarId> = Vec::new();
        for (j, x) in x.iter().enumerate().skip(1) {
            let greater = Formula {
                constant: if last { 0 } else { -1 },
                activation: Activation::Sign,
                ..DIFFERENCE
            };
            let bit = self.local(x, &maxima.steps[j - 1], greater)?;
            index = if j == 1 {
                bit
            } else {
                let choose = Formula {
                    product: -1,
                    left: j as i64,
                    right: 1,
                    ..Formula::ZERO
                };
                self.local(&bit, &index, choose)?
            };
            // Intervals do not see that index is at most j: they double at every step.
            if j % 16 == 0 {
                index = self.clamp_where_needed(&index, 0, j as i64)?;
            }
        }
        Ok(Fixed {
            scalars: index,
            scale: 0,
        })
    }

    /// ArgMax of a value; of a softmax along the same axis, it is taken before the softmax.
    pub(super) fn argmax_node(
        &mut self,
        axis: &AxisView,
        last: bool,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let before = self.producers[input].map(|p| &self.graph.nodes[p]);
        let scores = match before.map(|n| (&n.op, &n.inputs)) {
            Some((FloatOp::Softmax(view), inputs)) if view == axis => inputs[0],
            _ => input,
        };
        let scores = self.tensor(scores);
        self.argmax(axis, last, &scores)
    }

    pub(super) fn softmax(
        &mut self,
        axis: &AxisView,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let s = self.options.scale_bits;
        let x = self.tensor(input);
        let x = self.fractional(x)?;
        let x = self.narrow(&x)?;
        let len = x.scalars.len();
        let scale = x.scale;
        let groups: Vec<Vec<usize>> = axis.groups().collect();
        let x = self.along(axis, &x);
        let greatest = self.greatest(&x)?;

        let x_all: Vec<ScalarId> = x.iter().flatten().copied().collect();
        let max_all: Vec<ScalarId> = x.iter().flat_map(|_| greatest.iter().copied()).collect();
        let below = self.local(&x_all, &max_all, DIFFERENCE)?;
        let e = self
            .function(
                Curve::Exp,
                &Fixed {
                    scalars: below,
                    scale,
                },
                s + 8,
            )?
            .scalars;

        let terms: Vec<Vec<ScalarId>> = e
            .chunks_exact(groups.len())
            .map(<[ScalarId]>::to_vec)
            .collect();
        let total = self.total(terms)?;
        let denominators = x.iter().flat_map(|_| total.iter().copied()).collect();
        self.deviations.fractions.insert(self.ops.len());
        let quotients = self.emit(Op::Divide {
            numerators: e,
            denominators,
            scale_bits: s,
        })?;

        // Back from [len][groups] to the operand's order.
        let mut scalars = vec![0; len];
        for (k, step) in quotients.chunks_exact(groups.len()).enumerate() {
            for (group, &q) in groups.iter().zip(step) {
                scalars[group[k]] = q;
            }
        }
        Ok(Fixed { scalars, scale: s })
    }
}
