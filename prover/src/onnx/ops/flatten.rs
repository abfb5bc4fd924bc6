//! Flatten: [d0 .. d(axis-1), d(axis) ..] as a matrix. Source: ONNX Flatten, all opsets.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let rank = shape.len() as i64;
    let axis = node.int("axis", 1);
    let axis = if axis < 0 {
        axis.saturating_add(rank)
    } else {
        axis
    };
    let Some(axis) = usize::try_from(axis).ok().filter(|&a| a <= shape.len()) else {
        return Err(OpError::invalid(format!(
            "axis {axis} of a tensor of rank {rank}"
        )));
    };
    let (front, back): (usize, usize) = (
        shape[..axis].iter().product(),
        shape[axis..].iter().product(),
    );
    let row_axis = match b.row_axis(&x) {
        None => None,
        Some(row) if row < axis && front == 1 => Some(0),
        Some(row) if row >= axis && back == 1 => Some(1),
        Some(_) => b.drop_rows("this flattening")?,
    };
    Ok(vec![b.reshaped(&x, vec![front, back], row_axis)?])
}
