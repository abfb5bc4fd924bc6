//! ArrayFeatureExtractor: elements of the last axis at given positions. A table of constants read at a
//! computed index is how classifiers turn an argmax into a label. Source: ai.onnx.ml 1.

use super::super::error::OpError;
use super::super::float::{FloatOp, Movement};
use super::super::graph::{Kind, ValueId};
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};
use super::gather::{labels, lookup};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    if let Operand::Activation(index) = *node.need(1)? {
        let value = b.value(index);
        let (len, batched) = (value.len(), value.row_axis.is_some());
        let table = labels(b, &x, index);
        if batched && (len == 1 || table.is_none()) && b.shape(&x).len() <= 1 {
            // [1, positions]: the row dimension comes last where it is the only one.
            let row_axis = (len == 1).then_some(1);
            if row_axis.is_none() {
                b.drop_rows("a table read at several positions a row")?;
            }
            return Ok(vec![match table {
                Some(table) => label(b, &table, index, vec![1, len], row_axis)?,
                None => {
                    let made = lookup(b, &x, index, -1)?;
                    b.reshaped(&made, vec![1, len], row_axis)?
                }
            }]);
        }
        if batched {
            return Err(OpError::mixes_rows(
                "a table read at several positions a row",
            ));
        }
        return Ok(vec![match table {
            Some(table) => label(b, &table, index, vec![1, len], None)?,
            None => {
                let mut shape = b.shape(&x).to_vec();
                if let [_] = shape[..] {
                    shape.insert(0, 1);
                }
                let last = shape.len() - 1;
                shape[last] = len;
                let made = lookup(b, &x, index, -1)?;
                b.reshaped(&made, shape, None)?
            }
        }]);
    }
    let shape = b.shape(&x).to_vec();
    let positions = node
        .integers(1, "the positions")?
        .ok_or_else(|| OpError::invalid("the positions are missing"))?;
    let Some((&last, front)) = shape.split_last() else {
        return Err(OpError::invalid("a scalar has no axis"));
    };
    if b.row_axis(&x) == Some(front.len()) {
        return Err(OpError::mixes_rows("a choice along the batch dimension"));
    }
    let outer: usize = front.iter().product();
    let mut extents = if front.is_empty() {
        vec![1]
    } else {
        front.to_vec()
    };
    extents.push(positions.len());
    checked_len(&extents)?;
    let mut indices = Vec::with_capacity(outer * positions.len());
    for o in 0..outer {
        for &p in &positions {
            let p = usize::try_from(p).ok().filter(|&p| p < last);
            let p = p.ok_or_else(|| OpError::invalid("a position outside the axis"))?;
            indices.push((o * last + p) as u32);
        }
    }
    let row_axis = b.row_axis(&x);
    Ok(vec![b.movement(
        std::slice::from_ref(&x),
        indices,
        extents,
        row_axis,
    )?])
}

/// A label table read at a computed index: the index is kept, and reads as a label from here on.
pub(super) fn label(
    b: &mut Builder,
    table: &Tensor,
    index: ValueId,
    shape: Vec<usize>,
    row_axis: Option<usize>,
) -> Result<Operand, OpError> {
    if b.value(index).kind != Kind::Index {
        return Err(OpError::unsupported(
            "a table read at a computed number",
            "a table of labels read at the result of ArgMax",
        ));
    }
    if table.shape.iter().filter(|&&d| d != 1).count() > 1 {
        return Err(OpError::unsupported(
            "a table of several axes",
            "a list of labels",
        ));
    }
    let (labels, integer) = match &table.data {
        Data::Int(v) => (v.iter().map(ToString::to_string).collect(), true),
        Data::Text(v) => (v.clone(), false),
        Data::Float(_) => {
            return Err(OpError::unsupported(
                "a table of numbers read at a computed index",
                "a table of integer or string labels",
            ))
        }
    };
    let indices = (0..b.value(index).len() as u32).collect();
    let kind = Kind::Label { labels, integer };
    b.push(
        FloatOp::Movement(Movement { indices }),
        &[index],
        shape,
        row_axis,
        kind,
    )
}
