//! What an operator costs: circuit cells and prover time for each element of its output.
//!
//!     cargo bench --package clearproof-prover --bench operators [-- FILTER]
//!
//! Each line is a model of one operator, random weights, KZG, one row. An operator without weights follows a product of
//! the input by private constants, since a model without weights has nothing to prove. Cells are advice columns
//! times rows in use; time is that of the processor over all threads, the best of three proofs. Both are of the whole
//! circuit: the line of the product alone tells what a circuit and its inputs cost by themselves.

use std::process::ExitCode;

use clearproof_prover::onnx;
use clearproof_prover::prove::{
    compile, prove, CompileOptions, InputVisibility, Row, Scheme, Silent, SrsSource,
};
use clearproof_prover::quantize::skeleton::IntegerModel;
use clearproof_prover::quantize::{quantize, quantize_input, QuantizeOptions};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

#[path = "../src/onnx/testing.rs"]
#[allow(dead_code, reason = "shared with the unit tests, which use all of it")]
mod testing;

use testing::Attr::{Float, Floats, Int, Ints, Text, Texts};
use testing::{uniform, Attr, ModelBuilder};

/// A model and what its cost is divided by.
struct Case {
    name: &'static str,
    model: ModelBuilder,
    /// `None`: the elements of the output.
    units: Option<(usize, &'static str)>,
}

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    println!("| operator | output | k | advice columns | rows | cells each | CPU us each |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut failed = false;
    for case in cases() {
        if filter.as_ref().is_some_and(|f| !case.name.contains(f)) {
            continue;
        }
        match line(&case) {
            Ok(line) => println!("{line}"),
            Err(reason) => {
                eprintln!("{}: {reason}", case.name);
                failed = true;
            }
        }
    }
    ExitCode::from(u8::from(failed))
}

fn line(case: &Case) -> Result<String, Box<dyn std::error::Error>> {
    // 1. The circuit.
    let graph = onnx::load(&case.model.clone().bytes())?;
    let elements = graph
        .outputs
        .iter()
        .map(|o| o.shape.iter().product::<usize>());
    let (units, unit) = case.units.unwrap_or((elements.sum(), "elements"));
    let model = quantize(&graph, &[], &QuantizeOptions::default())?.model;
    let options = CompileOptions {
        scheme: Scheme::Kzg,
        srs: SrsSource::InsecureDevelopment,
        batch: 1,
        inputs: InputVisibility::Committed,
        model_name: case.name.into(),
        policy: None,
    };
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let artifact = compile(&model, &options, &mut rng, &Silent)?;
    // 2. Three proofs.
    let rows = [Row {
        input: input(&model)?,
        metadata: vec![],
    }];
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = cpu_s();
        prove(&artifact, &rows, &mut rng, &Silent)?;
        best = best.min(cpu_s() - start);
    }
    let circuit = artifact.description();
    let cells = circuit.rows_used * circuit.advice_columns;
    Ok(format!(
        "| {} | {units} {unit} | {} | {} | {} | {:.0} | {:.0} |",
        case.name,
        circuit.k,
        circuit.advice_columns,
        circuit.rows_used,
        cells as f64 / units as f64,
        best * 1e6 / units as f64,
    ))
}

/// Numbers in [0, 1), which every operator below takes.
fn input(model: &IntegerModel) -> Result<Vec<i64>, Box<dyn std::error::Error>> {
    let mut integers = vec![];
    for (seed, spec) in (1..).zip(&model.skeleton.inputs) {
        for (i, number) in uniform(seed, spec.shape.iter().product::<u32>() as usize)
            .into_iter()
            .enumerate()
        {
            integers.push(quantize_input(spec, i, f64::from(number.abs()))?.0);
        }
    }
    Ok(integers)
}

/// Seconds of processor time of this process so far.
#[cfg(unix)]
fn cpu_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The clock on the wall, where the system does not tell processor time.
#[cfg(not(unix))]
fn cpu_s() -> f64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0.0, |t| t.as_secs_f64())
}

const FLOAT: i32 = 1;
const INT8: i32 = 3;
const INT32: i32 = 6;

fn cases() -> Vec<Case> {
    let mut cases = vec![];
    let mut add = |name, model| {
        cases.push(Case {
            name,
            model,
            units: None,
        });
    };
    add("Mul by private constants", elementwise("Identity", &[]));
    add("Gemm, 64 inputs", linear(64, 64));
    add("Gemm, 256 inputs", linear(256, 64));
    add("Conv 3x3, 8 to 8 channels", convolution(1));
    add("Conv 3x3, depthwise", convolution(8));
    let pool: &[(&str, Attr<'_>)] = &[("kernel_shape", Ints(&[2, 2])), ("strides", Ints(&[2, 2]))];
    add("MaxPool 2x2", image("MaxPool", pool));
    add("AveragePool 2x2", image("AveragePool", pool));
    add("Relu", elementwise("Relu", &[]));
    add("Clip", {
        scaled(&[WIDTH])
            .floats("low", &[], &[-0.5])
            .floats("high", &[], &[0.5])
            .node("Clip", &["x", "low", "high"], "y", &[])
    });
    add(
        "LeakyRelu",
        elementwise("LeakyRelu", &[("alpha", Float(0.1))]),
    );
    add("Add", binary("Add"));
    add("Mul of activations", binary("Mul"));
    add("Div", binary("Div"));
    add("Less", binary("Less"));
    add("Sigmoid", elementwise("Sigmoid", &[]));
    add("Tanh", elementwise("Tanh", &[]));
    add("Exp", elementwise("Exp", &[]));
    add("Sqrt", elementwise("Sqrt", &[]));
    add("Gelu", {
        private_product(ModelBuilder::new(20), &[WIDTH]).node("Gelu", &["x"], "y", &[])
    });
    add("Softmax of 8", {
        scaled(&[32, 8]).node("Softmax", &["x"], "y", &[("axis", Int(-1))])
    });
    add("LayerNormalization of 64", {
        row(64)
            .floats("gain", &[64], &uniform(2, 64))
            .floats("bias", &[64], &uniform(3, 64))
            .node(
                "LayerNormalization",
                &["x", "gain", "bias"],
                "y",
                &[("axis", Int(-1))],
            )
    });
    add("ReduceSum of 16", {
        scaled(&[16, 16])
            .ints("shape", &[-1, 16, 16])
            .ints("axes", &[2])
            .node("Reshape", &["x", "shape"], "r", &[])
            .node("ReduceSum", &["x", "axes"], "y", &[("keepdims", Int(0))])
    });
    add("MatMul of activations, 8x8 by 8x8", {
        scaled(&[8, 8])
            .input("z", &[0, 8, 8])
            .node("MatMul", &["x", "z"], "y", &[])
    });
    add("ArgMax of 16", {
        scaled(&[8, 16])
            .node(
                "ArgMax",
                &["x"],
                "i",
                &[("axis", Int(2)), ("keepdims", Int(0))],
            )
            .node("Cast", &["i"], "y", &[("to", Int(1))])
    });
    add("TopK, 4 of 16", {
        scaled(&[16])
            .ints("k", &[4])
            .node("TopK", &["x", "k"], "y,positions", &[])
    });
    add("Gather at computed positions, 16 by 8", {
        ModelBuilder::new(17)
            .whole_input("x", &[0, 8])
            .output("y", FLOAT)
            .floats("table", &[16, 8], &uniform(2, 16 * 8))
            .node("Gather", &["table", "x"], "y", &[])
    });
    add("LSTM, a step of 16 units", lstm(16));
    add("Gemm, 64 inputs, QDQ", quantised_linear(64, 64));
    add("Conv 3x3, 8 to 8 channels, QDQ", quantised_convolution());
    cases.push(Case {
        name: "TreeEnsembleRegressor, 16 trees of depth 4",
        model: trees(16, 4),
        units: Some((16 * 15, "inner nodes")),
    });
    cases
}

const WIDTH: i64 = 256;
/// Height and width of images of eight channels.
const SIDE: i64 = 8;

fn row(width: i64) -> ModelBuilder {
    ModelBuilder::new(17)
        .input("x", &[0, width])
        .output("y", FLOAT)
}

/// A row of this shape times private constants, as `x`.
fn scaled(shape: &[i64]) -> ModelBuilder {
    private_product(ModelBuilder::new(17), shape)
}

fn private_product(model: ModelBuilder, shape: &[i64]) -> ModelBuilder {
    let batched: Vec<i64> = [0].iter().chain(shape).copied().collect();
    let weights = uniform(7, shape.iter().product::<i64>() as usize);
    model
        .input("raw", &batched)
        .output("y", FLOAT)
        .floats(
            "factors",
            shape,
            &weights.iter().map(|w| 0.6 + 0.3 * w).collect::<Vec<_>>(),
        )
        .node("Mul", &["raw", "factors"], "x", &[])
}

fn elementwise(operator: &str, attributes: &[(&str, Attr<'_>)]) -> ModelBuilder {
    scaled(&[WIDTH]).node(operator, &["x"], "y", attributes)
}

fn binary(operator: &str) -> ModelBuilder {
    let model = scaled(&[WIDTH]).input("z", &[0, WIDTH]);
    match operator {
        "Less" => model.node("Less", &["x", "z"], "less", &[]).node(
            "Cast",
            &["less"],
            "y",
            &[("to", Int(1))],
        ),
        _ => model.node(operator, &["x", "z"], "y", &[]),
    }
}

fn image(operator: &str, attributes: &[(&str, Attr<'_>)]) -> ModelBuilder {
    scaled(&[8, SIDE, SIDE]).node(operator, &["x"], "y", attributes)
}

fn linear(from: i64, to: i64) -> ModelBuilder {
    let scale = (from as f32).sqrt();
    let weights = uniform(2, (from * to) as usize);
    row(from)
        .floats(
            "w",
            &[from, to],
            &weights.iter().map(|w| w / scale).collect::<Vec<_>>(),
        )
        .floats("b", &[to], &uniform(3, to as usize))
        .node("Gemm", &["x", "w", "b"], "y", &[])
}

/// 3x3 over eight channels, same padding.
fn convolution(groups: i64) -> ModelBuilder {
    let each = 8 / groups;
    let weights = uniform(2, (8 * each * 9) as usize);
    ModelBuilder::new(17)
        .input("x", &[0, 8, SIDE, SIDE])
        .output("y", FLOAT)
        .floats(
            "w",
            &[8, each, 3, 3],
            &weights.iter().map(|w| w / 8.0).collect::<Vec<_>>(),
        )
        .floats("b", &[8], &uniform(3, 8))
        .node(
            "Conv",
            &["x", "w", "b"],
            "y",
            &[("pads", Ints(&[1, 1, 1, 1])), ("group", Int(groups))],
        )
}

fn lstm(units: i64) -> ModelBuilder {
    let of = |seed, rows: i64| -> Vec<f32> {
        let values = uniform(seed, (4 * units * rows) as usize);
        values.into_iter().map(|w| w / 4.0).collect()
    };
    row(units)
        .ints("axes", &[0])
        .floats("w", &[1, 4 * units, units], &of(2, units))
        .floats("r", &[1, 4 * units, units], &of(3, units))
        .floats("b", &[1, 8 * units], &of(4, 2))
        .node("Unsqueeze", &["x", "axes"], "steps", &[])
        .node(
            "LSTM",
            &["steps", "w", "r", "b"],
            "all,last,cell",
            &[("hidden_size", Int(units))],
        )
        .node("Squeeze", &["last", "axes"], "y", &[])
}

/// `x` as signed bytes and back, with what the weights and the result need.
fn quantised(shape: &[i64]) -> ModelBuilder {
    ModelBuilder::new(17)
        .input("x", shape)
        .output("y", FLOAT)
        .floats("s", &[], &[1.0 / 64.0])
        .typed("zero", INT8, &[], &[0])
        .floats("bias_scale", &[], &[1.0 / 4096.0])
        .typed("bias_zero", INT32, &[], &[0])
        .node("QuantizeLinear", &["x", "s", "zero"], "x_q", &[])
        .node("DequantizeLinear", &["x_q", "s", "zero"], "x_d", &[])
        .node("DequantizeLinear", &["w_q", "s", "zero"], "w", &[])
        .node(
            "DequantizeLinear",
            &["b_q", "bias_scale", "bias_zero"],
            "b",
            &[],
        )
}

/// The rest: `z` requantised.
fn requantised(model: ModelBuilder) -> ModelBuilder {
    model
        .node("QuantizeLinear", &["z", "s", "zero"], "y_q", &[])
        .node("DequantizeLinear", &["y_q", "s", "zero"], "y", &[])
}

fn bytes(seed: u64, count: i64) -> Vec<i32> {
    let numbers = uniform(seed, count as usize);
    numbers.into_iter().map(|w| (w * 16.0) as i32).collect()
}

fn quantised_linear(from: i64, to: i64) -> ModelBuilder {
    requantised(
        quantised(&[0, from])
            .typed("w_q", INT8, &[from, to], &bytes(2, from * to))
            .typed("b_q", INT32, &[to], &bytes(3, to))
            .node("Gemm", &["x_d", "w", "b"], "z", &[]),
    )
}

fn quantised_convolution() -> ModelBuilder {
    requantised(
        quantised(&[0, 8, SIDE, SIDE])
            .typed("w_q", INT8, &[8, 8, 3, 3], &bytes(2, 8 * 8 * 9))
            .typed("b_q", INT32, &[8], &bytes(3, 8))
            .node(
                "Conv",
                &["x_d", "w", "b"],
                "z",
                &[("pads", Ints(&[1, 1, 1, 1]))],
            ),
    )
}

/// Complete trees over eight features; node i has the children 2 i + 1 and 2 i + 2.
fn trees(count: i64, depth: u32) -> ModelBuilder {
    let (inner, all) = ((1i64 << depth) - 1, (2i64 << depth) - 1);
    let each = |f: &dyn Fn(i64, i64) -> i64| -> Vec<i64> {
        (0..count)
            .flat_map(|tree| (0..all).map(move |node| (tree, node)))
            .map(|(tree, node)| f(tree, node))
            .collect()
    };
    let children = |side| each(&|_, node| if node < inner { 2 * node + side } else { 0 });
    let (tree_ids, node_ids) = (each(&|tree, _| tree), each(&|_, node| node));
    let features = each(&|tree, node| (3 * tree + node) % 8);
    let modes: Vec<&str> = node_ids
        .iter()
        .map(|node| if *node < inner { "BRANCH_LEQ" } else { "LEAF" })
        .collect();
    let leaves = |ids: &[i64]| -> Vec<i64> {
        let pairs = ids.iter().zip(&node_ids);
        pairs
            .filter(|(_, node)| **node >= inner)
            .map(|(id, _)| *id)
            .collect()
    };
    let (target_trees, target_nodes) = (leaves(&tree_ids), leaves(&node_ids));
    row(8).node(
        "ml.TreeEnsembleRegressor",
        &["x"],
        "y",
        &[
            ("aggregate_function", Text("SUM")),
            ("n_targets", Int(1)),
            ("nodes_treeids", Ints(&tree_ids)),
            ("nodes_nodeids", Ints(&node_ids)),
            ("nodes_featureids", Ints(&features)),
            ("nodes_modes", Texts(&modes)),
            ("nodes_values", Floats(&uniform(2, tree_ids.len()))),
            ("nodes_truenodeids", Ints(&children(1))),
            ("nodes_falsenodeids", Ints(&children(2))),
            ("target_treeids", Ints(&target_trees)),
            ("target_nodeids", Ints(&target_nodes)),
            ("target_ids", Ints(&vec![0; target_trees.len()])),
            ("target_weights", Floats(&uniform(3, target_trees.len()))),
        ],
    )
}
