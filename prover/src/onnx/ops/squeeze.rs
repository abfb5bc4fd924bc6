//! Squeeze: extents of 1 removed, by default all but the row dimension's. Source: ONNX Squeeze, opset 1
//! (attribute) and 13 on (operand).

use super::super::error::OpError;
use super::super::import::{axis_of, Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let row = b.row_axis(&x);
    let axes = match (node.ints("axes"), node.integers(1, "axes")?) {
        (Some(axes), _) => Some(axes.to_vec()),
        (None, axes) => axes,
    };
    let mut removed = vec![false; shape.len()];
    match axes {
        Some(axes) => {
            for axis in axes {
                removed[axis_of(axis, shape.len())?] = true;
            }
        }
        None => {
            for (i, &extent) in shape.iter().enumerate() {
                removed[i] = extent == 1 && row != Some(i);
            }
        }
    }
    if let Some(i) = (0..shape.len()).find(|&i| removed[i] && shape[i] != 1) {
        return Err(OpError::invalid(format!(
            "axis {i} has extent {}",
            shape[i]
        )));
    }
    let row_axis = match row {
        Some(row) if removed[row] => b.drop_rows("removing the batch dimension")?,
        Some(row) => Some(row - removed[..row].iter().filter(|&&r| r).count()),
        None => None,
    };
    let left = shape
        .iter()
        .zip(&removed)
        .filter(|(_, &r)| !r)
        .map(|(&d, _)| d)
        .collect();
    Ok(vec![b.reshaped(&x, left, row_axis)?])
}
