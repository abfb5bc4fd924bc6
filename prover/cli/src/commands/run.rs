//! `clearproof run`: the integer model on rows of inputs, without a proof.

use std::path::{Path, PathBuf};

use clearproof_prover::quantize::skeleton::IntegerModel;
use clearproof_prover::quantize::{quantize_input, OutputValue, Row, Values};
use serde_json::{json, Map, Value};

use crate::args::Run;
use crate::failure::Failure;

use super::{load_artifact, print, print_json};

/// Prints the outputs.
pub(super) fn run(arguments: &Run) -> Result<(), anyhow::Error> {
    let artifact = load_artifact(&arguments.artifact)?;
    let model = artifact.model();
    let rows = integer_rows(model, &arguments.input)?;
    let outputs: Vec<Vec<OutputValue>> = rows.iter().map(|row| model.outputs_of(&model.eval(row))).collect();
    if arguments.json {
        print_json(&to_json(&outputs))?;
    } else {
        print(&to_text(&outputs))?;
    }
    Ok(())
}

/// The integers of every row of the files, in order; saturation is told on standard error.
pub(super) fn integer_rows(model: &IntegerModel, paths: &[PathBuf]) -> Result<Vec<Vec<i64>>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        let rows = read_rows(model, path)?;
        let mut saturated = 0;
        for row in &rows {
            let (integers, clipped) = integers(model, row).map_err(|cause| Failure::input(path, cause))?;
            saturated += clipped;
            all.push(integers);
        }
        if saturated > 0 {
            eprintln!(
                "clearproof: {}: {saturated} values lie outside the declared ranges and count as the nearest \
                 value inside; compile with calibration data that covers them",
                path.display()
            );
        }
    }
    Ok(all)
}

/// One row as integers, and how many of its values saturated.
pub(super) fn integers(model: &IntegerModel, row: &Row) -> Result<(Vec<i64>, usize), String> {
    let mut integers = Vec::new();
    let mut saturated = 0;
    for (spec, values) in model.skeleton.inputs.iter().zip(row) {
        for &value in values {
            let (integer, clipped) =
                quantize_input(spec, value).map_err(|e| format!("input \"{}\": {e}", spec.name))?;
            saturated += usize::from(clipped);
            integers.push(integer);
        }
    }
    Ok((integers, saturated))
}

/// `{"outputs": {NAME: {"shape": [rows, ...], "values": [...]}}}`
fn to_json(rows: &[Vec<OutputValue>]) -> Value {
    let mut outputs = Map::new();
    for (i, first) in rows.first().into_iter().flatten().enumerate() {
        let mut shape = vec![rows.len()];
        shape.extend(first.shape.iter().map(|&d| d as usize));
        let values: Vec<Value> = rows.iter().flat_map(|row| values(&row[i].values)).collect();
        outputs.insert(first.name.clone(), json!({"shape": shape, "values": values}));
    }
    json!({"outputs": outputs})
}

fn to_text(rows: &[Vec<OutputValue>]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for output in row {
            let values: Vec<String> = values(&output.values).iter().map(Value::to_string).collect();
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
