//! A batch to be proved, in a form that another machine can work on.
//!
//! 1. Claim: a job has all that a proof of its rows needs besides the compiled model. It holds secrets (inputs, blinding,
//!    salts), so that its bytes travel sealed alone.
//! 2. Layout of the bytes, integers little-endian: version 1; origin (length in 4 bytes, text); SHA-256 of the bundle; number
//!    of rows in 4 bytes; of each row its sequence number, time, the lifecycle entry's number (8 bytes each) and leaf hash,
//!    the input commitment (32 bytes), then the record's opening and its metadata, each with its length in 4 bytes.
//! 3. Assumed: who made the bytes may be anybody. A false job makes a proof that no log accepts.

use clearproof_shared::artifact::evidence::Metadata;
use clearproof_shared::commitment::metadata::metadata_digest;
use clearproof_shared::log::entry::LeafRef;
use clearproof_shared::log::merkle::Hash;
use rand_core::OsRng;
use zeroize::Zeroizing;

use super::proving::ProvingError;
use super::secret::Secret;
use crate::prove::{prove_logged, Artifact, CommittedRow, LoggedRow, Row};

/// A batch to be proved.
pub struct Job {
    pub(super) origin: String,
    pub(super) bundle: Hash,
    pub(super) rows: Vec<LoggedRow>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({}, rows {:?})", self.origin, self.rows())
    }
}

impl Job {
    /// SHA-256 of the bundle of the model that decided.
    pub fn bundle(&self) -> &Hash {
        &self.bundle
    }

    /// Sequence numbers of its rows.
    pub fn rows(&self) -> Vec<u64> {
        self.rows.iter().map(|row| row.seq).collect()
    }

    /// Proves its rows; the bytes are those of the evidence's proof, with the digests of the rows' metadata.
    ///
    /// # Errors
    /// [`ProvingError::Model`] if `artifact` is another model; the prover's.
    pub fn prove(&self, artifact: &Artifact) -> Result<Vec<u8>, ProvingError> {
        if artifact.bundle_digest() != self.bundle {
            return Err(ProvingError::Model);
        }
        let mut proved = prove_logged(artifact, &self.origin, &self.rows, &mut OsRng)?;
        // The metadata stays with the records; the proof needs its digests alone.
        let hidden = self.rows.iter().map(|row| {
            let metadata = &row.committed.row().metadata;
            Metadata::Hidden(metadata_digest(&row.salt, metadata))
        });
        proved.metadata = hidden.collect();
        Ok(proved.to_bytes())
    }

    /// All of it, secrets too.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let sizes = self.rows.iter().map(|row| {
            let row = row.committed.row();
            ROW_BYTES + 8 * row.input.len() + row.metadata.len()
        });
        let whole = HEAD_BYTES + self.origin.len() + sizes.sum::<usize>();
        // Never grown: what a vector leaves behind where it stood is not wiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(whole));
        bytes.push(VERSION);
        put(&mut bytes, self.origin.as_bytes());
        bytes.extend_from_slice(&self.bundle);
        bytes.extend_from_slice(&(self.rows.len() as u32).to_le_bytes());
        for row in &self.rows {
            for number in [row.seq, row.time_ms, row.lifecycle.index] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            bytes.extend_from_slice(&row.lifecycle.leaf);
            bytes.extend_from_slice(&row.committed.commitment());
            let secret = Secret {
                inputs: Zeroizing::new(row.committed.row().input.clone()),
                blinding: row.committed.blinding(),
                salt: row.salt,
            };
            put(&mut bytes, &secret.to_bytes());
            put(&mut bytes, &row.committed.row().metadata);
        }
        debug_assert_eq!(bytes.len(), whole);
        bytes
    }

    /// Reads a job; `None` if the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION], mut rest) = bytes.split_first_chunk()? else {
            return None;
        };
        let rest = &mut rest;
        let origin = String::from_utf8(taken(rest)?.to_vec()).ok()?;
        let bundle = *chunk(rest)?;
        let count = u32::from_le_bytes(*chunk(rest)?);
        let mut rows = Vec::new();
        for _ in 0..count {
            rows.push(row(rest)?);
        }
        rest.is_empty().then_some(Self {
            origin,
            bundle,
            rows,
        })
    }
}

fn row(rest: &mut &[u8]) -> Option<LoggedRow> {
    let seq = number(rest)?;
    let time_ms = number(rest)?;
    let lifecycle = LeafRef {
        index: number(rest)?,
        leaf: *chunk(rest)?,
    };
    let commitment = chunk(rest)?;
    let secret = Secret::from_bytes(taken(rest)?)?;
    let row = Row {
        input: secret.inputs.to_vec(),
        metadata: taken(rest)?.to_vec(),
    };
    Some(LoggedRow {
        committed: CommittedRow::from_parts(row, &secret.blinding, commitment)?,
        salt: secret.salt,
        seq,
        time_ms,
        lifecycle,
    })
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
    bytes.extend_from_slice(part);
}

fn chunk<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (chunk, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(chunk)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    chunk(rest).map(|bytes| u64::from_le_bytes(*bytes))
}

/// A part with its length in front; nothing is allocated by what the length says.
fn taken<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(*chunk(rest)?) as usize;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

const VERSION: u8 = 1;
/// Bytes beside the origin and the rows.
const HEAD_BYTES: usize = 1 + 4 + 32 + 4;
/// Bytes of a row beside its inputs and its metadata.
const ROW_BYTES: usize = 3 * 8 + 32 + 32 + 4 + Secret::FIXED_BYTES + 4;
