//! DequantizeLinear: `(q - zero) scale`, in float32. Source: ONNX DequantizeLinear, opset 10 on.

use std::rc::Rc;

use super::super::super::error::OpError;
use super::super::super::float::Quantized;
use super::super::super::graph::Kind;
use super::super::super::import::{axis_of, Builder, NodeView, Operand};
use super::super::super::tensor::{Data, Tensor};
use super::{push, scales};

/// Scales and zero points along one axis, or one of each.
pub(super) struct Channels {
    scales: Vec<f32>,
    zeros: Vec<i64>,
    /// Elements between one channel and the next.
    inner: usize,
}

impl Channels {
    /// Of the node's operands 1 and 2, for a tensor of this shape.
    pub(super) fn of(node: &NodeView<'_>, shape: &[usize]) -> Result<Self, OpError> {
        if node.int("block_size", 0) != 0 {
            return Err(OpError::unsupported(
                "scales for each block",
                "one scale a tensor or a channel",
            ));
        }
        let scales = scales(node, 1)?;
        let zeros = node.integers(2, "the zero point")?.unwrap_or(vec![0]);
        if scales.len() == 1 && zeros.len() == 1 {
            return Ok(Self {
                scales,
                zeros,
                inner: 1,
            });
        }
        let axis = axis_of(node.int("axis", 1), shape.len())?;
        let fits = |n: usize| n == 1 || n == shape[axis];
        if !fits(scales.len()) || !fits(zeros.len()) {
            return Err(OpError::invalid(format!(
                "{} scales and {} zero points for {} channels",
                scales.len(),
                zeros.len(),
                shape[axis]
            )));
        }
        Ok(Self {
            scales,
            zeros,
            inner: shape[axis + 1..].iter().product(),
        })
    }

    /// Scale and zero point of element i.
    pub(super) fn at(&self, i: usize) -> (f32, i64) {
        let channel = i / self.inner.max(1);
        let (s, z) = (self.scales.len(), self.zeros.len());
        (self.scales[channel % s], self.zeros[channel % z])
    }
}

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let channels = Channels::of(node, b.shape(&x))?;
    match x {
        Operand::Constant(tensor) => {
            let integers = tensor
                .integers()
                .ok_or_else(|| OpError::invalid("only integers can be dequantised"))?;
            b.count(integers.len())?;
            let numbers = integers.iter().enumerate().map(|(i, q)| {
                let (scale, zero) = channels.at(i);
                f64::from((q - zero) as f32 * scale)
            });
            let data = Data::Float(numbers.collect());
            let shape = tensor.shape.clone();
            Ok(vec![Operand::Constant(Rc::new(Tensor { shape, data }))])
        }
        Operand::Activation(id) => {
            let value = b.value(id);
            if !matches!(value.kind, Kind::Quantized(_) | Kind::Integer) || b.is_input(id) {
                return Err(OpError::unsupported(
                    "dequantising what the model did not quantise",
                    "QuantizeLinear before it",
                ));
            }
            let (shape, row_axis) = (value.shape.clone(), value.row_axis);
            let op = Quantized::Dequantize {
                scales: channels.scales,
                zeros: channels.zeros,
                inner: channels.inner,
            };
            let made = push(b, op, &[id], shape, row_axis, Kind::Number)?;
            Ok(vec![Operand::Activation(made)])
        }
    }
}
