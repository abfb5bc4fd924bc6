//! LayerNormalization: `(x - mean) / sqrt(variance + epsilon) scale + bias` over the axes from `axis` on. Source: ONNX
//! LayerNormalization, opset 17.

use super::super::error::OpError;
use super::super::float::{Affine, AxisView, FloatOp};
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::broadcast::{broadcast_indices, common_shape};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    if node.outputs() > 1 {
        return Err(OpError::unsupported(
            "the mean or deviation as a result",
            "the normalised values alone",
        ));
    }
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
    Ok(vec![b.map(FloatOp::Affine(affine), &normal)?])
}
