//! Rounding the weights with calibration rows at hand: the same skeleton, a smaller error.
//!
//! Two rewrites of the private constants, neither of which a skeleton shows:
//! - *Lifting.* `relu(2^e z) = 2^e relu(z)`: where a Relu stands between two layers, a unit's row of the first is
//!   multiplied by `2^e` and its column of the second divided by it, so that rows that are small beside the
//!   layer's greatest use the declared width. e balances the rounding errors: those of the row are
//!   felt as `2^-e |x| |column|`, those of the column as `2^e |h|`, each over the layer's unit of rounding.
//! - *Bias correction.* A weight rounded by `d` adds `d x` to its output, on average `d mean(x)`, which the bias,
//!   being finer, takes back.
//!
//! Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, sections
//! 4.1 and 4.2, with powers of two for factors.

use super::Row;
use crate::onnx::{FloatOp, Graph, Pointwise};

/// Rows that are looked at.
const MAX_ROWS: usize = 256;

/// Greatest exponent of a lift.
const MAX_LIFT: i32 = 4;

/// Mean and root mean square of each element of each value, over calibration rows.
#[derive(Debug)]
pub(super) struct Statistics {
    /// By value; empty where the graph does not compute it.
    pub(super) means: Vec<Vec<f64>>,
    /// Greatest magnitude of each value.
    pub(super) greatest: Vec<f64>,
    squares: Vec<Vec<f64>>,
}

impl Statistics {
    /// Of rows that fit the graph; empty where there are none.
    pub(super) fn of(graph: &Graph, rows: &[Row]) -> Self {
        let rows = &rows[..rows.len().min(MAX_ROWS)];
        let mut means: Vec<Vec<f64>> = vec![Vec::new(); graph.values.len()];
        if rows.is_empty() {
            return Self {
                means: Vec::new(),
                greatest: Vec::new(),
                squares: Vec::new(),
            };
        }
        let mut squares = means.clone();
        let mut greatest = vec![0f64; means.len()];
        for row in rows {
            for (id, value) in graph.eval_values(row).into_iter().enumerate() {
                let value = value.unwrap_or_default();
                means[id].resize(value.len(), 0.0);
                squares[id].resize(value.len(), 0.0);
                for (i, x) in value.iter().enumerate() {
                    means[id][i] += x / rows.len() as f64;
                    squares[id][i] += x * x / rows.len() as f64;
                    greatest[id] = greatest[id].max(x.abs());
                }
            }
        }
        Self {
            means,
            greatest,
            squares,
        }
    }
}

/// The graph with its units lifted; biases grow to `2^slack` times the power of two above the layer's greatest, at
/// most, and weights not beyond the power of two above theirs.
pub(super) fn lifted(graph: &Graph, statistics: &Statistics, slack: i32) -> Graph {
    let mut graph = graph.clone();
    let mut squares = statistics.squares.clone();
    let uses = graph.uses();
    let producers = graph.producers();
    for second in 0..graph.nodes.len() {
        let Some(first) = layer_before(&graph, &uses, &producers, second) else {
            continue;
        };
        let (x, h) = (graph.nodes[first].inputs[0], graph.nodes[second].inputs[0]);
        let (FloatOp::Linear(l1), FloatOp::Linear(l2)) =
            (&graph.nodes[first].op, &graph.nodes[second].op)
        else {
            unreachable!("both are layers")
        };
        if l2.inputs % l1.outputs != 0 {
            continue;
        }
        let unit = |weights: &[f64]| 2f64.powi(exponent_above(weights));
        let (weight_room, bias_room) = (unit(&l1.weights), unit(&l1.bias) * 2f64.powi(slack));
        // Squared norm of what the first layer reads, of one position.
        let positions = squares[x].len() / l1.inputs;
        let x_square = squares[x].iter().sum::<f64>() / positions.max(1) as f64;
        let lifts: Vec<i32> = (0..l1.outputs)
            .map(|j| {
                let row = &l1.weights[j * l1.inputs..(j + 1) * l1.inputs];
                let room = (weight_room / greatest(row)).min(bias_room / l1.bias[j].abs());
                // Whole doublings that stay strictly inside.
                let room = (room.log2().ceil() - 1.0).clamp(0.0, f64::from(MAX_LIFT));
                let columns = (j..l2.inputs).step_by(l1.outputs);
                let (mut column, mut h_square) = (0.0, 0.0);
                for i in columns {
                    let of = |o: usize| l2.weights[o * l2.inputs + i];
                    column += (0..l2.outputs).map(|o| of(o) * of(o)).sum::<f64>();
                    h_square += squares[h].get(i).copied().unwrap_or(0.0);
                }
                let balance = x_square * column / (h_square * l2.outputs as f64);
                // Half of log2 of the ratio of the errors; the ratio here is of their squares.
                let wanted = (balance.log2() / 4.0).round();
                if wanted.is_nan() {
                    return 0;
                }
                wanted.clamp(0.0, room) as i32
            })
            .collect();
        for (i, square) in squares[h].iter_mut().enumerate() {
            *square *= 4f64.powi(lifts[i % lifts.len()]);
        }
        let FloatOp::Linear(l1) = &mut graph.nodes[first].op else {
            unreachable!("a layer")
        };
        for (j, lift) in lifts.iter().enumerate() {
            let factor = 2f64.powi(*lift);
            let row = &mut l1.weights[j * l1.inputs..(j + 1) * l1.inputs];
            row.iter_mut().for_each(|w| *w *= factor);
            l1.bias[j] *= factor;
        }
        let FloatOp::Linear(l2) = &mut graph.nodes[second].op else {
            unreachable!("a layer")
        };
        for row in l2.weights.chunks_exact_mut(l2.inputs) {
            for (i, w) in row.iter_mut().enumerate() {
                *w *= 2f64.powi(-lifts[i % lifts.len()]);
            }
        }
    }
    graph
}

/// The layer whose result, through a Relu alone, is all that layer `second` reads, and which nothing else reads.
fn layer_before(
    graph: &Graph,
    uses: &[usize],
    producers: &[Option<usize>],
    second: usize,
) -> Option<usize> {
    let only = |node: usize| {
        let [input] = graph.nodes[node].inputs[..] else {
            return None;
        };
        (uses[input] == 1).then(|| producers[input]).flatten()
    };
    let is_layer = |node: usize| matches!(graph.nodes[node].op, FloatOp::Linear(_));
    let relu = only(second).filter(|_| is_layer(second))?;
    matches!(graph.nodes[relu].op, FloatOp::Pointwise(Pointwise::Relu)).then_some(())?;
    only(relu).filter(|first| is_layer(*first))
}

/// Least e with all magnitudes at most 2^e.
fn exponent_above(values: &[f64]) -> i32 {
    greatest(values).max(f64::MIN_POSITIVE).log2().ceil() as i32
}

fn greatest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx;
    use crate::quantize::skeleton::Reveal;
    use crate::quantize::{quantize, report, QuantizeOptions};

    const MODEL: &[u8] = include_bytes!("../../../tests/models/compliance.onnx");

    /// Inputs as large as the example's trades.
    fn rows(count: usize) -> Vec<Row> {
        let feature = |r: usize, i: usize| ((r * 7 + 3) * (i * 11 + 5) % 79) as f64 / 10.0;
        let row = |r| vec![(0..5).map(|i| feature(r, i)).collect()];
        (0..count).map(row).collect()
    }

    #[test]
    fn lifting_keeps_the_function() {
        let graph = onnx::load(MODEL).unwrap();
        let rows = rows(50);
        let lifted = lifted(&graph, &Statistics::of(&graph, &rows), 1);
        let weights = |graph: &Graph| match &graph.nodes[0].op {
            FloatOp::Linear(l) => l.weights.clone(),
            _ => panic!("a layer"),
        };
        assert_ne!(weights(&graph), weights(&lifted));
        for row in &rows {
            let (a, b) = (graph.eval(row)[0][0], lifted.eval(row)[0][0]);
            assert!((a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn calibrated_weights_have_the_same_skeleton_and_a_smaller_error() {
        let graph = onnx::load(MODEL).unwrap();
        let rows = rows(200);
        for reveal in [Reveal::Decision, Reveal::Outputs] {
            let options = QuantizeOptions {
                reveal,
                ..QuantizeOptions::default()
            };
            let inputs =
                super::super::input_specs(&graph, &rows, vec![Vec::new()], &options).unwrap();
            let plain = super::super::lower_twice(
                &graph,
                &inputs,
                Default::default(),
                None,
                &options,
                reveal,
            )
            .unwrap();
            let calibrated = quantize(&graph, &rows, &options).unwrap();
            assert_eq!(plain.0.model.skeleton, calibrated.model.skeleton);
            assert_ne!(plain.0.model.weights, calibrated.model.weights);
        }
        let measured = report(MODEL, &graph, &rows, &QuantizeOptions::default()).unwrap();
        assert!(measured.outputs[0].max_abs < 1e-3, "{measured:?}");
    }
}
