//! Max and Min: the greatest or the least of the operands, elementwise and broadcast, exact. A constant that is one
//! number is a public bound, as in Clip. Source: ONNX Max and Min, opset 8 on.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Pointwise};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::elementwise::binary;

pub(super) fn max(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    fold(b, node, Arithmetic::Max, |lo| Pointwise::Clip {
        lo: Some(lo),
        hi: None,
    })
}

pub(super) fn min(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    fold(b, node, Arithmetic::Min, |hi| Pointwise::Clip {
        lo: None,
        hi: Some(hi),
    })
}

/// Folds the operands by `of`, or by the bound that a constant number is.
fn fold(
    b: &mut Builder,
    node: &NodeView<'_>,
    of: Arithmetic,
    bound: impl Fn(f64) -> Pointwise,
) -> Result<Vec<Operand>, OpError> {
    let bound = |value| FloatOp::Pointwise(bound(value));
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
                let op = FloatOp::Arithmetic(of);
                binary(b, op, &result, operand, Kind::Number)?
            }
        };
    }
    Ok(vec![result])
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
