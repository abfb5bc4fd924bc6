//! Softplus: `log(1 + e^x)`, relu and a table. Source: ONNX Softplus, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::Softplus;
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
