//! What is said about each decision beside its input: time, symbol, and whatever else the caller records.
//!
//! A JSON array with one object a row, or one object for a single row. The proof binds the bytes of each
//! object, printed without spaces.

use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;
use crate::files;

/// The metadata of each of `rows` rows.
///
/// # Errors
/// The file is no JSON, no array of objects, or holds another number of objects.
pub(crate) fn read(path: &Path, rows: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let bytes = files::read(path, MOST_BYTES)?;
    parse(&bytes, rows).map_err(|cause| Failure::input(path, cause))
}

fn parse(bytes: &[u8], rows: usize) -> Result<Vec<Vec<u8>>, String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|e| format!("is not JSON ({e}); mend it there"))?;
    let objects = match value {
        Value::Array(items) => items,
        single @ Value::Object(_) => vec![single],
        _ => {
            return Err(
                "is neither an array nor an object; give an array with one object a row".to_owned(),
            )
        }
    };
    if let Some(i) = objects.iter().position(|item| !item.is_object()) {
        return Err(format!(
            "item {i} is no object; give an array with one object a row"
        ));
    }
    if objects.len() != rows {
        return Err(format!(
            "holds {} objects for {rows} rows of input; give one object a row",
            objects.len()
        ));
    }
    Ok(objects.iter().map(encode).collect())
}

/// The bytes of one object that a proof binds.
pub(crate) fn encode(object: &Value) -> Vec<u8> {
    object.to_string().into_bytes()
}

const MOST_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_a_row() {
        let rows = parse(br#"[{"symbol": "ALDR"}, {"symbol": "ELMW", "seq": 2}]"#, 2).unwrap();
        assert_eq!(rows[0], br#"{"symbol":"ALDR"}"#);
        assert_eq!(parse(br#"{"a": 1}"#, 1).unwrap(), [br#"{"a":1}"#]);
    }

    #[test]
    fn anything_else_is_refused_with_its_mend() {
        for (text, rows, cause) in [
            ("[{}", 1, "is not JSON"),
            ("7", 1, "neither an array nor an object"),
            ("[{}, 7]", 2, "item 1 is no object"),
            ("[{}, {}]", 3, "holds 2 objects for 3 rows"),
            ("{}", 2, "holds 1 objects for 2 rows"),
        ] {
            let error = parse(text.as_bytes(), rows).unwrap_err();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }
}
