//! Normalisations of groups of elements: `(x - mean) / sqrt(variance + epsilon) scale + bias`.
//!
//! InstanceNormalization: one group for each row and channel; GroupNormalization: for each row and group of channels,
//! scale and bias by group (opset 18) or channel (opset 21). RMSNormalization: no mean. MeanVarianceNormalization: over
//! chosen axes, no scale. Source: ONNX InstanceNormalization, opset 6; GroupNormalization, opsets 18 and 21;
//! RMSNormalization, opset 23; MeanVarianceNormalization, opsets 9 and 13; LpNormalization, opset 1.

use super::super::error::OpError;
use super::super::float::{Affine, Arithmetic, AxisView, FloatOp, Norm, Pointwise, Reduction};
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::broadcast::arithmetic;
use super::linear_map::scaled;
use super::reduction::reduce;
use super::transpose::transposed;

pub(super) fn instance(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let channels = channels(b, node)?;
    groups(b, node, channels, channels)
}

pub(super) fn group(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let channels = channels(b, node)?;
    let count = usize::try_from(node.int("num_groups", 0)).unwrap_or(0);
    if count == 0 || channels % count != 0 {
        return Err(OpError::invalid("channels that do not fill the groups"));
    }
    groups(
        b,
        node,
        count,
        if node.opset < 21 { count } else { channels },
    )
}

pub(super) fn rms(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let axis = axis_of(node.int("axis", -1), shape.len())?;
    if b.row_axis(&x).is_some_and(|row| row >= axis) {
        return Err(OpError::mixes_rows("normalising over the batch dimension"));
    }
    let reduced: Vec<bool> = (0..shape.len()).map(|i| i >= axis).collect();
    let square = b.map(FloatOp::Pointwise(Pointwise::Square), &x)?;
    let mean = reduce(b, Reduction::Mean, &square, &reduced, true)?;
    let mean = scaled(b, &mean, 1.0, epsilon(node)?)?;
    let root = b.map(FloatOp::Pointwise(Pointwise::Sqrt), &mean)?;
    let y = arithmetic(b, Arithmetic::Div, &x, &root)?;
    let scale = node.need(1)?.clone();
    Ok(vec![super::broadcast::apply(
        b,
        super::broadcast::Operation::Mul,
        &y,
        &scale,
    )?])
}

pub(super) fn mean_variance(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let rank = b.shape(&x).len();
    let mut reduced = vec![false; rank];
    for &axis in node.ints("axes").unwrap_or(&[0, 2, 3]) {
        reduced[axis_of(axis, rank)?] = true;
    }
    if b.row_axis(&x).is_some_and(|row| reduced[row]) {
        b.drop_rows("normalising over the batch dimension")?;
    }
    // The reduced axes last, and back.
    let kept = (0..rank).filter(|&i| !reduced[i]);
    let order: Vec<usize> = kept.chain((0..rank).filter(|&i| reduced[i])).collect();
    let turned = transposed(b, &x, &order)?;
    let len = order
        .iter()
        .filter(|&&i| reduced[i])
        .map(|&i| b.shape(&x)[i])
        .product();
    let total: usize = b.shape(&x).iter().product();
    let axis = AxisView {
        outer: total / usize::max(len, 1),
        len,
        inner: 1,
    };
    // Of the function that defines it: 1e-9.
    let epsilon = 1e-9;
    let normal = b.map(FloatOp::Standardize { axis, epsilon }, &turned)?;
    let mut back = vec![0; rank];
    for (i, &axis) in order.iter().enumerate() {
        back[axis] = i;
    }
    Ok(vec![transposed(b, &normal, &back)?])
}

pub(super) fn lp(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let axis = axis_of(node.int("axis", -1), shape.len())?;
    if b.row_axis(&x) == Some(axis) {
        return Err(OpError::mixes_rows("normalising over the batch dimension"));
    }
    let norm = match node.int("p", 2) {
        1 => Norm::L1,
        2 => Norm::L2,
        p => return Err(OpError::unsupported(format!("p = {p}"), "p of 1 or 2")),
    };
    let view = AxisView::of(&shape, axis);
    Ok(vec![b.map(FloatOp::Normalize(norm, view), &x)?])
}

fn epsilon(node: &NodeView<'_>) -> Result<f64, OpError> {
    let epsilon = node.float("epsilon", 1e-5);
    if epsilon > 0.0 && epsilon < 1.0 {
        return Ok(epsilon);
    }
    Err(OpError::unsupported("epsilon of no use", "between 0 and 1"))
}

fn channels(b: &Builder, node: &NodeView<'_>) -> Result<usize, OpError> {
    let x = node.need(0)?;
    if b.row_axis(x).is_some_and(|row| row != 0) {
        return Err(OpError::mixes_rows("normalising over the batch dimension"));
    }
    match b.shape(x) {
        &[_, channels, _, ..] if channels > 0 => Ok(channels),
        _ => Err(OpError::invalid("the operand has no channel axis")),
    }
}

/// `count` groups of each row; scale and bias have `spread` entries.
fn groups(
    b: &mut Builder,
    node: &NodeView<'_>,
    count: usize,
    spread: usize,
) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let row: usize = shape[1..].iter().product();
    let axis = AxisView {
        outer: shape[0] * count,
        len: row / count,
        inner: 1,
    };
    let epsilon = epsilon(node)?;
    let mut factors = Vec::with_capacity(2);
    for (i, what) in [(1, "the scale"), (2, "the bias")] {
        let numbers = node.constant(i, what)?.numbers().unwrap_or_default();
        if numbers.len() != spread {
            return Err(OpError::invalid(format!("{what} needs {spread} numbers")));
        }
        b.count(spread)?;
        factors.push(numbers);
    }
    let (offset, scale) = (factors.pop(), factors.pop());
    let normal = b.map(FloatOp::Standardize { axis, epsilon }, &x)?;
    let affine = Affine {
        period: spread,
        inner: row / spread,
        scale,
        offset,
    };
    Ok(vec![b.map(FloatOp::Affine(affine), &normal)?])
}
