//! Rounds of record-level private training among parties in one process; what the examples share.
//!
//! Each round every party draws a secret Poisson sample, sums clipped gradients, rounds them to the grid and adds
//! its share of discrete Gaussian noise; the sum is what secure aggregation opens.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use clearproof_federated::privacy::accountant::{noise_multiplier, Mechanism};
use clearproof_federated::privacy::budget::{Budget, Debit};
use clearproof_federated::privacy::distributed::{Cohort, NoisePlan};
use clearproof_federated::privacy::{Adjacency, PrivacyTarget};
use clearproof_federated::training::optimizer::{Optimizer, Rule};
use clearproof_federated::training::quantize::Grid;
use clearproof_federated::training::{sampling, update, Examples, Model};
use rand_core::{CryptoRng, RngCore};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A training run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Rounds, one step each.
    pub(crate) rounds: u32,
    /// q.
    pub(crate) sampling_rate: f64,
    /// C.
    pub(crate) clip_norm: f64,
    /// What the mean gradient is given to.
    pub(crate) rule: Rule,
    /// (epsilon, delta); none: no noise.
    pub(crate) privacy: Option<(f64, f64)>,
    /// Log of the grid's units in 1.
    pub(crate) log_scale: u32,
}

/// Trains, printing a line every few rounds; returns accuracy on `test` and epsilon spent.
///
/// # Errors
/// Settings that do not fit, or a budget that does not suffice.
pub(crate) fn train<R: RngCore + CryptoRng>(
    run: Run,
    model: &mut Model,
    parties: &[Examples],
    test: &Examples,
    rng: &mut R,
) -> Result<(f64, f64)> {
    let grid = Grid::new(run.log_scale, 40)?;
    let coordinates = model.parameters().len();
    let records: usize = parties.iter().map(Examples::len).sum();
    let divisor = sampling::expected_size(records, run.sampling_rate);
    let mut optimizer = Optimizer::new(run.rule, coordinates)?;
    // 1. The noise, and a budget for it.
    let adjacency = Adjacency::AddRemoveRecord;
    let folder = tempfile::tempdir()?;
    let mut noise = match run.privacy {
        None => None,
        Some((epsilon, delta)) => {
            let target = PrivacyTarget::new(epsilon, delta, adjacency)?;
            let budget = Budget::open(&folder.path().join("budget.json"), target)?;
            // A little of both is left for the slack of the discrete noise.
            let z = noise_multiplier(epsilon * 0.999, delta * 0.99, run.sampling_rate, run.rounds)?;
            let cohort = Cohort {
                parties: u32::try_from(parties.len())?,
                dropouts: 0,
                colluders: 0,
            };
            let sensitivity = grid.sensitivity(run.clip_norm, coordinates, false);
            let plan = NoisePlan::new(cohort, z, sensitivity, adjacency)?;
            println!(
                "noise multiplier {z:.3}, each party's sigma {:.0} grid units",
                plan.share.sigma()
            );
            Some((plan, budget))
        }
    };
    let mut spent = 0.0;
    for round in 0..run.rounds {
        // 2. The budget first.
        if let Some((plan, budget)) = &mut noise {
            let mechanism = Mechanism::new(plan.noise_multiplier, run.sampling_rate, 1)?;
            let slack = plan.slack(coordinates);
            spent = budget.debit(Debit::new(&round.to_string(), mechanism, adjacency, slack))?;
        }
        // 3. Each party's vector, and their sum.
        let mut sum = vec![0i64; coordinates];
        for party in parties {
            let local = update::record_level(model, party, run.sampling_rate, run.clip_norm, rng)?;
            let mut vector = grid.quantize(&local.vector)?;
            if let Some((plan, _)) = &noise {
                vector.iter_mut().for_each(|x| *x += plan.share.sample(rng));
            }
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        }
        // 4. The step.
        optimizer.step(model.parameters_mut(), &grid.mean(&sum, divisor))?;
        if (round + 1) % 10 == 0 || round + 1 == run.rounds {
            let accuracy = model.evaluate(test)?.accuracy;
            println!(
                "round {:3}: accuracy {accuracy:.4}, epsilon spent {spent:.4}",
                round + 1
            );
        }
    }
    Ok((model.evaluate(test)?.accuracy, spent))
}

/// Examples dealt to so many parties in turn.
pub(crate) fn deal(
    features: &[f32],
    labels: &[u32],
    width: usize,
    parties: usize,
) -> Result<Vec<Examples>> {
    let one = |party: usize| {
        let own = (party..labels.len()).step_by(parties);
        let rows = own
            .clone()
            .flat_map(|i| &features[i * width..][..width])
            .copied();
        Ok(Examples::new(
            rows.collect(),
            own.map(|i| labels[i]).collect(),
            width,
        )?)
    };
    (0..parties).map(one).collect()
}

/// The folder for data sets, which are fetched once and never committed.
pub(crate) fn data_folder() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/data");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs a command in a folder.
///
/// # Errors
/// It cannot be started, or fails.
pub(crate) fn run_in(folder: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()?;
    if !output.status.success() {
        let cause = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{program} {}: {cause}", arguments.join(" ")).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
