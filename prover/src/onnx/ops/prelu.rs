//! PRelu: `x` where `x >= 0`, else `slope x`: `relu(x) + slope (x - relu(x))`, the slopes private. Source: ONNX PRelu,
//! opset 9 on.

use super::super::error::OpError;
use super::super::float::{Affine, Arithmetic, FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{arithmetic, broadcast_indices, common_shape};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let slopes = node.constant(1, "the slope")?.clone();
    let shape = b.shape(&x).to_vec();
    if common_shape(&shape, &slopes.shape)? != shape || matches!(x, Operand::Constant(_)) {
        return Err(OpError::unsupported(
            "slopes of a greater shape than the operand",
            "one slope, or one a channel",
        ));
    }
    let numbers = slopes
        .numbers()
        .ok_or_else(|| OpError::invalid("slopes that are no numbers"))?;
    let scale: Vec<f64> = broadcast_indices(&slopes.shape, &shape)
        .into_iter()
        .map(|i| numbers[i as usize])
        .collect();
    b.count(scale.len())?;
    let positive = b.map(FloatOp::Pointwise(Pointwise::Relu), &x)?;
    let negative = arithmetic(b, Arithmetic::Sub, &x, &positive)?;
    let sloped = FloatOp::Affine(Affine {
        inner: 1,
        period: scale.len(),
        scale: Some(scale),
        offset: None,
    });
    let sloped = b.map(sloped, &negative)?;
    Ok(vec![arithmetic(b, Arithmetic::Add, &positive, &sloped)?])
}
