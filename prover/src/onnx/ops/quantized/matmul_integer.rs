//! MatMulInteger: `sum (x - zero_x) (w - zero_w)`, exact integers; zero points are constants. MatMulIntegerToFloat
//! multiplies the sums by `scale_x scale_w`, in float32, and adds no bias.
//! Source: ONNX MatMulInteger, opset 10; com.microsoft.MatMulIntegerToFloat.

use super::super::super::error::OpError;
use super::super::super::float::Quantized;
use super::super::super::graph::{Kind, ValueId};
use super::super::super::import::{Builder, NodeView, Operand};
use super::{push, quantised, scale_of, weights, Weights};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let (sums, _) = sums(b, node, None, (2, 3))?;
    Ok(vec![Operand::Activation(sums)])
}

pub(in super::super) fn to_float(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    if node.input(6).is_some() {
        return Err(OpError::unsupported(
            "a float bias behind an integer product",
            "an Add behind it",
        ));
    }
    let element = quantised(b, node, 0)?;
    let x = scale_of(node, element, 2, 4)?;
    let (sums, weights) = sums(b, node, Some(3), (4, 5))?;
    let value = b.value(sums);
    let (shape, row_axis) = (value.shape.clone(), value.row_axis);
    let op = Quantized::Dequantize {
        scales: weights.scales.iter().map(|w| x.scale * w).collect(),
        inner: 1,
        zeros: vec![0],
    };
    let made = push(b, op, &[sums], shape, row_axis, Kind::Number)?;
    Ok(vec![Operand::Activation(made)])
}

fn sums(
    b: &mut Builder,
    node: &NodeView<'_>,
    scale: Option<usize>,
    (x_zero, w_zero): (usize, usize),
) -> Result<(ValueId, Weights), OpError> {
    quantised(b, node, 0)?;
    let Operand::Activation(x) = *node.need(0)? else {
        return Err(OpError::unsupported(
            "a product whose left factor is constant",
            "an activation by a constant",
        ));
    };
    let zeros = node.integers(x_zero, "the zero point")?;
    let &[zero] = zeros.unwrap_or(vec![0]).as_slice() else {
        return Err(OpError::unsupported(
            "a zero point for each row",
            "one zero point for the activation",
        ));
    };
    let weights = weights(b, node, (1, scale, w_zero), false)?;
    let bias = vec![0; weights.outputs];
    let sums = weights.sums(b, x, zero, bias)?;
    Ok((sums, weights))
}
