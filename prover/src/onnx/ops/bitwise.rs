//! BitwiseAnd, BitwiseOr, BitwiseXor of whole numbers, negative ones in two's complement; exact. Source: ONNX operators
//! of these names, opset 18.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::elementwise::binary;

pub(super) fn and(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    import(Arithmetic::BitAnd, b, node)
}

pub(super) fn or(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    import(Arithmetic::BitOr, b, node)
}

pub(super) fn xor(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    import(Arithmetic::BitXor, b, node)
}

fn import(op: Arithmetic, b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (l, r) = (node.need(0)?, node.need(1)?);
    if !(b.is_whole(l) && b.is_whole(r)) {
        return Err(OpError::invalid("operands are integers"));
    }
    Ok(vec![binary(
        b,
        FloatOp::Arithmetic(op),
        l,
        r,
        Kind::Integer,
    )?])
}
