//! Gather: elements of an axis at constant positions; at computed ones by one-hot bits; or a label table read at a
//! computed index.
//! Source: ONNX Gather, opset 1 on.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::float::{FloatOp, Linear};
use super::super::graph::{Kind, ValueId};
use super::super::import::{axis_of, checked_len, Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};
use super::array_feature_extractor::label;
use super::contraction::{contract, Steps};
use super::index::strides;
use super::one_hot::bits;
use super::top_k::{is_order, order_bits};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    if let Operand::Activation(index) = *node.need(1)? {
        if let Some(table) = labels(b, &x, index) {
            let value = b.value(index);
            let (shape, row_axis) = (value.shape.clone(), value.row_axis);
            return Ok(vec![label(b, &table, index, shape, row_axis)?]);
        }
        return Ok(vec![lookup(b, &x, index, node.int("axis", 0))?]);
    }
    let shape = b.shape(&x).to_vec();
    let axis = axis_of(node.int("axis", 0), shape.len())?;
    let at = node.constant(1, "the positions")?.clone();
    let positions = at
        .integers()
        .ok_or_else(|| OpError::invalid("positions are integers"))?;
    let picked: Option<Vec<usize>> = positions
        .iter()
        .map(|&p| {
            if p < 0 {
                p.saturating_add(shape[axis] as i64)
            } else {
                p
            }
        })
        .map(|p| usize::try_from(p).ok().filter(|&p| p < shape[axis]))
        .collect();
    let picked = picked.ok_or_else(|| OpError::invalid("a position outside the axis"))?;
    let row_axis = match b.row_axis(&x) {
        Some(row) if row == axis => b.drop_rows("a choice along the batch dimension")?,
        Some(row) if row > axis => Some(row + at.shape.len() - 1),
        row => row,
    };
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product();
    let mut extents = shape[..axis].to_vec();
    extents.extend(&at.shape);
    extents.extend(&shape[axis + 1..]);
    checked_len(&extents)?;
    let mut indices = Vec::new();
    for o in 0..outer {
        for &p in &picked {
            let start = (o * shape[axis] + p) * inner;
            indices.extend((start..start + inner).map(|i| i as u32));
        }
    }
    Ok(vec![b.movement(
        std::slice::from_ref(&x),
        indices,
        extents,
        row_axis,
    )?])
}

/// The table, if it is one of labels read at the result of ArgMax.
pub(super) fn labels(b: &Builder, x: &Operand, index: ValueId) -> Option<Rc<Tensor>> {
    match x {
        // What TopK's positions choose are training data, and numbers.
        Operand::Constant(table) if matches!(table.data, Data::Int(_)) && is_order(b, index) => {
            None
        }
        Operand::Constant(table)
            if b.value(index).kind == Kind::Index && !matches!(table.data, Data::Float(_)) =>
        {
            Some(table.clone())
        }
        _ => None,
    }
}

/// Slices of an axis at computed positions: `sum_k [index = k] x_k`, with a constant x a private layer over the bits. A
/// position outside the axis gives zeros.
pub(super) fn lookup(
    b: &mut Builder,
    x: &Operand,
    index: ValueId,
    axis: i64,
) -> Result<Operand, OpError> {
    if !b.value(index).kind.is_whole() {
        return Err(OpError::unsupported(
            "positions that are no integers",
            "integers",
        ));
    }
    let shape = b.shape(x).to_vec();
    let axis = axis_of(axis, shape.len())?;
    let (front, depth, back) = (&shape[..axis], shape[axis], &shape[axis + 1..]);
    let index_shape = b.value(index).shape.clone();
    let index_row = b.value(index).row_axis;
    let bits = match order_bits(b, index, depth) {
        Some(bits) => Operand::Activation(bits),
        None => bits(b, index, depth, -1)?,
    };
    let positions: usize = index_shape.iter().product();
    let rest: usize = front.iter().chain(back).product();
    let mut result = front.to_vec();
    result.extend(&index_shape);
    result.extend(back);
    checked_len(&result)?;
    let Operand::Constant(table) = x else {
        let row_axis = match (b.row_axis(x), index_row) {
            (Some(_), Some(_)) => {
                return Err(OpError::mixes_rows("a choice in one batch by another"));
            }
            (Some(row), None) if row == axis => {
                return Err(OpError::mixes_rows("a choice along the batch dimension"));
            }
            (Some(row), None) if row > axis => Some(row + index_shape.len() - 1),
            (row, None) => row,
            (None, Some(row)) => Some(front.len() + row),
        };
        let (steps, spread) = (strides(&shape), strides(&index_shape));
        let still = |n: usize| std::iter::repeat_n(0, n);
        let of_bits = spread.iter().map(|s| s * depth);
        let bit_steps = Steps {
            outer: still(front.len())
                .chain(of_bits)
                .chain(still(back.len()))
                .collect(),
            summed: vec![1],
        };
        let of_x = steps[..axis]
            .iter()
            .copied()
            .chain(still(index_shape.len()));
        let x_steps = Steps {
            outer: of_x.chain(steps[axis + 1..].iter().copied()).collect(),
            summed: vec![steps[axis]],
        };
        let operands = [(&bits, &bit_steps), (x, &x_steps)];
        let made = contract(b, &operands, &result, &[depth])?;
        return b.reshaped(&made, result, row_axis);
    };
    // W: [rest, depth], over the bits of each position.
    let numbers = table.numbers().ok_or_else(|| {
        OpError::unsupported("a table of strings", "read at the result of ArgMax")
    })?;
    b.count(numbers.len())?;
    let inner: usize = back.iter().product();
    let at = |r: usize, k: usize| (r / inner * depth + k) * inner + r % inner;
    let weights = (0..rest)
        .flat_map(|r| (0..depth).map(move |k| (r, k)))
        .map(|(r, k)| numbers[at(r, k)])
        .collect();
    let layer = FloatOp::Linear(Linear {
        inputs: depth,
        outputs: rest,
        weights,
        bias: vec![0.0; rest],
    });
    let whole = table.integers().is_some();
    let kind = if whole { Kind::Integer } else { Kind::Number };
    let made = b.push(
        layer,
        &[bits.activation()?],
        vec![positions, rest],
        None,
        kind,
    )?;
    // [positions, front, back] as [front, positions, back].
    let outer: usize = front.iter().product();
    let order = (0..outer)
        .flat_map(|f| {
            (0..positions)
                .flat_map(move |p| (0..inner).map(move |i| (p * rest + f * inner + i) as u32))
        })
        .collect();
    let row_axis = index_row.map(|row| front.len() + row);
    b.movement(&[made], order, result, row_axis)
}
