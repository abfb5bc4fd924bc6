//! ReverseSequence: the first elements of each sequence in reverse order, their numbers constants. Source: ONNX
//! ReverseSequence, opset 10.

use super::super::error::OpError;
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::index::{each, flat, moved_or, strides};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let time = axis_of(node.int("time_axis", 0), shape.len())?;
    let batch = axis_of(node.int("batch_axis", 1), shape.len())?;
    if b.row_axis(&x)
        .is_some_and(|row| row == time || row == batch)
    {
        return Err(OpError::mixes_rows("sequences along the batch dimension"));
    }
    let lengths = node
        .integers(1, "the lengths")?
        .ok_or_else(|| OpError::invalid("the lengths are missing"))?;
    let fits = |&n: &i64| usize::try_from(n).ok().filter(|&n| n <= shape[time]);
    let lengths: Option<Vec<usize>> = lengths.iter().map(fits).collect();
    let lengths = lengths.filter(|l| l.len() == shape[batch]);
    let lengths = lengths.ok_or_else(|| OpError::invalid("lengths that do not fit"))?;
    let steps = strides(&shape);
    let from: Vec<Option<usize>> = each(&shape)
        .map(|mut index| {
            let length = lengths[index[batch]];
            if index[time] < length {
                index[time] = length - 1 - index[time];
            }
            Some(flat(&index, &steps))
        })
        .collect();
    let row_axis = b.row_axis(&x);
    Ok(vec![moved_or(b, &x, &from, 0.0, shape, row_axis)?])
}
