//! OneHotEncoder: a last axis with a 1 at the category and 0 elsewhere; a category that is not listed gives zeros (the
//! file may ask for an error instead: a proof cannot give one). Categories are public. Source: ai.onnx.ml 1.

use super::super::error::OpError;
use super::super::float::{FloatOp, Relation, Threshold};
use super::super::graph::Kind;
use super::super::import::{checked_len, Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let integers = node.ints("cats_int64s").unwrap_or_default().to_vec();
    let strings = node.texts("cats_strings")?.unwrap_or_default();
    let Operand::Activation(id) = x else {
        return Err(OpError::unsupported(
            "categories of constants",
            "the encoding as a constant",
        ));
    };
    let categories: Vec<f64> = match &b.value(id).kind {
        Kind::Integer | Kind::Index | Kind::Boolean if !integers.is_empty() => {
            integers.iter().map(|&c| c as f64).collect()
        }
        // The index that a label has in its table; an unlisted one equals none.
        Kind::Label { labels, .. } => {
            let listed: Vec<String> = if strings.is_empty() {
                integers.iter().map(ToString::to_string).collect()
            } else {
                strings.into_iter().map(str::to_owned).collect()
            };
            let position = |c: &String| labels.iter().position(|l| l == c);
            listed
                .iter()
                .map(|c| position(c).map_or(-1.0, |p| p as f64))
                .collect()
        }
        _ => {
            return Err(OpError::unsupported(
                "categories of numbers that need not be whole",
                "an input of an integer type, or one cast to it",
            ))
        }
    };
    if categories.is_empty() {
        return Err(OpError::invalid("no categories"));
    }
    equalities(b, id, categories).map(|one| vec![one])
}

/// `[x = v]` for each of the values, along a new last axis.
pub(super) fn equalities(b: &mut Builder, x: usize, values: Vec<f64>) -> Result<Operand, OpError> {
    let value = b.value(x);
    let (mut shape, row_axis, len) = (value.shape.clone(), value.row_axis, value.len());
    shape.push(values.len());
    checked_len(&shape)?;
    let indices = (0..len as u32)
        .flat_map(|i| std::iter::repeat_n(i, values.len()))
        .collect();
    let repeated = Operand::Activation(x);
    let repeated = b.movement(
        std::slice::from_ref(&repeated),
        indices,
        shape.clone(),
        row_axis,
    )?;
    let Operand::Activation(repeated) = repeated else {
        return Err(OpError::invalid("an activation was expected"));
    };
    b.count(values.len())?;
    let op = FloatOp::Threshold(Threshold {
        relation: Relation::Equal,
        thresholds: values,
    });
    b.push(op, &[repeated], shape, row_axis, Kind::Number)
}
