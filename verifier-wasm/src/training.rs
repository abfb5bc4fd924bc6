//! Training certificates: their checks, for JavaScript. The shapes are in `training.d.ts`.

use clearproof_shared::encoding::hex;
use clearproof_shared::training::certificate::{roster_digest as digest_of, Certificate};
use clearproof_shared::training::manifest::{Manifest, RosterEntry};
use clearproof_shared::verify::training::{verify_certificate, TrainingOptions};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsCast;

use super::{now, to_js, Files, Verifier};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("training.d.ts");

#[wasm_bindgen]
extern "C" {
    /// `TrainingReport`
    #[wasm_bindgen(typescript_type = "TrainingReport")]
    pub type TrainingReport;

    /// `TrainingClaims | null`
    #[wasm_bindgen(typescript_type = "TrainingClaims | null")]
    pub type MaybeTrainingClaims;
}

#[wasm_bindgen]
impl Verifier {
    /// Checks a training certificate. `roster`: SHA-256 of the roster that the auditor knows, in hex; without it the
    /// verdict is at best "unknown". `evidence`: files with decisions that should be by the certificate's model, judged
    /// against what was pinned. Insecure set-ups of compliance keys are accepted where development set-ups are.
    #[wasm_bindgen(js_name = verifyTrainingCertificate)]
    pub fn verify_training_certificate(
        &mut self,
        certificate: &[u8],
        roster: Option<String>,
        evidence: &Files,
    ) -> TrainingReport {
        let reports = self.reports(evidence);
        let files = evidence.0.iter().map(|(_, bytes)| bytes.as_slice());
        let options = TrainingOptions {
            // What is no digest is nobody's: nothing hashes to zeros.
            roster: roster.map(|text| digest_from_hex(&text).unwrap_or_default()),
            allow_insecure_setup: self.allow_insecure_dev_srs,
            evidence: files.zip(&reports).collect(),
            clock: Some(&now),
        };
        to_js(&verify_certificate(certificate, &options)).unchecked_into()
    }
}

/// What a certificate says of itself, unchecked: to choose the roster and the evidence that it is to be checked with.
/// Null if it is no certificate.
#[wasm_bindgen(js_name = describeTrainingCertificate)]
pub fn describe_training_certificate(certificate: &[u8]) -> MaybeTrainingClaims {
    to_js(&claims(certificate)).unchecked_into()
}

/// `TrainingClaims`
#[derive(Serialize)]
struct TrainingClaims {
    roster: String,
    commitment: Option<String>,
}

fn claims(bytes: &[u8]) -> Option<TrainingClaims> {
    let certificate = Certificate::decode(bytes).ok()?;
    let manifest = Manifest::decode(&certificate.body.rounds.first()?.manifest).ok()?;
    Some(TrainingClaims {
        roster: hex(&digest_of(&manifest.parties)),
        commitment: certificate.deployment.map(|d| hex(&d.commitment)),
    })
}

/// SHA-256 of a roster, in hex. `keys`: 64 bytes a party, its signing and its sealing key. Undefined if their number is
/// another than that of the names.
#[wasm_bindgen(js_name = rosterDigest)]
pub fn roster_digest(names: Vec<String>, keys: &[u8]) -> Option<String> {
    let (pairs, rest) = keys.as_chunks::<64>();
    if pairs.len() != names.len() || !rest.is_empty() {
        return None;
    }
    let entry = |(name, pair): (String, &[u8; 64])| {
        let (mut signing_key, mut sealing_key) = ([0; 32], [0; 32]);
        signing_key.copy_from_slice(&pair[..32]);
        sealing_key.copy_from_slice(&pair[32..]);
        RosterEntry {
            name,
            signing_key,
            sealing_key,
        }
    };
    let parties: Vec<RosterEntry> = names.into_iter().zip(pairs).map(entry).collect();
    Some(hex(&digest_of(&parties)))
}

fn digest_from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Some(digest)
}
