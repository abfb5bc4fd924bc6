//! Mod: the remainder with the divisor's sign, or with the dividend's (fmod); exact on the operands' integers. Source:
//! ONNX Mod, opset 10 on.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::elementwise::binary;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let op = match node.int("fmod", 0) {
        0 => Arithmetic::Mod,
        _ => Arithmetic::Fmod,
    };
    let (l, r) = (node.need(0)?, node.need(1)?);
    Ok(vec![binary(
        b,
        FloatOp::Arithmetic(op),
        l,
        r,
        Kind::Number,
    )?])
}
