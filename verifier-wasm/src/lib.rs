//! Bindings of the verifier for JavaScript: convert, delegate to `clearproof_shared`, convert back.
//!
//! 1. Claim: [`verify`] and [`Verifier`] give the reports that the command line gives on the same bytes. Bad evidence
//!    is a report with verdict `invalid`; an exception is a defect of the verifier.
//! 2. The shapes are in `types.d.ts`, which becomes part of the package's declarations.
//! 3. Assumed: a global `performance.now`, which browsers, workers and Node have.

use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::key::{Scheme, VerifyingKey};
use clearproof_shared::encoding::hex;
use clearproof_shared::verify::report::{
    Check, Model, Outcome, Record, Report as SharedReport, ShownMetadata, Verdict,
};
use clearproof_shared::verify::srs::{recognise, Recognised};
use clearproof_shared::verify::{Generators, Options, Verifier as SharedVerifier};
use js_sys::{Array, Object, Reflect, Uint8Array};
use sha2::{Digest, Sha256};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.d.ts");

#[wasm_bindgen]
extern "C" {
    /// `readonly EvidenceFile[]`
    #[wasm_bindgen(typescript_type = "readonly EvidenceFile[]")]
    pub type EvidenceFiles;

    /// `EvidenceFile`
    #[wasm_bindgen(typescript_type = "EvidenceFile")]
    pub type EvidenceFile;
    #[wasm_bindgen(method, getter)]
    fn name(this: &EvidenceFile) -> String;
    #[wasm_bindgen(method, getter)]
    fn bytes(this: &EvidenceFile) -> Uint8Array;

    /// `VerifyOptions`
    #[wasm_bindgen(typescript_type = "VerifyOptions")]
    pub type VerifyOptions;
    #[wasm_bindgen(method, getter)]
    fn trust(this: &VerifyOptions) -> Array;
    #[wasm_bindgen(method, getter, js_name = allowInsecureDevSrs)]
    fn allow_insecure_dev_srs(this: &VerifyOptions) -> bool;

    /// `Report[]`
    #[wasm_bindgen(typescript_type = "Report[]")]
    pub type Reports;

    /// `TrustFile`
    #[wasm_bindgen(typescript_type = "TrustFile")]
    pub type TrustFile;

    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// Judges each file.
#[wasm_bindgen]
pub fn verify(files: &EvidenceFiles, options: &VerifyOptions) -> Reports {
    Verifier::new().verify(files, options)
}

/// Judges files, and remembers which bundles held, so that the next file under one of them is judged
/// sooner. The verdicts are those of `verify`.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Verifier(SharedVerifier);

#[wasm_bindgen]
impl Verifier {
    /// A verifier that has seen nothing.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges each file.
    pub fn verify(&mut self, files: &EvidenceFiles, options: &VerifyOptions) -> Reports {
        judge(&mut self.0, files, options)
    }
}

fn judge(verifier: &mut SharedVerifier, files: &EvidenceFiles, options: &VerifyOptions) -> Reports {
    let files: Vec<(String, Vec<u8>)> = files
        .unchecked_ref::<Array>()
        .iter()
        .map(|file| {
            let file: EvidenceFile = file.unchecked_into();
            (file.name(), file.bytes().to_vec())
        })
        .collect();
    let trust: Vec<Vec<u8>> = options
        .trust()
        .iter()
        .map(|bytes| bytes.unchecked_into::<Uint8Array>().to_vec())
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (&**name, &**bytes))
        .collect();
    let reports = verifier.verify_files(
        &files,
        &Options {
            trust: trust.iter().map(Vec::as_slice).collect(),
            allow_insecure_dev_srs: options.allow_insecure_dev_srs(),
            clock: Some(&now),
        },
    );
    list(&reports, report).unchecked_into()
}

/// Reads a `verifier.bin` and says what pinning it pins.
#[wasm_bindgen(js_name = describeTrust)]
pub fn describe_trust(file: &EvidenceFile) -> TrustFile {
    let described = match trusted_bundle(&file.bytes().to_vec()) {
        Ok(bundle) => object(&[("kind", "bundle".into()), ("bundle", bundle)]),
        Err(reason) => object(&[("kind", "rejected".into()), ("reason", reason.into())]),
    };
    described.unchecked_into()
}

/// The verifier's version.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

fn trusted_bundle(bytes: &[u8]) -> Result<JsValue, String> {
    let bundle = Bundle::decode(bytes).map_err(|error| error.to_string())?;
    let key = VerifyingKey::decode(&bundle.key).map_err(|error| error.to_string())?;
    // One encoding a bundle and a key: the digests of the bytes name both.
    let (scheme, circuit_id) = (key.scheme(), sha256(&bundle.key));
    // Only KZG has a reference string with a secret; reading IPA's generators here would be slow.
    let insecure_dev_srs =
        scheme == Scheme::Kzg && recognise(&key, &Generators::none()) == Recognised::Development;
    Ok(object(&[
        ("fingerprint", hex(&sha256(bytes)).into()),
        ("circuitId", hex(&circuit_id).into()),
        ("modelName", bundle.name.into()),
        (
            "scheme",
            match scheme {
                Scheme::Ipa => "ipa",
                Scheme::Kzg => "kzg",
            }
            .into(),
        ),
        ("insecureDevSrs", insecure_dev_srs.into()),
    ]))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn report(report: &SharedReport) -> JsValue {
    object(&[
        ("file", report.file.as_str().into()),
        (
            "verdict",
            match report.verdict {
                Verdict::Valid => "valid",
                Verdict::Invalid => "invalid",
                Verdict::Unknown => "unknown",
            }
            .into(),
        ),
        ("checks", list(&report.checks, check)),
        (
            "notChecked",
            list(&report.not_checked, |text| text.as_str().into()),
        ),
        ("models", list(&report.models, model)),
        ("records", list(&report.records, record)),
    ])
}

fn check(check: &Check) -> JsValue {
    object(&[
        ("name", check.name.into()),
        ("inputs", check.inputs.as_str().into()),
        (
            "outcome",
            match check.outcome {
                Outcome::Passed => "passed",
                Outcome::Failed => "failed",
                Outcome::Unknown => "unknown",
            }
            .into(),
        ),
        ("reason", check.reason.as_str().into()),
        ("milliseconds", check.milliseconds.into()),
        ("offline", check.offline.into()),
    ])
}

fn model(model: &Model) -> JsValue {
    object(&[
        ("name", model.name.as_str().into()),
        ("circuitId", model.circuit_id.as_str().into()),
        ("commitment", model.commitment.as_str().into()),
        ("bundle", model.bundle.as_str().into()),
    ])
}

fn record(record: &Record) -> JsValue {
    let (kind, value) = match &record.metadata {
        ShownMetadata::Text(text) => ("text", text),
        ShownMetadata::Hex(hex) => ("hex", hex),
        ShownMetadata::Hidden(digest) => ("hidden", digest),
    };
    object(&[
        ("proof", record.proof.into()),
        ("row", record.row.into()),
        ("model", record.model.as_str().into()),
        ("commitment", record.commitment.as_str().into()),
        ("released", integers(&record.released)),
        ("decision", record.decision.as_str().into()),
        (
            "metadata",
            object(&[("kind", kind.into()), ("value", value.into())]),
        ),
        (
            "inputs",
            record.inputs.as_deref().map_or(JsValue::NULL, integers),
        ),
        ("leaf", record.leaf.as_str().into()),
    ])
}

/// Decimal strings: a JavaScript number holds no more than 53 bits.
fn integers(values: &[i64]) -> JsValue {
    list(values, |value| value.to_string().into())
}

fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value).expect("a new object takes any field");
    }
    object.into()
}

fn list<T>(items: &[T], convert: impl Fn(&T) -> JsValue) -> JsValue {
    items.iter().map(convert).collect::<Array>().into()
}
