//! Rounds of secure aggregation and norm proofs; the time of the slowest party.

#![allow(missing_docs)] // criterion's macros make public functions

use std::sync::Arc;
use std::time::{Duration, Instant};

use clearproof_federated::aggregation::identity::Identity;
use clearproof_federated::aggregation::party::{Party, Update};
use clearproof_federated::aggregation::setup::Setup;
use clearproof_federated::aggregation::simulation::{simulate, Faithful};
use clearproof_federated::norm::NormKey;
use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::manifest::Manifest;
use clearproof_shared::training::signed::Signed;
use criterion::{criterion_group, criterion_main, Criterion};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

fn manifest(identities: &[Identity], holders: u16, coordinates: u32, log_rows: u32) -> Manifest {
    Manifest {
        session: [0; 32],
        round: 0,
        attempt: 0,
        model: [0; 32],
        parties: identities.iter().map(Identity::entry).collect(),
        holders: (0..holders).collect(),
        threshold: (holders - 1) / 2,
        colluders: 0,
        minimum_honest: 2,
        coordinates,
        coordinate_bits: 20,
        log_rows,
        clip_norm: 1 << 28,
        noise_norm: 1 << 28,
        norm_circuit: None,
        terms: vec![],
    }
}

fn identities(count: usize) -> Vec<Identity> {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    (0..count)
        .map(|i| Identity::generate(&format!("p{i}"), &mut rng))
        .collect()
}

fn update(coordinates: u32, seed: u8) -> Update {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let mut draw = || -> Vec<i64> {
        (0..coordinates)
            .map(|_| i64::from(rng.next_u32() >> 15) - (1 << 16))
            .collect()
    };
    Update {
        clipped: draw(),
        noise: draw(),
    }
}

fn rounds(c: &mut Criterion) {
    let mut group = c.benchmark_group("round, slowest party");
    group.sample_size(10);
    for (parties, holders, coordinates) in [(4, 4, 100_000), (4, 4, 1_000_000), (16, 5, 1_000_000)]
    {
        let identities = identities(parties);
        let manifest = manifest(&identities, holders, coordinates, 12);
        let setup = Setup::new(manifest, ColumnBases::transparent(12)).expect("a good manifest");
        let setup = Arc::new(setup);
        let updates: Vec<Update> = (0..parties).map(|i| update(coordinates, i as u8)).collect();
        let seeds: Vec<[u8; 32]> = (0..parties).map(|i| [i as u8; 32]).collect();
        let run =
            || simulate(&setup, &identities, &updates, &seeds, &mut Faithful).expect("in bounds");
        let sent = run().costs.iter().map(|cost| cost.sent).max().unwrap_or(0);
        let name = format!("{parties} parties, {holders} holders, {coordinates} coordinates");
        println!(
            "{name}: at most {:.1} MB sent by a party",
            sent as f64 / 1e6
        );
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let slowest = |_| {
                    run()
                        .costs
                        .iter()
                        .map(|cost| cost.time)
                        .max()
                        .expect("parties")
                };
                (0..times).map(slowest).sum::<Duration>()
            });
        });
    }
    group.finish();
}

fn norm_proofs(c: &mut Criterion) {
    let mut group = c.benchmark_group("norm proof");
    group.sample_size(10);
    for (coordinates, log_rows) in [(10_000, 11), (100_000, 14)] {
        let identities = identities(4);
        let mut manifest = manifest(&identities, 4, coordinates, log_rows);
        let bases = ColumnBases::transparent(log_rows);
        let start = Instant::now();
        let key = NormKey::new(&manifest, &bases).expect("a circuit");
        println!(
            "{coordinates} coordinates: keys {:.2} s",
            start.elapsed().as_secs_f64()
        );
        manifest.norm_circuit = Some(key.circuit_id());
        let setup = Arc::new(Setup::new(manifest.clone(), bases).expect("a good manifest"));
        let update = update(coordinates, 7);
        let begin = |setup: &Arc<Setup>| {
            Party::begin(Arc::clone(setup), &identities[0], &update, &[9; 32])
                .expect("in bounds")
                .1
        };
        let without = Manifest {
            norm_circuit: None,
            ..manifest.clone()
        };
        let without = Setup::new(without, ColumnBases::transparent(log_rows));
        let without = Arc::new(without.expect("a good manifest"));
        group.bench_function(format!("{coordinates} coordinates, prove"), |b| {
            b.iter_custom(|times| {
                let one = |_| {
                    let start = Instant::now();
                    begin(&setup);
                    let with = start.elapsed();
                    let start = Instant::now();
                    begin(&without);
                    with.saturating_sub(start.elapsed())
                };
                (0..times).map(one).sum::<Duration>()
            });
        });
        // The contribution is the first frame: array(2), 0, byte string of the signed message.
        let frame = &begin(&setup)[0];
        let inner = (3..9)
            .find_map(|at| Signed::decode(&frame[at..]).ok())
            .expect("signed");
        let contribution = Contribution::decode(&inner.body, &manifest).expect("a contribution");
        println!(
            "{coordinates} coordinates: proof {} bytes",
            contribution.proof.len()
        );
        group.bench_function(format!("{coordinates} coordinates, verify"), |b| {
            b.iter(|| {
                key.verify(setup.digest(), 0, &contribution)
                    .expect("it holds")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rounds, norm_proofs);
criterion_main!(benches);
