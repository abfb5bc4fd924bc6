//! RNN: `h_t = f(W x_t + R h_(t-1) + Wb + Rb)`. Source: ONNX RNN, opsets 7, 14 and 22.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::recurrent::{sum, Layer, Sequences};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let sequences = Sequences::new(b, node)?;
    let (mut states, mut last) = (vec![], vec![]);
    for direction in sequences.directions(b, node, 1, &["Tanh"])? {
        let bias = direction.wb.iter().zip(&direction.rb).map(|(w, r)| w + r);
        let x = sequences.projected(b, &direction.w, bias.collect())?;
        let hidden = sequences.hidden;
        let recurrence = Layer::new(b, direction.r, vec![0.0; hidden]);
        let mut h = direction.initial;
        let mut of_steps = vec![None; x.len()];
        for i in 0..x.len() {
            let t = if direction.reverse {
                x.len() - 1 - i
            } else {
                i
            };
            let fed_back = h.map(|h| recurrence.apply(b, &h)).transpose()?;
            let z = sum(b, &x[t], fed_back.as_ref())?;
            let next = sequences.activated(b, direction.activations[0], &z)?;
            of_steps[t] = Some(next.clone());
            h = Some(next);
        }
        last.extend(h);
        states.push(of_steps.into_iter().flatten().collect());
    }
    sequences.results(b, &states, &[last])
}
