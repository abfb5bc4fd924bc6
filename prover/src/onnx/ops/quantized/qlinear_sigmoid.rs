//! QLinearSigmoid: a table of `1 / (1 + exp(-x))` over the operand's integers. Source: com.microsoft.QLinearSigmoid,
//! version 1.

use super::super::super::error::OpError;
use super::super::super::float::Pointwise;
use super::super::super::import::{Builder, NodeView, Operand};
use super::{activation, result_scale, table};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node, 0)?;
    let y = result_scale(b, node, 3, x.scale.element)?;
    let sigmoid = |v: f32| (Pointwise::Sigmoid.eval(v.into()), false);
    Ok(vec![table(b, "Sigmoid", x, y, sigmoid)?])
}
