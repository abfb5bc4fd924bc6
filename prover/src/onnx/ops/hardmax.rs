//! Hardmax: 1 for the first greatest element along an axis, 0 elsewhere; before opset 13 over all axes from `axis` on.
//! Source: ONNX Hardmax, opsets 1, 11 and 13.

use super::super::error::OpError;
use super::super::float::{AxisView, FloatOp, Relation, Threshold};
use super::super::graph::Kind;
use super::super::import::{axis_of, Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let Operand::Activation(x) = *node.need(0)? else {
        return Err(OpError::unsupported("a hardmax of constants", "its result"));
    };
    let (shape, row) = (b.value(x).shape.clone(), b.value(x).row_axis);
    let (default, flattens) = if node.opset < 13 {
        (1, true)
    } else {
        (-1, false)
    };
    let axis = axis_of(node.int("axis", default), shape.len())?;
    let view = if flattens {
        AxisView {
            outer: shape[..axis].iter().product(),
            len: shape[axis..].iter().product(),
            inner: 1,
        }
    } else {
        AxisView::of(&shape, axis)
    };
    if row.is_some_and(|r| r == axis || (flattens && r > axis)) {
        return Err(OpError::mixes_rows("a hardmax over the batch dimension"));
    }
    if !b.value(x).kind.is_numeric() {
        return Err(OpError::unsupported("a hardmax of labels", "of scores"));
    }
    let op = FloatOp::ArgMax {
        axis: view,
        last: false,
    };
    let groups = vec![view.outer * view.inner];
    let best = b.push(op, &[x], groups, None, Kind::Index)?;
    // The index beside each element of its group.
    let len = shape.iter().product();
    let (mut indices, mut thresholds) = (vec![0; len], vec![0.0; len]);
    for (g, group) in view.groups().enumerate() {
        for (k, i) in group.into_iter().enumerate() {
            (indices[i], thresholds[i]) = (g as u32, k as f64);
        }
    }
    let spread = b.movement(&[best], indices, shape.clone(), row)?;
    let Operand::Activation(spread) = spread else {
        return Err(OpError::invalid("an activation was expected"));
    };
    let op = FloatOp::Threshold(Threshold {
        relation: Relation::Equal,
        thresholds,
    });
    Ok(vec![b.push(op, &[spread], shape, row, Kind::Integer)?])
}
