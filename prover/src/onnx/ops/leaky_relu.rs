//! LeakyRelu: `x` if `x >= 0`, else `alpha x`; alpha is an attribute, so public. Source: ONNX LeakyRelu.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let alpha = node.float("alpha", 0.01);
    if !alpha.is_finite() {
        return Err(OpError::invalid("alpha is not finite"));
    }
    Ok(vec![b.map(
        FloatOp::Pointwise(Pointwise::LeakyRelu { alpha }),
        node.need(0)?,
    )?])
}
