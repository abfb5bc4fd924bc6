//! Input and calibration files: JSON, `.npy`, `.npz`, TensorProto `.pb`, `.csv`.
//!
//! Claims: what is returned has, for each row and each model input, exactly the input's number of finite
//! numbers; a leading batch dimension becomes rows. Everything else is an error of one sentence that names
//! the input, and no bytes make it panic.

mod json;
mod npy;
mod npz;
mod table;
mod tensor_proto;

use super::graph::Port;
use super::limits::{MAX_FILE_BYTES, MAX_TENSOR_ELEMENTS};
use crate::quantize::skeleton::{InputEncoding, InputSpec};

pub use table::MetadataColumn;

/// Name and row shape of a model input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputShape {
    /// Name in the ONNX file.
    pub name: String,
    /// Shape of one row.
    pub shape: Vec<usize>,
    /// How the numbers become integers, which says whether NaN and infinities are allowed.
    pub encoding: InputEncoding,
}

impl InputShape {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl From<&Port> for InputShape {
    fn from(port: &Port) -> Self {
        Self {
            name: port.name.clone(),
            shape: port.shape.clone(),
            encoding: port.encoding,
        }
    }
}

impl From<&InputSpec> for InputShape {
    fn from(spec: &InputSpec) -> Self {
        Self {
            name: spec.name.clone(),
            shape: spec.shape.iter().map(|&d| d as usize).collect(),
            encoding: spec.encoding,
        }
    }
}

/// The format of an input file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON in one of three forms: `{"input_data": [..]}`, a map from name to nested lists, or
    /// `{"inputs": {name: {"shape": .., "values": ..}}}`.
    Json,
    /// One numpy array.
    Npy,
    /// Named numpy arrays.
    Npz,
    /// One ONNX TensorProto.
    TensorProto,
    /// A table with a header.
    Csv,
}

impl Format {
    /// The format that a file name's ending stands for.
    ///
    /// # Errors
    /// An ending that stands for none.
    pub fn of_name(name: &str) -> Result<Self, InputFileError> {
        let ending = name
            .rsplit_once('.')
            .map_or("", |(_, e)| e)
            .to_ascii_lowercase();
        match ending.as_str() {
            "json" => Ok(Self::Json),
            "npy" => Ok(Self::Npy),
            "npz" => Ok(Self::Npz),
            "pb" => Ok(Self::TensorProto),
            "csv" => Ok(Self::Csv),
            _ => Err(InputFileError::UnknownFormat { ending }),
        }
    }
}

/// The rows of an input file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputFile {
    /// Rows, each with one flat vector per model input.
    pub rows: Vec<Vec<Vec<f64>>>,
    /// The columns of a table that are no features.
    pub metadata: Vec<MetadataColumn>,
}

/// Why an input file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputFileError {
    /// The file name's ending is unknown.
    #[error("a file ending in \".{ending}\" is no input file; use .json, .npy, .npz, .pb or .csv")]
    UnknownFormat {
        /// The ending.
        ending: String,
    },
    /// Over the size cap.
    #[error("the input file holds {bytes} bytes and the limit is {MAX_FILE_BYTES}; split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not readable as its format.
    #[error("the input file is unreadable: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// A model input that the file does not hold.
    #[error("the input file holds no \"{input}\"; it holds {found}, and the model needs {needed}")]
    Missing {
        /// The model input.
        input: String,
        /// Names in the file.
        found: String,
        /// Names that the model has.
        needed: String,
    },
    /// An entry that is no model input.
    #[error("the input file's \"{entry}\" is no input of the model, which needs {needed}")]
    Unknown {
        /// The entry.
        entry: String,
        /// Names that the model has.
        needed: String,
    },
    /// Too few or too many numbers, or another shape.
    #[error("input \"{input}\" needs {expected} a row, and the file holds {found}")]
    Shape {
        /// The model input.
        input: String,
        /// Shape of one row.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// Inputs with different numbers of rows.
    #[error(
        "input \"{input}\" has {found} rows and \"{first}\" has {expected}; give as many for each"
    )]
    Rows {
        /// The second input.
        input: String,
        /// Its rows.
        found: usize,
        /// The first input.
        first: String,
        /// Its rows.
        expected: usize,
    },
    /// An entry that is no number.
    #[error("input \"{input}\" holds {found} where a number is needed")]
    Type {
        /// The model input.
        input: String,
        /// What stands there.
        found: String,
    },
    /// NaN or an infinity.
    #[error("row {row} of input \"{input}\" holds {found}; replace it by a finite number")]
    NotFinite {
        /// The model input.
        input: String,
        /// Number of the row, from 0.
        row: usize,
        /// NaN or infinity.
        found: &'static str,
    },
    /// No row at all.
    #[error("the input file holds no row")]
    Empty,
}

/// Numbers with the shape that a file gives them.
#[derive(Clone, Debug)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

/// Reads an input file. `features` names the input scalars in order, for tables; without it the first
/// columns are the features.
///
/// # Errors
/// Everything in [`InputFileError`].
pub fn read(
    format: Format,
    bytes: &[u8],
    inputs: &[InputShape],
    features: Option<&[String]>,
) -> Result<InputFile, InputFileError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(InputFileError::TooLarge { bytes: bytes.len() });
    }
    let named = match format {
        Format::Json => json::read(bytes, inputs)?,
        Format::Npy => single(inputs, npy::read(bytes)?)?,
        Format::Npz => npz::read(bytes, inputs)?,
        Format::TensorProto => single(inputs, tensor_proto::read(bytes)?)?,
        Format::Csv => return table::read(bytes, inputs, features),
    };
    Ok(InputFile {
        rows: rows(inputs, &named)?,
        metadata: Vec::new(),
    })
}

/// A file of one tensor is the model's single input.
fn single(inputs: &[InputShape], numbers: Numbers) -> Result<Vec<Numbers>, InputFileError> {
    if inputs.len() == 1 {
        return Ok(vec![numbers]);
    }
    Err(InputFileError::Malformed {
        reason: format!(
            "it holds one tensor and the model has {} inputs; use .npz or .json",
            inputs.len()
        ),
    })
}

/// Splits each input's numbers into rows.
fn rows(inputs: &[InputShape], all: &[Numbers]) -> Result<Vec<Vec<Vec<f64>>>, InputFileError> {
    let mut rows: Vec<Vec<Vec<f64>>> = Vec::new();
    for (i, (input, numbers)) in inputs.iter().zip(all).enumerate() {
        let count = row_count(input, numbers)?;
        if i == 0 {
            rows = vec![Vec::with_capacity(inputs.len()); count];
        } else if count != rows.len() {
            return Err(InputFileError::Rows {
                input: input.name.clone(),
                found: count,
                first: inputs[0].name.clone(),
                expected: rows.len(),
            });
        }
        let len = input.len().max(1);
        for (r, (row, values)) in rows.iter_mut().zip(numbers.values.chunks(len)).enumerate() {
            check_finite(input, r, values)?;
            row.push(values.to_vec());
        }
    }
    if rows.is_empty() {
        return Err(InputFileError::Empty);
    }
    Ok(rows)
}

fn row_count(input: &InputShape, numbers: &Numbers) -> Result<usize, InputFileError> {
    let (shape, len) = (&numbers.shape, input.len());
    let fail = || InputFileError::Shape {
        input: input.name.clone(),
        expected: if input.shape.len() == 1 {
            format!("{len} numbers")
        } else {
            format!("shape {:?}", input.shape)
        },
        found: if shape.len() == 1 {
            format!("{} numbers", shape[0])
        } else {
            format!("shape {shape:?}")
        },
    };
    let total = numbers.values.len();
    if len == 0 || total == 0 {
        return Err(if total == 0 {
            InputFileError::Empty
        } else {
            fail()
        });
    }
    let one_row = *shape == input.shape;
    let batch = shape.len() == input.shape.len() + 1 && shape[1..] == input.shape[..];
    let flat = shape.len() <= 1 && total.is_multiple_of(len);
    if one_row || batch || flat {
        Ok(total / len)
    } else {
        Err(fail())
    }
}

fn check_finite(input: &InputShape, row: usize, values: &[f64]) -> Result<(), InputFileError> {
    let allowed = |v: &f64| match input.encoding {
        InputEncoding::Fixed => v.is_finite(),
        InputEncoding::Float32 | InputEncoding::Affine { .. } => !v.is_nan(),
        InputEncoding::Float32OrMissing => true,
    };
    match values.iter().find(|v| !allowed(v)) {
        None => Ok(()),
        Some(v) => Err(InputFileError::NotFinite {
            input: input.name.clone(),
            row,
            found: if v.is_nan() { "NaN" } else { "an infinity" },
        }),
    }
}

/// Puts named tensors in the order of the model's inputs.
fn in_order(
    inputs: &[InputShape],
    mut named: Vec<(String, Numbers)>,
) -> Result<Vec<Numbers>, InputFileError> {
    let quote = |names: Vec<&str>| match names.as_slice() {
        [] => "nothing".to_owned(),
        names => format!("\"{}\"", names.join("\", \"")),
    };
    let needed = quote(inputs.iter().map(|i| i.name.as_str()).collect());
    let mut ordered = Vec::with_capacity(inputs.len());
    for input in inputs {
        let Some(at) = named.iter().position(|(name, _)| *name == input.name) else {
            return Err(InputFileError::Missing {
                input: input.name.clone(),
                found: quote(named.iter().map(|(n, _)| n.as_str()).collect()),
                needed,
            });
        };
        ordered.push(named.swap_remove(at).1);
    }
    match named.into_iter().next() {
        Some((entry, _)) => Err(InputFileError::Unknown { entry, needed }),
        None => Ok(ordered),
    }
}

#[cfg(test)]
mod tests;
