//! CumSum: running sums along a constant axis, from either end, with or without the element itself; exact. Source: ONNX
//! CumSum, opsets 11 and 14.

use super::super::error::OpError;
use super::super::float::AxisView;
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::broadcast::{apply, Operation};
use super::index::moved_or;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let axis = match node.integers(1, "the axis")?.as_deref() {
        Some(&[axis]) => axis_of(axis, shape.len())?,
        _ => return Err(OpError::invalid("the axis must be one number")),
    };
    if b.row_axis(&x) == Some(axis) {
        return Err(OpError::mixes_rows("sums along the batch dimension"));
    }
    let view = AxisView::of(&shape, axis);
    if view.len == 0 {
        return Err(OpError::unsupported(
            "sums of nothing",
            "one element or more",
        ));
    }
    let groups: Vec<Vec<usize>> = view.groups().collect();
    let reverse = node.int("reverse", 0) != 0;
    let exclusive = node.int("exclusive", 0) != 0;
    let step = |k: usize| if reverse { view.len - 1 - k } else { k };
    // 1. Sums side by side, one addition a step.
    let mut sums: Vec<Operand> = Vec::with_capacity(view.len);
    for k in 0..view.len - usize::from(exclusive && view.len > 1) {
        let at = groups.iter().map(|g| g[step(k)] as u32).collect();
        let term = b.movement(std::slice::from_ref(&x), at, vec![groups.len()], None)?;
        sums.push(match sums.last() {
            None => term,
            Some(sum) => apply(b, Operation::Add, sum, &term)?,
        });
    }
    // 2. Each where it belongs; before the first element the sum is zero.
    let mut from = vec![None; shape.iter().product()];
    for (g, group) in groups.iter().enumerate() {
        for k in 0..view.len {
            let last = if exclusive { k.checked_sub(1) } else { Some(k) };
            from[group[step(k)]] = last.map(|last| last * groups.len() + g);
        }
    }
    let all: Vec<u32> = (0..(sums.len() * groups.len()) as u32).collect();
    let joined = b.movement(&sums, all, vec![sums.len() * groups.len()], None)?;
    let row_axis = b.row_axis(&x);
    Ok(vec![moved_or(b, &joined, &from, 0.0, shape, row_axis)?])
}
