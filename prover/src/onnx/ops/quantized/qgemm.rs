//! QGemm: `clamp(rint(f32(sum (a - z_a) (b - z_b) + c) (alpha s_a s_b / s_y)) + z_y)`; without s_y the sum times
//! `alpha s_a s_b`, in float32. The bias c holds integers of that scale. Source: com.microsoft.QGemm, version 1.

use super::super::super::error::OpError;
use super::super::super::float::{Quantized, Rule};
use super::super::super::graph::Kind;
use super::super::super::import::{Builder, NodeView, Operand};
use super::super::broadcast::{broadcast_indices, common_shape};
use super::{activation, push, requantised, result_scale, weights};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    if node.int("transA", 0) != 0 {
        return Err(OpError::mixes_rows("transA"));
    }
    let x = activation(b, node, 0)?;
    if b.value(x.id).shape.len() != 2 {
        return Err(OpError::invalid("both factors must be matrices"));
    }
    let weights = weights(b, node, (3, Some(4), 5), node.int("transB", 0) != 0)?;
    let bias = match node.input(6) {
        None => vec![0; weights.outputs],
        Some(_) => {
            let c = node.constant(6, "the bias")?.clone();
            let to = [1, weights.outputs];
            if common_shape(&c.shape, &to)? != to {
                return Err(OpError::unsupported(
                    "a matrix of biases",
                    "one bias an output",
                ));
            }
            let integers = c
                .integers()
                .ok_or_else(|| OpError::invalid("a bias must hold integers"))?;
            let at = broadcast_indices(&c.shape, &to);
            at.into_iter().map(|i| integers[i as usize]).collect()
        }
    };
    let alpha = node.float("alpha", 1.0) as f32;
    let factors: Vec<f32> = weights
        .scales
        .iter()
        .map(|w| alpha * x.scale.scale * w)
        .collect();
    let sums = weights.sums(b, x.id, x.scale.zero, bias)?;
    if node.input(7).is_none() {
        let value = b.value(sums);
        let (shape, row_axis) = (value.shape.clone(), value.row_axis);
        let op = Quantized::Dequantize {
            scales: factors,
            inner: 1,
            zeros: vec![0],
        };
        let made = push(b, op, &[sums], shape, row_axis, Kind::Number)?;
        return Ok(vec![Operand::Activation(made)]);
    }
    let y = result_scale(b, node, 7, x.scale.element)?;
    let rules = factors.iter().map(|f| Rule::Product(f / y.scale)).collect();
    Ok(vec![requantised(b, sums, rules, 1, y)?])
}
