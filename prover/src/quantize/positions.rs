//! Where the operands, taps and results of a layer with shared weights lie.
//!
//! Positions are exponents: with `X_c(g) = sum_q x_cq g^at[q]` and `K_oc(g) = sum_t w_oct g^taps[t]`, result p of
//! output o is the coefficient of `g^to[p]` in `sum_c X_c K_oc`. A picture's pixel (i, j) has the exponent
//! `i W + j` with a row stride W that leaves room for the padding; the kernel stands reversed; strides
//! choose among the results; dilations and transposed convolutions space taps and operands.

use serde::{Deserialize, Serialize};

/// Greatest exponent of an operand, a tap or a result.
pub(crate) const MAX_EXPONENT: u32 = 1 << 22;

/// Greatest number of pairs (tap, operand) that are looked at to find those of every exponent.
const MAX_PAIRS: usize = 1 << 26;

/// Exponents of operands, taps and results, each ascending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// Of the operands of one channel.
    pub at: Vec<u32>,
    /// Of the taps.
    pub taps: Vec<u32>,
    /// Of the results of one output.
    pub to: Vec<u32>,
}

impl Positions {
    /// One tap at each of `count` positions: a dense layer applied `count` times.
    pub fn dense(count: usize) -> Self {
        Self {
            at: (0..count as u32).collect(),
            taps: vec![0],
            to: (0..count as u32).collect(),
        }
    }

    /// One operand under `count` taps: each tap times the operand.
    pub fn taps(count: usize) -> Self {
        Self {
            at: vec![0],
            taps: (0..count as u32).collect(),
            to: (0..count as u32).collect(),
        }
    }

    /// Whether all three are non-empty, ascending and bounded, operands and taps start at zero, and sums are found in
    /// bounded time.
    pub(crate) fn check(&self) -> bool {
        let rises = |list: &[u32]| {
            list.windows(2).all(|w| w[0] < w[1]) && list.last().is_some_and(|l| *l <= MAX_EXPONENT)
        };
        let starts = |list: &[u32]| list.first() == Some(&0);
        [&self.at, &self.taps, &self.to]
            .into_iter()
            .all(|l| rises(l))
            && starts(&self.at)
            && starts(&self.taps)
            && self.pairs_seen() <= MAX_PAIRS
    }

    /// Pairs that [`Self::sums`] of all exponents looks at.
    pub(crate) fn pairs_seen(&self) -> usize {
        let fewer = self.at.len().min(self.taps.len());
        fewer.saturating_mul(self.extent())
    }

    /// One more than the greatest exponent of the product and of the results.
    pub(crate) fn extent(&self) -> usize {
        let last = |list: &[u32]| list.last().map_or(0, |l| *l as usize);
        (last(&self.at) + last(&self.taps)).max(last(&self.to)) + 1
    }

    /// For each result the pairs (tap, operand) that it sums over.
    pub(crate) fn pairs(&self) -> Vec<Vec<(usize, usize)>> {
        self.sums(self.to.iter().map(|to| *to as usize))
    }

    /// For each of these exponents the pairs (tap, operand) whose product has it.
    pub(crate) fn sums(&self, exponents: impl Iterator<Item = usize>) -> Vec<Vec<(usize, usize)>> {
        let numbered = |list: &[u32]| {
            let mut number = vec![None; self.extent()];
            for (i, exponent) in list.iter().enumerate() {
                number[*exponent as usize] = Some(i);
            }
            number
        };
        // Over the shorter list, in the order of the taps either way.
        if self.taps.len() <= self.at.len() {
            let operand = numbered(&self.at);
            let pairs = |exponent: usize| {
                let meets = |(t, tap): (usize, &u32)| {
                    Some((t, operand[exponent.checked_sub(*tap as usize)?]?))
                };
                self.taps.iter().enumerate().filter_map(meets).collect()
            };
            exponents.map(pairs).collect()
        } else {
            let tap = numbered(&self.taps);
            let pairs = |exponent: usize| {
                let meets =
                    |(q, at): (usize, &u32)| Some((tap[exponent.checked_sub(*at as usize)?]?, q));
                let operands = self.at.iter().enumerate().rev();
                operands.filter_map(meets).collect()
            };
            exponents.map(pairs).collect()
        }
    }

    /// The exponents below the extent that are no result's.
    pub(crate) fn rest(&self) -> Vec<usize> {
        let mut results = self.to.iter().map(|e| *e as usize).peekable();
        (0..self.extent())
            .filter(|e| results.next_if_eq(e).is_none())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_of_two_over_three_operands() {
        let valid = Positions {
            at: vec![0, 1, 2],
            taps: vec![0, 1],
            to: vec![1, 2],
        };
        assert_eq!(valid.pairs(), [vec![(0, 1), (1, 0)], vec![(0, 2), (1, 1)]]);
        assert_eq!(valid.extent(), 4);
        assert_eq!(valid.rest(), [0, 3]);
        assert!(valid.check());
    }

    #[test]
    fn more_taps_than_operands() {
        let wide = Positions {
            at: vec![0, 2],
            taps: vec![0, 1, 2],
            to: (0..5).collect(),
        };
        let by_tap = [
            vec![(0, 0)],
            vec![(1, 0)],
            vec![(0, 1), (2, 0)],
            vec![(1, 1)],
            vec![(2, 1)],
        ];
        assert_eq!(wide.pairs(), by_tap);
    }

    #[test]
    fn work_is_bounded() {
        let square = |n: u32| Positions {
            at: (0..n).collect(),
            taps: (0..n).collect(),
            to: (0..n).collect(),
        };
        assert!(square(1 << 12).check());
        assert!(!square(1 << 13).check());
        // Few operands under many taps, and the other way round, cost little.
        assert!(Positions::taps(1 << 20).check());
        assert!(Positions::dense(1 << 20).check());
    }

    #[test]
    fn a_dense_layer_leaves_no_rest() {
        let dense = Positions::dense(3);
        assert_eq!(dense.pairs(), [[(0, 0)], [(0, 1)], [(0, 2)]]);
        assert!(dense.rest().is_empty());
    }

    #[test]
    fn exponents_ascend_below_a_bound() {
        let with = |at: Vec<u32>| Positions {
            at,
            ..Positions::dense(1)
        };
        assert!(!with(vec![]).check());
        assert!(!with(vec![0, 0]).check());
        assert!(!with(vec![1]).check());
        assert!(!with(vec![0, MAX_EXPONENT + 1]).check());
    }
}
