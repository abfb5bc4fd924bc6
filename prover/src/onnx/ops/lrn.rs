//! LRN: `x / (bias + alpha / size sum x^2)^beta`, the sum over `size` neighbouring channels; beta 1, 0.75 or 0.5.
//! Source: ONNX LRN, opset 1 on.

use super::super::error::OpError;
use super::super::float::{Arithmetic, Combination, FloatOp, Pointwise};
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::broadcast::arithmetic;
use super::linear_map::{combined, scaled};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let &[rows, channels, ..] = shape.as_slice() else {
        return Err(OpError::invalid("the operand has no channel axis"));
    };
    let row_axis = b.row_axis(&x);
    if row_axis.is_some_and(|row| row != 0) {
        return Err(OpError::mixes_rows("a window over the batch dimension"));
    }
    let size = usize::try_from(node.int("size", 0)).unwrap_or(0);
    if size == 0 {
        return Err(OpError::invalid("size"));
    }
    let inner: usize = shape[2..].iter().product();
    checked_len(&[rows, channels, inner, size.min(channels)])?;
    let (before, after) = ((size - 1) / 2, size / 2);
    let mut sums = Combination::default();
    for row in 0..rows {
        for c in 0..channels {
            let window = c.saturating_sub(before)..=c.saturating_add(after).min(channels - 1);
            for i in 0..inner {
                let at = |c: usize| ((row * channels + c) * inner + i, 1.0);
                sums.row(window.clone().map(at));
            }
        }
    }
    let map = |b: &mut Builder, op, x: &Operand| b.map(FloatOp::Pointwise(op), x);
    let square = map(b, Pointwise::Square, &x)?;
    let sum = combined(b, &square, sums, shape, row_axis)?;
    let alpha = node.float("alpha", 1e-4) / size as f64;
    let base = scaled(b, &sum, alpha, node.float("bias", 1.0))?;
    // base^beta by roots.
    let beta = node.float("beta", 0.75);
    let divisor = if beta == 1.0 {
        base
    } else if beta == 0.5 {
        map(b, Pointwise::Sqrt, &base)?
    } else if beta == 0.75 {
        let root = map(b, Pointwise::Sqrt, &base)?;
        let fourth = map(b, Pointwise::Sqrt, &root)?;
        arithmetic(b, Arithmetic::Mul, &root, &fourth)?
    } else {
        return Err(OpError::unsupported(
            format!("beta = {beta}"),
            "beta of 0.5, 0.75 or 1",
        ));
    };
    Ok(vec![arithmetic(b, Arithmetic::Div, &x, &divisor)?])
}
