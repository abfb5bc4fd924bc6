//! Constant: a tensor given by an attribute. Source: ONNX Constant, opsets 1 to 21.

use std::rc::Rc;

use super::super::error::{ImportError, OpError};
use super::super::import::{Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let scalar = |data| Tensor {
        shape: vec![],
        data,
    };
    let vector = |len, data| Tensor {
        shape: vec![len],
        data,
    };
    let text = |s: &Vec<u8>| String::from_utf8(s.clone());
    let tensor = if let Some(a) = node.attribute("value") {
        let proto =
            a.t.as_ref()
                .ok_or_else(|| OpError::invalid("value holds no tensor"))?;
        Tensor::decode(proto).map_err(|error| match error {
            ImportError::ExternalData { .. } => OpError::unsupported(
                "its data lies in an external file",
                "all tensors inside the .onnx file",
            ),
            other => OpError::invalid(other.to_string()),
        })?
    } else if let Some(a) = node.attribute("value_float") {
        scalar(Data::Float(vec![f64::from(a.f)]))
    } else if let Some(v) = node.floats("value_floats") {
        vector(v.len(), Data::Float(v))
    } else if let Some(a) = node.attribute("value_int") {
        scalar(Data::Int(vec![a.i]))
    } else if let Some(v) = node.ints("value_ints") {
        Tensor::ints(v.to_vec())
    } else if let Some(a) = node.attribute("value_string") {
        let s = text(&a.s).map_err(|_| OpError::invalid("a string that is not UTF-8"))?;
        scalar(Data::Text(vec![s]))
    } else if let Some(a) = node.attribute("value_strings") {
        let v: Result<Vec<String>, _> = a.strings.iter().map(text).collect();
        let v = v.map_err(|_| OpError::invalid("a string that is not UTF-8"))?;
        vector(v.len(), Data::Text(v))
    } else {
        return Err(OpError::unsupported(
            "a sparse constant",
            "a dense constant",
        ));
    };
    b.count(tensor.weight())?;
    Ok(vec![Operand::Constant(Rc::new(tensor))])
}
