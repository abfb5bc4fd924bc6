//! ArgMax: index of the greatest element along one axis; the first of equals wins, or the last with
//! select_last_index. Source: ONNX ArgMax, opset 1 on.

use super::super::error::OpError;
use super::super::float::{AxisView, FloatOp};
use super::super::graph::Kind;
use super::super::import::{axis_of, Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    index(b, node, node.need(0)?)
}

/// Index of the greatest element of `x`, by the node's attributes.
pub(super) fn index(
    b: &mut Builder,
    node: &NodeView<'_>,
    x: &Operand,
) -> Result<Vec<Operand>, OpError> {
    let Operand::Activation(x) = *x else {
        return Err(OpError::unsupported(
            "an argmax of constants",
            "the index as a constant",
        ));
    };
    let value = b.value(x);
    if !value.kind.is_numeric() {
        return Err(OpError::unsupported(
            "an argmax of labels",
            "an argmax of scores",
        ));
    }
    let mut shape = value.shape.clone();
    let axis = axis_of(node.int("axis", 0), shape.len())?;
    let mut row_axis = value.row_axis;
    if row_axis == Some(axis) {
        return Err(OpError::mixes_rows("an argmax over the batch dimension"));
    }
    let view = AxisView::of(&shape, axis);
    if node.int("keepdims", 1) != 0 {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
        row_axis = row_axis.map(|r| if r > axis { r - 1 } else { r });
    }
    let last = node.int("select_last_index", 0) != 0;
    let op = FloatOp::ArgMax { axis: view, last };
    Ok(vec![b.push(op, &[x], shape, row_axis, Kind::Index)?])
}
