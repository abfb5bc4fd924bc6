//! Private decision trees: a walk of `depth` steps for each tree.
//!
//! Slots, in this order and side by side: a copy of each feature; the steps, tree after tree and level after level;
//! the scores. A step is a sign: `a = [t - x >= 0]`, x the feature and t the threshold of its node. A node is
//! one row of the weight columns: feature, threshold, yes, no, each in digits of the registered width, and the
//! scores of yes and no side by side in lanes (`docs/soundness.md`, 5.8).

use crate::quantize::skeleton::{ForestNode, Op, ScalarId};

use super::super::CircuitError;
use super::interval::{bits_of, checked, Interval, MAX_BITS};
use super::lowering::{Lowering, PACKED_BITS};
use super::{Form, SlotId, Source};

/// Weight columns of a table: feature, threshold, yes, no.
pub(crate) const FOREST_COLUMNS: usize = 4;

/// The trees of a program.
#[derive(Clone, Debug)]
pub(crate) struct Forest {
    /// Copies of the features.
    pub(crate) features: Vec<SlotId>,
    /// The first step; there are `trees * depth`.
    pub(crate) first_step: SlotId,
    pub(crate) trees: usize,
    pub(crate) depth: usize,
    /// Rows of the table.
    pub(crate) nodes: usize,
    /// Its scores.
    pub(crate) scores: Vec<SlotId>,
    /// Entry of `PrivateWeights::forests`.
    pub(crate) weights: usize,
    /// Digits of a feature's number, of a threshold, of a score.
    pub(crate) digits: [usize; 3],
    /// Lanes of one score: at least its digits.
    pub(crate) score_lanes: usize,
}

impl Forest {
    /// Lanes in use of each weight column.
    pub(crate) fn lanes(&self, column: usize) -> Vec<usize> {
        let [feature, threshold, value] = self.digits;
        match column {
            0 => (0..feature).collect(),
            1 => (0..threshold).collect(),
            _ => (0..self.scores.len())
                .flat_map(|j| (0..value).map(move |t| (j, t)))
                .map(|(j, t)| j * self.score_lanes + t)
                .collect(),
        }
    }

    /// The lanes of one cell of a node's row, digits of `bits` bits.
    pub(crate) fn cell(&self, node: &ForestNode, column: usize, bits: u32) -> Vec<i64> {
        let [feature, threshold, value] = self.digits;
        let scores = |values: &[i64]| {
            let mut lanes = vec![0; values.len() * self.score_lanes];
            for (lanes, v) in lanes.chunks_mut(self.score_lanes).zip(values) {
                lanes[..value].copy_from_slice(&digits(*v, value, bits));
            }
            lanes
        };
        match column {
            0 => digits(node.feature.into(), feature, bits),
            1 => digits(node.threshold, threshold, bits),
            2 => scores(&node.yes),
            _ => scores(&node.no),
        }
    }
}

/// Digits of an integer in radix 2^bits: all but the last are non-negative, the last is signed.
fn digits(value: i64, count: usize, bits: u32) -> Vec<i64> {
    let digit = |t: usize| {
        let rest = value >> (bits as usize * t).min(63);
        if t + 1 == count {
            rest
        } else {
            rest & ((1 << bits) - 1)
        }
    };
    (0..count).map(digit).collect()
}

impl Lowering<'_> {
    pub(super) fn forest(
        &mut self,
        op: &Op,
        first: ScalarId,
        weights: usize,
    ) -> Result<(), CircuitError> {
        let &Op::Forest {
            ref inputs,
            trees,
            depth,
            nodes,
            outputs,
            leaf_bits,
        } = op
        else {
            unreachable!("only called with forests")
        };
        if !self.forests.is_empty() {
            return Err(CircuitError::Forests);
        }
        let w = self.weight_bits;
        let (trees, depth) = (trees as usize, depth as usize);

        // 1. Features.
        let mut features = vec![];
        let (mut lo, mut hi) = (0i128, 0i128);
        for scalar in inputs {
            let slot = self.home[scalar];
            let proven = self.slots[slot].proven;
            (lo, hi) = (lo.min(proven.lo), hi.max(proven.hi));
            let copy = Source::Local {
                left: slot,
                right: slot,
                product: 0,
                left_factor: 1,
                right_factor: 0,
                constant: 0,
            };
            features.push(self.push(copy, Form::Plain, proven));
        }

        // 2. Steps: the thresholds of an honest table are images, or below all of them.
        let greatest = ((1i128 << 31) - 1 - lo).max(hi - i128::from(ForestNode::NEVER) - 1);
        let bits = self.whole_limbs(bits_of(greatest));
        if bits > MAX_BITS {
            return Err(CircuitError::TooWide { bits });
        }
        let first_step = self.slots.len();
        for step in 0..trees * depth {
            self.push(
                Source::Step { step },
                Form::Sign { offset: 0, bits },
                Interval { lo: 0, hi: 1 },
            );
        }

        // 3. Scores. Digits are below 2^w in magnitude, whatever the table.
        let count = |bits: u32| bits.div_ceil(w).max(1) as usize;
        let node_bits = bits_of(i128::from(nodes));
        let digits = [
            count(bits_of(inputs.len() as i128)),
            count(32),
            count(leaf_bits.max(node_bits)),
        ];
        let one: i128 = (1..=digits[2] as u32).map(|t| 1i128 << (w * t)).sum();
        let bound = checked(one.checked_mul(trees as i128))?;
        let bits = self.whole_limbs(bits_of(bound) + 1);
        // |claimed - true| < 2^(lane bits), so scores cannot borrow from one another.
        let score_lanes = (bits_of((1i128 << bits) + bound) + 1).div_ceil(w);
        if outputs * score_lanes * w > PACKED_BITS {
            return Err(CircuitError::ForestScores {
                scores: outputs,
                most: PACKED_BITS / (score_lanes * w),
            });
        }
        let mut scores = vec![];
        for output in 0..outputs {
            let proven = Interval {
                lo: -bound,
                hi: bound,
            };
            let slot = self.push(
                Source::Score {
                    output: output as usize,
                },
                Form::Signed { shift: 0, bits },
                proven,
            );
            self.home.insert(first + output, slot);
            scores.push(slot);
        }
        self.forests.push(Forest {
            features,
            first_step,
            trees,
            depth,
            nodes: nodes as usize,
            scores,
            weights,
            digits,
            score_lanes: score_lanes as usize,
        });
        Ok(())
    }
}
