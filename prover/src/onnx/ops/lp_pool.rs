//! LpPool and GlobalLpPool: `(sum |x|^p)^(1/p)` of each window, p 1 or 2; padding counts nothing. Source: ONNX LpPool,
//! opsets 2 to 18; GlobalLpPool, opset 2.

use super::super::error::OpError;
use super::super::float::Reduction;
use super::super::import::{Builder, NodeView, Operand};
use super::index::moved_or;
use super::reduction::reduce;
use super::window::Windows;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    if b.row_axis(&x).is_some_and(|row| row > 1) {
        return Err(OpError::mixes_rows("windows over the batch dimension"));
    }
    let norm = norm(node)?;
    let windows = Windows::of(node, &shape)?;
    let mut spread = windows.result();
    let all = windows.each();
    let elements: Vec<Option<usize>> = all.iter().flat_map(|w| w.elements.clone()).collect();
    spread.push(all.first().map_or(0, |w| w.elements.len()));
    let mut last = vec![false; spread.len()];
    last[spread.len() - 1] = true;
    let row_axis = b.row_axis(&x);
    let elements = moved_or(b, &x, &elements, 0.0, spread, row_axis)?;
    Ok(vec![reduce(b, norm, &elements, &last, false)?])
}

pub(super) fn global(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let rank = b.shape(&x).len();
    let spatial: Vec<bool> = (0..rank).map(|i| i >= 2).collect();
    Ok(vec![reduce(b, norm(node)?, &x, &spatial, true)?])
}

fn norm(node: &NodeView<'_>) -> Result<Reduction, OpError> {
    match node.int("p", 2) {
        1 => Ok(Reduction::L1),
        2 => Ok(Reduction::L2),
        p => Err(OpError::unsupported(format!("p = {p}"), "p of 1 or 2")),
    }
}
