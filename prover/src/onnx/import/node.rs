//! A node as its importer sees it: operands resolved, attributes by name.

use std::rc::Rc;

use tract_onnx::pb;

use super::super::error::OpError;
use super::super::tensor::Tensor;
use super::Operand;

/// A node with its operands resolved.
#[derive(Debug)]
pub(crate) struct NodeView<'a> {
    pub(super) proto: &'a pb::NodeProto,
    pub(super) operands: Vec<Option<Operand>>,
    /// Version of the node's operator set.
    pub(crate) opset: i64,
}

impl NodeView<'_> {
    /// The i-th operand, if the node has it.
    pub(crate) fn input(&self, i: usize) -> Option<&Operand> {
        self.operands.get(i).and_then(Option::as_ref)
    }

    /// The i-th operand.
    pub(crate) fn need(&self, i: usize) -> Result<&Operand, OpError> {
        self.input(i)
            .ok_or_else(|| OpError::invalid(format!("operand {i} is missing")))
    }

    /// All operands; none may be absent.
    pub(crate) fn all(&self) -> Result<Vec<Operand>, OpError> {
        (0..self.operands.len())
            .map(|i| self.need(i).cloned())
            .collect()
    }

    /// The i-th operand as a constant.
    pub(crate) fn constant(&self, i: usize, what: &str) -> Result<&Rc<Tensor>, OpError> {
        match self.need(i)? {
            Operand::Constant(tensor) => Ok(tensor),
            Operand::Activation(_) => Err(OpError::unsupported(
                format!("{what} depends on the model's inputs"),
                format!("{what} as a constant"),
            )),
        }
    }

    /// The i-th operand as constant integers, if present.
    pub(crate) fn integers(&self, i: usize, what: &str) -> Result<Option<Vec<i64>>, OpError> {
        if self.input(i).is_none() {
            return Ok(None);
        }
        let tensor = self.constant(i, what)?;
        match tensor.integers() {
            Some(v) => Ok(Some(v.to_vec())),
            None => Err(OpError::invalid(format!("{what} must be integers"))),
        }
    }

    /// Number of outputs that the node names.
    pub(crate) fn outputs(&self) -> usize {
        self.proto.output.len()
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&pb::AttributeProto> {
        self.proto.attribute.iter().find(|a| a.name == name)
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    pub(crate) fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).map_or(default, |a| f64::from(a.f))
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    /// An attribute of bytes that should be text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, OpError> {
        let text = |a| text_of(a, name);
        self.attribute(name).map(|a| text(&a.s)).transpose()
    }

    /// An attribute that lists text.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, OpError> {
        match self.attribute(name) {
            Some(a) if !a.strings.is_empty() => {
                let all = a.strings.iter().map(|s| text_of(s, name));
                Ok(Some(all.collect::<Result<_, _>>()?))
            }
            _ => Ok(None),
        }
    }

    /// An attribute that holds a tensor.
    pub(crate) fn tensor(&self, name: &str) -> Result<Option<Tensor>, OpError> {
        let Some(proto) = self.attribute(name).and_then(|a| a.t.as_ref()) else {
            return Ok(None);
        };
        let tensor = Tensor::decode(proto);
        tensor
            .map(Some)
            .map_err(|e| OpError::invalid(format!("{name}: {e}")))
    }

    pub(crate) fn floats(&self, name: &str) -> Option<Vec<f64>> {
        self.attribute(name)
            .map(|a| a.floats.iter().map(|&f| f64::from(f)).collect())
    }
}

fn text_of<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str, OpError> {
    std::str::from_utf8(bytes).map_err(|_| OpError::invalid(format!("{name} is not UTF-8")))
}

/// A possibly negative axis of a tensor of this rank.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Result<usize, OpError> {
    let wrapped = if axis < 0 {
        axis.checked_add(rank as i64)
    } else {
        Some(axis)
    };
    match wrapped.and_then(|a| usize::try_from(a).ok()) {
        Some(a) if a < rank => Ok(a),
        _ => Err(OpError::invalid(format!(
            "axis {axis} of a tensor of rank {rank}"
        ))),
    }
}
