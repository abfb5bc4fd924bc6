//! GatherND: slices of the operand at constant index tuples, behind `batch_dims` leading axes. Source: ONNX GatherND,
//! opset 11 on.

use super::super::error::OpError;
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::index::{moved_or, strides, wrapped};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let at = node.constant(1, "the positions")?.clone();
    let no_fit = || OpError::invalid("positions that do not fit the operand");
    let batch = usize::try_from(node.int("batch_dims", 0)).map_err(|_| no_fit())?;
    let (&depth, lead) = at.shape.split_last().ok_or_else(no_fit)?;
    if batch > lead.len() || batch + depth > shape.len() || lead[..batch] != shape[..batch] {
        return Err(no_fit());
    }
    if b.row_axis(&x).is_some_and(|row| row < batch + depth) {
        return Err(OpError::mixes_rows("a choice along the batch dimension"));
    }
    let positions = at
        .integers()
        .ok_or_else(|| OpError::invalid("positions are integers"))?;
    let mut extents = lead.to_vec();
    extents.extend(&shape[batch + depth..]);
    checked_len(&extents)?;
    let steps = strides(&shape);
    let inner: usize = shape[batch + depth..].iter().product();
    let per_batch: usize = lead[batch..].iter().product();
    let mut from = Vec::new();
    let tuples: usize = lead.iter().product();
    for tuple in 0..tuples {
        let area: usize = shape[batch..].iter().product();
        let mut start = tuple / per_batch.max(1) * area;
        for d in 0..depth {
            let position = &positions[tuple * depth + d..=tuple * depth + d];
            start += wrapped(position, shape[batch + d])?[0] * steps[batch + d];
        }
        from.extend((start..start + inner).map(Some));
    }
    let row_axis = b.row_axis(&x).map(|row| row - batch - depth + lead.len());
    Ok(vec![moved_or(b, &x, &from, 0.0, extents, row_axis)?])
}
