//! Tree ensembles: a table of nodes, siblings side by side, leaves in fixed point.
//!
//! Comparisons are exact. Leaves, base values included (they join the first tree's leaves), get 31 bits and as many of
//! them behind the point as the greatest leaves room for, in steps of four: exact where all are multiples
//! of the unit, else rounded to it. A feature of a model that provides for missing values is there twice: with NaN
//! above all numbers, and with NaN below; a comparison reads the one that sends NaN its way.

use std::collections::VecDeque;

use super::super::error::QuantizeError;
use super::super::report::LeafRounding;
use super::super::skeleton::{Activation, ForestNode, Op, ScalarId};
use super::{Fixed, Formula, Lowering};
use crate::onnx::{image, TreeNode, Trees};
use crate::quantize::encoding::MAX_FOREST_NODES;

/// Width of a leaf without its sign.
const LEAF_BITS: u32 = 31;

/// Nodes of a table are padded to a multiple of this.
const NODE_STEP: usize = 16;

impl Lowering<'_> {
    pub(super) fn trees(&mut self, op: &Trees, input: usize) -> Result<Fixed, QuantizeError> {
        let mut inputs = self.tensor(input).scalars;
        if op.missing {
            inputs.extend(self.missing_below(&inputs)?);
        }
        let scale = leaf_scale(op);
        let mut table = Table::new(op, scale);
        table.fill()?;
        let (nodes, depth) = (table.nodes.len() as u32, table.depth as u32);
        self.leaves.push(LeafRounding {
            scale_bits: scale,
            exact: table.greatest_error == 0.0,
            greatest_error: table.greatest_error,
        });
        let error = table.greatest_error * 2f64.powi(scale as i32);
        self.deviations.leaves.insert(self.ops.len(), error);
        self.weights.forests.push(table.nodes);
        let scalars = self.emit(Op::Forest {
            inputs,
            trees: op.roots.len() as u32,
            depth,
            nodes,
            outputs: op.targets as u32,
            leaf_bits: LEAF_BITS,
        })?;
        Ok(Fixed { scalars, scale })
    }

    /// The features with NaN below every number.
    fn missing_below(&mut self, features: &[ScalarId]) -> Result<Vec<ScalarId>, QuantizeError> {
        let is_nan = Formula {
            left: 1,
            constant: -image::NAN,
            activation: Activation::Sign,
            ..Formula::ZERO
        };
        let nan = self.local(features, features, is_nan)?;
        let lowered = Formula {
            left: 1,
            right: -image::NAN - (1 << 31),
            ..Formula::ZERO
        };
        self.local(features, &nan, lowered)
    }

    /// 1 where the operand is above the level, else 0.
    pub(super) fn above(&mut self, level: f64, input: usize) -> Result<Fixed, QuantizeError> {
        let x = self.tensor(input);
        let level = (level * 2f64.powi(x.scale as i32)).floor() as i64;
        let above = Formula {
            left: 1,
            constant: -level - 1,
            activation: Activation::Sign,
            ..Formula::ZERO
        };
        Ok(Fixed {
            scalars: self.local(&x.scalars, &x.scalars, above)?,
            scale: 0,
        })
    }
}

/// Fractional bits of the leaves.
fn leaf_scale(op: &Trees) -> u32 {
    let mut greatest = 0f64;
    for node in &op.nodes {
        if let TreeNode::Leaf(weights) = node {
            for (_, w) in weights {
                greatest = greatest.max(w.abs());
            }
        }
    }
    let base = op.base.iter().fold(0f64, |m, b| m.max(b.abs()));
    // Least e with all magnitudes below 2^e.
    let e = (greatest + base).max(f64::MIN_POSITIVE).log2().floor() as i32 + 1;
    let e = (e.max(0) as u32).next_multiple_of(4);
    LEAF_BITS.saturating_sub(e)
}

/// The table under construction.
struct Table<'a> {
    op: &'a Trees,
    scale: u32,
    depth: usize,
    nodes: Vec<ForestNode>,
    greatest_error: f64,
}

impl<'a> Table<'a> {
    fn new(op: &'a Trees, scale: u32) -> Self {
        let depth = op.depth().expect("import refuses cycles").max(1);
        Self {
            op,
            scale,
            depth,
            nodes: Vec::new(),
            greatest_error: 0.0,
        }
    }

    /// Lays out all trees level by level, then the padding.
    fn fill(&mut self) -> Result<(), QuantizeError> {
        // (place in the table, node, level, whether it is in the first tree)
        let mut queue: VecDeque<(usize, usize, usize, bool)> = VecDeque::new();
        for (i, &root) in self.op.roots.iter().enumerate() {
            queue.push_back((self.place()?, root, 0, i == 0));
        }
        while let Some((at, node, level, first)) = queue.pop_front() {
            let TreeNode::Branch {
                feature,
                threshold,
                yes,
                no,
                missing_yes,
            } = self.op.nodes[node]
            else {
                self.nodes[at].no = self.leaf(node, first)?;
                continue;
            };
            // A model that makes no provision for NaN refuses it as an input.
            let below = self.op.missing && missing_yes;
            let feature = feature + if below { self.op.features } else { 0 };
            self.nodes[at].feature = feature as u32;
            self.nodes[at].threshold = threshold;
            if level + 1 == self.depth {
                self.nodes[at].yes = self.leaf(yes, first)?;
                self.nodes[at].no = self.leaf(no, first)?;
            } else {
                let (left, right) = (self.place()?, self.place()?);
                self.nodes[at].yes[0] = left as i64;
                queue.push_back((left, yes, level + 1, first));
                queue.push_back((right, no, level + 1, first));
            }
        }
        while !self.nodes.len().is_multiple_of(NODE_STEP) {
            self.place()?;
        }
        Ok(())
    }

    /// A new node: a leaf of zeros.
    fn place(&mut self) -> Result<usize, QuantizeError> {
        let at = self.nodes.len();
        if at >= MAX_FOREST_NODES as usize {
            return Err(QuantizeError::Limit {
                what: "tree nodes",
                limit: MAX_FOREST_NODES as usize,
            });
        }
        let mut yes = vec![0; self.op.targets];
        yes[0] = at as i64 - 1;
        self.nodes.push(ForestNode {
            feature: 0,
            threshold: ForestNode::NEVER,
            yes,
            no: vec![0; self.op.targets],
        });
        Ok(at)
    }

    /// A leaf's integers.
    fn leaf(&mut self, node: usize, first: bool) -> Result<Vec<i64>, QuantizeError> {
        let TreeNode::Leaf(weights) = &self.op.nodes[node] else {
            unreachable!("the depth counts every comparison")
        };
        let mut sum = if first {
            self.op.base.clone()
        } else {
            vec![0.0; self.op.targets]
        };
        for (target, weight) in weights {
            sum[*target] += weight;
        }
        let unit = 2f64.powi(self.scale as i32);
        let limit = 2f64.powi(LEAF_BITS as i32);
        sum.into_iter()
            .map(|v| {
                let q = (v * unit).round();
                if q < -limit || q >= limit {
                    return Err(QuantizeError::Limit {
                        what: "bits of a leaf",
                        limit: LEAF_BITS as usize,
                    });
                }
                self.greatest_error = self.greatest_error.max((q / unit - v).abs());
                Ok(q as i64)
            })
            .collect()
    }
}
