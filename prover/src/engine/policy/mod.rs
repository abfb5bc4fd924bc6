//! Policies: rules over features, model outputs and metadata, compiled into the circuit of the model.
//!
//! Claims: [`Policy::read`] accepts a file only if every rule means something; [`Policy::apply`] gives a graph whose first output
//! is 1 exactly if every rule holds of the integers that the circuit computes with, so that a proof says "compliant" and
//! not "the score was 0.7". A feature is compared as the integer that it is committed as: rounded to the model's step,
//! exact for features of trees. Further outputs: 1 if the running totals follow from the decision (where the policy has any),
//! and the number of the first rule that fails, 0 if none does.
//!
//! Source: DESIGN section 6, SOUNDNESS conditions 14 and 20; the file is described in docs/policy.md.

mod apply;
mod document;
mod expression;
#[cfg(test)]
mod tests;

use clearproof_shared::artifact::policy::{PolicyDescription, PolicyField, RunningTotal};
use serde::{Deserialize, Serialize};

pub use apply::{DECISION, FIELDS_INPUT, REASON, TOTALS, TOTALS_INPUT};
pub use document::MAX_POLICY_BYTES;
use expression::Expression;

/// Where something stands in a policy file, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// Why a policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Where, if it is about one place of the file.
    pub position: Option<Position>,
    reason: String,
}

impl PolicyError {
    fn at(position: Position, reason: impl Into<String>) -> Self {
        Self {
            position: Some(position),
            reason: reason.into(),
        }
    }
}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for PolicyError {}

/// A policy, as its file states it. Holds the committed thresholds: not for publication, see [`Policy::public`].
#[derive(Clone, PartialEq)]
pub struct Policy {
    name: String,
    features: Vec<String>,
    fields: Vec<Field>,
    aggregates: Vec<Aggregate>,
    thresholds: Vec<Threshold>,
    sets: Vec<Named<Vec<Member>>>,
    rules: Vec<Rule>,
    release: Release,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Policy({:?}, {} rules, thresholds hidden)",
            self.name,
            self.rules.len()
        )
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Named<T> {
    name: String,
    value: T,
}

/// What a proof under the policy releases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// Compliant or not; the reason stays with the operator.
    #[default]
    Decision,
    /// Also the number of the first rule that fails.
    Reason,
}

/// A field of a decision's metadata that rules read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name in the metadata.
    pub name: String,
    /// How it becomes an integer.
    pub kind: FieldKind,
}

/// How a field of the metadata becomes an integer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// A text: its number among these, and the number after the last for any other.
    Values(Vec<String>),
    /// A whole number from 0 to `2^bits - 1`.
    Bits(u32),
}

/// A running total over the compliant decisions of a window of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Its name in rules, where it stands for the total with this decision in it.
    pub name: String,
    /// The field that is added up; none counts decisions.
    pub sum: Option<String>,
    /// Length of a window in milliseconds; windows start at multiples of it since 1970.
    pub window_ms: u64,
}

#[derive(Clone, PartialEq)]
struct Threshold {
    name: String,
    value: f64,
    committed: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Member {
    Number(f64),
    Text(String),
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    name: String,
    /// As written, for people.
    text: String,
    condition: Expression,
}

/// What of a policy is public, as the bundle carries it: everything but the values of committed thresholds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicPolicy {
    /// Format version, 1.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// Names of the model's input scalars, in order; none where the model's own names serve.
    pub features: Vec<String>,
    /// Fields of the metadata that rules read: input scalars after the model's own, in order.
    pub fields: Vec<Field>,
    /// Running totals: two input scalars each after the fields, the total before and after the decision.
    pub aggregates: Vec<Aggregate>,
    /// Thresholds by name; none for a committed one.
    pub thresholds: Vec<(String, Option<String>)>,
    /// Sets by name.
    pub sets: Vec<(String, Vec<String>)>,
    /// The rules by name, as written.
    pub rules: Vec<(String, String)>,
    /// What a proof releases.
    pub release: Release,
}

impl Policy {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names of the rules; reason `i + 1` is that rule `i` is the first to fail.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// Names of the model's input scalars, in order; none where the model's own names serve.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The fields of the metadata that rules read.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The running totals.
    pub fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// What a proof releases.
    pub fn release(&self) -> Release {
        self.release
    }

    /// What of it is public.
    pub fn public(&self) -> PublicPolicy {
        let member = |member: &Member| match member {
            Member::Number(v) => v.to_string(),
            Member::Text(text) => text.clone(),
        };
        let set =
            |set: &Named<Vec<Member>>| (set.name.clone(), set.value.iter().map(member).collect());
        let threshold =
            |t: &Threshold| (t.name.clone(), (!t.committed).then(|| t.value.to_string()));
        PublicPolicy {
            version: 1,
            name: self.name.clone(),
            features: self.features.clone(),
            fields: self.fields.clone(),
            aggregates: self.aggregates.clone(),
            thresholds: self.thresholds.iter().map(threshold).collect(),
            sets: self.sets.iter().map(set).collect(),
            rules: self
                .rules
                .iter()
                .map(|rule| (rule.name.clone(), rule.text.clone()))
                .collect(),
            release: self.release,
        }
    }
}

impl Policy {
    /// What a bundle says of it.
    pub fn description(&self) -> PolicyDescription {
        let field = |field: &Field| {
            let (values, bits) = match &field.kind {
                FieldKind::Values(values) => (values.clone(), 0),
                FieldKind::Bits(bits) => (vec![], *bits),
            };
            PolicyField {
                name: field.name.clone(),
                values,
                bits,
            }
        };
        let total = |aggregate: &Aggregate| RunningTotal {
            name: aggregate.name.clone(),
            sum: aggregate.sum.clone().unwrap_or_default(),
            window_ms: aggregate.window_ms,
        };
        let public = self.public();
        PolicyDescription {
            name: self.name.clone(),
            features: self.features.clone(),
            fields: self.fields.iter().map(field).collect(),
            totals: self.aggregates.iter().map(total).collect(),
            text: serde_json::to_string(&public).expect("texts and numbers"),
            rules: public.rules,
        }
    }
}

impl Field {
    /// The integer of a value.
    ///
    /// # Errors
    /// A number out of range, or of the wrong type; one sentence.
    pub fn integer(&self, value: Option<&serde_json::Value>) -> Result<i64, String> {
        let Some(value) = value else {
            return Err(format!(
                "the metadata lacks \"{}\", which the policy reads; add it",
                self.name
            ));
        };
        match &self.kind {
            FieldKind::Values(values) => {
                let Some(text) = value.as_str() else {
                    return Err(format!("\"{}\" of the metadata is no text, and the policy reads one; quote it", self.name));
                };
                let place = values.iter().position(|v| v == text);
                Ok(place.unwrap_or(values.len()) as i64)
            }
            FieldKind::Bits(bits) => match value.as_u64() {
                Some(number) if number >> bits == 0 => Ok(number as i64),
                _ => Err(format!(
                    "\"{}\" of the metadata is no whole number from 0 to 2^{bits} - 1, as the policy declares it",
                    self.name
                )),
            },
        }
    }
}
