//! Tile: axes repeated. Source: ONNX Tile, opset 6 on.

use super::super::error::OpError;
use super::super::import::{checked_len, Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let from = b.shape(&x).to_vec();
    let repeats = node.integers(1, "the repeats")?.unwrap_or_default();
    let repeats: Option<Vec<usize>> = repeats.iter().map(|&r| usize::try_from(r).ok()).collect();
    let repeats = repeats
        .filter(|r| r.len() == from.len())
        .ok_or_else(|| OpError::invalid("one repeat an axis is needed"))?;
    let row_axis = match b.row_axis(&x) {
        Some(row) if repeats[row] != 1 => b.drop_rows("repeating the batch dimension")?,
        row => row,
    };
    let shape: Option<Vec<usize>> = from
        .iter()
        .zip(&repeats)
        .map(|(d, r)| d.checked_mul(*r))
        .collect();
    let shape = shape.ok_or_else(|| OpError::invalid("repeats that overflow"))?;
    checked_len(&shape)?;
    let mut indices = vec![0u32];
    for (&extent, &long) in from.iter().zip(&shape) {
        indices = indices
            .iter()
            .flat_map(|&p| (0..long).map(move |i| p * extent as u32 + (i % extent) as u32))
            .collect();
    }
    Ok(vec![b.movement(
        std::slice::from_ref(&x),
        indices,
        shape,
        row_axis,
    )?])
}
