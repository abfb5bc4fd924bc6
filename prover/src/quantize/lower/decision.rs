//! What a decision is: a label, an argmax, or a threshold on a single score.
//!
//! A sigmoid or softmax that only feeds the decision is skipped: `sigmoid(z) >= p` is
//! `z >= ln(p / (1 - p))`, and softmax keeps the order of its operands.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, OutputKind, OutputSpec};
use super::super::steps::least;
use super::{Fixed, Formula, Lowering};
use crate::onnx::{AxisView, FloatOp, Kind, Pointwise, Port};

impl Lowering<'_> {
    /// The decision as an output of one scalar, and how it reads.
    pub(super) fn decision(&mut self) -> Result<(OutputSpec, String), QuantizeError> {
        let graph = self.graph;
        let none = |reason: &str| QuantizeError::NoDecision {
            reason: reason.into(),
        };
        let label = graph.outputs.iter().find(|port| port.kind.decides());
        if let Some(port) = label {
            if port.len() != 1 {
                return Err(none("the label output holds several labels a row"));
            }
            let what = match port.kind {
                Kind::Index => "argmax",
                Kind::Boolean => "condition",
                _ => "label",
            };
            return Ok((self.output(port)?, what.to_owned()));
        }
        let [port] = graph.outputs.as_slice() else {
            return Err(none("there are several outputs and no label"));
        };
        let (value, sigmoid) = self.scores(port);
        let mut scores = self.tensor(value);
        // Integers of one positive scale are in the order of the numbers that they stand for.
        let integers = self.dequantized(value);
        let integers = integers.filter(|d| {
            let rest = d.scales.iter().zip(&d.zeros);
            rest.clone().all(|of| of == (&d.scales[0], &d.zeros[0]))
        });
        if let Some(d) = &integers {
            scores = Fixed {
                scalars: d.scalars.clone(),
                scale: 0,
            };
        }
        if port.len() == 1 {
            let threshold = self.options.threshold;
            let mut level = if sigmoid {
                if threshold <= 0.0 || threshold >= 1.0 {
                    return Err(QuantizeError::Option {
                        option: "threshold",
                        value: threshold.to_string(),
                        allowed: "(0, 1) for a probability",
                    });
                }
                (threshold / (1.0 - threshold)).ln()
            } else {
                threshold
            };
            if let Some(d) = &integers {
                // The least integer whose number reaches the level.
                let reaches = |q: i64| f64::from((q - d.zeros[0]) as f32 * d.scales[0]) >= level;
                let interval = self.interval(d.scalars[0]);
                let domain = (interval.lo as i64, interval.hi as i64);
                level = least(domain, reaches) as f64;
            }
            let level = (level * 2f64.powi(scores.scale as i32)).ceil();
            if level.is_nan() || level.abs() > 2f64.powi(60) {
                return Err(QuantizeError::Option {
                    option: "threshold",
                    value: threshold.to_string(),
                    allowed: "the range of the score",
                });
            }
            let at_least = Formula {
                left: 1,
                constant: -(level as i64),
                activation: Activation::Sign,
                ..Formula::ZERO
            };
            let bit = self.local(&scores.scalars, &scores.scalars, at_least)?;
            return Ok((decision_output(bit), format!("score >= {threshold}")));
        }
        if port.shape.iter().filter(|&&d| d != 1).count() != 1 {
            return Err(none("the output has several axes"));
        }
        let axis = AxisView {
            outer: 1,
            len: port.len(),
            inner: 1,
        };
        let index = self.argmax(&axis, false, &scores)?;
        Ok((decision_output(index.scalars), "argmax".to_owned()))
    }

    /// The scores behind an output, and whether they are a sigmoid's operand.
    fn scores(&self, port: &Port) -> (usize, bool) {
        let producer = self.producers[port.value].map(|p| &self.graph.nodes[p]);
        match producer.map(|node| (&node.op, node.inputs[0])) {
            Some((FloatOp::Pointwise(Pointwise::Sigmoid), input)) => (input, true),
            Some((FloatOp::Softmax(axis), input)) if axis.len == port.len() && axis.len > 1 => {
                (input, false)
            }
            _ => (port.value, false),
        }
    }
}

fn decision_output(scalars: Vec<u32>) -> OutputSpec {
    OutputSpec {
        name: "decision".into(),
        shape: vec![],
        scalars,
        kind: OutputKind::Integer,
    }
}
