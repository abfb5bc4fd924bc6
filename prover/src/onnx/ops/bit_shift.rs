//! BitShift: `x 2^y` or `floor(x / 2^y)` of whole numbers, y from 0 to 30; a result is not cut to its type's width.
//! Source: ONNX BitShift, opset 11.

use super::super::error::OpError;
use super::super::float::{Arithmetic, Combination, FloatOp};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::elementwise::binary;
use super::linear_map::combined;
use super::one_hot::bits;

/// Powers of two beyond it are no public factors.
const GREATEST: usize = 30;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (x, y) = (node.need(0)?.clone(), node.need(1)?.clone());
    if !(b.is_whole(&x) && b.is_whole(&y)) {
        return Err(OpError::invalid("operands are integers"));
    }
    let op = match node.text("direction")?.unwrap_or_default() {
        "LEFT" => Arithmetic::Mul,
        "RIGHT" => Arithmetic::DivWhole,
        other => return Err(OpError::invalid(format!("direction {other}"))),
    };
    let Operand::Activation(amount) = y else {
        return Err(OpError::unsupported(
            "a shift by constants",
            "Mul or Div by powers of two",
        ));
    };
    let (shape, row) = (b.value(amount).shape.clone(), b.value(amount).row_axis);
    let len: usize = shape.iter().product();
    let bits = bits(b, amount, GREATEST + 1, -1)?;
    let mut powers = Combination::default();
    for i in 0..len {
        powers.row((0..=GREATEST).map(|k| (i * (GREATEST + 1) + k, 2f64.powi(k as i32))));
    }
    let power = combined(b, &bits, powers, shape, row)?;
    Ok(vec![binary(
        b,
        FloatOp::Arithmetic(op),
        &x,
        &power,
        Kind::Integer,
    )?])
}
