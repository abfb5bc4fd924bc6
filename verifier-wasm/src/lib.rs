//! Bindings of the verifier for JavaScript: convert, delegate to `clearproof_shared`, convert back.
//!
//! 1. Claim: [`verify`] and [`Verifier`] give the reports that the command line gives on the same bytes. Bad evidence
//!    is a report with verdict `invalid`; an exception is a defect of the verifier.
//! 2. The shapes are in `types.d.ts`, which becomes part of the package's declarations.
//! 3. Assumed: a global `performance.now`, which browsers, workers and Node have.

use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::key::{Scheme, VerifyingKey};
use clearproof_shared::encoding::hex;
use clearproof_shared::verify::srs::{recognise, Recognised};
use clearproof_shared::verify::{Generators, Options, Verifier as SharedVerifier};
use js_sys::{Array, Uint8Array};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
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
    #[wasm_bindgen(method, getter, js_name = logKeys)]
    fn log_keys(this: &VerifyOptions) -> Option<Array>;
    #[wasm_bindgen(method, getter, js_name = witnessKeys)]
    fn witness_keys(this: &VerifyOptions) -> Option<Array>;

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
    let strings = |list: Option<Array>| -> Vec<String> {
        let list = list.unwrap_or_default();
        list.iter().filter_map(|text| text.as_string()).collect()
    };
    let (log_keys, witness_keys) = (strings(options.log_keys()), strings(options.witness_keys()));
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (&**name, &**bytes))
        .collect();
    let reports = verifier.verify_files(
        &files,
        &Options {
            trust: trust.iter().map(Vec::as_slice).collect(),
            allow_insecure_dev_srs: options.allow_insecure_dev_srs(),
            log_keys: log_keys.iter().map(String::as_str).collect(),
            witness_keys: witness_keys.iter().map(String::as_str).collect(),
            clock: Some(&now),
        },
    );
    to_js(&reports).unchecked_into()
}

/// Reads a `verifier.bin` and says what pinning it pins.
#[wasm_bindgen(js_name = describeTrust)]
pub fn describe_trust(file: &EvidenceFile) -> TrustFile {
    let described = match trusted_bundle(&file.bytes().to_vec()) {
        Ok(bundle) => Described::Bundle { bundle },
        Err(reason) => Described::Rejected { reason },
    };
    to_js(&described).unchecked_into()
}

/// The verifier's version.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// `TrustFile`
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Described {
    Bundle { bundle: TrustedBundle },
    Rejected { reason: String },
}

/// `TrustedBundle`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrustedBundle {
    fingerprint: String,
    circuit_id: String,
    model_name: String,
    scheme: &'static str,
    insecure_dev_srs: bool,
}

fn trusted_bundle(bytes: &[u8]) -> Result<TrustedBundle, String> {
    let bundle = Bundle::decode(bytes).map_err(|error| error.to_string())?;
    let key = VerifyingKey::decode(&bundle.key).map_err(|error| error.to_string())?;
    // One encoding a bundle and a key: the digests of the bytes name both.
    let (scheme, circuit_id) = (key.scheme(), sha256(&bundle.key));
    // Only KZG has a reference string with a secret; reading IPA's generators here would be slow.
    let insecure_dev_srs =
        scheme == Scheme::Kzg && recognise(&key, &Generators::none()) == Recognised::Development;
    Ok(TrustedBundle {
        fingerprint: hex(&sha256(bytes)),
        circuit_id: hex(&circuit_id),
        model_name: bundle.name,
        scheme: match scheme {
            Scheme::Ipa => "ipa",
            Scheme::Kzg => "kzg",
        },
        insecure_dev_srs,
    })
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Plain objects, with null for what is missing.
fn to_js(value: &impl Serialize) -> JsValue {
    let serializer = Serializer::new().serialize_missing_as_null(true);
    value
        .serialize(&serializer)
        .expect("reports are of strings, numbers and lists")
}
