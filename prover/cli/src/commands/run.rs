//! `clearproof run`: the integer model on rows of inputs, without a proof.

use clearproof_prover::quantize::{OutputValue, Values};
use serde_json::{json, Map, Value};

use crate::args::Run;
use crate::rows;

use super::{load_artifact, print, print_json};

/// Prints the outputs.
pub(super) fn run(arguments: &Run) -> Result<(), anyhow::Error> {
    let artifact = load_artifact(&arguments.artifact)?;
    let model = artifact.model();
    let rows = rows::read_integers(model, &arguments.inputs)?;
    let outputs: Vec<Vec<OutputValue>> = rows
        .iter()
        .map(|row| model.outputs_of(&model.eval(&row.input)))
        .collect();
    if arguments.json {
        print_json(&to_json(&outputs))?;
    } else {
        print(&to_text(&outputs))?;
    }
    Ok(())
}

/// `{"outputs": {NAME: {"shape": [rows, ...], "values": [...]}}}`
fn to_json(rows: &[Vec<OutputValue>]) -> Value {
    let mut outputs = Map::new();
    for (i, first) in rows.first().into_iter().flatten().enumerate() {
        let mut shape = vec![rows.len()];
        shape.extend(first.shape.iter().map(|&d| d as usize));
        let values: Vec<Value> = rows.iter().flat_map(|row| values(&row[i].values)).collect();
        outputs.insert(
            first.name.clone(),
            json!({"shape": shape, "values": values}),
        );
    }
    json!({"outputs": outputs})
}

fn to_text(rows: &[Vec<OutputValue>]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for output in row {
            let values: Vec<String> = values(&output.values)
                .iter()
                .map(Value::to_string)
                .collect();
            text += &format!("{number}  {}  {}\n", output.name, values.join(" "));
        }
    }
    text
}

fn values(values: &Values) -> Vec<Value> {
    match values {
        Values::Numbers(numbers) => numbers.iter().map(|&v| json!(v)).collect(),
        Values::Integers(integers) => integers.iter().map(|&v| json!(v)).collect(),
        Values::Labels(labels) => labels.iter().map(|v| json!(v)).collect(),
    }
}
