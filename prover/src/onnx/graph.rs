//! The float graph of one row: a small, closed set of float operators over flat vectors.
//!
//! Claims: `Graph::eval` gives the ONNX model's outputs for one row, up to the rounding of the floating
//! point type (the evaluator computes in f64). Constants live inside the operators that use them, so every
//! value of the graph depends on the inputs. A value's *row axis* is where its batch dimension lies; the
//! graph is built with one row, so that extent is 1.

use std::collections::BTreeSet;

use super::float::{Element, FloatOp, Quantized};
use crate::quantize::skeleton::{InputEncoding, Missing};

/// Number of a value.
pub(crate) type ValueId = usize;

/// How a value's numbers read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Number,
    /// Whole numbers, exact: an input of an integer type.
    Integer,
    /// 1 for true, 0 for false.
    Boolean,
    /// Integer indices, exact.
    Index,
    /// Integers of a quantised tensor, exact.
    Quantized(Element),
    /// Indices into a table of labels.
    Label {
        /// The labels.
        labels: Vec<String>,
        /// Whether they are integers in the file.
        integer: bool,
    },
}

/// One value of the graph.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) name: String,
    /// With one row.
    pub(crate) shape: Vec<usize>,
    pub(crate) row_axis: Option<usize>,
    pub(crate) kind: Kind,
}

impl Value {
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn row_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let Some(axis) = self.row_axis {
            shape.remove(axis);
        }
        shape
    }
}

/// One operation of the graph.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: FloatOp,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) output: ValueId,
}

/// A named input or output of the graph, seen as one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name in the ONNX file.
    pub name: String,
    /// Shape of one row.
    pub shape: Vec<usize>,
    /// Whether the file's tensor has a leading batch dimension.
    pub batched: bool,
    /// The extent of the leading dimension where the file fixes it.
    pub fixed_rows: Option<usize>,
    /// How the numbers read.
    pub kind: Kind,
    /// How an input's numbers become integers.
    pub encoding: InputEncoding,
    /// Element type code of `TensorProto.DataType`, 0 where unknown.
    pub(crate) element_type: i32,
    pub(crate) value: ValueId,
    /// Width of whole numbers, where it is declared instead of derived.
    pub(crate) range_bits: Option<u32>,
    /// Type that an input is quantised to, where the model quantises it first.
    pub(crate) element: Option<Element>,
    /// One for each scalar of an input, or none: what a missing value is replaced by.
    pub(crate) replacements: Vec<Option<Imputed>>,
}

/// The number that stands for a missing value, and the one that replaces it, as bits of an f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Imputed {
    pub(crate) missing: u64,
    pub(crate) value: u64,
}

impl Kind {
    /// Whether arithmetic on it makes sense.
    pub(crate) fn is_numeric(&self) -> bool {
        !matches!(self, Self::Label { .. } | Self::Quantized(_))
    }

    /// Whether the numbers are whole, and integers of the skeleton as they are.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Integer | Self::Index | Self::Boolean)
    }

    /// Whether it is a decision by itself: a label, an index, a truth value.
    pub(crate) fn decides(&self) -> bool {
        matches!(self, Self::Label { .. } | Self::Index | Self::Boolean)
    }
}

impl Port {
    /// Number of scalars of one row.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// A row's values with those that are missing replaced.
    pub(crate) fn replaced(&self, row: &[f64]) -> Vec<f64> {
        let replaced = |(i, &v): (usize, &f64)| match self.replacements.get(i) {
            Some(Some(imputed)) if Missing::of(f64::from_bits(imputed.missing)).is(v) => {
                f64::from_bits(imputed.value)
            }
            _ => v,
        };
        row.iter().enumerate().map(replaced).collect()
    }

    /// Whether a row holds no scalar.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A model as a float graph of one row.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) values: Vec<Value>,
    pub(crate) nodes: Vec<Node>,
    /// The inputs, in the file's order.
    pub inputs: Vec<Port>,
    /// The outputs, in the file's order.
    pub outputs: Vec<Port>,
    /// How many outputs a proof releases, the first ones, where a policy has the say.
    pub(crate) released: Option<usize>,
}

/// Boxes and arrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawing {
    /// One label a box.
    pub labels: Vec<String>,
    /// From box, to box.
    pub arrows: Vec<(usize, usize)>,
}

impl Graph {
    /// The outputs for one row: one flat vector per input in, one flat vector per output out. Labels come
    /// out as indices into their table.
    ///
    /// # Panics
    /// If `inputs` does not have one vector per input, of its length.
    pub fn eval(&self, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let values = self.eval_values(inputs);
        let of = |port: &Port| values[port.value].clone();
        self.outputs
            .iter()
            .map(|port| of(port).expect("outputs are values of the graph"))
            .collect()
    }

    /// Every value for one row; nothing where folding left no node that makes it.
    pub(crate) fn eval_values(&self, inputs: &[Vec<f64>]) -> Vec<Option<Vec<f64>>> {
        assert_eq!(
            inputs.len(),
            self.inputs.len(),
            "one vector per model input"
        );
        let mut values: Vec<Option<Vec<f64>>> = vec![None; self.values.len()];
        for (port, input) in self.inputs.iter().zip(inputs) {
            assert_eq!(input.len(), port.len(), "length of input \"{}\"", port.name);
            values[port.value] = Some(port.replaced(input));
        }
        for node in &self.nodes {
            let operands: Vec<&[f64]> = node
                .inputs
                .iter()
                .map(|&id| {
                    values[id]
                        .as_deref()
                        .expect("nodes are in topological order")
                })
                .collect();
            values[node.output] = Some(node.op.eval(&operands));
        }
        values
    }

    /// Number of private float constants.
    pub fn parameters(&self) -> usize {
        let mut seen = BTreeSet::new();
        let first = |node: &&Node| match &node.op {
            FloatOp::Recurrent(op) => seen.insert(op.number),
            _ => true,
        };
        let nodes = self.nodes.iter().filter(first);
        nodes.map(|node| node.op.parameters()).sum()
    }

    /// Whether rounded values are fed back, normalised by or put in order.
    pub(crate) fn is_deep(&self) -> bool {
        let producers = self.producers();
        let deep = |node: &Node| match node.op {
            FloatOp::Recurrent(_) | FloatOp::Standardize { .. } => true,
            FloatOp::Order { .. } => producers[node.inputs[0]].is_some(),
            _ => false,
        };
        self.nodes.iter().any(deep)
    }

    /// The operators that remain after folding, in order, each with its number of parameters.
    pub fn operators(&self) -> Vec<(&'static str, usize)> {
        self.nodes
            .iter()
            .map(|node| (node.op.name(), node.op.parameters()))
            .collect()
    }

    /// The graph as a picture draws it: a label for each input, operator and output, with the shape of what it
    /// gives, and the arrows between them.
    pub fn drawing(&self) -> Drawing {
        let mut drawing = Drawing::default();
        let mut made_by: Vec<Option<usize>> = vec![None; self.values.len()];
        for port in &self.inputs {
            made_by[port.value] = Some(drawing.labels.len());
            drawing
                .labels
                .push(format!("input {} {:?}", port.name, port.shape));
        }
        let arrow = |drawing: &mut Drawing, made_by: &[Option<usize>], value: ValueId, to| {
            if let Some(from) = made_by[value] {
                drawing.arrows.push((from, to));
            }
        };
        for node in &self.nodes {
            let to = drawing.labels.len();
            let (name, shape) = (node.op.name(), self.values[node.output].row_shape());
            drawing.labels.push(match node.op.parameters() {
                0 => format!("{name} {shape:?}"),
                n => format!("{name} {shape:?}, {n} parameters"),
            });
            for &input in &node.inputs {
                arrow(&mut drawing, &made_by, input, to);
            }
            made_by[node.output] = Some(to);
        }
        for port in &self.outputs {
            let to = drawing.labels.len();
            drawing
                .labels
                .push(format!("output {} {:?}", port.name, port.shape));
            arrow(&mut drawing, &made_by, port.value, to);
        }
        drawing
    }

    /// Whether integers of a quantised network are among the values.
    pub(crate) fn is_quantized(&self) -> bool {
        let quantized = |node: &Node| matches!(node.op, FloatOp::Quantized(_));
        self.nodes.iter().any(quantized)
    }

    /// The width that the types of a quantised network's weights need, if it has no float weights beside them.
    pub(crate) fn integer_widths(&self) -> Option<u32> {
        let mut bits = None;
        for node in &self.nodes {
            match &node.op {
                FloatOp::Quantized(Quantized::Layer(layer)) => {
                    bits = bits.max(Some(layer.weight_bits));
                }
                FloatOp::Quantized(Quantized::Convolution(layer)) => {
                    bits = bits.max(Some(layer.weight_bits));
                }
                FloatOp::Quantized(_) => {}
                op if op.parameters() > 0 => return None,
                _ => {}
            }
        }
        bits
    }

    /// How often each value is read, outputs included.
    pub(crate) fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values.len()];
        for node in &self.nodes {
            for &id in &node.inputs {
                uses[id] += 1;
            }
        }
        for port in &self.outputs {
            uses[port.value] += 1;
        }
        uses
    }

    /// The node that makes each value.
    pub(crate) fn producers(&self) -> Vec<Option<usize>> {
        let mut producers = vec![None; self.values.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            producers[node.output] = Some(i);
        }
        producers
    }
}
