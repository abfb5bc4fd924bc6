//! Shape: the extents of a tensor, a constant; the row dimension counts 1. Source: ONNX Shape, opsets 1,
//! 13, 15 (start and end).

use std::rc::Rc;

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::super::tensor::Tensor;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let shape = b.shape(node.need(0)?);
    let rank = shape.len() as i64;
    let wrap = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (wrap(node.int("start", 0)), wrap(node.int("end", rank)));
    let extents = shape.get(start..end).unwrap_or_default();
    let tensor = Tensor::ints(extents.iter().map(|&d| d as i64).collect());
    Ok(vec![Operand::Constant(Rc::new(tensor))])
}
