//! Scan over constants, unrolled: as many copies of its body as the constants have slices.
//!
//! On the protobuf, before constants are decoded. The k-th copy reads slice k of each constant and the states of the copy
//! before; what it gives out is stacked along a new leading axis. Scans that run backwards, along other axes, over
//! activations, or with graphs inside stay, and are refused by name. Source: ONNX Scan, opset 9 on.

use std::collections::HashMap;

use tract_onnx::pb::{self, attribute_proto::AttributeType};

use super::limits::MAX_NODES;

/// A prefix with which no name of the graph begins.
pub(super) fn fresh(graph: &pb::GraphProto, base: &str) -> String {
    let mut prefix = format!("{base}/");
    let taken = |prefix: &str| {
        let nodes = graph
            .node
            .iter()
            .flat_map(|n| n.input.iter().chain(&n.output));
        let constants = graph.initializer.iter().map(|t| &t.name);
        let ports = graph.input.iter().chain(&graph.output).map(|i| &i.name);
        let mut names = nodes.chain(constants).chain(ports);
        names.any(|name| name.starts_with(prefix))
    };
    while taken(&prefix) {
        prefix.insert(0, '/');
    }
    prefix
}

/// Unrolls every Scan that can be.
pub(super) fn unroll(graph: &mut pb::GraphProto, opset: i64) {
    let is_scan = |node: &pb::NodeProto| node.op_type == "Scan" && node.domain.is_empty();
    if opset < 9 || !graph.node.iter().any(is_scan) {
        return;
    }
    let prefix = fresh(graph, "scan");
    let mut nodes = Vec::with_capacity(graph.node.len());
    for (at, node) in std::mem::take(&mut graph.node).into_iter().enumerate() {
        let room = MAX_NODES.saturating_sub(nodes.len());
        let scan = is_scan(&node).then(|| Scan::of(&node, &graph.initializer, room));
        match scan.flatten() {
            Some(scan) => scan.unrolled(
                &format!("{prefix}{at}"),
                opset,
                &mut nodes,
                &mut graph.initializer,
            ),
            None => nodes.push(node),
        }
    }
    graph.node = nodes;
}

/// A Scan over constants.
struct Scan<'a> {
    node: &'a pb::NodeProto,
    body: &'a pb::GraphProto,
    states: usize,
    steps: usize,
}

impl<'a> Scan<'a> {
    fn of(node: &'a pb::NodeProto, constants: &[pb::TensorProto], room: usize) -> Option<Self> {
        let attribute = |name: &str| node.attribute.iter().find(|a| a.name == name);
        let body = attribute("body")?.g.as_ref()?;
        let scanned = usize::try_from(attribute("num_scan_inputs")?.i).ok()?;
        let states = node
            .input
            .len()
            .checked_sub(scanned)
            .filter(|_| scanned > 0)?;
        let turned = [
            "scan_input_axes",
            "scan_input_directions",
            "scan_output_axes",
            "scan_output_directions",
        ];
        let forward = turned
            .iter()
            .filter_map(|name| attribute(name))
            .all(|a| a.ints.iter().all(|&i| i == 0));
        let fits = body.input.len() == node.input.len()
            && body.output.len() == node.output.len()
            && states <= node.output.len();
        let graphs = |node: &pb::NodeProto| {
            let of = |a: &pb::AttributeProto| {
                a.r#type == AttributeType::Graph as i32 || a.r#type == AttributeType::Graphs as i32
            };
            node.attribute.iter().any(of)
        };
        if !forward || !fits || body.node.iter().any(graphs) {
            return None;
        }
        let mut steps = None;
        for name in &node.input[states..] {
            let tensor = constants.iter().find(|t| t.name == *name)?;
            let extent = usize::try_from(*tensor.dims.first()?).ok()?;
            if *steps.get_or_insert(extent) != extent {
                return None;
            }
        }
        let steps = steps.filter(|&steps| steps > 0)?;
        let each = body.node.len() + scanned + node.output.len();
        (each.checked_mul(steps)? < room).then_some(Self {
            node,
            body,
            states,
            steps,
        })
    }

    fn unrolled(
        &self,
        prefix: &str,
        opset: i64,
        nodes: &mut Vec<pb::NodeProto>,
        constants: &mut Vec<pb::TensorProto>,
    ) {
        let own = |name: &str| format!("{prefix}/{name}");
        let mut names: HashMap<&str, String> = HashMap::new();
        for tensor in &self.body.initializer {
            names.insert(&tensor.name, own(&tensor.name));
            constants.push(pb::TensorProto {
                name: own(&tensor.name),
                ..tensor.clone()
            });
        }
        let mut axes = Vec::new();
        let mut axis = None;
        if opset >= 13 {
            constants.push(integers(own("axis"), &[1], &[0]));
            axis = Some(own("axis"));
        } else {
            axes = vec![attribute("axes", None, &[0])];
        }
        let inputs: Vec<&str> = self.body.input.iter().map(|i| i.name.as_str()).collect();
        let mut states: Vec<String> = self.node.input[..self.states].to_vec();
        let mut given: Vec<Vec<String>> = vec![Vec::new(); self.node.output.len() - self.states];
        for step in 0..self.steps {
            let at = |name: &str| own(&format!("{step}/{name}"));
            // 1. Operands of this copy.
            for (input, state) in inputs.iter().zip(&states) {
                names.insert(input, state.clone());
            }
            constants.push(integers(at("step"), &[], &[step as i64]));
            for (input, constant) in inputs.iter().zip(&self.node.input).skip(self.states) {
                nodes.push(node(
                    "Gather",
                    &[constant.clone(), at("step")],
                    at(input),
                    vec![],
                ));
                names.insert(input, at(input));
            }
            // 2. The body, its own names apart.
            for inner in &self.body.node {
                let mut copy = inner.clone();
                for name in &mut copy.input {
                    if let Some(known) = names.get(name.as_str()) {
                        name.clone_from(known);
                    }
                }
                for (name, original) in copy.output.iter_mut().zip(&inner.output) {
                    if !name.is_empty() {
                        *name = at(original);
                        names.insert(original, at(original));
                    }
                }
                nodes.push(copy);
            }
            // 3. The next states, and one more slice of each result.
            let results: Vec<String> = self
                .body
                .output
                .iter()
                .map(|o| names.get(o.name.as_str()).unwrap_or(&o.name).clone())
                .collect();
            states = results[..self.states].to_vec();
            for (i, result) in results[self.states..].iter().enumerate() {
                let slice = at(&format!("slice {i}"));
                let mut operands = vec![result.clone()];
                operands.extend(axis.clone());
                nodes.push(node("Unsqueeze", &operands, slice.clone(), axes.clone()));
                given[i].push(slice);
            }
        }
        for (output, state) in self.node.output.iter().zip(states) {
            if !output.is_empty() {
                nodes.push(node("Identity", &[state], output.clone(), vec![]));
            }
        }
        for (output, slices) in self.node.output[self.states..].iter().zip(given) {
            if !output.is_empty() {
                let first = vec![attribute("axis", Some(0), &[])];
                nodes.push(node("Concat", &slices, output.clone(), first));
            }
        }
    }
}

/// A node of the default domain, named like its result.
pub(super) fn node(
    operator: &str,
    inputs: &[String],
    output: String,
    attribute: Vec<pb::AttributeProto>,
) -> pb::NodeProto {
    pb::NodeProto {
        name: output.clone(),
        op_type: operator.into(),
        input: inputs.to_vec(),
        output: vec![output],
        attribute,
        ..Default::default()
    }
}

/// One integer, or several.
pub(super) fn attribute(name: &str, one: Option<i64>, several: &[i64]) -> pb::AttributeProto {
    let kind = match one {
        Some(_) => AttributeType::Int,
        None => AttributeType::Ints,
    };
    pb::AttributeProto {
        name: name.into(),
        i: one.unwrap_or(0),
        ints: several.to_vec(),
        r#type: kind as i32,
        ..Default::default()
    }
}

pub(super) fn integers(name: String, shape: &[i64], values: &[i64]) -> pb::TensorProto {
    pb::TensorProto {
        name,
        dims: shape.to_vec(),
        data_type: pb::tensor_proto::DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..Default::default()
    }
}
