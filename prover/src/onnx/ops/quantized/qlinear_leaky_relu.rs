//! QLinearLeakyRelu: a table of `x` for `x >= 0`, else `alpha x`, over the operand's integers.
//! Source: com.microsoft.QLinearLeakyRelu, version 1.

use super::super::super::error::OpError;
use super::super::super::float::Pointwise;
use super::super::super::import::{Builder, NodeView, Operand};
use super::{activation, result_scale, table};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let alpha = f64::from(node.float("alpha", 0.01) as f32);
    if !alpha.is_finite() {
        return Err(OpError::invalid("alpha is not finite"));
    }
    let x = activation(b, node, 0)?;
    let y = result_scale(b, node, 3, x.scale.element)?;
    let leaky = |v: f32| (Pointwise::LeakyRelu { alpha }.eval(v.into()), true);
    Ok(vec![table(b, "LeakyRelu", x, y, leaky)?])
}
