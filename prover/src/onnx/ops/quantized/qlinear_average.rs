//! Averages of quantised tensors: `clamp(rint(sum (x - z_x) s_x / (n s_y)) + z_y)`.
//!
//! QLinearGlobalAveragePool multiplies the integer sum by one float32 factor, `s_x / (s_y n)`. QLinearAveragePool and
//! QLinearReduceMean average float32 numbers; the quotient here is exact, and `report.json` lists the sums so near a
//! half that float32's rounding could decide. Source: com.microsoft, version 1 of each.

use super::super::super::error::OpError;
use super::super::super::float::{Quantized, Rule, Scale};
use super::super::super::graph::{Kind, ValueId};
use super::super::super::import::{axis_of, checked_len, Builder, NodeView, Operand};
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
    let rule = |count| mean(x.scale, y, count);
    Ok(vec![average(b, x, y, &reduced, keep, rule)?])
}

fn mean(x: Scale, y: Scale, count: usize) -> Rule {
    Rule::Mean {
        from: x.scale,
        to: y.scale,
        count,
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
    let value = b.value(x.id);
    let (&[n, c, height, width], row_axis) = (value.shape.as_slice(), value.row_axis) else {
        return Err(OpError::unsupported(
            "a pool of other than two spatial dimensions",
            "[N, C, H, W]",
        ));
    };
    let plain = node.int("ceil_mode", 0) == 0
        && node.int("channels_last", 0) == 0
        && matches!(node.text("auto_pad")?, None | Some("NOTSET" | "VALID"))
        && node
            .ints("dilations")
            .is_none_or(|d| d.iter().all(|&d| d == 1));
    if !plain {
        return Err(OpError::unsupported(
            "ceil_mode, dilations, channels_last or auto_pad SAME",
            "explicit pads, channels first",
        ));
    }
    let sizes = |name: &str, default: &[i64]| -> Result<Vec<usize>, OpError> {
        let values = node.ints(name).unwrap_or(default).iter();
        let values: Option<Vec<usize>> = values.map(|&v| usize::try_from(v).ok()).collect();
        let fits =
            |v: &Vec<usize>| v.len() == default.len() && v.iter().all(|&v| v <= height.max(width));
        values
            .filter(fits)
            .ok_or_else(|| OpError::invalid(format!("{name} of a pool")))
    };
    let kernel = sizes("kernel_shape", &[0, 0])?;
    let strides = sizes("strides", &[1, 1])?;
    let pads = sizes("pads", &[0, 0, 0, 0])?;
    let count_pads = node.int("count_include_pad", 0) != 0;
    let extent = |i: usize, size: usize| {
        let room = (size + pads[i] + pads[i + 2]).checked_sub(kernel[i])?;
        let fits = kernel[i] > pads[i].max(pads[i + 2]) && strides[i] > 0;
        fits.then(|| room / strides[i] + 1)
    };
    let (Some(rows), Some(columns)) = (extent(0, height), extent(1, width)) else {
        return Err(OpError::invalid("the kernel does not fit"));
    };
    let shape = vec![n, c, rows, columns];
    let results = checked_len(&shape)?;
    b.count(results.saturating_mul(kernel[0] * kernel[1]))?;
    let along = |i: usize, at: usize, size: usize| {
        let from = (at * strides[i]).saturating_sub(pads[i]);
        from..(at * strides[i] + kernel[i])
            .saturating_sub(pads[i])
            .min(size)
    };
    let mut windows = Vec::with_capacity(results);
    let mut rules = Vec::new();
    for plane in 0..n * c {
        for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            let (ys, xs) = (along(0, row, height), along(1, column, width));
            let at = |y: usize, x: usize| ((plane * height + y) * width + x) as u32;
            let window: Vec<u32> = ys.flat_map(|y| xs.clone().map(move |x| at(y, x))).collect();
            let count = if count_pads {
                kernel[0] * kernel[1]
            } else {
                window.len()
            };
            // Planes repeat each other's rules.
            if plane == 0 {
                rules.push(mean(x.scale, y, count));
            }
            windows.push(window);
        }
    }
    let sums = sums(b, x, windows, shape, row_axis)?;
    Ok(vec![requantised(b, sums, rules, 1, y)?])
}
