//! Clip: `min(max(x, lo), hi)`; an absent bound does not clip. The bounds are architecture, hence
//! public, whether attributes (before opset 11) or constants. Source: ONNX Clip, opsets 6, 11 to 13.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (lo, hi) = if node.opset < 11 {
        let bound = |name| node.attribute(name).map(|a| f64::from(a.f));
        (bound("min"), bound("max"))
    } else {
        (bound(node, 1, "min")?, bound(node, 2, "max")?)
    };
    if lo.is_some_and(f64::is_nan) || hi.is_some_and(f64::is_nan) {
        return Err(OpError::invalid("a bound is NaN"));
    }
    // The greatest float stands for no bound in exported models.
    let huge = f64::from(f32::MAX);
    let lo = lo.filter(|&v| v > -huge);
    let hi = hi.filter(|&v| v < huge);
    let op = match (lo, hi) {
        (Some(0.0), None) => Pointwise::Relu,
        (None, None) => return Ok(vec![node.need(0)?.clone()]),
        _ => Pointwise::Clip { lo, hi },
    };
    Ok(vec![b.map(FloatOp::Pointwise(op), node.need(0)?)?])
}

fn bound(node: &NodeView<'_>, i: usize, what: &str) -> Result<Option<f64>, OpError> {
    if node.input(i).is_none() {
        return Ok(None);
    }
    let values = node.constant(i, what)?.numbers();
    match values.as_deref() {
        Some(&[value]) => Ok(Some(value)),
        _ => Err(OpError::invalid(format!("{what} must be one number"))),
    }
}
