//! Decision trees over float32 features: each adds one weight vector to the scores.
//!
//! Every comparison is `image(x) <= threshold` (see [`super::image`]); other comparisons exchange the children or
//! lower the threshold by one, so NaN, which compares false in ONNX, needs a direction of its own. Scores are
//! summed in f64; onnxruntime sums in float32, so its scores may differ in the last bits.

use super::image::{image, NAN};

/// A tree ensemble.
#[derive(Clone, Debug)]
pub(crate) struct Trees {
    /// Number of features.
    pub(crate) features: usize,
    /// Number of scores.
    pub(crate) targets: usize,
    /// The first node of each tree.
    pub(crate) roots: Vec<usize>,
    /// Nodes of all trees; a node may be reached on several paths, never from itself.
    pub(crate) nodes: Vec<TreeNode>,
    /// Added to the scores.
    pub(crate) base: Vec<f64>,
    /// Whether NaN is an input that the model provides for.
    pub(crate) missing: bool,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TreeNode {
    /// `image(x_feature) <= threshold`
    Branch {
        feature: usize,
        threshold: i64,
        /// Where it holds.
        yes: usize,
        /// Where it does not.
        no: usize,
        /// Whether NaN goes where it holds.
        missing_yes: bool,
    },
    /// Weights of some targets.
    Leaf(Vec<(usize, f64)>),
}

impl Trees {
    pub(crate) fn eval(&self, x: &[f64]) -> Vec<f64> {
        let images: Vec<i64> = x.iter().map(|&x| image(x)).collect();
        let mut scores = self.base.clone();
        for &root in &self.roots {
            let mut at = root;
            while let TreeNode::Branch {
                feature,
                threshold,
                yes,
                no,
                missing_yes,
            } = &self.nodes[at]
            {
                let x = images[*feature];
                let holds = if x == NAN {
                    *missing_yes
                } else {
                    x <= *threshold
                };
                at = if holds { *yes } else { *no };
            }
            if let TreeNode::Leaf(weights) = &self.nodes[at] {
                for (target, weight) in weights {
                    scores[*target] += weight;
                }
            }
        }
        scores
    }

    /// Thresholds and leaf weights.
    pub(crate) fn parameters(&self) -> usize {
        let of = |node: &TreeNode| match node {
            TreeNode::Branch { .. } => 1,
            TreeNode::Leaf(weights) => weights.len(),
        };
        self.nodes.iter().map(of).sum()
    }

    /// Greatest number of comparisons on a path.
    ///
    /// # Errors
    /// A node that reaches itself.
    pub(crate) fn depth(&self) -> Result<usize, usize> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            Unseen,
            /// On the path to the node at hand.
            Open,
            Done(usize),
        }
        let mut states = vec![State::Unseen; self.nodes.len()];
        let mut stack = self.roots.clone();
        while let Some(&at) = stack.last() {
            let TreeNode::Branch { yes, no, .. } = &self.nodes[at] else {
                states[at] = State::Done(0);
                stack.pop();
                continue;
            };
            match (states[at], states[*yes], states[*no]) {
                (State::Done(_), ..) => {
                    stack.pop();
                }
                (_, State::Done(y), State::Done(n)) => {
                    states[at] = State::Done(1 + y.max(n));
                    stack.pop();
                }
                (State::Open, ..) => return Err(at),
                (State::Unseen, ..) => {
                    states[at] = State::Open;
                    for child in [*yes, *no] {
                        match states[child] {
                            State::Open => return Err(child),
                            State::Unseen => stack.push(child),
                            State::Done(_) => {}
                        }
                    }
                }
            }
        }
        let depth = |root: &usize| match states[*root] {
            State::Done(depth) => depth,
            _ => unreachable!("every root was on the stack"),
        };
        Ok(self.roots.iter().map(depth).max().unwrap_or(0))
    }
}
