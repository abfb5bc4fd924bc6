//! Rounds of a federation in one process; what the examples share.
//!
//! Each round every party draws a secret Poisson sample, sums clipped gradients, rounds them to the grid and adds
//! its share of discrete Gaussian noise; the sum is what secure aggregation opened and checked.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use clearproof_federated::aggregation::party::Update;
use clearproof_federated::learner::SecureFederatedLearner;
use clearproof_federated::training::Examples;
use rand_core::OsRng;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A party's features, row by row, and labels.
pub(crate) type Share = (Vec<f32>, Vec<u32>);

/// So many rounds by the whole protocol, a line each; returns the accuracy on `test`.
///
/// # Errors
/// A round ends without a sum, or a budget does not suffice.
pub(crate) fn train(
    learner: &mut SecureFederatedLearner,
    parties: &[Share],
    test: &Examples,
    rounds: u32,
) -> Result<f64> {
    for round in 1..=rounds {
        let updates = parties.iter().map(|(features, labels)| {
            let (update, _) = learner.compute_local_update(features, labels, &mut OsRng)?;
            Ok(update)
        });
        let updates = updates.collect::<Result<Vec<Update>>>()?;
        let aggregate = learner.aggregate_updates(&updates, &mut OsRng)?;
        learner.apply_update(&aggregate)?;
        let (accuracy, spent) = (learner.evaluate(test)?.accuracy, learner.spent(0)?);
        println!("round {round:3}: accuracy {accuracy:.4}, epsilon spent {spent:.4}");
    }
    Ok(learner.evaluate(test)?.accuracy)
}

/// Examples dealt to so many parties in turn.
pub(crate) fn deal(features: &[f32], labels: &[u32], width: usize, parties: usize) -> Vec<Share> {
    let one = |party: usize| {
        let own = (party..labels.len()).step_by(parties);
        let rows = own.clone().flat_map(|i| &features[i * width..][..width]);
        (rows.copied().collect(), own.map(|i| labels[i]).collect())
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
