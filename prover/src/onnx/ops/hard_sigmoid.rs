//! HardSigmoid: `max(0, min(1, alpha x + beta))`. Source: ONNX HardSigmoid, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::HardSigmoid {
        alpha: node.float("alpha", 0.2),
        beta: node.float("beta", 0.5),
    };
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
