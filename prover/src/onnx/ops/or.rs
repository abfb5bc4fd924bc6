//! Or: `l or r`, exact on truth values. Source: ONNX Or, opset 7 on.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::elementwise::binary;
use super::not::truth;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (l, r) = (truth(b, node.need(0)?)?, truth(b, node.need(1)?)?);
    let op = FloatOp::Arithmetic(Arithmetic::Or);
    Ok(vec![binary(b, op, &l, &r, Kind::Boolean)?])
}
