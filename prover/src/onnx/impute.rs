//! Missing values: an Imputer that reads the model's inputs becomes part of how these are read.
//!
//! Claims: after [`resolve`] no `Impute` operator is left; `Graph::eval` replaces a missing value at the input,
//! which equals the file's graph, since every reader of that input element lies behind an Imputer with the same
//! replacement. Anything else is refused: an Imputer of computed values, two replacements of one element, an
//! element read both as it is and imputed.

use super::error::{ImportError, UnsupportedNode};
use super::float::{FloatOp, Movement};
use super::graph::{Graph, Imputed};

/// Input and position in it.
type Element = (usize, usize);

/// Moves replacements from Imputers to the inputs.
///
/// # Errors
/// The Imputers that no declaration at an input equals.
pub(super) fn resolve(graph: &mut Graph) -> Result<(), ImportError> {
    let imputes = |op: &FloatOp| matches!(op, FloatOp::Impute { .. });
    if !graph.nodes.iter().any(|node| imputes(&node.op)) {
        return Ok(());
    }
    let elements = elements(graph);
    let mut refused = Vec::new();
    let mut refuse = |output: usize, reason: &str| {
        refused.push(UnsupportedNode {
            node: graph.values[output].name.clone(),
            operator: "ai.onnx.ml.Imputer".into(),
            reason: reason.into(),
            nearest: "one Imputer directly on the model's inputs, before any other step".into(),
        });
    };

    // 1. What each Imputer declares.
    let mut replacements: Vec<Vec<Option<Imputed>>> = graph
        .inputs
        .iter()
        .map(|port| vec![None; port.len()])
        .collect();
    for node in &graph.nodes {
        let FloatOp::Impute { missing, values } = &node.op else {
            continue;
        };
        for (i, element) in elements[node.inputs[0]].iter().enumerate() {
            let Some((port, position)) = *element else {
                refuse(node.output, "it replaces computed values");
                break;
            };
            let imputed = Imputed {
                missing: missing.to_bits(),
                value: values[i % values.len()].to_bits(),
            };
            let slot = &mut replacements[port][position];
            if slot.is_some_and(|other| other != imputed) {
                refuse(
                    node.output,
                    "an input element gets two different replacements",
                );
                break;
            }
            *slot = Some(imputed);
        }
    }

    // 2. Nobody else reads such an element.
    let replaced = |value: usize| {
        let mut all = elements[value].iter().flatten();
        all.any(|&(port, position)| replacements[port][position].is_some())
    };
    let mut also_read = graph.nodes.iter().any(|node| {
        !imputes(&node.op)
            && !matches!(node.op, FloatOp::Movement(_))
            && node.inputs.iter().any(|&id| replaced(id))
    });
    also_read |= graph.outputs.iter().any(|port| replaced(port.value));
    if also_read {
        for node in graph.nodes.iter().filter(|node| imputes(&node.op)) {
            refuse(
                node.output,
                "another step reads the same input element with missing values in it",
            );
        }
    }
    if !refused.is_empty() {
        return Err(ImportError::Unsupported { nodes: refused });
    }

    // 3. The replacement happens at the input, so the Imputer is a copy.
    for node in &mut graph.nodes {
        if imputes(&node.op) {
            let len = graph.values[node.output].len() as u32;
            node.op = FloatOp::Movement(Movement {
                indices: (0..len).collect(),
            });
        }
    }
    for (port, replacements) in graph.inputs.iter_mut().zip(replacements) {
        if replacements.iter().any(Option::is_some) {
            port.replacements = replacements;
        }
    }
    Ok(())
}

/// For each value, the input element that each of its elements is a plain copy of.
fn elements(graph: &Graph) -> Vec<Vec<Option<Element>>> {
    let mut elements: Vec<Vec<Option<Element>>> = graph
        .values
        .iter()
        .map(|value| vec![None; value.len()])
        .collect();
    for (number, port) in graph.inputs.iter().enumerate() {
        elements[port.value] = (0..port.len()).map(|i| Some((number, i))).collect();
    }
    for node in &graph.nodes {
        if let FloatOp::Movement(movement) = &node.op {
            let read = node.inputs.iter().flat_map(|&id| &elements[id]);
            let all: Vec<Option<Element>> = read.copied().collect();
            let moved = movement.indices.iter().map(|&i| all[i as usize]);
            elements[node.output] = moved.collect();
        }
    }
    elements
}
