//! QLinearMatMul: `clamp(rint(f32(sum (a - z_a) (b - z_b)) (s_a s_b / s_y)) + z_y)`, b a constant matrix with one scale
//! or one for each column. Source: ONNX QLinearMatMul, opset 10 on.

use super::super::super::error::OpError;
use super::super::super::float::Rule;
use super::super::super::import::{Builder, NodeView, Operand};
use super::{activation, requantised, result_scale, weights};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node, 0)?;
    let weights = weights(b, node, (3, Some(4), 5), false)?;
    let y = result_scale(b, node, 6, x.scale.element)?;
    let rule = |w: &f32| Rule::Product(x.scale.scale * w / y.scale);
    let rules = weights.scales.iter().map(rule).collect();
    let bias = vec![0; weights.outputs];
    let sums = weights.sums(b, x.id, x.scale.zero, bias)?;
    Ok(vec![requantised(b, sums, rules, 1, y)?])
}
