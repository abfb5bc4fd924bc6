//! Concat: operands joined along one axis. Source: ONNX Concat, opset 4 on.

use super::super::error::OpError;
use super::super::import::{axis_of, checked_len, Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let operands = node.all()?;
    let first = operands
        .first()
        .ok_or_else(|| OpError::invalid("no operands"))?;
    let axis = axis_of(
        node.int("axis", if node.opset < 4 { 1 } else { 0 }),
        b.shape(first).len(),
    )?;
    Ok(vec![joined(b, &operands, axis)?])
}

/// The operands joined along one axis.
pub(super) fn joined(
    b: &mut Builder,
    operands: &[Operand],
    axis: usize,
) -> Result<Operand, OpError> {
    let first = operands
        .first()
        .ok_or_else(|| OpError::invalid("no operands"))?;
    let mut shape = b.shape(first).to_vec();
    let mut total = 0usize;
    let mut row_axis = None;
    for operand in operands {
        let mut same = b.shape(operand).to_vec();
        if same.len() != shape.len() {
            return Err(OpError::invalid("operands of different rank"));
        }
        total = total.saturating_add(same[axis]);
        same[axis] = shape[axis];
        if same != shape {
            return Err(OpError::invalid(
                "operands of different shape beside the joined axis",
            ));
        }
        if let Some(row) = b.row_axis(operand) {
            if row == axis || row_axis.is_some_and(|r| r != row) {
                return Err(OpError::mixes_rows("joining along the batch dimension"));
            }
            row_axis = Some(row);
        }
    }
    shape[axis] = total;
    checked_len(&shape)?;
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product();
    let mut indices = Vec::with_capacity(outer * total * inner);
    for o in 0..outer {
        let mut base = 0;
        for operand in operands {
            let block = b.shape(operand)[axis] * inner;
            indices.extend((0..block).map(|i| (base + o * block + i) as u32));
            base += outer * block;
        }
    }
    b.movement(operands, indices, shape, row_axis)
}
