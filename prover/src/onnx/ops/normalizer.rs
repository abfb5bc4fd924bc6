//! Normalizer: each row of features over its norm: L1, L2, or the greatest element (MAX, as onnxruntime reads it: not the
//! greatest magnitude). A norm of zero leaves the row as it is. Source: ai.onnx.ml 1.

use super::super::error::OpError;
use super::super::float::{AxisView, FloatOp, Norm};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let norm = match node.text("norm")? {
        None | Some("MAX") => Norm::Max,
        Some("L1") => Norm::L1,
        Some("L2") => Norm::L2,
        Some(other) => return Err(OpError::invalid(format!("norm {other}"))),
    };
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let Some(axis) = shape.len().checked_sub(1) else {
        return Err(OpError::invalid("a scalar has no features"));
    };
    if b.row_axis(&x) == Some(axis) {
        return Err(OpError::mixes_rows("a norm over the batch dimension"));
    }
    let op = FloatOp::Normalize(norm, AxisView::of(&shape, axis));
    Ok(vec![b.map(op, &x)?])
}
