//! BatchNormalization at inference: `y = scale (x - mean) / sqrt(var + epsilon) + bias`, per channel
//! (axis 1): an affine map that folding puts into a neighbouring layer. Source: ONNX
//! BatchNormalization, opsets 7, 9, 14, 15.

use super::super::error::OpError;
use super::super::float::{Affine, FloatOp};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    if node.int("training_mode", 0) != 0 || node.int("is_test", 1) == 0 || node.outputs() > 1 {
        return Err(OpError::unsupported(
            "batch normalisation in training mode",
            "the model exported in eval mode",
        ));
    }
    if node.int("spatial", 1) == 0 {
        return Err(OpError::unsupported(
            "spatial = 0",
            "statistics per channel",
        ));
    }
    let x = node.need(0)?;
    let shape = b.shape(x).to_vec();
    if shape.len() < 2 {
        return Err(OpError::invalid("the operand has no channel axis"));
    }
    if b.row_axis(x) == Some(1) {
        return Err(OpError::mixes_rows(
            "a channel axis that is the batch dimension",
        ));
    }
    let channels = shape[1];
    let mut statistics = Vec::with_capacity(4);
    for (i, what) in ["scale", "bias", "mean", "variance"]
        .into_iter()
        .enumerate()
    {
        let values = node.constant(i + 1, what)?.numbers().unwrap_or_default();
        if values.len() != channels {
            return Err(OpError::invalid(format!("{what} needs {channels} numbers")));
        }
        statistics.push(values);
    }
    let epsilon = node.float("epsilon", 1e-5);
    let inner: usize = shape[2..].iter().product();
    b.count(2 * channels)?;
    let (mut scale, mut offset) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    #[allow(clippy::needless_range_loop)] // one index over four parallel lists
    for c in 0..channels {
        let s = statistics[0][c] / (statistics[3][c] + epsilon).sqrt();
        let o = statistics[1][c] - statistics[2][c] * s;
        scale.push(s);
        offset.push(o);
    }
    let op = Affine {
        period: channels,
        inner,
        scale: Some(scale),
        offset: Some(offset),
    };
    Ok(vec![b.map(FloatOp::Affine(op), x)?])
}
