//! Pad: elements added before and after, or taken away by negative pads; a public number, the edge, a reflection or the
//! other side. Source: ONNX Pad, opset 2 (attributes), 11 on (operands), 18 (axes), 19 (wrap).

use super::super::error::OpError;
use super::super::import::{axis_of, checked_len, Builder, NodeView, Operand};
use super::index::{each, flat, moved_or, strides};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let rank = shape.len();
    let missing = || OpError::invalid("the pads are missing");
    let (pads, value, axes) = if node.opset < 11 {
        let pads = node.ints("pads").ok_or_else(missing)?.to_vec();
        (pads, node.float("value", 0.0), None)
    } else {
        let value = match node.input(2) {
            None => 0.0,
            Some(_) => match node.constant(2, "the value")?.numbers().as_deref() {
                Some(&[value]) => value,
                _ => return Err(OpError::invalid("the value must be one number")),
            },
        };
        let pads = node.integers(1, "the pads")?.ok_or_else(missing)?;
        (pads, value, node.integers(3, "the axes")?)
    };
    let axes = match axes {
        None => (0..rank).collect(),
        Some(axes) => {
            let axes = axes.iter().map(|&a| axis_of(a, rank));
            axes.collect::<Result<Vec<usize>, _>>()?
        }
    };
    if pads.len() != 2 * axes.len() {
        return Err(OpError::invalid("two pads for each axis are needed"));
    }
    let mut before = vec![0i64; rank];
    let mut padded = shape.clone();
    for (i, &axis) in axes.iter().enumerate() {
        let (start, end) = (pads[i], pads[i + axes.len()]);
        if (start, end) != (0, 0) && b.row_axis(&x) == Some(axis) {
            return Err(OpError::mixes_rows("padding the batch dimension"));
        }
        before[axis] = start;
        let extent = (padded[axis] as i64)
            .checked_add(start)
            .and_then(|e| e.checked_add(end));
        let extent = extent.and_then(|e| usize::try_from(e).ok());
        padded[axis] = extent.ok_or_else(|| OpError::invalid("an extent below zero"))?;
    }
    checked_len(&padded)?;
    let mode = node.text("mode")?.unwrap_or("constant");
    let place: fn(i64, i64) -> Option<i64> = match mode {
        "constant" => |i, n| (0..n).contains(&i).then_some(i),
        "edge" => |i, n| Some(i.clamp(0, n - 1)),
        "reflect" => |i, n| {
            let period = (2 * (n - 1)).max(1);
            let i = i.rem_euclid(period);
            Some(i.min(period - i).min(n - 1))
        },
        "wrap" => |i, n| Some(i.rem_euclid(n)),
        other => return Err(OpError::invalid(format!("mode {other}"))),
    };
    if shape.contains(&0) {
        return Err(OpError::unsupported(
            "padding nothing",
            "one element or more",
        ));
    }
    let steps = strides(&shape);
    let from: Vec<Option<usize>> = each(&padded)
        .map(|index| {
            let along = index.iter().zip(&before).zip(&shape);
            let source: Option<Vec<usize>> = along
                .map(|((&i, &before), &n)| place(i as i64 - before, n as i64).map(|i| i as usize))
                .collect();
            source.map(|source| flat(&source, &steps))
        })
        .collect();
    let row_axis = b.row_axis(&x);
    Ok(vec![moved_or(b, &x, &from, value, padded, row_axis)?])
}
