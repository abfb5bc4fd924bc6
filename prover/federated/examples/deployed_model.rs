//! A small training whose model is compiled and decides: certificate, roster, decisions and `verifier.bin`.
//!
//!     cargo run --locked --package clearproof-federated --example deployed_model -- tests/vectors/training/deployed
//!     cargo run --locked --package clearproof-federated --example deployed_model -- tests/vectors/training/agreed POWERS.ptau
//!
//! makes the vectors of the browser's tests anew. Without powers of tau the constraint's key is one party's: verifiers
//! refuse it unless insecure set-ups are allowed. On powers (tests/vectors/ceremony/make.mjs says how they are made) two
//! of the firms make the key, and nothing needs to be allowed.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clearproof_federated::aggregation::party::Update;
use clearproof_federated::certificate::roster_json;
use clearproof_federated::groth16::ceremony::phase_one::PhaseOne;
use clearproof_federated::groth16::ceremony::Ceremony;
use clearproof_federated::groth16::compliance::{Compliance, ComplianceConstraint};
use clearproof_federated::groth16::Statement;
use clearproof_federated::learner::{SecureFederatedLearner, Settings};
use clearproof_federated::training::optimizer::Rule;
use clearproof_federated::training::{onnx, Architecture, Loss, Model};
use clearproof_prover::prove::{
    compile, prove, CompileOptions, InputVisibility, Row, Scheme, Silent, SrsSource,
};
use clearproof_prover::quantize::{quantize, quantize_input, QuantizeOptions};
use clearproof_shared::artifact::bundle::Bundle;
use rand_core::{OsRng, RngCore};
use sha2::{Digest, Sha256};

const FIRMS: [&str; 4] = ["Aurora Bank", "Borealis Credit", "Cirrus", "Dorado & Sons"];
const EACH: usize = 200;
const ROUNDS: u32 = 6;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let out = arguments.next().ok_or("name a folder")?;
    let powers = arguments.next();
    // 1. Rounds of training, with norm proofs.
    let parties: Vec<_> = FIRMS.iter().map(|_| points(EACH)).collect();
    let constraints = Compliance {
        fields: vec!["num_samples".into()],
        constraints: vec![ComplianceConstraint {
            name: "num_samples".into(),
            min: Some(100),
            max: None,
            required_fields: vec![],
        }],
        linear: vec![],
    };
    let budgets = tempfile::tempdir()?;
    let settings = Settings {
        rounds: ROUNDS,
        sampling_rate: 0.5,
        clip_norm: 1.0,
        rule: Rule::Sgd {
            learning_rate: 2.0,
            momentum: 0.5,
        },
        log_scale: 12,
        coordinate_bits: 28,
        log_rows: 9,
        records: FIRMS.len() * EACH,
        most_examples: EACH as u32,
        norm_proofs: true,
        dropouts: 0,
        budgets: budgets.path().to_owned(),
    };
    let architecture = Architecture::mlp(2, &[4], 1, Loss::Logistic)?;
    let model = Model::initialized(architecture, &mut OsRng);
    let promised = Some(constraints.clone());
    let mut learner =
        SecureFederatedLearner::new(model, &FIRMS, promised, 8.0, 1e-5, &settings, &mut OsRng)?;
    for _ in 0..ROUNDS {
        let updates = parties
            .iter()
            .map(|(data, labels)| Ok(learner.compute_local_update(data, labels, &mut OsRng)?.0));
        let updates = updates.collect::<Result<Vec<Update>, Box<dyn Error>>>()?;
        let aggregate = learner.aggregate_updates(&updates, &mut OsRng)?;
        learner.apply_update(&aggregate)?;
    }
    // 2. A constraint that the second firm proves.
    let statement = Statement::Compliance(constraints.clone());
    let (key, report) = match powers {
        Some(path) => {
            let powers = PhaseOne::from_ptau(&fs::read(path)?)?;
            let mut ceremony = Ceremony::new(statement, &powers)?;
            for firm in &FIRMS[..2] {
                ceremony.contribute(firm, &mut OsRng)?;
            }
            let (key, report) = ceremony.reported_keys(&powers, false)?;
            (key.clone(), Some(report))
        }
        None => (statement.single_party_key(&mut OsRng)?, None),
    };
    let values = [("num_samples".to_owned(), EACH as i64)]
        .into_iter()
        .collect();
    let fields = constraints.record(&values, &mut OsRng)?;
    learner.verify_compliance(1, &fields, &key, report.as_ref(), &mut OsRng)?;
    // 3. The third compiles the model; it decides on a few points.
    let graph = clearproof_prover::onnx::load(&onnx::write(learner.model()))?;
    let integer = quantize(&graph, &[], &QuantizeOptions::default())?.model;
    let options = CompileOptions {
        scheme: Scheme::Ipa,
        srs: SrsSource::Transparent,
        batch: 2,
        inputs: InputVisibility::Committed,
        model_name: "line".into(),
        policy: None,
    };
    let artifact = compile(&integer, &options, &mut OsRng, &Silent)?;
    let spec = &integer.skeleton.inputs[0];
    let mut rows = vec![];
    for point in points(4).0.chunks_exact(2) {
        let cells = point.iter().enumerate();
        let cells = cells.map(|(i, &x)| Ok(quantize_input(spec, i, f64::from(x))?.0));
        rows.push(Row {
            input: cells.collect::<Result<_, Box<dyn Error>>>()?,
            metadata: b"point".to_vec(),
        });
    }
    let evidence = prove(&artifact, &rows, &mut OsRng, &Silent)?.evidence(&artifact, true);
    // 4. The certificate names what was compiled.
    let bundle = Bundle::decode(artifact.bundle_bytes())?;
    let mut certificate = learner.certificate()?.ok_or("no round")?;
    let parts: [&[u8]; 3] = [&bundle.key, &bundle.model, artifact.bundle_bytes()];
    learner.deploy(
        &mut certificate,
        2,
        parts.map(|part| Sha256::digest(part).into()),
    );
    fs::create_dir_all(&out)?;
    fs::write(out.join("certificate.bin"), certificate.encode())?;
    fs::write(out.join("roster.json"), roster_json(learner.roster()))?;
    fs::write(out.join("decisions.evidence"), evidence)?;
    fs::write(out.join("verifier.bin"), artifact.bundle_bytes())?;
    Ok(())
}

/// Points of the plane, labelled by which side of a line they are on.
fn points(count: usize) -> (Vec<f32>, Vec<u32>) {
    let unit = |_| (OsRng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
    let features: Vec<f32> = (0..2 * count).map(unit).collect();
    let labels = features
        .chunks(2)
        .map(|p| u32::from(2.0 * p[0] - p[1] > 0.1));
    let labels = labels.collect();
    (features, labels)
}
