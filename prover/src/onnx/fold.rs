//! Folding: constants join neighbouring linear layers, copies and dead nodes go.
//!
//! Claims: the graph's outputs stay the same up to floating point rounding, and what is folded depends on
//! the graph's structure alone: no constant's value is looked at (SOUNDNESS.md, condition 3). The
//! equations, with S = diag(s): `W (S x + o) + b = (W S) x + (W o + b)`,
//! `S (W x + b) + o = (S W) x + (S b + o)`.

use super::float::{Affine, Bound, Convolution, FloatOp, Linear};
use super::graph::{Graph, Node};

/// Folds until nothing changes.
pub(crate) fn fold(graph: &mut Graph) {
    remove_copies(graph);
    while fold_once(graph) {}
    remove_dead(graph);
}

/// Values that equal another value, element by element, become that value.
fn remove_copies(graph: &mut Graph) {
    let mut alias: Vec<usize> = (0..graph.values.len()).collect();
    let lengths: Vec<usize> = graph.values.iter().map(|v| v.len()).collect();
    graph.nodes.retain_mut(|node| {
        for id in &mut node.inputs {
            *id = alias[*id];
        }
        match &node.op {
            FloatOp::Movement(m) if node.inputs.len() == 1 => {
                let copy = m.is_identity(lengths[node.inputs[0]]);
                if copy {
                    alias[node.output] = node.inputs[0];
                }
                !copy
            }
            _ => true,
        }
    });
    for port in &mut graph.outputs {
        port.value = alias[port.value];
    }
}

/// Folds one affine map, if one can be folded.
fn fold_once(graph: &mut Graph) -> bool {
    let uses = graph.uses();
    let producers = graph.producers();
    for i in 0..graph.nodes.len() {
        let [input] = graph.nodes[i].inputs[..] else {
            continue;
        };
        let Some(before) = producers[input] else {
            continue;
        };
        let merged = match (&graph.nodes[before].op, &graph.nodes[i].op) {
            // A map into a layer: the map may have other users, they keep it.
            (FloatOp::Affine(a), FloatOp::Linear(l)) if l.inputs % a.block() == 0 => {
                FloatOp::Linear(affine_then_linear(a, l))
            }
            (FloatOp::Linear(l), FloatOp::Affine(a))
                if uses[input] == 1 && l.outputs % a.block() == 0 =>
            {
                FloatOp::Linear(linear_then_affine(l, a))
            }
            (FloatOp::Affine(a), FloatOp::Convolution(c)) if passes(a, c) => {
                FloatOp::Convolution(affine_then_convolution(a, c))
            }
            (FloatOp::Convolution(c), FloatOp::Affine(a))
                if uses[input] == 1 && a.is_constant_over(c.positions.to.len()) =>
            {
                FloatOp::Convolution(convolution_then_affine(c, a))
            }
            (FloatOp::Affine(a), FloatOp::Affine(b)) if uses[input] == 1 => {
                FloatOp::Affine(affine_then_affine(a, b))
            }
            _ => continue,
        };
        graph.nodes[i] = Node {
            op: merged,
            inputs: graph.nodes[before].inputs.clone(),
            output: graph.nodes[i].output,
        };
        if uses[input] == 1 {
            graph.nodes.remove(before);
        }
        return true;
    }
    false
}

impl FloatOp {
    /// Whether it can be told of each element of its operand, of this length, by which power of two to multiply it.
    pub(crate) fn takes_exponents(&self, length: usize) -> bool {
        match self {
            Self::Linear(l) => l.inputs == length,
            Self::Affine(a) => a.inner == 1,
            Self::Bound(_) => true,
            _ => false,
        }
    }

    /// This layer or map after another map, as one.
    pub(crate) fn after(&self, map: &Affine) -> Option<Self> {
        match self {
            Self::Linear(l) if l.inputs % map.block() == 0 => {
                Some(Self::Linear(affine_then_linear(map, l)))
            }
            Self::Affine(a) => Some(Self::Affine(affine_then_affine(map, a))),
            // Exact for positive powers of two alone, which is all that exponents are.
            Self::Bound(b) if map.offset.is_none() && map.scale_at(b.position) > 0.0 => {
                Some(Self::Bound(Bound {
                    threshold: b.threshold / map.scale_at(b.position),
                    ..*b
                }))
            }
            _ => None,
        }
    }
}

fn affine_then_linear(a: &Affine, l: &Linear) -> Linear {
    let mut weights = l.weights.clone();
    let mut bias = l.bias.clone();
    for (row, bias) in weights.chunks_exact_mut(l.inputs).zip(&mut bias) {
        for (i, w) in row.iter_mut().enumerate() {
            *bias += *w * a.offset_at(i);
            *w *= a.scale_at(i);
        }
    }
    Linear {
        weights,
        bias,
        ..*l
    }
}

fn linear_then_affine(l: &Linear, a: &Affine) -> Linear {
    let mut weights = l.weights.clone();
    let mut bias = l.bias.clone();
    for (j, (row, bias)) in weights
        .chunks_exact_mut(l.inputs)
        .zip(&mut bias)
        .enumerate()
    {
        let scale = a.scale_at(j);
        row.iter_mut().for_each(|w| *w *= scale);
        *bias = *bias * scale + a.offset_at(j);
    }
    Linear {
        weights,
        bias,
        ..*l
    }
}

/// Whether a map can join the convolution that reads it: one factor a channel, and no offset where there is padding,
/// which is zero after the map.
fn passes(a: &Affine, c: &Convolution) -> bool {
    a.is_constant_over(c.positions.at.len()) && (a.offset.is_none() || c.is_full())
}

fn affine_then_convolution(a: &Affine, c: &Convolution) -> Convolution {
    let mut next = c.clone();
    let (width, taps, size) = (c.positions.at.len(), c.positions.taps.len(), c.kernel_len());
    let kernels = next.weights.chunks_exact_mut(size).zip(&mut next.bias);
    for (o, (kernel, bias)) in kernels.enumerate() {
        for (i, kernel) in kernel.chunks_exact_mut(taps).enumerate() {
            let element = (c.first_channel(o) + i) * width;
            *bias += a.offset_at(element) * kernel.iter().sum::<f64>();
            kernel.iter_mut().for_each(|w| *w *= a.scale_at(element));
        }
    }
    next
}

fn convolution_then_affine(c: &Convolution, a: &Affine) -> Convolution {
    let mut next = c.clone();
    let (width, size) = (c.positions.to.len(), c.kernel_len());
    let kernels = next.weights.chunks_exact_mut(size).zip(&mut next.bias);
    for (o, (kernel, bias)) in kernels.enumerate() {
        let scale = a.scale_at(o * width);
        kernel.iter_mut().for_each(|w| *w *= scale);
        *bias = *bias * scale + a.offset_at(o * width);
    }
    next
}

fn affine_then_affine(a: &Affine, b: &Affine) -> Affine {
    // One block divides the other, or their least common multiple is the operand's length at most.
    let inner = if a.inner == b.inner { a.inner } else { 1 };
    let period = least_common_multiple(a.block() / inner, b.block() / inner);
    let elements = || (0..period).map(|i| i * inner);
    let scale = (a.scale.is_some() || b.scale.is_some())
        .then(|| elements().map(|i| a.scale_at(i) * b.scale_at(i)).collect());
    let offset = (a.offset.is_some() || b.offset.is_some()).then(|| {
        elements()
            .map(|i| a.offset_at(i) * b.scale_at(i) + b.offset_at(i))
            .collect()
    });
    Affine {
        inner,
        period,
        scale,
        offset,
    }
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

/// Nodes whose result no output needs.
fn remove_dead(graph: &mut Graph) {
    let mut live = vec![false; graph.values.len()];
    for port in &graph.outputs {
        live[port.value] = true;
    }
    for node in graph.nodes.iter().rev() {
        if live[node.output] {
            for &id in &node.inputs {
                live[id] = true;
            }
        }
    }
    graph.nodes.retain(|node| live[node.output]);
}
