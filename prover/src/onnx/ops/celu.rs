//! Celu: `max(x, 0) + min(0, alpha (e^(x / alpha) - 1))`, which is `alpha elu(x / alpha)`. Source: ONNX Celu, opset 12.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};
use super::linear_map::scaled;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let alpha = node.float("alpha", 1.0);
    if !(alpha.abs() > 1e-4 && alpha.abs() < 1e4) {
        return Err(OpError::unsupported(
            format!("alpha = {alpha}"),
            "alpha near 1",
        ));
    }
    let inner = scaled(b, node.need(0)?, 1.0 / alpha, 0.0)?;
    let elu = Pointwise::Elu {
        alpha: 1.0,
        gamma: 1.0,
    };
    let elu = b.map(FloatOp::Pointwise(elu), &inner)?;
    Ok(vec![scaled(b, &elu, alpha, 0.0)?])
}
