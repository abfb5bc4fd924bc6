//! Sum and Mean of any number of operands, elementwise and broadcast; a mean is multiplied by a public 1/n. Source: ONNX
//! Sum and Mean, opset 8 on.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{apply, Operation};
use super::linear_map::scaled;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    Ok(vec![total(b, node)?])
}

pub(super) fn mean(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let sum = total(b, node)?;
    let count = node.all()?.len();
    if count == 1 {
        return Ok(vec![sum]);
    }
    Ok(vec![scaled(b, &sum, 1.0 / count as f64, 0.0)?])
}

fn total(b: &mut Builder, node: &NodeView<'_>) -> Result<Operand, OpError> {
    let operands = node.all()?;
    let (first, rest) = operands
        .split_first()
        .ok_or_else(|| OpError::invalid("no operands"))?;
    let mut sum = first.clone();
    for operand in rest {
        sum = apply(b, Operation::Add, &sum, operand)?;
    }
    Ok(sum)
}
