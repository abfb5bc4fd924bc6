//! A store in memory: for tests and demonstrations; nothing is durable.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use clearproof_shared::log::merkle::{
    root_from_nodes, stored_nodes, stored_position, Frontier, Hash,
};

use super::{
    check_checkpoint, check_rows, check_time, prepare, Failure, Filter, NewFailure, NewProof,
    NewRecord, Pending, ProofStatus, Record, RecordKind, Stats, Store, StoreError,
    StoredCheckpoint, StoredProof,
};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    records: Vec<KeptRecord>,
    frontier: Frontier,
    /// Full subtrees by their stored position.
    nodes: Vec<Hash>,
    request_ids: HashMap<String, u64>,
    proofs: Vec<StoredProof>,
    failures: Vec<NewFailure>,
    checkpoints: BTreeMap<u64, StoredCheckpoint>,
}

#[derive(Debug)]
struct KeptRecord {
    record: Record,
    entry: Vec<u8>,
    sealed: Vec<u8>,
    pairs: Vec<(String, String)>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Every change below is made after its last check, so a panic elsewhere leaves it whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn range(&self, range: Range<u64>) -> Result<&[KeptRecord], StoreError> {
        let size = self.records.len() as u64;
        let missing = StoreError::NotFound {
            what: "entry",
            at: range.end.saturating_sub(1).max(size),
        };
        match range.start <= range.end && range.end <= size {
            true => Ok(&self.records[range.start as usize..range.end as usize]),
            false => Err(missing),
        }
    }

    fn nodes(&self, level: u32, indices: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        let complete = (self.records.len() as u64).checked_shr(level).unwrap_or(0);
        if indices.start > indices.end || indices.end > complete {
            return Err(StoreError::NotFound {
                what: "node",
                at: indices.end.saturating_sub(1),
            });
        }
        let at = |index| self.nodes[stored_position(level, index) as usize];
        Ok(indices.map(at).collect())
    }

    /// That a proof or failure of this bundle may be noted for these rows.
    fn check_provable(&self, rows: &[u64], bundle: &Hash) -> Result<(), StoreError> {
        check_rows(rows)?;
        for &seq in rows {
            let record = &self.range(seq..seq + 1)?[0].record;
            if record.kind != RecordKind::Prove || record.bundle != *bundle {
                return Err(StoreError::NotProvable { seq });
            }
            if record.proof.is_some() {
                return Err(StoreError::AlreadyProven { seq });
            }
        }
        Ok(())
    }

    /// `id` is that of the proof or of the failure.
    fn set(&mut self, rows: &[u64], status: ProofStatus, id: u64) {
        let failed = status == ProofStatus::Failed;
        for &seq in rows {
            let record = &mut self.records[seq as usize].record;
            record.status = status;
            record.proof = (!failed).then_some(id);
            record.failure = failed.then_some(id);
        }
    }
}

impl Store for MemoryStore {
    fn append(&self, records: &[NewRecord]) -> Result<(), StoreError> {
        let kept = &mut *self.kept();
        let mut frontier = kept.frontier.clone();
        let (prepared, nodes) = prepare(&mut frontier, records)?;
        let mut seen = BTreeSet::new();
        for id in records.iter().filter_map(|new| new.request_id.as_ref()) {
            if kept.request_ids.contains_key(id) || !seen.insert(id) {
                let request_id = id.clone();
                return Err(StoreError::DuplicateRequest { request_id });
            }
        }
        for new in prepared {
            if let Some(id) = &new.record.request_id {
                kept.request_ids.insert(id.clone(), new.record.seq);
            }
            kept.records.push(KeptRecord {
                record: new.record,
                entry: new.entry,
                sealed: new.sealed.to_vec(),
                pairs: new.pairs,
            });
        }
        kept.nodes.extend(nodes);
        kept.frontier = frontier;
        debug_assert_eq!(kept.nodes.len() as u64, stored_nodes(kept.frontier.size()));
        Ok(())
    }

    fn size(&self) -> Result<u64, StoreError> {
        Ok(self.kept().records.len() as u64)
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let kept = self.kept();
        Ok(kept
            .range(range)?
            .iter()
            .map(|one| one.entry.clone())
            .collect())
    }

    fn sealed(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let kept = self.kept();
        Ok(kept
            .range(range)?
            .iter()
            .map(|one| one.sealed.clone())
            .collect())
    }

    fn nodes(&self, level: u32, indices: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        self.kept().nodes(level, indices)
    }

    fn records(&self, range: Range<u64>) -> Result<Vec<Record>, StoreError> {
        let kept = self.kept();
        Ok(kept
            .range(range)?
            .iter()
            .map(|one| one.record.clone())
            .collect())
    }

    fn by_request_id(&self, request_id: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.kept().request_ids.get(request_id).copied())
    }

    fn history(&self, filter: &Filter, limit: usize) -> Result<Vec<Record>, StoreError> {
        let kept = self.kept();
        let passing = kept.records.iter().rev().filter(|one| passes(filter, one));
        Ok(passing.take(limit).map(|one| one.record.clone()).collect())
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        for one in &self.kept().records {
            stats.count(&one.record);
        }
        Ok(stats)
    }

    fn latest_lifecycle(&self, seq: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let kept = self.kept();
        let mut before = kept
            .records
            .iter()
            .rev()
            .skip_while(|one| one.record.seq > seq);
        let latest = before.find(|one| one.record.kind == RecordKind::Lifecycle);
        Ok(latest.map(|one| (one.record.seq, one.entry.clone())))
    }

    fn attach(&self, proof: &NewProof) -> Result<u64, StoreError> {
        let kept = &mut *self.kept();
        kept.check_provable(&proof.rows, &proof.bundle)?;
        check_time(&proof.rows, proof.proved_ms)?;
        let id = kept.proofs.len() as u64 + 1;
        kept.set(&proof.rows, ProofStatus::Proven, id);
        kept.proofs.push(StoredProof {
            id,
            proof: proof.clone(),
            verified: false,
        });
        Ok(id)
    }

    fn mark_verified(&self, proof: u64) -> Result<(), StoreError> {
        let kept = &mut *self.kept();
        let missing = StoreError::NotFound {
            what: "proof",
            at: proof,
        };
        let place = proof.checked_sub(1).ok_or(missing)? as usize;
        let stored = kept.proofs.get_mut(place);
        let stored = stored.ok_or(StoreError::NotFound {
            what: "proof",
            at: proof,
        })?;
        stored.verified = true;
        let rows = stored.proof.rows.clone();
        kept.set(&rows, ProofStatus::Verified, proof);
        Ok(())
    }

    fn proof(&self, id: u64) -> Result<StoredProof, StoreError> {
        let kept = self.kept();
        let place = id.checked_sub(1).map(|place| place as usize);
        let proof = place.and_then(|place| kept.proofs.get(place));
        proof.cloned().ok_or(StoreError::NotFound {
            what: "proof",
            at: id,
        })
    }

    fn pending(&self, limit: usize) -> Result<Vec<Pending>, StoreError> {
        let kept = self.kept();
        let mut runs: Vec<(Pending, bool)> = vec![];
        let provable = kept.records.iter().map(|one| &one.record);
        for record in provable.filter(|record| record.kind == RecordKind::Prove) {
            let waits = record.status == ProofStatus::Pending;
            match runs.iter_mut().find(|(run, _)| run.bundle == record.bundle) {
                Some((run, open)) => {
                    *open &= waits && run.rows.len() < limit;
                    if *open {
                        run.rows.push(record.seq);
                    }
                }
                None if waits && limit > 0 => {
                    let (bundle, rows) = (record.bundle, vec![record.seq]);
                    runs.push((Pending { bundle, rows }, true));
                }
                None => {}
            }
        }
        Ok(runs.into_iter().map(|(run, _)| run).collect())
    }

    fn mark_failed(&self, failure: &NewFailure) -> Result<u64, StoreError> {
        let kept = &mut *self.kept();
        kept.check_provable(&failure.rows, &failure.bundle)?;
        check_time(&failure.rows, failure.failed_ms)?;
        kept.failures.push(failure.clone());
        let id = kept.failures.len() as u64;
        kept.set(&failure.rows, ProofStatus::Failed, id);
        Ok(id)
    }

    fn retry(&self, failure: u64) -> Result<(), StoreError> {
        let kept = &mut *self.kept();
        let place = failure.checked_sub(1).map(|place| place as usize);
        let found = place.and_then(|place| kept.failures.get(place));
        let missing = StoreError::NotFound {
            what: "failure",
            at: failure,
        };
        let rows = found.ok_or(missing)?.rows.clone();
        for seq in rows {
            let record = &mut kept.records[seq as usize].record;
            if record.failure == Some(failure) {
                record.status = ProofStatus::Pending;
                record.failure = None;
            }
        }
        Ok(())
    }

    fn failures(&self, limit: usize) -> Result<Vec<Failure>, StoreError> {
        let kept = self.kept();
        let failure_of = |seq: &u64| kept.records[*seq as usize].record.failure;
        let all = (1..)
            .zip(&kept.failures)
            .collect::<Vec<_>>()
            .into_iter()
            .rev();
        let open = all.filter(|(id, failure)| {
            let still = |seq| failure_of(seq) == Some(*id);
            failure.rows.iter().any(still)
        });
        let failures = open.take(limit).map(|(id, failure)| Failure {
            id,
            failure: failure.clone(),
        });
        Ok(failures.collect())
    }

    fn put_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<(), StoreError> {
        let kept = &mut *self.kept();
        let latest = kept.checkpoints.last_key_value().map(|(size, _)| *size);
        let node = |level, index: u64| Ok(kept.nodes(level, index..index + 1)?[0]);
        check_checkpoint(checkpoint, latest, kept.frontier.size(), |size| {
            root_from_nodes(size, &mut { node })
        })?;
        kept.checkpoints.insert(checkpoint.size, checkpoint.clone());
        Ok(())
    }

    fn latest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        let kept = self.kept();
        Ok(kept
            .checkpoints
            .last_key_value()
            .map(|(_, one)| one.clone()))
    }

    fn checkpoint_from(&self, size: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        let kept = self.kept();
        let mut from = kept.checkpoints.range(size..);
        Ok(from.next().map(|(_, one)| one.clone()))
    }
}

fn passes(filter: &Filter, one: &KeptRecord) -> bool {
    let record = &one.record;
    filter.before.is_none_or(|before| record.seq < before)
        && filter.from_ms.is_none_or(|from| record.time_ms >= from)
        && filter.until_ms.is_none_or(|until| record.time_ms < until)
        && filter.kind.is_none_or(|kind| record.kind == kind)
        && filter.bundle.is_none_or(|bundle| record.bundle == bundle)
        && filter
            .compliant
            .is_none_or(|answer| record.compliant == Some(answer))
        && filter.status.is_none_or(|status| record.status == status)
        && filter
            .metadata
            .as_ref()
            .is_none_or(|pair| one.pairs.contains(pair))
}
