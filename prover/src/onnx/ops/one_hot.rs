//! OneHot: `on` where the new axis counts to the index, `off` elsewhere; indices may be computed or constant, from
//! -depth to depth - 1, others give `off` alone. Depth and values are constants. Source: ONNX OneHot, opsets 9 and 11.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Relation, Threshold};
use super::super::graph::Kind;
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::linear_map::scaled;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let Operand::Activation(index) = *node.need(0)? else {
        return Err(OpError::unsupported(
            "constant indices",
            "the result as a constant",
        ));
    };
    let one = |i: usize, what: &str| -> Result<Vec<f64>, OpError> {
        let numbers = node.constant(i, what)?.numbers();
        numbers.ok_or_else(|| OpError::invalid(format!("{what} must be numbers")))
    };
    let (depth, values) = (one(1, "the depth")?, one(2, "the values")?);
    let (&[depth], &[off, on]) = (depth.as_slice(), values.as_slice()) else {
        return Err(OpError::invalid("one depth and two values are needed"));
    };
    if !(1.0..=f64::from(1 << 25)).contains(&depth) {
        return Err(OpError::invalid(format!("depth {depth}")));
    }
    let depth = depth as usize;
    let bits = bits(b, index, depth, node.int("axis", -1))?;
    let whole = node.constant(2, "the values")?.integers().is_some();
    if (off, on) == (0.0, 1.0) {
        return Ok(vec![
            b.cast(&bits, if whole { Kind::Integer } else { Kind::Number })?
        ]);
    }
    let bits = b.cast(&bits, Kind::Integer)?;
    let made = scaled(b, &bits, on - off, off)?;
    let kind = if whole { Kind::Integer } else { Kind::Number };
    Ok(vec![b.cast(&made, kind)?])
}

/// `[index = k]` for k from 0 to depth - 1 along a new axis.
pub(super) fn bits(
    b: &mut Builder,
    index: usize,
    depth: usize,
    axis: i64,
) -> Result<Operand, OpError> {
    let value = b.value(index);
    if !value.kind.is_numeric() {
        return Err(OpError::unsupported("labels as indices", "numbers"));
    }
    let (mut shape, row) = (value.shape.clone(), value.row_axis);
    let rank = shape.len() as i64 + 1;
    let axis = if axis < 0 { axis + rank } else { axis };
    if !(0..rank).contains(&axis) {
        return Err(OpError::invalid(format!("axis {axis}")));
    }
    let axis = axis as usize;
    let (outer, inner): (usize, usize) = (
        shape[..axis].iter().product(),
        shape[axis..].iter().product(),
    );
    shape.insert(axis, depth);
    let len = checked_len(&shape)?;
    let row = row.map(|r| if r >= axis { r + 1 } else { r });
    let indices: Vec<u32> = (0..outer)
        .flat_map(|o| (0..depth).flat_map(move |_| (0..inner).map(move |i| (o * inner + i) as u32)))
        .collect();
    let counted: Vec<f64> = (0..outer)
        .flat_map(|_| (0..depth).flat_map(move |k| std::iter::repeat_n(k as f64, inner)))
        .collect();
    let equal = |b: &mut Builder, thresholds: Vec<f64>| {
        let spread = b.movement(
            &[Operand::Activation(index)],
            indices.clone(),
            shape.clone(),
            row,
        )?;
        let Operand::Activation(spread) = spread else {
            return Err(OpError::invalid("an activation was expected"));
        };
        let op = FloatOp::Threshold(Threshold {
            relation: Relation::Equal,
            thresholds,
        });
        b.push(op, &[spread], shape.clone(), row, Kind::Boolean)
    };
    b.count(2 * len)?;
    let from_start = equal(b, counted.clone())?;
    if b.value(index).kind == Kind::Index {
        // Never negative.
        return Ok(from_start);
    }
    let from_end = equal(b, counted.iter().map(|k| k - depth as f64).collect())?;
    let (Operand::Activation(l), Operand::Activation(r)) = (&from_start, &from_end) else {
        return Err(OpError::invalid("an activation was expected"));
    };
    let or = FloatOp::Arithmetic(Arithmetic::Or);
    let either = b.push(or, &[*l, *r], shape.clone(), row, Kind::Boolean)?;
    Ok(either)
}
