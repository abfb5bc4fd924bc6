//! What the support vector machines share: the kernel of a row with each support vector, all of them private.
//!
//! x: [rows, features], v: [vectors, features]. LINEAR `v x`; POLY `(gamma v x + c)^degree`; SIGMOID
//! `tanh(gamma v x + c)`; RBF `exp(-gamma |x - v|^2)`, its exponent `2 gamma v x - gamma v v - gamma x x`. Source:
//! ai.onnx.ml 1, SVMClassifier and SVMRegressor.

use super::super::error::OpError;
use super::super::float::{Affine, FloatOp, Linear, Pointwise, Reduction};
use super::super::graph::{Kind, ValueId};
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{apply, Operation};
use super::pow::power;
use super::reduction::reduce;

/// The operand as [rows, features].
pub(super) fn features(b: &Builder, node: &NodeView<'_>) -> Result<(ValueId, usize), OpError> {
    let id = node.need(0)?.activation()?;
    let value = b.value(id);
    match value.shape[..] {
        [_, features] if features > 0 && value.row_axis != Some(1) && value.kind.is_numeric() => {
            Ok((id, features))
        }
        _ => Err(OpError::unsupported(
            format!("vectors over a tensor of shape {:?}", value.shape),
            "rows of numbers",
        )),
    }
}

/// `W x + b` by rows.
pub(super) fn layer(
    b: &mut Builder,
    x: ValueId,
    weights: Vec<f64>,
    bias: Vec<f64>,
) -> Result<Operand, OpError> {
    let value = b.value(x);
    let (rows, inputs, row_axis) = (value.shape[0], value.shape[1], value.row_axis);
    let outputs = bias.len();
    if outputs == 0 || weights.len() != inputs * outputs {
        return Err(OpError::invalid("coefficients that do not fit the vectors"));
    }
    b.count(weights.len())?;
    let layer = FloatOp::Linear(Linear {
        inputs,
        outputs,
        weights,
        bias,
    });
    b.push(layer, &[x], vec![rows, outputs], row_axis, Kind::Number)
}

/// The kernel with each support vector, [rows, vectors].
pub(super) fn kernels(
    b: &mut Builder,
    node: &NodeView<'_>,
    x: ValueId,
    vectors: &[f64],
) -> Result<Operand, OpError> {
    let features = b.value(x).shape[1];
    if vectors.is_empty() || !vectors.len().is_multiple_of(features) {
        return Err(OpError::invalid(
            "support vectors that do not fit the features",
        ));
    }
    let count = vectors.len() / features;
    let parameters = node.floats("kernel_params").unwrap_or_default();
    let (gamma, c, degree) = match parameters[..] {
        [] => (0.0, 0.0, 3.0),
        [gamma, c, degree] => (gamma, c, degree),
        _ => return Err(OpError::invalid("three kernel parameters are needed")),
    };
    let scaled = |factor: f64| vectors.iter().map(|v| factor * v).collect();
    match node.text("kernel_type")?.unwrap_or("LINEAR") {
        "LINEAR" => layer(b, x, scaled(1.0), vec![0.0; count]),
        "POLY" => {
            let inner = layer(b, x, scaled(gamma), vec![c; count])?;
            power(b, &inner, degree)
        }
        "SIGMOID" => {
            let inner = layer(b, x, scaled(gamma), vec![c; count])?;
            b.map(FloatOp::Pointwise(Pointwise::Tanh), &inner)
        }
        "RBF" => {
            let squares = vectors
                .chunks_exact(features)
                .map(|v| -gamma * v.iter().map(|v| v * v).sum::<f64>());
            let cross = layer(b, x, scaled(2.0 * gamma), squares.collect())?;
            let norm = Operand::Activation(x);
            let norm = reduce(b, Reduction::SumSquare, &norm, &[false, true], true)?;
            let factor = FloatOp::Affine(Affine {
                inner: 1,
                period: 1,
                scale: Some(vec![-gamma]),
                offset: None,
            });
            let norm = b.map(factor, &norm)?;
            let exponent = apply(b, Operation::Add, &cross, &norm)?;
            b.map(FloatOp::Pointwise(Pointwise::Decay), &exponent)
        }
        other => Err(OpError::invalid(format!("kernel {other}"))),
    }
}
