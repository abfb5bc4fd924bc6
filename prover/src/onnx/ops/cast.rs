//! Cast: numbers to a float type are themselves (the graph has one kind of number); indices and labels keep their kind,
//! an integer label also as a float. To an integer type numbers lose their fraction, to bool they are
//! compared with 0; both are exact on the quantised operand. Source: ONNX Cast, opset 6 on; CastLike, opset 15.

use std::rc::Rc;

use tract_onnx::pb::tensor_proto::DataType;

use super::super::error::OpError;
use super::super::float::{FloatOp, Movement, Pointwise, Relation, Threshold};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let code = node.int("to", 0);
    let to = i32::try_from(code)
        .ok()
        .and_then(|c| DataType::try_from(c).ok());
    let to = to.ok_or_else(|| OpError::invalid(format!("element type {code}")))?;
    cast(b, node.need(0)?, to)
}

/// CastLike: to the type of the second operand, of which only the kind of number counts.
pub(super) fn like(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let kind = match node.need(1)? {
        Operand::Activation(id) => b.value(*id).kind.clone(),
        Operand::Constant(tensor) => match &tensor.data {
            Data::Float(_) => Kind::Number,
            // Integers and truth values are not told apart here.
            Data::Int(_) => {
                return Err(OpError::unsupported(
                    "a cast to the type of an integer constant",
                    "Cast",
                ))
            }
            Data::Text(_) => Kind::Label {
                labels: Vec::new(),
                integer: false,
            },
        },
    };
    let to = match kind {
        Kind::Number => DataType::Float,
        Kind::Boolean => DataType::Bool,
        Kind::Quantized(_) => {
            return Err(OpError::unsupported(
                "a cast to the type of a quantised tensor",
                "QuantizeLinear",
            ))
        }
        Kind::Label { integer: false, .. } => DataType::String,
        Kind::Integer | Kind::Index | Kind::Label { .. } => DataType::Int64,
    };
    cast(b, node.need(0)?, to)
}

fn cast(b: &mut Builder, x: &Operand, to: DataType) -> Result<Vec<Operand>, OpError> {
    let float = matches!(
        to,
        DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16
    );
    let integer = matches!(
        to,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Uint8
            | DataType::Uint16
            | DataType::Uint32
            | DataType::Uint64
    );
    let refuse = |from: &str| {
        Err(OpError::unsupported(
            format!("a cast of {from} to {}", to.as_str_name()),
            "casts between number types, and of labels to integers or strings",
        ))
    };
    let x = x.clone();
    let id = match &x {
        Operand::Constant(tensor) => {
            let data = match &tensor.data {
                Data::Float(_) if float => return Ok(vec![x]),
                Data::Int(_) if integer => return Ok(vec![x]),
                Data::Text(_) if to == DataType::String => return Ok(vec![x]),
                Data::Float(v) if integer => Data::Int(v.iter().map(|&f| f as i64).collect()),
                Data::Int(v) if float => Data::Float(v.iter().map(|&i| i as f64).collect()),
                Data::Int(v) if to == DataType::Bool => {
                    Data::Int(v.iter().map(|&i| i64::from(i != 0)).collect())
                }
                _ => return refuse("a constant"),
            };
            b.count(tensor.len())?;
            let shape = tensor.shape.clone();
            return Ok(vec![Operand::Constant(Rc::new(Tensor { shape, data }))]);
        }
        Operand::Activation(id) => *id,
    };
    let value = b.value(id);
    let (shape, row_axis) = (value.shape.clone(), value.row_axis);
    let copy = FloatOp::Movement(Movement {
        indices: (0..value.len() as u32).collect(),
    });
    let (op, kind) = match &value.kind {
        Kind::Number if float => return Ok(vec![x]),
        Kind::Integer | Kind::Index if integer => return Ok(vec![x]),
        Kind::Boolean if to == DataType::Bool => return Ok(vec![x]),
        Kind::Integer | Kind::Index | Kind::Boolean if float => (copy, Kind::Number),
        Kind::Boolean if integer => (copy, Kind::Integer),
        Kind::Number if integer => (FloatOp::Pointwise(Pointwise::Trunc), Kind::Integer),
        Kind::Number | Kind::Integer | Kind::Index if to == DataType::Bool => {
            let zero = Threshold {
                relation: Relation::Equal,
                thresholds: vec![0.0],
            };
            let zero = FloatOp::Threshold(zero);
            let zero = b.push(zero, &[id], shape.clone(), row_axis, Kind::Boolean)?;
            let Operand::Activation(zero) = zero else {
                return refuse("a constant");
            };
            let op = FloatOp::Pointwise(Pointwise::Not);
            return Ok(vec![b.push(op, &[zero], shape, row_axis, Kind::Boolean)?]);
        }
        Kind::Label { integer: true, .. } if integer || float => return Ok(vec![x]),
        Kind::Label { labels, .. } if to == DataType::String => {
            let labels = labels.clone();
            let integer = false;
            (copy, Kind::Label { labels, integer })
        }
        Kind::Label { .. } => return refuse("a label"),
        Kind::Quantized(_) => return refuse("quantised integers"),
        _ => return refuse("numbers"),
    };
    Ok(vec![b.push(op, &[id], shape, row_axis, kind)?])
}
