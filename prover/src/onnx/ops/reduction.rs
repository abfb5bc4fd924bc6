//! What the reductions share: axes from an attribute or an operand, the reduced axes brought last. Source: ONNX Reduce*,
//! opsets 1, 11, 13 and 18.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::float::{AxisView, FloatOp, Reduction};
use super::super::graph::Kind;
use super::super::import::{axis_of, Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};
use super::transpose::transposed;

pub(super) fn import(
    reduction: Reduction,
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let Some(reduced) = marked(b, node)? else {
        return Ok(vec![x]);
    };
    let keep = node.int("keepdims", 1) != 0;
    Ok(vec![reduce(b, reduction, &x, &reduced, keep)?])
}

/// Which axes a node reduces; nothing where it leaves its operand as it is.
pub(super) fn marked(b: &Builder, node: &NodeView<'_>) -> Result<Option<Vec<bool>>, OpError> {
    let rank = b.shape(node.need(0)?).len();
    let axes = match (node.ints("axes"), node.integers(1, "axes")?) {
        (Some(axes), _) => Some(axes.to_vec()),
        (None, axes) => axes,
    };
    let mut reduced = vec![false; rank];
    match axes {
        Some(axes) if !axes.is_empty() => {
            for axis in axes {
                reduced[axis_of(axis, rank)?] = true;
            }
        }
        _ if node.int("noop_with_empty_axes", 0) != 0 => return Ok(None),
        _ => reduced.fill(true),
    }
    Ok(Some(reduced))
}

/// An operand with its reduced axes last, and what its reduction looks like.
pub(super) struct Arranged {
    pub(super) turned: Operand,
    /// [groups, elements of a group, 1]
    pub(super) view: AxisView,
    /// Of the result.
    pub(super) shape: Vec<usize>,
    pub(super) row_axis: Option<usize>,
}

/// Brings the marked axes last.
pub(super) fn arranged(
    b: &mut Builder,
    x: &Operand,
    reduced: &[bool],
    keep: bool,
) -> Result<Arranged, OpError> {
    let shape = b.shape(x).to_vec();
    let of = |marked: bool| (0..shape.len()).filter(move |&i| reduced[i] == marked);
    let row_axis = match b.row_axis(x) {
        Some(row) if reduced[row] => b.drop_rows("a reduction over the batch dimension")?,
        Some(row) if keep => Some(row),
        Some(row) => Some(of(false).filter(|&i| i < row).count()),
        None => None,
    };
    let view = AxisView {
        outer: of(false).map(|i| shape[i]).product(),
        len: of(true).map(|i| shape[i]).product(),
        inner: 1,
    };
    let order: Vec<usize> = of(false).chain(of(true)).collect();
    let result: Vec<usize> = if keep {
        (0..shape.len())
            .map(|i| if reduced[i] { 1 } else { shape[i] })
            .collect()
    } else {
        of(false).map(|i| shape[i]).collect()
    };
    if view.len == 0 {
        return Err(OpError::unsupported(
            "a reduction of nothing",
            "one element or more",
        ));
    }
    Ok(Arranged {
        turned: transposed(b, x, &order)?,
        view,
        shape: result,
        row_axis,
    })
}

/// Reduces the marked axes.
pub(super) fn reduce(
    b: &mut Builder,
    reduction: Reduction,
    x: &Operand,
    reduced: &[bool],
    keep: bool,
) -> Result<Operand, OpError> {
    let Arranged {
        turned,
        view,
        shape: result,
        row_axis,
    } = arranged(b, x, reduced, keep)?;
    match turned {
        Operand::Constant(tensor) => {
            let numbers = tensor
                .numbers()
                .ok_or_else(|| OpError::invalid("a reduction of strings"))?;
            let values = reduction.eval(&view, &numbers);
            let whole = tensor.integers().is_some() && reduction != Reduction::Mean;
            let data = if whole {
                Data::Int(values.iter().map(|&v| v as i64).collect())
            } else {
                Data::Float(values)
            };
            Ok(Operand::Constant(Rc::new(Tensor {
                shape: result,
                data,
            })))
        }
        Operand::Activation(id) if b.value(id).kind.is_numeric() => {
            let op = FloatOp::Reduce(reduction, view);
            b.push(op, &[id], result, row_axis, Kind::Number)
        }
        Operand::Activation(id)
            if matches!(b.value(id).kind, Kind::Quantized(_)) && reduction.picks() =>
        {
            let kind = b.value(id).kind.clone();
            let op = FloatOp::Reduce(reduction, view);
            b.push(op, &[id], result, row_axis, kind)
        }
        Operand::Activation(_) => Err(OpError::unsupported(
            "a reduction of labels or of quantised integers",
            "of numbers",
        )),
    }
}
