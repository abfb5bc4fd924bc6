//! Operators of quantised networks: ONNX's own, and those of onnxruntime (com.microsoft) that its QOperator format uses.
//!
//! Scales and zero points are constants of the file and become public architecture; weights and biases stay private.

pub(super) mod dequantize_linear;
pub(super) mod dynamic_quantize_linear;
pub(super) mod matmul_integer;
pub(super) mod qgemm;
pub(super) mod qlinear_add;
pub(super) mod qlinear_average;
pub(super) mod qlinear_concat;
pub(super) mod qlinear_conv;
pub(super) mod qlinear_leaky_relu;
pub(super) mod qlinear_matmul;
pub(super) mod qlinear_mul;
pub(super) mod qlinear_sigmoid;
pub(super) mod qlinear_softmax;
pub(super) mod quantize_linear;

#[cfg(test)]
mod tests;

use super::super::error::OpError;
use super::super::float::{
    Element, FloatOp, IntegerLayer, Movement, Quantized, Requantize, Rule, Scale,
};
use super::super::graph::{Kind, ValueId};
use super::super::import::{Builder, NodeView, Operand};

/// A quantised activation and how its integers read.
#[derive(Clone, Copy)]
pub(super) struct Activation {
    pub(super) id: ValueId,
    pub(super) scale: Scale,
}

/// Weights [outputs, inputs] less their zero points, and a scale for each output or one for all.
pub(super) struct Weights {
    pub(super) integers: Vec<i32>,
    pub(super) scales: Vec<f32>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) bits: u32,
}

/// The scale of a tensor, one number: operands `scale` and `zero` of the node; no zero point is 0.
pub(super) fn scale_of(
    node: &NodeView<'_>,
    element: Element,
    scale: usize,
    zero: usize,
) -> Result<Scale, OpError> {
    let scales = scales(node, scale)?;
    let &[scale] = scales.as_slice() else {
        return Err(OpError::unsupported(
            "a scale for each channel of activations",
            "one scale a tensor; channels have scales of their own in weights alone",
        ));
    };
    let zeros = node.integers(zero, "the zero point")?.unwrap_or(vec![0]);
    let &[zero] = zeros.as_slice() else {
        return Err(OpError::invalid("several zero points for one scale"));
    };
    let (lo, hi) = element.range();
    if !(lo..=hi).contains(&zero) {
        return Err(OpError::invalid(format!("zero point {zero}")));
    }
    Ok(Scale {
        scale,
        zero,
        element,
    })
}

/// Scales, each positive and finite.
pub(super) fn scales(node: &NodeView<'_>, i: usize) -> Result<Vec<f32>, OpError> {
    let numbers = node.constant(i, "a scale")?.numbers();
    let scales: Vec<f32> = numbers
        .unwrap_or_default()
        .into_iter()
        .map(|s| s as f32)
        .collect();
    if scales.is_empty() || !scales.iter().all(|&s| s > 0.0 && s.is_finite()) {
        return Err(OpError::invalid("a scale must be positive and finite"));
    }
    Ok(scales)
}

/// Operand `at` with its scale and zero point in the two operands behind it.
pub(super) fn activation(
    b: &Builder,
    node: &NodeView<'_>,
    at: usize,
) -> Result<Activation, OpError> {
    let element = quantised(b, node, at)?;
    match *node.need(at)? {
        Operand::Activation(id) => Ok(Activation {
            id,
            scale: scale_of(node, element, at + 1, at + 2)?,
        }),
        Operand::Constant(_) => Err(OpError::unsupported(
            "a constant where an activation is expected",
            "the operands the other way round",
        )),
    }
}

/// The type of a quantised operand.
pub(super) fn quantised(b: &Builder, node: &NodeView<'_>, at: usize) -> Result<Element, OpError> {
    b.element(node, at).ok_or_else(|| {
        OpError::unsupported(
            format!("operand {at} holds no quantised integers"),
            "integers of 8 or 16 bits, made by QuantizeLinear or another quantised operator",
        )
    })
}

/// Element type of a result: that of its zero point, or the operand's.
pub(super) fn result_scale(
    b: &Builder,
    node: &NodeView<'_>,
    scale: usize,
    operand: Element,
) -> Result<Scale, OpError> {
    let element = match node.input(scale + 1) {
        Some(_) => quantised(b, node, scale + 1)?,
        None => operand,
    };
    scale_of(node, element, scale, scale + 1)
}

/// A constant right factor [k, m] (or [m, k] if `transposed`), `scale` and `zero` the positions of what it is read by.
pub(super) fn weights(
    b: &mut Builder,
    node: &NodeView<'_>,
    (at, scale, zero): (usize, Option<usize>, usize),
    transposed: bool,
) -> Result<Weights, OpError> {
    let element = quantised(b, node, at)?;
    let tensor = node
        .constant(at, "the right factor of the product")?
        .clone();
    let &[rows, columns] = tensor.shape.as_slice() else {
        return Err(OpError::unsupported(
            "a right factor that is no matrix",
            "a constant matrix",
        ));
    };
    let (inputs, outputs) = if transposed {
        (columns, rows)
    } else {
        (rows, columns)
    };
    if inputs == 0 || outputs == 0 {
        return Err(OpError::unsupported("an empty matrix", "one row or more"));
    }
    let each = |what: &str, n: usize| {
        if n == 1 || n == outputs {
            Ok(())
        } else {
            Err(OpError::invalid(format!(
                "{n} {what} for {outputs} columns"
            )))
        }
    };
    let scales = match scale {
        Some(scale) => scales(node, scale)?,
        None => vec![1.0],
    };
    each("scales", scales.len())?;
    let zeros = node.integers(zero, "the zero point")?.unwrap_or(vec![0]);
    each("zero points", zeros.len())?;
    let (lo, hi) = element.range();
    if !zeros.iter().all(|z| (lo..=hi).contains(z)) {
        return Err(OpError::invalid("a zero point outside its type"));
    }
    let values = tensor
        .integers()
        .ok_or_else(|| OpError::invalid("weights must be integers"))?;
    b.count(values.len())?;
    let integer = |j: usize, i: usize| {
        let at = if transposed {
            j * inputs + i
        } else {
            i * outputs + j
        };
        (values[at] - zeros[j % zeros.len()]) as i32
    };
    let integers = (0..outputs)
        .flat_map(|j| (0..inputs).map(move |i| (j, i)))
        .map(|(j, i)| integer(j, i))
        .collect();
    // Zero points are public; signed weights without them are as wide as their type.
    let symmetric = element.range().0 < 0 && zeros.iter().all(|&z| z == 0);
    Ok(Weights {
        integers,
        scales,
        inputs,
        outputs,
        bits: element.bits() + u32::from(!symmetric),
    })
}

impl Weights {
    /// The sums `w (x - zero) + bias` along the last axis of an activation.
    pub(super) fn sums(
        &self,
        b: &mut Builder,
        x: ValueId,
        zero: i64,
        bias: Vec<i64>,
    ) -> Result<ValueId, OpError> {
        let value = b.value(x);
        let (mut shape, row_axis) = (value.shape.clone(), value.row_axis);
        let Some(last) = shape.pop() else {
            return Err(OpError::invalid("a product of scalars"));
        };
        if row_axis == Some(shape.len()) {
            return Err(OpError::mixes_rows("a product over the batch dimension"));
        }
        if last != self.inputs {
            return Err(OpError::invalid(format!(
                "a product over {last} and {} elements",
                self.inputs
            )));
        }
        shape.push(self.outputs);
        let layer = IntegerLayer {
            inputs: self.inputs,
            outputs: self.outputs,
            weights: self.integers.clone(),
            bias,
            zero,
            weight_bits: self.bits,
        };
        push(
            b,
            Quantized::Layer(layer),
            &[x],
            shape,
            row_axis,
            Kind::Integer,
        )
    }
}

/// Sums brought to a quantised type; element i follows rule `(i / inner) mod rules.len()`.
pub(super) fn requantised(
    b: &mut Builder,
    sums: ValueId,
    rules: Vec<Rule>,
    inner: usize,
    to: Scale,
) -> Result<Operand, OpError> {
    let value = b.value(sums);
    let (shape, row_axis) = (value.shape.clone(), value.row_axis);
    let op = Requantize {
        rules,
        inner,
        zero: to.zero,
        element: to.element,
    };
    let kind = Kind::Quantized(to.element);
    let made = push(b, Quantized::Requantize(op), &[sums], shape, row_axis, kind)?;
    Ok(Operand::Activation(made))
}

pub(super) fn push(
    b: &mut Builder,
    op: Quantized,
    inputs: &[ValueId],
    shape: Vec<usize>,
    row_axis: Option<usize>,
    kind: Kind,
) -> Result<ValueId, OpError> {
    match b.push(FloatOp::Quantized(op), inputs, shape, row_axis, kind)? {
        Operand::Activation(id) => Ok(id),
        Operand::Constant(_) => Err(OpError::invalid("an activation was expected")),
    }
}

/// A public function of each element, by table.
pub(super) fn table(
    b: &mut Builder,
    name: &'static str,
    x: Activation,
    to: Scale,
    f: impl Fn(f32) -> (f64, bool),
) -> Result<Operand, OpError> {
    if x.scale.element.bits() > 7 {
        return Err(OpError::unsupported(
            format!("{name} of 16-bit integers"),
            "8-bit integers",
        ));
    }
    let (lo, hi) = x.scale.element.range();
    let (mut values, mut near) = (Vec::new(), Vec::new());
    for q in lo..=hi {
        let (y, exact) = f(x.scale.dequantize(q));
        values.push(to.quantize(y as f32));
        let quotient = y / f64::from(to.scale);
        let from_half = (quotient - quotient.floor() - 0.5).abs();
        if !exact && from_half < NEAR * quotient.abs().max(1.0) {
            near.push(q);
        }
    }
    let same = x.scale.element == to.element;
    if same && (lo..).zip(&values).all(|(q, &v)| q == v) {
        return Ok(Operand::Activation(x.id));
    }
    let value = b.value(x.id);
    let (shape, row_axis) = (value.shape.clone(), value.row_axis);
    let op = Quantized::Table {
        name,
        from: x.scale.element,
        values,
        near,
    };
    let kind = Kind::Quantized(to.element);
    push(b, op, &[x.id], shape, row_axis, kind).map(Operand::Activation)
}

/// Two operands of a quantised binary operator, each with its scale behind it, broadcast to one shape; a constant
/// becomes a private tensor.
pub(super) fn pair(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<(Activation, Activation, Vec<usize>, Option<usize>), OpError> {
    let (l, r) = (quantised(b, node, 0)?, quantised(b, node, 3)?);
    let (l_scale, r_scale) = (scale_of(node, l, 1, 2)?, scale_of(node, r, 4, 5)?);
    let (left, right) = (node.need(0)?.clone(), node.need(3)?.clone());
    let like = match (&left, &right) {
        (Operand::Activation(id), _) | (_, Operand::Activation(id)) => *id,
        _ => {
            return Err(OpError::unsupported(
                "an operator on two constants",
                "its result as a constant",
            ))
        }
    };
    let mut activation = |operand: Operand, scale: Scale| match operand {
        Operand::Activation(id) => Ok(Activation { id, scale }),
        Operand::Constant(tensor) => {
            let integers = tensor
                .integers()
                .ok_or_else(|| OpError::invalid("a quantised constant must hold integers"))?;
            b.count(integers.len())?;
            let op = Quantized::Constant(integers.to_vec());
            let kind = Kind::Quantized(scale.element);
            let id = push(b, op, &[like], tensor.shape.clone(), None, kind)?;
            Ok(Activation { id, scale })
        }
    };
    let l = activation(left, l_scale)?;
    let r = activation(right, r_scale)?;
    let (left, right) = (Operand::Activation(l.id), Operand::Activation(r.id));
    let (l_id, r_id, shape, row_axis) = super::broadcast::aligned(b, &left, &right)?;
    Ok((
        Activation { id: l_id, ..l },
        Activation { id: r_id, ..r },
        shape,
        row_axis,
    ))
}

/// The same elements, rearranged.
pub(super) fn moved(
    b: &mut Builder,
    id: ValueId,
    indices: Vec<u32>,
    shape: Vec<usize>,
    row_axis: Option<usize>,
) -> Result<Operand, OpError> {
    let kind = b.value(id).kind.clone();
    b.push(
        FloatOp::Movement(Movement { indices }),
        &[id],
        shape,
        row_axis,
        kind,
    )
}

/// How near to a half, relative to its size, a quotient of a float32 function may lie before its last bits matter.
const NEAR: f64 = 1e-6;
