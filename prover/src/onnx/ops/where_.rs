//! Where: `a` where the condition holds, else `b`, exact. Source: ONNX Where, opset 9 on.

use super::super::error::OpError;
use super::super::float::FloatOp;
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{broadcast_to, common_shape};
use super::elementwise::{aligned, Aligned};
use super::not::truth;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let condition = truth(b, node.need(0)?)?;
    let (then, otherwise) = (node.need(1)?.clone(), node.need(2)?.clone());
    let shape = common_shape(b.shape(&condition), b.shape(&then))?;
    let shape = common_shape(&shape, b.shape(&otherwise))?;
    if let Operand::Constant(_) = condition {
        // A choice known beforehand moves data.
        let (mask, _) = broadcast_to(b, &condition, &shape)?;
        let Operand::Constant(mask) = mask else {
            return Err(OpError::invalid("a constant was expected"));
        };
        let mask = mask.numbers().unwrap_or_default();
        let (then, rows) = broadcast_to(b, &then, &shape)?;
        let (otherwise, other_rows) = broadcast_to(b, &otherwise, &shape)?;
        let len = mask.len();
        let indices = mask
            .iter()
            .enumerate()
            .map(|(i, &c)| if c != 0.0 { i } else { i + len } as u32)
            .collect();
        let rows = rows.or(other_rows);
        return Ok(vec![b.movement(
            &[then, otherwise],
            indices,
            shape,
            rows,
        )?]);
    }
    match aligned(b, &[condition, then, otherwise], &shape)? {
        Aligned::Activations(ids, row_axis) => Ok(vec![b.push(
            FloatOp::Select,
            &ids,
            shape,
            row_axis,
            Kind::Number,
        )?]),
        Aligned::Constants(_) => Err(OpError::invalid("a computed condition was expected")),
    }
}
