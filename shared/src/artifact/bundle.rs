//! The verifier bundle (`verifier.bin`): all that an auditor needs of one committed model.
//!
//! 1. Claim: one bundle has one encoding; its SHA-256 names it.
//! 2. Layout: deterministic CBOR, docs/evidence.cddl, `bundle`.
//! 3. Assumed: keys and points inside are opaque here; [`crate::verify`] reads them.
//! 4. Source: docs/design/contracts.md, "Bundle and evidence".

use sha2::{Digest, Sha256};

use super::cbor::{Decoder, Encoder, FormatError};
use super::policy::PolicyDescription;

/// What an auditor needs of one committed model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The model's name, shown to people.
    pub name: String,
    /// Name of each released value of a row, in order; `decision` for the decision bit.
    pub released_names: Vec<String>,
    /// The circuit's verifying key, encoded.
    pub key: Vec<u8>,
    /// Model commitments, compressed, one after another.
    pub model: Vec<u8>,
    /// Canonical integer skeleton.
    pub skeleton: Vec<u8>,
    /// Circuit parameters.
    pub params: Vec<u8>,
    /// Proofs that the committed columns hold packed integers in range.
    pub registration: Vec<Registration>,
    /// IPA's vector generators, uncompressed, if they travel with the bundle.
    pub generators: Option<Vec<u8>>,
    /// The policy that the circuit applies, if it does.
    pub policy: Option<PolicyDescription>,
}

/// A registration proof for a contiguous range of weight columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The registration circuit's verifying key, encoded.
    pub key: Vec<u8>,
    /// First weight column covered.
    pub first: u32,
    /// Number of weight columns covered.
    pub count: u32,
    /// The proof.
    pub proof: Vec<u8>,
}

impl Bundle {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        let optional = [self.generators.is_some(), self.policy.is_some()];
        out.map(8 + optional.iter().filter(|present| **present).count());
        out.uint(KEY_VERSION);
        out.uint(VERSION);
        out.uint(KEY_NAME);
        out.text(&self.name);
        out.uint(KEY_RELEASED_NAMES);
        out.array(self.released_names.len());
        for name in &self.released_names {
            out.text(name);
        }
        for (key, bytes) in [
            (KEY_KEY, &self.key),
            (KEY_MODEL, &self.model),
            (KEY_SKELETON, &self.skeleton),
            (KEY_PARAMS, &self.params),
        ] {
            out.uint(key);
            out.bytes(bytes);
        }
        out.uint(KEY_REGISTRATION);
        out.array(self.registration.len());
        for registration in &self.registration {
            out.array(4);
            out.bytes(&registration.key);
            out.uint(u64::from(registration.first));
            out.uint(u64::from(registration.count));
            out.bytes(&registration.proof);
        }
        if let Some(generators) = &self.generators {
            out.uint(KEY_GENERATORS);
            out.bytes(generators);
        }
        if let Some(policy) = &self.policy {
            out.uint(KEY_POLICY);
            policy.encode(&mut out);
        }
        out.finish()
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// [`FormatError`] for any bytes that [`Bundle::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let input = &mut Decoder::new(bytes);
        let mut map = input.map("bundle")?;
        map.required(input, KEY_VERSION, "version")?;
        let version = input.uint(u64::MAX, "version")?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        map.required(input, KEY_NAME, "model name")?;
        let name = input.text(MAX_NAME, "model name")?.to_owned();
        map.required(input, KEY_RELEASED_NAMES, "released names")?;
        let released_names = input.list(MAX_NAMES, "released names", |input| {
            Ok(input.text(MAX_NAME, "released name")?.to_owned())
        })?;
        map.required(input, KEY_KEY, "verifying key")?;
        let key = input.bytes(MAX_KEY, "verifying key")?.to_vec();
        map.required(input, KEY_MODEL, "model commitments")?;
        let model = input.bytes(MAX_MODEL, "model commitments")?.to_vec();
        if !model.len().is_multiple_of(32) {
            return Err(FormatError::Inconsistent("model commitments"));
        }
        map.required(input, KEY_SKELETON, "skeleton")?;
        let skeleton = input.bytes(MAX_SKELETON, "skeleton")?.to_vec();
        map.required(input, KEY_PARAMS, "circuit parameters")?;
        let params = input.bytes(MAX_SKELETON, "circuit parameters")?.to_vec();
        map.required(input, KEY_REGISTRATION, "registration")?;
        let registration = input.list(MAX_REGISTRATIONS, "registration", registration)?;
        let generators = match map.optional(input, KEY_GENERATORS)? {
            true => Some(input.bytes(MAX_GENERATORS, "generators")?.to_vec()),
            false => None,
        };
        let policy = match map.optional(input, KEY_POLICY)? {
            true => Some(PolicyDescription::decode(input)?),
            false => None,
        };
        map.finish()?;
        input.clone().finish()?;
        Ok(Self {
            name,
            released_names,
            key,
            model,
            skeleton,
            params,
            registration,
            generators,
            policy,
        })
    }

    /// SHA-256 of the encoding.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.encode()).into()
    }
}

fn registration(input: &mut Decoder<'_>) -> Result<Registration, FormatError> {
    if input.array(4, "registration")? != 4 {
        return Err(FormatError::Unexpected("registration"));
    }
    Ok(Registration {
        key: input.bytes(MAX_KEY, "registration key")?.to_vec(),
        first: input.uint(MAX_COLUMN, "first column")? as u32,
        count: input.uint(MAX_COLUMN, "column count")? as u32,
        proof: input.bytes(MAX_PROOF, "registration proof")?.to_vec(),
    })
}

const VERSION: u64 = 1;
const KEY_VERSION: u64 = 0;
const KEY_NAME: u64 = 1;
const KEY_RELEASED_NAMES: u64 = 2;
const KEY_KEY: u64 = 3;
const KEY_MODEL: u64 = 4;
const KEY_SKELETON: u64 = 5;
const KEY_PARAMS: u64 = 6;
const KEY_REGISTRATION: u64 = 7;
const KEY_GENERATORS: u64 = 8;
const KEY_POLICY: u64 = 9;

const MAX_NAME: usize = 256;
const MAX_NAMES: usize = 1 << 16;
const MAX_KEY: usize = 1 << 27;
const MAX_MODEL: usize = 32 << 17;
const MAX_SKELETON: usize = 1 << 26;
const MAX_REGISTRATIONS: usize = 1024;
const MAX_COLUMN: u64 = 1 << 17;
pub(super) const MAX_PROOF: usize = 1 << 22;
const MAX_GENERATORS: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::super::evidence::tests::refuses_mutations;
    use super::super::policy::{PolicyField, RunningTotal};
    use super::*;

    pub(crate) fn sample() -> Bundle {
        Bundle {
            name: "credit — v1".into(),
            released_names: vec!["decision".into()],
            key: vec![1, 2, 3],
            model: vec![7; 64],
            skeleton: vec![4; 30],
            params: vec![],
            registration: vec![Registration {
                key: vec![9; 24],
                first: 0,
                count: 2,
                proof: vec![8; 300],
            }],
            generators: None,
            policy: None,
        }
    }

    #[test]
    fn round_trips_and_refuses_the_rest() {
        let policy = PolicyDescription {
            name: "limits".into(),
            features: vec!["leverage".into()],
            fields: vec![PolicyField {
                name: "symbol".into(),
                values: vec!["A".into(), "B".into()],
                bits: 0,
            }],
            totals: vec![RunningTotal {
                name: "daily".into(),
                sum: "notional".into(),
                window_ms: 86_400_000,
            }],
            rules: vec![("r".into(), "leverage <= 3".into())],
            text: "{}".into(),
        };
        for (generators, policy) in [
            (None, None),
            (Some(vec![3; 128]), None),
            (None, Some(policy.clone())),
            (Some(vec![3; 64]), Some(policy)),
        ] {
            let bundle = Bundle {
                generators,
                policy,
                ..sample()
            };
            let bytes = bundle.encode();
            assert_eq!(Bundle::decode(&bytes).as_ref(), Ok(&bundle));
            refuses_mutations(&bytes, |b| Bundle::decode(b).ok().map(|x| x.encode()));
        }
    }

    #[test]
    fn other_versions_are_named() {
        let mut bytes = sample().encode();
        bytes[2] = 2;
        assert_eq!(Bundle::decode(&bytes), Err(FormatError::Version(2)));
    }
}
