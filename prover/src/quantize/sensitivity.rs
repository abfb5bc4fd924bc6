//! Derivatives of one scalar by all scalars before it, at the integers of a row: reverse differentiation of the integer
//! program with its shifts as divisions.
//!
//! Where a branch is taken (Relu, clamps, greatest elements), the derivative is that of the branch; comparisons and walks
//! through trees have none. Source: Griewank and Walther, "Evaluating Derivatives", section 3.2.

use super::skeleton::{Activation, IntegerModel, Op, ScalarId};

/// `dy / dq` for each scalar q, both in units of their scales; y: this scalar.
pub(crate) fn of_scalar(model: &IntegerModel, known: &[i64], of: ScalarId) -> Vec<f64> {
    let skeleton = &model.skeleton;
    let mut d = vec![0.0; known.len()];
    d[of as usize] = 1.0;
    let x = |id: ScalarId| known[id as usize] as f64;
    let (mut linear, mut diagonal) = (model.weights.linear.len(), model.weights.diagonal.len());
    let mut end = known.len();
    for op in skeleton.ops.iter().rev() {
        let made = end - op.made()..end;
        end = made.start;
        // The entry of the weights, counted from the last.
        let entry = match op {
            Op::Linear { .. } | Op::Convolution { .. } => {
                linear -= 1;
                linear
            }
            Op::Again { layer, .. } => *layer as usize,
            Op::Diagonal { .. } => {
                diagonal -= 1;
                diagonal
            }
            _ => 0,
        };
        if d[made.clone()].iter().all(|d| *d == 0.0) {
            continue;
        }
        // What reaches an accumulator through shift and activation.
        let before = |d: &[f64], i: usize, shift: u32, activation: Activation| {
            let open = match activation {
                Activation::None => true,
                Activation::Relu => known[i] > 0,
                Activation::Sign => false,
            };
            if open {
                d[i] * 2f64.powi(-(shift as i32))
            } else {
                0.0
            }
        };
        match op {
            Op::Linear {
                inputs,
                shift,
                activation,
                ..
            }
            | Op::Again {
                inputs,
                shift,
                activation,
                ..
            } => {
                let rows = model.weights.linear[entry]
                    .weights
                    .chunks_exact(inputs.len());
                for (i, row) in made.zip(rows) {
                    let y = before(&d, i, *shift, *activation);
                    if y != 0.0 {
                        for (&id, &w) in inputs.iter().zip(row) {
                            d[id as usize] += y * f64::from(w);
                        }
                    }
                }
            }
            Op::Convolution {
                inputs,
                groups,
                positions,
                shift,
                activation,
                ..
            } => {
                let weights = &model.weights.linear[entry];
                let (width, taps) = (positions.at.len(), positions.taps.len());
                let groups = *groups as usize;
                let channels = inputs.len() / width / groups;
                let outputs = weights.biases.len() / groups;
                let pairs = positions.pairs();
                for (n, i) in made.enumerate() {
                    let (o, p) = (n / pairs.len(), n % pairs.len());
                    let y = before(&d, i, *shift, *activation);
                    if y == 0.0 {
                        continue;
                    }
                    let first = o / outputs * channels;
                    for c in 0..channels {
                        let kernel = &weights.weights[(o * channels + c) * taps..][..taps];
                        for &(t, q) in &pairs[p] {
                            let id = inputs[(first + c) * width + q];
                            d[id as usize] += y * f64::from(kernel[t]);
                        }
                    }
                }
            }
            Op::Diagonal {
                inputs,
                shift,
                activation,
            } => {
                let weights = &model.weights.diagonal[entry].weights;
                for ((i, &id), &w) in made.zip(inputs).zip(weights) {
                    d[id as usize] += before(&d, i, *shift, *activation) * f64::from(w);
                }
            }
            Op::Local {
                left,
                right,
                product,
                left_factor,
                right_factor,
                shift,
                activation,
                ..
            } => {
                let p = *product as f64;
                for ((i, &l), &r) in made.zip(left).zip(right) {
                    let y = before(&d, i, *shift, *activation);
                    d[l as usize] += y * (p * x(r) + *left_factor as f64);
                    d[r as usize] += y * (p * x(l) + *right_factor as f64);
                }
            }
            Op::Clamp { inputs, lo, hi } => {
                for (i, &id) in made.zip(inputs) {
                    let inside = (*lo..=*hi).contains(&known[id as usize]);
                    d[id as usize] += if inside { d[i] } else { 0.0 };
                }
            }
            Op::Max { inputs, width } => {
                for (i, window) in made.zip(inputs.chunks_exact(*width as usize)) {
                    let chosen = window.iter().find(|&&id| known[id as usize] == known[i]);
                    let chosen = *chosen.expect("the greatest is one of its window");
                    d[chosen as usize] += d[i];
                }
            }
            Op::Function { inputs, function } => {
                let table = &skeleton.functions[*function as usize];
                for (i, &id) in made.zip(inputs) {
                    let segment = (known[id as usize] - table.lo) >> table.segment_bits;
                    let (_, slope) = table.segments[segment as usize];
                    d[id as usize] += d[i] * slope as f64 * 2f64.powi(-(table.shift as i32));
                }
            }
            Op::Divide {
                numerators,
                denominators,
                scale_bits,
            } => {
                for ((i, &n), &by) in made.zip(numerators).zip(denominators) {
                    let y = d[i] * 2f64.powi(*scale_bits as i32) / x(by);
                    d[n as usize] += y;
                    d[by as usize] -= y * x(n) / x(by);
                }
            }
            Op::Forest { .. } => {}
        }
    }
    d
}
