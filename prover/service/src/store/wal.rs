//! Carries SQLite's write-ahead log into the database behind the writer's back.
//!
//! Left to itself, the writer does it between two commits and syncs the database there, while decisions wait. Here a thread
//! with a connection of its own copies what was committed, often and without any lock that the writer needs. The log is only
//! begun anew by a writer that finds all of it copied, which under load is never; so once the log is long, the
//! last few pages are copied while the writer is held. Nothing rests on it for safety: what is committed is in the log.
//!
//! Source: sqlite.org/wal.html, sections 2.1 and 3.2; sqlite.org/pragma.html#pragma_wal_checkpoint.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use clearproof_prover::engine::store::StoreError;
use rusqlite::Connection;

use super::codes::backend;

/// Pause between two passes over a log that is being written to.
const PAUSE: Duration = Duration::from_millis(100);
/// Length in pages of 4 KiB from which the log is to begin anew.
const LONG: i64 = 4096;
/// Passes without the writer held, before the last one.
const PASSES: usize = 4;
/// So few pages are left to the pass that holds the writer, where passes can bring that about.
const FEW: i64 = 128;

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct LogMover {
    written: Arc<AtomicBool>,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LogMover {
    /// Starts the thread over a connection that may write; whoever holds `writer` is the one that commits.
    ///
    /// # Errors
    /// [`StoreError::Backend`] where no thread can be started.
    pub(super) fn start<W: Send + 'static>(
        connection: Connection,
        writer: Arc<Mutex<W>>,
    ) -> Result<Self, StoreError> {
        let written = Arc::new(AtomicBool::new(true));
        let (stop, stopped) = sync_channel(0);
        let seen = Arc::clone(&written);
        let thread = std::thread::Builder::new()
            .name("clearproof-wal".into())
            .spawn(move || run(&connection, &writer, &seen, &stopped))
            .map_err(|e| StoreError::Backend(Box::new(e)))?;
        Ok(Self {
            written,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Says that something was committed.
    pub(super) fn wake(&self) {
        self.written.store(true, Ordering::Release);
    }
}

impl Drop for LogMover {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run<W>(connection: &Connection, writer: &Mutex<W>, written: &AtomicBool, stop: &Receiver<()>) {
    while stop.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        if !written.swap(false, Ordering::AcqRel) {
            continue;
        }
        // A disk that is full refuses the writer too, which tells; the log keeps what is not copied yet.
        let Ok((mut length, mut left)) = copy(connection) else {
            written.store(true, Ordering::Release);
            continue;
        };
        if length < LONG {
            continue;
        }
        for _ in 1..PASSES {
            if left <= FEW {
                break;
            }
            (length, left) = copy(connection).unwrap_or((length, left));
        }
        let _held = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = copy(connection);
    }
}

/// Copies what no reader and no writer is in the way of: pages of the log, and those that it has got since.
fn copy(connection: &Connection) -> Result<(i64, i64), StoreError> {
    let sql = "PRAGMA wal_checkpoint(PASSIVE)";
    let mut statement = connection.prepare_cached(sql).map_err(backend)?;
    let (length, copied): (i64, i64) = statement
        .query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
        .map_err(backend)?;
    Ok((length, length - copied))
}
