//! LayerNormalization: `(x - mean) / sqrt(variance + epsilon) scale + bias` over the axes from `axis` on; mean and
//! inverse deviation too, where they are named. Source: ONNX
//! LayerNormalization, opset 17.

use super::super::error::OpError;
use super::super::float::{Affine, AxisView, FloatOp, Pointwise, Reduction};
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::broadcast::{apply, broadcast_indices, common_shape, Operation};
use super::linear_map::scaled;
use super::reduction::reduce;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let axis = axis_of(node.int("axis", -1), shape.len())?;
    if b.row_axis(&x).is_some_and(|row| row >= axis) {
        return Err(OpError::mixes_rows("normalising over the batch dimension"));
    }
    let block = &shape[axis..];
    let view = AxisView {
        outer: shape[..axis].iter().product(),
        len: block.iter().product(),
        inner: 1,
    };
    let epsilon = node.float("epsilon", 1e-5);
    if !(epsilon > 0.0 && epsilon < 1.0) {
        return Err(OpError::unsupported("epsilon of no use", "between 0 and 1"));
    }
    let spread = |b: &mut Builder, i: usize, what: &str| -> Result<Vec<f64>, OpError> {
        let constant = node.constant(i, what)?;
        let numbers = constant
            .numbers()
            .ok_or_else(|| OpError::invalid(format!("{what} must be numbers")))?;
        if common_shape(&constant.shape, block)? != block {
            return Err(OpError::invalid(format!("{what} does not fit")));
        }
        b.count(view.len)?;
        let indices = broadcast_indices(&constant.shape, block);
        Ok(indices.into_iter().map(|i| numbers[i as usize]).collect())
    };
    let scale = spread(b, 1, "the scale")?;
    let offset = match node.input(2) {
        Some(_) => Some(spread(b, 2, "the bias")?),
        None => None,
    };
    let normal = b.map(
        FloatOp::Standardize {
            axis: view,
            epsilon,
        },
        &x,
    )?;
    let affine = Affine {
        inner: 1,
        period: view.len,
        scale: Some(scale),
        offset,
    };
    let mut results = vec![b.map(FloatOp::Affine(affine), &normal)?];
    if node.outputs() > 1 {
        results.extend(statistics(b, &x, axis, epsilon)?);
    }
    Ok(results)
}

/// Mean and inverse deviation, which training stores.
fn statistics(
    b: &mut Builder,
    x: &Operand,
    axis: usize,
    epsilon: f64,
) -> Result<[Operand; 2], OpError> {
    let reduced: Vec<bool> = (0..b.shape(x).len()).map(|i| i >= axis).collect();
    let mean = reduce(b, Reduction::Mean, x, &reduced, true)?;
    let centred = apply(b, Operation::Sub, x, &mean)?;
    let square = b.map(FloatOp::Pointwise(Pointwise::Square), &centred)?;
    let variance = reduce(b, Reduction::Mean, &square, &reduced, true)?;
    let variance = scaled(b, &variance, 1.0, epsilon)?;
    let deviation = b.map(FloatOp::Pointwise(Pointwise::Sqrt), &variance)?;
    let inverse = b.map(FloatOp::Pointwise(Pointwise::Reciprocal), &deviation)?;
    Ok([mean, inverse])
}
