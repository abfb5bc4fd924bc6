//! Evidence files, their verification, and proofs.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State as Of;
use axum::http::header;
use axum::response::IntoResponse;
use axum::Json as Answer;
use clearproof_prover::engine::Export;
use clearproof_shared::verify::{verify_evidence, Options};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::events::Event;
use super::extract::{Body, Json, Query, Segment, MOST_NUMBER};
use super::problem::Problem;
use super::state::{blocking, Loaded, Shared, State};
use crate::config::hex;

/// A window of the log.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowBody {
    /// First sequence number.
    from: u64,
    /// Sequence number after the last.
    to: u64,
    /// Show the records' metadata, and not its digests alone.
    #[serde(default)]
    metadata: bool,
    /// Carry the bundles, and not their digests alone.
    #[serde(default)]
    bundles: bool,
    /// Size of an earlier checkpoint that the log is shown to have grown from.
    earlier: Option<u64>,
}

/// A window of the log, and what of its inputs is shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DisclosureBody {
    /// First sequence number.
    from: u64,
    /// Sequence number after the last.
    to: u64,
    /// Show the records' metadata.
    #[serde(default)]
    metadata: bool,
    /// Carry the bundles.
    #[serde(default)]
    bundles: bool,
    /// Size of an earlier checkpoint.
    earlier: Option<u64>,
    /// Sequence numbers of the records whose inputs are shown.
    records: BTreeSet<u64>,
}

/// A proof.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProofAnswer {
    /// Its id.
    id: u64,
    /// SHA-256 of the bundle, hexadecimal.
    model: String,
    /// Sequence numbers of its rows.
    rows: Vec<u64>,
    /// When it was made, Unix time in milliseconds.
    proved_ms: u64,
    /// Whether it was checked.
    verified: bool,
    /// Its length in bytes.
    bytes: usize,
}

/// A failure to prove.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FailureAnswer {
    /// Its id.
    id: u64,
    /// SHA-256 of the bundle, hexadecimal.
    model: String,
    /// Sequence numbers of the rows.
    rows: Vec<u64>,
    /// Why it failed.
    reason: String,
    /// When, Unix time in milliseconds.
    failed_ms: u64,
}

/// How an evidence file is judged.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VerifyQuery {
    /// Accept the reference string whose secret is published.
    allow_insecure_dev_srs: bool,
}

/// An evidence file of a window; every row of a proof that reaches into it comes along.
#[utoipa::path(post, path = "/v1/evidence", tag = "evidence", request_body = WindowBody,
    responses((status = 200, description = "An evidence file", body = Vec<u8>, content_type = "application/octet-stream"), (status = 422, body = Problem)))]
pub(super) async fn export(
    Of(state): Of<Shared>,
    Json(body): Json<WindowBody>,
) -> Result<impl IntoResponse, Problem> {
    let export = Export {
        metadata: body.metadata,
        bundles: body.bundles,
        earlier: body.earlier,
        ..Export::default()
    };
    evidence(&state, body.from, body.to, export).await
}

/// An evidence file that shows the inputs of some records.
#[utoipa::path(post, path = "/v1/disclosures", tag = "evidence", request_body = DisclosureBody,
    responses((status = 200, description = "An evidence file", body = Vec<u8>, content_type = "application/octet-stream"), (status = 422, body = Problem)))]
pub(super) async fn disclose(
    Of(state): Of<Shared>,
    Json(body): Json<DisclosureBody>,
) -> Result<impl IntoResponse, Problem> {
    let outside = |seq: &u64| !(body.from..body.to).contains(seq);
    if let Some(seq) = body.records.iter().find(|seq| outside(seq)) {
        return Err(Problem::unprocessable(format!(
            "record {seq} is not in the window; widen it"
        )));
    }
    let export = Export {
        metadata: body.metadata,
        bundles: body.bundles,
        earlier: body.earlier,
        disclose: body.records,
        ..Export::default()
    };
    evidence(&state, body.from, body.to, export).await
}

async fn evidence(
    state: &Shared,
    from: u64,
    to: u64,
    export: Export,
) -> Result<impl IntoResponse, Problem> {
    let most = state.config.limits.export_records;
    if to.saturating_sub(from) > most {
        return Err(Problem::unprocessable(format!(
            "a window has at most {most} records here; ask for several files"
        )));
    }
    if to.max(export.earlier.unwrap_or(0)) > MOST_NUMBER {
        return Err(Problem::unprocessable("the log has not that many records"));
    }
    let file = blocking(state, move |state| {
        state.checkpoint()?;
        Ok(state.engine.export(from..to, &export)?)
    });
    Ok(octets(file.await?))
}

/// Judges an evidence file against this service's own models and log key, as its auditor would with copies of them.
#[utoipa::path(post, path = "/v1/verify", tag = "evidence", params(VerifyQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "The report: verdict, checks, records", body = Object)))]
pub(super) async fn verify(
    Of(state): Of<Shared>,
    Query(query): Query<VerifyQuery>,
    Body(file): Body,
) -> Result<Answer<Value>, Problem> {
    let report = blocking(&state, move |state| {
        let models: Vec<Arc<Loaded>> = state.models().into_iter().map(|(_, m)| m).collect();
        let options = Options {
            trust: models.iter().map(|m| m.artifact.bundle_bytes()).collect(),
            allow_insecure_dev_srs: query.allow_insecure_dev_srs,
            log_keys: vec![&state.log_key],
            witness_keys: vec![],
            clock: None,
        };
        let report = verify_evidence(&file, &options);
        serde_json::to_value(report).map_err(|_| Problem::internal())
    });
    report.await.map(Answer)
}

/// A proof.
#[utoipa::path(get, path = "/v1/proofs/{id}", tag = "evidence", params(("id" = u64, Path)),
    responses((status = 200, body = ProofAnswer), (status = 404, body = Problem)))]
pub(super) async fn proof(
    Of(state): Of<Shared>,
    id: Segment,
) -> Result<Answer<ProofAnswer>, Problem> {
    let id = id.number("id")?;
    let answer = blocking(&state, move |state| proof_answer(state, id));
    answer.await.map(Answer)
}

/// The proof's bytes, as an evidence file holds them.
#[utoipa::path(get, path = "/v1/proofs/{id}/file", tag = "evidence", params(("id" = u64, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
pub(super) async fn proof_file(
    Of(state): Of<Shared>,
    id: Segment,
) -> Result<impl IntoResponse, Problem> {
    let id = id.number("id")?;
    let bytes = blocking(&state, move |state| {
        Ok(state.engine.store().proof(id)?.proof.proof)
    });
    Ok(octets(bytes.await?))
}

/// Checks a proof again, against the log's own entries.
#[utoipa::path(post, path = "/v1/proofs/{id}/verify", tag = "evidence", params(("id" = u64, Path)),
    responses((status = 200, body = ProofAnswer), (status = 404, body = Problem), (status = 409, description = "It does not hold", body = Problem)))]
pub(super) async fn verify_proof(
    Of(state): Of<Shared>,
    id: Segment,
) -> Result<Answer<ProofAnswer>, Problem> {
    let id = id.number("id")?;
    let answer = blocking(&state, move |state| {
        state.engine.verify(id)?;
        let answer = proof_answer(state, id)?;
        state.tell(Event::Verified {
            proof: id,
            rows: answer.rows.clone(),
        });
        Ok(answer)
    });
    answer.await.map(Answer)
}

/// Batches of which proving failed, newest first, 100 at most.
#[utoipa::path(get, path = "/v1/failures", tag = "evidence", responses((status = 200, body = Vec<FailureAnswer>)))]
pub(super) async fn failures(Of(state): Of<Shared>) -> Result<Answer<Vec<FailureAnswer>>, Problem> {
    let failures = blocking(&state, |state| Ok(state.engine.store().failures(100)?)).await?;
    let failures = failures.into_iter().map(|noted| FailureAnswer {
        id: noted.id,
        model: hex(&noted.failure.bundle),
        rows: noted.failure.rows,
        reason: noted.failure.reason,
        failed_ms: noted.failure.failed_ms,
    });
    Ok(Answer(failures.collect()))
}

/// Has a failed batch proved again.
#[utoipa::path(post, path = "/v1/failures/{id}/retry", tag = "evidence", params(("id" = u64, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn retry(
    Of(state): Of<Shared>,
    id: Segment,
) -> Result<axum::http::StatusCode, Problem> {
    let id = id.number("id")?;
    blocking(&state, move |state| Ok(state.engine.store().retry(id)?)).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

fn proof_answer(state: &State, id: u64) -> Result<ProofAnswer, Problem> {
    let stored = state.engine.store().proof(id)?;
    Ok(ProofAnswer {
        id,
        model: hex(&stored.proof.bundle),
        rows: stored.proof.rows,
        proved_ms: stored.proof.proved_ms,
        verified: stored.verified,
        bytes: stored.proof.proof.len(),
    })
}

pub(super) fn octets(bytes: Vec<u8>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes)
}
