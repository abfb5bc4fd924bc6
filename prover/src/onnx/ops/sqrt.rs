//! Sqrt: square root, tabled; a negative operand counts as 0. Source: ONNX Sqrt, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::Sqrt;
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
