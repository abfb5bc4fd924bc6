//! Model files: no bytes make the importer panic or take memory without bound, and small models that it
//! accepts can be evaluated.
#![no_main]

use clearproof_prover::onnx;

/// Models with more numbers than this are not evaluated: that is slow, and the importer is the subject.
const MAX_EVALUATED: usize = 1 << 12;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(graph) = onnx::load(bytes) else { return };
    let numbers: usize = graph
        .inputs
        .iter()
        .chain(&graph.outputs)
        .map(onnx::Port::len)
        .sum();
    if graph.parameters().saturating_add(numbers) > MAX_EVALUATED {
        return;
    }
    let row: Vec<Vec<f64>> = graph.inputs.iter().map(|p| vec![0.5; p.len()]).collect();
    for (port, output) in graph.outputs.iter().zip(graph.eval(&row)) {
        assert_eq!(port.len(), output.len());
    }
});
