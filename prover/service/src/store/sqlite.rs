//! The store in one SQLite file.
//!
//! 1. Claim: [`Store`]'s, for one writer; what is acknowledged survives a killed process and a power cut
//!    (write-ahead log, synchronous FULL; wal.rs empties it). Triggers refuse to change or remove what was appended.
//! 2. Layout: sqlite.sql; `user_version` counts the migrations that were applied. The file is readable by its owner alone.
//! 3. Assumed: the disk keeps what it acknowledged; a file on a network file system does not.
//! 4. Source: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous.

use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clearproof_prover::engine::store::{
    audit, check_checkpoint, check_rows, check_time, prepare, Failure, Filter, NewFailure,
    NewProof, NewRecord, Pending, PreparedRecord, ProofStatus, Record, RecordKind, Stats, Store,
    StoreError, StoredCheckpoint, StoredProof,
};
use clearproof_shared::log::merkle::{
    root_from_nodes, stored_nodes, stored_position, Frontier, Hash,
};
use rusqlite::types::Value;
use rusqlite::{
    params, params_from_iter, Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Row,
    Statement, Transaction, TransactionBehavior,
};

use super::codes::{
    backend, failed, hash_of, kind_code, kind_of, pack_rows, signed, status_code, status_of,
    unpack_rows, unsigned,
};
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

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, StoreError> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(backend)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(backend)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -65536;",
        )
        .map_err(backend)?;
    Ok(connection)
}

/// Applies the migrations that the file lacks, each with its version in one transaction.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let number = |connection: &Connection, name: &str| {
        let pragma = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        pragma.map_err(backend)
    };
    let (application, version) = (
        number(connection, "application_id")?,
        number(connection, "user_version")?,
    );
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = connection
        .query_row(tables, [], |row| row.get(0))
        .map_err(backend)?;
    if application != APPLICATION_ID && (application, version, tables) != (0, 0, 0) {
        return Err(failed("the file is a database of another program"));
    }
    let applied = usize::try_from(version).unwrap_or(usize::MAX);
    let missing = MIGRATIONS.get(applied..);
    let missing = missing.ok_or_else(|| {
        failed(format!(
            "the file is of version {version}, newer than this program"
        ))
    })?;
    let wal = "PRAGMA journal_mode = WAL";
    let mode: String = connection
        .query_row(wal, [], |row| row.get(0))
        .map_err(backend)?;
    if mode != "wal" {
        return Err(failed("the file system does not allow a write-ahead log"));
    }
    connection
        .execute_batch("PRAGMA synchronous = FULL;")
        .map_err(backend)?;
    for (migration, version) in missing.iter().zip(applied + 1..) {
        let transaction = begin(connection)?;
        transaction.execute_batch(migration).map_err(backend)?;
        let pragmas =
            format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};");
        transaction.execute_batch(&pragmas).map_err(backend)?;
        transaction.commit().map_err(backend)?;
    }
    Ok(())
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    begun.map_err(backend)
}

fn size_of(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(seq) + 1, 0) FROM entries";
    let mut statement = connection.prepare_cached(sql).map_err(backend)?;
    unsigned(statement.query_row([], |row| row.get(0)).map_err(backend)?)
}

fn frontier_of(connection: &Connection, size: u64) -> Result<Frontier, StoreError> {
    let mut node = |level, index| one_node(connection, level, index);
    // A node that is missing makes the store unreadable here, and the audit's first bad record elsewhere.
    match Frontier::from_nodes(size, &mut node) {
        Err(StoreError::NotFound { .. }) => Ok(Frontier::default()),
        frontier => frontier,
    }
}

fn root_at(connection: &Connection, size: u64) -> Result<Hash, StoreError> {
    root_from_nodes(size, &mut |level, index| one_node(connection, level, index))
}

fn one_node(connection: &Connection, level: u32, index: u64) -> Result<Hash, StoreError> {
    let one = nodes(connection, level, index..index + 1)?;
    one.into_iter().next().ok_or(StoreError::NotFound {
        what: "node",
        at: index,
    })
}

fn nodes(
    connection: &Connection,
    level: u32,
    indices: Range<u64>,
) -> Result<Vec<Hash>, StoreError> {
    let missing = |at| StoreError::NotFound { what: "node", at };
    if indices.start > indices.end
        || indices
            .end
            .checked_mul(1 << level.min(63))
            .is_none_or(|end| end > 1 << 62)
    {
        return Err(missing(indices.end));
    }
    let sql = "SELECT hash FROM nodes WHERE position = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(backend)?;
    let hashes = indices.map(|index| {
        let position = signed(stored_position(level, index));
        let hash = statement
            .query_row([position], |row| row.get::<_, Vec<u8>>(0))
            .optional();
        hash_of(&hash.map_err(backend)?.ok_or(missing(index))?)
    });
    hashes.collect()
}

fn insert(transaction: &Transaction<'_>, new: &PreparedRecord<'_>) -> Result<(), StoreError> {
    let record = &new.record;
    let bundle = bundle_id(transaction, &record.bundle)?;
    let seq = signed(record.seq);
    let sql = "INSERT INTO entries (seq, time_ms, kind, bundle, request_id, compliant, reason, metadata, entry)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let mut statement = transaction.prepare_cached(sql).map_err(backend)?;
    let inserted = statement.execute(params![
        seq,
        signed(record.time_ms),
        kind_code(record.kind),
        bundle,
        record.request_id,
        record.compliant,
        record.reason,
        record.metadata,
        new.entry,
    ]);
    inserted.map_err(
        |error| match (&record.request_id, error.sqlite_error_code()) {
            (Some(id), Some(ErrorCode::ConstraintViolation)) => {
                let request_id = id.clone();
                StoreError::DuplicateRequest { request_id }
            }
            _ => backend(error),
        },
    )?;
    let sql = "INSERT INTO sealed (seq, sealed) VALUES (?1, ?2)";
    let mut statement = transaction.prepare_cached(sql).map_err(backend)?;
    statement
        .execute(params![seq, new.sealed])
        .map_err(backend)?;
    let sql = "INSERT INTO metadata (name, value, seq) VALUES (?1, ?2, ?3)";
    let mut statement = transaction.prepare_cached(sql).map_err(backend)?;
    for (name, value) in &new.pairs {
        statement
            .execute(params![name, value, seq])
            .map_err(backend)?;
    }
    if record.kind == RecordKind::Prove {
        let sql = "INSERT INTO states (seq, bundle, status) VALUES (?1, ?2, ?3)";
        let mut statement = transaction.prepare_cached(sql).map_err(backend)?;
        let row = params![seq, bundle, status_code(record.status)];
        statement.execute(row).map_err(backend)?;
    }
    Ok(())
}

fn bundle_id(transaction: &Transaction<'_>, digest: &Hash) -> Result<i64, StoreError> {
    let sql = "SELECT id FROM bundles WHERE digest = ?1";
    let mut statement = transaction.prepare_cached(sql).map_err(backend)?;
    let known = statement
        .query_row([digest.as_slice()], |row| row.get(0))
        .optional();
    if let Some(id) = known.map_err(backend)? {
        return Ok(id);
    }
    let sql = "INSERT INTO bundles (digest) VALUES (?1)";
    transaction
        .execute(sql, [digest.as_slice()])
        .map_err(backend)?;
    Ok(transaction.last_insert_rowid())
}

/// Moves decisions of a bundle that wait or failed to another status; `id` is that of proof or failure.
fn set_states(
    transaction: &Transaction<'_>,
    stats: &mut Stats,
    rows: &[u64],
    bundle: i64,
    status: ProofStatus,
    id: i64,
) -> Result<(), StoreError> {
    let size = size_of(transaction)?;
    let sql = "SELECT bundle, status FROM states WHERE seq = ?1";
    let mut read = transaction.prepare_cached(sql).map_err(backend)?;
    let sql = "UPDATE states SET status = ?2, proof = ?3, failure = ?4 WHERE seq = ?1";
    let mut write = transaction.prepare_cached(sql).map_err(backend)?;
    let failed = status == ProofStatus::Failed;
    for &seq in rows {
        let state = read.query_row([signed(seq)], |row| Ok((row.get(0)?, row.get(1)?)));
        let state: Option<(i64, Option<i32>)> = state.optional().map_err(backend)?;
        let before = match state {
            None if seq >= size => {
                return Err(StoreError::NotFound {
                    what: "entry",
                    at: seq,
                })
            }
            Some((of, before)) if of == bundle => status_of(before)?,
            _ => return Err(StoreError::NotProvable { seq }),
        };
        match before {
            ProofStatus::Pending => stats.pending -= 1,
            ProofStatus::Failed => stats.failed -= 1,
            _ => return Err(StoreError::AlreadyProven { seq }),
        }
        let (proof, failure) = match failed {
            true => (None, Some(id)),
            false => (Some(id), None),
        };
        let row = params![signed(seq), status_code(status), proof, failure];
        write.execute(row).map_err(backend)?;
    }
    let count = if failed {
        &mut stats.failed
    } else {
        &mut stats.proven
    };
    *count += rows.len() as u64;
    Ok(())
}

fn stats_of(connection: &Connection) -> Result<Stats, StoreError> {
    let sql = "SELECT total, lifecycle, decide_only, pending, failed, proven, verified, compliant, violations FROM stats";
    let mut statement = connection.prepare_cached(sql).map_err(backend)?;
    let mut rows = statement.query([]).map_err(backend)?;
    let row = rows
        .next()
        .map_err(backend)?
        .ok_or_else(|| failed("the counts are missing"))?;
    let count = |column: usize| unsigned(row.get(column).map_err(backend)?);
    Ok(Stats {
        total: count(0)?,
        lifecycle: count(1)?,
        decide_only: count(2)?,
        pending: count(3)?,
        failed: count(4)?,
        proven: count(5)?,
        verified: count(6)?,
        compliant: count(7)?,
        violations: count(8)?,
    })
}

fn put_stats(transaction: &Transaction<'_>, stats: &Stats) -> Result<(), StoreError> {
    let sql =
        "UPDATE stats SET total = ?1, lifecycle = ?2, decide_only = ?3, pending = ?4, failed = ?5,
        proven = ?6, verified = ?7, compliant = ?8, violations = ?9";
    let mut statement = transaction.prepare_cached(sql).map_err(backend)?;
    let counts = [
        stats.total,
        stats.lifecycle,
        stats.decide_only,
        stats.pending,
        stats.failed,
        stats.proven,
        stats.verified,
        stats.compliant,
        stats.violations,
    ];
    statement
        .execute(params_from_iter(counts.map(signed)))
        .map_err(backend)?;
    Ok(())
}

fn blob(row: &Row<'_>, column: usize) -> Result<Vec<u8>, StoreError> {
    row.get(column).map_err(backend)
}

fn blobs(
    connection: &Connection,
    sql: &str,
    range: Range<u64>,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(backend)?;
    let bounds = params![signed(range.start), signed(range.end)];
    whole(all(&mut statement, bounds, |row| blob(row, 0))?, range)
}

fn all<T>(
    statement: &mut Statement<'_>,
    values: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut rows = statement.query(values).map_err(backend)?;
    let mut all = vec![];
    while let Some(row) = rows.next().map_err(backend)? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// All rows of a range of sequence numbers, or none.
fn whole<T>(rows: Vec<T>, range: Range<u64>) -> Result<Vec<T>, StoreError> {
    let missing = StoreError::NotFound {
        what: "entry",
        at: range.start.saturating_add(rows.len() as u64),
    };
    match range.end.checked_sub(range.start) == Some(rows.len() as u64) {
        true => Ok(rows),
        false => Err(missing),
    }
}

fn record(row: &Row<'_>) -> Result<Record, StoreError> {
    let optional = |column: usize| row.get::<_, Option<i64>>(column).map_err(backend);
    Ok(Record {
        seq: unsigned(row.get(0).map_err(backend)?)?,
        time_ms: unsigned(row.get(1).map_err(backend)?)?,
        kind: kind_of(row.get(2).map_err(backend)?)?,
        bundle: hash_of(&blob(row, 3)?)?,
        request_id: row.get(4).map_err(backend)?,
        compliant: row.get(5).map_err(backend)?,
        reason: row.get(6).map_err(backend)?,
        metadata: row.get(7).map_err(backend)?,
        status: status_of(row.get(8).map_err(backend)?)?,
        proof: optional(9)?.map(unsigned).transpose()?,
        failure: optional(10)?.map(unsigned).transpose()?,
    })
}

/// The conditions of a filter and their values, in one order.
fn history_query(filter: &Filter, limit: usize) -> (String, Vec<Value>) {
    let mut sql = RECORDS.to_owned();
    let (mut conditions, mut values) = (vec![], vec![]);
    let mut order = "e.seq";
    if let Some((name, value)) = &filter.metadata {
        sql += " JOIN metadata m ON m.seq = e.seq";
        order = "m.seq";
        for (column, text) in [("m.name", name), ("m.value", value)] {
            conditions.push(format!("{column} = ?"));
            values.push(Value::Text(text.clone()));
        }
    }
    let bounds = [
        ("e.seq < ?", filter.before),
        ("e.time_ms >= ?", filter.from_ms),
        ("e.time_ms < ?", filter.until_ms),
    ];
    for (condition, bound) in bounds {
        if let Some(bound) = bound {
            conditions.push(condition.to_owned());
            values.push(Value::Integer(signed(bound)));
        }
    }
    if let Some(bundle) = &filter.bundle {
        conditions.push("e.bundle = (SELECT id FROM bundles WHERE digest = ?)".to_owned());
        values.push(Value::Blob(bundle.to_vec()));
    }
    // Written out, so that the partial indices apply.
    if let Some(kind) = filter.kind {
        conditions.push(format!("e.kind = {}", kind_code(kind)));
    }
    if let Some(compliant) = filter.compliant {
        conditions.push(format!("e.compliant = {}", i32::from(compliant)));
    }
    match filter.status {
        None => {}
        Some(ProofStatus::Unproven) => conditions.push("s.seq IS NULL".to_owned()),
        Some(status) => conditions.push(format!("s.status = {}", status_code(status))),
    }
    if !conditions.is_empty() {
        sql += " WHERE ";
        sql += &conditions.join(" AND ");
    }
    sql += &format!(" ORDER BY {order} DESC LIMIT ?");
    values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    (sql, values)
}

fn checkpoint(
    connection: &Connection,
    sql: &str,
    from: u64,
) -> Result<Option<StoredCheckpoint>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(backend)?;
    let from = statement
        .parameter_count()
        .min(1)
        .checked_sub(1)
        .map(|_| signed(from));
    let mut rows = statement.query(params_from_iter(from)).map_err(backend)?;
    let Some(row) = rows.next().map_err(backend)? else {
        return Ok(None);
    };
    Ok(Some(StoredCheckpoint {
        size: unsigned(row.get(0).map_err(backend)?)?,
        root: hash_of(&blob(row, 1)?)?,
        note: blob(row, 2)?,
    }))
}

const RECORDS: &str =
    "SELECT e.seq, e.time_ms, e.kind, b.digest, e.request_id, e.compliant, e.reason, e.metadata,
    s.status, s.proof, s.failure
    FROM entries e JOIN bundles b ON b.id = e.bundle LEFT JOIN states s ON s.seq = e.seq";

const MIGRATIONS: &[&str] = &[include_str!("sqlite.sql")];
/// "clpf".
const APPLICATION_ID: i64 = 0x636c_7066;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const RESTING_READERS: usize = 8;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::suite::{checkpoint, fill, records, suite};
    use super::*;

    fn store() -> (tempfile::TempDir, PathBuf, SqliteStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.db");
        let store = SqliteStore::open(&path).expect("a new store");
        (folder, path, store)
    }

    /// Changes the file behind the store's back, past the triggers.
    fn tamper(path: &Path, sql: &str) {
        let connection = Connection::open(path).expect("the file");
        let triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger'";
        let mut statement = connection.prepare(triggers).expect("the triggers");
        let names = statement
            .query_map([], |row| row.get::<_, String>(0))
            .expect("the triggers");
        for name in names.map(|name| name.expect("a name")).collect::<Vec<_>>() {
            connection
                .execute_batch(&format!("DROP TRIGGER {name}"))
                .expect("dropped");
        }
        connection.execute_batch(sql).expect("tampered");
    }

    #[test]
    fn passes_the_suite() {
        let folder = tempfile::tempdir().expect("a folder");
        suite(|name| SqliteStore::open(&folder.path().join(name)).expect("a new store"));
    }

    #[test]
    fn the_write_ahead_log_begins_anew_while_it_is_written_to() {
        let (_folder, path, store) = store();
        // Bytes 12 to 16 of the file count how often it began anew: sqlite.org/fileformat2.html#walformat.
        let file = PathBuf::from(format!("{}-wal", path.display()));
        let begun = || fs::read(&file).expect("the log")[12..16].to_vec();
        let (mut size, first) = (0, {
            fill(&store, 1);
            begun()
        });
        while begun() == first {
            assert!(size < 200_000, "the log of {size} records was never copied");
            size += 200;
            fill(&store, size);
        }
        drop(store);
        assert!(!file.exists(), "closing copies what is left");
        let store = SqliteStore::open(&path).expect("audited");
        assert_eq!(store.size().expect("a size"), size);
    }

    #[test]
    fn keeps_everything_when_reopened_and_is_private() {
        let (_folder, path, store) = store();
        fill(&store, 1500);
        let latest = checkpoint(&store, 1500);
        store.put_checkpoint(&latest).expect("a checkpoint");
        let stats = store.stats().expect("counts");
        drop(store);
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let store = SqliteStore::open(&path).expect("the same store");
        assert_eq!(store.stats().expect("counts"), stats);
        assert_eq!(store.root(1500).expect("the root"), latest.root);
        assert_eq!(store.latest_checkpoint().expect("an answer"), Some(latest));
        fill(&store, 1600);
        // A second writer on the same file sees what the first one wrote, and the other way round.
        let second = SqliteStore::open(&path).expect("the same store");
        fill(&second, 1700);
        fill(&store, 1800);
        audit(&second).expect("an honest store");
    }

    #[test]
    fn the_file_refuses_changes() {
        let (_folder, path, store) = store();
        fill(&store, 20);
        store
            .put_checkpoint(&checkpoint(&store, 20))
            .expect("a checkpoint");
        let connection = Connection::open(&path).expect("the file");
        for sql in [
            "UPDATE entries SET entry = x'00' WHERE seq = 3",
            "DELETE FROM entries WHERE seq = 19",
            "REPLACE INTO entries SELECT * FROM entries WHERE seq = 3",
            "INSERT INTO entries SELECT 30, time_ms, kind, bundle, NULL, compliant, reason, metadata, entry FROM entries WHERE seq = 3",
            "UPDATE nodes SET hash = x'00'",
            "DELETE FROM nodes",
            "REPLACE INTO nodes VALUES (3, x'00')",
            "UPDATE sealed SET sealed = x'00'",
            "DELETE FROM sealed",
            "REPLACE INTO sealed VALUES (3, x'00')",
            "DELETE FROM metadata",
            "UPDATE metadata SET value = 'x'",
            "DELETE FROM states",
            "UPDATE checkpoints SET root = x'00'",
            "DELETE FROM checkpoints",
            "REPLACE INTO checkpoints VALUES (20, x'00', x'00')",
            "INSERT INTO checkpoints VALUES (19, x'00', x'00')",
        ] {
            let refused = connection.execute_batch(sql);
            assert!(refused.is_err(), "{sql}");
        }
        audit(&store).expect("an honest store");
    }

    #[test]
    fn the_first_bad_record_is_named() {
        for (sql, first_bad, what) in [
            ("UPDATE entries SET entry = x'00' WHERE seq IN (1200, 1400)", 1200, "malformed"),
            ("UPDATE entries SET entry = (SELECT entry FROM entries WHERE seq = 7) WHERE seq = 9", 9, "not that of the entry"),
            ("UPDATE entries SET time_ms = 1 WHERE seq = 9", 9, "not that of the entry"),
            ("UPDATE entries SET kind = 1 WHERE seq = 8", 8, "not that of the entry"),
            ("UPDATE entries SET kind = 9 WHERE seq = 8", 8, "cannot be read"),
            ("DELETE FROM entries WHERE seq = 1300", 1300, "cannot be read"),
            ("DELETE FROM entries WHERE seq = 1499", 1499, "missing"),
            ("DELETE FROM nodes WHERE position = 6", 3, "cannot be read"),
            ("UPDATE nodes SET hash = zeroblob(32) WHERE position = 4", 3, "the leaf"),
            ("UPDATE nodes SET hash = zeroblob(32) WHERE position = 5", 3, "a node"),
            ("UPDATE nodes SET hash = x'00' WHERE position = 5", 3, "cannot be read"),
            ("UPDATE checkpoints SET root = zeroblob(32) WHERE size = 1450", 1400, "root"),
            ("UPDATE states SET status = 3 WHERE seq = 9", 9, "proof"),
            ("UPDATE stats SET pending = 1", 0, "counts"),
        ] {
            let (_folder, path, store) = store();
            fill(&store, 1500);
            for size in [1400, 1450, 1500] {
                store.put_checkpoint(&checkpoint(&store, size)).expect("a checkpoint");
            }
            drop(store);
            SqliteStore::open(&path).expect("an honest store");
            tamper(&path, sql);
            match SqliteStore::open(&path) {
                Err(StoreError::Corrupt { seq, what: why }) => {
                    assert_eq!(seq, first_bad, "{sql}: {why}");
                    assert!(why.contains(what), "{sql}: {why}");
                }
                other => panic!("{sql}: {other:?}"),
            }
        }
    }

    #[test]
    fn broken_pages_are_found() {
        let (_folder, path, store) = store();
        fill(&store, 3000);
        drop(store);
        let good = fs::read(&path).expect("the file");
        assert!(good.len() > 100 * 4096, "{} bytes", good.len());
        // Every page but the first holds something.
        for page in (1..good.len() / 4096).step_by(17) {
            let mut bad = good.clone();
            bad[page * 4096..(page + 1) * 4096].fill(0xa5);
            fs::write(&path, bad).expect("the file");
            assert!(SqliteStore::open(&path).is_err(), "page {page}");
        }
    }

    #[test]
    fn a_full_disk_is_loud_and_loses_nothing() {
        let (_folder, _path, store) = store();
        fill(&store, 100);
        let pages = "PRAGMA page_count";
        let limit = {
            let writer = store.writer();
            let pages: i64 = writer
                .connection
                .query_row(pages, [], |row| row.get(0))
                .expect("a count");
            writer
                .connection
                .pragma_update(None, "max_page_count", pages + 20)
                .expect("set");
            pages + 20
        };
        let mut size = 100;
        let error = loop {
            match store.append(&records(size..size + 10)) {
                Ok(()) => size += 10,
                Err(error) => break error,
            }
            assert!(size < 100_000, "{limit} pages were never full");
        };
        assert!(
            matches!(error, StoreError::Backend(_)) && error.to_string().contains("full"),
            "{error}"
        );
        assert_eq!(store.size().expect("a size"), size);
        audit(&store).expect("nothing of the refused batch stays");
        let writer = store.writer();
        writer
            .connection
            .pragma_update(None, "max_page_count", limit + 1000)
            .expect("set");
        drop(writer);
        fill(&store, size + 10);
        audit(&store).expect("an honest store");
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("other.db");
        let connection = Connection::open(&path).expect("a new file");
        connection
            .execute_batch("CREATE TABLE theirs (a)")
            .expect("a table");
        drop(connection);
        let refused = SqliteStore::open(&path).expect_err("another's file");
        assert!(refused.to_string().contains("another program"), "{refused}");

        let (_folder, path, store) = store();
        drop(store);
        let connection = Connection::open(&path).expect("the file");
        connection
            .pragma_update(None, "user_version", 99)
            .expect("set");
        drop(connection);
        let refused = SqliteStore::open(&path).expect_err("a newer file");
        assert!(refused.to_string().contains("newer"), "{refused}");

        fs::write(&path, "no database").expect("the file");
        let refused = SqliteStore::open(&path).expect_err("no database");
        assert!(matches!(refused, StoreError::Backend(_)), "{refused}");
    }
}
