//! IsNaN and IsInf: false, since the integers of a model are neither. Source: ONNX IsNaN, opset 9; IsInf, opset 10.

use super::super::error::OpError;
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let Operand::Activation(x) = *node.need(0)? else {
        return Err(OpError::unsupported("a test of constants", "its result"));
    };
    let value = b.value(x);
    let (shape, row) = (value.shape.clone(), value.row_axis);
    let none = vec![0.0; value.len()];
    Ok(vec![b.public(&none, shape, x, row, Kind::Boolean)?])
}
