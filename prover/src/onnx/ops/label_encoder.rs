//! LabelEncoder: keys to values. Of labels it relabels the table; of whole numbers it gives numbers, `default + sum_i
//! [x = key_i] (value_i - default)`, keys public and values private. Source: ai.onnx.ml 1 (classes_strings), 2.

use super::super::error::OpError;
use super::super::float::{FloatOp, Linear};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::one_hot_encoder::equalities;

/// Keys or values.
enum List {
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Strings(Vec<String>),
}

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let (keys, values) = lists(node)?;
    let count = keys.len();
    if count == 0 || count != values.len() {
        return Err(OpError::invalid("as many values as keys are needed"));
    }
    let Operand::Activation(id) = x else {
        return Err(OpError::unsupported(
            "an encoding of constants",
            "its result as a constant",
        ));
    };
    if let Kind::Label { labels, .. } = b.value(id).kind.clone() {
        let keys = keys.texts();
        let integer = matches!(values, List::Integers(_));
        if matches!(values, List::Floats(_)) {
            return Err(OpError::unsupported(
                "labels to floats",
                "labels to integers or strings",
            ));
        }
        let values = values.texts();
        let default = if integer {
            node.int("default_int64", -1).to_string()
        } else {
            node.text("default_string")?.unwrap_or("_Unused").to_owned()
        };
        let of = |label: &String| {
            let position = keys.iter().position(|k| k == label);
            position.map_or_else(|| default.clone(), |p| values[p].clone())
        };
        let labels = labels.iter().map(of).collect();
        return Ok(vec![b.relabelled(&x, Kind::Label { labels, integer })?]);
    }
    let (List::Integers(keys), Kind::Integer | Kind::Index | Kind::Boolean) =
        (&keys, &b.value(id).kind)
    else {
        return Err(OpError::unsupported(
            "keys of numbers that need not be whole",
            "integer keys of an input of an integer type",
        ));
    };
    let (values, default) = match values {
        List::Integers(v) => (
            v.iter().map(|&v| v as f64).collect(),
            node.int("default_int64", -1) as f64,
        ),
        List::Floats(v) => (v, node.float("default_float", 0.0)),
        List::Strings(_) => {
            return Err(OpError::unsupported(
                "computed numbers to strings",
                "numbers to numbers",
            ))
        }
    };
    let (shape, row_axis) = (b.value(id).shape.clone(), b.value(id).row_axis);
    let keys = keys.iter().map(|&k| k as f64).collect();
    let Operand::Activation(bits) = equalities(b, id, keys)? else {
        return Err(OpError::invalid("an activation was expected"));
    };
    let op = Linear {
        inputs: count,
        outputs: 1,
        weights: values.iter().map(|v: &f64| v - default).collect(),
        bias: vec![default],
    };
    Ok(vec![b.push(
        FloatOp::Linear(op),
        &[bits],
        shape,
        row_axis,
        Kind::Number,
    )?])
}

fn lists(node: &NodeView<'_>) -> Result<(List, List), OpError> {
    if let Some(classes) = node.texts("classes_strings")? {
        let numbers = (0..classes.len() as i64).collect();
        let classes = classes.into_iter().map(str::to_owned).collect();
        return Ok((List::Strings(classes), List::Integers(numbers)));
    }
    let list = |what: &str| -> Result<List, OpError> {
        if let Some(v) = node
            .ints(&format!("{what}_int64s"))
            .filter(|v| !v.is_empty())
        {
            return Ok(List::Integers(v.to_vec()));
        }
        if let Some(v) = node
            .texts(&format!("{what}_strings"))?
            .filter(|v| !v.is_empty())
        {
            return Ok(List::Strings(v.into_iter().map(str::to_owned).collect()));
        }
        match node.floats(&format!("{what}_floats")) {
            Some(v) if !v.is_empty() => Ok(List::Floats(v)),
            _ => Err(OpError::unsupported(
                format!("{what} in a tensor"),
                format!("{what} as a list of integers, strings or floats"),
            )),
        }
    };
    Ok((list("keys")?, list("values")?))
}

impl List {
    fn len(&self) -> usize {
        match self {
            Self::Integers(v) => v.len(),
            Self::Floats(v) => v.len(),
            Self::Strings(v) => v.len(),
        }
    }

    fn texts(&self) -> Vec<String> {
        match self {
            Self::Integers(v) => v.iter().map(ToString::to_string).collect(),
            Self::Floats(v) => v.iter().map(ToString::to_string).collect(),
            Self::Strings(v) => v.clone(),
        }
    }
}
