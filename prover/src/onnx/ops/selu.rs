//! Selu: `gamma x` if `x > 0`, else `gamma alpha (e^x - 1)`: relu and a table. Source: ONNX Selu, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = Pointwise::Elu {
        alpha: node.float("alpha", 1.673_263_192_176_818_8),
        gamma: node.float("gamma", 1.050_701_022_148_132_3),
    };
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}
