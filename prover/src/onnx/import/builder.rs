//! The graph under construction: values and nodes, constants beside activations, and the caps on both.

use std::collections::HashMap;
use std::rc::Rc;

use tract_onnx::pb;

use super::super::error::OpError;
use super::super::float::{Affine, Element, FloatOp, Movement, Pointwise};
use super::super::graph::{Kind, Node, Value, ValueId};
use super::super::limits::{MAX_CONSTANT_WORK, MAX_RANK, MAX_TENSOR_ELEMENTS, MAX_TOTAL_ELEMENTS};
use super::super::qdq;
use super::super::tensor::{element_count, text_weight, Data, Tensor};
use super::{NodeView, Operand};

/// How many rows the file speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Any number.
    Dynamic,
    /// This many.
    Fixed(usize),
}

/// The graph under construction.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(super) values: Vec<Value>,
    pub(super) nodes: Vec<Node>,
    /// Element types of constants, by name, where they are known.
    pub(super) types: HashMap<String, i32>,
    pub(super) elements: usize,
    pub(super) work: usize,
    pub(super) layers: usize,
    pub(crate) rows: Rows,
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

    /// Element type of a node's result that is a constant, where it is told by an attribute or by what is moved.
    pub(super) fn type_of(&self, proto: &pb::NodeProto) -> Option<i32> {
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
    pub(super) fn constant_output(
        &mut self,
        tensor: &Tensor,
        like: ValueId,
    ) -> Result<ValueId, OpError> {
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

/// Element type code of uint8 in `TensorProto.DataType`.
const UINT8: i32 = 2;
