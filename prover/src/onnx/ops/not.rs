//! Not: the other truth value, exact. Source: ONNX Not, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = truth(b, node.need(0)?)?;
    let op = FloatOp::Pointwise(Pointwise::Not);
    let Operand::Activation(id) = x else {
        return Ok(vec![b.map(op, &x)?]);
    };
    let value = b.value(id);
    let (shape, row_axis) = (value.shape.clone(), value.row_axis);
    Ok(vec![b.push(op, &[id], shape, row_axis, Kind::Boolean)?])
}

/// The operand, if it is one of truth values.
pub(super) fn truth(b: &Builder, x: &Operand) -> Result<Operand, OpError> {
    match x {
        Operand::Activation(id) if b.value(*id).kind != Kind::Boolean => Err(OpError::unsupported(
            "logic on numbers",
            "logic on the results of comparisons",
        )),
        _ => Ok(x.clone()),
    }
}
