//! Training certificates: their checks, for JavaScript. The shapes are in `training.d.ts`.

use clearproof_shared::verify::training::{verify_certificate, TrainingOptions};
use clearproof_shared::verify::{Options, Verifier as SharedVerifier};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsCast;

use super::{now, to_js, Files};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("training.d.ts");

#[wasm_bindgen]
extern "C" {
    /// `TrainingReport`
    #[wasm_bindgen(typescript_type = "TrainingReport")]
    pub type TrainingReport;
}

/// Checks a training certificate. `roster`: SHA-256 of the roster that the auditor knows, in hex; without it the
/// verdict is at best "unknown". `evidence`: files with decisions that should be by the certificate's model.
#[wasm_bindgen(js_name = verifyTrainingCertificate)]
pub fn verify_training_certificate(
    certificate: &[u8],
    roster: Option<String>,
    evidence: &Files,
    allow_insecure_setup: bool,
) -> TrainingReport {
    let files: Vec<(&str, &[u8])> = evidence
        .0
        .iter()
        .map(|(name, bytes)| (&**name, &**bytes))
        .collect();
    let options = Options {
        allow_insecure_dev_srs: allow_insecure_setup,
        clock: Some(&now),
        ..Options::default()
    };
    let reports = SharedVerifier::default().verify_files(&files, &options);
    let options = TrainingOptions {
        // What is no digest is nobody's: nothing hashes to zeros.
        roster: roster.map(|text| digest_from_hex(&text).unwrap_or_default()),
        allow_insecure_setup,
        evidence: files
            .iter()
            .map(|(_, bytes)| *bytes)
            .zip(&reports)
            .collect(),
        clock: Some(&now),
    };
    to_js(&verify_certificate(certificate, &options)).unchecked_into()
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
