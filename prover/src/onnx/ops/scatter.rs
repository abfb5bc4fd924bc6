//! ScatterElements, ScatterND and Scatter: updates written into a copy of the operand at constant positions, or combined
//! with what is there. Source: ONNX ScatterElements and ScatterND, opsets 11, 13, 16 and 18; Scatter, opset 9.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp};
use super::super::graph::Kind;
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::elementwise::binary;
use super::index::{each, flat, strides, wrapped};

/// How an update meets what is there.
#[derive(Clone, Copy)]
enum Meeting {
    Replace,
    With(Arithmetic),
}

pub(super) fn elements(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (x, updates) = (node.need(0)?.clone(), node.need(2)?.clone());
    let shape = b.shape(&x).to_vec();
    let axis = axis_of(node.int("axis", 0), shape.len())?;
    let at = node.constant(1, "the positions")?.clone();
    if at.shape != b.shape(&updates) || at.shape.len() != shape.len() {
        return Err(OpError::invalid("positions of another shape than updates"));
    }
    let positions = at
        .integers()
        .ok_or_else(|| OpError::invalid("positions are integers"))?;
    let positions = wrapped(positions, shape[axis])?;
    let steps = strides(&shape);
    let mut targets = Vec::with_capacity(positions.len());
    for (mut index, position) in each(&at.shape).zip(positions) {
        index[axis] = position;
        if index.iter().zip(&shape).any(|(i, n)| i >= n) {
            return Err(OpError::invalid("an update outside the operand"));
        }
        targets.push(flat(&index, &steps));
    }
    written(b, node, &x, &updates, &targets, axis)
}

pub(super) fn nd(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (x, updates) = (node.need(0)?.clone(), node.need(2)?.clone());
    let shape = b.shape(&x).to_vec();
    let at = node.constant(1, "the positions")?.clone();
    let no_fit = || OpError::invalid("positions that do not fit operand and updates");
    let (&depth, lead) = at.shape.split_last().ok_or_else(no_fit)?;
    let rest = shape.get(depth..).ok_or_else(no_fit)?;
    if b.shape(&updates) != [lead, rest].concat() {
        return Err(no_fit());
    }
    let positions = at
        .integers()
        .ok_or_else(|| OpError::invalid("positions are integers"))?;
    let steps = strides(&shape);
    let inner: usize = rest.iter().product();
    let mut targets = Vec::new();
    for tuple in positions.chunks(depth.max(1)) {
        let mut start = 0;
        for (d, position) in tuple.iter().enumerate() {
            start += wrapped(std::slice::from_ref(position), shape[d])?[0] * steps[d];
        }
        targets.extend(start..start + inner);
    }
    written(b, node, &x, &updates, &targets, 0)
}

/// The operand with update i at position `targets[i]`, one round for each further update of one position.
fn written(
    b: &mut Builder,
    node: &NodeView<'_>,
    x: &Operand,
    updates: &Operand,
    targets: &[usize],
    axis: usize,
) -> Result<Vec<Operand>, OpError> {
    let meeting = match node.text("reduction")?.unwrap_or("none") {
        "none" => Meeting::Replace,
        "add" => Meeting::With(Arithmetic::Add),
        "mul" => Meeting::With(Arithmetic::Mul),
        "max" => Meeting::With(Arithmetic::Max),
        "min" => Meeting::With(Arithmetic::Min),
        other => return Err(OpError::invalid(format!("reduction {other}"))),
    };
    if [x, updates].iter().any(|o| b.row_axis(o) == Some(axis)) {
        return Err(OpError::mixes_rows("updates along the batch dimension"));
    }
    let shape = b.shape(x).to_vec();
    let row_axis = b.row_axis(x).or(b.row_axis(updates));
    let len: usize = shape.iter().product();
    let mut left: Vec<(usize, usize)> = targets.iter().copied().enumerate().collect();
    if matches!(meeting, Meeting::Replace) {
        // The last of several updates stays.
        let mut indices: Vec<u32> = (0..len as u32).collect();
        for (update, target) in left {
            indices[target] = (len + update) as u32;
        }
        let operands = [x.clone(), updates.clone()];
        return Ok(vec![b.movement(&operands, indices, shape, row_axis)?]);
    }
    let Meeting::With(op) = meeting else {
        unreachable!("the other meeting returned")
    };
    let mut result = x.clone();
    while !left.is_empty() {
        let mut taken = vec![None; len];
        left.retain(|&(update, target)| {
            if taken[target].is_none() {
                taken[target] = Some(update);
                return false;
            }
            true
        });
        // Those that meet an update, the updates, and the rest beside.
        let met: Vec<usize> = (0..len).filter(|&i| taken[i].is_some()).collect();
        let there: Vec<u32> = met.iter().map(|&i| i as u32).collect();
        let coming: Vec<u32> = met
            .iter()
            .filter_map(|&i| taken[i])
            .map(|u| u as u32)
            .collect();
        let count = vec![met.len()];
        let there = b.movement(std::slice::from_ref(&result), there, count.clone(), None)?;
        let coming = b.movement(std::slice::from_ref(updates), coming, count, None)?;
        let new = binary(b, FloatOp::Arithmetic(op), &there, &coming, Kind::Number)?;
        let mut indices: Vec<u32> = (0..len as u32).collect();
        for (k, &i) in met.iter().enumerate() {
            indices[i] = (len + k) as u32;
        }
        result = b.movement(&[result, new], indices, shape.clone(), row_axis)?;
    }
    Ok(vec![result])
}
