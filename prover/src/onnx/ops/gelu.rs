//! Gelu: `x (1 + erf(x / sqrt 2)) / 2`, or its approximation by tanh: relu and a table. Source: ONNX Gelu, opset 20 on.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let tanh = match node.text("approximate")? {
        None | Some("none") => false,
        Some("tanh") => true,
        Some(other) => return Err(OpError::invalid(format!("approximate = {other}"))),
    };
    let op = FloatOp::Pointwise(Pointwise::Gelu { tanh });
    Ok(vec![b.map(op, node.need(0)?)?])
}
