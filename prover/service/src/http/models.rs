//! Models, what is in force, and their policies.

use std::path::{Component, Path};
use std::sync::{Arc, PoisonError};

use axum::extract::State as Of;
use axum::response::IntoResponse;
use axum::{Extension, Json as Answer};
use clearproof_prover::prove::Artifact;
use clearproof_shared::log::entry::{Action, Entry};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::decisions::read_hash;
use super::events::Event;
use super::evidence::octets;
use super::extract::{Json, Segment};
use super::problem::Problem;
use super::routes::Caller;
use super::state::{blocking, Loaded, Shared, State};
use crate::config::hex;

/// A loaded model.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelAnswer {
    /// SHA-256 of its bundle, hexadecimal.
    model: String,
    /// Its name.
    name: String,
    /// Its folder's name.
    folder: String,
    /// SHA-256 of its circuit's description, hexadecimal.
    circuit: String,
    /// Decisions of one proof.
    batch: usize,
    /// `loaded`, `registered` or `in-force`.
    state: &'static str,
    /// Name of its policy.
    policy: Option<String>,
}

/// A policy, as the bundle describes it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyAnswer {
    /// SHA-256 of the bundle, hexadecimal.
    model: String,
    /// The policy's name.
    name: String,
    /// SHA-256 of its description, hexadecimal: what lifecycle entries name.
    digest: String,
    /// Names of the model's inputs.
    features: Vec<String>,
    /// Fields of the metadata that rules read.
    fields: Vec<FieldAnswer>,
    /// Running totals.
    totals: Vec<TotalAnswer>,
    /// The rules in their order.
    rules: Vec<RuleAnswer>,
    /// The whole public policy.
    #[schema(value_type = Object)]
    document: Value,
}

/// A field of the metadata.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldAnswer {
    name: String,
    /// Texts that it may hold; none for whole numbers.
    values: Vec<String>,
    /// Width of a whole number; 0 for texts.
    bits: u32,
}

/// A running total.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TotalAnswer {
    name: String,
    /// The field that is added up; empty where decisions are counted.
    sum: String,
    /// Length of the window in milliseconds.
    window_ms: u64,
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RuleAnswer {
    /// Its number, as `reason` gives it.
    number: usize,
    name: String,
    /// Its condition as written.
    require: String,
}

/// A compiled folder.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadBody {
    /// Its path inside the models folder.
    folder: String,
}

/// Why a model's state changes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LifecycleBody {
    /// Written into the log.
    note: String,
    /// For `change`: SHA-256 of the bundle that it takes the place of, hexadecimal.
    replaces: Option<String>,
}

/// A lifecycle entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LifecycleAnswer {
    /// Sequence number of the entry.
    seq: u64,
}

/// The loaded models.
#[utoipa::path(get, path = "/v1/models", tag = "models", responses((status = 200, body = Vec<ModelAnswer>)))]
pub(super) async fn models(Of(state): Of<Shared>) -> Result<Answer<Vec<ModelAnswer>>, Problem> {
    let answers = blocking(&state, |state| {
        let models = state.models();
        models
            .iter()
            .map(|(_, model)| answer(state, model))
            .collect()
    });
    answers.await.map(Answer)
}

/// Loads a compiled folder of the models folder; the log does not change.
#[utoipa::path(post, path = "/v1/models/load", tag = "models", request_body = LoadBody,
    responses((status = 200, body = ModelAnswer), (status = 422, body = Problem)))]
pub(super) async fn load(
    Of(state): Of<Shared>,
    Json(body): Json<LoadBody>,
) -> Result<Answer<ModelAnswer>, Problem> {
    let loaded = blocking(&state, move |state| {
        let inside = Path::new(&body.folder);
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        let missing =
            || Problem::unprocessable("there is no such compiled folder inside the models folder");
        if body.folder.is_empty() || body.folder.contains('\0') || !inside.components().all(plain) {
            return Err(missing());
        }
        // Links may not lead out of it.
        let within = state
            .config
            .models_folder
            .canonicalize()
            .map_err(|_| missing())?;
        let folder = within.join(inside).canonicalize().map_err(|_| missing())?;
        if !folder.starts_with(&within) || folder == within {
            return Err(missing());
        }
        let artifact = Arc::new(Artifact::load(&folder)?);
        let digest = state.engine.load(Arc::clone(&artifact))?;
        let model = Arc::new(Loaded::new(folder, artifact));
        let mut models = state.loaded.write().unwrap_or_else(PoisonError::into_inner);
        models.insert(digest, Arc::clone(&model));
        drop(models);
        answer(state, &model)
    });
    loaded.await.map(Answer)
}

/// The bundle: `verifier.bin` for an auditor.
#[utoipa::path(get, path = "/v1/models/{model}/bundle", tag = "models", params(("model" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
pub(super) async fn bundle(
    Of(state): Of<Shared>,
    model: Segment,
) -> Result<impl IntoResponse, Problem> {
    let model = state.model(&read_hash(&model.0)?)?;
    Ok(octets(model.artifact.bundle_bytes().to_vec()))
}

/// Writes into the log that a model is known.
#[utoipa::path(post, path = "/v1/models/{model}/register", tag = "models", params(("model" = String, Path)), request_body = LifecycleBody,
    responses((status = 200, body = LifecycleAnswer), (status = 409, body = Problem)))]
pub(super) async fn register(
    state: Of<Shared>,
    caller: Extension<Caller>,
    model: Segment,
    body: Json<LifecycleBody>,
) -> Result<Answer<LifecycleAnswer>, Problem> {
    change(state, caller, model, body, Some(Action::Registered)).await
}

/// Puts a registered model in force.
#[utoipa::path(post, path = "/v1/models/{model}/approve", tag = "models", params(("model" = String, Path)), request_body = LifecycleBody,
    responses((status = 200, body = LifecycleAnswer), (status = 409, body = Problem)))]
pub(super) async fn approve(
    state: Of<Shared>,
    caller: Extension<Caller>,
    model: Segment,
    body: Json<LifecycleBody>,
) -> Result<Answer<LifecycleAnswer>, Problem> {
    change(state, caller, model, body, Some(Action::Approved)).await
}

/// Puts a registered model in another's place.
#[utoipa::path(post, path = "/v1/models/{model}/change", tag = "models", params(("model" = String, Path)), request_body = LifecycleBody,
    responses((status = 200, body = LifecycleAnswer), (status = 409, body = Problem)))]
pub(super) async fn replace(
    state: Of<Shared>,
    caller: Extension<Caller>,
    model: Segment,
    body: Json<LifecycleBody>,
) -> Result<Answer<LifecycleAnswer>, Problem> {
    change(state, caller, model, body, None).await
}

/// Takes a model out of force.
#[utoipa::path(post, path = "/v1/models/{model}/retire", tag = "models", params(("model" = String, Path)), request_body = LifecycleBody,
    responses((status = 200, body = LifecycleAnswer), (status = 409, body = Problem)))]
pub(super) async fn retire(
    state: Of<Shared>,
    caller: Extension<Caller>,
    model: Segment,
    body: Json<LifecycleBody>,
) -> Result<Answer<LifecycleAnswer>, Problem> {
    change(state, caller, model, body, Some(Action::Retired)).await
}

/// `None` is a change, whose action names what is replaced.
async fn change(
    Of(state): Of<Shared>,
    Extension(caller): Extension<Caller>,
    model: Segment,
    Json(body): Json<LifecycleBody>,
    action: Option<Action>,
) -> Result<Answer<LifecycleAnswer>, Problem> {
    let subject = read_hash(&model.0)?;
    let action = match (action, body.replaces) {
        (Some(action), None) => action,
        (None, Some(replaced)) => Action::Changed {
            replaced: read_hash(&replaced)?,
        },
        (Some(_), Some(_)) => {
            return Err(Problem::unprocessable("replaces is for change alone"));
        }
        (None, None) => {
            return Err(Problem::unprocessable(
                "say in replaces which model it takes the place of",
            ));
        }
    };
    let seq = blocking(&state, move |state| {
        let seq = state
            .engine
            .lifecycle(action, subject, &caller.name, &body.note)?;
        state.tell(Event::Appended {
            seq,
            compliant: None,
        });
        Ok(seq)
    });
    Ok(Answer(LifecycleAnswer { seq: seq.await? }))
}

/// The policies of the loaded models.
#[utoipa::path(get, path = "/v1/policies", tag = "models", responses((status = 200, body = Vec<PolicyAnswer>)))]
pub(super) async fn policies(Of(state): Of<Shared>) -> Answer<Vec<PolicyAnswer>> {
    let models = state.models();
    let policies = models.into_iter().filter_map(|(digest, model)| {
        let policy = model.policy.clone()?;
        let rules = policy.rules.iter().enumerate();
        Some(PolicyAnswer {
            model: hex(&digest),
            digest: hex(&policy.digest()),
            rules: rules
                .map(|(i, (name, require))| RuleAnswer {
                    number: i + 1,
                    name: name.clone(),
                    require: require.clone(),
                })
                .collect(),
            document: serde_json::from_str(&policy.text)
                .unwrap_or_else(|_| Value::String(policy.text.clone())),
            name: policy.name,
            features: policy.features,
            fields: policy
                .fields
                .into_iter()
                .map(|field| FieldAnswer {
                    name: field.name,
                    values: field.values,
                    bits: field.bits,
                })
                .collect(),
            totals: policy
                .totals
                .into_iter()
                .map(|total| TotalAnswer {
                    name: total.name,
                    sum: total.sum,
                    window_ms: total.window_ms,
                })
                .collect(),
        })
    });
    Answer(policies.collect())
}

fn answer(state: &State, model: &Loaded) -> Result<ModelAnswer, Problem> {
    let digest = model.artifact.bundle_digest();
    let store = state.engine.store();
    let latest = match store.size()? {
        0 => None,
        size => store.latest_lifecycle(size - 1)?,
    };
    let stands = match latest.map(|(_, bytes)| Entry::decode(&bytes)) {
        Some(Ok(Entry::Lifecycle(latest))) if latest.in_force.contains(&digest) => "in-force",
        Some(Ok(Entry::Lifecycle(latest))) if latest.registered.contains(&digest) => "registered",
        _ => "loaded",
    };
    let folder = model.folder.file_name().unwrap_or_default();
    Ok(ModelAnswer {
        model: hex(&digest),
        name: model.name.clone(),
        folder: folder.to_string_lossy().into_owned(),
        circuit: hex(&model.artifact.circuit_id()),
        batch: model.artifact.batch(),
        state: stands,
        policy: model.policy.as_ref().map(|policy| policy.name.clone()),
    })
}
