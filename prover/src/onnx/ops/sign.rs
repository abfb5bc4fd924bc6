//! Sign: -1, 0 or 1, exact on the quantised operand. Source: ONNX Sign, opset 9 on.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::Sign;
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
