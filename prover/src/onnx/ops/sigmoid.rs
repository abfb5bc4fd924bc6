//! Sigmoid: `1 / (1 + exp(-x))`. Source: ONNX Sigmoid, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    Ok(vec![b.map(
        FloatOp::Pointwise(Pointwise::Sigmoid),
        node.need(0)?,
    )?])
}
