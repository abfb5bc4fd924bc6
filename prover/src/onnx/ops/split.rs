//! Split: parts of one axis. Source: ONNX Split, opsets 1, 2, 11, 13 and 18.

use super::super::error::OpError;
use super::super::import::{axis_of, Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let axis = axis_of(node.int("axis", 0), shape.len())?;
    let extent = shape[axis];
    let sizes: Vec<usize> = match (node.ints("split"), node.integers(1, "the sizes")?) {
        (Some(sizes), _) => whole(sizes)?,
        (None, Some(sizes)) => whole(&sizes)?,
        (None, None) => {
            let parts = usize::try_from(node.int("num_outputs", node.outputs() as i64));
            let parts = parts.ok().filter(|&n| n > 0 && n <= extent.max(1));
            let parts = parts.ok_or_else(|| OpError::invalid("a number of parts"))?;
            let each = extent.div_ceil(parts);
            (0..parts)
                .map(|i| each.min(extent.saturating_sub(i * each)))
                .collect()
        }
    };
    let total = sizes.iter().try_fold(0usize, |n, &s| n.checked_add(s));
    if total != Some(extent) {
        return Err(OpError::invalid(format!(
            "parts of {extent} that sum to {total:?}"
        )));
    }
    let row_axis = match b.row_axis(&x) {
        Some(row) if row == axis => b.drop_rows("splitting the batch dimension")?,
        row => row,
    };
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product();
    let mut start = 0;
    let mut parts = Vec::with_capacity(sizes.len());
    for size in sizes {
        let mut extents = shape.clone();
        extents[axis] = size;
        let indices = (0..outer)
            .flat_map(|o| {
                let first = (o * extent + start) * inner;
                (first..first + size * inner).map(|i| i as u32)
            })
            .collect();
        parts.push(b.movement(std::slice::from_ref(&x), indices, extents, row_axis)?);
        start += size;
    }
    Ok(parts)
}

fn whole(sizes: &[i64]) -> Result<Vec<usize>, OpError> {
    let sizes: Option<Vec<usize>> = sizes.iter().map(|&s| usize::try_from(s).ok()).collect();
    sizes.ok_or_else(|| OpError::invalid("a negative size"))
}
