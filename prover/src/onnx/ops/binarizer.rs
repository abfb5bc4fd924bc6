//! Binarizer: 1 where `x > threshold`, else 0, exact on the quantised operand; the threshold is public. Source:
//! ai.onnx.ml 1.

use super::super::error::OpError;
use super::super::float::{FloatOp, Relation, Threshold};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let threshold = node.float("threshold", 0.0);
    if threshold.is_nan() {
        return Err(OpError::invalid("the threshold is NaN"));
    }
    let op = Threshold {
        relation: Relation::Greater,
        thresholds: vec![threshold],
    };
    Ok(vec![b.map(FloatOp::Threshold(op), node.need(0)?)?])
}
