//! Which inputs are features of trees: those become images of float32, exactly.
//!
//! Claims: after [`assign`], each input that a tree ensemble reads is marked, and nothing else computes with it.
//! Looks at the graph's structure, and at whether a model provides for missing values.

use super::error::{ImportError, UnsupportedNode};
use super::float::FloatOp;
use super::graph::Graph;
use crate::quantize::skeleton::InputEncoding;

/// Element type code of float in `TensorProto.DataType`.
const FLOAT: i32 = 1;

/// Marks the inputs of tree ensembles.
///
/// # Errors
/// A tree that reads something else than inputs, or an input of a tree that something else computes with.
pub(super) fn assign(graph: &mut Graph) -> Result<(), ImportError> {
    // 1. The inputs that each value consists of, where it is only rearranged.
    let mut parts: Vec<Option<Vec<usize>>> = vec![None; graph.values.len()];
    for (i, port) in graph.inputs.iter().enumerate() {
        parts[port.value] = Some(vec![i]);
    }
    for node in &graph.nodes {
        if matches!(node.op, FloatOp::Movement(_)) {
            let all: Option<Vec<Vec<usize>>> =
                node.inputs.iter().map(|&id| parts[id].clone()).collect();
            parts[node.output] = all.map(|all| all.concat());
        }
    }
    // 2. Those that trees read.
    for node in &graph.nodes {
        let FloatOp::Trees(trees) = &node.op else {
            continue;
        };
        let Some(inputs) = &parts[node.inputs[0]] else {
            return Err(refused(
                graph,
                node.output,
                "a tree ensemble over computed features",
                "a tree ensemble over the model's inputs",
            ));
        };
        for &i in inputs {
            if graph.inputs[i].element_type != FLOAT {
                return Err(ImportError::Input {
                    input: graph.inputs[i].name.clone(),
                    reason:
                        "it is a feature of trees and not of type float; export the model with \
                             float inputs"
                            .into(),
                });
            }
            let encoding = &mut graph.inputs[i].encoding;
            if trees.missing {
                *encoding = InputEncoding::Float32OrMissing;
            } else if *encoding == InputEncoding::Fixed {
                *encoding = InputEncoding::Float32;
            }
        }
    }
    // 3. Nothing else may compute with them.
    let image = |value: usize| {
        let inputs = parts[value].as_deref().unwrap_or_default();
        inputs
            .iter()
            .any(|&i| graph.inputs[i].encoding != InputEncoding::Fixed)
    };
    for node in &graph.nodes {
        let moves = matches!(node.op, FloatOp::Movement(_) | FloatOp::Trees(_));
        if !moves && node.inputs.iter().any(|&id| image(id)) {
            return Err(refused(
                graph,
                node.output,
                "arithmetic on an input that is a feature of trees too",
                "the feature given to the model twice, as two inputs",
            ));
        }
    }
    if let Some(port) = graph.outputs.iter().find(|port| image(port.value)) {
        return Err(ImportError::Output {
            output: port.name.clone(),
            reason: "it repeats a feature of trees".into(),
        });
    }
    Ok(())
}

fn refused(graph: &Graph, output: usize, reason: &str, nearest: &str) -> ImportError {
    let node = graph.nodes.iter().find(|node| node.output == output);
    ImportError::Unsupported {
        nodes: vec![UnsupportedNode {
            node: graph.values[output].name.clone(),
            operator: node.map_or("", |node| node.op.name()).into(),
            reason: reason.into(),
            nearest: nearest.into(),
        }],
    }
}
