//! Reshape: the same elements under another shape; 0 copies an extent (unless allowzero), -1 is
//! inferred. Source: ONNX Reshape, opset 1 (attribute) and 5 on (operand).

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand, Rows};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let target = match node.ints("shape") {
        Some(shape) if node.opset < 5 => shape.to_vec(),
        _ => node
            .integers(1, "the new shape")?
            .ok_or_else(|| OpError::invalid("the new shape is missing"))?,
    };
    let from = b.shape(&x).to_vec();
    let row = b.row_axis(&x);
    let allow_zero = node.int("allowzero", 0) != 0;
    let len: usize = from.iter().product();
    let no_fit = || OpError::invalid(format!("{from:?} cannot take the shape {target:?}"));

    // A fixed number of rows, written out, stands for the row dimension.
    let rows_literal = match b.rows {
        Rows::Fixed(rows) if rows > 1 && row.is_some() => Some(rows as i64),
        _ => None,
    };
    let mut inferred = None;
    let mut shape = Vec::with_capacity(target.len());
    for (i, &extent) in target.iter().enumerate() {
        shape.push(match extent {
            -1 if inferred.is_none() => {
                inferred = Some(i);
                1
            }
            0 if !allow_zero => *from.get(i).ok_or_else(no_fit)?,
            n if i == 0 && rows_literal == Some(n) => 1,
            n => usize::try_from(n).map_err(|_| no_fit())?,
        });
    }
    let known = shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .ok_or_else(no_fit)?;
    if let Some(i) = inferred {
        if known == 0 || !len.is_multiple_of(known) {
            return Err(no_fit());
        }
        shape[i] = len / known;
    } else if known != len {
        return Err(no_fit());
    }

    // Where the row dimension went: an extent of 1 with as many elements before it as before.
    let row_axis = match row {
        None => None,
        Some(row) => {
            let before: usize = from[..row].iter().product();
            let fits = |i: usize| shape[i] == 1 && shape[..i].iter().product::<usize>() == before;
            let copied = target.get(row) == Some(&0) && !allow_zero && fits(row);
            let candidates = [copied.then_some(row), inferred.filter(|&i| fits(i))];
            let found = candidates.into_iter().flatten().next();
            match found.or_else(|| (0..shape.len()).find(|&i| fits(i))) {
                Some(axis) => Some(axis),
                None => b.drop_rows("this reshape")?,
            }
        }
    };
    Ok(vec![b.reshaped(&x, shape, row_axis)?])
}
