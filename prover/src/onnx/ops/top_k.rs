//! TopK: the k greatest or least elements along an axis in order, and where they are; the first of equals comes first.
//!
//! The rank of an element is the number of those before it: `rank_j = sum_(i<j) [x_i >= x_j] + sum_(i>j) [x_i > x_j]`,
//! one comparison a pair. Element t of the result is `sum_j [rank_j = t] x_j`, exact. Source: ONNX TopK, opsets 1
//! (attribute), 10 (operand), 11 (least).

use super::super::error::OpError;
use super::super::float::{
    Arithmetic, AxisView, Combination, FloatOp, Reduction, Relation, Threshold,
};
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
pub(super) fn sorted(
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
    checked_len(&[view.outer, view.inner, n, n])?;
    let groups: Vec<Vec<usize>> = view.groups().collect();
    let len = groups.len() * n;
    let number = |operand: Operand| match operand {
        Operand::Activation(id) => Ok(id),
        Operand::Constant(_) => Err(OpError::invalid("an activation was expected")),
    };
    // 1. One bit for each pair i < j: x_i comes before x_j.
    let pairs: Vec<(usize, usize)> = (0..n).flat_map(|j| (0..j).map(move |i| (i, j))).collect();
    let mut rank = Combination::default();
    let ranks = if pairs.is_empty() {
        for position in 0..len {
            rank.row([(position, 0.0)]);
        }
        let flat = b.push(
            FloatOp::Combination(rank),
            &[x],
            vec![len],
            None,
            Kind::Index,
        )?;
        number(flat)?
    } else {
        let side = |second: bool| -> Vec<u32> {
            let of = |g: &Vec<usize>| -> Vec<u32> {
                let pick = |&(i, j): &(usize, usize)| g[if second { j } else { i }] as u32;
                pairs.iter().map(pick).collect()
            };
            groups.iter().flat_map(of).collect()
        };
        let count = vec![groups.len() * pairs.len()];
        let operand = [Operand::Activation(x)];
        let left = b.movement(&operand, side(false), count.clone(), None)?;
        let right = b.movement(&operand, side(true), count.clone(), None)?;
        let relation = if largest {
            Relation::GreaterOrEqual
        } else {
            Relation::LessOrEqual
        };
        let ids = [number(left)?, number(right)?];
        let before = b.push(FloatOp::Compare(relation), &ids, count, None, Kind::Boolean)?;
        let before = number(before)?;
        // 2. rank_j = (n - 1 - j) + sum_(i<j) before_ij - sum_(i>j) before_ji
        let pair = |i: usize, j: usize| j * (j - 1) / 2 + i;
        for g in 0..groups.len() {
            for j in 0..n {
                let base = g * pairs.len();
                let earlier = (0..j).map(|i| (base + pair(i, j), 1.0));
                let later = (j + 1..n).map(|i| (base + pair(j, i), -1.0));
                rank.row(earlier.chain(later));
            }
        }
        let sums = FloatOp::Combination(rank);
        number(b.push(sums, &[before], vec![len], None, Kind::Integer)?)?
    };
    // 3. [rank_j = t], as [groups, k, n].
    let spread = vec![groups.len(), k, n];
    let many: Vec<u32> = (0..groups.len())
        .flat_map(|g| (0..k).flat_map(move |_| (0..n).map(move |j| (g * n + j) as u32)))
        .collect();
    let ranks = [Operand::Activation(ranks)];
    let many = number(b.movement(&ranks, many, spread.clone(), None)?)?;
    let offset = |j: usize| (n - 1 - j) as f64;
    let thresholds: Vec<f64> = if pairs.is_empty() {
        vec![0.0]
    } else {
        (0..k)
            .flat_map(|t| (0..n).map(move |j| t as f64 - offset(j)))
            .collect()
    };
    let bits = FloatOp::Threshold(Threshold {
        relation: Relation::Equal,
        thresholds,
    });
    let bits = number(b.push(bits, &[many], spread.clone(), None, Kind::Boolean)?)?;
    // 4. Chosen values and positions, as [groups, k], then in the operand's layout.
    let elements: Vec<u32> = groups
        .iter()
        .flat_map(|g| (0..k).flat_map(move |_| g.iter().map(|&i| i as u32)))
        .collect();
    let elements = b.movement(&[Operand::Activation(x)], elements, spread.clone(), None)?;
    let product = FloatOp::Arithmetic(Arithmetic::Mul);
    let ids = [bits, number(elements)?];
    let products = number(b.push(product, &ids, spread.clone(), None, Kind::Number)?)?;
    let sums = AxisView {
        outer: groups.len() * k,
        len: n,
        inner: 1,
    };
    let flat = vec![groups.len() * k];
    let sum = FloatOp::Reduce(Reduction::Sum, sums);
    let values = b.push(sum, &[products], flat.clone(), None, kind.clone())?;
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
