//! Compress: the slices of an axis that a constant condition keeps; without an axis, of the flat operand. Source: ONNX
//! Compress, opset 9 on.

use super::super::error::OpError;
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::index::{each, flat, moved_or, strides};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let condition = node.constant(1, "the condition")?;
    let condition = condition
        .integers()
        .ok_or_else(|| OpError::invalid("a condition that is no truth value"))?;
    let kept: Vec<usize> = (0..condition.len())
        .filter(|&i| condition[i] != 0)
        .collect();
    let mut shape = b.shape(&x).to_vec();
    let (axis, row_axis) = match node.attribute("axis") {
        Some(a) => (axis_of(a.i, shape.len())?, b.row_axis(&x)),
        None => {
            let row_axis = match b.row_axis(&x) {
                None => None,
                Some(_) => b.drop_rows("a choice among all elements")?,
            };
            shape = vec![shape.iter().product()];
            (0, row_axis)
        }
    };
    if row_axis == Some(axis) {
        return Err(OpError::mixes_rows("a choice along the batch dimension"));
    }
    if kept.iter().any(|&k| k >= shape[axis]) {
        return Err(OpError::invalid("a condition longer than its axis"));
    }
    let steps = strides(&shape);
    shape[axis] = kept.len();
    let from: Vec<Option<usize>> = each(&shape)
        .map(|mut index| {
            index[axis] = kept[index[axis]];
            Some(flat(&index, &steps))
        })
        .collect();
    Ok(vec![moved_or(b, &x, &from, 0.0, shape, row_axis)?])
}
