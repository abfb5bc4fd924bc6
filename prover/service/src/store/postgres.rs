//! The store in a PostgreSQL database.
//!
//! 1. Claim: [`Store`]'s. One process writes at a time: it holds an advisory lock on the database as long as
//!    its connection lives, and a second one is refused. Triggers refuse to change or remove what was appended.
//! 2. Layout: postgres.sql; the table `schema_version` counts the migrations that were applied.
//! 3. Assumed: the database is clearproof's own, its `fsync` is on; `synchronous_commit` is set here.
//!    The connection is not encrypted: a socket, or a network that is trusted.
//! 4. Source: postgresql.org/docs, "Advisory Locks" and "Write-Ahead Logging".

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clearproof_prover::engine::store::{
    audit, check_checkpoint, check_rows, check_time, prepare, Failure, Filter, NewFailure,
    NewProof, NewRecord, Pending, PreparedRecord, ProofStatus, Record, RecordKind, Stats, Store,
    StoreError, StoredCheckpoint, StoredProof,
};
use clearproof_shared::log::merkle::{
    root_from_nodes, stored_nodes, stored_position, Frontier, Hash,
};
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Config, GenericClient, NoTls, Row, Transaction};

use super::codes::{
    backend, failed, hash_of, kind_code, kind_of, pack_rows, signed, status_code, status_of,
    unpack_rows, unsigned,
};

/// The store in a PostgreSQL database.
pub struct PostgresStore {
    config: Config,
    writer: Mutex<Writer>,
    /// Connections at rest that read, and since when they rest.
    readers: Mutex<Vec<(Client, Instant)>>,
}

struct Writer {
    client: Client,
    /// The right edge of the committed tree.
    frontier: Frontier,
}

impl Writer {
    /// A transaction; where the connection was lost, on a new one that is the one writer again. Nothing was asked of the
    /// old one yet, so nothing can have been written twice.
    fn begin(&mut self, config: &Config) -> Result<Transaction<'_>, StoreError> {
        let lost = |client: &mut Client| {
            client.is_closed() || client.simple_query("").is_err() && client.is_closed()
        };
        if lost(&mut self.client) {
            let mut client = connect(config)?;
            lock(&mut client)?;
            self.client = client;
        }
        self.client.transaction().map_err(backend)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration holds a password.
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects, becomes the one writer, applies what migrations the database lacks, and audits it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first bad record; [`StoreError::Backend`] if the database cannot
    /// be reached, has another writer or is of a newer version.
    pub fn open(config: &str) -> Result<Self, StoreError> {
        let config: Config = config.parse().map_err(backend)?;
        let mut client = connect(&config)?;
        lock(&mut client)?;
        migrate(&mut client)?;
        let size = size_of(&mut client)?;
        let frontier = match Frontier::from_nodes(size, &mut one_node(&mut client)) {
            // The audit names the first bad record.
            Err(StoreError::NotFound { .. }) => Frontier::default(),
            frontier => frontier?,
        };
        let store = Self {
            config,
            writer: Mutex::new(Writer { client, frontier }),
            readers: Mutex::default(),
        };
        audit(&store)?;
        Ok(store)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A transaction that a panic left open is rolled back, and the right edge is only replaced
        // after a commit.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&mut Client) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let readers = || self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = readers().pop();
        // One that has rested may have lost its server since.
        let alive = |(client, since): &mut (Client, Instant)| {
            !client.is_closed() && (since.elapsed() < REST || client.simple_query("").is_ok())
        };
        let mut client = match rested.and_then(|mut r| alive(&mut r).then_some(r.0)) {
            Some(client) => client,
            None => connect(&self.config)?,
        };
        let answer = query(&mut client);
        let mut readers = readers();
        if client.is_closed() {
            readers.clear();
        } else if readers.len() < RESTING_READERS {
            readers.push((client, Instant::now()));
        }
        answer
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = self.writer();
        let mut transaction = writer.begin(&self.config)?;
        let answer = change(&mut transaction)?;
        transaction.commit().map_err(backend)?;
        Ok(answer)
    }
}

impl Store for PostgresStore {
    fn append(&self, records: &[NewRecord]) -> Result<(), StoreError> {
        let writer = &mut *self.writer();
        let edge = writer.frontier.clone();
        let mut transaction = writer.begin(&self.config)?;
        let size = size_of(&mut transaction)?;
        let mut frontier = match edge.size() == size {
            true => edge,
            false => Frontier::from_nodes(size, &mut one_node(&mut transaction))?,
        };
        let (prepared, nodes) = prepare(&mut frontier, records)?;
        let mut stats = stats_of(&mut transaction)?;
        prepared.iter().for_each(|new| stats.count(&new.record));
        insert(&mut transaction, &prepared)?;
        let positions: Vec<i64> = (stored_nodes(size)..)
            .map(signed)
            .take(nodes.len())
            .collect();
        let nodes: Vec<&[u8]> = nodes.iter().map(|node| &node[..]).collect();
        let sql = "INSERT INTO nodes SELECT * FROM unnest($1::bigint[], $2::bytea[])";
        transaction
            .execute(sql, &[&positions, &nodes])
            .map_err(backend)?;
        put_stats(&mut transaction, &stats)?;
        transaction.commit().map_err(backend)?;
        writer.frontier = frontier;
        Ok(())
    }

    fn size(&self) -> Result<u64, StoreError> {
        self.read(size_of)
    }

    fn settled_size(&self) -> Result<u64, StoreError> {
        self.write(|transaction| size_of(transaction))
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT entry FROM entries WHERE seq >= $1 AND seq < $2 ORDER BY seq";
        self.read(|client| ranged(client, sql, range, |row| get(row, 0)))
    }

    fn sealed(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT sealed FROM sealed WHERE seq >= $1 AND seq < $2 ORDER BY seq";
        self.read(|client| ranged(client, sql, range, |row| get(row, 0)))
    }

    fn nodes(&self, level: u32, indices: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        self.read(|client| nodes(client, level, indices))
    }

    fn records(&self, range: Range<u64>) -> Result<Vec<Record>, StoreError> {
        let sql = format!("{RECORDS} WHERE e.seq >= $1 AND e.seq < $2 ORDER BY e.seq");
        self.read(|client| ranged(client, &sql, range, record))
    }

    fn by_request_id(&self, request_id: &str) -> Result<Option<u64>, StoreError> {
        if request_id.contains('\0') {
            return Ok(None);
        }
        let sql = "SELECT seq FROM entries WHERE request_id = $1";
        let row = self.read(|client| client.query_opt(sql, &[&request_id]).map_err(backend))?;
        row.map(|row| number(&row, 0)).transpose()
    }

    fn history(&self, filter: &Filter, limit: usize) -> Result<Vec<Record>, StoreError> {
        let pair = filter.metadata.iter();
        if pair
            .clone()
            .any(|(name, value)| name.contains('\0') || value.contains('\0'))
        {
            return Ok(vec![]);
        }
        let (sql, values) = history_query(filter, limit);
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
        let rows = self.read(|client| client.query(&sql, &values).map_err(backend))?;
        rows.iter().map(record).collect()
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        self.read(stats_of)
    }

    fn latest_lifecycle(&self, seq: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let sql =
            "SELECT seq, entry FROM entries WHERE kind = 2 AND seq <= $1 ORDER BY seq DESC LIMIT 1";
        let row = self.read(|client| client.query_opt(sql, &[&signed(seq)]).map_err(backend))?;
        row.map(|row| Ok((number(&row, 0)?, get(&row, 1)?)))
            .transpose()
    }

    fn attach(&self, proof: &NewProof) -> Result<u64, StoreError> {
        check_rows(&proof.rows)?;
        check_time(&proof.rows, proof.proved_ms)?;
        self.write(|transaction| {
            let mut stats = stats_of(transaction)?;
            let bundle = bundle_id(transaction, &proof.bundle)?;
            let sql = "INSERT INTO proofs SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, FALSE FROM proofs RETURNING id";
            let (rows, proved_ms) = (pack_rows(&proof.rows), signed(proof.proved_ms));
            let row = transaction.query_one(sql, &[&bundle, &rows, &proof.proof, &proved_ms]);
            let id = row.map_err(backend)?.get(0);
            set_states(transaction, &mut stats, &proof.rows, bundle, ProofStatus::Proven, id)?;
            put_stats(transaction, &stats)?;
            unsigned(id)
        })
    }

    fn mark_verified(&self, proof: u64) -> Result<(), StoreError> {
        let stored = self.proof(proof)?;
        self.write(|transaction| {
            let sql = "UPDATE proofs SET verified = TRUE WHERE id = $1 AND NOT verified";
            if transaction
                .execute(sql, &[&signed(proof)])
                .map_err(backend)?
                == 0
            {
                return Ok(());
            }
            let rows: Vec<i64> = stored.proof.rows.iter().map(|seq| signed(*seq)).collect();
            let sql = "UPDATE states SET status = 4 WHERE seq = ANY($1)";
            let changed = transaction.execute(sql, &[&rows]).map_err(backend)?;
            let mut stats = stats_of(transaction)?;
            stats.verified += changed;
            put_stats(transaction, &stats)
        })
    }

    fn proof(&self, id: u64) -> Result<StoredProof, StoreError> {
        let sql = "SELECT b.digest, p.row_seqs, p.proof, p.proved_ms, p.verified
            FROM proofs p JOIN bundles b ON b.id = p.bundle WHERE p.id = $1";
        let row = self.read(|client| client.query_opt(sql, &[&signed(id)]).map_err(backend))?;
        let row = row.ok_or(StoreError::NotFound {
            what: "proof",
            at: id,
        })?;
        Ok(StoredProof {
            id,
            proof: NewProof {
                bundle: hash_of(get(&row, 0)?)?,
                rows: unpack_rows(get(&row, 1)?)?,
                proof: get(&row, 2)?,
                proved_ms: number(&row, 3)?,
            },
            verified: get(&row, 4)?,
        })
    }

    fn pending(&self, limit: usize) -> Result<Vec<Pending>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|client| {
            let bundles = client.query("SELECT id, digest FROM bundles", &[]).map_err(backend)?;
            let mut pending = vec![];
            for bundle in bundles {
                let (id, digest): (i64, Vec<u8>) = (get(&bundle, 0)?, get(&bundle, 1)?);
                let sql = "SELECT seq FROM states WHERE bundle = $1 AND status = 1 ORDER BY seq LIMIT $2";
                let rows = client.query(sql, &[&id, &limit]).map_err(backend)?;
                let mut rows: Vec<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
                let Some((first, last)) = rows.first().zip(rows.last()) else {
                    continue;
                };
                let sql = "SELECT min(seq) FROM states WHERE bundle = $1 AND seq > $2 AND seq < $3 AND status <> 1";
                let end = client.query_one(sql, &[&id, first, last]).map_err(backend)?;
                let end: Option<i64> = get(&end, 0)?;
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
            let sql = "INSERT INTO failures SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4 FROM failures RETURNING id";
            let (rows, failed_ms) = (pack_rows(&failure.rows), signed(failure.failed_ms));
            let reason = failure.reason.replace('\0', "\u{fffd}");
            let row = transaction.query_one(sql, &[&bundle, &rows, &reason, &failed_ms]);
            let id = row.map_err(backend)?.get(0);
            set_states(transaction, &mut stats, &failure.rows, bundle, ProofStatus::Failed, id)?;
            put_stats(transaction, &stats)?;
            unsigned(id)
        })
    }

    fn retry(&self, failure: u64) -> Result<(), StoreError> {
        self.write(|transaction| {
            let id = signed(failure);
            let known = "SELECT count(*) FROM failures WHERE id = $1";
            let known: i64 = transaction
                .query_one(known, &[&id])
                .map_err(backend)?
                .get(0);
            if known != 1 {
                return Err(StoreError::NotFound {
                    what: "failure",
                    at: failure,
                });
            }
            let sql = "UPDATE states SET status = 1, failure = NULL WHERE failure = $1";
            let changed = transaction.execute(sql, &[&id]).map_err(backend)?;
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
            ORDER BY f.id DESC LIMIT $1";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.read(|client| client.query(sql, &[&limit]).map_err(backend))?;
        let failures = rows.iter().map(|row| {
            Ok(Failure {
                id: number(row, 0)?,
                failure: NewFailure {
                    bundle: hash_of(get(row, 1)?)?,
                    rows: unpack_rows(get(row, 2)?)?,
                    reason: get(row, 3)?,
                    failed_ms: number(row, 4)?,
                },
            })
        });
        failures.collect()
    }

    fn put_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<(), StoreError> {
        self.write(|transaction| {
            let size = size_of(transaction)?;
            let latest = "SELECT max(size) FROM checkpoints";
            let latest: Option<i64> = transaction.query_one(latest, &[]).map_err(backend)?.get(0);
            let latest = latest.map(unsigned).transpose()?;
            check_checkpoint(checkpoint, latest, size, |size| {
                root_from_nodes(size, &mut one_node(transaction))
            })?;
            let size = signed(checkpoint.size);
            if latest == Some(checkpoint.size) {
                let sql = "UPDATE checkpoints SET note = $2 WHERE size = $1";
                transaction.execute(sql, &[&size, &checkpoint.note])
            } else {
                let sql = "INSERT INTO checkpoints VALUES ($1, $2, $3)";
                transaction.execute(sql, &[&size, &&checkpoint.root[..], &checkpoint.note])
            }
            .map_err(backend)?;
            Ok(())
        })
    }

    fn latest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        let sql = "SELECT size, root, note FROM checkpoints ORDER BY size DESC LIMIT 1";
        let row = self.read(|client| client.query_opt(sql, &[]).map_err(backend))?;
        row.as_ref().map(checkpoint).transpose()
    }

    fn checkpoint_from(&self, size: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        let sql = "SELECT size, root, note FROM checkpoints WHERE size >= $1 ORDER BY size LIMIT 1";
        let row = self.read(|client| client.query_opt(sql, &[&signed(size)]).map_err(backend))?;
        row.as_ref().map(checkpoint).transpose()
    }
}

fn connect(config: &Config) -> Result<Client, StoreError> {
    let mut client = config.connect(NoTls).map_err(backend)?;
    client
        .batch_execute("SET synchronous_commit = on")
        .map_err(backend)?;
    Ok(client)
}

/// Becomes the one writer. A connection that just closed keeps its lock for a moment.
fn lock(client: &mut Client) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        let sql = "SELECT pg_try_advisory_lock($1)";
        if client
            .query_one(sql, &[&WRITER_LOCK])
            .map_err(backend)?
            .get(0)
        {
            return Ok(());
        }
        if begun.elapsed() > LOCK_TIMEOUT {
            return Err(failed("another process writes to this database"));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Applies the migrations that the database lacks, each with its version in one transaction.
fn migrate(client: &mut Client) -> Result<(), StoreError> {
    let sql = "CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)";
    client.batch_execute(sql).map_err(backend)?;
    let sql = "SELECT coalesce(max(version), 0) FROM schema_version";
    let version: i32 = client.query_one(sql, &[]).map_err(backend)?.get(0);
    let applied = usize::try_from(version).unwrap_or(usize::MAX);
    let missing = MIGRATIONS.get(applied..);
    let missing = missing.ok_or_else(|| {
        failed(format!(
            "the database is of version {version}, newer than this program"
        ))
    })?;
    for (migration, version) in missing.iter().zip(version + 1..) {
        let mut transaction = client.transaction().map_err(backend)?;
        transaction.batch_execute(migration).map_err(backend)?;
        let sql = "INSERT INTO schema_version VALUES ($1)";
        transaction.execute(sql, &[&version]).map_err(backend)?;
        transaction.commit().map_err(backend)?;
    }
    Ok(())
}

fn size_of(client: &mut impl GenericClient) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(seq) + 1, 0) FROM entries";
    number(&client.query_one(sql, &[]).map_err(backend)?, 0)
}

fn one_node<C: GenericClient>(
    client: &mut C,
) -> impl FnMut(u32, u64) -> Result<Hash, StoreError> + '_ {
    |level, index| {
        let one = nodes(client, level, index..index + 1)?;
        one.into_iter().next().ok_or(StoreError::NotFound {
            what: "node",
            at: index,
        })
    }
}

fn nodes(
    client: &mut impl GenericClient,
    level: u32,
    indices: Range<u64>,
) -> Result<Vec<Hash>, StoreError> {
    let missing = StoreError::NotFound {
        what: "node",
        at: indices.end.saturating_sub(1),
    };
    let end = indices.end.checked_mul(1 << level.min(63));
    if indices.start > indices.end
        || end.is_none_or(|end| end > 1 << 62)
        || indices.end - indices.start > MAX_NODES
    {
        return Err(missing);
    }
    let positions: Vec<i64> = indices
        .map(|index| signed(stored_position(level, index)))
        .collect();
    let sql = "SELECT hash FROM nodes WHERE position = ANY($1) ORDER BY position";
    let rows = client.query(sql, &[&positions]).map_err(backend)?;
    match rows.len() == positions.len() {
        true => rows.iter().map(|row| hash_of(get(row, 0)?)).collect(),
        false => Err(missing),
    }
}

fn insert(
    transaction: &mut Transaction<'_>,
    prepared: &[PreparedRecord<'_>],
) -> Result<(), StoreError> {
    let mut bundles = Vec::with_capacity(prepared.len());
    let mut known: Option<(Hash, i64)> = None;
    for new in prepared {
        let digest = new.record.bundle;
        let id = match known {
            Some((last, id)) if last == digest => id,
            _ => bundle_id(transaction, &digest)?,
        };
        known = Some((digest, id));
        bundles.push(id);
    }
    let all = || prepared.iter().map(|new| &new.record);
    let seqs: Vec<i64> = all().map(|record| signed(record.seq)).collect();
    let times: Vec<i64> = all().map(|record| signed(record.time_ms)).collect();
    let kinds: Vec<i32> = all().map(|record| kind_code(record.kind)).collect();
    let request_ids: Vec<Option<&str>> = all().map(|record| record.request_id.as_deref()).collect();
    let compliant: Vec<Option<bool>> = all().map(|record| record.compliant).collect();
    let reasons: Vec<Option<i64>> = all().map(|record| record.reason.map(i64::from)).collect();
    let metadata: Vec<&str> = all().map(|record| record.metadata.as_str()).collect();
    let entries: Vec<&[u8]> = prepared.iter().map(|new| &new.entry[..]).collect();
    let sealed: Vec<&[u8]> = prepared.iter().map(|new| new.sealed).collect();
    let sql = "INSERT INTO entries SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[],
        $5::text[], $6::boolean[], $7::bigint[], $8::text[], $9::bytea[])";
    let inserted = transaction.execute(
        sql,
        &[
            &seqs,
            &times,
            &kinds,
            &bundles,
            &request_ids,
            &compliant,
            &reasons,
            &metadata,
            &entries,
        ],
    );
    if let Err(error) = inserted {
        return Err(match duplicate(&error) {
            Some(request_id) => StoreError::DuplicateRequest { request_id },
            None => backend(error),
        });
    }
    let sql = "INSERT INTO sealed SELECT * FROM unnest($1::bigint[], $2::bytea[])";
    transaction
        .execute(sql, &[&seqs, &sealed])
        .map_err(backend)?;

    let (mut names, mut values, mut paired) = (vec![], vec![], vec![]);
    for new in prepared {
        for (name, value) in &new.pairs {
            names.push(name.as_str());
            values.push(value.as_str());
            paired.push(signed(new.record.seq));
        }
    }
    let sql = "INSERT INTO metadata SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])";
    transaction
        .execute(sql, &[&names, &values, &paired])
        .map_err(backend)?;

    let provable = || {
        prepared
            .iter()
            .zip(&bundles)
            .filter(|(new, _)| new.record.kind == RecordKind::Prove)
    };
    let seqs: Vec<i64> = provable().map(|(new, _)| signed(new.record.seq)).collect();
    let of: Vec<i64> = provable().map(|(_, bundle)| *bundle).collect();
    let sql = "INSERT INTO states SELECT seq, bundle, 1, NULL, NULL FROM unnest($1::bigint[], $2::bigint[]) AS t (seq, bundle)";
    transaction.execute(sql, &[&seqs, &of]).map_err(backend)?;
    Ok(())
}

/// The request id that an INSERT repeats: PostgreSQL names it in the error's detail.
fn duplicate(error: &postgres::Error) -> Option<String> {
    let error = error.as_db_error()?;
    let repeats = *error.code() == SqlState::UNIQUE_VIOLATION
        && error.constraint() == Some("entries_request_id_key");
    let detail = error.detail().unwrap_or_default();
    let id = detail
        .split_once("=(")
        .and_then(|(_, rest)| rest.rsplit_once(')'));
    repeats.then(|| id.map_or_else(String::new, |(id, _)| id.to_owned()))
}

fn bundle_id(transaction: &mut Transaction<'_>, digest: &Hash) -> Result<i64, StoreError> {
    let sql = "SELECT id FROM bundles WHERE digest = $1";
    let known = transaction
        .query_opt(sql, &[&&digest[..]])
        .map_err(backend)?;
    if let Some(row) = known {
        return get(&row, 0);
    }
    let sql = "INSERT INTO bundles (digest) VALUES ($1) RETURNING id";
    get(
        &transaction
            .query_one(sql, &[&&digest[..]])
            .map_err(backend)?,
        0,
    )
}

/// Moves decisions of a bundle that wait or failed to another status; `id` is that of proof or failure.
fn set_states(
    transaction: &mut Transaction<'_>,
    stats: &mut Stats,
    rows: &[u64],
    bundle: i64,
    status: ProofStatus,
    id: i64,
) -> Result<(), StoreError> {
    let size = size_of(transaction)?;
    let seqs: Vec<i64> = rows.iter().map(|seq| signed(*seq)).collect();
    let sql = "SELECT seq, bundle, status FROM states WHERE seq = ANY($1) ORDER BY seq";
    let states = transaction.query(sql, &[&seqs]).map_err(backend)?;
    let mut states = states.iter().peekable();
    for &seq in rows {
        let own = |row: &&Row| row.get::<_, i64>(0) == signed(seq);
        let before = match states.next_if(own) {
            None if seq >= size => {
                return Err(StoreError::NotFound {
                    what: "entry",
                    at: seq,
                })
            }
            Some(row) if row.get::<_, i64>(1) == bundle => status_of(Some(get(row, 2)?))?,
            _ => return Err(StoreError::NotProvable { seq }),
        };
        match before {
            ProofStatus::Pending => stats.pending -= 1,
            ProofStatus::Failed => stats.failed -= 1,
            _ => return Err(StoreError::AlreadyProven { seq }),
        }
    }
    let failed = status == ProofStatus::Failed;
    let (proof, failure) = match failed {
        true => (None, Some(id)),
        false => (Some(id), None),
    };
    let sql = "UPDATE states SET status = $2, proof = $3, failure = $4 WHERE seq = ANY($1)";
    transaction
        .execute(sql, &[&seqs, &status_code(status), &proof, &failure])
        .map_err(backend)?;
    let count = if failed {
        &mut stats.failed
    } else {
        &mut stats.proven
    };
    *count += rows.len() as u64;
    Ok(())
}

fn stats_of(client: &mut impl GenericClient) -> Result<Stats, StoreError> {
    let sql = "SELECT total, lifecycle, decide_only, pending, failed, proven, verified, compliant, violations FROM stats";
    let row = client.query_one(sql, &[]).map_err(backend)?;
    Ok(Stats {
        total: number(&row, 0)?,
        lifecycle: number(&row, 1)?,
        decide_only: number(&row, 2)?,
        pending: number(&row, 3)?,
        failed: number(&row, 4)?,
        proven: number(&row, 5)?,
        verified: number(&row, 6)?,
        compliant: number(&row, 7)?,
        violations: number(&row, 8)?,
    })
}

fn put_stats(transaction: &mut Transaction<'_>, stats: &Stats) -> Result<(), StoreError> {
    let sql =
        "UPDATE stats SET total = $1, lifecycle = $2, decide_only = $3, pending = $4, failed = $5,
        proven = $6, verified = $7, compliant = $8, violations = $9";
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
    ]
    .map(signed);
    let counts: Vec<&(dyn ToSql + Sync)> = counts.iter().map(|count| count as _).collect();
    transaction.execute(sql, &counts).map_err(backend)?;
    Ok(())
}

fn get<'a, T: postgres::types::FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(backend)
}

fn number(row: &Row, column: usize) -> Result<u64, StoreError> {
    unsigned(get(row, column)?)
}

/// All rows of a range of sequence numbers, or none.
fn ranged<T>(
    client: &mut Client,
    sql: &str,
    range: Range<u64>,
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let bounds = (signed(range.start), signed(range.end));
    let rows = client
        .query(sql, &[&bounds.0, &bounds.1])
        .map_err(backend)?;
    let missing = StoreError::NotFound {
        what: "entry",
        at: range.start.saturating_add(rows.len() as u64),
    };
    match range.end.checked_sub(range.start) == Some(rows.len() as u64) {
        true => rows.iter().map(read).collect(),
        false => Err(missing),
    }
}

fn record(row: &Row) -> Result<Record, StoreError> {
    let optional = |column| get::<Option<i64>>(row, column);
    Ok(Record {
        seq: number(row, 0)?,
        time_ms: number(row, 1)?,
        kind: kind_of(get(row, 2)?)?,
        bundle: hash_of(get(row, 3)?)?,
        request_id: get(row, 4)?,
        compliant: get(row, 5)?,
        reason: match optional(6)? {
            None => None,
            Some(reason) => Some(u32::try_from(reason).map_err(backend)?),
        },
        metadata: get(row, 7)?,
        status: status_of(get(row, 8)?)?,
        proof: optional(9)?.map(unsigned).transpose()?,
        failure: optional(10)?.map(unsigned).transpose()?,
    })
}

fn checkpoint(row: &Row) -> Result<StoredCheckpoint, StoreError> {
    Ok(StoredCheckpoint {
        size: number(row, 0)?,
        root: hash_of(get(row, 1)?)?,
        note: get(row, 2)?,
    })
}

/// The conditions of a filter and their values, in one order.
fn history_query(filter: &Filter, limit: usize) -> (String, Vec<Box<dyn ToSql + Sync>>) {
    let mut sql = RECORDS.to_owned();
    let mut conditions: Vec<String> = vec![];
    let mut values: Vec<Box<dyn ToSql + Sync>> = vec![];
    let mut order = "e.seq";
    let mut with = |condition: &str, value: Box<dyn ToSql + Sync>| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("${}", values.len())));
    };
    if let Some((name, value)) = &filter.metadata {
        sql += " JOIN metadata m ON m.seq = e.seq";
        order = "m.seq";
        with("m.name = ?", Box::new(name.clone()));
        with("m.value = ?", Box::new(value.clone()));
    }
    let bounds = [
        ("e.seq < ?", filter.before),
        ("e.time_ms >= ?", filter.from_ms),
        ("e.time_ms < ?", filter.until_ms),
    ];
    for (condition, bound) in bounds {
        if let Some(bound) = bound {
            with(condition, Box::new(signed(bound)));
        }
    }
    if let Some(bundle) = &filter.bundle {
        let own = "e.bundle = (SELECT id FROM bundles WHERE digest = ?)";
        with(own, Box::new(bundle.to_vec()));
    }
    // Written out, so that the partial indices apply.
    if let Some(kind) = filter.kind {
        conditions.push(format!("e.kind = {}", kind_code(kind)));
    }
    match filter.compliant {
        None => {}
        Some(true) => conditions.push("e.compliant".to_owned()),
        Some(false) => conditions.push("NOT e.compliant".to_owned()),
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
    values.push(Box::new(i64::try_from(limit).unwrap_or(i64::MAX)));
    sql += &format!(" ORDER BY {order} DESC LIMIT ${}", values.len());
    (sql, values)
}

const RECORDS: &str =
    "SELECT e.seq, e.time_ms, e.kind, b.digest, e.request_id, e.compliant, e.reason, e.metadata,
    s.status, s.proof, s.failure
    FROM entries e JOIN bundles b ON b.id = e.bundle LEFT JOIN states s ON s.seq = e.seq";

const MIGRATIONS: &[&str] = &[include_str!("postgres.sql")];
/// "clrproof": who holds it writes.
const WRITER_LOCK: i64 = 0x636c_7270_726f_6f66;
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const RESTING_READERS: usize = 4;
/// A server takes longer than this to come back.
const REST: Duration = Duration::from_millis(50);
/// Most nodes read at a time.
const MAX_NODES: u64 = 1 << 16;

#[cfg(test)]
#[path = "../../tests/support/cluster.rs"]
mod cluster;

#[cfg(test)]
mod tests {
    use super::super::suite::{checkpoint, fill, suite};
    use super::cluster::Cluster;
    use super::*;

    #[test]
    fn passes_the_suite_and_more() {
        let cluster = Cluster::start();
        suite(|name| PostgresStore::open(&cluster.database(name)).expect("a new store"));

        // One writer at a time; the next one finds everything.
        let database = cluster.database("one_writer");
        let store = PostgresStore::open(&database).expect("a new store");
        fill(&store, 1500);
        let latest = checkpoint(&store, 1500);
        store.put_checkpoint(&latest).expect("a checkpoint");
        let second = PostgresStore::open(&database).expect_err("there is a writer");
        assert!(second.to_string().contains("another process"), "{second}");
        drop(store);
        let store = PostgresStore::open(&database).expect("the same store");
        assert_eq!(store.latest_checkpoint().expect("an answer"), Some(latest));
        // A server that crashed and came back is found again, by the one writer.
        store.size().expect("a reader at rest");
        cluster.server("restart");
        fill(&store, 1600);
        assert_eq!(store.settled_size().expect("an answer"), 1600);
        assert_eq!(store.size().expect("an answer"), 1600);
        let second = PostgresStore::open(&database).expect_err("there is a writer");
        assert!(second.to_string().contains("another process"), "{second}");
        drop(store);

        // The database refuses changes.
        let mut client = Client::connect(&database, NoTls).expect("the cluster runs");
        for sql in [
            "UPDATE entries SET entry = '' WHERE seq = 3",
            "DELETE FROM entries WHERE seq = 1599",
            "TRUNCATE entries",
            "INSERT INTO entries SELECT * FROM entries WHERE seq = 3",
            "UPDATE nodes SET hash = ''",
            "DELETE FROM sealed",
            "TRUNCATE sealed",
            "DELETE FROM metadata",
            "DELETE FROM states",
            "UPDATE checkpoints SET root = ''",
            "DELETE FROM checkpoints",
        ] {
            assert!(client.batch_execute(sql).is_err(), "{sql}");
        }

        // What gets past the triggers is found, with the first bad record.
        for (sql, first_bad) in [
            ("UPDATE entries SET entry = (SELECT entry FROM entries WHERE seq = 7) WHERE seq IN (900, 1400)", 900),
            ("UPDATE nodes SET hash = (SELECT hash FROM nodes WHERE position = 0) WHERE position = 5", 3),
            ("DELETE FROM nodes WHERE position = 4", 3),
        ] {
            client.batch_execute("SET session_replication_role = replica").expect("as the superuser");
            client.batch_execute(sql).expect("tampered");
            match PostgresStore::open(&database) {
                Err(StoreError::Corrupt { seq, .. }) => assert_eq!(seq, first_bad, "{sql}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
    }
}
