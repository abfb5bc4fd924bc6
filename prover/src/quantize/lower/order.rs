//! TopK's choice: the first elements of each group in order, as one-hot bits, exact on the operand's integers.
//!
//! With 2^s >= n, the key of element i of n is `2^s x_i + (n - 1 - i)`, or of `-x_i` where the least comes first: keys are
//! distinct, and the first of equals has the greater one. Round t takes the greatest key m; `[key_i >= m]` is 1 for
//! it alone, and its key leaves the range of all others before the next round: `key_i - bit_i (hi - lo + 1)`. A round
//! costs 3n scalars, so the whole 3kn, where comparing all pairs would take n^2 / 2.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, ScalarId};
use super::{Fixed, Formula, Lowering};
use crate::onnx::AxisView;

/// Bits of a key with all that rounds subtract from it.
const MAX_KEY_BITS: u32 = 60;

impl Lowering<'_> {
    pub(super) fn order(
        &mut self,
        axis: &AxisView,
        count: usize,
        largest: bool,
        input: usize,
    ) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        let x = self.narrow(&x)?;
        let terms = self.along(axis, &x);
        let (n, groups) = (axis.len, axis.outer * axis.inner);
        // 1. Keys, [n][groups].
        let spacing = 1i64 << n.next_power_of_two().trailing_zeros();
        let wide = x.scalars.iter().map(|&id| self.interval(id).bits()).max();
        let bits = wide.unwrap_or(0) + (2 * n * (count + 1)).ilog2() + 3;
        if bits > MAX_KEY_BITS {
            return Err(self.refuse(format!(
                "an order of {n} numbers of this width needs {bits} bits, {MAX_KEY_BITS} are at hand; lower scale_bits"
            )));
        }
        let mut keys = Vec::with_capacity(n);
        for (i, term) in terms.iter().enumerate() {
            let key = Formula {
                left: if largest { spacing } else { -spacing },
                constant: (n - 1 - i) as i64,
                ..Formula::ZERO
            };
            keys.push(self.local(term, term, key)?);
        }
        let all = || keys.iter().flatten().map(|&id| self.interval(id));
        let lo = all().map(|i| i.lo).min().unwrap_or(0);
        let hi = all().map(|i| i.hi).max().unwrap_or(0);
        let span = i64::try_from(hi - lo + 1).expect("keys have 60 bits at most");
        // 2. Rounds.
        let at_least = Formula {
            left: 1,
            right: -1,
            activation: Activation::Sign,
            ..Formula::ZERO
        };
        let without = Formula {
            left: 1,
            right: -span,
            ..Formula::ZERO
        };
        let mut chosen: Vec<Vec<ScalarId>> = Vec::with_capacity(count);
        for round in 0..count {
            let greatest = self.greatest(&keys)?;
            let flat: Vec<ScalarId> = keys.iter().flatten().copied().collect();
            let against: Vec<ScalarId> = keys.iter().flat_map(|_| greatest.clone()).collect();
            let bits = self.local(&flat, &against, at_least)?;
            if round + 1 < count {
                let left = self.local(&flat, &bits, without)?;
                keys = left.chunks_exact(groups).map(<[_]>::to_vec).collect();
            }
            chosen.push(bits);
        }
        // 3. [groups, count, n]
        let scalars = (0..groups)
            .flat_map(|g| {
                let chosen = &chosen;
                chosen
                    .iter()
                    .flat_map(move |bits| (0..n).map(move |i| bits[i * groups + g]))
            })
            .collect();
        Ok(Fixed { scalars, scale: 0 })
    }
}
