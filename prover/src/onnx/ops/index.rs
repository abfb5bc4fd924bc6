//! Positions in row-major tensors, and what copying elements to new positions shares.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::import::{checked_len, Builder, Operand};
use super::super::tensor::{Data, Tensor};

/// How far apart neighbours along each axis lie.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// The flat position of an index.
pub(super) fn flat(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}

/// The indices of a shape, row-major.
pub(super) fn each(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let count = shape.iter().product::<usize>();
    let strides = strides(shape);
    (0..count).map(move |at| {
        let along = strides.iter().zip(shape);
        along.map(|(stride, extent)| at / stride % extent).collect()
    })
}

/// Possibly negative positions along an axis of this extent.
pub(super) fn wrapped(positions: &[i64], extent: usize) -> Result<Vec<usize>, OpError> {
    let wrap = |&p: &i64| {
        let p = if p < 0 {
            p.saturating_add(extent as i64)
        } else {
            p
        };
        usize::try_from(p).ok().filter(|&p| p < extent)
    };
    let all: Option<Vec<usize>> = positions.iter().map(wrap).collect();
    all.ok_or_else(|| OpError::invalid("a position outside the axis"))
}

/// Elements of `x` in a new order, the public number `fill` where there is none.
pub(super) fn moved_or(
    b: &mut Builder,
    x: &Operand,
    from: &[Option<usize>],
    fill: f64,
    shape: Vec<usize>,
    row_axis: Option<usize>,
) -> Result<Operand, OpError> {
    checked_len(&shape)?;
    let len = b.shape(x).iter().product::<usize>();
    let at = |i: &Option<usize>| i.unwrap_or(len) as u32;
    let indices: Vec<u32> = from.iter().map(at).collect();
    if from.iter().all(Option::is_some) {
        return b.movement(std::slice::from_ref(x), indices, shape, row_axis);
    }
    let filling = match x {
        Operand::Constant(tensor) => {
            let data = match &tensor.data {
                Data::Float(_) => Data::Float(vec![fill]),
                Data::Int(_) => Data::Int(vec![fill as i64]),
                Data::Text(_) => return Err(OpError::invalid("strings beside a number")),
            };
            let shape = vec![1];
            Operand::Constant(Rc::new(Tensor { shape, data }))
        }
        Operand::Activation(id) => {
            let kind = b.value(*id).kind.clone();
            if !kind.is_numeric() {
                return Err(OpError::unsupported("numbers beside labels", "numbers"));
            }
            b.public(&[fill], vec![1], *id, None, kind)?
        }
    };
    b.movement(&[x.clone(), filling], indices, shape, row_axis)
}
