//! Sinh, Cosh, Asinh, Acosh, Atanh: tabled. `sinh x = (e^x - e^-x) / 2`, `cosh x = (e^x + e^-x) / 2`, from -16 to 16;
//! `atanh x = (log(1 + x) - log(1 - x)) / 2`. Source: ONNX operators of these names, opset 9 on.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::arithmetic;
use super::linear_map::scaled;

pub(super) fn sinh(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    halves(b, node, Arithmetic::Sub)
}

pub(super) fn cosh(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    halves(b, node, Arithmetic::Add)
}

pub(super) fn asinh(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    Ok(vec![map(b, Pointwise::Asinh, node.need(0)?)?])
}

pub(super) fn acosh(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    Ok(vec![map(b, Pointwise::Acosh, node.need(0)?)?])
}

pub(super) fn atanh(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let (more, less) = (scaled(b, &x, 1.0, 1.0)?, scaled(b, &x, -1.0, 1.0)?);
    let (more, less) = (
        map(b, Pointwise::Log, &more)?,
        map(b, Pointwise::Log, &less)?,
    );
    let difference = arithmetic(b, Arithmetic::Sub, &more, &less)?;
    Ok(vec![scaled(b, &difference, 0.5, 0.0)?])
}

fn map(b: &mut Builder, op: Pointwise, x: &Operand) -> Result<Operand, OpError> {
    b.map(FloatOp::Pointwise(op), x)
}

fn halves(b: &mut Builder, node: &NodeView<'_>, op: Arithmetic) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let negative = map(b, Pointwise::Neg, &x)?;
    let (up, down) = (
        map(b, Pointwise::Exp, &x)?,
        map(b, Pointwise::Exp, &negative)?,
    );
    let both = arithmetic(b, op, &up, &down)?;
    Ok(vec![scaled(b, &both, 0.5, 0.0)?])
}
