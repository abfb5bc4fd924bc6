//! HardSwish: `x max(0, min(1, x / 6 + 1 / 2))`. Source: ONNX HardSwish, opset 14 on.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::HardSwish;
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
