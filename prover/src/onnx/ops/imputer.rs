//! Imputer: missing values (NaN, or one number) replaced, per feature or all alike. It must read the model's inputs: the
//! replacement then happens where an input is read, and is public. Source: ai.onnx.ml 1.

use super::super::error::OpError;
use super::super::float::FloatOp;
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let floats = node
        .floats("imputed_value_floats")
        .filter(|v| !v.is_empty());
    let integers = node.ints("imputed_value_int64s").filter(|v| !v.is_empty());
    let (missing, values) = match (floats, integers) {
        (Some(values), None) => (node.float("replaced_value_float", 0.0), values),
        (None, Some(values)) => (
            node.int("replaced_value_int64", 0) as f64,
            values.iter().map(|&v| v as f64).collect(),
        ),
        _ => {
            return Err(OpError::invalid(
                "imputed values must be floats or integers",
            ))
        }
    };
    let features = b.shape(&x).last().copied().unwrap_or(1);
    if values.len() != 1 && values.len() != features {
        return Err(OpError::invalid(format!(
            "{} imputed values for {features} features",
            values.len()
        )));
    }
    if values.iter().any(|v| !v.is_finite()) || missing.is_infinite() {
        return Err(OpError::unsupported(
            "an imputed value that is no finite number",
            "finite imputed values",
        ));
    }
    b.count(values.len())?;
    Ok(vec![b.map(FloatOp::Impute { missing, values }, &x)?])
}
