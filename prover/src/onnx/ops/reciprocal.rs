//! Reciprocal: `1 / x`, rounded once. Source: ONNX Reciprocal, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::Reciprocal;
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
