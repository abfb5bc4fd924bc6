//! The result of checking an evidence file: named checks, a verdict, and the records it proves.
//!
//! 1. Claim: the verdict is [`Verdict::Valid`] iff every check passed, [`Verdict::Invalid`] if any
//!    failed, and otherwise "cannot tell".
//! 2. Contents: checks in the order they were made; what was not checked, in sentences; records
//!    taken from bytes that the checks covered, and from nothing else.
//! 3. Assumed: the clock is the caller's; without one all times are zero.
//! 4. Source: DESIGN section 8.

/// What can be said of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Verdict {
    /// Every check passed, against what the auditor pinned.
    Valid,
    /// At least one check failed.
    Invalid,
    /// Nothing failed, but something needed is unknown.
    Unknown,
}

/// The outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not be decided.
    Unknown,
}

/// One named check.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Check {
    /// Stable name, such as `proof` or `bundle.trusted`.
    pub name: &'static str,
    /// What it was made on, as short text: fingerprints, counts.
    pub inputs: String,
    /// Whether it holds.
    pub outcome: Outcome,
    /// One sentence: what was found.
    pub reason: String,
    /// Time taken; a share of the joint check where proofs are checked together.
    pub milliseconds: f64,
    /// Whether it needed nothing but the bytes at hand.
    pub offline: bool,
}

/// A record's metadata as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(
    feature = "serde",
    serde(tag = "kind", content = "value", rename_all = "lowercase")
)]
pub enum ShownMetadata {
    /// UTF-8 without control characters.
    Text(String),
    /// Anything else, as hexadecimal.
    Hex(String),
    /// Hidden: its digest, as hexadecimal.
    Hidden(String),
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Record {
    /// Position of its proof in the file.
    pub proof: usize,
    /// Its row in the proof.
    pub row: usize,
    /// The model's name, from the bundle.
    pub model: String,
    /// Compressed input commitment, hexadecimal.
    pub commitment: String,
    /// Released values.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::list"))]
    pub released: Vec<i64>,
    /// The released values in words.
    pub decision: String,
    /// The metadata.
    pub metadata: ShownMetadata,
    /// The inputs, where disclosed or public.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::optional"))]
    pub inputs: Option<Vec<i64>>,
    /// Leaf hash, hexadecimal.
    pub leaf: String,
}

/// A bundle that the file's proofs rest on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Circuit id, hexadecimal.
    pub circuit_id: String,
    /// SHA-256 of the model commitments, hexadecimal.
    pub commitment: String,
    /// SHA-256 of the bundle, hexadecimal.
    pub bundle: String,
}

/// All that was found out about one file.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct Report {
    /// The file's name as given by the caller.
    pub file: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// What was not checked, or what no proof shows.
    pub not_checked: Vec<String>,
    /// The models named by the file.
    pub models: Vec<Model>,
    /// The records of the proofs that hold.
    pub records: Vec<Record>,
}

impl Report {
    /// The first check of a name.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

/// Integers as decimal strings: a JavaScript number holds no more than 53 bits.
#[cfg(feature = "serde")]
mod decimal {
    use serde::Serializer;

    pub(super) fn list<S: Serializer>(values: &[i64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(super) fn optional<S: Serializer>(
        values: &Option<Vec<i64>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match values {
            Some(values) => list(values, to),
            None => to.serialize_none(),
        }
    }
}

/// The verdict that follows from the checks.
pub(super) fn verdict(checks: &[Check]) -> Verdict {
    let has = |outcome| checks.iter().any(|check| check.outcome == outcome);
    if has(Outcome::Failed) {
        Verdict::Invalid
    } else if has(Outcome::Unknown) || checks.is_empty() {
        Verdict::Unknown
    } else {
        Verdict::Valid
    }
}

/// Names of the checks.
pub mod names {
    /// The file is one canonical evidence.
    pub const EVIDENCE_ENCODING: &str = "evidence.encoding";
    /// A bundle, its keys and its commitments are canonical.
    pub const BUNDLE_ENCODING: &str = "bundle.encoding";
    /// The bundle is one that the auditor supplied.
    pub const BUNDLE_TRUSTED: &str = "bundle.trusted";
    /// The reference string is known.
    pub const SRS_RECOGNISED: &str = "srs.recognised";
    /// The keys' bases are the Lagrange bases.
    pub const KEY_BASES: &str = "key.bases";
    /// The committed model holds packed integers in range.
    pub const REGISTRATION: &str = "registration";
    /// A proof of decisions.
    pub const PROOF: &str = "proof";
    /// The proof's link to model and input commitments.
    pub const LINK: &str = "link";
    /// Shown inputs open their commitments.
    pub const DISCLOSURE: &str = "disclosure";
    /// No input commitment occurs twice.
    pub const RECORDS_UNIQUE: &str = "records.unique";
    /// The metadata is the one that the proofs absorbed.
    pub const RECORDS_METADATA: &str = "records.metadata";
}
