//! AveragePool and GlobalAveragePool: the mean of each window, over its elements or over its padded positions too.
//! Source: ONNX AveragePool, opsets 1 to 19; GlobalAveragePool, opset 1.

use super::super::error::OpError;
use super::super::float::{Combination, Reduction};
use super::super::import::{Builder, NodeView, Operand};
use super::linear_map::combined;
use super::reduction::reduce;
use super::window::Windows;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    if b.row_axis(&x).is_some_and(|row| row > 1) {
        return Err(OpError::mixes_rows("windows over the batch dimension"));
    }
    let windows = Windows::of(node, &shape)?;
    let padded = node.int("count_include_pad", 0) != 0;
    let mut means = Combination::default();
    for window in windows.each() {
        let inside: Vec<usize> = window.elements.iter().flatten().copied().collect();
        if padded && window.padded < window.elements.len() {
            return Err(OpError::unsupported(
                "a window that counts padding and reaches beyond it, on which implementations disagree",
                "ceil_mode without count_include_pad",
            ));
        }
        let count = if padded { window.padded } else { inside.len() };
        if count == 0 {
            let reason = "a window of padding alone";
            return Err(OpError::unsupported(reason, "smaller pads"));
        }
        means.row(inside.into_iter().map(|p| (p, 1.0 / count as f64)));
    }
    let row_axis = b.row_axis(&x);
    Ok(vec![combined(b, &x, means, windows.result(), row_axis)?])
}

pub(super) fn global(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let rank = b.shape(&x).len();
    let spatial: Vec<bool> = (0..rank).map(|i| i >= 2).collect();
    Ok(vec![reduce(b, Reduction::Mean, &x, &spatial, true)?])
}
