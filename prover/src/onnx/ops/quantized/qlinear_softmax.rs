//! QLinearSoftmax: `rint(levels e_i / sum e) + zero`, `e_i = exp(scale (x_i - max x))`, levels `floor(1 / scale_y)`.
//!
//! onnxruntime sums float32 exponentials; here they have 26 fractional bits, so that a quotient within about 2^-15 of
//! a half may round to the other side. Source: com.microsoft.QLinearSoftmax, version 1.

use super::super::super::error::OpError;
use super::super::super::float::{AxisView, Quantized, SoftmaxRule};
use super::super::super::graph::Kind;
use super::super::super::import::{axis_of, Builder, NodeView, Operand};
use super::{activation, push, result_scale};

/// More levels than an 8-bit type holds several times over.
const MAX_LEVELS: f32 = 4096.0;

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node, 0)?;
    let y = result_scale(b, node, 3, x.scale.element)?;
    let levels = (1.0 / y.scale).floor();
    let narrow = x.scale.element.bits() <= 7 && y.element == x.scale.element;
    if !narrow || !(1.0..=MAX_LEVELS).contains(&levels) {
        return Err(OpError::unsupported(
            "a softmax of these types or of this output scale",
            "operand and result of one 8-bit type, an output scale from 1/4096 to 1",
        ));
    }
    let value = b.value(x.id);
    let (shape, row_axis) = (value.shape.clone(), value.row_axis);
    let old = node.int("opset", 13) < 13;
    let axis = axis_of(node.int("axis", if old { 1 } else { -1 }), shape.len())?;
    let axis_view = if old {
        AxisView {
            outer: shape[..axis].iter().product(),
            len: shape[axis..].iter().product(),
            inner: 1,
        }
    } else {
        AxisView::of(&shape, axis)
    };
    if row_axis.is_some_and(|row| if old { row >= axis } else { row == axis }) {
        return Err(OpError::mixes_rows("a softmax over the batch dimension"));
    }
    let op = Quantized::Softmax(SoftmaxRule {
        axis: axis_view,
        scale: x.scale.scale,
        levels: levels as i64,
        zero: y.zero,
        element: y.element,
    });
    let made = push(b, op, &[x.id], shape, row_axis, Kind::Quantized(y.element))?;
    Ok(vec![Operand::Activation(made)])
}
