//! JSON inputs. `{"input_data": [..]}`: one list per model input (with a single input, also one list per
//! row). A map from input name to a nested list. `{"inputs": {name: {"shape": .., "values": ..}}}`. null
//! is NaN.

use serde_json::{Map, Value};

use super::{in_order, InputFileError, InputShape, Numbers, MAX_TENSOR_ELEMENTS};
use crate::onnx::limits::MAX_RANK;

pub(super) fn read(bytes: &[u8], inputs: &[InputShape]) -> Result<Vec<Numbers>, InputFileError> {
    let malformed = |reason: String| InputFileError::Malformed { reason };
    let value: Value = serde_json::from_slice(bytes).map_err(|e| {
        let python = [&b"NaN"[..], b"Infinity"]
            .iter()
            .any(|word| bytes.windows(word.len()).any(|w| w == *word));
        malformed(if python {
            "JSON has no NaN and no Infinity; replace them by finite numbers".into()
        } else {
            format!("it is no JSON ({e})")
        })
    })?;
    let Value::Object(map) = value else {
        return Err(malformed(
            "it is no map; use {\"input_data\": [[..]]}".into(),
        ));
    };
    if let (Some(Value::Array(lists)), false) = (
        map.get("input_data"),
        inputs.iter().any(|i| i.name == "input_data"),
    ) {
        return by_position(lists, inputs);
    }
    if let Some(Value::Object(tensors)) = map.get("inputs") {
        return in_order(inputs, explicit(tensors)?);
    }
    let mut named = Vec::with_capacity(map.len());
    for (name, value) in &map {
        named.push((name.clone(), numbers(name, value)?));
    }
    in_order(inputs, named)
}

fn by_position(lists: &[Value], inputs: &[InputShape]) -> Result<Vec<Numbers>, InputFileError> {
    if let [input] = inputs {
        // One list per row, or one for all rows, or the numbers themselves.
        let all = numbers(&input.name, &Value::Array(lists.to_vec()))?;
        let flat = lists.len() == 1;
        let shape = if flat {
            vec![all.values.len()]
        } else {
            all.shape.clone()
        };
        let nested = lists.len() == 1 && all.shape.len() > 2;
        return Ok(vec![Numbers {
            shape: if nested {
                all.shape[1..].to_vec()
            } else {
                shape
            },
            values: all.values,
        }]);
    }
    if lists.len() != inputs.len() {
        return Err(InputFileError::Malformed {
            reason: format!(
                "\"input_data\" holds {} lists and the model has {} inputs",
                lists.len(),
                inputs.len()
            ),
        });
    }
    inputs
        .iter()
        .zip(lists)
        .map(|(input, list)| numbers(&input.name, list))
        .collect()
}

fn explicit(tensors: &Map<String, Value>) -> Result<Vec<(String, Numbers)>, InputFileError> {
    let mut named = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let type_error = |found: &str| InputFileError::Type {
            input: name.clone(),
            found: found.to_owned(),
        };
        if tensor.is_array() || tensor.is_number() {
            named.push((name.clone(), numbers(name, tensor)?));
            continue;
        }
        let values = tensor
            .get("values")
            .ok_or_else(|| type_error("no \"values\""))?;
        let mut read = numbers(name, values)?;
        if let Some(shape) = tensor.get("shape") {
            let extents: Option<Vec<usize>> = shape.as_array().and_then(|dims| {
                dims.iter()
                    .map(|d| d.as_u64().and_then(|d| usize::try_from(d).ok()))
                    .collect()
            });
            let extents = extents.ok_or_else(|| type_error("a shape that is no list of sizes"))?;
            let count = extents.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
            if count != Some(read.values.len()) {
                return Err(InputFileError::Shape {
                    input: name.clone(),
                    expected: format!("shape {extents:?} in all, not"),
                    found: format!("{} numbers", read.values.len()),
                });
            }
            read.shape = extents;
        }
        named.push((name.clone(), read));
    }
    Ok(named)
}

/// A nested list as numbers with a shape.
fn numbers(name: &str, value: &Value) -> Result<Numbers, InputFileError> {
    let mut shape = Vec::new();
    let mut first = value;
    while let Value::Array(items) = first {
        shape.push(items.len());
        if shape.len() > MAX_RANK {
            return Err(InputFileError::Malformed {
                reason: "lists nested too deep".into(),
            });
        }
        match items.first() {
            Some(item) => first = item,
            None => break,
        }
    }
    let mut values = Vec::new();
    flatten(name, value, &shape, &mut values)?;
    Ok(Numbers { shape, values })
}

fn flatten(
    name: &str,
    value: &Value,
    shape: &[usize],
    into: &mut Vec<f64>,
) -> Result<(), InputFileError> {
    let found = |found: &str| InputFileError::Type {
        input: name.into(),
        found: found.into(),
    };
    match (value, shape) {
        (Value::Array(items), [extent, rest @ ..]) => {
            if items.len() != *extent {
                return Err(found("lists of different lengths"));
            }
            if into.len() + items.len() > MAX_TENSOR_ELEMENTS {
                return Err(InputFileError::Malformed {
                    reason: "too many numbers".into(),
                });
            }
            items
                .iter()
                .try_for_each(|item| flatten(name, item, rest, into))
        }
        (Value::Array(_), []) | (_, [_, ..]) => Err(found("lists of different depth")),
        (Value::Number(n), []) => {
            into.push(n.as_f64().ok_or_else(|| found("a number out of range"))?);
            Ok(())
        }
        (Value::Bool(b), []) => {
            into.push(f64::from(u8::from(*b)));
            Ok(())
        }
        (Value::Null, []) => {
            into.push(f64::NAN);
            Ok(())
        }
        (Value::String(_), []) => Err(found("text")),
        (Value::Object(_), []) => Err(found("a map")),
    }
}
