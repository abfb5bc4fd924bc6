//! Every branch as `image(x) <= threshold`.
//!
//! With t the threshold's image: `x <= t`; `x < t` is `x <= t - 1`; `x > t` and `x >= t` are these with the
//! children exchanged; `x = t` is `x <= t`, and then not `x <= t - 1`. NaN compares false, and is unequal to
//! everything, unless the node's missing values track its true child: so it has a direction at each
//! comparison. Source: ai.onnx.ml 3 and 5; NaN as onnxruntime does.

use super::super::super::error::OpError;
use super::super::super::float::{image::image, TreeNode, Trees};
use super::MAX_NODES;

/// What a branch asks of its feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    Unequal,
}

/// How the trees' weights become a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
}

/// Trees under construction.
#[derive(Debug)]
pub(super) struct Normal {
    pub(super) trees: Trees,
}

impl Normal {
    /// `count` nodes, each an empty leaf so far.
    pub(super) fn new(features: usize, targets: usize, count: usize) -> Self {
        Self {
            trees: Trees {
                features,
                targets,
                roots: Vec::new(),
                nodes: vec![TreeNode::Leaf(Vec::new()); count],
                base: vec![0.0; targets],
                missing: false,
            },
        }
    }

    pub(super) fn leaf(&mut self, at: usize, weights: Vec<(usize, f64)>) {
        self.trees.nodes[at] = TreeNode::Leaf(weights);
    }

    #[allow(clippy::too_many_arguments)] // one node, spelled out
    pub(super) fn branch(
        &mut self,
        at: usize,
        comparison: Comparison,
        feature: usize,
        threshold: f64,
        yes: usize,
        no: usize,
        tracks_true: bool,
    ) -> Result<(), OpError> {
        if threshold.is_nan() {
            return Err(OpError::invalid("a threshold is NaN"));
        }
        self.trees.missing |= tracks_true;
        let t = image(threshold);
        // A threshold between two floats: `x < threshold` is `x <= t` where t is the float below it.
        let (at_most, below) = match f64::from(threshold as f32) {
            rounded if rounded > threshold => (t - 1, t - 1),
            rounded if rounded < threshold => (t, t),
            _ => (t, t - 1),
        };
        let make = |threshold, yes, no, missing_yes| TreeNode::Branch {
            feature,
            threshold,
            yes,
            no,
            missing_yes,
        };
        let made = match comparison {
            Comparison::AtMost => make(at_most, yes, no, tracks_true),
            Comparison::Below => make(below, yes, no, tracks_true),
            Comparison::AtLeast => make(below, no, yes, !tracks_true),
            Comparison::Above => make(at_most, no, yes, !tracks_true),
            Comparison::Equal | Comparison::Unequal => {
                let second = self.trees.nodes.len();
                if second >= 2 * MAX_NODES {
                    return Err(too_many());
                }
                let equal = comparison == Comparison::Equal;
                let (same, other) = if equal { (yes, no) } else { (no, yes) };
                // NaN goes to `yes` if tracked or unequal to all.
                let to_same = equal && tracks_true;
                let next = make(below, other, same, false);
                let first = make(at_most, second, other, to_same);
                self.trees.nodes.push(next);
                first
            }
        };
        self.trees.nodes[at] = made;
        Ok(())
    }

    /// The trees, averaged if asked for.
    pub(super) fn finish(mut self, aggregate: Aggregate) -> Result<Trees, OpError> {
        if self.trees.roots.is_empty() {
            return Err(OpError::invalid("there is no tree"));
        }
        if aggregate == Aggregate::Average {
            let count = self.trees.roots.len() as f64;
            for node in &mut self.trees.nodes {
                if let TreeNode::Leaf(weights) = node {
                    weights.iter_mut().for_each(|(_, w)| *w /= count);
                }
            }
        }
        Ok(self.trees)
    }
}

/// The aggregate of a name.
pub(super) fn aggregate(name: Option<&str>) -> Result<Aggregate, OpError> {
    match name {
        None | Some("SUM") => Ok(Aggregate::Sum),
        Some("AVERAGE") => Ok(Aggregate::Average),
        Some(name @ ("MIN" | "MAX")) => Err(no_aggregate(name)),
        Some(other) => Err(OpError::invalid(format!("aggregate_function {other}"))),
    }
}

pub(super) fn no_aggregate(name: &str) -> OpError {
    OpError::unsupported(
        format!("trees aggregated by {name}"),
        "aggregate_function SUM or AVERAGE",
    )
}

pub(super) fn too_many() -> OpError {
    OpError::Limit {
        what: "tree nodes",
        limit: MAX_NODES,
    }
}

/// A positive count up to a limit.
pub(super) fn count(value: i64, limit: usize, name: &'static str) -> Result<usize, OpError> {
    match usize::try_from(value) {
        Ok(count) if (1..=limit).contains(&count) => Ok(count),
        _ => Err(OpError::invalid(format!("{name} is {value}"))),
    }
}

/// An index below a bound.
pub(super) fn index(value: i64, bound: usize, what: &str) -> Result<usize, OpError> {
    match usize::try_from(value) {
        Ok(index) if index < bound => Ok(index),
        _ => Err(OpError::invalid(format!(
            "{what}: {value} where there are {bound}"
        ))),
    }
}

/// Refuses lists of different lengths.
pub(super) fn same_length(name: &str, found: usize, expected: usize) -> Result<(), OpError> {
    if found == expected {
        return Ok(());
    }
    Err(OpError::invalid(format!(
        "{name} holds {found} entries and {expected} are needed"
    )))
}

/// A weight that is a number.
pub(super) fn finite(weight: f64) -> Result<f64, OpError> {
    if weight.is_finite() {
        return Ok(weight);
    }
    Err(OpError::invalid("a leaf weight is not finite"))
}
