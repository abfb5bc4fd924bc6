//! Slice: `x[start : end : step]` along some axes, with numpy's clamping. Source: ONNX Slice, opset 1
//! (attributes) and 10 on (operands).

use super::super::error::OpError;
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::broadcast::strided;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let missing = || OpError::invalid("the bounds are missing");
    let (starts, ends, axes, steps) = if node.opset < 10 {
        let of = |name| node.ints(name).map(<[i64]>::to_vec);
        (
            of("starts").ok_or_else(missing)?,
            of("ends").ok_or_else(missing)?,
            of("axes"),
            None,
        )
    } else {
        (
            node.integers(1, "starts")?.ok_or_else(missing)?,
            node.integers(2, "ends")?.ok_or_else(missing)?,
            node.integers(3, "axes")?,
            node.integers(4, "steps")?,
        )
    };
    let count = starts.len();
    let axes = axes.unwrap_or_else(|| (0..count as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; count]);
    if ends.len() != count || axes.len() != count || steps.len() != count {
        return Err(OpError::invalid(
            "starts, ends, axes and steps differ in length",
        ));
    }

    let mut strides = vec![0i64; shape.len()];
    let mut stride = 1i64;
    for i in (0..shape.len()).rev() {
        strides[i] = stride;
        stride *= shape[i] as i64;
    }
    let mut extents = shape.clone();
    let mut base = 0i64;
    let mut reversed = strides.clone();
    let mut sliced = vec![false; shape.len()];
    for i in 0..count {
        let axis = axis_of(axes[i], shape.len())?;
        if std::mem::replace(&mut sliced[axis], true) {
            return Err(OpError::invalid("an axis named twice"));
        }
        let step = steps[i];
        if step == 0 || step == i64::MIN {
            return Err(OpError::invalid(format!("step {step}")));
        }
        let (start, len) = range(shape[axis] as i64, starts[i], ends[i], step);
        if b.row_axis(&x) == Some(axis) && len != 1 {
            return Err(OpError::mixes_rows("a slice of the batch dimension"));
        }
        extents[axis] = usize::try_from(len).map_err(|_| OpError::invalid("a slice too long"))?;
        base += start * strides[axis];
        // With fewer than two elements the step is never taken.
        reversed[axis] = if len > 1 { step * strides[axis] } else { 0 };
    }
    // Steps may be negative: positions are computed over i64 and are in range by construction.
    let indices = if reversed.iter().all(|&s| s >= 0) {
        let strides: Vec<u32> = reversed.iter().map(|&s| s as u32).collect();
        strided(&extents, &strides, base as u32)
    } else {
        let mut positions = vec![base];
        for (&extent, &stride) in extents.iter().zip(&reversed) {
            positions = positions
                .iter()
                .flat_map(|&p| (0..extent as i64).map(move |i| p + i * stride))
                .collect();
        }
        positions.into_iter().map(|p| p as u32).collect()
    };
    let row_axis = b.row_axis(&x);
    Ok(vec![b.movement(
        std::slice::from_ref(&x),
        indices,
        extents,
        row_axis,
    )?])
}

/// First position and number of elements of `start : end : step` over an extent.
fn range(extent: i64, start: i64, end: i64, step: i64) -> (i64, i64) {
    let wrap = |v: i64| if v < 0 { v.saturating_add(extent) } else { v };
    let (start, end) = (wrap(start), wrap(end));
    if step > 0 {
        let (start, end) = (start.clamp(0, extent), end.clamp(0, extent));
        let len = if end > start {
            (end - start - 1) / step + 1
        } else {
            0
        };
        (start, len)
    } else {
        let (start, end) = (start.clamp(-1, extent - 1), end.clamp(-1, extent - 1));
        let len = if start > end {
            (start - end - 1) / -step + 1
        } else {
            0
        };
        (start.max(0), len)
    }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn follows_numpy() {
        assert_eq!(range(10, 2, 5, 1), (2, 3));
        assert_eq!(range(10, -3, i64::MAX, 1), (7, 3));
        assert_eq!(range(10, 0, 10, 3), (0, 4));
        assert_eq!(range(10, -1, i64::MIN, -1), (9, 10));
        assert_eq!(range(10, 8, 2, -2), (8, 3));
        assert_eq!(range(10, 5, 5, 1).1, 0);
        assert_eq!(range(0, 0, 5, 1).1, 0);
    }
}
