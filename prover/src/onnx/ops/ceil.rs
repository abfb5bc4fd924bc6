//! Ceil: least whole number at or above, exact on the quantised operand. Source: ONNX Ceil, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::Ceil;
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
