//! Pow by a constant exponent: -2, -1, -1/2, 1/2, 1, 2, 3, 4. Source: ONNX Pow, opset 7 on.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{arithmetic, common_shape};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let exponents = node.constant(1, "the exponent")?.clone();
    let numbers = exponents
        .numbers()
        .ok_or_else(|| OpError::invalid("an exponent that is no number"))?;
    let refuse = |what: String| {
        OpError::unsupported(what, "one exponent among -2, -1, -0.5, 0.5, 1, 2, 3 and 4")
    };
    let Some(&exponent) = numbers.first() else {
        return Err(OpError::invalid("no exponent"));
    };
    if numbers.iter().any(|&n| n != exponent) {
        return Err(refuse("several different exponents".into()));
    }
    if common_shape(b.shape(&x), &exponents.shape)? != b.shape(&x) {
        return Err(refuse("an exponent that widens the shape".into()));
    }
    let map = |b: &mut Builder, op, x: &Operand| b.map(FloatOp::Pointwise(op), x);
    let result = if exponent == 1.0 {
        x
    } else if exponent == 0.5 {
        map(b, Pointwise::Sqrt, &x)?
    } else if exponent == -1.0 {
        map(b, Pointwise::Reciprocal, &x)?
    } else if exponent == -0.5 {
        let root = map(b, Pointwise::Sqrt, &x)?;
        map(b, Pointwise::Reciprocal, &root)?
    } else if exponent == 2.0 {
        map(b, Pointwise::Square, &x)?
    } else if exponent == -2.0 {
        let square = map(b, Pointwise::Square, &x)?;
        map(b, Pointwise::Reciprocal, &square)?
    } else if exponent == 4.0 {
        let square = map(b, Pointwise::Square, &x)?;
        map(b, Pointwise::Square, &square)?
    } else if exponent == 3.0 && matches!(x, Operand::Activation(_)) {
        let square = map(b, Pointwise::Square, &x)?;
        arithmetic(b, Arithmetic::Mul, &square, &x)?
    } else {
        return Err(refuse(format!("exponent {exponent}")));
    };
    Ok(vec![result])
}
