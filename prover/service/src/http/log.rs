//! The log as it stands: counts, checkpoints, tiles, health.

use axum::extract::State as Of;
use axum::http::header;
use axum::response::IntoResponse;
use axum::Json as Answer;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::Segment;
use super::problem::Problem;
use super::state::{blocking, Shared};
use crate::config::hex;
use crate::tiles::Tile;

/// Whether the service answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthAnswer {
    /// `ok`
    status: &'static str,
}

/// Counts and rates over the whole log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsAnswer {
    /// Entries of the log.
    total: u64,
    /// Lifecycle entries among them.
    lifecycle: u64,
    /// Decisions.
    decisions: u64,
    /// Decisions of which no proof ever follows.
    decide_only: u64,
    /// Decisions that wait for a proof.
    pending: u64,
    /// Decisions of which proving failed.
    failed: u64,
    /// Decisions with a proof, checked or not.
    proven: u64,
    /// Decisions with a checked proof.
    verified: u64,
    /// Decisions that are compliant.
    compliant: u64,
    /// Decisions that are not.
    violations: u64,
    /// Verified decisions of all, 0 to 1.
    verification_rate: f64,
    /// Compliant decisions of all, 0 to 1.
    compliance_rate: f64,
}

/// A checkpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckpointAnswer {
    /// Entries.
    size: u64,
    /// Root of the tree over them, hexadecimal.
    root: String,
    /// The signed note.
    note: String,
}

/// The log's public key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogKeyAnswer {
    /// Name of the log.
    origin: String,
    /// `NAME+ID+KEY`, for `clearproof verify --log-key`; get it once by another way, and compare.
    key: String,
}

/// Whether the service answers, its store among it.
#[utoipa::path(get, path = "/health", tag = "log", security(()),
    responses((status = 200, body = HealthAnswer), (status = 503, body = Problem)))]
pub(super) async fn health(Of(state): Of<Shared>) -> Result<Answer<HealthAnswer>, Problem> {
    blocking(&state, |state| Ok(state.engine.store().size()?)).await?;
    Ok(Answer(HealthAnswer { status: "ok" }))
}

/// Counts and rates over the whole log.
#[utoipa::path(get, path = "/v1/statistics", tag = "log", responses((status = 200, body = StatsAnswer)))]
pub(super) async fn statistics(Of(state): Of<Shared>) -> Result<Answer<StatsAnswer>, Problem> {
    let stats = blocking(&state, |state| Ok(state.engine.stats()?)).await?;
    let counts = stats.counts;
    Ok(Answer(StatsAnswer {
        total: counts.total,
        lifecycle: counts.lifecycle,
        decisions: stats.decisions,
        decide_only: counts.decide_only,
        pending: counts.pending,
        failed: counts.failed,
        proven: counts.proven,
        verified: counts.verified,
        compliant: counts.compliant,
        violations: counts.violations,
        verification_rate: stats.verification_rate,
        compliance_rate: stats.compliance_rate,
    }))
}

/// Counts and times for Prometheus.
#[utoipa::path(get, path = "/v1/metrics", tag = "log", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn metrics(Of(state): Of<Shared>) -> Result<impl IntoResponse, Problem> {
    let text = blocking(&state, |state| {
        let checkpoint = state.engine.store().latest_checkpoint()?;
        let size = checkpoint.map_or(0, |checkpoint| checkpoint.size);
        Ok(state.metrics.text(&state.engine.stats()?, size))
    });
    let content = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content)], text.await?))
}

/// The log's public key.
#[utoipa::path(get, path = "/v1/log-key", tag = "log", responses((status = 200, body = LogKeyAnswer)))]
pub(super) async fn log_key(Of(state): Of<Shared>) -> Answer<LogKeyAnswer> {
    let key = state.log_key.clone();
    let origin = key.split('+').next().unwrap_or_default().to_owned();
    Answer(LogKeyAnswer { origin, key })
}

/// Signs the log as it stands.
#[utoipa::path(post, path = "/v1/checkpoints", tag = "log", responses((status = 200, body = CheckpointAnswer)))]
pub(super) async fn checkpoint(Of(state): Of<Shared>) -> Result<Answer<CheckpointAnswer>, Problem> {
    let checkpoint = blocking(&state, |state| state.checkpoint()).await?;
    Ok(Answer(CheckpointAnswer {
        size: checkpoint.size,
        root: hex(&checkpoint.root),
        note: String::from_utf8_lossy(&checkpoint.note).into_owned(),
    }))
}

/// The smallest checkpoint of this size or a larger one.
#[utoipa::path(get, path = "/v1/checkpoints/{size}", tag = "log", params(("size" = u64, Path)),
    responses((status = 200, body = CheckpointAnswer), (status = 404, body = Problem)))]
pub(super) async fn checkpoint_from(
    Of(state): Of<Shared>,
    size: Segment,
) -> Result<Answer<CheckpointAnswer>, Problem> {
    let size = size.number("size")?;
    let checkpoint = blocking(&state, move |state| {
        let found = state.engine.store().checkpoint_from(size)?;
        found.ok_or_else(|| {
            Problem::not_found("the log has no checkpoint of that size or a larger one")
        })
    });
    let checkpoint = checkpoint.await?;
    Ok(Answer(CheckpointAnswer {
        size: checkpoint.size,
        root: hex(&checkpoint.root),
        note: String::from_utf8_lossy(&checkpoint.note).into_owned(),
    }))
}

/// The log as static files (c2sp.org/tlog-tiles): `checkpoint`, `tile/L/N[.p/W]`, `tile/entries/N[.p/W]`.
#[utoipa::path(get, path = "/v1/log/{path}", tag = "log", params(("path" = String, Path, description = "May hold slashes")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
pub(super) async fn tile(
    Of(state): Of<Shared>,
    path: Segment,
) -> Result<impl IntoResponse, Problem> {
    let missing = || Problem::not_found("the log has no such tile up to its latest checkpoint");
    let tile = Tile::parse(&path.0).ok_or_else(missing)?;
    let bytes = blocking(&state, move |state| Ok(tile.read(&**state.engine.store())?));
    let bytes = bytes.await?.ok_or_else(missing)?;
    let (content, cache) = match tile {
        Tile::Checkpoint => ("text/plain; charset=utf-8", "no-cache"),
        _ => (
            "application/octet-stream",
            "private, max-age=31536000, immutable",
        ),
    };
    let headers = [
        (header::CONTENT_TYPE, content),
        (header::CACHE_CONTROL, cache),
    ];
    Ok((headers, bytes))
}
