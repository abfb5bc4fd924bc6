//! QuantizeLinear: `q = clamp(rint(x / scale) + zero)`, half to even, in float32.
//!
//! Of a model input it becomes that input's encoding; of a function of one dequantised tensor, element by element, it
//! becomes one exact table; of a constant, a constant. Any other float operand is refused: its last bits would depend
//! on the library. Source: ONNX QuantizeLinear, opset 10 on.

use std::rc::Rc;

use super::super::super::error::OpError;
use super::super::super::float::{Element, FloatOp, Pointwise, Quantized, Scale};
use super::super::super::graph::{Kind, ValueId};
use super::super::super::import::{Builder, NodeView, Operand};
use super::super::super::tensor::{Data, Tensor};
use super::{moved, push, quantised, scale_of, table, Activation};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let element = match node.input(2) {
        Some(_) => quantised(b, node, 2)?,
        None => match i32::try_from(node.int("output_dtype", 0)) {
            Ok(0) => Element::Uint8,
            code => code.ok().and_then(Element::of).ok_or_else(|| {
                OpError::unsupported("this type of integers", "int8, uint8, int16 or uint16")
            })?,
        },
    };
    let x = match node.need(0)? {
        Operand::Activation(id) => *id,
        Operand::Constant(tensor) => {
            let tensor = tensor.clone();
            return constant(b, node, &tensor, element).map(|made| vec![made]);
        }
    };
    let scale = scale_of(node, element, 1, 2)?;
    if let Some(made) = requantised(b, x, scale)? {
        return Ok(vec![made]);
    }
    if !b.is_input(x) {
        return Err(OpError::unsupported(
            "quantising the result of a float operator that onnxruntime keeps in float32, so that its last bits \
             depend on the library",
            "DequantizeLinear before and QuantizeLinear behind each operator, as static quantisation writes them, \
             or the float model",
        ));
    }
    let value = b.value(x);
    if !matches!(value.kind, Kind::Number | Kind::Integer) {
        return Err(OpError::unsupported(
            "quantising what is no number",
            "an input of numbers",
        ));
    }
    let (shape, row_axis) = (value.shape.clone(), value.row_axis);
    let op = Quantized::Quantize(scale);
    let made = push(b, op, &[x], shape, row_axis, Kind::Quantized(element))?;
    Ok(vec![Operand::Activation(made)])
}

/// A table over the integers behind `x`, if elementwise functions and rearrangements alone lie between.
fn requantised(b: &mut Builder, x: ValueId, to: Scale) -> Result<Option<Operand>, OpError> {
    let mut functions: Vec<Pointwise> = Vec::new();
    let mut moves: Vec<(Vec<u32>, ValueId)> = Vec::new();
    let mut at = x;
    let from = loop {
        let Some(maker) = b.maker(at) else {
            return Ok(None);
        };
        let input = maker.inputs[0];
        match &maker.op {
            FloatOp::Pointwise(f) => functions.push(*f),
            FloatOp::Movement(op) if maker.inputs.len() == 1 => {
                moves.push((op.indices.clone(), at));
            }
            FloatOp::Quantized(Quantized::Dequantize { scales, zeros, .. }) => {
                let (&[scale], &[zero], Kind::Quantized(element)) =
                    (scales.as_slice(), zeros.as_slice(), &b.value(input).kind)
                else {
                    return Ok(None);
                };
                let element = *element;
                at = input;
                break Scale {
                    scale,
                    zero,
                    element,
                };
            }
            _ => return Ok(None),
        }
        at = input;
    };
    functions.reverse();
    let name = functions.last().map_or("Requantize", |f| f.name());
    let f = |x: f32| {
        let mut y = f64::from(x);
        for (i, f) in functions.iter().enumerate() {
            y = f.eval(y);
            if i + 1 < functions.len() {
                y = f64::from(y as f32);
            }
        }
        // Rounded once, these are the float32 numbers that every library gives.
        let exact = |f: &Pointwise| {
            matches!(
                f,
                Pointwise::Relu
                    | Pointwise::LeakyRelu { .. }
                    | Pointwise::Clip { .. }
                    | Pointwise::Neg
                    | Pointwise::Abs
                    | Pointwise::Floor
                    | Pointwise::Ceil
                    | Pointwise::Round
            )
        };
        (y, functions.iter().all(exact))
    };
    let mut made = table(
        b,
        name,
        Activation {
            id: at,
            scale: from,
        },
        to,
        f,
    )?;
    for (indices, like) in moves.into_iter().rev() {
        let value = b.value(like);
        let (shape, row_axis) = (value.shape.clone(), value.row_axis);
        if let Operand::Activation(id) = made {
            made = moved(b, id, indices, shape, row_axis)?;
        }
    }
    Ok(Some(made))
}

/// A constant, quantised along an axis or as a whole.
fn constant(
    b: &mut Builder,
    node: &NodeView<'_>,
    tensor: &Tensor,
    element: Element,
) -> Result<Operand, OpError> {
    let numbers = tensor
        .numbers()
        .ok_or_else(|| OpError::invalid("strings cannot be quantised"))?;
    b.count(numbers.len())?;
    let channels = super::dequantize_linear::Channels::of(node, &tensor.shape)?;
    let integers = numbers.iter().enumerate().map(|(i, &x)| {
        let (scale, zero) = channels.at(i);
        let scale = Scale {
            scale,
            zero,
            element,
        };
        scale.quantize(x as f32)
    });
    let data = Data::Int(integers.collect());
    Ok(Operand::Constant(Rc::new(Tensor {
        shape: tensor.shape.clone(),
        data,
    })))
}
