//! Round: nearest whole number, the even one of two, exact on the quantised operand. Source: ONNX Round,
//! opset 11 on.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::Round;
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
