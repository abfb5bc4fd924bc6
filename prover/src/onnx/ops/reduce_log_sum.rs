//! ReduceLogSum: the logarithm of sums over axes, tabled. Source: ONNX ReduceLogSum, all opsets.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise, Reduction};
use super::super::import::{Builder, NodeView, Operand};
use super::reduction;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let sums = reduction::import(Reduction::Sum, b, node)?;
    let log = |sum: &Operand| b.map(FloatOp::Pointwise(Pointwise::Log), sum);
    sums.iter().map(log).collect()
}
