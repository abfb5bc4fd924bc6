//! `federated simulate`: rounds among parties in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clearproof_federated::aggregation::identity::Identity;
use clearproof_federated::aggregation::party::Update;
use clearproof_federated::aggregation::setup::Setup;
use clearproof_federated::aggregation::simulation::{simulate, Cost, Network, Simulation};
use clearproof_federated::certificate::{conclude, debit, roster_json, target, terms, Record};
use clearproof_federated::norm::NormKey;
use clearproof_federated::privacy::budget::Budget;
use clearproof_federated::privacy::distributed::{Cohort, NoisePlan};
use clearproof_federated::privacy::{Adjacency, PrivacyTarget};
use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::certificate::Certificate;
use clearproof_shared::training::manifest::Manifest;
use clearproof_shared::training::terms::Terms;
use rand_core::{OsRng, RngCore};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::ROSTER;
use crate::args::Simulate;
use crate::commands::{print, print_json};
use crate::failure::Failure;
use crate::files;
use crate::table::Table;

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

/// What all rounds share.
struct Plan {
    manifest: Manifest,
    terms: Option<Terms>,
    /// Each party's noise, and what an update's L2 norm is kept below.
    noise: Option<(NoisePlan, f64)>,
}

/// A finished simulation.
struct Finished {
    costs: Vec<Cost>,
    survivors: Vec<u16>,
    certificate: Option<Certificate>,
    preparation: Duration,
    elapsed: Duration,
}

/// Rounds over random updates, each checked against the plain sum.
pub(super) fn simulate_rounds(arguments: &Simulate) -> Result<(), anyhow::Error> {
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
    let start = Instant::now();
    let bases = ColumnBases::transparent(arguments.log_rows);
    let plan = plan(arguments, &identities, holders, &bases)?;
    let preparation = start.elapsed();
    let finished = run(arguments, &identities, &plan, &bases, preparation)?;
    if let Some(folder) = &arguments.out {
        let certificate = finished
            .certificate
            .as_ref()
            .ok_or_else(|| anyhow::anyhow!("finished rounds have a certificate"))?;
        let entries: Vec<_> = identities.iter().map(Identity::entry).collect();
        std::fs::create_dir_all(folder).map_err(|e| Failure::output(folder, &e))?;
        let roster = roster_json(&entries);
        files::write(
            &folder.join(CERTIFICATE),
            &certificate.encode(),
            files::Secrecy::Public,
        )?;
        files::write(
            &folder.join(ROSTER),
            roster.as_bytes(),
            files::Secrecy::Public,
        )?;
    }
    report(arguments, &finished, &names)
}

/// Sizes, bounds, and the noise where privacy is asked for.
fn plan(
    arguments: &Simulate,
    identities: &[Identity],
    holders: u16,
    bases: &ColumnBases,
) -> Result<Plan, anyhow::Error> {
    let usage = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    let coordinates = arguments.coordinates as usize;
    let root = (coordinates as f64).sqrt();
    let bound = (root * 2f64.powi(arguments.bits as i32)) as u64;
    let mut session = [0; 32];
    OsRng.fill_bytes(&mut session);
    let mut manifest = Manifest {
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
    let mut plan_terms = None;
    let mut noise = None;
    if let Some(epsilon) = arguments.privacy.epsilon {
        let adjacency = Adjacency::AddRemoveRecord;
        let promise = PrivacyTarget::new(epsilon, arguments.privacy.delta, adjacency);
        let promise = promise.map_err(|e| usage(&e))?;
        let mechanism = arguments
            .privacy
            .mechanism(arguments.rounds)
            .map_err(|e| usage(&e))?;
        let cohort = Cohort {
            parties: arguments.parties.into(),
            dropouts: arguments.dropouts.into(),
            colluders: 0,
        };
        // Six standard deviations of a party's noise stay within what norm proofs of whole limbs allow, and the sampler takes so many.
        let honest = f64::from(cohort.honest().map_err(|e| usage(&e))?).sqrt();
        let widest = (2f64.powi(arguments.bits as i32 - 5) / 6.0).min(LARGEST_SIGMA) * honest;
        let clip = (widest / mechanism.noise_multiplier - root).floor();
        if clip < 1.0 {
            return Err(
                Failure::usage("the noise does not fit the coordinates; give more --bits").into(),
            );
        }
        let (agreed, shares) =
            terms(cohort, mechanism, clip, 0, coordinates, promise).map_err(|e| usage(&e))?;
        manifest.clip_norm = clip as u64;
        // Seven beyond the mean: exceeded once in 10^10 draws.
        manifest.noise_norm = (shares.share.sigma() * (root + 7.0)).ceil() as u64;
        manifest.minimum_honest = cohort.honest().map_err(|e| usage(&e))? as u16;
        manifest.terms = agreed.encode();
        plan_terms = Some(agreed);
        noise = Some((shares, clip));
    }
    if arguments.norm_proofs {
        let key = NormKey::new(&manifest, bases).map_err(|e| usage(&e))?;
        manifest.norm_circuit = Some(key.circuit_id());
    }
    manifest.check().map_err(|e| usage(&e))?;
    Ok(Plan {
        manifest,
        terms: plan_terms,
        noise,
    })
}

fn run(
    arguments: &Simulate,
    identities: &[Identity],
    plan: &Plan,
    bases: &ColumnBases,
    preparation: Duration,
) -> Result<Finished, anyhow::Error> {
    let usage = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    let parties = arguments.parties;
    let holders = plan.manifest.holders.len();
    // 1. A budget for each party's data.
    let scratch = tempfile::tempdir()?;
    let folder = arguments.budget.as_deref().unwrap_or(scratch.path());
    let mut budgets = budgets(folder, plan.terms.as_ref(), parties)?;
    let mut records = vec![Record::default(); identities.len()];
    let mut costs = vec![Cost::default(); identities.len()];
    let mut survivors = vec![];
    let mut model = vec![0i64; arguments.coordinates as usize];
    let mut elapsed = Duration::ZERO;
    for round in 0..arguments.rounds {
        let manifest = Manifest {
            round: round.into(),
            model: digest(&model),
            ..plan.manifest.clone()
        };
        // 2. Debited before anything is dealt; a refusal ends it here.
        if let Some(terms) = &plan.terms {
            for (index, budget) in budgets.iter_mut().enumerate() {
                let entry = debit(&manifest, terms).map_err(|e| usage(&e))?;
                let refused = |e| Failure::usage(format!("party {}: {e}", index + 1));
                budget.debit(entry).map_err(refused)?;
            }
        }
        let setup = Setup::new(manifest, bases.clone()).map_err(|e| usage(&e))?;
        let setup = Arc::new(setup);
        let updates: Vec<Update> = (0..parties)
            .map(|_| random_update(arguments, plan))
            .collect();
        let seeds: Vec<[u8; 32]> = (0..parties)
            .map(|_| {
                let mut seed = [0; 32];
                OsRng.fill_bytes(&mut seed);
                seed
            })
            .collect();
        let others = |i: u16| holders - usize::from(usize::from(i) < holders);
        let mut network = Lossy {
            silent: parties - arguments.dropouts..parties,
            contributions: (0..parties).map(|i| 1 + others(i)).collect(),
        };
        // 3. The round.
        let start = Instant::now();
        let run =
            simulate(&setup, identities, &updates, &seeds, &mut network).map_err(|e| usage(&e))?;
        elapsed += start.elapsed();
        if let Some(reason) = run.coordinator.failure() {
            let sentence = format!("the round ended without a sum: {reason}");
            return Err(Failure::usage(sentence).into());
        }
        check(&run, &updates)?;
        let aggregate = run.parties[0].aggregate();
        let aggregate = aggregate.ok_or_else(|| anyhow::anyhow!("a party has no sum"))?;
        // 4. The model is the sum of all sums.
        model
            .iter_mut()
            .zip(&aggregate.sum)
            .for_each(|(x, s)| *x += s);
        let set = &aggregate.certificate.survivors.survivors;
        survivors = set.iter().map(|survivor| survivor.party).collect();
        for (record, party) in records.iter_mut().zip(&run.parties) {
            record.add(party, Some(digest(&model)));
        }
        for (total, cost) in costs.iter_mut().zip(&run.costs) {
            total.time += cost.time;
            total.sent += cost.sent;
            total.received += cost.received;
        }
    }
    // 5. Who was there to the end signs.
    let here = usize::from(parties - arguments.dropouts);
    let signers = identities.iter().zip(&records).enumerate().take(here);
    let signers: Vec<_> = signers
        .map(|(i, (identity, record))| (identity, i as u16, record))
        .collect();
    let certificate = conclude(&signers, &[], Some(digest(&model))).map_err(|e| usage(&e))?;
    Ok(Finished {
        costs,
        survivors,
        certificate,
        preparation,
        elapsed,
    })
}

fn budgets(folder: &Path, terms: Option<&Terms>, parties: u16) -> Result<Vec<Budget>, Failure> {
    let Some(terms) = terms else {
        return Ok(vec![]);
    };
    let promise = target(terms).map_err(|e| Failure::usage(e.to_string()))?;
    std::fs::create_dir_all(folder).map_err(|e| Failure::output(folder, &e))?;
    (1..=parties)
        .map(|party| {
            let path = folder.join(format!("party-{party}.json"));
            Budget::open(&path, promise).map_err(|e| Failure::bad_input(&e))
        })
        .collect()
}

/// SHA-256 of the model, 8 bytes little-endian a coordinate.
fn digest(model: &[i64]) -> [u8; 32] {
    let mut hash = Sha256::new();
    model.iter().for_each(|x| hash.update(x.to_le_bytes()));
    hash.finalize().into()
}

/// Uniform coordinates: of half the width for the update (less where norm proofs allow whole limbs alone), and the same for
/// the noise; where privacy is asked for, an update within the clip norm, and noise as agreed.
fn random_update(arguments: &Simulate, plan: &Plan) -> Update {
    let uniform = |half: i64| -> Vec<i64> {
        let mut bytes = vec![0; 4 * arguments.coordinates as usize];
        OsRng.fill_bytes(&mut bytes);
        let (words, _) = bytes.as_chunks::<4>();
        let value = |word: &[u8; 4]| i64::from(u32::from_le_bytes(*word)) % (2 * half) - half;
        words.iter().map(value).collect()
    };
    match &plan.noise {
        None => {
            let spare = if arguments.norm_proofs { 5 } else { 2 };
            let half = 1i64 << arguments.bits.saturating_sub(spare);
            Update {
                clipped: uniform(half),
                noise: uniform(half),
            }
        }
        Some((shares, clip)) => {
            let each = (clip / f64::from(arguments.coordinates).sqrt()).floor() as i64;
            let mut noise = vec![0; arguments.coordinates as usize];
            shares.share.fill(&mut OsRng, &mut noise);
            Update {
                clipped: match each {
                    0 => vec![0; noise.len()],
                    each => uniform(each),
                },
                noise,
            }
        }
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
    finished: &Finished,
    names: &[String],
) -> Result<(), anyhow::Error> {
    let lines = names.iter().zip(&finished.costs).enumerate();
    let (preparation, elapsed) = (
        finished.preparation.as_secs_f64(),
        finished.elapsed.as_secs_f64() / f64::from(arguments.rounds),
    );
    let spent = finished.certificate.as_ref().and_then(|c| c.body.spent);
    let in_sum = |i: usize| finished.survivors.contains(&(i as u16));
    let rounds = f64::from(arguments.rounds);
    if arguments.json {
        let parties: Vec<_> = lines
            .map(|(i, (name, cost))| {
                json!({
                    "name": name,
                    "seconds": cost.time.as_secs_f64() / rounds,
                    "sent_bytes": cost.sent / u64::from(arguments.rounds),
                    "received_bytes": cost.received / u64::from(arguments.rounds),
                    "in_sum": in_sum(i),
                })
            })
            .collect();
        let privacy = spent.map(|spent| {
            json!({
                "epsilon": spent.epsilon, "renyi_epsilon": spent.renyi_epsilon, "delta": spent.delta,
                "slack_epsilon": spent.slack_epsilon, "slack_delta": spent.slack_delta,
            })
        });
        return Ok(print_json(&json!({
            "coordinates": arguments.coordinates,
            "rounds": arguments.rounds,
            "preparation_seconds": preparation,
            "round_seconds": elapsed,
            "parties": parties,
            "privacy": privacy,
        }))?);
    }
    let mut table = Table::new(&["party", "seconds", "sent MB", "received MB", "in the sum"]);
    for (i, (name, cost)) in lines {
        table.push(vec![
            name.clone(),
            format!("{:.2}", cost.time.as_secs_f64() / rounds),
            format!("{:.2}", cost.sent as f64 / 1e6 / rounds),
            format!("{:.2}", cost.received as f64 / 1e6 / rounds),
            if in_sum(i) { "yes" } else { "no" }.to_owned(),
        ]);
    }
    print(&table.render())?;
    if let Some(spent) = spent {
        print(&format!(
            "\nprivacy spent: epsilon {:.4} at delta {:e} (Rényi bound {:.4}; discreteness adds {:.1e} and {:.1e})\n",
            spent.epsilon, spent.delta, spent.renyi_epsilon, spent.slack_epsilon, spent.slack_delta
        ))?;
    }
    print(&format!(
        "\n{} coordinates, every party has the sum. Round {elapsed:.2} s, bases {preparation:.2} s.\n",
        arguments.coordinates
    ))?;
    match &arguments.out {
        None => Ok(()),
        Some(folder) => Ok(print(&format!(
            "training certificate: {}; roster: {}\n",
            folder.join(CERTIFICATE).display(),
            folder.join(ROSTER).display()
        ))?),
    }
}

/// Of one party's noise, grid units: the sampler's limit is 2^19.
const LARGEST_SIGMA: f64 = 500_000.0;
const CERTIFICATE: &str = "certificate.bin";
