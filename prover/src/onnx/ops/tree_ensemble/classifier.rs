//! TreeEnsembleClassifier: a label and one score per class. Source: ai.onnx.ml 1 and 3; where they are silent,
//! onnxruntime.
//!
//! Two classes with one column of weights: the label is the second if its score, rounded to float32, is above 1/2,
//! where no weight is negative, or above 0. The scores are then `[1 - s, s]` or `[-s, s]`, and with LOGISTIC
//! `[1 - p, p]`, p = sigmoid(s). Three classes or more: the first of the greatest.

use std::rc::Rc;

use super::super::super::error::OpError;
use super::super::super::float::{AxisView, FloatOp, Movement, Pointwise, TreeNode, Trees};
use super::super::super::graph::{Kind, ValueId};
use super::super::super::import::{Builder, NodeView, Operand};
use super::super::super::tensor::{Data, Tensor};
use super::super::array_feature_extractor::label;
use super::{features, nodes, normal, scores, MAX_TARGETS};

/// What becomes of the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transform {
    None,
    Logistic,
    Softmax,
}

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let (x, features) = features(b, node)?;
    let labels = labels(node)?;
    let transform = match node.text("post_transform")? {
        None | Some("" | "NONE") => Transform::None,
        Some("LOGISTIC") => Transform::Logistic,
        Some("SOFTMAX") => Transform::Softmax,
        Some(other @ ("SOFTMAX_ZERO" | "PROBIT")) => {
            return Err(OpError::unsupported(
                format!("the post_transform {other}"),
                "post_transform NONE, LOGISTIC or SOFTMAX",
            ))
        }
        Some(other) => return Err(OpError::invalid(format!("post_transform {other}"))),
    };
    let base = nodes::numbers(node, "base_values")?.unwrap_or_default();
    match labels.len() {
        0 | 1 => Err(OpError::unsupported(
            format!("a classifier of {} classes", labels.len()),
            "two classes or more",
        )),
        2 => binary(b, node, x, features, &labels, transform, &base),
        classes if classes > MAX_TARGETS => Err(OpError::Limit {
            what: "classes",
            limit: MAX_TARGETS,
        }),
        _ => multiclass(b, node, x, features, &labels, transform, &base),
    }
}

/// The table of labels.
fn labels(node: &NodeView<'_>) -> Result<Rc<Tensor>, OpError> {
    if let Some(strings) = node.texts("classlabels_strings")? {
        let data = Data::Text(strings.into_iter().map(str::to_owned).collect());
        let shape = vec![match &data {
            Data::Text(v) => v.len(),
            _ => 0,
        }];
        return Ok(Rc::new(Tensor { shape, data }));
    }
    match node.ints("classlabels_int64s") {
        Some(ints) if !ints.is_empty() => Ok(Rc::new(Tensor::ints(ints.to_vec()))),
        _ => Err(OpError::invalid("there are no class labels")),
    }
}

fn binary(
    b: &mut Builder,
    node: &NodeView<'_>,
    x: ValueId,
    features: usize,
    labels: &Tensor,
    transform: Transform,
    base: &[f64],
) -> Result<Vec<Operand>, OpError> {
    let ids = node.ints("class_ids").unwrap_or_default();
    if ids.iter().any(|&id| id != 0) || base.len() > 1 {
        // onnxruntime's label is then not the class of the greater score.
        return Err(OpError::unsupported(
            "two classes with weights for the second",
            "two classes with one column of weights, for class 0",
        ));
    }
    let mut normal = nodes::read(node, "class", features, 1)?;
    let positive = normal.trees.nodes.iter().all(|node| match node {
        TreeNode::Leaf(weights) => weights.iter().all(|(_, w)| *w >= 0.0),
        TreeNode::Branch { .. } => true,
    });
    nodes::add_base(&mut normal, base)?;
    let trees = normal.finish(normal::Aggregate::Sum)?;
    let score = scores(b, x, trees)?;
    let row_axis = b.value(score).row_axis;
    // Five times 0.1 in float32 is 1/2: what rounds to 1/2, ties to even, is not above it.
    let level = if positive { 0.5 + 2f64.powi(-25) } else { 0.0 };
    let index = b.push(
        FloatOp::Above(level),
        &[score],
        vec![1],
        row_axis,
        Kind::Index,
    )?;
    let column = |b: &mut Builder, op, of: ValueId| -> Result<ValueId, OpError> {
        activation(&b.push(op, &[of], vec![1, 1], row_axis, Kind::Number)?)
    };
    let (second, offset) = match transform {
        Transform::Logistic => {
            let p = column(b, FloatOp::Pointwise(Pointwise::Sigmoid), score)?;
            (p, 1)
        }
        _ => (score, i64::from(positive)),
    };
    let first = column(b, FloatOp::Pointwise(Pointwise::From { offset }), second)?;
    let both = FloatOp::Movement(Movement {
        indices: vec![0, 1],
    });
    let probabilities = b.push(both, &[first, second], vec![1, 2], row_axis, Kind::Number)?;
    let label = label(b, labels, activation(&index)?, vec![1], row_axis)?;
    Ok(vec![label, probabilities])
}

fn multiclass(
    b: &mut Builder,
    node: &NodeView<'_>,
    x: ValueId,
    features: usize,
    labels: &Tensor,
    transform: Transform,
    base: &[f64],
) -> Result<Vec<Operand>, OpError> {
    let classes = labels.len();
    let mut normal = nodes::read(node, "class", features, classes)?;
    nodes::add_base(&mut normal, base)?;
    let trees = normal.finish(normal::Aggregate::Sum)?;
    if base.is_empty() && !every_class_scored(&trees) {
        // onnxruntime leaves such a class out of the comparison.
        return Err(OpError::unsupported(
            "a class that may get no weight",
            "a weight for each class in some tree's every leaf, or base_values",
        ));
    }
    let score = scores(b, x, trees)?;
    let row_axis = b.value(score).row_axis;
    let axis = AxisView::of(&[1, classes], 1);
    let argmax = FloatOp::ArgMax { axis, last: false };
    let index = b.push(argmax, &[score], vec![1], row_axis, Kind::Index)?;
    let probabilities = match transform {
        Transform::None => Operand::Activation(score),
        Transform::Logistic => b.map(
            FloatOp::Pointwise(Pointwise::Sigmoid),
            &Operand::Activation(score),
        )?,
        Transform::Softmax => b.map(FloatOp::Softmax(axis), &Operand::Activation(score))?,
    };
    let label = label(b, labels, activation(&index)?, vec![1], row_axis)?;
    Ok(vec![label, probabilities])
}

/// Whether each class has a tree all of whose leaves weigh it, or no weight is negative.
fn every_class_scored(trees: &Trees) -> bool {
    let mut positive = true;
    let mut scored = vec![false; trees.targets];
    let mut stack = Vec::new();
    let mut seen = vec![false; trees.nodes.len()];
    for &root in &trees.roots {
        let mut in_all = vec![true; trees.targets];
        stack.push(root);
        while let Some(at) = stack.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            match &trees.nodes[at] {
                TreeNode::Branch { yes, no, .. } => stack.extend([*yes, *no]),
                TreeNode::Leaf(weights) => {
                    for (class, in_all) in in_all.iter_mut().enumerate() {
                        *in_all &= weights.iter().any(|(c, _)| *c == class);
                    }
                    positive &= weights.iter().all(|(_, w)| *w >= 0.0);
                }
            }
        }
        scored.iter_mut().zip(in_all).for_each(|(s, all)| *s |= all);
    }
    positive || scored.iter().all(|s| *s)
}

fn activation(operand: &Operand) -> Result<ValueId, OpError> {
    match operand {
        Operand::Activation(id) => Ok(*id),
        Operand::Constant(_) => Err(OpError::invalid("a constant result")),
    }
}
