//! LinearClassifier: `scores = W x + b`, the label of the greatest (the first of equals), and the scores transformed.
//!
//! With one row of weights and two labels the second label stands for `score > 0`, and the scores are `[1 - p, p]`, p
//! the score or its sigmoid. SOFTMAX_ZERO and PROBIT are refused: they are not continuous, or not bounded.
//! Source: ai.onnx.ml 1, and onnxruntime where the text is silent.

use super::super::error::OpError;
use super::super::float::{AxisView, FloatOp, Linear, Movement, Pointwise, Relation, Threshold};
use super::super::graph::{Kind, ValueId};
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let intercepts = node.floats("intercepts").unwrap_or_default();
    let targets = intercepts.len();
    let kind = labels(node)?;
    let Kind::Label { labels: names, .. } = &kind else {
        return Err(OpError::invalid("no labels"));
    };
    let binary = targets == 1;
    if names.len() != if binary { 2 } else { targets } {
        return Err(OpError::invalid(format!(
            "{} labels for {targets} rows of weights",
            names.len()
        )));
    }
    let (scores, row_axis) = scores(b, node, intercepts)?;
    let Operand::Activation(id) = scores else {
        return Err(OpError::invalid("an activation was expected"));
    };
    let rows = b.shape(&scores)[0];
    let view = AxisView {
        outer: rows,
        len: targets,
        inner: 1,
    };
    let decided = if binary {
        let positive = Threshold {
            relation: Relation::Greater,
            thresholds: vec![0.0],
        };
        let op = FloatOp::Threshold(positive);
        b.push(op, &[id], vec![rows], row_axis, Kind::Index)?
    } else {
        let op = FloatOp::ArgMax {
            axis: view,
            last: false,
        };
        b.push(op, &[id], vec![rows], row_axis, Kind::Index)?
    };
    let label = b.relabelled(&decided, kind)?;
    let transformed = if binary {
        complemented(b, node, id, row_axis)?
    } else {
        transform(b, node, &scores, view)?
    };
    Ok(vec![label, transformed])
}

/// `W x + b` as [rows, targets], from the attributes, and its row axis.
pub(super) fn scores(
    b: &mut Builder,
    node: &NodeView<'_>,
    intercepts: Vec<f64>,
) -> Result<(Operand, Option<usize>), OpError> {
    let coefficients = node.floats("coefficients").unwrap_or_default();
    let targets = intercepts.len();
    let Operand::Activation(x) = *node.need(0)? else {
        return Err(OpError::unsupported(
            "a linear model of constants",
            "its result as a constant",
        ));
    };
    let value = b.value(x);
    if !value.kind.is_numeric() {
        return Err(OpError::unsupported(
            "a linear model of labels",
            "of numbers",
        ));
    }
    let (rows, features) = match *value.shape.as_slice() {
        [rows, features] => (rows, features),
        [features] => (1, features),
        _ => return Err(OpError::invalid("the operand must be [rows, features]")),
    };
    let row_axis = value.row_axis;
    if row_axis == Some(value.shape.len() - 1) {
        return Err(OpError::mixes_rows("features along the batch dimension"));
    }
    if targets == 0 || coefficients.len() != targets * features {
        return Err(OpError::invalid(format!(
            "{} coefficients for {targets} targets of {features} features",
            coefficients.len()
        )));
    }
    b.count(coefficients.len())?;
    let op = Linear {
        inputs: features,
        outputs: targets,
        weights: coefficients,
        bias: intercepts,
    };
    let shape = vec![rows, targets];
    let scores = b.push(FloatOp::Linear(op), &[x], shape, row_axis, Kind::Number)?;
    Ok((scores, row_axis))
}

/// `[1 - p, p]`.
fn complemented(
    b: &mut Builder,
    node: &NodeView<'_>,
    score: ValueId,
    row_axis: Option<usize>,
) -> Result<Operand, OpError> {
    let mut p = Operand::Activation(score);
    match post_transform(node)?.as_str() {
        "LOGISTIC" => p = b.map(FloatOp::Pointwise(Pointwise::Sigmoid), &p)?,
        "NONE" | "SOFTMAX" => {}
        other => return Err(refused(other)),
    }
    let rest = b.map(FloatOp::Pointwise(Pointwise::Not), &p)?;
    let rows = b.shape(&p)[0];
    let indices = (0..rows as u32)
        .flat_map(|r| [r, r + rows as u32])
        .collect();
    b.movement(&[rest, p], indices, vec![rows, 2], row_axis)
}

/// The scores after `post_transform`.
pub(super) fn transform(
    b: &mut Builder,
    node: &NodeView<'_>,
    scores: &Operand,
    view: AxisView,
) -> Result<Operand, OpError> {
    match post_transform(node)?.as_str() {
        "NONE" => Ok(scores.clone()),
        "LOGISTIC" => b.map(FloatOp::Pointwise(Pointwise::Sigmoid), scores),
        "SOFTMAX" => b.map(FloatOp::Softmax(view), scores),
        other => Err(refused(other)),
    }
}

pub(super) fn post_transform(node: &NodeView<'_>) -> Result<String, OpError> {
    Ok(node.text("post_transform")?.unwrap_or("NONE").to_owned())
}

pub(super) fn refused(post_transform: &str) -> OpError {
    OpError::unsupported(
        format!("post_transform {post_transform}"),
        "post_transform NONE, LOGISTIC or SOFTMAX",
    )
}

/// The label table of a classifier.
pub(super) fn labels(node: &NodeView<'_>) -> Result<Kind, OpError> {
    let integers = node.ints("classlabels_ints").unwrap_or_default();
    let strings = node.texts("classlabels_strings")?.unwrap_or_default();
    match (integers.is_empty(), strings.is_empty()) {
        (false, true) => Ok(Kind::Label {
            labels: integers.iter().map(ToString::to_string).collect(),
            integer: true,
        }),
        (true, false) => Ok(Kind::Label {
            labels: strings.into_iter().map(str::to_owned).collect(),
            integer: false,
        }),
        _ => Err(OpError::invalid("labels must be integers or strings")),
    }
}

impl Builder {
    /// Indices read as labels.
    pub(super) fn relabelled(&mut self, index: &Operand, kind: Kind) -> Result<Operand, OpError> {
        let Operand::Activation(id) = *index else {
            return Err(OpError::invalid("an activation was expected"));
        };
        let value = self.value(id);
        let (shape, row_axis) = (value.shape.clone(), value.row_axis);
        let indices = (0..value.len() as u32).collect();
        let op = FloatOp::Movement(Movement { indices });
        self.push(op, &[id], shape, row_axis, kind)
    }
}
