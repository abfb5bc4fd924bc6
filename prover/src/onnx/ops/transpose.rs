//! Transpose: axes permuted; by default reversed. Source: ONNX Transpose, all opsets.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::strided;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let rank = b.shape(&x).len();
    let permutation: Vec<usize> = match node.ints("perm") {
        None => (0..rank).rev().collect(),
        Some(perm) => {
            let perm: Option<Vec<usize>> = perm.iter().map(|&p| usize::try_from(p).ok()).collect();
            perm.unwrap_or_default()
        }
    };
    let mut sorted = permutation.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(OpError::invalid(format!(
            "perm is no permutation of {rank} axes"
        )));
    }
    Ok(vec![transposed(b, &x, &permutation)?])
}

/// An operand with its axes permuted.
pub(super) fn transposed(
    b: &mut Builder,
    x: &Operand,
    permutation: &[usize],
) -> Result<Operand, OpError> {
    let from = b.shape(x).to_vec();
    let mut stride = 1u32;
    let mut strides = vec![0; from.len()];
    for i in (0..from.len()).rev() {
        strides[i] = stride;
        stride = stride.saturating_mul(from[i] as u32);
    }
    let shape: Vec<usize> = permutation.iter().map(|&p| from[p]).collect();
    let turned: Vec<u32> = permutation.iter().map(|&p| strides[p]).collect();
    let row_axis = b.row_axis(x).map(|a| {
        permutation
            .iter()
            .position(|&p| p == a)
            .expect("a permutation")
    });
    b.movement(
        std::slice::from_ref(x),
        strided(&shape, &turned, 0),
        shape,
        row_axis,
    )
}
