//! Softmax: `exp(x_i) / sum_j exp(x_j)` along one axis; before opset 13 over all axes from `axis` on,
//! after flattening to a matrix. Source: ONNX Softmax, opsets 1, 11 and 13.

use super::super::error::OpError;
use super::super::float::{AxisView, FloatOp};
use super::super::import::{axis_of, Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?;
    let shape = b.shape(x).to_vec();
    let row = b.row_axis(x);
    let (view, mixes) = if node.opset >= 13 {
        let axis = axis_of(node.int("axis", -1), shape.len())?;
        (AxisView::of(&shape, axis), row == Some(axis))
    } else {
        let axis = axis_of(node.int("axis", 1), shape.len())?;
        let outer = shape[..axis].iter().product();
        let len = shape[axis..].iter().product();
        (
            AxisView {
                outer,
                len,
                inner: 1,
            },
            row.is_some_and(|r| r >= axis),
        )
    };
    if mixes {
        return Err(OpError::mixes_rows("a softmax over the batch dimension"));
    }
    Ok(vec![b.map(FloatOp::Softmax(view), x)?])
}
