//! Tables: a header of column names, one row of the model's inputs a line, and metadata beside them.
//!
//! Columns named as features are the inputs' scalars in order; without feature names the first columns
//! are. Every other column is returned as text. Source: RFC 4180.

use super::{check_finite, InputFile, InputFileError, InputShape, MAX_TENSOR_ELEMENTS};

/// A column that is no feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataColumn {
    /// Its heading.
    pub name: String,
    /// One entry a row.
    pub values: Vec<String>,
}

pub(super) fn read(
    bytes: &[u8],
    inputs: &[InputShape],
    features: Option<&[String]>,
) -> Result<InputFile, InputFileError> {
    let malformed = |reason: String| InputFileError::Malformed { reason };
    let unreadable = |e: csv::Error| malformed(format!("it is no table ({e})"));
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let header: Vec<String> = reader
        .headers()
        .map_err(unreadable)?
        .iter()
        .map(str::to_owned)
        .collect();
    let needed: usize = inputs.iter().map(InputShape::len).sum();
    let columns = match features {
        Some(features) if features.len() != needed => {
            return Err(malformed(format!(
                "{} features are named and the model needs {needed}",
                features.len()
            )))
        }
        Some(features) => features
            .iter()
            .map(|feature| {
                let mut at = header.iter().enumerate().filter(|(_, h)| *h == feature);
                match (at.next(), at.next()) {
                    (Some((i, _)), None) => Ok(i),
                    (Some(_), Some(_)) => {
                        Err(malformed(format!("two columns named \"{feature}\"")))
                    }
                    (None, _) => Err(InputFileError::Missing {
                        input: feature.clone(),
                        found: format!("columns \"{}\"", header.join("\", \"")),
                        needed: format!("\"{}\"", features.join("\", \"")),
                    }),
                }
            })
            .collect::<Result<Vec<usize>, _>>()?,
        None if header.len() < needed => {
            return Err(malformed(format!(
                "it has {} columns and the model needs {needed} features",
                header.len()
            )))
        }
        None => (0..needed).collect(),
    };
    let mut metadata: Vec<(usize, MetadataColumn)> = header
        .iter()
        .enumerate()
        .filter(|(i, _)| !columns.contains(i))
        .map(|(i, name)| {
            (
                i,
                MetadataColumn {
                    name: name.clone(),
                    values: Vec::new(),
                },
            )
        })
        .collect();

    let mut rows = Vec::new();
    for (r, record) in reader.records().enumerate() {
        let record = record.map_err(unreadable)?;
        if (r + 1).saturating_mul(needed) > MAX_TENSOR_ELEMENTS {
            return Err(malformed("too many numbers".into()));
        }
        let mut at = columns.iter();
        let mut row = Vec::with_capacity(inputs.len());
        for input in inputs {
            let mut values = Vec::with_capacity(input.len());
            for &column in at.by_ref().take(input.len()) {
                let text = record.get(column).unwrap_or_default();
                values.push(text.parse::<f64>().map_err(|_| InputFileError::Type {
                    input: header[column].clone(),
                    found: format!("\"{text}\" in row {r}"),
                })?);
            }
            check_finite(input, r, &values)?;
            row.push(values);
        }
        rows.push(row);
        for (i, column) in &mut metadata {
            column
                .values
                .push(record.get(*i).unwrap_or_default().to_owned());
        }
    }
    if rows.is_empty() {
        return Err(InputFileError::Empty);
    }
    Ok(InputFile {
        rows,
        metadata: metadata.into_iter().map(|(_, column)| column).collect(),
    })
}
