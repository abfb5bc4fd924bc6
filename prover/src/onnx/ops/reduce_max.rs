//! ReduceMax: greatest element over axes. Source: ONNX ReduceMax, all opsets.

use super::super::error::OpError;
use super::super::float::Reduction;
use super::super::import::{Builder, NodeView, Operand};
use super::reduction;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    reduction::import(Reduction::Max, b, node)
}
