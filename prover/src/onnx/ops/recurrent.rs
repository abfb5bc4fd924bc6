//! What RNN, GRU and LSTM share: the operand as steps, constants by direction, activations, results.
//!
//! X [T, N, I] (`layout` 0) or [N, T, I]; W [D, G H, I], R [D, G H, H], B [D, 2 G H] constant; Y [T, D, N, H] and
//! Y_h [D, N, H], or [N, T, D, H] and [N, D, H]. The recurrence is unrolled; its weights are one layer.
//! Source: ONNX RNN, GRU and LSTM, opsets 7, 14 and 22.

use std::sync::Arc;

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Linear, Pointwise, Recurrent};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};
use super::broadcast::arithmetic;

/// The node's operand and sizes.
pub(super) struct Sequences {
    /// Steps, sequences, features, hidden units, directions.
    pub(super) steps: usize,
    pub(super) count: usize,
    pub(super) features: usize,
    pub(super) hidden: usize,
    directions: Vec<bool>,
    /// [steps, count, features]
    x: Operand,
    row_axis: Option<usize>,
    batch_first: bool,
    clip: Option<f64>,
}

/// One direction's constants.
pub(super) struct Direction {
    /// Whether it runs from the last step to the first.
    pub(super) reverse: bool,
    /// [G H, I], [G H, H], and both biases, [G H] each.
    pub(super) w: Vec<f64>,
    pub(super) r: Vec<f64>,
    pub(super) wb: Vec<f64>,
    pub(super) rb: Vec<f64>,
    pub(super) activations: Vec<Pointwise>,
    /// [count, hidden], where it is not zero.
    pub(super) initial: Option<Operand>,
}

impl Sequences {
    pub(super) fn new(b: &mut Builder, node: &NodeView<'_>) -> Result<Sequences, OpError> {
        let x = node.need(0)?.clone();
        if matches!(x, Operand::Constant(_)) {
            return Err(OpError::unsupported("a constant sequence", "an activation"));
        }
        let batch_first = node.int("layout", 0) != 0;
        let &[first, second, features] = b.shape(&x) else {
            return Err(OpError::invalid("a sequence has three dimensions"));
        };
        let (steps, count) = if batch_first {
            (second, first)
        } else {
            (first, second)
        };
        let rows = b.row_axis(&x);
        if rows.is_some_and(|axis| axis != usize::from(!batch_first)) {
            return Err(OpError::mixes_rows("a recurrence over the batch dimension"));
        }
        let directions = match node.text("direction")?.unwrap_or("forward") {
            "forward" => vec![false],
            "reverse" => vec![true],
            "bidirectional" => vec![false, true],
            other => return Err(OpError::invalid(format!("direction {other}"))),
        };
        if node.input(4).is_some() {
            let lengths = node.integers(4, "the lengths")?.unwrap_or_default();
            if lengths.iter().any(|&l| l != steps as i64) {
                return Err(OpError::unsupported(
                    "sequences of different lengths",
                    "sequence_lens left out, sequences of one length",
                ));
            }
        }
        let &[_, _, hidden] = node
            .constant(2, "the recurrence's weights")?
            .shape
            .as_slice()
        else {
            return Err(OpError::invalid("R has three dimensions"));
        };
        if node.int("hidden_size", hidden as i64) != hidden as i64 {
            return Err(OpError::invalid("hidden_size is not that of R"));
        }
        let clip = node.attribute("clip").map(|a| f64::from(a.f));
        if clip.is_some_and(|c| c.is_nan() || c <= 0.0) {
            return Err(OpError::invalid("clip is not positive"));
        }
        // Steps lead, whatever the layout.
        let (row_axis, x) = match batch_first {
            false => (rows, x),
            true => {
                let moved = super::transpose::transposed(b, &x, &[1, 0, 2])?;
                (rows.map(|_| 1), moved)
            }
        };
        Ok(Sequences {
            steps,
            count,
            features,
            hidden,
            directions,
            x,
            row_axis,
            batch_first,
            clip,
        })
    }

    /// The constants of each direction; `gates` G, `names` the default activations, `state` the operand that holds
    /// the initial hidden state.
    pub(super) fn directions(
        &self,
        b: &mut Builder,
        node: &NodeView<'_>,
        gates: usize,
        names: &[&str],
    ) -> Result<Vec<Direction>, OpError> {
        let (d, rows) = (self.directions.len(), gates * self.hidden);
        let mut constant = |i: usize, what: &str, shape: &[usize]| -> Result<Vec<f64>, OpError> {
            let tensor = node.constant(i, what)?;
            let numbers = tensor.numbers().unwrap_or_default();
            if tensor.shape != shape || numbers.len() != shape.iter().product::<usize>() {
                return Err(OpError::invalid(format!(
                    "{what}: {:?}, not {shape:?}",
                    tensor.shape
                )));
            }
            b.count(numbers.len())?;
            Ok(numbers)
        };
        let w = constant(1, "the weights", &[d, rows, self.features])?;
        let r = constant(2, "the recurrence's weights", &[d, rows, self.hidden])?;
        let bias = match node.input(3) {
            None => vec![0.0; d * 2 * rows],
            Some(_) => constant(3, "the biases", &[d, 2 * rows])?,
        };
        let activations = activations(node, names, d)?;
        let part = |all: &[f64], i: usize| {
            let size = all.len() / d;
            all[i * size..(i + 1) * size].to_vec()
        };
        let mut made = Vec::with_capacity(d);
        for (i, &reverse) in self.directions.iter().enumerate() {
            let both = part(&bias, i);
            made.push(Direction {
                reverse,
                w: part(&w, i),
                r: part(&r, i),
                wb: both[..rows].to_vec(),
                rb: both[rows..].to_vec(),
                activations: activations[i * names.len()..(i + 1) * names.len()].to_vec(),
                initial: self.initial(b, node, 5, i)?,
            });
        }
        Ok(made)
    }

    /// The initial state of a direction, [count, hidden]; nothing where it is absent or zero, which is public.
    pub(super) fn initial(
        &self,
        b: &mut Builder,
        node: &NodeView<'_>,
        operand: usize,
        direction: usize,
    ) -> Result<Option<Operand>, OpError> {
        let Some(state) = node.input(operand) else {
            return Ok(None);
        };
        if let Operand::Constant(tensor) = state {
            let numbers = tensor.numbers().unwrap_or_default();
            if numbers.iter().all(|v| *v == 0.0) {
                return Ok(None);
            }
        }
        let state = state.clone();
        let d = self.directions.len();
        let shape = match self.batch_first {
            false => [d, self.count, self.hidden],
            true => [self.count, d, self.hidden],
        };
        if b.shape(&state) != shape {
            return Err(OpError::invalid(format!(
                "an initial state of shape {:?}",
                b.shape(&state)
            )));
        }
        let mut indices = Vec::with_capacity(self.count * self.hidden);
        for n in 0..self.count {
            let row = match self.batch_first {
                false => direction * self.count + n,
                true => n * d + direction,
            };
            indices.extend((row * self.hidden..(row + 1) * self.hidden).map(|i| i as u32));
        }
        let row_axis = self.row_axis.map(|_| 0);
        let shape = vec![self.count, self.hidden];
        let state = b.movement(&[state], indices, shape, row_axis)?;
        let Operand::Constant(tensor) = &state else {
            return Ok(Some(state));
        };
        let Operand::Activation(like) = self.x else {
            return Err(OpError::invalid("an activation was expected"));
        };
        let private = b.private(tensor, like, row_axis)?;
        Ok(Some(Operand::Activation(private)))
    }

    /// `W x_t + bias` for each step, [count, outputs] each.
    pub(super) fn projected(
        &self,
        b: &mut Builder,
        w: &[f64],
        bias: Vec<f64>,
    ) -> Result<Vec<Operand>, OpError> {
        let outputs = bias.len();
        let op = FloatOp::Linear(Linear {
            inputs: self.features,
            outputs,
            weights: w.to_vec(),
            bias,
        });
        let Operand::Activation(x) = self.x else {
            return Err(OpError::invalid("an activation was expected"));
        };
        let shape = vec![self.steps, self.count, outputs];
        let all = b.push(op, &[x], shape, self.row_axis, Kind::Number)?;
        let size = self.count * outputs;
        (0..self.steps)
            .map(|t| {
                let indices = (t * size..(t + 1) * size).map(|i| i as u32).collect();
                let row_axis = self.row_axis.map(|_| 0);
                b.movement(
                    std::slice::from_ref(&all),
                    indices,
                    vec![self.count, outputs],
                    row_axis,
                )
            })
            .collect()
    }

    /// Columns `from .. from + hidden` of a step's value [count, columns].
    pub(super) fn gate(
        &self,
        b: &mut Builder,
        x: &Operand,
        gate: usize,
    ) -> Result<Operand, OpError> {
        let columns = b.shape(x)[1];
        let first = gate * self.hidden;
        let of =
            |n: usize| (n * columns + first..n * columns + first + self.hidden).map(|i| i as u32);
        let indices = (0..self.count).flat_map(of).collect();
        let row_axis = b.row_axis(x);
        let shape = vec![self.count, self.hidden];
        b.movement(std::slice::from_ref(x), indices, shape, row_axis)
    }

    /// An activation after the clip, if there is one.
    pub(super) fn activated(
        &self,
        b: &mut Builder,
        f: Pointwise,
        x: &Operand,
    ) -> Result<Operand, OpError> {
        let x = match self.clip {
            None => x.clone(),
            Some(c) => {
                let clip = Pointwise::Clip {
                    lo: Some(-c),
                    hi: Some(c),
                };
                b.map(FloatOp::Pointwise(clip), x)?
            }
        };
        b.map(FloatOp::Pointwise(f), &x)
    }

    /// Y and the last states of each direction, from the states of each step of each direction, first step first.
    pub(super) fn results(
        &self,
        b: &mut Builder,
        states: &[Vec<Operand>],
        last: &[Vec<Operand>],
    ) -> Result<Vec<Operand>, OpError> {
        let (t, d, n, h) = (self.steps, states.len(), self.count, self.hidden);
        let all: Vec<Operand> = states.iter().flatten().cloned().collect();
        // Operand (direction, step) starts at `(direction T + step) N H`.
        let at = |direction: usize, step: usize, sequence: usize| {
            let first = ((direction * t + step) * n + sequence) * h;
            (first..first + h).map(|i| i as u32)
        };
        let mut indices = Vec::with_capacity(t * d * n * h);
        for i in 0..t * d * n {
            let (step, direction, sequence) = match self.batch_first {
                false => (i / (d * n), i / n % d, i % n),
                true => (i / d % t, i % d, i / (d * t)),
            };
            indices.extend(at(direction, step, sequence));
        }
        let (shape, row) = match self.batch_first {
            false => (vec![t, d, n, h], 2),
            true => (vec![n, t, d, h], 0),
        };
        let mut made = vec![b.movement(&all, indices, shape, self.row_axis.map(|_| row))?];
        for last in last {
            let mut indices = Vec::with_capacity(d * n * h);
            for i in 0..d * n {
                let (direction, sequence) = match self.batch_first {
                    false => (i / n, i % n),
                    true => (i % d, i / d),
                };
                let first = (direction * n + sequence) * h;
                indices.extend((first..first + h).map(|i| i as u32));
            }
            let (shape, row) = match self.batch_first {
                false => (vec![d, n, h], 1),
                true => (vec![n, d, h], 0),
            };
            made.push(b.movement(last, indices, shape, self.row_axis.map(|_| row))?);
        }
        Ok(made)
    }
}

/// A layer that each step of a recurrence uses.
pub(super) struct Layer {
    inputs: usize,
    weights: Arc<Linear>,
    /// Distinguishes it from other layers of the graph.
    number: usize,
}

impl Layer {
    pub(super) fn new(b: &mut Builder, weights: Vec<f64>, bias: Vec<f64>) -> Layer {
        let (inputs, outputs) = (weights.len() / bias.len().max(1), bias.len());
        Layer {
            inputs,
            weights: Arc::new(Linear {
                inputs,
                outputs,
                weights,
                bias,
            }),
            number: b.next_layer(),
        }
    }

    /// The layer on a state [count, inputs].
    pub(super) fn apply(&self, b: &mut Builder, x: &Operand) -> Result<Operand, OpError> {
        let &Operand::Activation(id) = x else {
            return Err(OpError::invalid("an activation was expected"));
        };
        let count = b.shape(x).iter().product::<usize>() / self.inputs;
        let row_axis = b.row_axis(x);
        let op = FloatOp::Recurrent(Recurrent {
            layer: self.weights.clone(),
            number: self.number,
        });
        let shape = vec![count, self.weights.outputs];
        b.push(op, &[id], shape, row_axis, Kind::Number)
    }
}

pub(super) fn sum(b: &mut Builder, l: &Operand, r: Option<&Operand>) -> Result<Operand, OpError> {
    match r {
        None => Ok(l.clone()),
        Some(r) => arithmetic(b, Arithmetic::Add, l, r),
    }
}

pub(super) fn product(b: &mut Builder, l: &Operand, r: &Operand) -> Result<Operand, OpError> {
    arithmetic(b, Arithmetic::Mul, l, r)
}

/// A square matrix with these numbers on its diagonal.
pub(super) fn diagonal(numbers: &[f64]) -> Vec<f64> {
    let n = numbers.len();
    let mut matrix = vec![0.0; n * n];
    for (i, v) in numbers.iter().enumerate() {
        matrix[i * n + i] = *v;
    }
    matrix
}

/// The constant of a tensor that has `len` numbers.
pub(super) fn numbers(tensor: &Tensor, len: usize) -> Result<Vec<f64>, OpError> {
    match &tensor.data {
        Data::Float(v) if v.len() == len => Ok(v.clone()),
        _ => Err(OpError::invalid(format!("{len} numbers were expected"))),
    }
}

/// `count` functions for each direction.
fn activations(
    node: &NodeView<'_>,
    defaults: &[&str],
    directions: usize,
) -> Result<Vec<Pointwise>, OpError> {
    let names: Vec<String> = match node.texts("activations")? {
        Some(names) => names.into_iter().map(str::to_owned).collect(),
        None => (0..directions)
            .flat_map(|_| defaults.iter().map(|s| (*s).to_owned()))
            .collect(),
    };
    if names.len() != directions * defaults.len() {
        return Err(OpError::invalid(format!("{} activations", names.len())));
    }
    let mut alphas = node
        .floats("activation_alpha")
        .unwrap_or_default()
        .into_iter();
    let mut betas = node
        .floats("activation_beta")
        .unwrap_or_default()
        .into_iter();
    names
        .iter()
        .map(|name| {
            // Parameters are listed for those functions that have them, in order.
            Ok(match name.to_ascii_lowercase().as_str() {
                "relu" => Pointwise::Relu,
                "tanh" => Pointwise::Tanh,
                "sigmoid" => Pointwise::Sigmoid,
                "softsign" => Pointwise::Softsign,
                "softplus" => Pointwise::Softplus,
                "leakyrelu" => Pointwise::LeakyRelu {
                    alpha: alphas.next().unwrap_or(0.01),
                },
                "hardsigmoid" => Pointwise::HardSigmoid {
                    alpha: alphas.next().unwrap_or(0.2),
                    beta: betas.next().unwrap_or(0.5),
                },
                "elu" => Pointwise::Elu {
                    alpha: alphas.next().unwrap_or(1.0),
                    gamma: 1.0,
                },
                "affine" => Pointwise::Public {
                    factor: alphas.next().unwrap_or(1.0),
                    offset: betas.next().unwrap_or(0.0),
                },
                other => {
                    return Err(OpError::unsupported(
                        format!("the activation {other}"),
                        "Relu, Tanh, Sigmoid, Softsign, Softplus, LeakyRelu, HardSigmoid, Elu or Affine",
                    ))
                }
            })
        })
        .collect()
}
