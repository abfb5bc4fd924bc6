//! Relu: `max(x, 0)`. Source: ONNX Relu, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    Ok(vec![
        b.map(FloatOp::Pointwise(Pointwise::Relu), node.need(0)?)?
    ])
}
