//! Every cell of a proof: integers first, then the columns of both phases.
//!
//! Phase 0 is exact integer arithmetic over the slots, the same that the interpreter does; phase 1 is
//! field arithmetic with the challenges. The circuit's columns are produced here once and
//! assigned as they are.

mod eval;
mod phase_one;
mod phase_zero;

use std::ops::Range;

use ff::Field;
use halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::fixed::{int, pow2};
use super::layout::{Layout, WeightCell};
use super::program::FOREST_COLUMNS;
use crate::quantize::skeleton::PrivateWeights;

pub(crate) use eval::eval_slots;
pub(crate) use phase_one::{Challenges, PhaseOne};
pub(crate) use phase_zero::PhaseZero;

/// Value and accumulator of one slot in one row of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) a: i128,
    pub(crate) y: i128,
    /// The node of a step.
    pub(crate) node: usize,
}

/// Private weights packed for the circuit.
#[derive(Clone)]
pub(crate) struct PackedWeights {
    /// For each weight column its non-zero cells.
    pub(crate) columns: Vec<Vec<(usize, Fr)>>,
}

impl PackedWeights {
    /// Packs `sum_lane 2^(s lane) w_lane` into each cell.
    pub(crate) fn new(layout: &Layout, weights: &PrivateWeights) -> Self {
        let columns = layout
            .weight_cells(weights)
            .into_par_iter()
            .map(|c| c.iter().map(|cell| (cell.row, pack(cell))).collect())
            .collect();
        PackedWeights { columns }
    }

    /// The four cells of each node of the trees.
    fn nodes(&self, layout: &Layout) -> Vec<[Fr; FOREST_COLUMNS]> {
        let Some(forest) = &layout.program.forest else {
            return vec![];
        };
        let mut nodes = vec![[Fr::ZERO; FOREST_COLUMNS]; forest.nodes];
        let head = layout.nodes.rows();
        for (c, column) in self.columns.iter().enumerate().take(FOREST_COLUMNS) {
            for (row, w) in column.iter().filter(|(row, _)| head.contains(row)) {
                nodes[row - head.start][c] = *w;
            }
        }
        for block in 0..layout.nodes.blocks {
            let before = layout.nodes.keys_before(block) as usize;
            for (c, column) in self.columns[layout.block_columns(block)].iter().enumerate() {
                for (row, w) in column {
                    nodes[before + row - 1][c] = *w;
                }
            }
        }
        nodes
    }

    /// `V = sum_k beta^k w_k` on each row, k counting the given columns from zero.
    fn combine(&self, columns: Range<usize>, beta: Fr, n: usize) -> Vec<Fr> {
        let mut v = vec![Fr::ZERO; n];
        let mut power = Fr::ONE;
        for column in &self.columns[columns] {
            for (row, w) in column {
                v[*row] += power * w;
            }
            power *= beta;
        }
        v
    }
}

fn pack(cell: &WeightCell) -> Fr {
    let base = pow2(cell.lane_bits.into());
    cell.lanes
        .iter()
        .rev()
        .fold(Fr::ZERO, |sum, w| sum * base + int(i128::from(*w)))
}

/// `floor((y + 2^(s-1)) / 2^s)`, or y for s = 0.
fn round_shift(y: i128, shift: u32) -> i128 {
    if shift == 0 {
        y
    } else {
        (y + (1 << (shift - 1))) >> shift
    }
}
