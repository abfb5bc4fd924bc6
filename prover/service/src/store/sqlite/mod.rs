//! The store in one SQLite file.
//!
//! 1. Claim: [`Store`]'s, for one writer; what is acknowledged survives a killed process and a power cut
//!    (write-ahead log, synchronous FULL; ../wal.rs empties it). Triggers refuse to change or remove what was appended.
//! 2. Layout: tables.sql; `user_version` counts the migrations that were applied. The file is readable by its owner alone.
//! 3. Assumed: the disk keeps what it acknowledged; a file on a network file system does not.
//! 4. Source: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous.

mod file;
mod statements;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clearproof_prover::engine::store::{
    audit, check_checkpoint, check_rows, check_time, prepare, Failure, Filter, NewFailure,
    NewProof, NewRecord, Pending, ProofStatus, Record, Stats, Store, StoreError, StoredCheckpoint,
    StoredProof,
};
use clearproof_shared::log::merkle::{stored_nodes, Frontier, Hash};
use rusqlite::{params, params_from_iter, Connection, OpenFlags, OptionalExtension, Transaction};

use self::file::{begin, connect, migrate};
use self::statements::{
    all, blob, blobs, bundle_id, checkpoint, frontier_of, history_query, insert, nodes, put_stats,
    record, root_at, set_states, size_of, stats_of, whole, RECORDS,
};
use super::codes::{backend, failed, hash_of, pack_rows, signed, unpack_rows, unsigned};
use super::wal::LogMover;

/// The store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// Stopped before the connections are closed.
    mover: LogMover,
    /// Connections at rest that read. Closed before the writer, which empties the write-ahead log.
    readers: Mutex<Vec<Connection>>,
    writer: Arc<Mutex<Writer>>,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    /// The right edge of the committed tree.
    frontier: Frontier,
}

impl SqliteStore {
    /// Opens or creates a store, applies what migrations it lacks, and audits it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first bad record; [`StoreError::Backend`] for a file of another
    /// program, of a newer version, or that cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self::open_unaudited(path)?;
        audit(&store)?;
        // What the audit does not read: sealed inputs, proofs, indices.
        store.read(|connection| {
            let sql = "PRAGMA quick_check(1)";
            let found: String = connection
                .query_row(sql, [], |row| row.get(0))
                .map_err(backend)?;
            match found == "ok" {
                true => Ok(()),
                false => Err(failed(format!("the file is damaged: {found}"))),
            }
        })?;
        Ok(store)
    }

    /// Opens or creates a store without reading all of it.
    ///
    /// # Errors
    /// [`StoreError::Backend`], as [`SqliteStore::open`].
    pub fn open_unaudited(path: &Path) -> Result<Self, StoreError> {
        let mut file = OpenOptions::new();
        let file = file
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        file.open(path).map_err(backend)?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        migrate(&mut connection)?;
        let size = size_of(&connection)?;
        let frontier = frontier_of(&connection, size)?;
        connection
            .execute_batch("PRAGMA wal_autocheckpoint = 0")
            .map_err(backend)?;
        let writer = Arc::new(Mutex::new(Writer {
            connection,
            frontier,
        }));
        let mover = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        Ok(Self {
            path: path.to_owned(),
            mover: LogMover::start(mover, Arc::clone(&writer))?,
            readers: Mutex::default(),
            writer,
        })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A transaction that a panic left open was rolled back when it was dropped, and the right edge
        // is only replaced after a commit.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let readers = || self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = readers().pop();
        let connection = match rested {
            Some(connection) => connection,
            None => connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let answer = query(&connection);
        let mut readers = readers();
        if readers.len() < RESTING_READERS {
            readers.push(connection);
        }
        answer
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = self.writer();
        let transaction = begin(&mut writer.connection)?;
        let answer = change(&transaction)?;
        transaction.commit().map_err(backend)?;
        self.mover.wake();
        Ok(answer)
    }
}

impl Store for SqliteStore {
    fn append(&self, records: &[NewRecord]) -> Result<(), StoreError> {
        let writer = &mut *self.writer();
        let transaction = begin(&mut writer.connection)?;
        let size = size_of(&transaction)?;
        let mut frontier = match writer.frontier.size() == size {
            true => writer.frontier.clone(),
            false => frontier_of(&transaction, size)?,
        };
        let (prepared, nodes) = prepare(&mut frontier, records)?;
        let mut stats = stats_of(&transaction)?;
        for new in &prepared {
            insert(&transaction, new)?;
            stats.count(&new.record);
        }
        let sql = "INSERT INTO nodes (position, hash) VALUES (?1, ?2)";
        let mut statement = transaction.prepare_cached(sql).map_err(backend)?;
        for (position, node) in (stored_nodes(size)..).zip(&nodes) {
            let row = params![signed(position), node.as_slice()];
            statement.execute(row).map_err(backend)?;
        }
        drop(statement);
        put_stats(&transaction, &stats)?;
        transaction.commit().map_err(backend)?;
        self.mover.wake();
        writer.frontier = frontier;
        Ok(())
    }

    fn size(&self) -> Result<u64, StoreError> {
        self.read(size_of)
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT entry FROM entries WHERE seq >= ?1 AND seq < ?2 ORDER BY seq";
        self.read(|connection| blobs(connection, sql, range))
    }

    fn sealed(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT sealed FROM sealed WHERE seq >= ?1 AND seq < ?2 ORDER BY seq";
        self.read(|connection| blobs(connection, sql, range))
    }

    fn nodes(&self, level: u32, indices: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        self.read(|connection| nodes(connection, level, indices))
    }

    fn records(&self, range: Range<u64>) -> Result<Vec<Record>, StoreError> {
        self.read(|connection| {
            let sql = format!("{RECORDS} WHERE e.seq >= ?1 AND e.seq < ?2 ORDER BY e.seq");
            let mut statement = connection.prepare_cached(&sql).map_err(backend)?;
            let bounds = params![signed(range.start), signed(range.end)];
            whole(all(&mut statement, bounds, record)?, range)
        })
    }

    fn by_request_id(&self, request_id: &str) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT seq FROM entries WHERE request_id = ?1";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(backend)?;
            let seq = statement
                .query_row([request_id], |row| row.get(0))
                .optional();
            seq.map_err(backend)?.map(unsigned).transpose()
        })
    }

    fn history(&self, filter: &Filter, limit: usize) -> Result<Vec<Record>, StoreError> {
        let (sql, values) = history_query(filter, limit);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&sql).map_err(backend)?;
            all(&mut statement, params_from_iter(values), record)
        })
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        self.read(stats_of)
    }

    fn latest_lifecycle(&self, seq: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let sql =
            "SELECT seq, entry FROM entries WHERE kind = 2 AND seq <= ?1 ORDER BY seq DESC LIMIT 1";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(backend)?;
            let row = statement.query_row([signed(seq)], |row| Ok((row.get(0)?, row.get(1)?)));
            let latest: Option<(i64, Vec<u8>)> = row.optional().map_err(backend)?;
            latest
                .map(|(seq, entry)| Ok((unsigned(seq)?, entry)))
                .transpose()
        })
    }

    fn attach(&self, proof: &NewProof) -> Result<u64, StoreError> {
        check_rows(&proof.rows)?;
        check_time(&proof.rows, proof.proved_ms)?;
        self.write(|transaction| {
            let mut stats = stats_of(transaction)?;
            let bundle = bundle_id(transaction, &proof.bundle)?;
            let sql = "INSERT INTO proofs (bundle, row_seqs, proof, proved_ms, verified) VALUES (?1, ?2, ?3, ?4, 0)";
            let row = params![bundle, pack_rows(&proof.rows), proof.proof, signed(proof.proved_ms)];
            transaction.execute(sql, row).map_err(backend)?;
            let id = transaction.last_insert_rowid();
            set_states(transaction, &mut stats, &proof.rows, bundle, ProofStatus::Proven, id)?;
            put_stats(transaction, &stats)?;
            unsigned(id)
        })
    }

    fn mark_verified(&self, proof: u64) -> Result<(), StoreError> {
        let stored = self.proof(proof)?;
        self.write(|transaction| {
            let sql = "UPDATE proofs SET verified = 1 WHERE id = ?1 AND verified = 0";
            let changed = transaction.execute(sql, [signed(proof)]).map_err(backend)?;
            if changed == 0 {
                return Ok(());
            }
            let sql = "UPDATE states SET status = 4 WHERE seq = ?1";
            let mut statement = transaction.prepare_cached(sql).map_err(backend)?;
            for seq in &stored.proof.rows {
                statement.execute([signed(*seq)]).map_err(backend)?;
            }
            let mut stats = stats_of(transaction)?;
            stats.verified += stored.proof.rows.len() as u64;
            put_stats(transaction, &stats)
        })
    }

    fn proof(&self, id: u64) -> Result<StoredProof, StoreError> {
        let sql = "SELECT b.digest, p.row_seqs, p.proof, p.proved_ms, p.verified
            FROM proofs p JOIN bundles b ON b.id = p.bundle WHERE p.id = ?1";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(backend)?;
            let mut rows = statement.query([signed(id)]).map_err(backend)?;
            let row = rows.next().map_err(backend)?;
            let row = row.ok_or(StoreError::NotFound {
                what: "proof",
                at: id,
            })?;
            Ok(StoredProof {
                id,
                proof: NewProof {
                    bundle: hash_of(&blob(row, 0)?)?,
                    rows: unpack_rows(&blob(row, 1)?)?,
                    proof: blob(row, 2)?,
                    proved_ms: unsigned(row.get(3).map_err(backend)?)?,
                },
                verified: row.get(4).map_err(backend)?,
            })
        })
    }

    fn pending(&self, limit: usize) -> Result<Vec<Pending>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut bundles = connection.prepare_cached("SELECT id, digest FROM bundles").map_err(backend)?;
            let bundles = bundles.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(backend)?;
            let bundles: Vec<(i64, Vec<u8>)> = bundles.collect::<Result<_, _>>().map_err(backend)?;
            let waiting = "SELECT seq FROM states WHERE bundle = ?1 AND status = 1 ORDER BY seq LIMIT ?2";
            let mut waiting = connection.prepare_cached(waiting).map_err(backend)?;
            let gap = "SELECT min(seq) FROM states WHERE bundle = ?1 AND seq > ?2 AND seq < ?3 AND status <> 1";
            let mut gap = connection.prepare_cached(gap).map_err(backend)?;
            let mut pending = vec![];
            for (id, digest) in bundles {
                let rows = waiting.query_map(params![id, limit], |row| row.get(0)).map_err(backend)?;
                let mut rows: Vec<i64> = rows.collect::<Result<_, _>>().map_err(backend)?;
                let Some((first, last)) = rows.first().zip(rows.last()) else {
                    continue;
                };
                let end: Option<i64> = gap
                    .query_row(params![id, first, last], |row| row.get(0))
                    .map_err(backend)?;
                rows.retain(|seq| end.is_none_or(|end| *seq < end));
                pending.push(Pending {
                    bundle: hash_of(&digest)?,
                    rows: rows.into_iter().map(unsigned).collect::<Result<_, _>>()?,
                });
            }
            pending.sort_by_key(|pending| pending.rows.first().copied());
            Ok(pending)
        })
    }

    fn mark_failed(&self, failure: &NewFailure) -> Result<u64, StoreError> {
        check_rows(&failure.rows)?;
        check_time(&failure.rows, failure.failed_ms)?;
        self.write(|transaction| {
            let mut stats = stats_of(transaction)?;
            let bundle = bundle_id(transaction, &failure.bundle)?;
            let sql = "INSERT INTO failures (bundle, row_seqs, reason, failed_ms) VALUES (?1, ?2, ?3, ?4)";
            let row = params![bundle, pack_rows(&failure.rows), failure.reason, signed(failure.failed_ms)];
            transaction.execute(sql, row).map_err(backend)?;
            let id = transaction.last_insert_rowid();
            set_states(transaction, &mut stats, &failure.rows, bundle, ProofStatus::Failed, id)?;
            put_stats(transaction, &stats)?;
            unsigned(id)
        })
    }

    fn retry(&self, failure: u64) -> Result<(), StoreError> {
        self.write(|transaction| {
            let known = "SELECT count(*) FROM failures WHERE id = ?1";
            let known: i64 = transaction
                .query_row(known, [signed(failure)], |row| row.get(0))
                .map_err(backend)?;
            if known != 1 {
                return Err(StoreError::NotFound {
                    what: "failure",
                    at: failure,
                });
            }
            let sql = "UPDATE states SET status = 1, failure = NULL WHERE failure = ?1";
            let changed = transaction
                .execute(sql, [signed(failure)])
                .map_err(backend)? as u64;
            let mut stats = stats_of(transaction)?;
            stats.failed -= changed;
            stats.pending += changed;
            put_stats(transaction, &stats)
        })
    }

    fn failures(&self, limit: usize) -> Result<Vec<Failure>, StoreError> {
        let sql = "SELECT f.id, b.digest, f.row_seqs, f.reason, f.failed_ms
            FROM failures f JOIN bundles b ON b.id = f.bundle
            WHERE f.id IN (SELECT failure FROM states WHERE failure IS NOT NULL)
            ORDER BY f.id DESC LIMIT ?1";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(backend)?;
            all(&mut statement, [limit], |row| {
                Ok(Failure {
                    id: unsigned(row.get(0).map_err(backend)?)?,
                    failure: NewFailure {
                        bundle: hash_of(&blob(row, 1)?)?,
                        rows: unpack_rows(&blob(row, 2)?)?,
                        reason: row.get(3).map_err(backend)?,
                        failed_ms: unsigned(row.get(4).map_err(backend)?)?,
                    },
                })
            })
        })
    }

    fn put_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<(), StoreError> {
        self.write(|transaction| {
            let size = size_of(transaction)?;
            let latest = "SELECT max(size) FROM checkpoints";
            let latest: Option<i64> = transaction
                .query_row(latest, [], |row| row.get(0))
                .map_err(backend)?;
            let latest = latest.map(unsigned).transpose()?;
            check_checkpoint(checkpoint, latest, size, |size| root_at(transaction, size))?;
            let row = params![
                signed(checkpoint.size),
                checkpoint.root.as_slice(),
                checkpoint.note
            ];
            if latest == Some(checkpoint.size) {
                let sql = "UPDATE checkpoints SET note = ?2 WHERE size = ?1";
                transaction.execute(sql, params![signed(checkpoint.size), checkpoint.note])
            } else {
                let sql = "INSERT INTO checkpoints (size, root, note) VALUES (?1, ?2, ?3)";
                transaction.execute(sql, row)
            }
            .map_err(backend)?;
            Ok(())
        })
    }

    fn latest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        let sql = "SELECT size, root, note FROM checkpoints ORDER BY size DESC LIMIT 1";
        self.read(|connection| checkpoint(connection, sql, 0))
    }

    fn checkpoint_from(&self, size: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        let sql = "SELECT size, root, note FROM checkpoints WHERE size >= ?1 ORDER BY size LIMIT 1";
        self.read(|connection| checkpoint(connection, sql, size))
    }
}

const RESTING_READERS: usize = 8;
