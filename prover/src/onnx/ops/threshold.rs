//! ThresholdedRelu: x above alpha, else 0. Shrink: x beyond lambd moved towards 0 by bias, else 0. Comparisons are exact
//! on the quantised operand. Source: ONNX ThresholdedRelu, opset 10; Shrink, opset 9.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Relation, Threshold};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::linear_map::scaled;

pub(super) fn thresholded_relu(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let alpha = node.float("alpha", 1.0);
    let x = node.need(0)?.clone();
    Ok(vec![kept(b, &x, &x, Relation::Greater, alpha)?])
}

pub(super) fn shrink(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (bias, lambda) = (node.float("bias", 0.0), node.float("lambd", 0.5));
    let x = node.need(0)?.clone();
    let (lower, upper) = (scaled(b, &x, 1.0, bias)?, scaled(b, &x, 1.0, -bias)?);
    let below = kept(b, &x, &lower, Relation::Less, -lambda)?;
    let above = kept(b, &x, &upper, Relation::Greater, lambda)?;
    Ok(vec![super::broadcast::arithmetic(
        b,
        Arithmetic::Add,
        &below,
        &above,
    )?])
}

/// `value` where `x relation threshold`, else 0.
fn kept(
    b: &mut Builder,
    x: &Operand,
    value: &Operand,
    relation: Relation,
    threshold: f64,
) -> Result<Operand, OpError> {
    let (Operand::Activation(x), Operand::Activation(value)) = (x, value) else {
        return Err(OpError::unsupported(
            "a threshold of constants",
            "its result",
        ));
    };
    if threshold.is_nan() {
        return Err(OpError::invalid("a threshold that is NaN"));
    }
    let of = b.value(*x);
    if !of.kind.is_numeric() {
        return Err(OpError::unsupported("arithmetic on a label", "on numbers"));
    }
    let (shape, row) = (of.shape.clone(), of.row_axis);
    let op = FloatOp::Threshold(Threshold {
        relation,
        thresholds: vec![threshold],
    });
    let bit = b.push(op, &[*x], shape.clone(), row, Kind::Boolean)?;
    let Operand::Activation(bit) = bit else {
        return Err(OpError::invalid("an activation was expected"));
    };
    let product = FloatOp::Arithmetic(Arithmetic::Mul);
    b.push(product, &[bit, *value], shape, row, Kind::Number)
}
