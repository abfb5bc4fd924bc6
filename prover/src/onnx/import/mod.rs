//! From protobuf to float graph: decode, walk the nodes, one importer per operator.
//!
//! Claims: no byte string makes it panic; a node that is not understood is refused by name, all such
//! nodes in one error; nothing looks at a constant's value except where the value is architecture
//! (shapes, axes, slices, clip bounds, label tables). Nodes whose operands are all constants are
//! evaluated here, by structure.
//!
//! Rows: the leading dimension of each input of rank two or more, and of a dynamic one of rank one, is the
//! row dimension, unless the caller says that there is none ([`BatchDimension`]); the graph is built with one row, and
//! operators that would mix rows are refused.
//! Source: ONNX IR specification, operator changelogs for the versions named in each importer.

mod builder;
mod inputs;
mod node;

use std::collections::HashMap;
use std::rc::Rc;

use prost::Message;
use tract_onnx::pb;

use super::error::{ImportError, OpError, UnsupportedNode};
use super::graph::{Graph, Port, ValueId};
use super::limits::{MAX_FILE_BYTES, MAX_NODES};
use super::ops;
use super::tensor::Tensor;
use crate::quantize::skeleton::InputEncoding;

pub(crate) use builder::{checked_len, Builder, Rows};
pub(crate) use node::{axis_of, NodeView};

/// What a name stands for while importing.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// Independent of the inputs.
    Constant(Rc<Tensor>),
    /// A value of the graph.
    Activation(ValueId),
}

impl Operand {
    /// The value of the graph that it is.
    ///
    /// # Errors
    /// It is a constant.
    pub(crate) fn activation(&self) -> Result<ValueId, OpError> {
        match self {
            Self::Activation(id) => Ok(*id),
            Self::Constant(_) => Err(OpError::unsupported(
                "a step on constants alone",
                "its result as a constant",
            )),
        }
    }
}

/// What a name stands for, unsupported nodes' outputs included.
#[derive(Clone, Debug)]
enum Slot {
    Known(Operand),
    Refused,
}

/// Where the rows of a batch lie in a model's inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchDimension {
    /// Along the leading dimension of each input of rank two or more, and of a dynamic one of rank one.
    #[default]
    Leading,
    /// Nowhere: all extents are fixed, and each input as a whole belongs to one row.
    None,
}

/// Decodes the protobuf of a model file.
///
/// # Errors
/// A file over the size cap, or not an ONNX protobuf.
pub(crate) fn decode(bytes: &[u8]) -> Result<pb::ModelProto, ImportError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(ImportError::TooLarge {
            bytes: bytes.len(),
            limit: MAX_FILE_BYTES,
        });
    }
    pb::ModelProto::decode(bytes).map_err(|e| ImportError::Malformed {
        reason: e.to_string(),
    })
}

/// Builds the float graph of a model, unfolded.
///
/// # Errors
/// Everything in [`ImportError`].
pub(crate) fn import(model: &pb::ModelProto, batch: BatchDimension) -> Result<Graph, ImportError> {
    let malformed = |reason: &str| ImportError::Malformed {
        reason: reason.into(),
    };
    let graph = model
        .graph
        .as_ref()
        .ok_or_else(|| malformed("it holds no graph"))?;
    if graph.node.len() > MAX_NODES {
        return Err(ImportError::Limit {
            what: "nodes",
            limit: MAX_NODES,
        });
    }
    let mut opsets: HashMap<&str, i64> = HashMap::new();
    for set in &model.opset_import {
        opsets.insert(domain(&set.domain), set.version);
    }
    if opsets.is_empty() {
        return Err(malformed("it names no operator set"));
    }
    if let Some(sparse) = graph.sparse_initializer.first() {
        return Err(ImportError::Tensor {
            tensor: sparse
                .values
                .as_ref()
                .map(|v| v.name.clone())
                .unwrap_or_default(),
            reason: "sparse tensors are not supported; save it dense".into(),
        });
    }

    // 1. Constants.
    let mut builder = Builder {
        values: Vec::new(),
        nodes: Vec::new(),
        types: HashMap::new(),
        elements: 0,
        work: 0,
        layers: 0,
        rows: Rows::Fixed(1),
    };
    let mut slots: HashMap<&str, Slot> = HashMap::new();
    for proto in &graph.initializer {
        let tensor = Tensor::decode(proto)?;
        builder
            .count(tensor.weight())
            .map_err(|e| flat(e, "", ""))?;
        builder.types.insert(proto.name.clone(), proto.data_type);
        slots.insert(&proto.name, Slot::Known(Operand::Constant(Rc::new(tensor))));
    }

    // 2. Inputs.
    let inputs = builder.inputs(graph, &mut slots, batch)?;

    // 3. Nodes, in the file's order, which the specification makes topological.
    let mut unsupported = Vec::new();
    for proto in &graph.node {
        let name = node_name(proto);
        let operator = operator_name(proto);
        let importer = ops::importer(domain(&proto.domain), &proto.op_type);
        let mut operands = Vec::with_capacity(proto.input.len());
        let mut refused = importer.is_none();
        if importer.is_none() {
            unsupported.push(UnsupportedNode {
                node: name.clone(),
                operator: operator.clone(),
                reason: "the operator is not supported".into(),
                nearest: ops::nearest(&proto.op_type).into(),
            });
        }
        for input in &proto.input {
            operands.push(match slots.get(input.as_str()) {
                _ if input.is_empty() => None,
                Some(Slot::Known(operand)) => Some(operand.clone()),
                Some(Slot::Refused) => {
                    refused = true;
                    None
                }
                None => {
                    return Err(ImportError::Node {
                        node: name,
                        operator,
                        reason: format!("its operand \"{input}\" is made by no earlier node"),
                    })
                }
            });
        }
        let results = match importer {
            Some(importer) if !refused => {
                let opset = opsets.get(domain(&proto.domain)).copied().unwrap_or(1);
                match importer(
                    &mut builder,
                    &NodeView {
                        proto,
                        operands,
                        opset,
                    },
                ) {
                    Ok(results) => Some(results),
                    Err(OpError::Unsupported { reason, nearest }) => {
                        unsupported.push(UnsupportedNode {
                            node: name,
                            operator,
                            reason,
                            nearest,
                        });
                        None
                    }
                    Err(error) => return Err(flat(error, &name, &operator)),
                }
            }
            _ => None,
        };
        for (i, output) in proto.output.iter().enumerate() {
            if output.is_empty() {
                continue;
            }
            if let Some(element_type) = builder.type_of(proto) {
                builder.types.insert(output.clone(), element_type);
            }
            let slot = match results.as_ref().map(|r| r.get(i)) {
                Some(Some(operand)) => {
                    if let Operand::Activation(id) = operand {
                        if builder.values[*id].name.is_empty() {
                            builder.values[*id].name.clone_from(output);
                        }
                    }
                    Slot::Known(operand.clone())
                }
                _ => Slot::Refused,
            };
            slots.insert(output, slot);
        }
    }
    if !unsupported.is_empty() {
        return Err(ImportError::Unsupported { nodes: unsupported });
    }

    // 4. Outputs.
    let mut outputs = Vec::with_capacity(graph.output.len());
    for proto in &graph.output {
        let fail = |reason: &str| ImportError::Output {
            output: proto.name.clone(),
            reason: reason.into(),
        };
        let id = match slots.get(proto.name.as_str()) {
            Some(Slot::Known(Operand::Activation(id))) => *id,
            // A shape counts one row, and the file's rows are several.
            Some(Slot::Known(Operand::Constant(_))) if builder.rows != Rows::Fixed(1) => {
                return Err(fail("it does not depend on the model's inputs"))
            }
            Some(Slot::Known(Operand::Constant(tensor))) => builder
                .constant_output(tensor, inputs[0].value)
                .map_err(|e| flat(e, &proto.name, "output"))?,
            _ => return Err(fail("no supported node makes it")),
        };
        let value = &builder.values[id];
        outputs.push(Port {
            name: proto.name.clone(),
            shape: value.row_shape(),
            batched: value.row_axis.is_some(),
            fixed_rows: None,
            kind: value.kind.clone(),
            encoding: InputEncoding::Fixed,
            element_type: tensor_type(proto).map_or(0, |t| t.elem_type),
            value: id,
            range_bits: None,
            element: None,
            replacements: Vec::new(),
        });
    }
    if outputs.is_empty() {
        return Err(malformed("the graph has no output"));
    }
    Ok(Graph {
        values: builder.values,
        nodes: builder.nodes,
        inputs,
        outputs,
        released: None,
    })
}

/// The version of a domain's operator set.
pub(crate) fn opset(model: &pb::ModelProto, of: &str) -> Option<i64> {
    let sets = model.opset_import.iter();
    sets.filter(|set| domain(&set.domain) == of)
        .map(|set| set.version)
        .next_back()
}

fn domain(domain: &str) -> &str {
    if domain == "ai.onnx" {
        ""
    } else {
        domain
    }
}

fn node_name(proto: &pb::NodeProto) -> String {
    if proto.name.is_empty() {
        proto.output.first().cloned().unwrap_or_default()
    } else {
        proto.name.clone()
    }
}

fn operator_name(proto: &pb::NodeProto) -> String {
    match domain(&proto.domain) {
        "" => proto.op_type.clone(),
        domain => format!("{domain}.{}", proto.op_type),
    }
}

fn flat(error: OpError, node: &str, operator: &str) -> ImportError {
    let (node, operator) = (node.to_owned(), operator.to_owned());
    match error {
        OpError::Invalid(reason) => ImportError::Node {
            node,
            operator,
            reason,
        },
        OpError::Limit { what, limit } => ImportError::Limit { what, limit },
        OpError::Unsupported { reason, nearest } => ImportError::Unsupported {
            nodes: vec![UnsupportedNode {
                node,
                operator,
                reason,
                nearest,
            }],
        },
    }
}

fn tensor_type(info: &pb::ValueInfoProto) -> Option<&pb::type_proto::Tensor> {
    info.r#type
        .as_ref()?
        .value
        .as_ref()
        .map(|pb::type_proto::Value::TensorType(t)| t)
}
