//! Why a model is refused, as data.
//!
//! Two kinds: the file is malformed or over a limit (one variant each), or it is a fine ONNX model that
//! uses something outside the supported set ([`ImportError::Unsupported`], which lists every such node
//! at once). Nothing is approximated in silence.

use std::fmt;

/// One node that has no supported form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedNode {
    /// Name of the node, or of its first output where it has none.
    pub node: String,
    /// Operator, with its domain unless that is the default one.
    pub operator: String,
    /// What about it is unsupported.
    pub reason: String,
    /// The nearest form that is supported.
    pub nearest: String,
}

impl fmt::Display for UnsupportedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "node \"{}\" ({}): {}; nearest supported form: {}",
            self.node, self.operator, self.reason, self.nearest
        )
    }
}

/// Why a model cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file is over the size cap.
    #[error(
        "the model file holds {bytes} bytes and the limit is {limit}; split or shrink the model"
    )]
    TooLarge {
        /// Size of the file.
        bytes: usize,
        /// The cap.
        limit: usize,
    },
    /// Not a protobuf of the ONNX schema, or lacking a mandatory part.
    #[error("the file is not a readable ONNX model: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// Tensor data in a second file.
    #[error(
        "tensor \"{tensor}\" keeps its data in an external file; save the model with all tensors \
         inside the .onnx file"
    )]
    ExternalData {
        /// Name of the tensor.
        tensor: String,
    },
    /// A constant tensor cannot be decoded.
    #[error("tensor \"{tensor}\": {reason}")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// A graph input cannot be used.
    #[error("input \"{input}\": {reason}")]
    Input {
        /// Name of the input.
        input: String,
        /// What is wrong.
        reason: String,
    },
    /// A graph output cannot be used.
    #[error("output \"{output}\": {reason}")]
    Output {
        /// Name of the output.
        output: String,
        /// What is wrong.
        reason: String,
    },
    /// A node contradicts its operator's specification.
    #[error("node \"{node}\" ({operator}): {reason}")]
    Node {
        /// Name of the node.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        reason: String,
    },
    /// A model over one of the size limits.
    #[error("the model needs more than {limit} {what}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// The cap.
        limit: usize,
    },
    /// Nodes outside the supported set, all of them.
    #[error("{} of the model's nodes cannot be proved: {}", nodes.len(), list(nodes))]
    Unsupported {
        /// The nodes.
        nodes: Vec<UnsupportedNode>,
    },
}

fn list(nodes: &[UnsupportedNode]) -> String {
    nodes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Why one operator's importer gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OpError {
    /// A valid node outside the supported set.
    Unsupported {
        /// What is unsupported.
        reason: String,
        /// The nearest supported form.
        nearest: String,
    },
    /// An invalid node.
    Invalid(String),
    /// Over a limit.
    Limit {
        /// What is counted.
        what: &'static str,
        /// The cap.
        limit: usize,
    },
}

impl OpError {
    pub(crate) fn unsupported(reason: impl Into<String>, nearest: impl Into<String>) -> Self {
        Self::Unsupported {
            reason: reason.into(),
            nearest: nearest.into(),
        }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid(reason.into())
    }

    /// The operator would let one row of a batch influence another.
    pub(crate) fn mixes_rows(what: &str) -> Self {
        Self::unsupported(
            format!("{what} mixes the rows of a batch"),
            "the same operator on the axes behind the leading one",
        )
    }
}
