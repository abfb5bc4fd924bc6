//! Expand: an operand repeated to a shape by broadcasting. Source: ONNX Expand, opset 8 on.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{broadcast_to, common_shape};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let target = node
        .integers(1, "the new shape")?
        .ok_or_else(|| OpError::invalid("the new shape is missing"))?;
    let target: Option<Vec<usize>> = target.iter().map(|&d| usize::try_from(d).ok()).collect();
    let target = target.ok_or_else(|| OpError::invalid("a negative extent"))?;
    let shape = common_shape(b.shape(&x), &target)?;
    Ok(vec![broadcast_to(b, &x, &shape)?.0])
}
