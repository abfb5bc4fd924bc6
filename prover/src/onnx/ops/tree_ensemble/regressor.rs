//! TreeEnsembleRegressor: scores of `n_targets` targets. Source: ai.onnx.ml 1 and 3.

use super::super::super::error::OpError;
use super::super::super::import::{Builder, NodeView, Operand};
use super::{features, nodes, normal, scores, MAX_TARGETS};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let (x, features) = features(b, node)?;
    let targets = normal::count(node.int("n_targets", 1), MAX_TARGETS, "n_targets")?;
    match node.text("post_transform")? {
        None | Some("" | "NONE") => {}
        Some(other) => {
            return Err(OpError::unsupported(
                format!("a regressor's post_transform {other}"),
                "post_transform NONE, with the function as a node of its own",
            ))
        }
    }
    let aggregate = normal::aggregate(node.text("aggregate_function")?)?;
    let mut normal = nodes::read(node, "target", features, targets)?;
    let base = nodes::numbers(node, "base_values")?.unwrap_or_default();
    nodes::add_base(&mut normal, &base)?;
    let trees = normal.finish(aggregate)?;
    Ok(vec![Operand::Activation(scores(b, x, trees)?)])
}
