//! What a bundle says of the policy that its circuit applies.
//!
//! 1. Claim: one description has one encoding; its SHA-256 is what lifecycle entries name.
//! 2. Layout: deterministic CBOR, docs/evidence.cddl, `policy`. A row's input scalars are the model's own, then one for
//!    each field of the metadata, then two for each running total: before and after the decision.
//! 3. Assumed: that the circuit does what the text says is the auditor's trust in the bundle; the text is for people.
//! 4. Source: docs/policy.md.

use sha2::{Digest, Sha256};

use super::cbor::{Decoder, Encoder, FormatError};

/// What a bundle says of its policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyDescription {
    /// Its name.
    pub name: String,
    /// Names of the model's own input scalars; none where the policy gives none.
    pub features: Vec<String>,
    /// Fields of the metadata that rules read.
    pub fields: Vec<PolicyField>,
    /// Running totals.
    pub totals: Vec<RunningTotal>,
    /// The rules: name, and condition as written.
    pub rules: Vec<(String, String)>,
    /// The whole public policy for people, JSON.
    pub text: String,
}

/// A field of the metadata as an input scalar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyField {
    /// Its name in the metadata.
    pub name: String,
    /// Texts that it may hold, numbered from 0, any other being the next number; none for whole numbers.
    pub values: Vec<String>,
    /// Width of a whole number in bits; 0 for texts.
    pub bits: u32,
}

/// A total over the compliant decisions of a window of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningTotal {
    /// Its name.
    pub name: String,
    /// Name of the field that is added up; empty where decisions are counted.
    pub sum: String,
    /// Length of the window in milliseconds.
    pub window_ms: u64,
}

impl PolicyDescription {
    /// SHA-256 of the encoding.
    pub fn digest(&self) -> [u8; 32] {
        let mut out = Encoder::default();
        self.encode(&mut out);
        Sha256::digest(out.finish()).into()
    }

    pub(super) fn encode(&self, out: &mut Encoder) {
        out.array(FIELDS);
        out.text(&self.name);
        out.array(self.features.len());
        for feature in &self.features {
            out.text(feature);
        }
        out.array(self.fields.len());
        for field in &self.fields {
            out.array(3);
            out.text(&field.name);
            out.array(field.values.len());
            for value in &field.values {
                out.text(value);
            }
            out.uint(u64::from(field.bits));
        }
        out.array(self.totals.len());
        for total in &self.totals {
            out.array(3);
            out.text(&total.name);
            out.text(&total.sum);
            out.uint(total.window_ms);
        }
        out.array(self.rules.len());
        for (name, condition) in &self.rules {
            out.array(2);
            out.text(name);
            out.text(condition);
        }
        out.text(&self.text);
    }

    pub(super) fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        exactly(input, FIELDS, "policy")?;
        let name = input.text(MAX_NAME, "name of the policy")?.to_owned();
        let features = input.list(MAX_FEATURES, "features", |input| {
            Ok(input.text(MAX_NAME, "feature")?.to_owned())
        })?;
        let fields = input.list(MAX_ENTRIES, "fields of the policy", |input| {
            exactly(input, 3, "field of the policy")?;
            Ok(PolicyField {
                name: input.text(MAX_NAME, "field of the policy")?.to_owned(),
                values: input.list(MAX_VALUES, "values", |input| {
                    Ok(input.text(MAX_NAME, "value")?.to_owned())
                })?,
                bits: input.uint(64, "width of a field")? as u32,
            })
        })?;
        let totals = input.list(MAX_ENTRIES, "running totals", |input| {
            exactly(input, 3, "running total")?;
            let total = RunningTotal {
                name: input.text(MAX_NAME, "running total")?.to_owned(),
                sum: input.text(MAX_NAME, "field of a total")?.to_owned(),
                window_ms: input.uint(u64::MAX, "window")?,
            };
            match total.window_ms {
                0 => Err(FormatError::Inconsistent("window")),
                _ => Ok(total),
            }
        })?;
        let rules = input.list(MAX_ENTRIES, "rules", |input| {
            exactly(input, 2, "rule")?;
            Ok((
                input.text(MAX_NAME, "name of a rule")?.to_owned(),
                input.text(MAX_TEXT, "rule")?.to_owned(),
            ))
        })?;
        Ok(Self {
            name,
            features,
            fields,
            totals,
            rules,
            text: input.text(MAX_TEXT, "text of the policy")?.to_owned(),
        })
    }
}

fn exactly(input: &mut Decoder<'_>, length: usize, what: &'static str) -> Result<(), FormatError> {
    match input.array(length, what)? == length {
        true => Ok(()),
        false => Err(FormatError::Unexpected(what)),
    }
}

const FIELDS: usize = 6;
const MAX_NAME: usize = 1024;
const MAX_ENTRIES: usize = 256;
const MAX_VALUES: usize = 1 << 15;
const MAX_FEATURES: usize = 1 << 20;
const MAX_TEXT: usize = 1 << 21;
