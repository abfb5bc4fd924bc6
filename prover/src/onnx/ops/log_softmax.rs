//! LogSoftmax: `x - log sum exp x` along one axis; before opset 13 over all axes from `axis` on. Source: ONNX LogSoftmax,
//! opsets 1, 11 and 13.

use super::super::error::OpError;
use super::super::float::{Arithmetic, Reduction};
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::broadcast::arithmetic;
use super::reduction::reduce;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let rank = b.shape(&x).len();
    let single = node.opset >= 13;
    let axis = axis_of(node.int("axis", if single { -1 } else { 1 }), rank)?;
    let reduced: Vec<bool> = (0..rank)
        .map(|i| i == axis || (!single && i > axis))
        .collect();
    if b.row_axis(&x).is_some_and(|row| reduced[row]) {
        return Err(OpError::mixes_rows("a softmax over the batch dimension"));
    }
    if matches!(x, Operand::Constant(_)) {
        return Err(OpError::unsupported(
            "a softmax of constants",
            "its result as a constant",
        ));
    }
    let sum = reduce(b, Reduction::LogSumExp, &x, &reduced, true)?;
    Ok(vec![arithmetic(b, Arithmetic::Sub, &x, &sum)?])
}
