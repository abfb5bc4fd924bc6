//! What is asked of the engine, and what it answers.

use clearproof_shared::log::merkle::Hash;

/// A request to decide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trade {
    /// The model's inputs.
    pub features: Features,
    /// What is said about the trade; a policy may read fields of it. It is bound to the record by a salted digest.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// The caller's name for the request: the same again is answered as before.
    pub request_id: Option<String>,
    /// SHA-256 of the bundle that is to decide; the one in force where none is named.
    pub model: Option<Hash>,
}

/// The numbers that a model reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// All of them, in the model's order.
    Listed(Vec<f64>),
    /// By the names that the policy gives them, else by those of the model's inputs: `x`, or `x[0]` where it has several.
    Named(std::collections::BTreeMap<String, f64>),
}

impl Default for Features {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Sequence number in the log.
    pub seq: u64,
    /// Leaf hash of the entry: the receipt that the order can carry.
    pub receipt: Hash,
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// SHA-256 of the bundle that decided.
    pub model: Hash,
    /// Whether the trade is compliant; of a model without a policy whether its decision is 1. `None` where the model
    /// releases something else than a decision.
    pub compliant: Option<bool>,
    /// Number of the first rule that failed, from 1 on, where the policy was not met.
    pub reason: Option<u32>,
    /// Name of that rule.
    pub rule: Option<String>,
    /// What a proof releases.
    pub released: Vec<i64>,
    /// Whether it stood in the log before, under the same request id.
    pub repeated: bool,
    /// Names of features that were outside their declared range, and stand at its end.
    pub saturated: Vec<String>,
}
