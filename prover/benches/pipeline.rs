//! Compiling, proving and verifying through the public API: the built-in 5-10-1 model, both schemes.
//!
//!     cargo bench --package clearproof-prover [--features asm] [-- FILTER]
//!
//! One process and no files; `clearproof bench` measures whole runs of the command instead.

use std::hint::black_box;
use std::time::Duration;

use clearproof_prover::onnx;
use clearproof_prover::prove::{
    compile, prove, Artifact, CompileOptions, InputVisibility, Row, Scheme, Silent, SrsSource,
};
use clearproof_prover::quantize::skeleton::{IntegerModel, Reveal};
use clearproof_prover::quantize::{quantize, QuantizeOptions};
use clearproof_shared::verify::{verify_evidence, Options, Verdict};
use criterion::{BenchmarkId, Criterion, SamplingMode};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const MODEL: &[u8] = include_bytes!("../../tests/models/compliance.onnx");
const SCHEMES: [(&str, Scheme); 2] = [("kzg", Scheme::Kzg), ("ipa", Scheme::Ipa)];
const BATCHES: [u32; 2] = [1, 100];

fn model() -> IntegerModel {
    let graph = onnx::load(MODEL).expect("the example is a supported model");
    let options = QuantizeOptions {
        reveal: Reveal::Decision,
        ..QuantizeOptions::default()
    };
    quantize(&graph, &[], &options)
        .expect("the example quantises")
        .model
}

fn options(scheme: Scheme, batch: u32) -> CompileOptions {
    CompileOptions {
        scheme,
        srs: match scheme {
            Scheme::Ipa => SrsSource::Transparent,
            Scheme::Kzg => SrsSource::InsecureDevelopment,
        },
        batch,
        inputs: InputVisibility::Committed,
        model_name: "compliance".into(),
        policy: None,
    }
}

/// Any input in range serves: the circuit's cost does not depend on it.
fn rows(model: &IntegerModel, count: u32) -> Vec<Row> {
    let one = |r: usize| Row {
        input: (0..model.skeleton.input_len())
            .map(|i| ((r * 31 + i * 37) % 64 * 64) as i64)
            .collect(),
        metadata: format!("row {r}").into_bytes(),
    };
    (0..count as usize).map(one).collect()
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

fn artifact(model: &IntegerModel, scheme: Scheme, batch: u32) -> Artifact {
    compile(model, &options(scheme, batch), &mut rng(), &Silent).expect("the example compiles")
}

fn compiling(c: &mut Criterion) {
    let model = model();
    let mut group = c.benchmark_group("compile");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (name, scheme) in SCHEMES {
        group.bench_function(name, |b| {
            b.iter(|| artifact(black_box(&model), scheme, 1));
        });
    }
    group.finish();
}

fn proving(c: &mut Criterion) {
    let model = model();
    let mut group = c.benchmark_group("prove");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (name, scheme) in SCHEMES {
        for batch in BATCHES {
            let artifact = artifact(&model, scheme, batch);
            let rows = rows(&model, batch);
            let mut rng = rng();
            group.bench_function(BenchmarkId::new(name, batch), |b| {
                b.iter(|| prove(&artifact, black_box(&rows), &mut rng, &Silent).expect("in range"));
            });
        }
    }
    group.finish();
}

fn verifying(c: &mut Criterion) {
    let model = model();
    let mut group = c.benchmark_group("verify");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    for (name, scheme) in SCHEMES {
        for batch in BATCHES {
            let artifact = artifact(&model, scheme, batch);
            let proofs = prove(&artifact, &rows(&model, batch), &mut rng(), &Silent);
            let evidence = proofs.expect("in range").evidence(&artifact, false);
            let options = Options {
                trust: vec![artifact.bundle_bytes()],
                allow_insecure_dev_srs: true,
                log_keys: vec![],
                witness_keys: vec![],
                clock: None,
            };
            group.bench_function(BenchmarkId::new(name, batch), |b| {
                b.iter(|| {
                    let report = verify_evidence(black_box(&evidence), &options);
                    assert_eq!(report.verdict, Verdict::Valid);
                });
            });
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    compiling(&mut criterion);
    proving(&mut criterion);
    verifying(&mut criterion);
    criterion.final_summary();
}
