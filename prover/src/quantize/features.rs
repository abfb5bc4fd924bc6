//! Features of different sizes in one input: each gets its own power of two.
//!
//! Where calibration rows show that an input's features differ in size by 2^3 or more, and layers alone read the
//! input, feature i is read as `x_i = 2^(e_i) x'_i` with x' within +-4, so that one declared width serves all of
//! them. The factor `2^(e_i)` joins the layers' weights, exactly. The exponents are public and follow from the rows,
//! not from the weights.

use super::Row;
use crate::onnx::{Affine, Graph, Kind};

/// Least difference of sizes, log2, that is worth it.
const MIN_SPREAD: i32 = 3;

/// Exponents of each input, empty where all are zero.
pub(super) fn exponents(graph: &Graph, rows: &[Row]) -> Vec<Vec<i32>> {
    let exponents = graph.inputs.iter().enumerate().map(|(number, port)| {
        let read_by_layers = graph
            .nodes
            .iter()
            .filter(|node| node.inputs.contains(&port.value))
            .all(|node| node.op.takes_exponents(port.len()));
        let released = graph.outputs.iter().any(|out| out.value == port.value);
        if rows.is_empty() || port.kind != Kind::Number || !read_by_layers || released {
            return Vec::new();
        }
        let sizes: Vec<Option<i32>> = (0..port.len())
            .map(|i| {
                let values = rows.iter().map(|row| row[number][i].abs());
                let greatest = values.fold(0f64, f64::max);
                // Least e with 4 greatest <= 2^(e + 2).
                (greatest > 0.0).then(|| (greatest.log2().ceil() as i32).clamp(-32, 32))
            })
            .collect();
        let known = || sizes.iter().flatten().copied();
        let (Some(least), Some(greatest)) = (known().min(), known().max()) else {
            return Vec::new();
        };
        if greatest - least < MIN_SPREAD {
            return Vec::new();
        }
        sizes.iter().map(|e| e.unwrap_or(0)).collect()
    });
    exponents.collect()
}

/// The graph that reads x' instead of x, and the rows of x'.
pub(super) fn rescaled(graph: &Graph, rows: &[Row], exponents: &[Vec<i32>]) -> (Graph, Vec<Row>) {
    let mut graph = graph.clone();
    for (port, exponents) in graph.inputs.iter().zip(exponents) {
        if exponents.is_empty() {
            continue;
        }
        let scale = Affine {
            inner: 1,
            period: exponents.len(),
            scale: Some(exponents.iter().map(|&e| 2f64.powi(e)).collect()),
            offset: None,
        };
        for node in &mut graph.nodes {
            if node.inputs.contains(&port.value) {
                if let Some(op) = node.op.after(&scale) {
                    node.op = op;
                }
            }
        }
    }
    for (port, exponents) in graph.inputs.iter_mut().zip(exponents) {
        if !exponents.is_empty() {
            // Rows come with their missing values replaced.
            port.replacements = Vec::new();
        }
    }
    let rows = rows.iter().map(|row| {
        let inputs = row.iter().zip(exponents).map(|(values, exponents)| {
            if exponents.is_empty() {
                return values.clone();
            }
            let scaled = values.iter().zip(exponents);
            scaled.map(|(v, &e)| v * 2f64.powi(-e)).collect()
        });
        inputs.collect()
    });
    (graph, rows.collect())
}
