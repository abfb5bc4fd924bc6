//! A compliance proof that verifiers elsewhere check: `tests/vectors/groth16/compliance`.
//!
//! Written anew with CLEARPROOF_WRITE_VECTORS=1.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clearproof_federated::groth16::compliance::Compliance;
use clearproof_federated::groth16::{context, snarkjs, verifying_key, Statement};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

#[test]
fn the_compliance_proof_is_the_one_that_browsers_verify() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/groth16/compliance");
    let text = fs::read(folder.join("statement.json")).unwrap();
    let statement: Compliance = match serde_json::from_slice(&text).unwrap() {
        Statement::Compliance(statement) => statement,
        other => panic!("{other:?}"),
    };
    // Fixed seeds: the same key and proof in every run.
    let mut rng = ChaCha20Rng::seed_from_u64(27);
    let key = Statement::Compliance(statement.clone())
        .single_party_key(&mut rng)
        .unwrap();
    let values = [
        ("num_samples", 5000),
        ("positives", 1200),
        ("age_min", 18),
        ("age_max", 90),
    ];
    let values: BTreeMap<String, i64> = values.map(|(name, value)| (name.into(), value)).into();
    let record = statement.record(&values, &mut rng).unwrap();
    let proven = statement
        .prove(&key, &record, context(b"round 1"), &mut rng)
        .unwrap();
    proven.verify(&verifying_key(&key).unwrap()).unwrap();
    let files = [
        ("verification_key.json", snarkjs::verification_key(&key)),
        ("proof.json", snarkjs::proof(&proven)),
        ("public.json", snarkjs::public_inputs(&proven)),
    ];
    for (name, value) in files {
        let text = format!("{value:#}\n");
        if std::env::var_os("CLEARPROOF_WRITE_VECTORS").is_some() {
            fs::write(folder.join(name), &text).unwrap();
        }
        assert_eq!(
            fs::read_to_string(folder.join(name)).unwrap(),
            text,
            "{name}"
        );
    }
}
