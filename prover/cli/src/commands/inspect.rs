//! `clearproof inspect`: what is in a model, whether it can be proved, and what that costs.

use clearproof_prover::onnx::{self, Graph, ImportError, Port, UnsupportedNode};
use clearproof_prover::plan::{estimate, plan, Estimate};
use clearproof_prover::prove::Scheme;
use clearproof_prover::quantize::skeleton::{Reveal, Skeleton};
use clearproof_prover::quantize::{quantize, QuantizeError, QuantizeOptions, Quantized};
use serde_json::{json, Value};

use crate::args::Inspect;
use crate::failure::Failure;
use crate::files::{self, Secrecy};
use crate::picture::{svg, MAX_BOXES};
use crate::table::Table;

use super::{print, print_json};

/// Prints the operators. A model that cannot be proved is a bad input file, told after the table.
pub(super) fn inspect(arguments: &Inspect) -> Result<(), anyhow::Error> {
    let path = &arguments.model;
    let bytes = files::read(path, onnx::MAX_FILE_BYTES as u64)?;
    match onnx::load_with(&bytes, arguments.rows.batch_dimension()) {
        Ok(graph) => show(&graph, arguments),
        Err(ImportError::Unsupported { nodes }) => {
            show_unsupported(&nodes, arguments)?;
            let count = nodes.len();
            Err(Failure::input(
                path,
                format!("has {count} nodes that cannot be proved; see the table"),
            )
            .into())
        }
        Err(error) => Err(Failure::input(path, error).into()),
    }
}

fn show(graph: &Graph, arguments: &Inspect) -> Result<(), anyhow::Error> {
    if let Some(path) = &arguments.svg {
        let drawing = graph.drawing();
        let boxes = drawing.labels.len();
        if boxes > MAX_BOXES {
            let text =
                format!("has {boxes} operators, a picture holds {MAX_BOXES}; leave --svg out");
            return Err(Failure::input(&arguments.model, text).into());
        }
        files::write(path, svg(&drawing).as_bytes(), Secrecy::Public)?;
    }
    let quantized = quantize_as_compiled(graph);
    let estimates = quantized
        .as_ref()
        .ok()
        .map(|q| estimates(&q.model.skeleton));
    let integer = quantized
        .as_ref()
        .map(|q| (q.model.skeleton.ops.len(), q.model.skeleton.scalar_count()));
    if arguments.json {
        let port = |p: &Port| json!({"name": p.name, "shape": p.shape});
        let operators: Vec<Value> = graph
            .operators()
            .iter()
            .map(|(name, parameters)| json!({"operator": name, "parameters": parameters}))
            .collect();
        print_json(&json!({
            "supported": integer.is_ok(),
            "reason": integer.as_ref().err().map(ToString::to_string),
            "inputs": graph.inputs.iter().map(port).collect::<Vec<_>>(),
            "outputs": graph.outputs.iter().map(port).collect::<Vec<_>>(),
            "operators": operators,
            "parameters": graph.parameters(),
            "integer_operations": integer.as_ref().ok().map(|i| i.0),
            "integer_scalars": integer.as_ref().ok().map(|i| i.1),
            "estimates": estimates.as_ref().map(|e| e.iter().map(estimate_json).collect::<Vec<_>>()),
        }))?;
    } else {
        let mut table = Table::new(&["operator", "parameters", "supported"]);
        for (name, parameters) in graph.operators() {
            table.push(vec![
                name.to_owned(),
                parameters.to_string(),
                "yes".to_owned(),
            ]);
        }
        let ports = |ports: &[Port]| {
            ports
                .iter()
                .map(|p| format!("{} {:?}", p.name, p.shape))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut text = format!(
            "inputs   {}\noutputs  {}\n\n",
            ports(&graph.inputs),
            ports(&graph.outputs)
        );
        text += &table.render();
        text += &format!("\n{} parameters", graph.parameters());
        if let Ok((operations, scalars)) = integer {
            text += &format!("; as integers {operations} operations and {scalars} values a row");
        }
        text.push('\n');
        if let Some(estimates) = &estimates {
            text += &estimate_text(estimates);
        }
        print(&text)?;
    }
    match quantized {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::input(&arguments.model, error).into()),
    }
}

/// The integer model that `compile` makes by default: the decision is released where the model makes one.
fn quantize_as_compiled(graph: &Graph) -> Result<Quantized, QuantizeError> {
    let options = |reveal| QuantizeOptions {
        reveal,
        ..QuantizeOptions::default()
    };
    quantize(graph, &[], &options(Reveal::Decision))
        .or_else(|_| quantize(graph, &[], &options(Reveal::Outputs)))
}

/// One estimate a scheme, of a proof of one row, or why there is no circuit.
fn estimates(skeleton: &Skeleton) -> [(&'static str, Result<Estimate, String>); 2] {
    [("kzg", Scheme::Kzg), ("ipa", Scheme::Ipa)].map(|(name, scheme)| {
        let estimate =
            plan(skeleton, scheme, 1).and_then(|(params, _)| estimate(skeleton, &params));
        (name, estimate.map_err(|e| e.to_string()))
    })
}

fn estimate_json((scheme, estimate): &(&str, Result<Estimate, String>)) -> Value {
    match estimate {
        Ok(estimate) => {
            let mut value = json!(estimate);
            value["scheme"] = json!(scheme);
            value
        }
        Err(reason) => json!({"scheme": scheme, "reason": reason}),
    }
}

fn estimate_text(estimates: &[(&str, Result<Estimate, String>)]) -> String {
    let mut table = Table::new(&[
        "scheme",
        "k",
        "columns",
        "lanes",
        "registration proofs",
        "prove CPU s",
        "memory MB",
        "verify ms",
        "evidence bytes",
    ]);
    let mut reasons = String::new();
    for (scheme, estimate) in estimates {
        match estimate {
            Ok(e) => table.push(vec![
                (*scheme).to_owned(),
                e.k.to_string(),
                e.advice_columns.to_string(),
                e.lanes
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
                e.registration_proofs.to_string(),
                format!("{:.2}", e.prove_cpu_s),
                (e.prove_memory_bytes / 1_000_000).to_string(),
                format!("{:.0}", e.verify_s * 1e3),
                e.evidence_bytes.to_string(),
            ]),
            Err(reason) => reasons += &format!("{scheme}: no circuit: {reason}\n"),
        }
    }
    let mut text = "\nestimated cost of one row, at the default options; good to a factor of two on the machine of \
                    docs/performance.md\n"
        .to_owned();
    text += &table.render();
    text + &reasons
}

fn show_unsupported(nodes: &[UnsupportedNode], arguments: &Inspect) -> Result<(), Failure> {
    if arguments.json {
        let node = |n: &UnsupportedNode| json!({"node": n.node, "operator": n.operator, "reason": n.reason, "nearest": n.nearest});
        return print_json(
            &json!({"supported": false, "unsupported": nodes.iter().map(node).collect::<Vec<_>>()}),
        );
    }
    let mut table = Table::new(&["node", "operator", "supported", "nearest supported form"]);
    for node in nodes {
        let verdict = format!("no: {}", node.reason);
        table.push(vec![
            node.node.clone(),
            node.operator.clone(),
            verdict,
            node.nearest.clone(),
        ]);
    }
    print(&table.render())
}
