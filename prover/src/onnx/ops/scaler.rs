//! Scaler: `(x - offset) * scale`, per feature of the last axis or with one number for all. Source:
//! ai.onnx.ml 1.

use super::super::error::OpError;
use super::super::float::{Affine, FloatOp};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?;
    let Some(&features) = b.shape(x).last() else {
        return Err(OpError::invalid("a scalar has no features"));
    };
    if b.row_axis(x) == Some(b.shape(x).len() - 1) && features != 1 {
        return Err(OpError::mixes_rows("scaling along the batch dimension"));
    }
    let spread = |name: &str, default: f64| match node.floats(name) {
        None => Ok(vec![default; features]),
        Some(v) if v.len() == 1 => Ok(vec![v[0]; features]),
        Some(v) if v.len() == features => Ok(v),
        Some(v) => Err(OpError::invalid(format!(
            "{} numbers for {features} features",
            v.len()
        ))),
    };
    let (offset, scale) = (spread("offset", 0.0)?, spread("scale", 1.0)?);
    b.count(2 * features)?;
    let offset = offset.iter().zip(&scale).map(|(o, s)| -o * s).collect();
    let op = Affine {
        inner: 1,
        period: features,
        scale: Some(scale),
        offset: Some(offset),
    };
    Ok(vec![b.map(FloatOp::Affine(op), x)?])
}
