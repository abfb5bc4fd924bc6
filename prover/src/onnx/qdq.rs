//! DequantizeLinear, operator, QuantizeLinear: such clusters become one operator on integers, as in onnxruntime.
//!
//! A quantised network may be written with float operators between DequantizeLinear and QuantizeLinear nodes. On the
//! protobuf, before constants are decoded: operators that only move elements (MaxPool among them: scales are
//! positive) go behind QuantizeLinear and before DequantizeLinear; then each cluster of the table becomes its `QLinear` operator, whose
//! importer does the rest. A Relu or Clip before QuantizeLinear goes where the type's range implies it.
//! Source: onnxruntime's QDQ format, and which clusters its default optimisation fuses.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{self, attribute_proto::AttributeType, tensor_proto::DataType};

use super::float::{Element, Scale};
use super::scan::fresh;
use super::tensor::Tensor;

/// Operators whose first result holds elements of the first operand.
const MOVES: &[&str] = &[
    "Flatten",
    "Identity",
    "MaxPool",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// (operator, its quantised form, the form's domain)
const CLUSTERS: &[(&str, &str, &str)] = &[
    ("Add", "QLinearAdd", MICROSOFT),
    ("AveragePool", "QLinearAveragePool", MICROSOFT),
    ("Concat", "QLinearConcat", MICROSOFT),
    ("Conv", "QLinearConv", ""),
    ("Gemm", "QGemm", MICROSOFT),
    ("GlobalAveragePool", "QLinearGlobalAveragePool", MICROSOFT),
    ("LeakyRelu", "QLinearLeakyRelu", MICROSOFT),
    ("MatMul", "QLinearMatMul", ""),
    ("Mul", "QLinearMul", MICROSOFT),
    ("ReduceMean", "QLinearReduceMean", MICROSOFT),
    ("Sigmoid", "QLinearSigmoid", MICROSOFT),
    ("Softmax", "QLinearSoftmax", MICROSOFT),
];

const MICROSOFT: &str = "com.microsoft";

/// Whether an operator's result holds elements of its first operand.
pub(super) fn moves(operator: &str) -> bool {
    MOVES.contains(&operator)
}

/// Rewrites every cluster.
pub(super) fn rewrite(graph: &mut pb::GraphProto, opset: i64) {
    quantise_inputs(graph);
    let quantised = |node: &pb::NodeProto| is(node, "DequantizeLinear");
    if !graph.node.iter().any(quantised) {
        return;
    }
    dequantize_late(graph);
    quantize_early(graph);
    let index = Index::of(graph, opset);
    let mut rewritten: HashMap<usize, pb::NodeProto> = HashMap::new();
    let mut gone: HashSet<usize> = HashSet::new();
    for at in 0..graph.node.len() {
        let Some((node, parts)) = index.cluster(graph, at) else {
            continue;
        };
        if parts.iter().any(|part| gone.contains(part)) {
            continue;
        }
        gone.extend(parts);
        rewritten.insert(at, node);
    }
    // Products that stay numbers.
    for at in 0..graph.node.len() {
        if gone.contains(&at) {
            continue;
        }
        if let Some(node) = index.product(graph, at) {
            rewritten.insert(at, node);
        }
    }
    let nodes = std::mem::take(&mut graph.node);
    for (at, node) in nodes.into_iter().enumerate() {
        match rewritten.remove(&at) {
            Some(node) => graph.node.push(node),
            None if gone.contains(&at) => {}
            None => graph.node.push(node),
        }
    }
    remove_unread(graph);
}

/// Inputs of 8 or 16 bits that quantised operators read: QuantizeLinear with scale 1 and zero point 0 gives their
/// integers.
fn quantise_inputs(graph: &mut pb::GraphProto) {
    let initializers: HashSet<&String> = graph.initializer.iter().map(|t| &t.name).collect();
    let mut types: HashMap<String, i32> = HashMap::new();
    for input in &graph.input {
        let tensor = input.r#type.as_ref().and_then(|t| t.value.as_ref());
        if let Some(pb::type_proto::Value::TensorType(tensor)) = tensor {
            if Element::of(tensor.elem_type).is_some() && !initializers.contains(&input.name) {
                types.insert(input.name.clone(), tensor.elem_type);
            }
        }
    }
    let reads = |node: &pb::NodeProto| {
        let quantised = ["ConvInteger", "DequantizeLinear", "MatMulInteger", "QGemm"];
        node.op_type.starts_with("QLinear") || quantised.contains(&node.op_type.as_str())
    };
    if types.is_empty() {
        return;
    }
    let prefix = fresh(graph, "integers");
    let mut made: Vec<(String, i32)> = Vec::new();
    for node in graph.node.iter_mut().filter(|node| reads(node)) {
        for name in &mut node.input {
            if let Some(&element_type) = types.get(name) {
                let of = (name.clone(), element_type);
                if !made.contains(&of) {
                    made.push(of);
                }
                *name = format!("{prefix}q {name}");
            }
        }
    }
    for (name, element_type) in made {
        let [scale, zero] = ["s", "z"].map(|what| format!("{prefix}{what} {name}"));
        graph.initializer.push(pb::TensorProto {
            name: scale.clone(),
            data_type: DataType::Float as i32,
            float_data: vec![1.0],
            ..Default::default()
        });
        graph.initializer.push(pb::TensorProto {
            name: zero.clone(),
            data_type: element_type,
            int32_data: vec![0],
            ..Default::default()
        });
        let quantised = pb::NodeProto {
            name: format!("{prefix}q {name}"),
            op_type: "QuantizeLinear".into(),
            output: vec![format!("{prefix}q {name}")],
            input: vec![name, scale, zero],
            ..Default::default()
        };
        graph.node.insert(0, quantised);
    }
}

/// Moves DequantizeLinear behind the operators that only move elements.
fn dequantize_late(graph: &mut pb::GraphProto) {
    let constants = constants(graph);
    let released = released(graph);
    // The operands of the DequantizeLinear node that makes a name.
    let mut dequantized: HashMap<String, Vec<String>> = HashMap::new();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        let per_tensor = !node
            .attribute
            .iter()
            .any(|a| a.name == "block_size" && a.i != 0);
        if is(&node, "DequantizeLinear") && per_tensor {
            dequantized.insert(node.output[0].clone(), node.input.clone());
        }
        let end = node.output.iter().all(|o| released.contains(o));
        let relu = end && is(&node, "Relu");
        let clip = end && is(&node, "Clip");
        let moved = relu || clip || node.domain.is_empty() && moves(&node.op_type);
        let moved = moved && node.output.len() == 1;
        let operands = node.input.first().and_then(|x| dequantized.get(x)).cloned();
        let (true, Some(mut operands)) = (moved, operands) else {
            nodes.push(node);
            continue;
        };
        let scale = operands.get(1).and_then(|name| constants.get(name));
        if !scale.is_some_and(|t| t.dims.iter().all(|&d| d == 1)) {
            nodes.push(node);
            continue;
        }
        let integers = format!("{}_integers", node.output[0]);
        if clip {
            // Where the bounds are integers on that scale, or beyond its type: QuantizeLinear on the same scale behind
            // the Clip makes a table, and DequantizeLinear gives the clipped numbers again.
            let bounds = Bounds::of(&node, &constants);
            let scale = scale_of(&operands, &constants);
            let typed = operands.get(2).is_some_and(|zero| !zero.is_empty());
            if !typed || !bounds.zip(scale).is_some_and(|(b, s)| b.fall_on(&s)) {
                nodes.push(node);
                continue;
            }
            let output = node.output[0].clone();
            let clipped = format!("{output}_clipped");
            node.output[0] = clipped.clone();
            operands[0] = clipped;
            let mut late = |operator: &str, output: &str, operands: &[String]| {
                nodes.push(pb::NodeProto {
                    name: format!("{output}_{operator}"),
                    op_type: operator.into(),
                    input: operands.to_vec(),
                    output: vec![output.into()],
                    ..Default::default()
                });
            };
            let clip = std::mem::take(&mut node);
            late("QuantizeLinear", &integers, &operands);
            operands[0] = integers;
            late("DequantizeLinear", &output, &operands);
            nodes.insert(nodes.len() - 2, clip);
            dequantized.insert(output, operands);
            continue;
        }
        if relu {
            // Of integers on one scale: a table that is exact, so that the output is too.
            let [scale, zero] = [1, 2].map(|i| operands.get(i).cloned().unwrap_or_default());
            node.op_type = "QLinearLeakyRelu".into();
            node.domain = MICROSOFT.into();
            node.attribute = vec![float("alpha", 0.0)];
            node.input
                .extend([scale.clone(), zero.clone(), scale, zero]);
        }
        node.input[0] = std::mem::replace(&mut operands[0], integers.clone());
        let output = std::mem::replace(&mut node.output[0], integers);
        let late = pb::NodeProto {
            name: format!("{}_dequantized", node.name),
            op_type: "DequantizeLinear".into(),
            input: operands.clone(),
            output: vec![output.clone()],
            ..Default::default()
        };
        dequantized.insert(output, operands);
        nodes.push(node);
        nodes.push(late);
    }
    graph.node = nodes;
}

/// Names whose numbers are released and read by nothing else, rearranged at most.
fn released(graph: &pb::GraphProto) -> HashSet<String> {
    let mut released: HashSet<String> = graph.output.iter().map(|o| o.name.clone()).collect();
    let mut computed_with: HashSet<&String> = HashSet::new();
    for node in graph.node.iter().rev() {
        // It asks for the order alone.
        if is(node, "ArgMax") {
            continue;
        }
        let moved = node.domain.is_empty() && moves(&node.op_type) && node.output.len() == 1;
        let end = moved && node.output.iter().all(|o| released.contains(o));
        for (i, name) in node.input.iter().enumerate() {
            if end && i == 0 && !computed_with.contains(name) {
                released.insert(name.clone());
            } else {
                computed_with.insert(name);
                released.remove(name);
            }
        }
    }
    released
}

/// What a Relu or Clip holds its operand to; none is no bound.
struct Bounds {
    below: Option<f32>,
    above: Option<f32>,
}

impl Bounds {
    /// Nothing where a bound is no constant.
    fn of(node: &pb::NodeProto, constants: &HashMap<String, pb::TensorProto>) -> Option<Self> {
        if is(node, "Relu") {
            return Some(Self {
                below: Some(0.0),
                above: None,
            });
        }
        let attribute = |name: &str| node.attribute.iter().find(|a| a.name == name).map(|a| a.f);
        let bound = |i: usize, name: &str| match node.input.get(i).filter(|b| !b.is_empty()) {
            Some(operand) => number(constants, operand).map(Some),
            None => Some(attribute(name)),
        };
        Some(Self {
            below: bound(1, "min")?,
            above: bound(2, "max")?,
        })
    }

    /// Whether the type of this scale saturates wherever they bound.
    fn implied(&self, scale: &Scale) -> bool {
        let (lo, hi) = scale.element.range();
        self.below.is_none_or(|b| b <= scale.dequantize(lo))
            && self.above.is_none_or(|b| b >= scale.dequantize(hi))
    }

    /// Whether integers of this scale stand for what they leave of such an integer's number.
    fn fall_on(&self, scale: &Scale) -> bool {
        let (lo, hi) = scale.element.range();
        let (least, greatest) = (scale.dequantize(lo), scale.dequantize(hi));
        let falls = |b: f32| scale.dequantize(scale.quantize(b)) == b;
        let crossed = matches!((self.below, self.above), (Some(a), Some(b)) if a > b);
        !crossed
            && self.below.is_none_or(|b| b <= least || falls(b))
            && self.above.is_none_or(|b| b >= greatest || falls(b))
    }
}

/// Moves QuantizeLinear before the operators that only move elements, so that it meets the operator whose result it
/// rounds.
fn quantize_early(graph: &mut pb::GraphProto) {
    let index = Index::of(graph, 0);
    let mut producer = index.producer;
    for end in 0..graph.node.len() {
        let mut at = end;
        loop {
            let node = &graph.node[at];
            let scalar = |i: usize| match node.input.get(i) {
                Some(name) => index
                    .constants
                    .get(name)
                    .is_some_and(|t| t.dims.iter().all(|&d| d == 1)),
                None => true,
            };
            let before = node.input.first().and_then(|x| producer.get(x)).copied();
            let (true, Some(before)) =
                (is(node, "QuantizeLinear") && scalar(1) && scalar(2), before)
            else {
                break;
            };
            let moved = &graph.node[before];
            let alone = index.readers.get(&moved.output[0]) == Some(&1);
            let constants = node.input[1..].iter();
            let known = constants
                .filter_map(|name| producer.get(name))
                .all(|&p| p < before);
            let only = moved.domain.is_empty() && moves(&moved.op_type) && moved.output.len() == 1;
            if !(only && alone && known) {
                break;
            }
            // x -> move -> quantise -> y becomes x -> quantise -> move -> y.
            let integers = format!("{}_quantized", moved.output[0]);
            graph.node.swap(before, at);
            let (low, high) = graph.node.split_at_mut(at);
            let (quantize, moved) = (&mut low[before], &mut high[0]);
            quantize.input[0] = std::mem::replace(&mut moved.input[0], integers.clone());
            moved.output[0] = std::mem::replace(&mut quantize.output[0], integers.clone());
            producer.insert(moved.output[0].clone(), at);
            producer.insert(integers, before);
            at = before;
        }
    }
}

/// Small constants by name: scales, zero points, bounds and axes.
fn constants(graph: &pb::GraphProto) -> HashMap<String, pb::TensorProto> {
    let small = |tensor: &pb::TensorProto| tensor.dims.iter().all(|&d| (1..=16).contains(&d));
    let initializers = graph.initializer.iter().map(|t| (&t.name, t));
    let nodes = graph.node.iter().filter(|node| is(node, "Constant"));
    let made = nodes.filter_map(|node| {
        let tensor = node.attribute.iter().find_map(|a| a.t.as_ref())?;
        Some((node.output.first()?, tensor))
    });
    initializers
        .chain(made)
        .filter(|(_, tensor)| small(tensor))
        .map(|(name, tensor)| (name.clone(), tensor.clone()))
        .collect()
}

/// Nodes left without a reader by the rewriting: dequantisations of what is read as integers now.
fn remove_unread(graph: &mut pb::GraphProto) {
    let outputs = graph.output.iter().map(|o| o.name.clone());
    let mut read: HashSet<String> = outputs.collect();
    let mut nodes = std::mem::take(&mut graph.node);
    nodes.reverse();
    nodes.retain(|node| {
        let keep = !is(node, "DequantizeLinear") || node.output.iter().any(|o| read.contains(o));
        if keep {
            read.extend(node.input.iter().cloned());
        }
        keep
    });
    nodes.reverse();
    graph.node = nodes;
}

fn is(node: &pb::NodeProto, operator: &str) -> bool {
    node.op_type == operator && matches!(node.domain.as_str(), "" | "ai.onnx" | MICROSOFT)
}

/// Who makes and who reads each name.
struct Index {
    producer: HashMap<String, usize>,
    readers: HashMap<String, usize>,
    constants: HashMap<String, pb::TensorProto>,
    opset: i64,
}

impl Index {
    fn of(graph: &pb::GraphProto, opset: i64) -> Self {
        let mut index = Self {
            producer: HashMap::new(),
            readers: HashMap::new(),
            constants: constants(graph),
            opset,
        };
        for (at, node) in graph.node.iter().enumerate() {
            for output in &node.output {
                index.producer.insert(output.clone(), at);
            }
            for input in &node.input {
                *index.readers.entry(input.clone()).or_default() += 1;
            }
        }
        for output in &graph.output {
            *index.readers.entry(output.name.clone()).or_default() += 1;
        }
        index
    }

    /// The operands of the DequantizeLinear node that makes a name: integers, scale, zero point or "".
    fn dequantized(&self, graph: &pb::GraphProto, name: &str) -> Option<[String; 3]> {
        let node = &graph.node[*self.producer.get(name)?];
        let blocked = node
            .attribute
            .iter()
            .any(|a| a.name == "block_size" && a.i != 0);
        if !is(node, "DequantizeLinear") || blocked {
            return None;
        }
        let operand = |i: usize| node.input.get(i).cloned().unwrap_or_default();
        Some([operand(0), operand(1), operand(2)])
    }

    /// The quantised form of the cluster that ends in the QuantizeLinear node `end`, and the nodes it replaces.
    fn cluster(&self, graph: &pb::GraphProto, end: usize) -> Option<(pb::NodeProto, Vec<usize>)> {
        let last = &graph.node[end];
        if !is(last, "QuantizeLinear") {
            return None;
        }
        let mut parts = Vec::new();
        let mut name = last.input.first()?.as_str();
        let node = loop {
            let at = *self.producer.get(name)?;
            if self.readers.get(name) != Some(&1) {
                return None;
            }
            parts.push(at);
            let node = &graph.node[at];
            let bounded = is(node, "Relu") || is(node, "Clip");
            if !bounded {
                break node;
            }
            if parts.len() > 1 || !self.implied(node, last) {
                return None;
            }
            name = node.input.first()?;
        };
        let (_, form, domain) = CLUSTERS.iter().find(|(operator, ..)| is(node, operator))?;
        let result = |i: usize| last.input.get(i).cloned().unwrap_or_default();
        let (scale, zero) = (result(1), result(2));
        let x = |i: usize| self.dequantized(graph, node.input.get(i)?);
        let mut attributes = node.attribute.clone();
        let input: Vec<String> = match *form {
            "QLinearAdd" | "QLinearMul" => {
                [x(0)?.to_vec(), x(1)?.to_vec(), vec![scale, zero]].concat()
            }
            "QLinearMatMul" => [x(0)?.to_vec(), x(1)?.to_vec(), vec![scale, zero]].concat(),
            "QGemm" => {
                if !self.plain_beta(node) {
                    return None;
                }
                attributes.retain(|a| a.name != "beta");
                let bias = self.bias(graph, node)?;
                [x(0)?.to_vec(), x(1)?.to_vec(), vec![bias, scale, zero]].concat()
            }
            "QLinearConv" => {
                let bias = self.bias(graph, node)?;
                [x(0)?.to_vec(), x(1)?.to_vec(), vec![scale, zero, bias]].concat()
            }
            "QLinearConcat" => {
                let mut input = vec![scale, zero];
                for i in 0..node.input.len() {
                    input.extend(x(i)?);
                }
                input
            }
            "QLinearReduceMean" => {
                if let Some(axes) = node.input.get(1).filter(|axes| !axes.is_empty()) {
                    let axes = Tensor::decode(self.constants.get(axes)?).ok()?;
                    attributes.push(integers("axes", axes.integers()?));
                }
                [x(0)?.to_vec(), vec![scale, zero]].concat()
            }
            "QLinearSoftmax" => {
                attributes.push(integer("opset", self.opset));
                [x(0)?.to_vec(), vec![scale, zero]].concat()
            }
            _ => [x(0)?.to_vec(), vec![scale, zero]].concat(),
        };
        let quantised = pb::NodeProto {
            name: node.name.clone(),
            op_type: (*form).into(),
            domain: (*domain).into(),
            input,
            output: last.output.clone(),
            attribute: attributes,
            ..Default::default()
        };
        Some((quantised, parts))
    }

    /// The quantised form of a product whose result stays numbers.
    fn product(&self, graph: &pb::GraphProto, at: usize) -> Option<pb::NodeProto> {
        let node = &graph.node[at];
        let x = |i: usize| self.dequantized(graph, node.input.get(i)?);
        let (form, input, attribute) = if is(node, "Gemm") && self.plain_beta(node) {
            let (a, w) = (x(0)?, x(1)?);
            let bias = self.bias(graph, node)?;
            let mut attributes = node.attribute.clone();
            attributes.retain(|a| a.name != "beta");
            let input = [a.to_vec(), w.to_vec(), vec![bias]].concat();
            ("QGemm", input, attributes)
        } else if is(node, "MatMul") {
            let ([a, a_scale, a_zero], [w, w_scale, w_zero]) = (x(0)?, x(1)?);
            let input = vec![a, w, a_scale, w_scale, a_zero, w_zero];
            ("MatMulIntegerToFloat", input, Vec::new())
        } else {
            return None;
        };
        Some(pb::NodeProto {
            op_type: form.into(),
            domain: MICROSOFT.into(),
            input,
            attribute,
            ..node.clone()
        })
    }

    /// The integers of a layer's bias, "" where it has none; nothing where it is not quantised.
    fn bias(&self, graph: &pb::GraphProto, node: &pb::NodeProto) -> Option<String> {
        match node.input.get(2).filter(|bias| !bias.is_empty()) {
            None => Some(String::new()),
            Some(bias) => {
                let [integers, ..] = self.dequantized(graph, bias)?;
                Some(integers)
            }
        }
    }

    fn plain_beta(&self, node: &pb::NodeProto) -> bool {
        !node
            .attribute
            .iter()
            .any(|a| a.name == "beta" && a.f != 1.0)
    }

    /// Whether QuantizeLinear saturates wherever this Relu or Clip bounds.
    fn implied(&self, node: &pb::NodeProto, quantize: &pb::NodeProto) -> bool {
        let bounds = Bounds::of(node, &self.constants);
        let scale = scale_of(&quantize.input, &self.constants);
        bounds.zip(scale).is_some_and(|(b, s)| b.implied(&s))
    }
}

/// Scale and zero point behind the first of these operands.
fn scale_of(operands: &[String], constants: &HashMap<String, pb::TensorProto>) -> Option<Scale> {
    let zero = operands.get(2).filter(|zero| !zero.is_empty());
    let (zero, element) = match zero {
        None => (0, Element::Uint8),
        Some(zero) => {
            let tensor = constants.get(zero)?;
            let zero = Tensor::decode(tensor).ok()?;
            (*zero.integers()?.first()?, Element::of(tensor.data_type)?)
        }
    };
    Some(Scale {
        scale: number(constants, operands.get(1)?)?,
        zero,
        element,
    })
}

/// A constant of one element.
fn number(constants: &HashMap<String, pb::TensorProto>, name: &str) -> Option<f32> {
    let tensor = Tensor::decode(constants.get(name)?).ok()?;
    match tensor.numbers()?.as_slice() {
        [number] => Some(*number as f32),
        _ => None,
    }
}

fn float(name: &str, value: f32) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        f: value,
        r#type: AttributeType::Float as i32,
        ..Default::default()
    }
}

fn integer(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        i: value,
        r#type: AttributeType::Int as i32,
        ..Default::default()
    }
}

fn integers(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        ints: values.to_vec(),
        r#type: AttributeType::Ints as i32,
        ..Default::default()
    }
}
