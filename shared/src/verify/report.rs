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
    #[cfg_attr(feature = "serde", serde(rename = "result"))]
    pub outcome: Outcome,
    /// One sentence: what was found.
    pub reason: String,
    /// Time taken; a share of the joint check where proofs are checked together.
    pub milliseconds: f64,
    /// Whether it needed nothing but the bytes at hand.
    pub offline: bool,
}

/// What [`Report::not_checked`] says of time stamps: the portable verifier knows no authorities.
pub const TIMESTAMPS: &str =
    "The time-stamp tokens over the checkpoint: check them with `clearproof verify --tsa`.";

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
    /// SHA-256 of the bundle, hexadecimal.
    pub bundle: String,
    /// Compressed input commitment, hexadecimal.
    pub commitment: String,
    /// Released values.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::list"))]
    pub released: Vec<i64>,
    /// The released values in words.
    pub decision: String,
    /// Whether the decision is "approved"; none where the model releases something else.
    pub compliant: Option<bool>,
    /// The metadata.
    pub metadata: ShownMetadata,
    /// The inputs, where disclosed or public.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::optional"))]
    pub inputs: Option<Vec<i64>>,
    /// Leaf hash, hexadecimal.
    pub leaf: String,
    /// Sequence number, where it stands in a log.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::optional_one"))]
    pub seq: Option<u64>,
    /// Unix time in milliseconds by the backend's clock, where it stands in a log.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "timeMs", serialize_with = "decimal::optional_one")
    )]
    pub time_ms: Option<u64>,
    /// Sequence number of the latest lifecycle entry before it, where it stands in a log.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::optional_one"))]
    pub lifecycle: Option<u64>,
}

/// What a file shows of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LogReport {
    /// The log.
    pub origin: String,
    /// Entries at the checkpoint.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::one"))]
    pub size: u64,
    /// The tree's root there, hexadecimal.
    pub root: String,
    /// First sequence number of the window.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::one"))]
    pub from: u64,
    /// Sequence number after its last.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::one"))]
    pub to: u64,
    /// The earlier checkpoint from which the file shows growth.
    pub earlier: Option<TreeHead>,
    /// Decisions of the window without a proof in the file.
    pub unproven: Vec<Unproven>,
    /// Changes of what is in force, in the window and before it.
    pub lifecycle: Vec<Lifecycle>,
}

/// A tree of the log's first entries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TreeHead {
    /// Their number.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::one"))]
    pub size: u64,
    /// The tree's root, hexadecimal.
    pub root: String,
}

/// A decision without a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct Unproven {
    /// Sequence number.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::one"))]
    pub seq: u64,
    /// Unix time in milliseconds.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::one"))]
    pub time_ms: u64,
    /// SHA-256 of the bundle that decided, hexadecimal.
    pub bundle: String,
    /// Compressed input commitment, hexadecimal.
    pub commitment: String,
    /// Released values, which nothing proves.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::list"))]
    pub released: Vec<i64>,
    /// Sequence number of the latest lifecycle entry before it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::one"))]
    pub lifecycle: u64,
    /// Whether it was made for development, so that no proof ever follows.
    pub development: bool,
}

/// A change of what is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct Lifecycle {
    /// Sequence number.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::one"))]
    pub seq: u64,
    /// Unix time in milliseconds.
    #[cfg_attr(feature = "serde", serde(serialize_with = "decimal::one"))]
    pub time_ms: u64,
    /// `registered`, `approved`, `changed` or `retired`.
    pub action: &'static str,
    /// SHA-256 of the bundle, hexadecimal.
    pub bundle: String,
    /// The bundle that it took the place of.
    pub replaced: Option<String>,
    /// SHA-256 of the policy's description, hexadecimal; zeros if none.
    pub policy: String,
    /// The model's name.
    pub name: String,
    /// Who did it.
    pub by: String,
    /// Why.
    pub note: String,
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
    /// What the file shows of a log.
    pub log: Option<LogReport>,
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

    pub(super) fn one<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn optional_one<S: Serializer>(
        value: &Option<u64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

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
pub fn verdict(checks: &[Check]) -> Verdict {
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
    /// The checkpoint is signed by the log.
    pub const LOG_CHECKPOINT: &str = "log.checkpoint";
    /// Witnesses saw the checkpoint.
    pub const LOG_WITNESSES: &str = "log.witnesses";
    /// The entries stand in the signed tree.
    pub const LOG_INCLUSION: &str = "log.inclusion";
    /// Nothing of the window is missing.
    pub const LOG_WINDOW: &str = "log.window";
    /// Every decision of the window is proved.
    pub const LOG_PROVED: &str = "log.proved";
    /// Decisions were made by what was in force.
    pub const LOG_LIFECYCLE: &str = "log.lifecycle";
    /// What the backend's clock did.
    pub const LOG_CLOCK: &str = "log.clock";
    /// The log only grew since an earlier checkpoint.
    pub const LOG_CONSISTENCY: &str = "log.consistency";
    /// The fields that a policy read are those of the metadata shown, where inputs are known.
    pub const FIELDS: &str = "policy.fields";
    /// Running totals go on from decision to decision.
    pub const TOTALS: &str = "policy.totals";
    /// The metadata is the one that the proofs absorbed.
    pub const RECORDS_METADATA: &str = "records.metadata";
}
