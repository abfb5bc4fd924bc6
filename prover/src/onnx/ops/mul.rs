//! Mul: `l * r`, broadcast. Source: ONNX Mul, opset 7 on.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{self, Operation};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    broadcast::import(Operation::Mul, b, node)
}
