//! MaxPool and GlobalMaxPool: the greatest element of each window, exact; and its flat position, where that is asked
//! for. A window that reaches into the padding repeats its first element, which leaves the greatest as it is. Source:
//! ONNX MaxPool, opsets 1 to 12; GlobalMaxPool, opset 1.

use super::super::error::OpError;
use super::super::float::{AxisView, Combination, FloatOp, Reduction, Relation, Threshold};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::index::{each, flat, strides};
use super::reduction::reduce;
use super::window::{Window, Windows};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    if b.row_axis(&x).is_some_and(|row| row > 1) {
        return Err(OpError::mixes_rows("windows over the batch dimension"));
    }
    let windows = Windows::of(node, &shape)?;
    let result = windows.result();
    let windows = windows.each();
    let nothing = || OpError::unsupported("a window of padding alone", "smaller pads");
    // 1. The windows' elements, those in the operand first.
    let mut positions: Vec<Vec<usize>> = Vec::with_capacity(windows.len());
    for Window { elements, .. } in &windows {
        let mut inside: Vec<usize> = elements.iter().flatten().copied().collect();
        let first = *inside.first().ok_or_else(nothing)?;
        inside.resize(elements.len(), first);
        positions.push(inside);
    }
    let area = windows.first().map_or(0, |w| w.elements.len());
    let indices = positions.iter().flatten().map(|&p| p as u32).collect();
    let mut spread = result.clone();
    spread.push(area);
    let row_axis = b.row_axis(&x);
    let elements = b.movement(std::slice::from_ref(&x), indices, spread, row_axis)?;
    // 2. The greatest.
    let mut last = vec![false; result.len() + 1];
    last[result.len()] = true;
    let greatest = reduce(b, Reduction::Max, &elements, &last, false)?;
    if node.outputs() < 2 {
        return Ok(vec![greatest]);
    }
    // 3. Where it is: the window's position chosen by the bits `argmax = k`.
    if row_axis.is_some() {
        return Err(OpError::mixes_rows("positions that count over the batch"));
    }
    let Operand::Activation(elements) = elements else {
        return Err(OpError::unsupported(
            "the pooling of a constant",
            "its result",
        ));
    };
    let axis = AxisView {
        outer: positions.len(),
        len: area,
        inner: 1,
    };
    let op = FloatOp::ArgMax { axis, last: false };
    let best = b.push(op, &[elements], result.clone(), None, Kind::Index)?;
    let column_major = node.int("storage_order", 0) != 0;
    let mut orders: Vec<usize> = (0..shape.len()).collect();
    if column_major {
        orders[2..].reverse();
    }
    let turned: Vec<usize> = orders.iter().map(|&i| shape[i]).collect();
    let turned = strides(&turned);
    let mut numbers = vec![0; shape.iter().product()];
    let steps = strides(&shape);
    for index in each(&shape) {
        let number = orders.iter().zip(&turned).map(|(&i, s)| index[i] * s).sum();
        numbers[flat(&index, &steps)] = number;
    }
    let choices: Vec<Vec<f64>> = positions
        .iter()
        .map(|all| all.iter().map(|&p| numbers[p] as f64).collect())
        .collect();
    Ok(vec![greatest, chosen(b, &best, &choices, result)?])
}

pub(super) fn global(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let rank = b.shape(&x).len();
    let spatial: Vec<bool> = (0..rank).map(|i| i >= 2).collect();
    Ok(vec![reduce(b, Reduction::Max, &x, &spatial, true)?])
}

/// For each index, the public number that it chooses from its own list.
fn chosen(
    b: &mut Builder,
    index: &Operand,
    lists: &[Vec<f64>],
    shape: Vec<usize>,
) -> Result<Operand, OpError> {
    let len = lists.first().map_or(0, Vec::len);
    let repeated = (0..lists.len() as u32)
        .flat_map(|i| std::iter::repeat_n(i, len))
        .collect();
    let spread = vec![lists.len(), len];
    let many = b.movement(std::slice::from_ref(index), repeated, spread.clone(), None)?;
    let Operand::Activation(many) = many else {
        return Err(OpError::invalid("an activation was expected"));
    };
    let bits = FloatOp::Threshold(Threshold {
        relation: Relation::Equal,
        thresholds: (0..len).map(|k| k as f64).collect(),
    });
    let bits = b.push(bits, &[many], spread, None, Kind::Boolean)?;
    let Operand::Activation(bits) = bits else {
        return Err(OpError::invalid("an activation was expected"));
    };
    let mut sums = Combination::default();
    for (i, list) in lists.iter().enumerate() {
        sums.row(list.iter().enumerate().map(|(k, &v)| (i * len + k, v)));
    }
    b.push(
        FloatOp::Combination(sums),
        &[bits],
        shape,
        None,
        Kind::Integer,
    )
}
