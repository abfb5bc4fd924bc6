//! GatherElements: `y[i][j] = x[at[i][j]][j]` along axis 0, at constant positions. Source: ONNX GatherElements, opset 11
//! on.

use super::super::error::OpError;
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::index::{each, flat, moved_or, strides, wrapped};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let axis = axis_of(node.int("axis", 0), shape.len())?;
    if b.row_axis(&x) == Some(axis) {
        return Err(OpError::mixes_rows("a choice along the batch dimension"));
    }
    let at = node.constant(1, "the positions")?.clone();
    let fits = at.shape.len() == shape.len()
        && (0..shape.len()).all(|i| i == axis || at.shape[i] <= shape[i]);
    if !fits {
        return Err(OpError::invalid("positions of another shape"));
    }
    let positions = at
        .integers()
        .ok_or_else(|| OpError::invalid("positions are integers"))?;
    let positions = wrapped(positions, shape[axis])?;
    let steps = strides(&shape);
    let from: Vec<Option<usize>> = each(&at.shape)
        .zip(positions)
        .map(|(mut index, position)| {
            index[axis] = position;
            Some(flat(&index, &steps))
        })
        .collect();
    let row_axis = b.row_axis(&x);
    let made = moved_or(b, &x, &from, 0.0, at.shape.clone(), row_axis)?;
    Ok(vec![made])
}
