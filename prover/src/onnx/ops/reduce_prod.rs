//! ReduceProd: product over axes, one multiplication after the other. Source: ONNX ReduceProd, all opsets.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{apply, Operation};
use super::reduction::{arranged, marked, Arranged};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let Some(reduced) = marked(b, node)? else {
        return Ok(vec![x]);
    };
    let keep = node.int("keepdims", 1) != 0;
    let Arranged {
        turned,
        view,
        shape,
        row_axis,
    } = arranged(b, &x, &reduced, keep)?;
    let mut product: Option<Operand> = None;
    for k in 0..view.len {
        let at = (0..view.outer).map(|g| (g * view.len + k) as u32).collect();
        let factor = b.movement(std::slice::from_ref(&turned), at, shape.clone(), row_axis)?;
        product = Some(match product {
            None => factor,
            Some(product) => apply(b, Operation::Mul, &product, &factor)?,
        });
    }
    Ok(vec![product.ok_or_else(|| OpError::invalid("no factors"))?])
}
