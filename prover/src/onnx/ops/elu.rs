//! Elu: `x` if `x > 0`, else `alpha (e^x - 1)`: relu and a table. Source: ONNX Elu, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::Elu {
        alpha: node.float("alpha", 1.0),
        gamma: 1.0,
    };
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
