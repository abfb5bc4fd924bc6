//! `clearproof federated`: several firms train one model.

use std::sync::Arc;
use std::time::Instant;

use clearproof_federated::aggregation::identity::Identity;
use clearproof_federated::aggregation::party::Update;
use clearproof_federated::aggregation::setup::Setup;
use clearproof_federated::aggregation::simulation::{simulate, Network, Simulation};
use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::manifest::Manifest;
use rand_core::{OsRng, RngCore};
use serde_json::json;

use super::{print, print_json};
use crate::args::{Federated, Simulate};
use crate::failure::Failure;
use crate::table::Table;

/// Carries out `federated`.
pub(super) fn federated(command: &Federated) -> Result<(), anyhow::Error> {
    match command {
        Federated::Simulate(arguments) => simulate_round(arguments),
    }
}

/// Loses what some parties say after contributing.
struct Lossy {
    silent: std::ops::Range<u16>,
    contributions: Vec<usize>,
}

impl Network for Lossy {
    fn to_coordinator(&mut self, from: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        if !self.silent.contains(&from) {
            return vec![frame];
        }
        // The contribution and a share for each holder come first.
        let left = &mut self.contributions[usize::from(from)];
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                vec![frame]
            }
            None => vec![],
        }
    }

    fn to_party(&mut self, _: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        vec![frame]
    }
}

/// One round over random updates, checked against the plain sum.
fn simulate_round(arguments: &Simulate) -> Result<(), anyhow::Error> {
    let parties = arguments.parties;
    let holders = arguments.holders.unwrap_or(parties);
    if holders > parties {
        return Err(
            Failure::usage("--holders is larger than --parties; holders are parties").into(),
        );
    }
    if arguments.dropouts >= parties {
        return Err(Failure::usage("--dropouts leaves nobody; give fewer than --parties").into());
    }
    let names: Vec<String> = (0..parties).map(|i| format!("party {}", i + 1)).collect();
    let identities: Vec<Identity> = names
        .iter()
        .map(|name| Identity::generate(name, &mut OsRng))
        .collect();
    let bound = (f64::from(arguments.coordinates).sqrt() * 2f64.powi(arguments.bits as i32)) as u64;
    let mut session = [0; 32];
    OsRng.fill_bytes(&mut session);
    let manifest = Manifest {
        session,
        round: 0,
        attempt: 0,
        model: [0; 32],
        parties: identities.iter().map(Identity::entry).collect(),
        holders: (0..holders).collect(),
        threshold: (holders - 1) / 2,
        colluders: 0,
        minimum_honest: 2,
        coordinates: arguments.coordinates,
        coordinate_bits: arguments.bits,
        log_rows: arguments.log_rows,
        clip_norm: bound,
        noise_norm: bound,
        norm_circuit: None,
        terms: vec![],
    };
    let updates: Vec<Update> = (0..parties).map(|_| random_update(arguments)).collect();
    let seeds: Vec<[u8; 32]> = (0..parties)
        .map(|_| {
            let mut seed = [0; 32];
            OsRng.fill_bytes(&mut seed);
            seed
        })
        .collect();
    let start = Instant::now();
    let bases = ColumnBases::transparent(arguments.log_rows);
    let preparation = start.elapsed();
    let setup = Setup::new(manifest, bases).map_err(|e| Failure::usage(e.to_string()))?;
    let setup = Arc::new(setup);
    let others = |i: u16| usize::from(holders) - usize::from(i < holders);
    let mut network = Lossy {
        silent: parties - arguments.dropouts..parties,
        contributions: (0..parties).map(|i| 1 + others(i)).collect(),
    };
    let start = Instant::now();
    let run = simulate(&setup, &identities, &updates, &seeds, &mut network)
        .map_err(|e| Failure::usage(e.to_string()))?;
    let elapsed = start.elapsed();
    if let Some(reason) = run.coordinator.failure() {
        return Err(Failure::usage(format!("the round ended without a sum: {reason}")).into());
    }
    check(&run, &updates)?;
    report(
        arguments,
        &run,
        &names,
        preparation.as_secs_f64(),
        elapsed.as_secs_f64(),
    )
}

/// Uniform coordinates of half the width for the update, and the same for the noise.
fn random_update(arguments: &Simulate) -> Update {
    let half = 1i64 << (arguments.bits - 2);
    let draw = || -> Vec<i64> {
        let mut bytes = vec![0; 4 * arguments.coordinates as usize];
        OsRng.fill_bytes(&mut bytes);
        let (words, _) = bytes.as_chunks::<4>();
        let value = |word: &[u8; 4]| i64::from(u32::from_le_bytes(*word)) % (2 * half) - half;
        words.iter().map(value).collect()
    };
    Update {
        clipped: draw(),
        noise: draw(),
    }
}

/// Whether every party has the plain sum.
fn check(run: &Simulation, updates: &[Update]) -> Result<(), anyhow::Error> {
    for party in &run.parties {
        let aggregate = party.aggregate();
        let aggregate = aggregate.ok_or_else(|| anyhow::anyhow!("a party has no sum"))?;
        let mut sum = vec![0; aggregate.sum.len()];
        for survivor in &aggregate.certificate.survivors.survivors {
            let update = &updates[usize::from(survivor.party)];
            for (s, (u, n)) in sum.iter_mut().zip(update.clipped.iter().zip(&update.noise)) {
                *s += u + n;
            }
        }
        anyhow::ensure!(
            sum == aggregate.sum,
            "a party has another sum than the plain one"
        );
    }
    Ok(())
}

fn report(
    arguments: &Simulate,
    run: &Simulation,
    names: &[String],
    preparation: f64,
    elapsed: f64,
) -> Result<(), anyhow::Error> {
    let survivors = run.parties[0]
        .aggregate()
        .map(|a| a.certificate.survivors.survivors.clone());
    let survivors: Vec<u16> = survivors
        .unwrap_or_default()
        .iter()
        .map(|survivor| survivor.party)
        .collect();
    let lines = names.iter().zip(&run.costs).enumerate();
    if arguments.json {
        let parties: Vec<_> = lines
            .map(|(i, (name, cost))| {
                json!({
                    "name": name,
                    "seconds": cost.time.as_secs_f64(),
                    "sent_bytes": cost.sent,
                    "received_bytes": cost.received,
                    "in_sum": survivors.contains(&(i as u16)),
                })
            })
            .collect();
        return Ok(print_json(&json!({
            "coordinates": arguments.coordinates,
            "preparation_seconds": preparation,
            "round_seconds": elapsed,
            "parties": parties,
        }))?);
    }
    let mut table = Table::new(&["party", "seconds", "sent MB", "received MB", "in the sum"]);
    for (i, (name, cost)) in lines {
        table.push(vec![
            name.clone(),
            format!("{:.2}", cost.time.as_secs_f64()),
            format!("{:.2}", cost.sent as f64 / 1e6),
            format!("{:.2}", cost.received as f64 / 1e6),
            if survivors.contains(&(i as u16)) {
                "yes"
            } else {
                "no"
            }
            .to_owned(),
        ]);
    }
    print(&table.render())?;
    Ok(print(&format!(
        "\n{} coordinates, every party has the sum. Round {elapsed:.2} s, bases {preparation:.2} s.\n",
        arguments.coordinates
    ))?)
}
