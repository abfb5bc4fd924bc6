//! `clearproof verify --reference`: halo2's own verifier as a second opinion on every proof.
//!
//! It judges the Halo2 part of a proof alone; links, registration, reference strings and trust are judged by
//! the checks of the report.

use clearproof_prover::prove::verify_reference;
use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::evidence::{BundleRef, Evidence, ProvedRows};
use clearproof_shared::artifact::key::VerifyingKey;
use clearproof_shared::encoding::points_from_bytes;
use clearproof_shared::verify::StatedRows;
use serde_json::{json, Value};

/// What the second verifier says of one proof.
pub(super) struct SecondOpinion {
    /// File and proof.
    pub(super) what: String,
    /// Why it refuses.
    pub(super) result: Result<(), String>,
}

/// One opinion for each proof of each file; a file that cannot be read has one of its own.
pub(super) fn check(evidence: &[(String, Vec<u8>)], trust: &[Vec<u8>]) -> Vec<SecondOpinion> {
    let trusted: Vec<Bundle> = trust
        .iter()
        .filter_map(|b| Bundle::decode(b).ok())
        .collect();
    let mut opinions = Vec::new();
    for (name, bytes) in evidence {
        match Evidence::decode(bytes) {
            Ok(evidence) => {
                opinions.extend(evidence.proofs.iter().enumerate().map(|(index, rows)| {
                    SecondOpinion {
                        what: format!("{name}, proof {index}"),
                        result: check_rows(&evidence, rows, &trusted),
                    }
                }));
            }
            Err(error) => opinions.push(SecondOpinion {
                what: name.clone(),
                result: Err(error.to_string()),
            }),
        }
    }
    opinions
}

fn check_rows(evidence: &Evidence, rows: &ProvedRows, trusted: &[Bundle]) -> Result<(), String> {
    let embedded;
    let bundle = match evidence.bundles.get(rows.bundle) {
        Some(BundleRef::Embedded(bytes)) => {
            embedded = Bundle::decode(bytes).map_err(|e| e.to_string())?;
            &embedded
        }
        Some(BundleRef::Digest(digest)) => trusted
            .iter()
            .find(|b| b.digest() == *digest)
            .ok_or("its bundle is not at hand")?,
        None => return Err("it names no bundle of the file".to_owned()),
    };
    let key = VerifyingKey::decode(&bundle.key).map_err(|e| e.to_string())?;
    let model = points_from_bytes(&bundle.model).ok_or("the model commitments are not points")?;
    let stated = StatedRows::read(&key, &bundle.digest(), rows)
        .ok_or("the input commitments are not points")?;
    let statement = stated.statement(&model, &evidence.origin);
    verify_reference(bundle, &statement, &rows.proof).map_err(|e| e.to_string())
}

pub(super) fn to_text(opinion: &SecondOpinion) -> String {
    let said = match &opinion.result {
        Ok(()) => "accepted",
        Err(reason) => reason,
    };
    format!("halo2's verifier, {}: {said}\n", opinion.what)
}

pub(super) fn to_json(opinion: &SecondOpinion) -> Value {
    json!({
        "proof": opinion.what,
        "accepted": opinion.result.is_ok(),
        "reason": opinion.result.as_ref().err(),
    })
}
