//! TreeEnsemble: a sum of decision trees, nodes and leaves in arrays of their own. Source: ai.onnx.ml 5.
//!
//! The older operators are [`classifier`] and [`regressor`]; all end in [`normal`].

pub(super) mod classifier;
mod nodes;
mod normal;
pub(super) mod regressor;
#[cfg(test)]
mod tests;

use super::super::error::OpError;
use super::super::float::{FloatOp, TreeNode, Trees};
use super::super::graph::{Kind, ValueId};
use super::super::import::{Builder, NodeView, Operand};
use normal::{Aggregate, Comparison, Normal};

/// Greatest number of nodes and of leaf weights of one ensemble.
const MAX_NODES: usize = 1 << 20;

/// Greatest number of scores.
const MAX_TARGETS: usize = 1 << 10;

/// The features that a tree ensemble reads: their value and their number.
fn features(b: &Builder, node: &NodeView<'_>) -> Result<(ValueId, usize), OpError> {
    let Operand::Activation(x) = *node.need(0)? else {
        return Err(OpError::unsupported(
            "trees over constants",
            "trees over the model's inputs",
        ));
    };
    let value = b.value(x);
    let mixes = value.row_axis.is_some_and(|axis| axis != 0);
    match value.shape[..] {
        [features] if value.row_axis.is_none() => Ok((x, features)),
        [1, features] if !mixes => Ok((x, features)),
        _ => Err(OpError::unsupported(
            format!("trees over a tensor of shape {:?}", value.shape),
            "rows of features: shape [N, features]",
        )),
    }
}

/// Adds the trees to the graph: their scores, of shape [1, targets].
fn scores(b: &mut Builder, x: ValueId, trees: Trees) -> Result<ValueId, OpError> {
    trees
        .depth()
        .map_err(|node| OpError::invalid(format!("node {node} reaches itself: a cycle")))?;
    b.count(3 * trees.nodes.len() + trees.parameters())?;
    let (targets, row_axis) = (trees.targets, b.value(x).row_axis);
    match b.push(
        FloatOp::Trees(trees),
        &[x],
        vec![1, targets],
        row_axis,
        Kind::Number,
    )? {
        Operand::Activation(id) => Ok(id),
        Operand::Constant(_) => unreachable!("an operator's result is an activation"),
    }
}

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (x, features) = features(b, node)?;
    let targets = normal::count(node.int("n_targets", 1), MAX_TARGETS, "n_targets")?;
    let ints = |name: &str| node.ints(name).unwrap_or_default();
    let numbers = |name: &str| -> Result<Vec<f64>, OpError> {
        let numbers = node.tensor(name)?.and_then(|t| t.numbers());
        numbers.ok_or_else(|| OpError::invalid(format!("{name} is missing or holds no numbers")))
    };
    let aggregate = match node.int("aggregate_function", 1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => return Err(normal::no_aggregate("MIN")),
        3 => return Err(normal::no_aggregate("MAX")),
        other => return Err(OpError::invalid(format!("aggregate_function {other}"))),
    };
    match node.int("post_transform", 0) {
        0 => {}
        1..=4 => {
            return Err(OpError::unsupported(
                "a post_transform",
                "post_transform 0, with Softmax or Sigmoid as nodes of their own",
            ))
        }
        other => return Err(OpError::invalid(format!("post_transform {other}"))),
    }

    // 1. Leaves come first, so that leaf i is node i.
    let (target_ids, weights) = (ints("leaf_targetids"), numbers("leaf_weights")?);
    normal::same_length("leaf_weights", weights.len(), target_ids.len())?;
    let leaves = weights.len();
    let modes = numbers("nodes_modes")?;
    let splits = numbers("nodes_splits")?;
    let count = modes.len();
    if count.saturating_add(leaves) > MAX_NODES {
        return Err(normal::too_many());
    }
    let mut normal = Normal::new(features, targets, leaves + count);
    for (i, (&target, &weight)) in target_ids.iter().zip(&weights).enumerate() {
        let target = normal::index(target, targets, "leaf_targetids")?;
        normal.leaf(i, vec![(target, normal::finite(weight)?)]);
    }

    // 2. Branches.
    let (ids, tracks) = (
        ints("nodes_featureids"),
        ints("nodes_missing_value_tracks_true"),
    );
    let (yes, yes_leaf) = (ints("nodes_truenodeids"), ints("nodes_trueleafs"));
    let (no, no_leaf) = (ints("nodes_falsenodeids"), ints("nodes_falseleafs"));
    normal::same_length("nodes_splits", splits.len(), count)?;
    for (name, list) in [
        ("nodes_featureids", ids),
        ("nodes_truenodeids", yes),
        ("nodes_trueleafs", yes_leaf),
        ("nodes_falsenodeids", no),
        ("nodes_falseleafs", no_leaf),
    ] {
        normal::same_length(name, list.len(), count)?;
    }
    if !tracks.is_empty() {
        normal::same_length("nodes_missing_value_tracks_true", tracks.len(), count)?;
    }
    let child = |id: i64, leaf: i64| match leaf {
        0 => normal::index(id, count, "a child").map(|id| leaves + id),
        _ => normal::index(id, leaves, "a leaf"),
    };
    for i in 0..count {
        let comparison = match modes[i] as i64 {
            0 => Comparison::AtMost,
            1 => Comparison::Below,
            2 => Comparison::AtLeast,
            3 => Comparison::Above,
            4 => Comparison::Equal,
            5 => Comparison::Unequal,
            6 => {
                return Err(OpError::unsupported(
                    "the mode BRANCH_MEMBER",
                    "one BRANCH_EQ node for each member",
                ))
            }
            other => return Err(OpError::invalid(format!("mode {other} of node {i}"))),
        };
        normal.branch(
            leaves + i,
            comparison,
            normal::index(ids[i], features, "nodes_featureids")?,
            splits[i],
            child(yes[i], yes_leaf[i])?,
            child(no[i], no_leaf[i])?,
            tracks.get(i).is_some_and(|&t| t != 0),
        )?;
    }

    // 3. Roots.
    for &root in ints("tree_roots") {
        let root = leaves + normal::index(root, count, "tree_roots")?;
        // A tree of one leaf is a node whose two children are that leaf.
        let root = match normal.trees.nodes[root] {
            TreeNode::Branch { yes, no, .. } if yes == no && yes < leaves => yes,
            _ => root,
        };
        normal.trees.roots.push(root);
    }
    let trees = normal.finish(aggregate)?;
    Ok(vec![Operand::Activation(scores(b, x, trees)?)])
}
