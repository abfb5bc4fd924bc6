//! LinearRegressor: `y = W x + b`, [rows, targets]. A post_transform of a single target is refused: the text and
//! onnxruntime, which leaves it out, disagree. Source: ai.onnx.ml 1.

use super::super::error::OpError;
use super::super::float::AxisView;
use super::super::import::{Builder, NodeView, Operand};
use super::linear_classifier::{post_transform, refused, scores, transform};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let targets = usize::try_from(node.int("targets", 1)).unwrap_or(0);
    let intercepts = node.floats("intercepts").filter(|v| !v.is_empty());
    let coefficients = node.floats("coefficients").map_or(0, |v| v.len());
    if targets > coefficients || intercepts.as_ref().is_some_and(|v| v.len() != targets) {
        return Err(OpError::invalid(format!(
            "weights that do not fit {targets} targets"
        )));
    }
    let (scores, _) = scores(b, node, intercepts.unwrap_or_else(|| vec![0.0; targets]))?;
    let transformed = post_transform(node)?;
    if targets == 1 && transformed != "NONE" {
        return Err(refused(&transformed));
    }
    let view = AxisView {
        outer: b.shape(&scores)[0],
        len: targets,
        inner: 1,
    };
    Ok(vec![transform(b, node, &scores, view)?])
}
