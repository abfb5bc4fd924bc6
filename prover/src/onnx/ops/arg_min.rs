//! ArgMin: index of the least element along one axis, the first of equals or the last: ArgMax of the negated. Source: ONNX
//! ArgMin, opset 1 on.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};
use super::arg_max::index;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let negated = b.map(FloatOp::Pointwise(Pointwise::Neg), node.need(0)?)?;
    index(b, node, &negated)
}
