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

use std::collections::HashMap;
use std::rc::Rc;

use prost::Message;
use tract_onnx::pb;

use super::error::{ImportError, OpError, UnsupportedNode};
use super::float::{Affine, Element, FloatOp, Movement, Pointwise, Relation, Threshold};
use super::graph::{Graph, Kind, Node, Port, Value, ValueId};
use super::limits::{
    MAX_CONSTANT_WORK, MAX_FILE_BYTES, MAX_NODES, MAX_RANK, MAX_TENSOR_ELEMENTS, MAX_TOTAL_ELEMENTS,
};
use super::ops;
use super::qdq;
use super::tensor::{element_count, text_weight, Data, Tensor};
use crate::quantize::skeleton::InputEncoding;

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

/// How many rows the file speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Any number.
    Dynamic,
    /// This many.
    Fixed(usize),
}

/// A node with its operands resolved.
#[derive(Debug)]
pub(crate) struct NodeView<'a> {
    proto: &'a pb::NodeProto,
    operands: Vec<Option<Operand>>,
    /// Version of the node's operator set.
    pub(crate) opset: i64,
}

/// The graph under construction.
#[derive(Debug)]
pub(crate) struct Builder {
    values: Vec<Value>,
    nodes: Vec<Node>,
    /// Element types of constants, by name, where they are known.
    types: HashMap<String, i32>,
    elements: usize,
    work: usize,
    layers: usize,
    pub(crate) rows: Rows,
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

/// Element type code of uint8 in `TensorProto.DataType`.
const UINT8: i32 = 2;

fn tensor_type(info: &pb::ValueInfoProto) -> Option<&pb::type_proto::Tensor> {
    info.r#type
        .as_ref()?
        .value
        .as_ref()
        .map(|pb::type_proto::Value::TensorType(t)| t)
}

impl Builder {
    /// Counts elements against the cap.
    pub(crate) fn count(&mut self, elements: usize) -> Result<(), OpError> {
        self.elements = self.elements.saturating_add(elements);
        if self.elements > MAX_TOTAL_ELEMENTS {
            return Err(OpError::Limit {
                what: "tensor elements",
                limit: MAX_TOTAL_ELEMENTS,
            });
        }
        Ok(())
    }

    /// Counts multiplications spent on constants against the cap.
    pub(crate) fn spend(&mut self, work: usize) -> Result<(), OpError> {
        self.work = self.work.saturating_add(work);
        if self.work > MAX_CONSTANT_WORK {
            return Err(OpError::Limit {
                what: "steps on constants",
                limit: MAX_CONSTANT_WORK,
            });
        }
        Ok(())
    }

    fn inputs<'a>(
        &mut self,
        graph: &'a pb::GraphProto,
        slots: &mut HashMap<&'a str, Slot>,
        batch: BatchDimension,
    ) -> Result<Vec<Port>, ImportError> {
        use pb::tensor_shape_proto::dimension::Value as Dim;
        let mut ports = Vec::new();
        let mut rows: Option<Rows> = None;
        for info in &graph.input {
            if slots.contains_key(info.name.as_str()) {
                continue; // an initializer listed as an input, as IR versions below 4 do
            }
            let fail = |reason: String| ImportError::Input {
                input: info.name.clone(),
                reason,
            };
            let tensor = tensor_type(info).ok_or_else(|| fail("it is no tensor".into()))?;
            if matches!(tensor.elem_type, 0 | 8 | 14 | 15) {
                return Err(fail("its element type is not numeric".into()));
            }
            let dims = tensor
                .shape
                .as_ref()
                .ok_or_else(|| fail("it has no shape".into()))?;
            let mut extents: Vec<Option<usize>> = Vec::new();
            for dim in &dims.dim {
                extents.push(match dim.value {
                    // Zero is how some exporters write an unknown extent.
                    Some(Dim::DimValue(v)) if v > 0 => {
                        Some(usize::try_from(v).map_err(|_| fail(format!("extent {v}")))?)
                    }
                    _ => None,
                });
            }
            if extents.len() > MAX_RANK {
                return Err(fail(format!("rank over {MAX_RANK}")));
            }
            let batched =
                batch == BatchDimension::Leading && !matches!(extents.as_slice(), [] | [Some(_)]);
            let leading = extents.first().copied().flatten();
            if batched {
                let these = leading.map_or(Rows::Dynamic, Rows::Fixed);
                if *rows.get_or_insert(these) != these {
                    return Err(fail(
                        "its leading dimension differs from another input's".into(),
                    ));
                }
                extents[0] = Some(1);
            }
            let shape: Option<Vec<usize>> = extents.iter().copied().collect();
            let shape = shape.ok_or_else(|| {
                let what = match batch {
                    BatchDimension::Leading => "a dimension other than the leading one",
                    BatchDimension::None => "a dimension",
                };
                fail(format!(
                    "{what} is dynamic or empty; export the model with fixed extents"
                ))
            })?;
            let len = element_count(&shape).ok_or_else(|| fail("it is too large".into()))?;
            self.count(len).map_err(|e| flat(e, "", ""))?;
            let kind = match tensor.elem_type {
                2..=7 | 12 | 13 => Kind::Integer,
                9 => Kind::Boolean,
                _ => Kind::Number,
            };
            let value = self.values.len();
            self.values.push(Value {
                name: info.name.clone(),
                shape,
                row_axis: batched.then_some(0),
                kind: kind.clone(),
            });
            ports.push(Port {
                name: info.name.clone(),
                shape: self.values[value].row_shape(),
                batched,
                fixed_rows: leading.filter(|_| batched),
                kind,
                encoding: InputEncoding::Fixed,
                element_type: tensor.elem_type,
                value,
                range_bits: None,
                element: None,
                replacements: Vec::new(),
            });
            let mut operand = Operand::Activation(value);
            if self.values[value].kind == Kind::Boolean {
                // Nothing proves of an input that it is 0 or 1; of this comparison it is.
                let at_least_one = FloatOp::Threshold(Threshold {
                    relation: Relation::GreaterOrEqual,
                    thresholds: vec![1.0],
                });
                let (shape, row_axis) = (self.values[value].shape.clone(), batched.then_some(0));
                operand = self
                    .push(at_least_one, &[value], shape, row_axis, Kind::Boolean)
                    .map_err(|e| flat(e, &info.name, "input"))?;
            }
            slots.insert(&info.name, Slot::Known(operand));
        }
        if ports.is_empty() {
            return Err(ImportError::Malformed {
                reason: "the graph has no input".into(),
            });
        }
        self.rows = rows.unwrap_or(Rows::Fixed(1));
        Ok(ports)
    }

    /// Element type of a node's result that is a constant, where it is told by an attribute or by what is moved.
    fn type_of(&self, proto: &pb::NodeProto) -> Option<i32> {
        let first = |i: usize| self.types.get(proto.input.get(i)?).copied();
        match proto.op_type.as_str() {
            "Constant" => Some(proto.attribute.iter().find_map(|a| a.t.as_ref())?.data_type),
            "QuantizeLinear" => first(2).or(Some(UINT8)),
            operator if qdq::moves(operator) => first(0),
            _ => None,
        }
    }

    /// Type of a quantised operand, constant or not.
    pub(crate) fn element(&self, node: &NodeView<'_>, i: usize) -> Option<Element> {
        match node.input(i)? {
            Operand::Activation(id) => match self.values[*id].kind {
                Kind::Quantized(element) => Some(element),
                _ => None,
            },
            Operand::Constant(_) => {
                let name = node.proto.input.get(i)?;
                self.types.get(name).and_then(|&t| Element::of(t))
            }
        }
    }

    /// Whether a value is an input, or inputs rearranged.
    pub(crate) fn is_input(&self, id: ValueId) -> bool {
        self.maker(id).is_none_or(|node| {
            matches!(node.op, FloatOp::Movement(_)) && node.inputs.iter().all(|&i| self.is_input(i))
        })
    }

    /// The node that makes a value.
    pub(crate) fn maker(&self, id: ValueId) -> Option<&Node> {
        let at = self.nodes.partition_point(|node| node.output < id);
        self.nodes.get(at).filter(|node| node.output == id)
    }

    /// A number for a layer that several nodes will use.
    pub(crate) fn next_layer(&mut self) -> usize {
        self.layers += 1;
        self.layers
    }

    /// A value of the graph.
    pub(crate) fn value(&self, id: ValueId) -> &Value {
        &self.values[id]
    }

    /// Shape of an operand, with one row.
    pub(crate) fn shape<'s>(&'s self, operand: &'s Operand) -> &'s [usize] {
        match operand {
            Operand::Constant(tensor) => &tensor.shape,
            Operand::Activation(id) => &self.values[*id].shape,
        }
    }

    /// Row axis of an operand.
    pub(crate) fn row_axis(&self, operand: &Operand) -> Option<usize> {
        match operand {
            Operand::Constant(_) => None,
            Operand::Activation(id) => self.values[*id].row_axis,
        }
    }

    /// The row axis is given up: fine where the file fixes one row, refused elsewhere.
    pub(crate) fn drop_rows(&self, what: &str) -> Result<Option<usize>, OpError> {
        if self.rows == Rows::Fixed(1) {
            Ok(None)
        } else {
            Err(OpError::mixes_rows(what))
        }
    }

    /// Applies an operator to activations.
    pub(crate) fn push(
        &mut self,
        op: FloatOp,
        inputs: &[ValueId],
        shape: Vec<usize>,
        row_axis: Option<usize>,
        kind: Kind,
    ) -> Result<Operand, OpError> {
        let len = checked_len(&shape)?;
        if len == 0 {
            return Err(OpError::unsupported(
                "an empty tensor",
                "tensors of one element or more",
            ));
        }
        self.count(len)?;
        let integers = |&id: &ValueId| matches!(self.values[id].kind, Kind::Quantized(_));
        let exact = match &op {
            FloatOp::Movement(_) | FloatOp::Quantized(_) => true,
            FloatOp::Reduce(reduction, _) => reduction.picks(),
            _ => false,
        };
        if !exact && inputs.iter().any(integers) {
            return Err(OpError::unsupported(
                "float arithmetic on quantised integers",
                "DequantizeLinear before it",
            ));
        }
        if let Kind::Label { labels, .. } = &kind {
            self.count(text_weight(labels))?;
        }
        if let FloatOp::Combination(op) = &op {
            self.count(op.weight())?;
        }
        let kind = match kind {
            Kind::Number => self.kind_of(&op, inputs),
            kind => kind,
        };
        let output = self.values.len();
        self.values.push(Value {
            name: String::new(),
            shape,
            row_axis,
            kind,
        });
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            output,
        });
        Ok(Operand::Activation(output))
    }

    /// Whole numbers, where the operator makes them of whole numbers.
    fn kind_of(&self, op: &FloatOp, inputs: &[ValueId]) -> Kind {
        // The condition of a selection is no number.
        let read = match op {
            FloatOp::Select => &inputs[1..],
            _ => inputs,
        };
        let all = |of: fn(&Kind) -> bool| read.iter().all(|&id| of(&self.values[id].kind));
        if matches!(op, FloatOp::Select) && all(|k| *k == Kind::Boolean) {
            Kind::Boolean
        } else if op.keeps_whole() && all(Kind::is_whole) {
            Kind::Integer
        } else {
            Kind::Number
        }
    }

    /// Whether an operand is of an integer type.
    pub(crate) fn is_whole(&self, operand: &Operand) -> bool {
        match operand {
            Operand::Constant(tensor) => tensor.integers().is_some(),
            Operand::Activation(id) => self.values[*id].kind.is_whole(),
        }
    }

    /// The same numbers, read another way.
    pub(crate) fn cast(&mut self, operand: &Operand, kind: Kind) -> Result<Operand, OpError> {
        let Operand::Activation(id) = operand else {
            return Ok(operand.clone());
        };
        let value = &self.values[*id];
        let (shape, row_axis) = (value.shape.clone(), value.row_axis);
        let indices = (0..value.len() as u32).collect();
        self.push(
            FloatOp::Movement(Movement { indices }),
            &[*id],
            shape,
            row_axis,
            kind,
        )
    }

    /// Applies a shape-preserving operator on numbers to an operand, constant or not.
    pub(crate) fn map(&mut self, op: FloatOp, operand: &Operand) -> Result<Operand, OpError> {
        match operand {
            Operand::Constant(tensor) => {
                let numbers = tensor
                    .numbers()
                    .ok_or_else(|| OpError::invalid("strings"))?;
                self.count(numbers.len())?;
                let whole = tensor.integers().is_some() && op.keeps_whole();
                let data = Data::of(op.eval(&[&numbers]), whole);
                Ok(Operand::Constant(Rc::new(Tensor {
                    shape: tensor.shape.clone(),
                    data,
                })))
            }
            Operand::Activation(id) => {
                let value = &self.values[*id];
                if !value.kind.is_numeric() {
                    return Err(OpError::unsupported(
                        "arithmetic on a label or on quantised integers",
                        "on numbers",
                    ));
                }
                let (shape, row_axis) = (value.shape.clone(), value.row_axis);
                self.push(op, &[*id], shape, row_axis, Kind::Number)
            }
        }
    }

    /// Public numbers as a value of the graph: `0 x + c`, x any element of `like`.
    pub(crate) fn public(
        &mut self,
        numbers: &[f64],
        shape: Vec<usize>,
        like: ValueId,
        row_axis: Option<usize>,
        kind: Kind,
    ) -> Result<Operand, OpError> {
        let mut distinct: Vec<f64> = numbers.to_vec();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        let mut made = Vec::with_capacity(distinct.len());
        let one = FloatOp::Movement(Movement { indices: vec![0] });
        let one = self.push(one, &[like], vec![1], None, Kind::Number)?;
        let Operand::Activation(one) = one else {
            return Err(OpError::invalid("an activation was expected"));
        };
        for &offset in &distinct {
            let op = FloatOp::Pointwise(Pointwise::Public {
                factor: 0.0,
                offset,
            });
            if let Operand::Activation(id) = self.push(op, &[one], vec![1], None, kind.clone())? {
                made.push(id);
            }
        }
        let at = |v: &f64| distinct.binary_search_by(|d| d.total_cmp(v));
        let indices = numbers
            .iter()
            .map(|v| at(v).expect("every number is among them") as u32)
            .collect();
        self.push(
            FloatOp::Movement(Movement { indices }),
            &made,
            shape,
            row_axis,
            kind,
        )
    }

    /// A constant as a value of the graph that stays private: `0 x + c`, x any element of `like`.
    pub(crate) fn private(
        &mut self,
        constant: &Tensor,
        like: ValueId,
        row_axis: Option<usize>,
    ) -> Result<ValueId, OpError> {
        let numbers = constant
            .numbers()
            .ok_or_else(|| OpError::unsupported("strings joined with values", "numbers"))?;
        if !self.values[like].kind.is_numeric() {
            return Err(OpError::unsupported(
                "numbers joined with labels",
                "one kind at a time",
            ));
        }
        self.count(2 * numbers.len())?;
        let affine = FloatOp::Affine(Affine {
            inner: 1,
            period: numbers.len(),
            scale: Some(vec![0.0; numbers.len()]),
            offset: Some(numbers.clone()),
        });
        let repeat = FloatOp::Movement(Movement {
            indices: vec![0; numbers.len()],
        });
        let shape = constant.shape.clone();
        let mut id = like;
        let whole = constant.integers().is_some() && self.values[like].kind.is_whole();
        let kind = if whole { Kind::Integer } else { Kind::Number };
        for op in [repeat, affine] {
            let made = self.push(op, &[id], shape.clone(), row_axis, kind.clone())?;
            if let Operand::Activation(made) = made {
                id = made;
            }
        }
        Ok(id)
    }

    /// A constant that is an output by itself: whole numbers are public, as shapes are, others a private value.
    fn constant_output(&mut self, tensor: &Tensor, like: ValueId) -> Result<ValueId, OpError> {
        let Some(integers) = tensor.integers() else {
            return self.private(tensor, like, None);
        };
        let numbers: Vec<f64> = integers.iter().map(|&i| i as f64).collect();
        let shape = tensor.shape.clone();
        match self.public(&numbers, shape, like, None, Kind::Integer)? {
            Operand::Activation(id) => Ok(id),
            Operand::Constant(_) => Err(OpError::invalid("an activation was expected")),
        }
    }

    /// Rearranges operands; a constant beside activations becomes a private value.
    pub(crate) fn movement(
        &mut self,
        operands: &[Operand],
        indices: Vec<u32>,
        shape: Vec<usize>,
        row_axis: Option<usize>,
    ) -> Result<Operand, OpError> {
        checked_len(&shape)?;
        let constants: Vec<&Rc<Tensor>> = operands
            .iter()
            .filter_map(|o| match o {
                Operand::Constant(tensor) => Some(tensor),
                Operand::Activation(_) => None,
            })
            .collect();
        if constants.len() == operands.len() {
            let joined;
            let all = match constants[..] {
                [one] => one,
                _ => {
                    self.count(constants.iter().map(|c| c.weight()).sum())?;
                    joined = join(&constants)?;
                    &joined
                }
            };
            self.count(all.weight_of(&indices))?;
            return Ok(Operand::Constant(Rc::new(all.pick(&indices, shape))));
        }
        let like = operands.iter().find_map(|o| match o {
            Operand::Activation(id) => Some(*id),
            Operand::Constant(_) => None,
        });
        let like = like.ok_or_else(|| OpError::invalid("no operands"))?;
        let mut ids: Vec<ValueId> = Vec::with_capacity(operands.len());
        for operand in operands {
            ids.push(match operand {
                Operand::Activation(id) => *id,
                Operand::Constant(tensor) => self.private(tensor, like, None)?,
            });
        }
        let mut kind = self.values[ids[0]].kind.clone();
        if ids.iter().any(|&id| self.values[id].kind != kind) {
            if !ids.iter().all(|&id| self.values[id].kind.is_numeric()) {
                return Err(OpError::unsupported(
                    "numbers joined with labels",
                    "one kind at a time",
                ));
            }
            let whole = ids.iter().all(|&id| self.values[id].kind.is_whole());
            kind = if whole { Kind::Integer } else { Kind::Number };
        }
        self.push(
            FloatOp::Movement(Movement { indices }),
            &ids,
            shape,
            row_axis,
            kind,
        )
    }

    /// The same elements under another shape.
    pub(crate) fn reshaped(
        &mut self,
        operand: &Operand,
        shape: Vec<usize>,
        row_axis: Option<usize>,
    ) -> Result<Operand, OpError> {
        let len = checked_len(&shape)?;
        let indices = (0..u32::try_from(len).expect("the element cap is below 2^32")).collect();
        self.movement(std::slice::from_ref(operand), indices, shape, row_axis)
    }
}

/// Constants laid end to end, as one vector.
fn join(constants: &[&Rc<Tensor>]) -> Result<Tensor, OpError> {
    let mut all = constants[0].data.clone();
    for tensor in &constants[1..] {
        match (&mut all, &tensor.data) {
            (Data::Float(a), Data::Float(b)) => a.extend_from_slice(b),
            (Data::Int(a), Data::Int(b)) => a.extend_from_slice(b),
            (Data::Text(a), Data::Text(b)) => a.extend_from_slice(b),
            _ => return Err(OpError::invalid("operands of different element types")),
        }
    }
    Ok(Tensor {
        shape: vec![],
        data: all,
    })
}

/// Number of elements of a shape within the caps.
pub(crate) fn checked_len(shape: &[usize]) -> Result<usize, OpError> {
    if shape.len() > MAX_RANK {
        return Err(OpError::Limit {
            what: "dimensions",
            limit: MAX_RANK,
        });
    }
    element_count(shape).ok_or(OpError::Limit {
        what: "tensor elements",
        limit: MAX_TENSOR_ELEMENTS,
    })
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
