//! Public linear maps of operands, constant or not.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::float::{Combination, FloatOp, Pointwise};
use super::super::graph::Kind;
use super::super::import::{checked_len, Builder, Operand};
use super::super::tensor::{Data, Tensor};

/// Combinations of an operand's elements under a new shape.
pub(super) fn combined(
    b: &mut Builder,
    x: &Operand,
    op: Combination,
    shape: Vec<usize>,
    row_axis: Option<usize>,
) -> Result<Operand, OpError> {
    let len = checked_len(&shape)?;
    match x {
        Operand::Activation(id) if b.value(*id).kind.is_numeric() => b.push(
            FloatOp::Combination(op),
            &[*id],
            shape,
            row_axis,
            Kind::Number,
        ),
        Operand::Activation(_) => Err(OpError::unsupported("arithmetic on a label", "on numbers")),
        Operand::Constant(tensor) => {
            let numbers = tensor
                .numbers()
                .ok_or_else(|| OpError::invalid("arithmetic on strings"))?;
            b.count(len)?;
            b.spend(op.weight())?;
            let whole = tensor.integers().is_some() && op.is_whole();
            let data = Data::of(op.eval(&numbers), whole);
            Ok(Operand::Constant(Rc::new(Tensor { shape, data })))
        }
    }
}

/// `factor x + offset`, elementwise.
pub(super) fn scaled(
    b: &mut Builder,
    x: &Operand,
    factor: f64,
    offset: f64,
) -> Result<Operand, OpError> {
    if !(factor.is_finite() && offset.is_finite()) {
        return Err(OpError::invalid("a factor or offset that is not finite"));
    }
    let op = Pointwise::Public { factor, offset };
    b.map(FloatOp::Pointwise(op), x)
}
