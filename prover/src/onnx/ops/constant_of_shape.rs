//! ConstantOfShape: one number, repeated. Source: ONNX ConstantOfShape, opset 9 on.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let shape = node.integers(0, "the shape")?.unwrap_or_default();
    let shape: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.ok_or_else(|| OpError::invalid("a negative extent"))?;
    let len = checked_len(&shape)?;
    b.count(len)?;
    let data = match node.attribute("value").and_then(|a| a.t.as_ref()) {
        None => Data::Float(vec![0.0; len]),
        Some(proto) => {
            let one = Tensor::decode(proto).map_err(|e| OpError::invalid(e.to_string()))?;
            match one.data {
                Data::Float(v) if v.len() == 1 => Data::Float(vec![v[0]; len]),
                Data::Int(v) if v.len() == 1 => Data::Int(vec![v[0]; len]),
                _ => return Err(OpError::invalid("value must be one number")),
            }
        }
    };
    Ok(vec![Operand::Constant(Rc::new(Tensor { shape, data }))])
}
