//! Averages of quantised tensors: `clamp(rint(sum (x - z_x) s_x / (n s_y)) + z_y)`.
//!
//! QLinearGlobalAveragePool multiplies the integer sum by one float32 factor, `s_x / (s_y n)`. QLinearAveragePool and
//! QLinearReduceMean average float32 numbers; the quotient here is exact, and `report.json` lists the sums so near a
//! half that float32's rounding could decide. Source: com.microsoft, version 1 of each.

use super::super::super::error::OpError;
use super::super::super::float::{Quantized, Rule, Scale};
use super::super::super::graph::{Kind, ValueId};
use super::super::super::import::{axis_of, checked_len, Builder, NodeView, Operand};
use super::super::window::Windows;
use super::{activation, push, requantised, result_scale, Activation};

pub(in super::super) fn global_pool(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node, 0)?;
    let y = result_scale(b, node, 3, x.scale.element)?;
    let rank = b.value(x.id).shape.len();
    if rank < 3 {
        return Err(OpError::invalid("a pool needs spatial dimensions"));
    }
    let last = node.int("channels_last", 0) != 0;
    let spatial = |i: usize| i > 0 && if last { i + 1 < rank } else { i > 1 };
    let reduced: Vec<bool> = (0..rank).map(spatial).collect();
    let rule = |n: usize| Rule::Product(x.scale.scale / (y.scale * n as f32));
    Ok(vec![average(b, x, y, &reduced, true, rule)?])
}

pub(in super::super) fn reduce_mean(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node, 0)?;
    let y = result_scale(b, node, 3, x.scale.element)?;
    let rank = b.value(x.id).shape.len();
    let mut reduced = vec![node.ints("axes").is_none_or(<[i64]>::is_empty); rank];
    for &axis in node.ints("axes").unwrap_or_default() {
        reduced[axis_of(axis, rank)?] = true;
    }
    let keep = node.int("keepdims", 1) != 0;
    let rule = |count| mean(x.scale, y, count, false);
    Ok(vec![average(b, x, y, &reduced, keep, rule)?])
}

fn mean(x: Scale, y: Scale, count: usize, zero_inside: bool) -> Rule {
    Rule::Mean {
        from: x.scale,
        to: y.scale,
        count,
        zero_inside,
    }
}

fn average(
    b: &mut Builder,
    x: Activation,
    y: Scale,
    reduced: &[bool],
    keep: bool,
    rule: impl Fn(usize) -> Rule,
) -> Result<Operand, OpError> {
    let value = b.value(x.id);
    let shape = value.shape.clone();
    let row_axis = match value.row_axis {
        Some(row) if reduced[row] => b.drop_rows("an average over the batch dimension")?,
        Some(row) if keep => Some(row),
        Some(row) => Some((0..row).filter(|&i| !reduced[i]).count()),
        None => None,
    };
    let result: Vec<usize> = (0..shape.len())
        .filter(|&i| keep || !reduced[i])
        .map(|i| if reduced[i] { 1 } else { shape[i] })
        .collect();
    // The window of an element holds all that differ from it in reduced axes alone.
    let mut windows: Vec<Vec<u32>> = vec![Vec::new(); checked_len(&result)?];
    for (at, window) in (0..value.len()).map(|at| (at, window_of(&shape, reduced, at))) {
        windows[window].push(at as u32);
    }
    let count = windows.first().map_or(0, Vec::len);
    let sums = sums(b, x, windows, result, row_axis)?;
    requantised(b, sums, vec![rule(count)], 1, y)
}

/// The place of an element among the results.
fn window_of(shape: &[usize], reduced: &[bool], at: usize) -> usize {
    let (mut rest, mut window, mut stride) = (at, 0, 1);
    for (&extent, &reduced) in shape.iter().zip(reduced).rev() {
        if !reduced {
            window += rest % extent * stride;
            stride *= extent;
        }
        rest /= extent;
    }
    window
}

fn sums(
    b: &mut Builder,
    x: Activation,
    windows: Vec<Vec<u32>>,
    shape: Vec<usize>,
    row_axis: Option<usize>,
) -> Result<ValueId, OpError> {
    b.count(windows.iter().map(Vec::len).sum())?;
    let op = Quantized::Sum {
        windows,
        zero: x.scale.zero,
    };
    push(b, op, &[x.id], shape, row_axis, Kind::Integer)
}

pub(in super::super) fn pool(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node, 0)?;
    let y = result_scale(b, node, 3, x.scale.element)?;
    if node.int("channels_last", 0) != 0 {
        return Err(OpError::unsupported("channels_last", "channels first"));
    }
    let value = b.value(x.id);
    let (shape, row_axis) = (value.shape.clone(), value.row_axis);
    if row_axis.is_some_and(|row| row > 1) {
        return Err(OpError::mixes_rows("windows over the batch dimension"));
    }
    let windows = Windows::of(node, &shape)?;
    let result = windows.result();
    let count_pads = node.int("count_include_pad", 0) != 0;
    let (mut all, mut rules) = (Vec::new(), Vec::new());
    for window in windows.each() {
        let inside: Vec<u32> = window
            .elements
            .iter()
            .flatten()
            .map(|&p| p as u32)
            .collect();
        if inside.is_empty() {
            return Err(OpError::unsupported(
                "a window of padding alone",
                "smaller pads",
            ));
        }
        let count = if count_pads {
            window.padded
        } else {
            inside.len()
        };
        rules.push(mean(x.scale, y, count, true));
        all.push(inside);
    }
    let sums = sums(b, x, all, result, row_axis)?;
    Ok(vec![requantised(b, sums, rules, 1, y)?])
}
