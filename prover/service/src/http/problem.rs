//! What callers are told when something is not done: one sentence as `application/problem+json` (RFC 9457).

use std::error::Error;

use axum::http::{header, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use clearproof_prover::engine::store::StoreError;
use clearproof_prover::engine::{DecideError, ExportError, ProvingError};
use clearproof_prover::prove::ArtifactError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::ConfigError;

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// HTTP status.
    pub(super) status: u16,
    /// The status in words.
    pub(super) title: &'static str,
    /// One sentence.
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("error"),
            detail: detail.into(),
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    pub(super) fn internal() -> Self {
        let detail = "our own mistake; the service's log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if matches!(self.status, 429 | 503) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        let status = match error {
            StoreError::NotFound { .. } => StatusCode::NOT_FOUND,
            StoreError::Invalid { .. } | StoreError::Merkle(_) => StatusCode::UNPROCESSABLE_ENTITY,
            StoreError::Conflict { .. }
            | StoreError::DuplicateRequest { .. }
            | StoreError::AlreadyProven { .. }
            | StoreError::NotProvable { .. }
            | StoreError::Checkpoint { .. } => StatusCode::CONFLICT,
            StoreError::Backend(cause) if is_full(cause.as_ref()) => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            StoreError::Backend(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // A backend's own words may name files and hosts.
        let detail = match status {
            StatusCode::INSUFFICIENT_STORAGE => {
                "the store is full; nothing was changed; make room and ask again".to_owned()
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                "the store does not answer; nothing was changed; ask again later".to_owned()
            }
            _ => error.to_string(),
        };
        Self::new(status, detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        match &error {
            DecideError::Trade(sentence) => Self::unprocessable(sentence),
            DecideError::Model(_) | DecideError::Lifecycle(_) => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            DecideError::Store(error) => Self::from(&**error),
            DecideError::Stopped => Self::unavailable(error.to_string()),
            _ => Self::internal(),
        }
    }
}

impl From<ProvingError> for Problem {
    fn from(error: ProvingError) -> Self {
        match &error {
            ProvingError::Store(error) => Self::from(error),
            ProvingError::Prove(_) => Self::internal(),
            _ => Self::new(StatusCode::CONFLICT, error.to_string()),
        }
    }
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => Self::from(&error),
            ExportError::Proving(error) => Self::from(error),
            other => Self::unprocessable(other.to_string()),
        }
    }
}

impl From<ArtifactError> for Problem {
    fn from(error: ArtifactError) -> Self {
        Self::unprocessable(error.to_string())
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Store(error) => Self::from(&error),
            other => Self::unprocessable(other.to_string()),
        }
    }
}

/// Whether a backend says that there is no room.
fn is_full(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
        return error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
    }
    if let Some(error) = error.downcast_ref::<postgres::Error>() {
        return error.code() == Some(&postgres::error::SqlState::DISK_FULL);
    }
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_store_says_so_and_names_no_file() {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let full = rusqlite::Error::SqliteFailure(full, Some("/secret/path".into()));
        let problem = Problem::from(StoreError::Backend(Box::new(full)));
        assert_eq!(problem.status, 507);
        assert!(!problem.detail.contains("secret"), "{}", problem.detail);
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let busy = rusqlite::Error::SqliteFailure(busy, None);
        assert_eq!(
            Problem::from(StoreError::Backend(Box::new(busy))).status,
            503
        );
    }
}
