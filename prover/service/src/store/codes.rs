//! How both databases write what their columns cannot hold: small numbers for enums, bytes for lists.

use clearproof_prover::engine::store::{ProofStatus, RecordKind, StoreError};
use clearproof_shared::log::merkle::Hash;

pub(super) fn kind_code(kind: RecordKind) -> i32 {
    match kind {
        RecordKind::Prove => 0,
        RecordKind::DecideOnly => 1,
        RecordKind::Lifecycle => 2,
    }
}

pub(super) fn kind_of(code: i32) -> Result<RecordKind, StoreError> {
    match code {
        0 => Ok(RecordKind::Prove),
        1 => Ok(RecordKind::DecideOnly),
        2 => Ok(RecordKind::Lifecycle),
        _ => Err(unreadable("kind of record")),
    }
}

/// [`ProofStatus::Unproven`] is no row of its table.
pub(super) fn status_code(status: ProofStatus) -> i32 {
    match status {
        ProofStatus::Unproven => 0,
        ProofStatus::Pending => 1,
        ProofStatus::Failed => 2,
        ProofStatus::Proven => 3,
        ProofStatus::Verified => 4,
    }
}

pub(super) fn status_of(code: Option<i32>) -> Result<ProofStatus, StoreError> {
    match code {
        None => Ok(ProofStatus::Unproven),
        Some(1) => Ok(ProofStatus::Pending),
        Some(2) => Ok(ProofStatus::Failed),
        Some(3) => Ok(ProofStatus::Proven),
        Some(4) => Ok(ProofStatus::Verified),
        Some(_) => Err(unreadable("status of a proof")),
    }
}

/// Sequence numbers as 8 bytes each, little-endian.
pub(super) fn pack_rows(rows: &[u64]) -> Vec<u8> {
    rows.iter().flat_map(|seq| seq.to_le_bytes()).collect()
}

pub(super) fn unpack_rows(bytes: &[u8]) -> Result<Vec<u64>, StoreError> {
    match bytes.as_chunks::<8>() {
        (rows, []) => Ok(rows.iter().map(|seq| u64::from_le_bytes(*seq)).collect()),
        _ => Err(unreadable("rows of a proof")),
    }
}

pub(super) fn hash_of(bytes: &[u8]) -> Result<Hash, StoreError> {
    bytes.try_into().map_err(|_| unreadable("hash"))
}

/// What a database holds as a signed number: sequence numbers, ids and times, all below 2^62.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| unreadable("number"))
}

/// A failure of the backend.
pub(super) fn backend(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Backend(Box::new(error))
}

/// A failure of the backend in words.
pub(super) fn failed(what: impl Into<String>) -> StoreError {
    StoreError::Backend(what.into().into())
}

fn unreadable(what: &str) -> StoreError {
    failed(format!("a stored {what} is not what was written"))
}
