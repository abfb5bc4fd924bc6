//! Min: the least of the operands, elementwise and broadcast, exact. A constant that is one number is a
//! public bound, as in Clip. Source: ONNX Min, opset 8 on.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Pointwise};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::elementwise::binary;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let operands = node.all()?;
    let (first, rest) = operands
        .split_first()
        .ok_or_else(|| OpError::invalid("no operands"))?;
    let mut result = first.clone();
    for operand in rest {
        result = match (single(&result), single(operand)) {
            (None, Some(value)) => b.map(bound(value), &result)?,
            (Some(value), None) => b.map(bound(value), operand)?,
            _ => {
                let op = FloatOp::Arithmetic(Arithmetic::Min);
                binary(b, op, &result, operand, Kind::Number)?
            }
        };
    }
    Ok(vec![result])
}

fn bound(value: f64) -> FloatOp {
    FloatOp::Pointwise(Pointwise::Clip {
        lo: None,
        hi: Some(value),
    })
}

/// The number, if the operand is one constant number that does not widen a shape.
fn single(operand: &Operand) -> Option<f64> {
    match operand {
        Operand::Constant(tensor) if tensor.shape.is_empty() => {
            tensor.numbers().and_then(|v| v.first().copied())
        }
        _ => None,
    }
}
