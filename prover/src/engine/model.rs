//! A compiled model as the engine uses it: from a trade to what is released.

use std::sync::Arc;

use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::policy::PolicyDescription;
use clearproof_shared::log::entry::TransitionError;
use clearproof_shared::log::merkle::Hash;
use serde_json::{Map, Value};

use super::policy::{Field, FieldKind, DECISION, FIELDS_INPUT, REASON, TOTALS_INPUT};
use super::store::StoreError;
use super::trade::{Features, Trade};
use crate::prove::{Artifact, ProveError};
use crate::quantize::quantize_input;
use crate::quantize::skeleton::{InputSpec, Skeleton};

/// Why a trade is not decided.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// The trade cannot be read by the model or the policy.
    #[error("{0}")]
    Trade(String),
    /// No model is in force, or several are and the trade names none.
    #[error("{0}")]
    Model(String),
    /// A lifecycle action that is not possible now.
    #[error(transparent)]
    Lifecycle(#[from] TransitionError),
    /// The commitment could not be made.
    #[error(transparent)]
    Commit(#[from] ProveError),
    /// The store refused or did not answer: nothing counts as decided. Asked again with the same request id, the trade gets
    /// one decision, be it that it was written before the answer was lost.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The engine is stopping; nothing was decided.
    #[error("the engine is stopping; ask again when it is up")]
    Stopped,
}

/// A compiled model, and how a trade becomes its input scalars.
pub(super) struct Model {
    pub(super) artifact: Arc<Artifact>,
    pub(super) name: String,
    pub(super) policy: Option<PolicyDescription>,
    fields: Vec<Field>,
    /// Names of the model's own input scalars.
    features: Vec<String>,
    /// Specification and position within it of each of them.
    scalars: Vec<(InputSpec, usize)>,
}

/// What the integer model says of one row.
pub(super) struct Outcome {
    pub(super) released: Vec<i64>,
    pub(super) compliant: Option<bool>,
    pub(super) reason: Option<u32>,
}

impl Model {
    pub(super) fn new(artifact: Arc<Artifact>) -> Self {
        let bundle = Bundle::decode(artifact.bundle_bytes()).expect("a bundle of our own making");
        let skeleton = &artifact.model().skeleton;
        let mut features = Vec::new();
        let mut scalars = Vec::new();
        for spec in own_inputs(skeleton) {
            let len: u32 = spec.shape.iter().product();
            for i in 0..len as usize {
                features.push(match len {
                    1 => spec.name.clone(),
                    _ => format!("{}[{i}]", spec.name),
                });
                scalars.push((spec.clone(), i));
            }
        }
        if let Some(policy) = &bundle.policy {
            if policy.features.len() == features.len() {
                features.clone_from(&policy.features);
            }
        }
        let fields = bundle.policy.iter().flat_map(|policy| &policy.fields);
        let fields = fields.map(|field| Field {
            name: field.name.clone(),
            kind: match field.bits {
                0 => FieldKind::Values(field.values.clone()),
                bits => FieldKind::Bits(bits),
            },
        });
        Self {
            fields: fields.collect(),
            name: bundle.name,
            policy: bundle.policy,
            features,
            scalars,
            artifact,
        }
    }

    pub(super) fn digest(&self) -> Hash {
        self.artifact.bundle_digest()
    }

    pub(super) fn has_totals(&self) -> bool {
        self.totals() > 0
    }

    /// Number of running totals.
    pub(super) fn totals(&self) -> usize {
        self.policy.as_ref().map_or(0, |policy| policy.totals.len())
    }

    /// Name of a rule by the reason's number.
    pub(super) fn rule(&self, reason: u32) -> Option<String> {
        let rules = &self.policy.as_ref()?.rules;
        let rule = rules.get((reason as usize).checked_sub(1)?);
        rule.map(|(name, _)| name.clone())
    }

    /// The input scalars of a trade, running totals as zeros, and the features that saturated.
    pub(super) fn integers(&self, trade: &Trade) -> Result<(Vec<i64>, Vec<String>), DecideError> {
        let wrong = |reason: String| Err(DecideError::Trade(reason));
        let listed: Vec<f64> = match &trade.features {
            Features::Listed(values) => {
                if values.len() != self.features.len() {
                    return wrong(format!(
                        "the model reads {} features, and the trade has {}; give one number for each of {}",
                        self.features.len(),
                        values.len(),
                        self.shown()
                    ));
                }
                values.clone()
            }
            Features::Named(values) => {
                if let Some(stranger) = values.keys().find(|name| !self.features.contains(name)) {
                    return wrong(format!(
                        "the model has no feature \"{stranger}\"; it reads {}",
                        self.shown()
                    ));
                }
                let mut listed = Vec::with_capacity(self.features.len());
                for name in &self.features {
                    match values.get(name) {
                        Some(value) => listed.push(*value),
                        None => {
                            return wrong(format!("the trade lacks the feature \"{name}\"; add it"))
                        }
                    }
                }
                listed
            }
        };
        let mut integers = Vec::with_capacity(listed.len() + self.fields.len() + 2 * self.totals());
        let mut saturated = Vec::new();
        for ((value, (spec, index)), name) in listed.iter().zip(&self.scalars).zip(&self.features) {
            match quantize_input(spec, *index, *value) {
                Ok((integer, outside)) => {
                    if outside {
                        saturated.push(name.clone());
                    }
                    integers.push(integer);
                }
                Err(error) => return wrong(format!("feature \"{name}\": {error}")),
            }
        }
        integers.extend(self.field_integers(&trade.metadata)?);
        integers.resize(integers.len() + 2 * self.totals(), 0);
        Ok((integers, saturated))
    }

    fn field_integers(&self, metadata: &Map<String, Value>) -> Result<Vec<i64>, DecideError> {
        let integer = |field: &Field| field.integer(metadata.get(&field.name));
        let integers: Result<Vec<i64>, String> = self.fields.iter().map(integer).collect();
        integers.map_err(DecideError::Trade)
    }

    /// What each running total grows by if the decision is compliant.
    pub(super) fn shares(&self, integers: &[i64]) -> Vec<i64> {
        let totals = self.policy.iter().flat_map(|policy| &policy.totals);
        let share = totals.map(|total| {
            let field = self.fields.iter().position(|field| field.name == total.sum);
            field.map_or(1, |i| integers[self.features.len() + i])
        });
        share.collect()
    }

    /// Puts a total's values before and after the decision into a row.
    pub(super) fn put_total(&self, integers: &mut [i64], total: usize, before: i64, after: i64) {
        let first = self.features.len() + self.fields.len() + 2 * total;
        integers[first] = before;
        integers[first + 1] = after;
    }

    /// A total's value after the decision of a row.
    pub(super) fn total_after(&self, integers: &[i64], total: usize) -> Option<i64> {
        let first = self.features.len() + self.fields.len() + 2 * total;
        integers.get(first + 1).copied()
    }

    /// Runs the integer model.
    pub(super) fn eval(&self, integers: &[i64]) -> Outcome {
        let model = self.artifact.model();
        let scalars = model.eval(integers);
        let released = model.released_of(&scalars);
        let named = |name: &str| {
            let output = model
                .skeleton
                .outputs
                .iter()
                .find(|output| output.name == name);
            output
                .and_then(|output| output.scalars.first())
                .map(|id| scalars[*id as usize])
        };
        // Of a model without a policy a bit decides; the index of the greatest score is no answer of yes or no.
        let decides = self.policy.is_some() || model.skeleton.decision.starts_with("score >=");
        let compliant = named(DECISION).filter(|_| decides);
        let compliant = compliant.map(|decision| decision == 1);
        let reason = named(REASON).filter(|reason| *reason > 0);
        Outcome {
            released,
            compliant,
            reason: reason.and_then(|reason| u32::try_from(reason).ok()),
        }
    }

    /// The features by name, for people.
    fn shown(&self) -> String {
        const SHOWN: usize = 16;
        let names = self.features[..self.features.len().min(SHOWN)].join(", ");
        match self.features.len().saturating_sub(SHOWN) {
            0 => names,
            more => format!("{names} and {more} more"),
        }
    }
}

/// The model's own inputs, those that a policy adds left out.
fn own_inputs(skeleton: &Skeleton) -> impl Iterator<Item = &InputSpec> {
    let added = |spec: &&InputSpec| spec.name != FIELDS_INPUT && spec.name != TOTALS_INPUT;
    skeleton.inputs.iter().filter(added)
}
