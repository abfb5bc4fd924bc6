//! Nearest neighbours as exporters write them, in forms that cost less and keep rows apart.
//!
//! - A Scan whose body is `sum (x - c_t)^2`, x [rows, features] passed on and c [points, features] constant, is
//!   `x x - 2 c x + c c`: one private layer. Its square root may follow in the body.
//! - ArrayFeatureExtractor with positions [rows, k] gives all rows in one axis, and a Reshape parts them again: Gather
//!   gives the same elements in the same order, by rows.
//!
//! On the protobuf, before constants are decoded, by structure alone.

use std::collections::HashMap;

use tract_onnx::pb;

use super::scan::{attribute, fresh, integers, node};

pub(super) fn rewrite(graph: &mut pb::GraphProto, opset: i64) {
    distances(graph, opset);
    gathers(graph);
}

fn distances(graph: &mut pb::GraphProto, opset: i64) {
    let prefix = fresh(graph, "distances");
    let mut nodes = Vec::with_capacity(graph.node.len());
    for (at, scan) in std::mem::take(&mut graph.node).into_iter().enumerate() {
        match euclidean(&scan, &graph.initializer) {
            Some(root) => layer(
                &scan,
                root,
                (&format!("{prefix}{at}"), opset),
                &mut nodes,
                &mut graph.initializer,
            ),
            None => nodes.push(scan),
        }
    }
    graph.node = nodes;
}

/// Whether a node gives the squares of distances to constant points, and if so whether it takes their roots.
fn euclidean(scan: &pb::NodeProto, constants: &[pb::TensorProto]) -> Option<bool> {
    if scan.op_type != "Scan" || !scan.domain.is_empty() || scan.input.len() != 2 {
        return None;
    }
    let body = scan
        .attribute
        .iter()
        .find(|a| a.name == "body")?
        .g
        .as_ref()?;
    let known =
        |a: &pb::AttributeProto| a.name == "body" || a.name == "num_scan_inputs" && a.i == 1;
    let points = constants.iter().find(|t| t.name == scan.input[1])?;
    let floats = points.data_type == pb::tensor_proto::DataType::Float as i32
        || points.data_type == pb::tensor_proto::DataType::Double as i32;
    if !scan.attribute.iter().all(known) || points.dims.len() != 2 || !floats {
        return None;
    }
    let ([x, c], [state, distance]) = (body.input.as_slice(), body.output.as_slice()) else {
        return None;
    };
    if rank(x) != Some(2) || rank(c) != Some(1) || scan.output.len() != 2 {
        return None;
    }
    let made: HashMap<&str, &pb::NodeProto> = body
        .node
        .iter()
        .filter_map(|node| Some((node.output.first()?.as_str(), node)))
        .collect();
    if source(body, &state.name) != x.name {
        return None;
    }
    let mut last = *made.get(source(body, &distance.name))?;
    let root = last.op_type == "Sqrt";
    if root {
        last = made.get(source(body, last.input.first()?))?;
    }
    let of = |name: &str| last.attribute.iter().find(|a| a.name == name);
    let named = last.input.get(1).filter(|name| !name.is_empty());
    let axes = match (of("axes"), named) {
        (Some(axes), _) => axes.ints.clone(),
        (None, Some(name)) => {
            let tensor = body.initializer.iter().find(|t| t.name == *name)?;
            super::tensor::Tensor::decode(tensor)
                .ok()?
                .integers()?
                .to_vec()
        }
        (None, None) => return None,
    };
    let along_features = axes == [1] || axes == [-1];
    if last.op_type != "ReduceSumSquare" || !along_features || of("keepdims")?.i != 0 {
        return None;
    }
    let difference = made.get(source(body, last.input.first()?))?;
    let operands = difference.input.iter().map(|name| source(body, name));
    let both = operands.eq([x.name.as_str(), c.name.as_str()]);
    (difference.op_type == "Sub" && both).then_some(root)
}

/// The name that this one is a copy of.
fn source<'a>(body: &'a pb::GraphProto, mut name: &'a str) -> &'a str {
    // At most all nodes are copies.
    for _ in 0..body.node.len() {
        let maker = body
            .node
            .iter()
            .find(|n| n.output.iter().any(|o| o == name));
        match maker {
            Some(n) if n.op_type == "Identity" && n.input.len() == 1 => name = &n.input[0],
            _ => break,
        }
    }
    name
}

fn rank(info: &pb::ValueInfoProto) -> Option<usize> {
    let Some(pb::type_proto::Value::TensorType(tensor)) = info.r#type.as_ref()?.value.as_ref()
    else {
        return None;
    };
    Some(tensor.shape.as_ref()?.dim.len())
}

fn layer(
    scan: &pb::NodeProto,
    root: bool,
    (prefix, opset): (&str, i64),
    nodes: &mut Vec<pb::NodeProto>,
    constants: &mut Vec<pb::TensorProto>,
) {
    let own = |name: &str| format!("{prefix}/{name}");
    let (x, c) = (scan.input[0].clone(), scan.input[1].clone());
    constants.push(integers(own("-2"), &[], &[-2]));
    constants.push(integers(own("axis"), &[1], &[1]));
    let turned = || vec![attribute("perm", None, &[1, 0])];
    // Axes are an operand from opset 18 on.
    let mut squares = |x: &str, keep: i64, output: &str| {
        let mut attributes = vec![attribute("keepdims", Some(keep), &[])];
        let mut inputs = vec![x.to_owned()];
        if opset >= 18 {
            inputs.push(own("axis"));
        } else {
            attributes.push(attribute("axes", None, &[1]));
        }
        nodes.push(node("ReduceSumSquare", &inputs, own(output), attributes));
    };
    squares(&c, 0, "c c");
    squares(&x, 1, "x x");
    let mut step = |operator: &str, inputs: &[&str], output: &str, attributes| {
        let inputs: Vec<String> = inputs.iter().map(|&s| s.to_owned()).collect();
        nodes.push(node(operator, &inputs, output.to_owned(), attributes));
    };
    step("Transpose", &[&c], &own("c"), turned());
    step("Mul", &[&own("c"), &own("-2")], &own("-2 c"), vec![]);
    step("MatMul", &[&x, &own("-2 c")], &own("-2 c x"), vec![]);
    step(
        "Add",
        &[&own("-2 c x"), &own("c c")],
        &own("relative"),
        vec![],
    );
    step(
        "Add",
        &[&own("relative"), &own("x x")],
        &own("squares"),
        vec![],
    );
    let mut result = own("squares");
    if root {
        // Rounding may leave a square a little below zero.
        step("Relu", &[&result], &own("positive"), vec![]);
        result = own("roots");
        step("Sqrt", &[&own("positive")], &result, vec![]);
    }
    step("Transpose", &[&result], &scan.output[1], turned());
    if !scan.output[0].is_empty() {
        step("Identity", &[&x], &scan.output[0], vec![]);
    }
}

fn gathers(graph: &mut pb::GraphProto) {
    let constants: HashMap<String, usize> = graph
        .initializer
        .iter()
        .map(|t| (t.name.clone(), t.dims.len()))
        .collect();
    let mut readers: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        for name in &node.input {
            readers.entry(name.clone()).or_default().push(at);
        }
    }
    let copies = |target: &pb::NodeProto| {
        let shape = target.input.get(1);
        let tensor = shape.and_then(|name| graph.initializer.iter().find(|t| t.name == *name));
        let decoded = tensor.and_then(|t| super::tensor::Tensor::decode(t).ok());
        let extents = decoded.and_then(|t| t.integers().map(<[i64]>::to_vec));
        extents.is_none_or(|extents| extents.contains(&0))
    };
    let mut found = Vec::new();
    for (at, node) in graph.node.iter().enumerate() {
        let (Some(table), Some(positions), Some(output)) =
            (node.input.first(), node.input.get(1), node.output.first())
        else {
            continue;
        };
        let Some(&rank) = constants.get(table).filter(|&&rank| rank > 0) else {
            continue;
        };
        let released = graph.output.iter().any(|o| o.name == *output);
        let read = readers.get(output).map_or(&[][..], Vec::as_slice);
        let &[reader] = read else { continue };
        let reshape = &graph.node[reader];
        if node.op_type == "ArrayFeatureExtractor"
            && !constants.contains_key(positions)
            && !released
            && reshape.op_type == "Reshape"
            && reshape.input.first() == Some(output)
            && !copies(reshape)
        {
            found.push((at, rank));
        }
    }
    for (at, rank) in found {
        let node = &mut graph.node[at];
        node.op_type = "Gather".into();
        node.domain = String::new();
        node.attribute = vec![attribute("axis", Some(rank as i64 - 1), &[])];
    }
}
