//! Rewrites that hold for all real numbers, by structure alone.
//!
//! - `exp(x - log sum exp x)` along an axis is softmax: exporters of naive Bayes write it so.
//! - A softmax divided by its L1 norm along the same axis is itself: its elements are positive and sum to 1.
//!
//! - The order of `f(x)` is that of x for an increasing f (a square root), and the order of a group plus one number is
//!   that of the group.
//!
//! Each saves steps, and the rounding of the steps saved.

use super::float::{AxisView, FloatOp, Movement, Norm, Pointwise, Reduction};
use super::graph::Graph;
use super::Arithmetic;

pub(super) fn rewrite(graph: &mut Graph) {
    let producers = graph.producers();
    for i in 0..graph.nodes.len() {
        let found = match &graph.nodes[i].op {
            FloatOp::Pointwise(Pointwise::Exp) => {
                softmax(graph, &producers, graph.nodes[i].inputs[0])
            }
            FloatOp::Normalize(Norm::L1, axis) => {
                let source = source(graph, &producers, graph.nodes[i].inputs[0]);
                source.and_then(|value| match &graph.nodes[producers[value]?].op {
                    FloatOp::Softmax(of) if of == axis => {
                        let len = graph.values[value].len() as u32;
                        let copy = Movement {
                            indices: (0..len).collect(),
                        };
                        Some((FloatOp::Movement(copy), value))
                    }
                    _ => None,
                })
            }
            FloatOp::Order { axis, .. } => {
                let value = ordered(graph, &producers, axis, graph.nodes[i].inputs[0]);
                Some((graph.nodes[i].op.clone(), value))
            }
            _ => None,
        };
        if let Some((op, input)) = found {
            graph.nodes[i].op = op;
            graph.nodes[i].inputs = vec![input];
        }
    }
}

/// The value whose groups have the same order as this one's.
fn ordered(graph: &Graph, producers: &[Option<usize>], axis: &AxisView, mut value: usize) -> usize {
    loop {
        value = source(graph, producers, value).unwrap_or(value);
        let Some(node) = producers[value].map(|p| &graph.nodes[p]) else {
            return value;
        };
        value = match (&node.op, node.inputs.as_slice()) {
            (FloatOp::Pointwise(Pointwise::Sqrt), &[x]) => x,
            (FloatOp::Arithmetic(Arithmetic::Add), &[x, y]) if same(graph, producers, axis, y) => x,
            (FloatOp::Arithmetic(Arithmetic::Add), &[x, y]) if same(graph, producers, axis, x) => y,
            _ => return value,
        };
    }
}

/// Whether all elements of a group are one element of another value.
fn same(graph: &Graph, producers: &[Option<usize>], axis: &AxisView, value: usize) -> bool {
    let node = producers[value].map(|p| &graph.nodes[p]);
    match node.map(|node| &node.op) {
        Some(FloatOp::Movement(m)) => axis
            .groups()
            .all(|group| group.iter().all(|&i| m.indices[i] == m.indices[group[0]])),
        _ => false,
    }
}

/// The value that this one is a plain copy of.
fn source(graph: &Graph, producers: &[Option<usize>], mut value: usize) -> Option<usize> {
    while let Some(node) = producers[value].map(|p| &graph.nodes[p]) {
        match &node.op {
            FloatOp::Movement(m)
                if node.inputs.len() == 1 && m.is_identity(graph.values[node.inputs[0]].len()) =>
            {
                value = node.inputs[0];
            }
            _ => break,
        }
    }
    Some(value)
}

/// Softmax and its operand, if `difference` is `x - log sum exp x`.
fn softmax(
    graph: &Graph,
    producers: &[Option<usize>],
    difference: usize,
) -> Option<(FloatOp, usize)> {
    let made_by = |value: usize| producers[value].map(|p| &graph.nodes[p]);
    let difference = made_by(source(graph, producers, difference)?)?;
    let FloatOp::Arithmetic(Arithmetic::Sub) = difference.op else {
        return None;
    };
    let x = source(graph, producers, difference.inputs[0])?;
    // From the subtracted value back to the reduction, the group that each element repeats.
    let mut value = difference.inputs[1];
    let mut groups: Vec<u32> = (0..graph.values[value].len() as u32).collect();
    loop {
        let node = made_by(value)?;
        match &node.op {
            FloatOp::Movement(m) if node.inputs.len() == 1 => {
                for group in &mut groups {
                    *group = m.indices[*group as usize];
                }
                value = node.inputs[0];
            }
            FloatOp::Reduce(Reduction::LogSumExp, axis) => {
                let of = source(graph, producers, node.inputs[0])?;
                return (of == x && repeats(axis, &groups)).then_some((FloatOp::Softmax(*axis), x));
            }
            _ => return None,
        }
    }
}

/// Whether each element repeats the number of its own group.
fn repeats(axis: &AxisView, groups: &[u32]) -> bool {
    let mut elements = axis
        .groups()
        .enumerate()
        .flat_map(|(number, group)| group.into_iter().map(move |i| (number, i)));
    elements.all(|(number, i)| groups.get(i) == Some(&(number as u32)))
}
