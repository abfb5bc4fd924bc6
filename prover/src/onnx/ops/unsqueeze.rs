//! Unsqueeze: extents of 1 inserted. Source: ONNX Unsqueeze, opset 1 (attribute) and 13 on (operand).

use super::super::error::OpError;
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::super::limits::MAX_RANK;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let axes = match node.ints("axes") {
        Some(axes) => axes.to_vec(),
        None => node
            .integers(1, "axes")?
            .ok_or_else(|| OpError::invalid("the axes are missing"))?,
    };
    let shape = b.shape(&x).to_vec();
    let rank = shape.len() + axes.len();
    if rank > MAX_RANK {
        return Err(OpError::Limit {
            what: "dimensions",
            limit: MAX_RANK,
        });
    }
    let mut inserted = vec![false; rank];
    for axis in axes {
        inserted[axis_of(axis, rank)?] = true;
    }
    if inserted.iter().filter(|&&i| i).count() + shape.len() != rank {
        return Err(OpError::invalid("an axis named twice"));
    }
    let mut old = shape.iter().enumerate();
    let mut extents = Vec::with_capacity(rank);
    let mut row_axis = None;
    for (i, &new) in inserted.iter().enumerate() {
        if new {
            extents.push(1);
        } else if let Some((j, &extent)) = old.next() {
            extents.push(extent);
            if b.row_axis(&x) == Some(j) {
                row_axis = Some(i);
            }
        }
    }
    Ok(vec![b.reshaped(&x, extents, row_axis)?])
}
