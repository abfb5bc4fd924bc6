//! Elementwise arithmetic with numpy broadcasting, shared by Add, Sub, Mul and Div.
//!
//! Two constants are computed here; a constant and an activation become an [`Affine`]; two activations
//! become an [`Arithmetic`]. Source: ONNX broadcasting rules (docs/Broadcasting.md), opset 7 on.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::float::{Affine, Arithmetic, FloatOp, Pointwise};
use super::super::graph::{Kind, ValueId};
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};
use super::elementwise::binary;

/// The four operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Sub,
    Mul,
    Div,
}

pub(super) fn import(
    operation: Operation,
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    if node.attribute("axis").is_some() || (node.opset < 7 && node.int("broadcast", 0) != 0) {
        return Err(OpError::unsupported(
            "broadcasting as it was before opset 7",
            "the same model converted to opset 13",
        ));
    }
    let (l, r) = (node.need(0)?.clone(), node.need(1)?.clone());
    Ok(vec![apply(b, operation, &l, &r)?])
}

/// `l operation r`, broadcast.
pub(super) fn apply(
    b: &mut Builder,
    operation: Operation,
    l: &Operand,
    r: &Operand,
) -> Result<Operand, OpError> {
    let shape = common_shape(b.shape(l), b.shape(r))?;
    checked_len(&shape)?;
    let whole = b.is_whole(l) && b.is_whole(r);
    Ok(match (l, r) {
        (Operand::Activation(_), _) | (_, Operand::Activation(_))
            if whole && operation == Operation::Div =>
        {
            let op = FloatOp::Arithmetic(Arithmetic::DivWhole);
            binary(b, op, l, r, Kind::Integer)?
        }
        (Operand::Constant(l), Operand::Constant(r)) => {
            Operand::Constant(Rc::new(constants(b, operation, l, r, shape)?))
        }
        (Operand::Activation(_), Operand::Constant(c)) => affine(b, operation, l, c, shape, false)?,
        (Operand::Constant(c), Operand::Activation(_)) => affine(b, operation, r, c, shape, true)?,
        (Operand::Activation(_), Operand::Activation(_)) => {
            let op = match operation {
                Operation::Add => Arithmetic::Add,
                Operation::Sub => Arithmetic::Sub,
                Operation::Mul => Arithmetic::Mul,
                Operation::Div => Arithmetic::Div,
            };
            arithmetic(b, op, l, r)?
        }
    })
}

/// `l op r` of two activations, broadcast.
pub(super) fn arithmetic(
    b: &mut Builder,
    op: Arithmetic,
    l: &Operand,
    r: &Operand,
) -> Result<Operand, OpError> {
    let (l, r, shape, row_axis) = aligned(b, l, r)?;
    if [l, r].iter().any(|&id| !b.value(id).kind.is_numeric()) {
        return Err(OpError::unsupported(
            "arithmetic on a label or on quantised integers",
            "on numbers",
        ));
    }
    b.push(
        FloatOp::Arithmetic(op),
        &[l, r],
        shape,
        row_axis,
        Kind::Number,
    )
}

/// Two activations repeated to their common shape, that shape, and its row axis.
pub(super) fn aligned(
    b: &mut Builder,
    l: &Operand,
    r: &Operand,
) -> Result<(ValueId, ValueId, Vec<usize>, Option<usize>), OpError> {
    let shape = common_shape(b.shape(l), b.shape(r))?;
    let (l, l_rows) = broadcast_to(b, l, &shape)?;
    let (r, r_rows) = broadcast_to(b, r, &shape)?;
    let row_axis = match (l_rows, r_rows) {
        (Some(a), Some(b)) if a != b => {
            return Err(OpError::mixes_rows(
                "broadcasting one batch against another",
            ))
        }
        (a, b) => a.or(b),
    };
    match (l, r) {
        (Operand::Activation(l), Operand::Activation(r)) => Ok((l, r, shape, row_axis)),
        _ => Err(OpError::invalid("an activation was expected")),
    }
}

/// Shape of the result of broadcasting two shapes.
pub(super) fn common_shape(l: &[usize], r: &[usize]) -> Result<Vec<usize>, OpError> {
    let rank = l.len().max(r.len());
    let extent = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
    (0..rank)
        .map(|i| match (extent(l, i), extent(r, i)) {
            (a, b) if a == b || b == 1 => Ok(a),
            (1, b) => Ok(b),
            _ => Err(OpError::invalid(format!(
                "shapes {l:?} and {r:?} do not broadcast"
            ))),
        })
        .collect()
}

/// For each element of `to`, the element of `from` that it repeats.
pub(super) fn broadcast_indices(from: &[usize], to: &[usize]) -> Vec<u32> {
    let skipped = to.len() - from.len();
    let mut strides = vec![0u32; to.len()];
    let mut stride = 1u32;
    for i in (0..from.len()).rev() {
        if from[i] != 1 {
            strides[skipped + i] = stride;
        }
        stride *= from[i] as u32;
    }
    strided(to, &strides, 0)
}

/// The flat positions `base + sum_i index_i strides_i` of all indices of a shape, row-major.
pub(super) fn strided(shape: &[usize], strides: &[u32], base: u32) -> Vec<u32> {
    let mut positions = vec![base];
    for (&extent, &stride) in shape.iter().zip(strides) {
        positions = positions
            .iter()
            .flat_map(|&p| (0..extent as u32).map(move |i| p + i * stride))
            .collect();
    }
    positions
}

/// An operand repeated to a shape that it broadcasts to, and its row axis there.
pub(super) fn broadcast_to(
    b: &mut Builder,
    operand: &Operand,
    shape: &[usize],
) -> Result<(Operand, Option<usize>), OpError> {
    checked_len(shape)?;
    let from = b.shape(operand).to_vec();
    let row_axis = b.row_axis(operand).map(|a| a + shape.len() - from.len());
    if let Some(axis) = row_axis {
        if shape[axis] != 1 {
            return Err(OpError::mixes_rows(
                "broadcasting along the batch dimension",
            ));
        }
    }
    if from == shape {
        return Ok((operand.clone(), row_axis));
    }
    let indices = broadcast_indices(&from, shape);
    let moved = b.movement(
        std::slice::from_ref(operand),
        indices,
        shape.to_vec(),
        row_axis,
    )?;
    Ok((moved, row_axis))
}

/// Smallest trailing block of `shape` that a constant of shape `c` fills; the constant repeats over it.
fn period(c: &[usize], shape: &[usize]) -> Vec<usize> {
    let skip = c.iter().take_while(|&&d| d == 1).count();
    shape[shape.len() - (c.len() - skip)..].to_vec()
}

fn affine(
    b: &mut Builder,
    operation: Operation,
    x: &Operand,
    c: &Tensor,
    shape: Vec<usize>,
    constant_first: bool,
) -> Result<Operand, OpError> {
    let (x, row_axis) = broadcast_to(b, x, &shape)?;
    let Operand::Activation(mut id) = x else {
        return Err(OpError::invalid("an activation was expected"));
    };
    if !b.value(id).kind.is_numeric() {
        return Err(OpError::unsupported(
            "arithmetic on a label or on quantised integers",
            "on numbers",
        ));
    }
    let block = period(&c.shape, &shape);
    let tail = &c.shape[c.shape.len() - block.len()..];
    // Trailing extents of one: the constant serves that many neighbours.
    let ones = tail.iter().rev().take_while(|&&d| d == 1).count();
    let inner: usize = block[block.len() - ones..].iter().product();
    let (tail, block) = (&tail[..tail.len() - ones], &block[..block.len() - ones]);
    let numbers = c
        .numbers()
        .ok_or_else(|| OpError::invalid("arithmetic on strings"))?;
    let constants: Vec<f64> = broadcast_indices(tail, block)
        .into_iter()
        .map(|i| numbers[i as usize])
        .collect();
    b.count(constants.len())?;
    let period = constants.len();
    let (scale, offset) = match (operation, constant_first) {
        (Operation::Add, _) => (None, Some(constants)),
        (Operation::Sub, false) => (None, Some(constants.iter().map(|c| -c).collect())),
        (Operation::Sub, true) => (Some(vec![-1.0; period]), Some(constants)),
        (Operation::Mul, _) => (Some(constants), None),
        (Operation::Div, false) => (Some(constants.iter().map(|c| 1.0 / c).collect()), None),
        (Operation::Div, true) => {
            let inverse = FloatOp::Pointwise(Pointwise::Reciprocal);
            let inverse = b.push(inverse, &[id], shape.clone(), row_axis, Kind::Number)?;
            let Operand::Activation(inverse) = inverse else {
                return Err(OpError::invalid("an activation was expected"));
            };
            id = inverse;
            (Some(constants), None)
        }
    };
    let whole = b.value(id).kind.is_whole() && c.integers().is_some();
    b.push(
        FloatOp::Affine(Affine {
            period,
            inner,
            scale,
            offset,
        }),
        &[id],
        shape,
        row_axis,
        if whole { Kind::Integer } else { Kind::Number },
    )
}

fn constants(
    b: &mut Builder,
    operation: Operation,
    l: &Tensor,
    r: &Tensor,
    shape: Vec<usize>,
) -> Result<Tensor, OpError> {
    b.count(checked_len(&shape)?)?;
    let pairs = broadcast_indices(&l.shape, &shape)
        .into_iter()
        .zip(broadcast_indices(&r.shape, &shape));
    let data = if let (Some(l), Some(r)) = (l.integers(), r.integers()) {
        let overflow = || OpError::invalid("integer constants overflow or divide by zero");
        let values: Result<Vec<i64>, OpError> = pairs
            .map(|(i, j)| {
                let (l, r) = (l[i as usize], r[j as usize]);
                match operation {
                    Operation::Add => l.checked_add(r),
                    Operation::Sub => l.checked_sub(r),
                    Operation::Mul => l.checked_mul(r),
                    Operation::Div => l.checked_div(r),
                }
                .ok_or_else(overflow)
            })
            .collect();
        Data::Int(values?)
    } else {
        let strings = || OpError::invalid("arithmetic on strings");
        let (l, r) = (
            l.numbers().ok_or_else(strings)?,
            r.numbers().ok_or_else(strings)?,
        );
        Data::Float(
            pairs
                .map(|(i, j)| {
                    let (l, r) = (l[i as usize], r[j as usize]);
                    match operation {
                        Operation::Add => l + r,
                        Operation::Sub => l - r,
                        Operation::Mul => l * r,
                        Operation::Div => l / r,
                    }
                })
                .collect(),
        )
    };
    Ok(Tensor { shape, data })
}
