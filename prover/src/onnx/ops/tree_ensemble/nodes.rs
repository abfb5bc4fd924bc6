//! The node and weight attributes that TreeEnsembleClassifier and TreeEnsembleRegressor share.
//!
//! Node (tree, id) is one row of the `nodes_*` lists; (tree, id, target) one of the weight lists. A tree's root
//! is its first node, and no node's child. Source: ai.onnx.ml 1 and 3.

use std::collections::HashMap;

use super::super::super::error::OpError;
use super::super::super::import::NodeView;
use super::normal::{self, Comparison, Normal};
use super::MAX_NODES;

/// The list of floats of an attribute, or of its double form.
pub(super) fn numbers(node: &NodeView<'_>, name: &str) -> Result<Option<Vec<f64>>, OpError> {
    let list = node.floats(name).filter(|v| !v.is_empty());
    if list.is_some() {
        return Ok(list);
    }
    let tensor = node.tensor(&format!("{name}_as_tensor"))?;
    tensor
        .map(|t| {
            t.numbers()
                .ok_or_else(|| OpError::invalid(format!("{name} holds no numbers")))
        })
        .transpose()
}

/// Reads the trees; `prefix` is `class` or `target`.
pub(super) fn read(
    node: &NodeView<'_>,
    prefix: &str,
    features: usize,
    targets: usize,
) -> Result<Normal, OpError> {
    let ints = |name: &str| node.ints(name).unwrap_or_default();
    let (tree_ids, node_ids) = (ints("nodes_treeids"), ints("nodes_nodeids"));
    let feature_ids = ints("nodes_featureids");
    let (true_ids, false_ids) = (ints("nodes_truenodeids"), ints("nodes_falsenodeids"));
    let tracks = ints("nodes_missing_value_tracks_true");
    let modes = node.texts("nodes_modes")?.unwrap_or_default();
    let values = numbers(node, "nodes_values")?.unwrap_or_default();
    let count = node_ids.len();
    if count > MAX_NODES {
        return Err(normal::too_many());
    }
    for (name, len) in [
        ("nodes_treeids", tree_ids.len()),
        ("nodes_featureids", feature_ids.len()),
        ("nodes_truenodeids", true_ids.len()),
        ("nodes_falsenodeids", false_ids.len()),
        ("nodes_modes", modes.len()),
        ("nodes_values", values.len()),
    ] {
        normal::same_length(name, len, count)?;
    }
    if !tracks.is_empty() {
        normal::same_length("nodes_missing_value_tracks_true", tracks.len(), count)?;
    }

    // 1. Names of the nodes.
    let mut at: HashMap<(i64, i64), usize> = HashMap::with_capacity(count);
    for (i, key) in tree_ids
        .iter()
        .copied()
        .zip(node_ids.iter().copied())
        .enumerate()
    {
        if at.insert(key, i).is_some() {
            let (tree, id) = key;
            return Err(OpError::invalid(format!(
                "node {id} of tree {tree} is there twice"
            )));
        }
    }
    let child = |i: usize, id: i64| {
        let tree = tree_ids[i];
        at.get(&(tree, id)).copied().ok_or_else(|| {
            OpError::invalid(format!(
                "node {} of tree {tree} has the child {id}, which the tree lacks",
                node_ids[i]
            ))
        })
    };

    // 2. Branches; leaves stay empty until the weights come.
    let mut normal = Normal::new(features, targets, count);
    let mut leaf = vec![false; count];
    let mut is_child = vec![false; count];
    for i in 0..count {
        let comparison = match modes[i] {
            "LEAF" => {
                leaf[i] = true;
                continue;
            }
            "BRANCH_LEQ" => Comparison::AtMost,
            "BRANCH_LT" => Comparison::Below,
            "BRANCH_GTE" => Comparison::AtLeast,
            "BRANCH_GT" => Comparison::Above,
            "BRANCH_EQ" => Comparison::Equal,
            "BRANCH_NEQ" => Comparison::Unequal,
            other => return Err(OpError::invalid(format!("mode {other} of a node"))),
        };
        let (yes, no) = (child(i, true_ids[i])?, child(i, false_ids[i])?);
        is_child[yes] = true;
        is_child[no] = true;
        normal.branch(
            i,
            comparison,
            normal::index(feature_ids[i], features, "nodes_featureids")?,
            values[i],
            yes,
            no,
            tracks.get(i).is_some_and(|&t| t != 0),
        )?;
    }

    // 3. Weights.
    let list = |name: &str| format!("{prefix}_{name}");
    let (weight_trees, weight_nodes) = (ints(&list("treeids")), ints(&list("nodeids")));
    let target_ids = ints(&list("ids"));
    let weights = numbers(node, &list("weights"))?.unwrap_or_default();
    if weights.len() > MAX_NODES {
        return Err(normal::too_many());
    }
    for (name, len) in [
        ("treeids", weight_trees.len()),
        ("nodeids", weight_nodes.len()),
        ("ids", target_ids.len()),
    ] {
        normal::same_length(&list(name), len, weights.len())?;
    }
    let mut of_leaf: Vec<Vec<(usize, f64)>> = vec![Vec::new(); count];
    for (i, &weight) in weights.iter().enumerate() {
        let key = (weight_trees[i], weight_nodes[i]);
        let Some(&node) = at.get(&key).filter(|&&node| leaf[node]) else {
            let (tree, id) = key;
            return Err(OpError::invalid(format!(
                "node {id} of tree {tree} has a weight and is no leaf"
            )));
        };
        let target = normal::index(target_ids[i], targets, &list("ids"))?;
        if of_leaf[node].iter().any(|(t, _)| *t == target) {
            let (tree, id) = key;
            return Err(OpError::invalid(format!(
                "leaf {id} of tree {tree} has two weights for target {target}"
            )));
        }
        of_leaf[node].push((target, normal::finite(weight)?));
    }
    for (i, weights) in of_leaf.into_iter().enumerate().filter(|(i, _)| leaf[*i]) {
        normal.leaf(i, weights);
    }

    // 4. Roots.
    let mut seen = HashMap::new();
    for (i, tree) in tree_ids.iter().enumerate() {
        if seen.insert(tree, i).is_some() {
            continue;
        }
        if is_child[i] {
            let id = node_ids[i];
            return Err(OpError::invalid(format!(
                "tree {tree} has no root: its first node, {id}, is a child, so there is a cycle or the nodes are \
                 out of order"
            )));
        }
        normal.trees.roots.push(i);
    }
    Ok(normal)
}

/// Adds the base values, one for each target or one for all.
pub(super) fn add_base(normal: &mut Normal, base: &[f64]) -> Result<(), OpError> {
    let targets = normal.trees.targets;
    if base.is_empty() {
        return Ok(());
    }
    normal::same_length("base_values", base.len(), targets)?;
    for (sum, base) in normal.trees.base.iter_mut().zip(base) {
        *sum += normal::finite(*base)?;
    }
    Ok(())
}
