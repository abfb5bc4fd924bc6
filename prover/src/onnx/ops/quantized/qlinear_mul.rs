//! QLinearMul: `clamp(rint(f32((a - z_a) (b - z_b)) (s_a s_b / s_y) + z_y))`. Source: com.microsoft.QLinearMul, version 1.

use super::super::super::error::OpError;
use super::super::super::float::{Quantized, Rule};
use super::super::super::graph::Kind;
use super::super::super::import::{Builder, NodeView, Operand};
use super::{pair, push, requantised, result_scale};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let (l, r, shape, row_axis) = pair(b, node)?;
    let y = result_scale(b, node, 6, l.scale.element)?;
    let op = Quantized::Product {
        zeros: (l.scale.zero, r.scale.zero),
    };
    let products = push(b, op, &[l.id, r.id], shape, row_axis, Kind::Integer)?;
    let rule = Rule::Shifted(l.scale.scale * r.scale.scale / y.scale);
    Ok(vec![requantised(b, products, vec![rule], 1, y)?])
}
