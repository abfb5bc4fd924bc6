//! Rows of inputs from files, as the model's integers.

use std::path::{Path, PathBuf};

use clearproof_prover::onnx::input::{self, Format, InputShape, MetadataColumn};
use clearproof_prover::onnx::MAX_FILE_BYTES;
use clearproof_prover::quantize::skeleton::IntegerModel;
use clearproof_prover::quantize::{quantize_input, Row};
use serde_json::{Map, Value};

use crate::args::InputArguments;
use crate::failure::Failure;
use crate::{files, metadata};

/// One row, ready for the integer model.
pub(crate) struct IntegerRow {
    /// One integer for each input scalar.
    pub(crate) input: Vec<i64>,
    /// From the columns of a table that are no features; empty from other files.
    pub(crate) metadata: Vec<u8>,
}

/// The rows of one file, as numbers.
///
/// # Errors
/// The file cannot be read, or does not fit the inputs.
pub(crate) fn read(
    path: &Path,
    shapes: &[InputShape],
    columns: &[String],
) -> Result<Vec<Row>, Failure> {
    Ok(read_file(path, shapes, columns)?.rows)
}

/// The rows of all files, in order; saturation is told on standard error.
///
/// # Errors
/// As [`read`]; or no file holds a row.
pub(crate) fn read_integers(
    model: &IntegerModel,
    arguments: &InputArguments,
) -> Result<Vec<IntegerRow>, Failure> {
    let shapes: Vec<InputShape> = model.skeleton.inputs.iter().map(InputShape::from).collect();
    let mut all = Vec::new();
    for path in &arguments.input {
        let file = read_file(path, &shapes, &arguments.columns)?;
        let (rows, saturated) =
            integer_rows(model, &file).map_err(|cause| Failure::input(path, cause))?;
        if saturated > 0 {
            eprintln!(
                "clearproof: warning: {}: {saturated} values lie outside the declared ranges and count as the \
                 nearest value inside; compile with calibration data that covers them",
                path.display()
            );
        }
        all.extend(rows);
    }
    if all.is_empty() {
        return Err(Failure::input(
            &first(&arguments.input),
            "holds no row; give at least one",
        ));
    }
    Ok(all)
}

/// A file's rows as integers, and how many values saturated.
///
/// # Errors
/// A number that no integer stands for.
pub(crate) fn integer_rows(
    model: &IntegerModel,
    file: &input::InputFile,
) -> Result<(Vec<IntegerRow>, usize), String> {
    let mut saturated = 0;
    let mut rows = Vec::with_capacity(file.rows.len());
    for (number, row) in file.rows.iter().enumerate() {
        let mut integers = Vec::with_capacity(model.skeleton.input_len());
        for (spec, values) in model.skeleton.inputs.iter().zip(row) {
            for (index, &value) in values.iter().enumerate() {
                let (integer, outside) = quantize_input(spec, index, value)
                    .map_err(|e| format!("row {number}, input \"{}\": {e}", spec.name))?;
                saturated += usize::from(outside);
                integers.push(integer);
            }
        }
        rows.push(IntegerRow {
            input: integers,
            metadata: row_metadata(&file.metadata, number),
        });
    }
    Ok((rows, saturated))
}

fn row_metadata(columns: &[MetadataColumn], row: usize) -> Vec<u8> {
    if columns.is_empty() {
        return Vec::new();
    }
    let pair = |c: &MetadataColumn| (c.name.clone(), Value::String(c.values[row].clone()));
    metadata::encode(&Value::Object(
        columns.iter().map(pair).collect::<Map<_, _>>(),
    ))
}

fn read_file(
    path: &Path,
    shapes: &[InputShape],
    columns: &[String],
) -> Result<input::InputFile, Failure> {
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let format = Format::of_name(&name).map_err(|e| Failure::input(path, e))?;
    let bytes = files::read(path, MAX_FILE_BYTES as u64)?;
    let columns = (!columns.is_empty()).then_some(columns);
    input::read(format, &bytes, shapes, columns).map_err(|e| Failure::input(path, e))
}

fn first(paths: &[PathBuf]) -> PathBuf {
    paths.first().cloned().unwrap_or_default()
}
