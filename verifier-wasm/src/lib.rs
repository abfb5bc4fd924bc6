//! Bindings of the verifier for JavaScript: convert, delegate to `clearproof_shared`, convert back.
//!
//! 1. Claim: [`Verifier`] gives the reports that the command line gives on the same bytes. Bad evidence is a
//!    report with verdict `invalid`; an exception is a defect of the verifier.
//! 2. The shapes are in `types.d.ts`, which becomes part of the package's declarations.
//! 3. Training certificates take a third more code; they are in a module that is built with the feature `training`.
//! 4. Assumed: a global `performance.now`, which browsers, workers, Node and Deno have.

use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::key::{Scheme, VerifyingKey};
use clearproof_shared::artifact::policy::PolicyDescription;
use clearproof_shared::encoding::hex;
use clearproof_shared::groth16::{report::report, Encoding};
use clearproof_shared::log::note::VerifierKey;
use clearproof_shared::verify::srs::{recognise, Recognised};
use clearproof_shared::verify::{Generators, Options, Report, Verifier as SharedVerifier};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use sha2::{Digest, Sha256};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

// A third of the library's own allocator in code.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

// Native builds always have it, so that it is linted and documented.
#[cfg(any(feature = "training", not(target_arch = "wasm32")))]
mod training;
#[cfg(any(feature = "training", not(target_arch = "wasm32")))]
pub use training::{
    describe_training_certificate, roster_digest, MaybeTrainingClaims, TrainingReport,
};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.d.ts");

#[wasm_bindgen]
extern "C" {
    /// `Report[]`
    #[wasm_bindgen(typescript_type = "Report[]")]
    pub type Reports;

    /// `TrustFile`
    #[wasm_bindgen(typescript_type = "TrustFile")]
    pub type TrustFile;

    /// `Groth16Report`
    #[wasm_bindgen(typescript_type = "Groth16Report")]
    pub type Groth16Report;

    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// Files that are being handed over, piece by piece.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Files(Vec<(String, Vec<u8>)>);

#[wasm_bindgen]
impl Files {
    /// No files.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a file, with room for its bytes if their number is known; false if there is no room.
    pub fn begin(&mut self, name: String, bytes: usize) -> bool {
        let mut content = vec![];
        let room = content.try_reserve_exact(bytes).is_ok();
        self.0.push((name, content));
        room
    }

    /// Adds bytes to the file that was begun last; false if there is no room for them.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let Some((_, content)) = self.0.last_mut() else {
            return false;
        };
        let room = content.try_reserve(bytes.len()).is_ok();
        if room {
            content.extend_from_slice(bytes);
        }
        room
    }
}

impl Files {
    fn named(&self) -> Vec<(&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, bytes)| (&**name, &**bytes))
            .collect()
    }
}

/// Judges files against what the auditor pinned, and remembers which bundles held, so that the next file
/// under one of them is judged sooner.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Verifier {
    shared: SharedVerifier,
    trust: Vec<Vec<u8>>,
    log_keys: Vec<String>,
    witness_keys: Vec<String>,
    allow_insecure_dev_srs: bool,
}

#[wasm_bindgen]
impl Verifier {
    /// A verifier that has seen nothing and trusts nothing.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Pins a `verifier.bin`; otherwise says why it is none.
    #[wasm_bindgen(js_name = trustBundle)]
    pub fn trust_bundle(&mut self, bytes: Vec<u8>) -> Option<String> {
        let refused = trusted_bundle(&bytes).err();
        self.trust.push(bytes);
        refused
    }

    /// Pins a log's key; otherwise says why it is none.
    #[wasm_bindgen(js_name = trustLog)]
    pub fn trust_log(&mut self, key: String) -> Option<String> {
        pin_key(&mut self.log_keys, key)
    }

    /// Pins a witness's key; otherwise says why it is none.
    #[wasm_bindgen(js_name = trustWitness)]
    pub fn trust_witness(&mut self, key: String) -> Option<String> {
        pin_key(&mut self.witness_keys, key)
    }

    /// Accepts proofs under the development reference string, which anybody can forge.
    #[wasm_bindgen(js_name = allowInsecureDevSrs)]
    pub fn allow_insecure_dev_srs(&mut self) {
        self.allow_insecure_dev_srs = true;
    }

    /// Judges each file.
    pub fn verify(&mut self, files: &Files) -> Reports {
        to_js(&self.reports(files)).unchecked_into()
    }
}

impl Verifier {
    fn reports(&mut self, files: &Files) -> Vec<Report> {
        let options = Options {
            trust: self.trust.iter().map(Vec::as_slice).collect(),
            allow_insecure_dev_srs: self.allow_insecure_dev_srs,
            log_keys: self.log_keys.iter().map(String::as_str).collect(),
            witness_keys: self.witness_keys.iter().map(String::as_str).collect(),
            clock: Some(&now),
        };
        self.shared.verify_files(&files.named(), &options)
    }
}

fn pin_key(keys: &mut Vec<String>, key: String) -> Option<String> {
    let refused = VerifierKey::parse(&key).err();
    keys.push(key);
    refused.map(|error| error.to_string())
}

/// Checks a Groth16 proof. `arkworks`: key and proof are what ark-serialize writes, otherwise coordinates of
/// their points. Public inputs are 32 bytes each, little-endian.
#[wasm_bindgen(js_name = verifyGroth16)]
pub fn verify_groth16(key: &[u8], proof: &[u8], inputs: &[u8], arkworks: bool) -> Groth16Report {
    let encoding = match arkworks {
        true => Encoding::Arkworks,
        false => Encoding::Coordinates,
    };
    to_js(&report(key, proof, inputs, encoding, &now)).unchecked_into()
}

/// Reads a `verifier.bin` and says what pinning it pins.
#[wasm_bindgen(js_name = describeTrust)]
pub fn describe_trust(bytes: &[u8]) -> TrustFile {
    let described = match trusted_bundle(bytes) {
        Ok(bundle) => Described::Bundle {
            bundle: Box::new(bundle),
        },
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
    Bundle { bundle: Box<TrustedBundle> },
    Rejected { reason: String },
}

/// `TrustedBundle`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrustedBundle {
    fingerprint: String,
    circuit_id: String,
    model_name: String,
    commitment: String,
    released: Vec<String>,
    policy: Option<PolicyFacts>,
    scheme: &'static str,
    insecure_dev_srs: bool,
}

/// `PolicyFacts`
#[derive(Serialize)]
struct PolicyFacts {
    name: String,
    digest: String,
    features: Vec<String>,
    fields: Vec<String>,
    totals: Vec<String>,
    rules: Vec<(String, String)>,
    text: String,
}

impl From<PolicyDescription> for PolicyFacts {
    fn from(policy: PolicyDescription) -> Self {
        Self {
            digest: hex(&policy.digest()),
            name: policy.name,
            features: policy.features,
            fields: policy.fields.into_iter().map(|field| field.name).collect(),
            totals: policy.totals.into_iter().map(|total| total.name).collect(),
            rules: policy.rules,
            text: policy.text,
        }
    }
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
        commitment: hex(&sha256(&bundle.model)),
        released: bundle.released_names,
        policy: bundle.policy.map(PolicyFacts::from),
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
        .expect("reports are of strings, lists and numbers below 2^53")
}
