//! The file: connections, and the migrations that it lacks.

use std::path::Path;
use std::time::Duration;

use clearproof_prover::engine::store::StoreError;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::super::codes::{backend, failed};

pub(super) fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, StoreError> {
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
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
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

pub(super) fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    begun.map_err(backend)
}

const MIGRATIONS: &[&str] = &[include_str!("tables.sql")];
/// "clpf".
const APPLICATION_ID: i64 = 0x636c_7066;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
