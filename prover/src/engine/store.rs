//! Where the engine keeps its log, its sealed inputs, its proofs and its checkpoints.
//!
//! 1. Claim: entries are only ever appended, each once, in order, and durable when
//!    [`Store::append`] returns; a record has at most one proof; checkpoints only grow and are always
//!    those of the stored tree. Every backend passes one suite of tests.
//! 2. Units: times are Unix times in milliseconds; sequence numbers are leaf indices. Roots and Merkle
//!    proofs take O(log n) reads of [`Store::node`]; appending a batch writes the full subtrees it completes.
//! 3. Assumed: one writer at a time for each store; what is sealed is encrypted by the caller, and
//!    that a proof is true is checked before it is attached.
//! 4. Source: docs/design/log.md.

use std::ops::Range;

use clearproof_shared::artifact::FormatError;
use clearproof_shared::log::checkpoint::Checkpoint;
use clearproof_shared::log::entry::{Entry, Mode, MAX_SEQ, MAX_TIME_MS};
use clearproof_shared::log::merkle::{self, leaf_hash, Frontier, Hash, MerkleError};
use thiserror::Error;

mod audit;
mod memory;

pub use audit::audit;
pub use memory::MemoryStore;

/// What a store does for the engine.
pub trait Store: Send + Sync {
    /// Appends records, all or none, durable on return. The entries' sequence numbers go on from
    /// [`Store::size`]. Writes the full subtrees they complete in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the first sequence number is not the size,
    /// [`StoreError::DuplicateRequest`], [`StoreError::Invalid`], and those of the backend.
    fn append(&self, records: &[NewRecord]) -> Result<(), StoreError>;

    /// Number of entries.
    ///
    /// # Errors
    /// Those of the backend; so everywhere below.
    fn size(&self) -> Result<u64, StoreError>;

    /// The same, once whatever was under way has ended: what an append that failed has left behind. Asked by who
    /// appends.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    fn settled_size(&self) -> Result<u64, StoreError> {
        self.size()
    }

    /// Encoded entries of a range of sequence numbers.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the range exceeds the log.
    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError>;

    /// What was sealed with the records of a range of sequence numbers.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the range exceeds the log.
    fn sealed(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Roots of full subtrees of `2^level` leaves; level 0 holds the leaf hashes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if one is not complete.
    fn nodes(&self, level: u32, indices: Range<u64>) -> Result<Vec<Hash>, StoreError>;

    /// The records of a range of sequence numbers.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the range exceeds the log.
    fn records(&self, range: Range<u64>) -> Result<Vec<Record>, StoreError>;

    /// The sequence number of a request.
    fn by_request_id(&self, request_id: &str) -> Result<Option<u64>, StoreError>;

    /// The newest `limit` records that pass the filter, newest first.
    fn history(&self, filter: &Filter, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// Counts over the whole log, without reading it.
    fn stats(&self) -> Result<Stats, StoreError>;

    /// Sequence number and encoding of the latest lifecycle entry at or before `seq`.
    fn latest_lifecycle(&self, seq: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError>;

    /// Attaches a proof to its records, which become [`ProofStatus::Proven`], and returns its id.
    ///
    /// # Errors
    /// [`StoreError::AlreadyProven`] if one has a proof; [`StoreError::NotProvable`] if one is no
    /// decision of that bundle that waits for a proof; [`StoreError::Invalid`] for rows that do not ascend.
    fn attach(&self, proof: &NewProof) -> Result<u64, StoreError>;

    /// Notes that a proof was checked: its records become [`ProofStatus::Verified`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown id.
    fn mark_verified(&self, proof: u64) -> Result<(), StoreError>;

    /// A proof by its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown id.
    fn proof(&self, id: u64) -> Result<StoredProof, StoreError>;

    /// For each bundle with decisions that wait, the oldest of them: at most `limit` sequence
    /// numbers, ascending, with none of that bundle's provable decisions left out in between. Oldest bundle first.
    fn pending(&self, limit: usize) -> Result<Vec<Pending>, StoreError>;

    /// Notes that proving failed for these records: they become [`ProofStatus::Failed`] and are no
    /// longer pending. Returns the failure's id.
    ///
    /// # Errors
    /// Those of [`Store::attach`].
    fn mark_failed(&self, failure: &NewFailure) -> Result<u64, StoreError>;

    /// Makes the records of a failure pending again, those that were proven or failed anew since excepted.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown id.
    fn retry(&self, failure: u64) -> Result<(), StoreError>;

    /// The failures that are still some record's latest state, newest first, `limit` at most.
    fn failures(&self, limit: usize) -> Result<Vec<Failure>, StoreError>;

    /// Stores a checkpoint. The same size again replaces the note, so that cosignatures can be added.
    ///
    /// # Errors
    /// [`StoreError::Checkpoint`] if it is smaller than the latest, larger than the log, or not of
    /// the stored tree's root.
    fn put_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<(), StoreError>;

    /// The latest checkpoint.
    fn latest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// The smallest checkpoint of this size or a larger one.
    fn checkpoint_from(&self, size: u64) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// The checkpoint of exactly this size.
    fn checkpoint(&self, size: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        let from = self.checkpoint_from(size)?;
        Ok(from.filter(|checkpoint| checkpoint.size == size))
    }

    /// The record of a sequence number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] beyond the log.
    fn record(&self, seq: u64) -> Result<Record, StoreError> {
        let one = self.records(seq..seq.saturating_add(1))?;
        one.into_iter().next().ok_or(StoreError::NotFound {
            what: "entry",
            at: seq,
        })
    }

    /// One encoded entry.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] beyond the log.
    fn entry(&self, seq: u64) -> Result<Vec<u8>, StoreError> {
        let one = self.entries(seq..seq.saturating_add(1))?;
        one.into_iter().next().ok_or(StoreError::NotFound {
            what: "entry",
            at: seq,
        })
    }

    /// The root of one full subtree.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not complete.
    fn node(&self, level: u32, index: u64) -> Result<Hash, StoreError> {
        let one = self.nodes(level, index..index.saturating_add(1))?;
        one.into_iter().next().ok_or(StoreError::NotFound {
            what: "node",
            at: index,
        })
    }

    /// The proof of a record, if it has one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] beyond the log.
    fn proof_of(&self, seq: u64) -> Result<Option<StoredProof>, StoreError> {
        let id = self.record(seq)?.proof;
        id.map(|id| self.proof(id)).transpose()
    }

    /// The root of the first `size` entries.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there are fewer.
    fn root(&self, size: u64) -> Result<Hash, StoreError> {
        merkle::root_from_nodes(size, &mut |level, index| self.node(level, index))
    }

    /// The proof that the entries at `indices` (ascending) stand in the tree of `size`; see [`merkle::root_of`].
    ///
    /// # Errors
    /// [`StoreError::Merkle`], and [`StoreError::NotFound`] if there are fewer entries.
    fn prove_set(&self, size: u64, indices: &[u64]) -> Result<Vec<Hash>, StoreError> {
        merkle::prove_set(size, indices, &mut |level, index| self.node(level, index))
    }

    /// The proof that the tree of `new_size` begins with the entries of the tree of `old_size`.
    ///
    /// # Errors
    /// [`StoreError::Merkle`], and [`StoreError::NotFound`] if there are fewer entries.
    fn prove_consistency(&self, old_size: u64, new_size: u64) -> Result<Vec<Hash>, StoreError> {
        merkle::prove_consistency(old_size, new_size, &mut |level, index| {
            self.node(level, index)
        })
    }
}

/// A record to append: the log's entry, and what only the operator keeps.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// The entry; its sequence number, time, kind and bundle are searchable.
    pub entry: Entry,
    /// The caller's name for the request, [`MAX_REQUEST_ID`] bytes at most, once in a log.
    pub request_id: Option<String>,
    /// The policy's answer, where there was one.
    pub compliant: Option<bool>,
    /// The rule that decided, where there was one.
    pub reason: Option<u32>,
    /// A JSON object or nothing, [`MAX_METADATA`] bytes at most; see [`searchable`].
    pub metadata: String,
    /// The inputs, blinding and salt, encrypted; opaque here.
    pub sealed: Vec<u8>,
}

/// What kind of record an entry makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A decision of which a proof follows.
    Prove,
    /// A decision of which none ever does.
    DecideOnly,
    /// A lifecycle entry.
    Lifecycle,
}

impl RecordKind {
    /// The kind of an entry.
    pub fn of(entry: &Entry) -> Self {
        match entry {
            Entry::Lifecycle(_) => RecordKind::Lifecycle,
            Entry::Decision(decision) => match decision.mode {
                Mode::Prove => RecordKind::Prove,
                Mode::DecideOnly => RecordKind::DecideOnly,
            },
        }
    }

    /// How far the proof of a new record is.
    pub fn first_status(self) -> ProofStatus {
        match self {
            RecordKind::Prove => ProofStatus::Pending,
            RecordKind::DecideOnly | RecordKind::Lifecycle => ProofStatus::Unproven,
        }
    }
}

/// How far a record's proof is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProofStatus {
    /// Lifecycle entries and decide-only decisions: there will be none.
    Unproven,
    /// It waits.
    Pending,
    /// Proving failed, until retried.
    Failed,
    /// It is attached.
    Proven,
    /// It is attached and was checked.
    Verified,
}

impl ProofStatus {
    /// Its name, in answers and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            ProofStatus::Unproven => "unproven",
            ProofStatus::Pending => "pending",
            ProofStatus::Failed => "failed",
            ProofStatus::Proven => "proven",
            ProofStatus::Verified => "verified",
        }
    }
}

/// What history shows of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Sequence number.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// What it is.
    pub kind: RecordKind,
    /// The bundle that decided or that a lifecycle entry is about.
    pub bundle: Hash,
    /// The caller's name for the request.
    pub request_id: Option<String>,
    /// The policy's answer.
    pub compliant: Option<bool>,
    /// The rule that decided.
    pub reason: Option<u32>,
    /// The metadata, as appended.
    pub metadata: String,
    /// How far its proof is.
    pub status: ProofStatus,
    /// The proof's id, once there is one.
    pub proof: Option<u64>,
    /// The failure's id while the status is [`ProofStatus::Failed`].
    pub failure: Option<u64>,
}

/// Which records history shows: those that pass every condition given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Sequence numbers below this one: where the previous page ended.
    pub before: Option<u64>,
    /// Times from this one on.
    pub from_ms: Option<u64>,
    /// Times before this one.
    pub until_ms: Option<u64>,
    /// Of this kind.
    pub kind: Option<RecordKind>,
    /// Of this bundle.
    pub bundle: Option<Hash>,
    /// With this answer of the policy.
    pub compliant: Option<bool>,
    /// With a proof this far.
    pub status: Option<ProofStatus>,
    /// With this metadata: key and text of the value, as [`searchable`] gives them.
    pub metadata: Option<(String, String)>,
}

/// Counts over the whole log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries.
    pub total: u64,
    /// Lifecycle entries among them; the others are decisions.
    pub lifecycle: u64,
    /// Decisions of which no proof ever follows.
    pub decide_only: u64,
    /// Decisions that wait for a proof.
    pub pending: u64,
    /// Decisions of which proving failed.
    pub failed: u64,
    /// Decisions with a proof, checked or not.
    pub proven: u64,
    /// Decisions with a checked proof.
    pub verified: u64,
    /// Records that the policy found compliant.
    pub compliant: u64,
    /// Records that the policy found not compliant.
    pub violations: u64,
}

impl Stats {
    /// Counts one record more.
    pub fn count(&mut self, record: &Record) {
        self.total += 1;
        self.compliant += u64::from(record.compliant == Some(true));
        self.violations += u64::from(record.compliant == Some(false));
        match record.kind {
            RecordKind::Lifecycle => self.lifecycle += 1,
            RecordKind::DecideOnly => self.decide_only += 1,
            RecordKind::Prove => {}
        }
        match record.status {
            ProofStatus::Unproven => {}
            ProofStatus::Pending => self.pending += 1,
            ProofStatus::Failed => self.failed += 1,
            ProofStatus::Proven => self.proven += 1,
            ProofStatus::Verified => {
                self.proven += 1;
                self.verified += 1;
            }
        }
    }
}

/// A proof to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProof {
    /// Sequence numbers of the rows, ascending, one at least.
    pub rows: Vec<u64>,
    /// The bundle that proves.
    pub bundle: Hash,
    /// The proof; opaque here.
    pub proof: Vec<u8>,
    /// When it was made, in milliseconds of Unix time.
    pub proved_ms: u64,
}

/// An attached proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProof {
    /// Its id.
    pub id: u64,
    /// What was attached.
    pub proof: NewProof,
    /// Whether it was checked.
    pub verified: bool,
}

/// Decisions of one bundle that wait for a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The bundle.
    pub bundle: Hash,
    /// Sequence numbers, ascending.
    pub rows: Vec<u64>,
}

/// A failure to prove, to be noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFailure {
    /// Sequence numbers of the rows, ascending, one at least.
    pub rows: Vec<u64>,
    /// The bundle that was to prove.
    pub bundle: Hash,
    /// Why it failed.
    pub reason: String,
    /// When it failed, in milliseconds of Unix time.
    pub failed_ms: u64,
}

/// A noted failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its id.
    pub id: u64,
    /// What was noted.
    pub failure: NewFailure,
}

/// A checkpoint of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// The signed note, a [`Checkpoint`] of this size and root.
    pub note: Vec<u8>,
}

/// Why a store refused or failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another writer was faster, or the caller's size is stale.
    #[error("the log has {size} entries, and the record is for place {seq}")]
    Conflict {
        /// Entries in the log.
        size: u64,
        /// Sequence number of the record that does not follow.
        seq: u64,
    },
    /// A request was appended before.
    #[error("request {request_id:?} is in the log already")]
    DuplicateRequest {
        /// The caller's name for it.
        request_id: String,
    },
    /// The record cannot be kept.
    #[error("record {seq}: {what}")]
    Invalid {
        /// Its sequence number.
        seq: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The entry could not be read back.
    #[error("record {seq}: entry: {cause}")]
    Entry {
        /// Its sequence number.
        seq: u64,
        /// What is wrong.
        cause: FormatError,
    },
    /// There is none.
    #[error("there is no {what} {at}")]
    NotFound {
        /// What was asked for.
        what: &'static str,
        /// Its sequence number, index, size or id.
        at: u64,
    },
    /// A decision has its one proof already.
    #[error("record {seq} has a proof already")]
    AlreadyProven {
        /// The record.
        seq: u64,
    },
    /// Not a decision of this bundle of which a proof is to follow.
    #[error("record {seq} is no decision of that bundle that a proof is to follow")]
    NotProvable {
        /// The record.
        seq: u64,
    },
    /// A checkpoint contradicts the log or an earlier one.
    #[error("checkpoint of size {size}: {what}")]
    Checkpoint {
        /// Its size.
        size: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Indices or sizes that no proof is for.
    #[error(transparent)]
    Merkle(#[from] MerkleError),
    /// What is stored is not what was appended.
    #[error("the store is corrupt from record {seq} on: {what}")]
    Corrupt {
        /// The first bad record.
        seq: u64,
        /// What does not hold there.
        what: &'static str,
    },
    /// The backend failed; nothing was changed.
    #[error("the store failed: {0}")]
    Backend(Box<dyn std::error::Error + Send + Sync>),
}

/// A record made ready to be written: what every backend derives from a [`NewRecord`].
#[derive(Debug)]
pub struct PreparedRecord<'a> {
    /// The record as history shows it.
    pub record: Record,
    /// The encoded entry.
    pub entry: Vec<u8>,
    /// What was sealed.
    pub sealed: &'a [u8],
    /// The pairs that [`Filter::metadata`] finds.
    pub pairs: Vec<(String, String)>,
}

/// Checks records against the log's right edge and moves it on: the records to write, and the full
/// subtrees they complete, in the order of [`merkle::stored_position`]. Request ids are left to the backend.
///
/// # Errors
/// [`StoreError::Conflict`], [`StoreError::Invalid`], [`StoreError::Entry`]; then `frontier` is to be thrown away.
pub fn prepare<'a>(
    frontier: &mut Frontier,
    records: &'a [NewRecord],
) -> Result<(Vec<PreparedRecord<'a>>, Vec<Hash>), StoreError> {
    let mut nodes = Vec::with_capacity(2 * records.len() + 1);
    let prepared = records.iter().map(|new| {
        let prepared = prepare_one(frontier.size(), new)?;
        frontier.push(leaf_hash(&prepared.entry), &mut nodes);
        Ok(prepared)
    });
    let prepared = prepared.collect::<Result<Vec<_>, StoreError>>()?;
    Ok((prepared, nodes))
}

/// Whether a record can have this request id.
pub fn is_request_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_REQUEST_ID && !id.contains('\0')
}

fn prepare_one(size: u64, new: &NewRecord) -> Result<PreparedRecord<'_>, StoreError> {
    let seq = new.entry.seq();
    if seq != size {
        return Err(StoreError::Conflict { size, seq });
    }
    let entry = new.entry.encode();
    // What could not be read back must not be written.
    Entry::decode(&entry).map_err(|cause| StoreError::Entry { seq, cause })?;
    let invalid = |what| StoreError::Invalid { seq, what };
    let request_id = new.request_id.clone();
    if request_id.as_ref().is_some_and(|id| !is_request_id(id)) {
        return Err(invalid(
            "the request id is empty, longer than 256 bytes or holds a zero byte",
        ));
    }
    if new.sealed.len() > MAX_SEALED {
        return Err(invalid("more is sealed than 16 MiB"));
    }
    let kind = RecordKind::of(&new.entry);
    Ok(PreparedRecord {
        record: Record {
            seq,
            time_ms: new.entry.time_ms(),
            kind,
            bundle: *new.entry.bundle(),
            request_id,
            compliant: new.compliant,
            reason: new.reason,
            metadata: new.metadata.clone(),
            status: kind.first_status(),
            proof: None,
            failure: None,
        },
        entry,
        sealed: &new.sealed,
        pairs: searchable(&new.metadata).map_err(invalid)?,
    })
}

/// The pairs of a record's metadata that history can be asked for: the top-level members of the JSON
/// object, strings as they are and numbers, booleans and null as JSON writes them. Objects, lists and texts
/// longer than [`MAX_SEARCHABLE`] bytes are kept and not searchable.
///
/// # Errors
/// A sentence, if it is no JSON object, is too long, has more than [`MAX_PAIRS`] members or a zero byte in a text.
pub fn searchable(metadata: &str) -> Result<Vec<(String, String)>, &'static str> {
    use serde_json::Value;
    if metadata.is_empty() {
        return Ok(vec![]);
    }
    if metadata.len() > MAX_METADATA {
        return Err("the metadata is longer than 64 KiB");
    }
    let members: serde_json::Map<String, Value> =
        serde_json::from_str(metadata).map_err(|_| "the metadata is no JSON object")?;
    if members.len() > MAX_PAIRS {
        return Err("the metadata has more than 64 members");
    }
    let pairs = members.into_iter().filter_map(|(key, value)| match value {
        Value::String(text) => Some((key, text)),
        Value::Number(_) | Value::Bool(_) | Value::Null => Some((key, value.to_string())),
        Value::Array(_) | Value::Object(_) => None,
    });
    let pairs: Vec<_> = pairs
        .filter(|(key, value)| key.len().max(value.len()) <= MAX_SEARCHABLE)
        .collect();
    match pairs
        .iter()
        .any(|(key, value)| key.contains('\0') || value.contains('\0'))
    {
        true => Err("a text of the metadata holds a zero byte"),
        false => Ok(pairs),
    }
}

/// That the rows of a proof or failure ascend and that there are as many as may be.
///
/// # Errors
/// [`StoreError::Invalid`].
pub fn check_rows(rows: &[u64]) -> Result<(), StoreError> {
    let Some((first, last)) = rows.first().zip(rows.last()) else {
        return Err(StoreError::Invalid {
            seq: 0,
            what: "there are no rows",
        });
    };
    if !rows.is_sorted_by(|a, b| a < b) || *last > MAX_SEQ {
        return Err(StoreError::Invalid {
            seq: *first,
            what: "the rows do not ascend",
        });
    }
    Ok(())
}

/// That a time can be stored.
///
/// # Errors
/// [`StoreError::Invalid`].
pub fn check_time(rows: &[u64], time_ms: u64) -> Result<(), StoreError> {
    match time_ms <= MAX_TIME_MS {
        true => Ok(()),
        false => Err(StoreError::Invalid {
            seq: rows.first().copied().unwrap_or_default(),
            what: "the time is out of range",
        }),
    }
}

/// That a checkpoint may be stored after `latest`, in a log of `size` entries; `root` gives the root
/// of the stored tree.
///
/// # Errors
/// [`StoreError::Checkpoint`], and `root`'s.
pub fn check_checkpoint(
    checkpoint: &StoredCheckpoint,
    latest: Option<u64>,
    size: u64,
    root: impl FnOnce(u64) -> Result<Hash, StoreError>,
) -> Result<(), StoreError> {
    let refused = |what| StoreError::Checkpoint {
        size: checkpoint.size,
        what,
    };
    let note = Checkpoint::parse(&checkpoint.note).ok();
    let said = note.map(|note| (note.size, note.root));
    if said != Some((checkpoint.size, checkpoint.root)) {
        return Err(refused("the note is no checkpoint of this size and root"));
    }
    if checkpoint.size > size {
        return Err(refused("the log has fewer entries"));
    }
    if latest.is_some_and(|latest| checkpoint.size < latest) {
        return Err(refused("there is one of a larger size"));
    }
    if root(checkpoint.size)? != checkpoint.root {
        return Err(refused("the log has another root"));
    }
    Ok(())
}

/// Longest request id, in bytes.
pub const MAX_REQUEST_ID: usize = 256;
/// Longest metadata, in bytes.
pub const MAX_METADATA: usize = 1 << 16;
/// Longest searchable key or value of the metadata, in bytes.
pub const MAX_SEARCHABLE: usize = 1024;
/// Most members of the metadata.
pub const MAX_PAIRS: usize = 64;
/// Most sealed bytes of a record.
pub const MAX_SEALED: usize = 1 << 24;
