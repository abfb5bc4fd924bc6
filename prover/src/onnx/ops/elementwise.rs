//! Elementwise operators of two operands, broadcast: what Min, Max, comparisons and logic share.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::float::FloatOp;
use super::super::graph::Kind;
use super::super::import::{Builder, Operand};
use super::super::tensor::{Data, Tensor};
use super::broadcast::{broadcast_to, common_shape};

/// `op(l, r)`: computed here for two constants; one constant beside an activation becomes a private value.
pub(super) fn binary(
    b: &mut Builder,
    op: FloatOp,
    l: &Operand,
    r: &Operand,
    kind: Kind,
) -> Result<Operand, OpError> {
    let shape = common_shape(b.shape(l), b.shape(r))?;
    let operands = aligned(b, &[l.clone(), r.clone()], &shape)?;
    match operands {
        Aligned::Constants(numbers) => {
            let values: Vec<&[f64]> = numbers.iter().map(Vec::as_slice).collect();
            let result = op.eval(&values);
            let whole =
                kind == Kind::Boolean || (b.is_whole(l) && b.is_whole(r) && op.keeps_whole());
            let data = Data::of(result, whole);
            Ok(Operand::Constant(Rc::new(Tensor { shape, data })))
        }
        Aligned::Activations(ids, row_axis) => b.push(op, &ids, shape, row_axis, kind),
    }
}

/// Operands of one shape.
pub(super) enum Aligned {
    /// All of them constants.
    Constants(Vec<Vec<f64>>),
    /// Values, and their common row axis.
    Activations(Vec<usize>, Option<usize>),
}

/// Operands broadcast to one shape; where one is an activation, the constants become activations too.
pub(super) fn aligned(
    b: &mut Builder,
    operands: &[Operand],
    shape: &[usize],
) -> Result<Aligned, OpError> {
    let mut moved = Vec::with_capacity(operands.len());
    let mut row_axis = None;
    for operand in operands {
        let (operand, rows) = broadcast_to(b, operand, shape)?;
        match (row_axis, rows) {
            (Some(a), Some(b)) if a != b => {
                return Err(OpError::mixes_rows(
                    "broadcasting one batch against another",
                ))
            }
            (a, b) => row_axis = a.or(b),
        }
        moved.push(operand);
    }
    let like = moved.iter().find_map(|operand| match operand {
        Operand::Activation(id) => Some(*id),
        Operand::Constant(_) => None,
    });
    let Some(like) = like else {
        let strings = || OpError::invalid("arithmetic on strings");
        let numbers = moved.iter().map(|operand| match operand {
            Operand::Constant(tensor) => tensor.numbers().ok_or_else(strings),
            Operand::Activation(_) => Err(OpError::invalid("a constant was expected")),
        });
        return Ok(Aligned::Constants(numbers.collect::<Result<_, _>>()?));
    };
    let mut ids = Vec::with_capacity(moved.len());
    for operand in moved {
        let id = match operand {
            Operand::Activation(id) => id,
            Operand::Constant(tensor) => b.private(&tensor, like, row_axis)?,
        };
        if !b.value(id).kind.is_numeric() {
            return Err(OpError::unsupported(
                "arithmetic on a label or on quantised integers",
                "on numbers",
            ));
        }
        ids.push(id);
    }
    Ok(Aligned::Activations(ids, row_axis))
}
