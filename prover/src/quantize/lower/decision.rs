//! What a decision is: a label, an argmax, or a threshold on a single score.
//!
//! A sigmoid or softmax that only feeds the decision is skipped: `sigmoid(z) >= p` is
//! `z >= ln(p / (1 - p))`, and softmax keeps the order of its operands.

use super::super::error::QuantizeError;
use super::super::skeleton::{Activation, OutputKind, OutputSpec};
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
        let (scores, sigmoid) = self.scores(port);
        if port.len() == 1 {
            let threshold = self.options.threshold;
            let level = if sigmoid {
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
    fn scores(&self, port: &Port) -> (Fixed, bool) {
        let producer = self.producers[port.value].map(|p| &self.graph.nodes[p]);
        match producer.map(|node| (&node.op, node.inputs[0])) {
            Some((FloatOp::Pointwise(Pointwise::Sigmoid), input)) => (self.tensor(input), true),
            Some((FloatOp::Softmax(axis), input)) if axis.len == port.len() && axis.len > 1 => {
                (self.tensor(input), false)
            }
            _ => (self.tensor(port.value), false),
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
