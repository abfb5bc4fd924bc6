//! Operators one by one: the float graph against values worked out by hand, the integer model against the float graph.

mod arithmetic;
mod comparison;
mod functions;
mod ml;
mod movement;
mod reductions;
mod scan;
mod windows;

use super::super::testing::{Attr, ModelBuilder};
use super::super::{load, load_with, BatchDimension, Graph, ImportError};
use crate::quantize::skeleton::Missing;
use crate::quantize::{quantize, quantize_input, QuantizeError, QuantizeOptions, Values};

use Attr::{Float, Floats, Int, Ints, Text, Texts};

fn x(width: i64) -> ModelBuilder {
    ModelBuilder::new(20).input("x", &[0, width]).output("y", 1)
}

fn graph(model: ModelBuilder) -> Graph {
    load(&model.bytes()).unwrap_or_else(|e| panic!("{e}"))
}

/// All outputs of the integer model, as numbers.
fn integer(graph: &Graph, row: &[f64]) -> Vec<Vec<f64>> {
    let model = quantize(graph, &[], &QuantizeOptions::default())
        .unwrap_or_else(|e| panic!("{e}"))
        .model;
    model.check().unwrap_or_else(|e| panic!("{e}"));
    let spec = &model.skeleton.inputs[0];
    let quantized = row
        .iter()
        .enumerate()
        .map(|(i, &v)| quantize_input(spec, i, v).unwrap().0);
    let scalars = model.eval(&quantized.collect::<Vec<_>>());
    let outputs = model.outputs_of(&scalars).into_iter();
    outputs
        .map(|output| match output.values {
            Values::Numbers(v) => v,
            Values::Integers(v) => v.into_iter().map(|i| i as f64).collect(),
            Values::Labels(v) => panic!("labels {v:?}"),
        })
        .collect()
}

/// The first output is `expected`, of both models; the integer one within `tolerance`.
fn check(name: &str, model: ModelBuilder, row: &[f64], expected: &[f64], tolerance: f64) {
    let graph = graph(model);
    let float = graph.eval(&[row.to_vec()]);
    let integer = integer(&graph, row);
    assert_eq!(float[0].len(), expected.len(), "{name}");
    for (i, &e) in expected.iter().enumerate() {
        let (f, q) = (float[0][i], integer[0][i]);
        assert!(
            (f - e).abs() < 1e-6 * e.abs().max(1.0),
            "{name}: float {f} for {e}"
        );
        assert!((q - e).abs() <= tolerance, "{name}: integer {q} for {e}");
    }
}

fn refusal(model: ModelBuilder) -> String {
    match load(&model.bytes()) {
        Err(error @ ImportError::Unsupported { .. }) => error.to_string(),
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

/// A model whose input is a whole tensor without a batch dimension.
fn whole(shape: &[i64]) -> ModelBuilder {
    ModelBuilder::new(20).input("x", shape).output("y", 1)
}

/// The same as [`check`], each whole tensor one row.
fn check_whole(name: &str, model: ModelBuilder, row: &[f64], expected: &[f64], tolerance: f64) {
    let graph =
        load_with(&model.bytes(), BatchDimension::None).unwrap_or_else(|e| panic!("{name}: {e}"));
    let float = graph.eval(&[row.to_vec()]);
    let integer = integer(&graph, row);
    for (i, &e) in expected.iter().enumerate() {
        let (f, q) = (float[0][i], integer[0][i]);
        assert!((f - e).abs() < 1e-6, "{name}: float {f} for {e}");
        assert!((q - e).abs() <= tolerance, "{name}: integer {q} for {e}");
    }
    assert_eq!(float[0].len(), expected.len(), "{name}");
}
