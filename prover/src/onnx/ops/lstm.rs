//! LSTM, gates i, o, f, c: `i = f(W_i x + R_i h + P_i c + b)`, `f` alike, `c' = f c + i g(W_c x + R_c h + b)`,
//! `o = f(W_o x + R_o h + P_o c' + b)`, `h' = o h(c')`. Source: ONNX LSTM, opsets 7, 14 and 22.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};
use super::recurrent::{diagonal, numbers, product, sum, Direction, Layer, Sequences};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let sequences = Sequences::new(b, node)?;
    let coupled = node.int("input_forget", 0) != 0;
    let directions = sequences.directions(b, node, 4, &["Sigmoid", "Tanh", "Tanh"])?;
    let (mut states, mut last, mut cells) = (vec![], vec![], vec![]);
    let of_direction = 3 * sequences.hidden;
    let peepholes = match node.input(7) {
        None => None,
        Some(_) => {
            let tensor = node.constant(7, "the peepholes")?;
            Some(numbers(tensor, directions.len() * of_direction)?)
        }
    };
    for (i, direction) in directions.into_iter().enumerate() {
        let cell = sequences.initial(b, node, 6, i)?;
        let peepholes = peepholes
            .as_ref()
            .map(|p| &p[i * of_direction..(i + 1) * of_direction]);
        let run = Run {
            s: &sequences,
            coupled,
            peepholes,
        };
        let (of_steps, h, c) = run.direction(b, direction, cell)?;
        states.push(of_steps);
        last.push(h);
        cells.push(c);
    }
    sequences.results(b, &states, &[last, cells])
}

struct Run<'a> {
    s: &'a Sequences,
    /// Whether the forget gate is one less the input gate.
    coupled: bool,
    /// Of i, o and f.
    peepholes: Option<&'a [f64]>,
}

impl Run<'_> {
    /// The hidden states of the steps, and the last hidden state and cell.
    fn direction(
        &self,
        b: &mut Builder,
        direction: Direction,
        cell: Option<Operand>,
    ) -> Result<(Vec<Operand>, Operand, Operand), OpError> {
        let Direction {
            reverse,
            w,
            r,
            wb,
            rb,
            activations,
            initial,
        } = direction;
        let [f, g, output] = activations[..] else {
            return Err(OpError::invalid("three activations"));
        };
        let s = self.s;
        let bias: Vec<f64> = wb.iter().zip(&rb).map(|(w, r)| w + r).collect();
        let rows = bias.len();
        let x = s.projected(b, &w, bias)?;
        let recurrence = Layer::new(b, r, vec![0.0; rows]);
        let mut peepholes = Vec::new();
        for part in self.peepholes.into_iter().flat_map(|p| p.chunks(s.hidden)) {
            peepholes.push(Layer::new(b, diagonal(part), vec![0.0; s.hidden]));
        }

        let (mut h, mut c) = (initial, cell);
        let mut states = vec![None; x.len()];
        for i in 0..x.len() {
            let t = if reverse { x.len() - 1 - i } else { i };
            let fed_back = h.map(|h| recurrence.apply(b, &h)).transpose()?;
            // Gate `number` before its activation, with the peephole `hole` on a cell.
            let gate = |b: &mut Builder, number: usize, hole: Option<(usize, &Operand)>| {
                let of_x = s.gate(b, &x[t], number)?;
                let of_h = fed_back.as_ref().map(|fed| s.gate(b, fed, number));
                let total = sum(b, &of_x, of_h.transpose()?.as_ref())?;
                match hole {
                    Some((i, cell)) if !peepholes.is_empty() => {
                        let seen = peepholes[i].apply(b, cell)?;
                        sum(b, &total, Some(&seen))
                    }
                    _ => Ok::<_, OpError>(total),
                }
            };
            let z = gate(b, 0, c.as_ref().map(|c| (0, c)))?;
            let input = s.activated(b, f, &z)?;
            let z = gate(b, 3, None)?;
            let candidate = s.activated(b, g, &z)?;
            let kept = match &c {
                None => None,
                Some(c) => {
                    let forget = if self.coupled {
                        b.map(FloatOp::Pointwise(Pointwise::Not), &input)?
                    } else {
                        let z = gate(b, 2, Some((2, c)))?;
                        s.activated(b, f, &z)?
                    };
                    Some(product(b, &forget, c)?)
                }
            };
            let new = product(b, &input, &candidate)?;
            let cell = sum(b, &new, kept.as_ref())?;
            let z = gate(b, 1, Some((1, &cell)))?;
            let open = s.activated(b, f, &z)?;
            let shown = b.map(FloatOp::Pointwise(output), &cell)?;
            let next = product(b, &open, &shown)?;
            states[t] = Some(next.clone());
            (h, c) = (Some(next), Some(cell));
        }
        let end = h
            .zip(c)
            .ok_or_else(|| OpError::invalid("a sequence without steps"))?;
        Ok((states.into_iter().flatten().collect(), end.0, end.1))
    }
}
