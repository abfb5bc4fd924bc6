//! QLinearAdd: `clamp(rint(a s_a / s_y + (b s_b / s_y + fixed)))`, fixed the zero points' share, each step a float32
//! fused multiply-add. Source: com.microsoft.QLinearAdd, version 1.

use super::super::super::error::OpError;
use super::super::super::float::{AddRule, Quantized};
use super::super::super::graph::Kind;
use super::super::super::import::{Builder, NodeView, Operand};
use super::{pair, push, result_scale};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let (l, r, shape, row_axis) = pair(b, node)?;
    let y = result_scale(b, node, 6, l.scale.element)?;
    if l.scale.element.bits() > 7
        || l.scale.element != r.scale.element
        || y.element != l.scale.element
    {
        return Err(OpError::unsupported(
            "a sum of these types",
            "operands and result of one 8-bit type",
        ));
    }
    let op = Quantized::Add(AddRule::new(l.scale, r.scale, y));
    let kind = Kind::Quantized(y.element);
    let made = push(b, op, &[l.id, r.id], shape, row_axis, kind)?;
    Ok(vec![Operand::Activation(made)])
}
