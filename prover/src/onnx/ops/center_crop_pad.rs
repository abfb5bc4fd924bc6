//! CenterCropPad: axes cut or padded with zeros around their centre to constant extents; of an odd difference the
//! smaller half comes first. Source: ONNX CenterCropPad, opset 18.

use super::super::error::OpError;
use super::super::import::{axis_of, checked_len, Builder, NodeView, Operand};
use super::index::{each, flat, moved_or, strides};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let target = node
        .integers(1, "the shape")?
        .ok_or_else(|| OpError::invalid("the shape is missing"))?;
    let all: Vec<i64> = (0..shape.len() as i64).collect();
    let axes = node.ints("axes").unwrap_or(&all);
    if axes.len() != target.len() {
        return Err(OpError::invalid("one extent for each axis is needed"));
    }
    let mut extents = shape.clone();
    for (&axis, &extent) in axes.iter().zip(&target) {
        let axis = axis_of(axis, shape.len())?;
        extents[axis] =
            usize::try_from(extent).map_err(|_| OpError::invalid("a negative extent"))?;
        if extents[axis] != shape[axis] && b.row_axis(&x) == Some(axis) {
            return Err(OpError::mixes_rows("a cut of the batch dimension"));
        }
    }
    checked_len(&extents)?;
    let steps = strides(&shape);
    let from: Vec<Option<usize>> = each(&extents)
        .map(|index| {
            let along = index.iter().zip(shape.iter().zip(&extents));
            let source: Option<Vec<usize>> = along
                .map(|(&i, (&old, &new))| {
                    let i = if old >= new {
                        i + (old - new) / 2
                    } else {
                        i.checked_sub((new - old) / 2)?
                    };
                    (i < old).then_some(i)
                })
                .collect();
            source.map(|source| flat(&source, &steps))
        })
        .collect();
    let row_axis = b.row_axis(&x);
    Ok(vec![moved_or(b, &x, &from, 0.0, extents, row_axis)?])
}
