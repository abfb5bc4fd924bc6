//! GRU, gates z, r, h: `z = f(W_z x + R_z h + b)`, `r` alike, `n = g(W_h x + r (R_h h + Rb_h) + Wb_h)` with
//! `linear_before_reset`, `g(W_h x + R_h (r h) + Rb_h + Wb_h)` without, `h' = (1 - z) n + z h`.
//! Source: ONNX GRU, opsets 7, 14 and 22.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::import::{Builder, NodeView, Operand};
use super::recurrent::{product, sum, Direction, Layer, Sequences};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let sequences = Sequences::new(b, node)?;
    let before_reset = node.int("linear_before_reset", 0) != 0;
    let (mut states, mut last) = (vec![], vec![]);
    for direction in sequences.directions(b, node, 3, &["Sigmoid", "Tanh"])? {
        let (of_steps, end) = run(b, &sequences, direction, before_reset)?;
        states.push(of_steps);
        last.push(end);
    }
    sequences.results(b, &states, &[last])
}

fn run(
    b: &mut Builder,
    s: &Sequences,
    direction: Direction,
    before_reset: bool,
) -> Result<(Vec<Operand>, Operand), OpError> {
    let Direction {
        reverse,
        w,
        r,
        wb,
        rb,
        activations,
        initial,
    } = direction;
    let (f, g) = (activations[0], activations[1]);
    let hidden = s.hidden;
    // The recurrence's bias of the last gate stays with it where the reset gate multiplies it.
    let split = 2 * hidden;
    let bias = wb.iter().zip(&rb).enumerate();
    let bias = bias.map(|(i, (w, r))| {
        if before_reset && i >= split {
            *w
        } else {
            w + r
        }
    });
    let x = s.projected(b, &w, bias.collect())?;
    let cut = split * hidden;
    let gates = Layer::new(b, r[..cut].to_vec(), vec![0.0; split]);
    let last_bias = if before_reset {
        rb[split..].to_vec()
    } else {
        vec![0.0; hidden]
    };
    let candidate = Layer::new(b, r[cut..].to_vec(), last_bias.clone());

    let mut h = initial;
    let mut states = vec![None; x.len()];
    for i in 0..x.len() {
        let t = if reverse { x.len() - 1 - i } else { i };
        let fed_back = h.as_ref().map(|h| gates.apply(b, h)).transpose()?;
        let gate = |b: &mut Builder, number: usize| -> Result<Operand, OpError> {
            let of_x = s.gate(b, &x[t], number)?;
            let of_h = fed_back.as_ref().map(|fed| s.gate(b, fed, number));
            let total = sum(b, &of_x, of_h.transpose()?.as_ref())?;
            s.activated(b, f, &total)
        };
        let z = gate(b, 0)?;
        let of_x = s.gate(b, &x[t], 2)?;
        let added = match (&h, before_reset) {
            (None, false) => None,
            // R_h 0 + Rb_h is the bias alone: the layer on a state of zeros.
            (None, true) => {
                let reset = gate(b, 1)?;
                let zero = b.map(FloatOp::Pointwise(ZERO), &reset)?;
                let state = candidate.apply(b, &zero)?;
                Some(product(b, &reset, &state)?)
            }
            (Some(h), true) => {
                let reset = gate(b, 1)?;
                let state = candidate.apply(b, h)?;
                Some(product(b, &reset, &state)?)
            }
            (Some(h), false) => {
                let reset = gate(b, 1)?;
                let kept = product(b, &reset, h)?;
                Some(candidate.apply(b, &kept)?)
            }
        };
        let total = sum(b, &of_x, added.as_ref())?;
        let n = s.activated(b, g, &total)?;
        let rest = b.map(FloatOp::Pointwise(Pointwise::Not), &z)?;
        let new = product(b, &rest, &n)?;
        let old = h.map(|h| product(b, &z, &h)).transpose()?;
        let next = sum(b, &new, old.as_ref())?;
        states[t] = Some(next.clone());
        h = Some(next);
    }
    let end = h.ok_or_else(|| OpError::invalid("a sequence without steps"))?;
    Ok((states.into_iter().flatten().collect(), end))
}

const ZERO: Pointwise = Pointwise::Public {
    factor: 0.0,
    offset: 0.0,
};
