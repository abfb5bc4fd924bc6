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
        (
            "UPDATE entries SET entry = x'00' WHERE seq IN (1200, 1400)",
            1200,
            "malformed",
        ),
        (
            "UPDATE entries SET entry = (SELECT entry FROM entries WHERE seq = 7) WHERE seq = 9",
            9,
            "not that of the entry",
        ),
        (
            "UPDATE entries SET time_ms = 1 WHERE seq = 9",
            9,
            "not that of the entry",
        ),
        (
            "UPDATE entries SET kind = 1 WHERE seq = 8",
            8,
            "not that of the entry",
        ),
        (
            "UPDATE entries SET kind = 9 WHERE seq = 8",
            8,
            "cannot be read",
        ),
        (
            "DELETE FROM entries WHERE seq = 1300",
            1300,
            "cannot be read",
        ),
        ("DELETE FROM entries WHERE seq = 1499", 1499, "missing"),
        ("DELETE FROM nodes WHERE position = 6", 3, "cannot be read"),
        (
            "UPDATE nodes SET hash = zeroblob(32) WHERE position = 4",
            3,
            "the leaf",
        ),
        (
            "UPDATE nodes SET hash = zeroblob(32) WHERE position = 5",
            3,
            "a node",
        ),
        (
            "UPDATE nodes SET hash = x'00' WHERE position = 5",
            3,
            "cannot be read",
        ),
        (
            "UPDATE checkpoints SET root = zeroblob(32) WHERE size = 1450",
            1400,
            "root",
        ),
        ("UPDATE states SET status = 3 WHERE seq = 9", 9, "proof"),
        ("UPDATE stats SET pending = 1", 0, "counts"),
    ] {
        let (_folder, path, store) = store();
        fill(&store, 1500);
        for size in [1400, 1450, 1500] {
            store
                .put_checkpoint(&checkpoint(&store, size))
                .expect("a checkpoint");
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
