//! What one party computes beside the aggregation: gradients, noise, accounting, Groth16 proofs.
//!
//!     cargo bench --package clearproof-federated --bench local [-- FILTER]

use std::collections::BTreeMap;
use std::hint::black_box;

use clearproof_federated::groth16::compliance::{Compliance, ComplianceConstraint};
use clearproof_federated::groth16::noise::{DeclaredNoise, Seed};
use clearproof_federated::groth16::norm::{ClipNorm, CommittedVector};
use clearproof_federated::groth16::{context, verifying_key, Statement};
use clearproof_federated::privacy::accountant::{epsilon, Mechanism};
use clearproof_federated::privacy::discrete_gaussian::DiscreteGaussian;
use clearproof_federated::training::gradient::clipped_sum;
use clearproof_federated::training::{Architecture, Examples, Loss, Model};
use criterion::Criterion;
use rand_core::OsRng;

fn training(c: &mut Criterion) {
    let architecture = Architecture::mlp(196, &[48], 10, Loss::CrossEntropy).expect("it fits");
    let model = Model::initialized(architecture, &mut OsRng);
    let features = (0..2048 * 196).map(|i| (i as f32).sin()).collect();
    let labels = (0..2048).map(|i| i % 10).collect();
    let examples = Examples::new(features, labels, 196).expect("they fill the shape");
    let sample: Vec<usize> = (0..2048).collect();
    c.bench_function("clipped sum of 2048 examples, 10k parameters", |b| {
        b.iter(|| clipped_sum(&model, &examples, black_box(&sample), 1.0).expect("finite"));
    });
}

fn privacy(c: &mut Criterion) {
    let gaussian = DiscreteGaussian::new(1 << 20, 1).expect("in range");
    let mut noise = vec![0; 10_000];
    c.bench_function("10k discrete Gaussians, sigma 1024", |b| {
        b.iter(|| gaussian.fill(&mut OsRng, black_box(&mut noise)));
    });
    let mechanism = Mechanism::new(1.1, 0.01, 1000).expect("in range");
    c.bench_function("epsilon of 1000 subsampled steps", |b| {
        b.iter(|| epsilon(black_box(&[mechanism]), 1e-5).expect("in range"));
    });
}

fn compliance(c: &mut Criterion) {
    let fields: Vec<String> = (0..10).map(|i| format!("field {i}")).collect();
    let constraint = |name: &String| ComplianceConstraint {
        name: name.clone(),
        min: Some(100),
        max: Some(1 << 32),
        required_fields: vec![],
    };
    let statement = Compliance {
        constraints: fields.iter().map(constraint).collect(),
        fields,
        linear: vec![],
    };
    let key = Statement::Compliance(statement.clone())
        .single_party_key(&mut OsRng)
        .expect("well formed");
    let verifier = verifying_key(&key).expect("a sound key");
    let values: BTreeMap<String, i64> =
        statement.fields.iter().map(|f| (f.clone(), 5000)).collect();
    let record = statement.record(&values, &mut OsRng).expect("known fields");
    let prove = || {
        statement
            .prove(&key, &record, context(b"bench"), &mut OsRng)
            .expect("true")
    };
    let proven = prove();
    c.bench_function("compliance proof with 10 fields", |b| b.iter(prove));
    c.bench_function("verify a compliance proof", |b| {
        b.iter(|| proven.verify(black_box(&verifier)).expect("valid"));
    });
}

fn statements(c: &mut Criterion) {
    let mut group = c.benchmark_group("statements");
    group.sample_size(10);
    let norm = ClipNorm {
        coordinates: 1000,
        bits: 16,
        squared_bound: 1 << 30,
    };
    let key = Statement::ClipNorm(norm)
        .single_party_key(&mut OsRng)
        .expect("well formed");
    let vector = CommittedVector::new(vec![-700; 1000], 16, &mut OsRng).expect("in range");
    group.bench_function("clip norm of 1000 coordinates", |b| {
        b.iter(|| {
            norm.prove(&key, &vector, context(b"bench"), &mut OsRng)
                .expect("true")
        });
    });
    let noise = DeclaredNoise {
        coordinates: 100,
        variance_numerator: 256,
        variance_denominator: 1,
        bits: 10,
    };
    let key = Statement::DeclaredNoise(noise)
        .single_party_key(&mut OsRng)
        .expect("well formed");
    let (seed, coin) = (Seed::new(&mut OsRng), context(b"coin"));
    let drawn = noise.sample(&seed, coin).expect("well formed");
    let drawn = CommittedVector::new(drawn, 10, &mut OsRng).expect("in range");
    group.bench_function("declared noise of 100 coordinates", |b| {
        b.iter(|| {
            noise
                .prove(&key, &seed, coin, &drawn, context(b"bench"), &mut OsRng)
                .expect("true")
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for bench in [training, privacy, compliance, statements] {
        bench(&mut criterion);
    }
    criterion.final_summary();
}
