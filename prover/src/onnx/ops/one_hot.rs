//! OneHot: `on` where the new axis counts to the index, `off` elsewhere; indices may be computed or constant, from
//! -depth to depth - 1, others give `off` alone. Depth and values are constants. Source: ONNX OneHot, opsets 9 and 11.

use super::super::error::OpError;
use super::super::float::{Arithmetic, Combination, FloatOp, Relation, Threshold};
use super::super::graph::{Kind, ValueId};
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::broadcast::arithmetic;
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
    let made = match (off, on) {
        (0.0, 1.0) => bits,
        _ => scaled(b, &bits, on - off, off)?,
    };
    let kind = if whole { Kind::Integer } else { Kind::Number };
    Ok(vec![b.cast(&made, kind)?])
}

/// `[index = k]` for k from 0 to depth - 1 along a new axis, an index below zero counted from the end:
/// `[index >= k] - [index >= k + 1]`, one comparison each.
pub(super) fn bits(
    b: &mut Builder,
    index: ValueId,
    depth: usize,
    axis: i64,
) -> Result<Operand, OpError> {
    let value = b.value(index);
    if !value.kind.is_numeric() {
        return Err(OpError::unsupported("labels as indices", "numbers"));
    }
    let (mut shape, row) = (value.shape.clone(), value.row_axis);
    let never_negative = value.kind == Kind::Index;
    let rank = shape.len() as i64 + 1;
    let axis = if axis < 0 { axis + rank } else { axis };
    if !(0..rank).contains(&axis) {
        return Err(OpError::invalid(format!("axis {axis}")));
    }
    let axis = axis as usize;
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis..].iter().product();
    let index = Operand::Activation(index);
    let index = if never_negative {
        index
    } else {
        from_start(b, &index, depth)?
    };
    // 1. Comparisons, [outer, depth + 1, inner].
    let steps = depth + 1;
    let compared = vec![outer, steps, inner];
    b.count(2 * checked_len(&compared)?)?;
    let spread = (0..outer)
        .flat_map(|o| (0..steps).flat_map(move |_| (0..inner).map(move |i| (o * inner + i) as u32)))
        .collect();
    let spread = b.movement(&[index], spread, compared.clone(), None)?;
    let thresholds = (0..outer)
        .flat_map(|_| (0..steps).flat_map(move |k| std::iter::repeat_n(k as f64, inner)))
        .collect();
    let op = FloatOp::Threshold(Threshold {
        relation: Relation::GreaterOrEqual,
        thresholds,
    });
    let at_least = b.push(op, &[spread.activation()?], compared, None, Kind::Boolean)?;
    // 2. Differences, [outer, depth, inner].
    let mut differences = Combination::default();
    for o in 0..outer {
        for at in 0..depth * inner {
            let first = o * steps * inner + at;
            differences.row([(first, 1.0), (first + inner, -1.0)]);
        }
    }
    shape.insert(axis, depth);
    let row = row.map(|r| if r >= axis { r + 1 } else { r });
    let op = FloatOp::Combination(differences);
    b.push(op, &[at_least.activation()?], shape, row, Kind::Integer)
}

/// `index + depth [index < 0]`
fn from_start(b: &mut Builder, index: &Operand, depth: usize) -> Result<Operand, OpError> {
    let id = index.activation()?;
    let (shape, row) = (b.value(id).shape.clone(), b.value(id).row_axis);
    let op = FloatOp::Threshold(Threshold {
        relation: Relation::Less,
        thresholds: vec![0.0],
    });
    let negative = b.push(op, &[id], shape, row, Kind::Boolean)?;
    let added = scaled(b, &negative, depth as f64, 0.0)?;
    arithmetic(b, Arithmetic::Add, index, &added)
}
