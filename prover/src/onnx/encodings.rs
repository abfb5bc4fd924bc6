//! Which inputs become integers exactly: features of trees, as images of float32, and what a model quantises first, as
//! the integers of that QuantizeLinear.
//!
//! Claims: after [`assign`], each input that a tree ensemble or QuantizeLinear reads is marked, and nothing else
//! computes with it. Looks at the graph's structure, at whether a model provides for missing values, and at the scales
//! of QuantizeLinear, which are public.

use super::error::{ImportError, UnsupportedNode};
use super::float::{FloatOp, Quantized, Scale};
use super::graph::Graph;
use crate::quantize::skeleton::InputEncoding;

/// Element type code of float in `TensorProto.DataType`.
const FLOAT: i32 = 1;

/// Marks the inputs of tree ensembles and of QuantizeLinear.
///
/// # Errors
/// A tree that reads something else than inputs, an input quantised in two ways, or a marked input that something else
/// computes with.
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
    // 3. Those that the model quantises.
    for node in &graph.nodes {
        let FloatOp::Quantized(Quantized::Quantize(scale)) = &node.op else {
            continue;
        };
        for &i in parts[node.inputs[0]].as_deref().unwrap_or_default() {
            let port = &mut graph.inputs[i];
            let encoding = affine(scale);
            if port.encoding != InputEncoding::Fixed && port.encoding != encoding {
                return Err(ImportError::Input {
                    input: port.name.clone(),
                    reason: "it is read in two ways: by trees as it is, or by QuantizeLinear with another \
                             scale; give it to the model twice, as two inputs"
                        .into(),
                });
            }
            port.encoding = encoding;
            port.element = Some(scale.element);
        }
    }
    // 4. Nothing else may compute with them.
    let image = |value: usize| {
        let inputs = parts[value].as_deref().unwrap_or_default();
        inputs
            .iter()
            .any(|&i| graph.inputs[i].encoding != InputEncoding::Fixed)
    };
    for node in &graph.nodes {
        let moves = matches!(
            node.op,
            FloatOp::Movement(_) | FloatOp::Trees(_) | FloatOp::Quantized(Quantized::Quantize(_))
        );
        if !moves && node.inputs.iter().any(|&id| image(id)) {
            return Err(refused(
                graph,
                node.output,
                "arithmetic on an input that is a feature of trees or quantised too",
                "the input given to the model twice, as two inputs",
            ));
        }
    }
    if let Some(port) = graph.outputs.iter().find(|port| image(port.value)) {
        return Err(ImportError::Output {
            output: port.name.clone(),
            reason: "it repeats an input that is a feature of trees or quantised".into(),
        });
    }
    Ok(())
}

/// The encoding that gives the integers of QuantizeLinear, in the signed type of the same width.
fn affine(scale: &Scale) -> InputEncoding {
    InputEncoding::Affine {
        scale: scale.scale.to_bits(),
        zero_point: (scale.zero - scale.element.offset()) as i32,
    }
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
