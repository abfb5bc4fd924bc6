//! Less: `l < r`, exact on the quantised operands. Source: ONNX Less, opset 9 on.

use super::super::error::OpError;
use super::super::float::Relation;
use super::super::import::{Builder, NodeView, Operand};
use super::comparison;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    comparison::import(Relation::Less, b, node)
}
