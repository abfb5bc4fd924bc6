//! QLinearConcat: each operand brought to the result's scale, by table where it has another, then joined.
//! Source: com.microsoft.QLinearConcat, version 1.

use super::super::super::error::OpError;
use super::super::super::import::{axis_of, Builder, NodeView, Operand};
use super::super::concat::joined;
use super::{activation, result_scale, table};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let count = (node.all()?.len().saturating_sub(2)) / 3;
    if count == 0 {
        return Err(OpError::invalid("no operands"));
    }
    let mut operands = Vec::with_capacity(count);
    for i in 0..count {
        let x = activation(b, node, 2 + 3 * i)?;
        let y = result_scale(b, node, 0, x.scale.element)?;
        operands.push(table(b, "Requantize", x, y, |v| (f64::from(v), true))?);
    }
    let axis = axis_of(node.int("axis", 0), b.shape(&operands[0]).len())?;
    Ok(vec![joined(b, &operands, axis)?])
}
