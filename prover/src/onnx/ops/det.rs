//! Det: the determinant of matrices of up to four rows, by cofactors. Source: ONNX Det, opset 11.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{apply, Operation};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let &[.., n, m] = shape.as_slice() else {
        return Err(OpError::invalid("a determinant needs two axes"));
    };
    if n != m || n == 0 {
        return Err(OpError::invalid("a matrix that is not square"));
    }
    if n > 4 {
        let reason = format!("a determinant of {n} rows");
        return Err(OpError::unsupported(reason, "matrices of up to four rows"));
    }
    let stack = &shape[..shape.len() - 2];
    let row_axis = b.row_axis(&x);
    if row_axis.is_some_and(|row| row >= stack.len()) {
        return Err(OpError::mixes_rows(
            "a determinant over the batch dimension",
        ));
    }
    let count: usize = stack.iter().product();
    // Entries side by side for all matrices.
    let mut entries = Vec::with_capacity(n * n);
    for entry in 0..n * n {
        let at = (0..count).map(|k| (k * n * n + entry) as u32).collect();
        entries.push(b.movement(std::slice::from_ref(&x), at, vec![count], None)?);
    }
    let columns: Vec<usize> = (0..n).collect();
    let det = cofactors(b, &entries, n, 0, &columns)?;
    Ok(vec![b.reshaped(&det, stack.to_vec(), row_axis)?])
}

/// The determinant of the rows from `row` on and these columns.
fn cofactors(
    b: &mut Builder,
    entries: &[Operand],
    n: usize,
    row: usize,
    columns: &[usize],
) -> Result<Operand, OpError> {
    let mut sum: Option<Operand> = None;
    for (i, &column) in columns.iter().enumerate() {
        let entry = entries[row * n + column].clone();
        let rest: Vec<usize> = columns.iter().copied().filter(|&c| c != column).collect();
        let term = if rest.is_empty() {
            entry
        } else {
            let minor = cofactors(b, entries, n, row + 1, &rest)?;
            apply(b, Operation::Mul, &entry, &minor)?
        };
        let operation = if i % 2 == 0 {
            Operation::Add
        } else {
            Operation::Sub
        };
        sum = Some(match sum {
            None => term,
            Some(sum) => apply(b, operation, &sum, &term)?,
        });
    }
    sum.ok_or_else(|| OpError::invalid("a matrix without columns"))
}
