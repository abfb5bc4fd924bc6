//! The integers of every slot, the same that the interpreter computes.

use super::super::layout::Layout;
use super::super::program::{Forest, Form, Layer, Program, Source, WeightRef};
use super::super::CircuitError;
use super::{round_shift, Cell};
use crate::quantize::skeleton::{ForestNode, PrivateWeights};
use crate::quantize::{convolution, walk};

/// Evaluates every slot on one input row.
///
/// # Errors
/// When the row has another length or a value outside the declared range.
pub(crate) fn eval_slots(
    layout: &Layout,
    weights: &PrivateWeights,
    input: &[i64],
) -> Result<Vec<Cell>, CircuitError> {
    let program = &layout.program;
    if input.len() != program.inputs.len() {
        return Err(CircuitError::Input {
            reason: format!(
                "{} values where the model takes {}",
                input.len(),
                program.inputs.len()
            ),
        });
    }
    let mut cells = vec![Cell::default(); program.slots.len()];
    let mut done = vec![false; program.slots.len()];
    for s in 0..program.slots.len() {
        eval_slot(layout, weights, input, s, &mut cells, &mut done)?;
    }
    Ok(cells)
}

/// Evaluates slot `s` and what it needs. Copies made for a layer come after their readers in slot
/// order, so the walk follows the dependencies; its depth is bounded by an explicit stack.
fn eval_slot(
    layout: &Layout,
    weights: &PrivateWeights,
    input: &[i64],
    s: usize,
    cells: &mut [Cell],
    done: &mut [bool],
) -> Result<(), CircuitError> {
    let program = &layout.program;
    let mut stack = vec![s];
    while let Some(&s) = stack.last() {
        if done[s] {
            stack.pop();
            continue;
        }
        let needs: Vec<usize> = match &program.slots[s].source {
            Source::Input { .. } => vec![],
            Source::Linear {
                layer, position, ..
            } => operands(&program.layers[*layer], *position),
            Source::Local { left, right, .. } => vec![*left, *right],
            Source::Function { operand, .. } => vec![*operand],
            Source::Quotient {
                numerator,
                denominator,
                ..
            } => vec![*numerator, *denominator],
            Source::Greatest { window } => program.windows[*window].members.clone(),
            Source::Step { .. } | Source::Score { .. } => trees(program).features.clone(),
        };
        let missing: Vec<usize> = needs.into_iter().filter(|n| !done[*n]).collect();
        if !missing.is_empty() {
            stack.extend(missing);
            continue;
        }
        stack.pop();
        match &program.slots[s].source {
            Source::Input { index } => {
                let x = i128::from(input[*index]);
                let range = program.slots[s].proven;
                if x < range.lo || x > range.hi {
                    return Err(CircuitError::Input {
                        reason: format!("value {index} lies outside the declared range"),
                    });
                }
                cells[s] = Cell {
                    a: x,
                    ..Cell::default()
                };
                done[s] = true;
            }
            Source::Linear {
                layer, position, ..
            } => {
                for o in eval_layer(layout, weights, *layer, *position, cells) {
                    done[o] = true;
                }
            }
            Source::Step { .. } | Source::Score { .. } => {
                let forest = trees(program);
                eval_forest(forest, weights, cells);
                let steps = forest.trees * forest.depth + forest.scores.len();
                done[forest.first_step..forest.first_step + steps].fill(true);
            }
            source => {
                let y = match source {
                    Source::Local {
                        left,
                        right,
                        product,
                        left_factor,
                        right_factor,
                        constant,
                    } => {
                        let (l, r) = (cells[*left].a, cells[*right].a);
                        *product as i128 * l * r
                            + *left_factor as i128 * l
                            + *right_factor as i128 * r
                            + *constant as i128
                    }
                    Source::Function { function, operand } => {
                        let (segment, t) = locate(layout, *function, cells[*operand].a);
                        let (c0, c1) = layout.functions[*function].segments[segment];
                        c0 as i128 + c1 as i128 * t as i128
                    }
                    Source::Quotient {
                        numerator,
                        denominator,
                        scale_bits,
                    } => {
                        let (n, d) = (cells[*numerator].a, cells[*denominator].a);
                        if d <= 0 || n < 0 {
                            return Err(CircuitError::Input {
                                reason: "a division by a value that is not positive".into(),
                            });
                        }
                        (2 * (n << scale_bits) + d).div_euclid(2 * d)
                    }
                    Source::Greatest { window } => {
                        let members = &program.windows[*window].members;
                        let values = members.iter().map(|m| cells[*m].a);
                        values.max().expect("a window has members")
                    }
                    Source::Input { .. }
                    | Source::Linear { .. }
                    | Source::Step { .. }
                    | Source::Score { .. } => unreachable!("handled above"),
                };
                cells[s] = Cell {
                    a: activate(program.slots[s].form, y),
                    y,
                    node: 0,
                };
                done[s] = true;
            }
        }
    }
    Ok(())
}

fn activate(form: Form, y: i128) -> i128 {
    match form {
        Form::Plain | Form::Unsigned { .. } => y,
        Form::Signed { shift, .. } | Form::Below { shift, .. } => round_shift(y, shift),
        Form::Relu { shift, .. } => round_shift(y, shift).max(0),
        Form::Sign { offset, .. } => i128::from(y + offset >= 0),
    }
}

/// Segment and offset of a function's operand.
pub(super) fn locate(layout: &Layout, function: usize, x: i128) -> (usize, i64) {
    let table = &layout.functions[function];
    let offset = (x - table.lo as i128) as i64;
    (
        (offset >> table.segment_bits) as usize,
        offset & ((1 << table.segment_bits) - 1),
    )
}

/// The operands that a result at `position` waits for: those at its own position where no other counts, whose
/// further positions may depend on it; all of them elsewhere.
fn operands(layer: &Layer, position: usize) -> Vec<usize> {
    if !layer.is_stepwise() {
        return layer.inputs.clone();
    }
    (0..layer.channels())
        .map(|c| layer.channel(c)[position])
        .collect()
}

/// Evaluates a layer at one position, or wholly where it has several taps; the slots made.
fn eval_layer(
    layout: &Layout,
    weights: &PrivateWeights,
    l: usize,
    position: usize,
    cells: &mut [Cell],
) -> Vec<usize> {
    let layer = &layout.program.layers[l];
    let x: Vec<i128> = operands(layer, position)
        .iter()
        .map(|s| cells[*s].a)
        .collect();
    let (ys, made): (Vec<i128>, Vec<usize>) = match layer.weights {
        WeightRef::Linear(i) if !layer.is_stepwise() => {
            let x: Vec<i64> = x.iter().map(|v| *v as i64).collect();
            let ys = convolution(&weights.linear[i], &x, layer.groups, &layer.positions);
            (ys, layer.outputs.clone())
        }
        _ => {
            let made = (0..layer.output_channels()).map(|o| layer.output(o)[position]);
            (dense(layout, weights, layer, &x), made.collect())
        }
    };
    for (y, &o) in ys.into_iter().zip(&made) {
        cells[o] = Cell {
            a: activate(layout.program.slots[o].form, y),
            y,
            node: 0,
        };
    }
    made
}

/// The accumulators of a dense layer at one position.
fn dense(layout: &Layout, weights: &PrivateWeights, layer: &Layer, x: &[i128]) -> Vec<i128> {
    // 64-bit sums where they cannot overflow: |w| < 2^31 fits, so bound n * max|x| * 2^weight_bits.
    let reach = x.iter().map(|v| v.abs()).max().unwrap_or(0);
    let narrow = (reach << layout.program.weight_bits) < (1i128 << 62) / (x.len().max(1) as i128);
    let x64: Vec<i64> = if narrow {
        x.iter().map(|v| *v as i64).collect()
    } else {
        vec![]
    };
    (0..layer.output_channels())
        .map(|j| match layer.weights {
            WeightRef::Linear(i) => {
                let w = &weights.linear[i];
                let row = &w.weights[j * x.len()..(j + 1) * x.len()];
                let dot = if narrow {
                    row.iter()
                        .zip(&x64)
                        .map(|(w, x)| i64::from(*w) * x)
                        .sum::<i64>() as i128
                } else {
                    row.iter().zip(x).map(|(w, x)| *w as i128 * x).sum::<i128>()
                };
                dot + w.biases[j] as i128
            }
            WeightRef::Diagonal(i) => {
                weights.diagonal[i].weights[j] as i128 * x[j]
                    + weights.diagonal[i].biases[j] as i128
            }
        })
        .collect()
}

pub(super) fn trees(program: &Program) -> &Forest {
    let forest = program.forest.as_ref();
    forest.expect("a program with steps has trees")
}

/// All walks, and the scores they end with.
fn eval_forest(forest: &Forest, weights: &PrivateWeights, cells: &mut [Cell]) {
    let table = &weights.forests[forest.weights];
    let x: Vec<i64> = forest.features.iter().map(|s| cells[*s].a as i64).collect();
    for tree in 0..forest.trees {
        for (level, (node, bit)) in walk(table, &x, tree, forest.depth).enumerate() {
            let ForestNode {
                feature, threshold, ..
            } = &table[node];
            cells[forest.first_step + tree * forest.depth + level] = Cell {
                a: i128::from(bit),
                y: i128::from(*threshold) - i128::from(x[*feature as usize]),
                node,
            };
            if level + 1 == forest.depth {
                let values = if bit {
                    &table[node].yes
                } else {
                    &table[node].no
                };
                for (score, v) in forest.scores.iter().zip(values) {
                    cells[*score].a += i128::from(*v);
                }
            }
        }
    }
}
