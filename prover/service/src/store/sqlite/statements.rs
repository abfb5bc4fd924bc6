//! What the store asks of its tables, and how their rows are read.

use std::ops::Range;

use clearproof_prover::engine::store::{
    Filter, PreparedRecord, ProofStatus, Record, RecordKind, Stats, StoreError, StoredCheckpoint,
};
use clearproof_shared::log::merkle::{root_from_nodes, stored_position, Frontier, Hash};
use rusqlite::types::Value;
use rusqlite::{
    params, params_from_iter, Connection, ErrorCode, OptionalExtension, Params, Row, Statement,
    Transaction,
};

use super::super::codes::{
    backend, failed, hash_of, kind_code, kind_of, signed, status_code, status_of, unsigned,
};

pub(super) fn size_of(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(seq) + 1, 0) FROM entries";
    let mut statement = connection.prepare_cached(sql).map_err(backend)?;
    unsigned(statement.query_row([], |row| row.get(0)).map_err(backend)?)
}

pub(super) fn frontier_of(connection: &Connection, size: u64) -> Result<Frontier, StoreError> {
    let mut node = |level, index| one_node(connection, level, index);
    // A node that is missing makes the store unreadable here, and the audit's first bad record elsewhere.
    match Frontier::from_nodes(size, &mut node) {
        Err(StoreError::NotFound { .. }) => Ok(Frontier::default()),
        frontier => frontier,
    }
}

pub(super) fn root_at(connection: &Connection, size: u64) -> Result<Hash, StoreError> {
    root_from_nodes(size, &mut |level, index| one_node(connection, level, index))
}

pub(super) fn one_node(
    connection: &Connection,
    level: u32,
    index: u64,
) -> Result<Hash, StoreError> {
    let one = nodes(connection, level, index..index + 1)?;
    one.into_iter().next().ok_or(StoreError::NotFound {
        what: "node",
        at: index,
    })
}

pub(super) fn nodes(
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

pub(super) fn insert(
    transaction: &Transaction<'_>,
    new: &PreparedRecord<'_>,
) -> Result<(), StoreError> {
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

pub(super) fn bundle_id(transaction: &Transaction<'_>, digest: &Hash) -> Result<i64, StoreError> {
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
pub(super) fn set_states(
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

pub(super) fn stats_of(connection: &Connection) -> Result<Stats, StoreError> {
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

pub(super) fn put_stats(transaction: &Transaction<'_>, stats: &Stats) -> Result<(), StoreError> {
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

pub(super) fn blob(row: &Row<'_>, column: usize) -> Result<Vec<u8>, StoreError> {
    row.get(column).map_err(backend)
}

pub(super) fn blobs(
    connection: &Connection,
    sql: &str,
    range: Range<u64>,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(backend)?;
    let bounds = params![signed(range.start), signed(range.end)];
    whole(all(&mut statement, bounds, |row| blob(row, 0))?, range)
}

pub(super) fn all<T>(
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
pub(super) fn whole<T>(rows: Vec<T>, range: Range<u64>) -> Result<Vec<T>, StoreError> {
    let missing = StoreError::NotFound {
        what: "entry",
        at: range.start.saturating_add(rows.len() as u64),
    };
    match range.end.checked_sub(range.start) == Some(rows.len() as u64) {
        true => Ok(rows),
        false => Err(missing),
    }
}

pub(super) fn record(row: &Row<'_>) -> Result<Record, StoreError> {
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
pub(super) fn history_query(filter: &Filter, limit: usize) -> (String, Vec<Value>) {
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

pub(super) fn checkpoint(
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

pub(super) const RECORDS: &str =
    "SELECT e.seq, e.time_ms, e.kind, b.digest, e.request_id, e.compliant, e.reason, e.metadata,
    s.status, s.proof, s.failure
    FROM entries e JOIN bundles b ON b.id = e.bundle LEFT JOIN states s ON s.seq = e.seq";
