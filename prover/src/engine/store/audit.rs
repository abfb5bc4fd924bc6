//! Reads a whole store and compares it with itself.
//!
//! 1. Claim: if it passes, entries stand without a gap, each is the canonical encoding that its leaf is
//!    the hash of and its record speaks of, every full subtree is the hash of its children, every checkpoint has
//!    the root of the stored tree, and the counts are right. Otherwise the first bad record is named.
//! 2. Cost: one read of every entry, record and node, three hashes an entry; memory is that of a chunk.
//! 3. Assumed: whether a checkpoint's signatures are true is for who has the keys; without a checkpoint
//!    whoever rewrites the whole store is not found.
//! 4. Source: RFC 6962, section 2.1.

use std::ops::Range;

use clearproof_shared::log::entry::Entry;
use clearproof_shared::log::merkle::{leaf_hash, Frontier, Hash};

use super::{ProofStatus, Record, RecordKind, Stats, Store, StoreError};

/// Compares the whole store with itself.
///
/// # Errors
/// [`StoreError::Corrupt`] with the first bad record, and those of the backend.
pub fn audit(store: &dyn Store) -> Result<(), StoreError> {
    let size = store.size()?;
    let mut audited = Audited::default();
    let mut checkpoint = store.checkpoint_from(0)?;
    let mut good = 0;
    while audited.frontier.size() < size || checkpoint.is_some() {
        // 1. Up to the next checkpoint, or the end.
        let start = audited.frontier.size();
        let until = checkpoint
            .as_ref()
            .map_or(size, |checkpoint| checkpoint.size);
        if until > size {
            return Err(corrupt(
                size,
                "a checkpoint counts entries that are missing",
            ));
        }
        let end = until.min(start + CHUNK);
        audited.chunk(store, start..end)?;
        // 2. The checkpoint itself.
        if let Some(reached) = checkpoint.take_if(|checkpoint| checkpoint.size == end) {
            if reached.root != audited.frontier.root() {
                return Err(corrupt(
                    good,
                    "the entries from here on do not lead to the next checkpoint's root",
                ));
            }
            good = end;
            checkpoint = store.checkpoint_from(end + 1)?;
        }
    }
    // 3. The counts.
    match audited.stats == store.stats()? {
        true => Ok(()),
        false => Err(corrupt(0, "the counts are not those of the records")),
    }
}

#[derive(Default)]
struct Audited {
    frontier: Frontier,
    stats: Stats,
}

impl Audited {
    fn chunk(&mut self, store: &dyn Store, range: Range<u64>) -> Result<(), StoreError> {
        let Ok(entries) = store.entries(range.clone()) else {
            return Err(first_unreadable(store, range));
        };
        let Ok(records) = store.records(range.clone()) else {
            return Err(first_unreadable(store, range));
        };
        // Every level's nodes that this chunk completes, by level.
        let levels = (0..64u32)
            .map(|level| (range.start >> level)..(range.end >> level))
            .take_while(|indices| !indices.is_empty());
        let stored = levels
            .zip(0..)
            .map(|(indices, level)| store.nodes(level, indices));
        let mut stored = match stored.collect::<Result<Vec<_>, _>>() {
            Ok(stored) => stored.into_iter().map(Vec::into_iter).collect::<Vec<_>>(),
            Err(_) => return Err(first_unreadable(store, range)),
        };
        let mut completed = vec![];
        for ((seq, entry), record) in range.zip(&entries).zip(&records) {
            self.record(seq, entry, record)?;
            completed.clear();
            self.frontier.push(leaf_hash(entry), &mut completed);
            for (level, node) in completed.iter().enumerate() {
                let stored: Option<Hash> = stored.get_mut(level).and_then(Iterator::next);
                if stored != Some(*node) {
                    let what = match level {
                        0 => "the leaf is not the hash of the entry",
                        _ => "a node is not the hash of its children",
                    };
                    return Err(corrupt(seq, what));
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, seq: u64, entry: &[u8], record: &Record) -> Result<(), StoreError> {
        let entry = Entry::decode(entry).map_err(|_| corrupt(seq, "the entry is malformed"))?;
        let said = (
            entry.seq(),
            entry.time_ms(),
            entry.bundle(),
            RecordKind::of(&entry),
        );
        let kept = (record.seq, record.time_ms, &record.bundle, record.kind);
        if entry.seq() != seq || said != kept {
            return Err(corrupt(seq, "the record is not that of the entry"));
        }
        let provable = record.kind == RecordKind::Prove;
        let proven = matches!(record.status, ProofStatus::Proven | ProofStatus::Verified);
        let fits = provable == (record.status != ProofStatus::Unproven)
            && proven == record.proof.is_some()
            && (record.status == ProofStatus::Failed) == record.failure.is_some();
        if !fits {
            return Err(corrupt(seq, "the state of its proof contradicts itself"));
        }
        self.stats.count(record);
        Ok(())
    }
}

/// The first record of a range that cannot be read, after one could not be.
fn first_unreadable(store: &dyn Store, mut range: Range<u64>) -> StoreError {
    if let Err(gone) = store.size() {
        return gone;
    }
    let readable = |range: Range<u64>| {
        store.entries(range.clone()).is_ok()
            && store.records(range.clone()).is_ok()
            && (0..64u32).all(|level| {
                let indices = (range.start >> level)..(range.end >> level);
                indices.is_empty() || store.nodes(level, indices).is_ok()
            })
    };
    while range.end - range.start > 1 {
        let middle = range.start.midpoint(range.end);
        match readable(range.start..middle) {
            true => range.start = middle,
            false => range.end = middle,
        }
    }
    corrupt(range.start, "it cannot be read")
}

fn corrupt(seq: u64, what: &'static str) -> StoreError {
    StoreError::Corrupt { seq, what }
}

/// Entries read at a time.
const CHUNK: u64 = 4096;
