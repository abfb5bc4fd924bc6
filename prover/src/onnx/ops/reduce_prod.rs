//! ReduceProd: product over axes. Source: ONNX ReduceProd, all opsets.

use super::super::error::OpError;
use super::super::float::Reduction;
use super::super::import::{Builder, NodeView, Operand};
use super::reduction;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    reduction::import(Reduction::Prod, b, node)
}
