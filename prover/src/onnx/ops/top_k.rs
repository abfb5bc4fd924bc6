//! TopK: the k greatest or least elements along an axis in order, and where they are; the first of equals comes first.
//!
//! One-hot bits tell which element is the t-th; it is `sum_j bit_tj x_j`, and its position `sum_j bit_tj j`, exact.
//! Source: ONNX TopK, opsets 1 (attribute), 10 (operand), 11 (least).

use super::super::error::OpError;
use super::super::float::{Arithmetic, AxisView, Combination, FloatOp, Reduction};
use super::super::graph::{Kind, ValueId};
use super::super::import::{axis_of, checked_len, Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let axis = axis_of(node.int("axis", -1), shape.len())?;
    if b.row_axis(&x) == Some(axis) {
        return Err(OpError::mixes_rows("an order of the batch dimension"));
    }
    let k = match node.integers(1, "k")?.as_deref() {
        Some(&[k]) => k,
        Some(_) => return Err(OpError::invalid("k must be one number")),
        None => node.int("k", 0),
    };
    let k = usize::try_from(k)
        .ok()
        .filter(|k| (1..=shape[axis]).contains(k));
    let k = k.ok_or_else(|| OpError::invalid("k outside the axis"))?;
    let Operand::Activation(x) = x else {
        return Err(OpError::unsupported("an order of constants", "its result"));
    };
    let largest = node.int("largest", 1) != 0;
    let [values, indices] = sorted(b, x, axis, k, largest)?;
    Ok(vec![values, indices])
}

/// The first k values of the order, and their positions.
fn sorted(
    b: &mut Builder,
    x: ValueId,
    axis: usize,
    k: usize,
    largest: bool,
) -> Result<[Operand; 2], OpError> {
    let value = b.value(x);
    if !value.kind.is_numeric() {
        return Err(OpError::unsupported("an order of labels", "of numbers"));
    }
    let (mut shape, row_axis, kind) = (value.shape.clone(), value.row_axis, value.kind.clone());
    let view = AxisView::of(&shape, axis);
    let n = view.len;
    let groups: Vec<Vec<usize>> = view.groups().collect();
    // 1. Which element is the t-th, as [groups, k, n].
    let spread = vec![groups.len(), k, n];
    checked_len(&spread)?;
    let order = FloatOp::Order {
        axis: view,
        count: k,
        largest,
    };
    let bits = b.push(order, &[x], spread.clone(), None, Kind::Boolean)?;
    let bits = bits.activation()?;
    // 2. Chosen values and positions, as [groups, k], then in the operand's layout.
    let elements: Vec<u32> = groups
        .iter()
        .flat_map(|g| (0..k).flat_map(move |_| g.iter().map(|&i| i as u32)))
        .collect();
    let elements = b.movement(&[Operand::Activation(x)], elements, spread.clone(), None)?;
    let product = FloatOp::Arithmetic(Arithmetic::Mul);
    let ids = [bits, elements.activation()?];
    let products = b.push(product, &ids, spread.clone(), None, Kind::Number)?;
    let sums = AxisView {
        outer: groups.len() * k,
        len: n,
        inner: 1,
    };
    let flat = vec![groups.len() * k];
    let sum = FloatOp::Reduce(Reduction::Sum, sums);
    let values = b.push(
        sum,
        &[products.activation()?],
        flat.clone(),
        None,
        kind.clone(),
    )?;
    let mut positions = Combination::default();
    for t in 0..groups.len() * k {
        positions.row((0..n).map(|j| (t * n + j, j as f64)));
    }
    let positions = FloatOp::Combination(positions);
    let positions = b.push(positions, &[bits], flat, None, Kind::Index)?;
    shape[axis] = k;
    let back: Vec<u32> = (0..view.outer)
        .flat_map(|o| {
            (0..k).flat_map(move |t| {
                (0..view.inner).map(move |i| ((o * view.inner + i) * k + t) as u32)
            })
        })
        .collect();
    let mut made = Vec::with_capacity(2);
    for operand in [values, positions] {
        made.push(b.movement(&[operand], back.clone(), shape.clone(), row_axis)?);
    }
    let indices = made.pop().ok_or_else(|| OpError::invalid("no positions"))?;
    let values = made.pop().ok_or_else(|| OpError::invalid("no values"))?;
    Ok([values, indices])
}

/// The one-hot bits that TopK's positions were made of, [positions, depth], where they are at hand.
pub(super) fn order_bits(b: &Builder, index: ValueId, depth: usize) -> Option<ValueId> {
    let (op, bits) = source(b, index)?;
    let FloatOp::Combination(_) = op else {
        return None;
    };
    match source(b, bits)?.0 {
        FloatOp::Order { axis, .. } if axis.len == depth => {}
        _ => return None,
    }
    (b.value(bits).len() == b.value(index).len() * depth).then_some(bits)
}

/// The operator that makes a value, copies aside, and its operand.
fn source(b: &Builder, mut value: ValueId) -> Option<(&FloatOp, ValueId)> {
    loop {
        let node = b.maker(value)?;
        let &[operand] = node.inputs.as_slice() else {
            return None;
        };
        match &node.op {
            FloatOp::Movement(m) if m.is_identity(b.value(operand).len()) => value = operand,
            op => return Some((op, operand)),
        }
    }
}

/// Whether a value holds TopK's positions, in whatever layout.
pub(super) fn is_order(b: &Builder, mut index: ValueId) -> bool {
    while let Some(node) = b.maker(index) {
        match (&node.op, node.inputs.as_slice()) {
            (FloatOp::Movement(_), &[operand]) => index = operand,
            (FloatOp::Combination(_), _) => return true,
            _ => return false,
        }
    }
    false
}
