//! Trilu: the upper or lower triangle of the last two axes, zeros elsewhere; the diagonal is a constant. Source: ONNX
//! Trilu, opset 14.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::index::moved_or;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let &[.., rows, columns] = shape.as_slice() else {
        return Err(OpError::invalid("a triangle needs two axes"));
    };
    if b.row_axis(&x).is_some_and(|row| row + 2 >= shape.len()) {
        return Err(OpError::mixes_rows("a triangle over the batch dimension"));
    }
    let k = match node.integers(1, "the diagonal")?.as_deref() {
        None => 0,
        Some(&[k]) => k,
        Some(_) => return Err(OpError::invalid("the diagonal must be one number")),
    };
    let upper = node.int("upper", 1) != 0;
    let len: usize = shape.iter().product();
    let from: Vec<Option<usize>> = (0..len)
        .map(|i| {
            let (row, column) = ((i / columns % rows) as i64, (i % columns) as i64);
            let diagonal = row.saturating_add(k);
            let kept = if upper {
                column >= diagonal
            } else {
                column <= diagonal
            };
            kept.then_some(i)
        })
        .collect();
    let row_axis = b.row_axis(&x);
    Ok(vec![moved_or(b, &x, &from, 0.0, shape, row_axis)?])
}
