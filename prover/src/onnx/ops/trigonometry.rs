//! Sin, Cos, Tan, Asin, Acos, Atan: tabled. `cos x = sin(x + pi/2)`; `tan = sin / cos`, a rounded quotient;
//! `acos |x| = sqrt(1 - |x|) p(|x|)` with a smooth p, `acos(-x) = pi - acos x`, `asin x = pi/2 - acos x`. Source: ONNX
//! operators of these names, opset 7 on.

use std::f64::consts::{FRAC_PI_2, PI};

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Pointwise, Relation, Threshold};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::arithmetic;
use super::linear_map::scaled;

fn map(b: &mut Builder, op: Pointwise, x: &Operand) -> Result<Operand, OpError> {
    b.map(FloatOp::Pointwise(op), x)
}

pub(super) fn sin(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    Ok(vec![map(b, Pointwise::Sin, node.need(0)?)?])
}

pub(super) fn cos(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    Ok(vec![cosine(b, node.need(0)?)?])
}

fn cosine(b: &mut Builder, x: &Operand) -> Result<Operand, OpError> {
    let moved = scaled(b, x, 1.0, FRAC_PI_2)?;
    map(b, Pointwise::Sin, &moved)
}

pub(super) fn tan(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node)?;
    let (sin, cos) = (map(b, Pointwise::Sin, &x)?, cosine(b, &x)?);
    Ok(vec![arithmetic(b, Arithmetic::Div, &sin, &cos)?])
}

pub(super) fn asin(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node)?;
    let acos = arcus_cosine(b, &x)?;
    Ok(vec![scaled(b, &acos, -1.0, FRAC_PI_2)?])
}

pub(super) fn acos(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node)?;
    Ok(vec![arcus_cosine(b, &x)?])
}

pub(super) fn atan(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    Ok(vec![map(b, Pointwise::Atan, node.need(0)?)?])
}

fn activation(b: &Builder, node: &NodeView<'_>) -> Result<Operand, OpError> {
    match node.need(0)? {
        Operand::Activation(id) if b.value(*id).kind.is_numeric() => Ok(Operand::Activation(*id)),
        _ => Err(OpError::unsupported(
            "an angle that is no activation",
            "of numbers",
        )),
    }
}

/// Of the operand's magnitude, and of its sign.
fn arcus_cosine(b: &mut Builder, x: &Operand) -> Result<Operand, OpError> {
    let size = map(b, Pointwise::Abs, x)?;
    let left = scaled(b, &size, -1.0, 1.0)?;
    let root = map(b, Pointwise::Sqrt, &left)?;
    let ratio = map(b, Pointwise::AcosRatio, &size)?;
    let positive = arithmetic(b, Arithmetic::Mul, &root, &ratio)?;
    let negative = scaled(b, &positive, -1.0, PI)?;
    let (Operand::Activation(x), Operand::Activation(p), Operand::Activation(n)) =
        (x, &positive, &negative)
    else {
        return Err(OpError::invalid("an activation was expected"));
    };
    let (shape, row) = (b.value(*x).shape.clone(), b.value(*x).row_axis);
    let sign = FloatOp::Threshold(Threshold {
        relation: Relation::GreaterOrEqual,
        thresholds: vec![0.0],
    });
    let sign = b.push(sign, &[*x], shape.clone(), row, Kind::Boolean)?;
    let Operand::Activation(sign) = sign else {
        return Err(OpError::invalid("an activation was expected"));
    };
    b.push(FloatOp::Select, &[sign, *p, *n], shape, row, Kind::Number)
}
