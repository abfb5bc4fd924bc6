//! `clearproof federated`: several firms train one model.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clearproof_federated::aggregation::identity::Identity;
use clearproof_federated::aggregation::party::Update;
use clearproof_federated::aggregation::setup::Setup;
use clearproof_federated::aggregation::simulation::{simulate, Network, Simulation};
use clearproof_federated::norm::NormKey;
use clearproof_federated::transport::certificates::Validity;
use clearproof_federated::transport::coordinate::coordinate;
use clearproof_federated::transport::participate::participate;
use clearproof_federated::transport::provision::provision;
use clearproof_federated::transport::TransportError;
use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::manifest::Manifest;
use rand_core::{OsRng, RngCore};
use serde_json::json;
use tokio::net::TcpListener;

use super::{print, print_json};
use crate::args::{Coordinate, Federated, PartyArguments, Provision, Simulate};
use crate::failure::Failure;
use crate::files;
use crate::table::Table;

/// Carries out `federated`.
pub(super) fn federated(command: &Federated) -> Result<(), anyhow::Error> {
    match command {
        Federated::Provision(arguments) => write_folders(arguments),
        Federated::Coordinate(arguments) => relay(arguments),
        Federated::Party(arguments) => take_part(arguments),
        Federated::Simulate(arguments) => simulate_round(arguments),
    }
}

/// Years that the certificates are good for, by the system's clock.
fn validity() -> Validity {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / 86_400);
    let year = 1970 + (days * 400 / 146_097) as i32;
    Validity {
        from: year,
        until: year + 2,
    }
}

/// `federated provision`.
fn write_folders(arguments: &Provision) -> Result<(), anyhow::Error> {
    let parties = arguments.parties.len() as u16;
    let holders = arguments.holders.unwrap_or(parties);
    let mut session = [0; 32];
    OsRng.fill_bytes(&mut session);
    let template = Manifest {
        session,
        round: arguments.round,
        attempt: 0,
        model: [0; 32],
        parties: vec![],
        holders: (0..holders).collect(),
        threshold: holders.saturating_sub(1) / 2,
        colluders: arguments.colluders,
        minimum_honest: 2,
        coordinates: arguments.coordinates,
        coordinate_bits: arguments.bits,
        log_rows: arguments.log_rows,
        clip_norm: arguments.clip_norm,
        noise_norm: arguments.noise_norm,
        norm_circuit: None,
        terms: vec![],
    };
    // The keys of stand-ins decide nothing of the sizes: what is refused is refused before anything is written.
    let stand_ins = arguments
        .parties
        .iter()
        .map(|name| Identity::generate(name, &mut OsRng));
    let entries = stand_ins.map(|identity| identity.entry()).collect();
    let trial = Manifest {
        parties: entries,
        ..template.clone()
    };
    trial.check().map_err(|e| Failure::usage(e.to_string()))?;
    let norm_circuit = match arguments.without_norm_proofs {
        true => None,
        false => {
            let bases = ColumnBases::transparent(arguments.log_rows);
            let key = NormKey::new(&trial, &bases).map_err(|e| Failure::usage(e.to_string()))?;
            Some(key.circuit_id())
        }
    };
    let complete = |identities: &[Identity]| Manifest {
        parties: identities.iter().map(Identity::entry).collect(),
        norm_circuit,
        ..template
    };
    let (out, names) = (&arguments.out, &arguments.parties);
    let folders =
        provision(out, names, validity(), complete, &mut OsRng).map_err(|e| refused(&e))?;
    let mut text = String::from("Give each folder to its firm alone; it holds secret keys.\n");
    for (folder, name) in folders
        .iter()
        .zip(names.iter().map(String::as_str).chain(["coordinator"]))
    {
        text += &format!("  {}  {name}\n", folder.display());
    }
    Ok(print(&text)?)
}

/// `federated coordinate`.
fn relay(arguments: &Coordinate) -> Result<(), anyhow::Error> {
    let failure = runtime()?.block_on(async {
        let listener = TcpListener::bind(&arguments.listen).await.map_err(|e| {
            Failure::usage(format!(
                "cannot listen on {}: {e}; choose another --listen",
                arguments.listen
            ))
        })?;
        print(&format!("listening on {}\n", listener.local_addr()?))?;
        let step = Duration::from_secs(arguments.step_timeout_s);
        let log = Box::new(|line: &str| eprintln!("clearproof: {line}"));
        let result = coordinate(&arguments.folder, listener, step, log).await;
        Ok::<_, anyhow::Error>(result.map_err(|e| refused(&e))?)
    })?;
    match failure {
        None => Ok(print("the round is over; the parties have the sum\n")?),
        Some(reason) => {
            Err(Failure::usage(format!("the round ended without a sum: {reason}")).into())
        }
    }
}

/// `federated party`.
fn take_part(arguments: &PartyArguments) -> Result<(), anyhow::Error> {
    let update = read_update(&arguments.update)?;
    let timeout = Duration::from_secs(arguments.timeout_s);
    let party = runtime()?
        .block_on(participate(
            &arguments.folder,
            &arguments.connect,
            &update,
            timeout,
            &mut OsRng,
        ))
        .map_err(|e| refused(&e))?;
    let aggregate = party
        .aggregate()
        .ok_or_else(|| anyhow::anyhow!("a finished party has a sum"))?;
    let survivors: Vec<u16> = aggregate
        .certificate
        .survivors
        .survivors
        .iter()
        .map(|s| s.party + 1)
        .collect();
    let blamed: Vec<_> = party
        .blamed()
        .iter()
        .map(|(party, deed)| json!({"party": party + 1, "deed": format!("{deed:?}")}))
        .collect();
    let result = json!({"parties": survivors, "blamed": blamed, "sum": aggregate.sum});
    files::write(
        &arguments.out,
        result.to_string().as_bytes(),
        files::Secrecy::Public,
    )?;
    let list: Vec<String> = survivors.iter().map(u16::to_string).collect();
    Ok(print(&format!(
        "sum of parties {} written to {}\n",
        list.join(", "),
        arguments.out.display()
    ))?)
}

fn read_update(path: &std::path::Path) -> Result<Update, anyhow::Error> {
    let value: serde_json::Value = serde_json::from_slice(&files::read(path, MAX_UPDATE)?)
        .map_err(|e| Failure::input(path, e))?;
    let list = |name: &str| -> Result<Vec<i64>, Failure> {
        let items = value[name].as_array();
        // NaN, infinity and fractions are no integers of the grid.
        let numbers = items.and_then(|items| items.iter().map(serde_json::Value::as_i64).collect());
        numbers
            .ok_or_else(|| Failure::input(path, format!("`{name}` is no list of 64-bit integers")))
    };
    Ok(Update {
        clipped: list("clipped")?,
        noise: list("noise")?,
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, anyhow::Error> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

fn refused(error: &TransportError) -> Failure {
    match error {
        TransportError::File { .. } => Failure::bad_input(error),
        _ => Failure::usage(error.to_string()),
    }
}

/// A list of 2^24 integers of 20 bits, twice, with room to spare.
const MAX_UPDATE: u64 = 1 << 29;

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
