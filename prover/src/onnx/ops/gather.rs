//! Gather: elements of an axis at constant positions; or a label table read at a computed index.
//! Source: ONNX Gather, opset 1 on.

use super::super::error::OpError;
use super::super::import::{axis_of, checked_len, Builder, NodeView, Operand};
use super::array_feature_extractor::label;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    if let (Operand::Constant(table), Operand::Activation(index)) = (&x, node.need(1)?) {
        let value = b.value(*index);
        let (shape, row_axis) = (value.shape.clone(), value.row_axis);
        return Ok(vec![label(b, table, *index, shape, row_axis)?]);
    }
    let shape = b.shape(&x).to_vec();
    let axis = axis_of(node.int("axis", 0), shape.len())?;
    let at = node.constant(1, "the positions")?.clone();
    let positions = at
        .integers()
        .ok_or_else(|| OpError::invalid("positions are integers"))?;
    let picked: Option<Vec<usize>> = positions
        .iter()
        .map(|&p| {
            if p < 0 {
                p.saturating_add(shape[axis] as i64)
            } else {
                p
            }
        })
        .map(|p| usize::try_from(p).ok().filter(|&p| p < shape[axis]))
        .collect();
    let picked = picked.ok_or_else(|| OpError::invalid("a position outside the axis"))?;
    let row_axis = match b.row_axis(&x) {
        Some(row) if row == axis => b.drop_rows("a choice along the batch dimension")?,
        Some(row) if row > axis => Some(row + at.shape.len() - 1),
        row => row,
    };
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product();
    let mut extents = shape[..axis].to_vec();
    extents.extend(&at.shape);
    extents.extend(&shape[axis + 1..]);
    checked_len(&extents)?;
    let mut indices = Vec::new();
    for o in 0..outer {
        for &p in &picked {
            let start = (o * shape[axis] + p) * inner;
            indices.extend((start..start + inner).map(|i| i as u32));
        }
    }
    Ok(vec![b.movement(
        std::slice::from_ref(&x),
        indices,
        extents,
        row_axis,
    )?])
}
