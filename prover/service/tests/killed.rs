//! A process that is killed while it appends loses nothing that it acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clearproof_prover::engine::store::{NewRecord, Store, StoredCheckpoint};
use clearproof_service::store::SqliteStore;
use clearproof_shared::log::checkpoint::checkpoint_text;
use clearproof_shared::log::entry::{Action, Decision, Entry, Lifecycle, Mode};
use clearproof_shared::log::merkle::Hash;
use clearproof_shared::log::note::{Note, NoteSignature};

/// Times that a child is killed, on so many logs each a share of them.
const KILLS: u32 = 200;
const LOGS: u32 = 8;
const STORE: &str = "CLEARPROOF_KILLED_STORE";

#[test]
fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut acknowledged_in_all, mut state) = (0, 5u64);
    for log in 0..LOGS {
        let path = folder.path().join(format!("{log}.db"));
        let mut before = Seen::default();
        for _ in 0..KILLS / LOGS {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let after = killed_after(Duration::from_micros((state >> 33) % 60_000), &path);
            let store = SqliteStore::open(&path).expect("the audit passes");
            let size = store.size().expect("a size");
            // 1. What was acknowledged is there, and is what was appended.
            let acknowledged = after.acknowledged.max(before.acknowledged);
            assert!(
                size >= acknowledged,
                "{size} of {acknowledged} acknowledged entries"
            );
            let from = before.size.min(size);
            for (seq, entry) in (from..).zip(store.entries(from..size).expect("the entries")) {
                assert_eq!(entry, record(seq).entry.encode());
            }
            // 2. The log only grew.
            assert!(size >= before.size);
            if let Some(root) = before.root {
                assert_eq!(store.root(before.size).expect("the root"), root);
            }
            // 3. So did its checkpoints.
            let latest = store
                .latest_checkpoint()
                .expect("an answer")
                .map_or(0, |latest| latest.size);
            assert!(
                latest >= after.checkpoint.max(before.checkpoint),
                "{latest}"
            );
            acknowledged_in_all += after.acknowledged.saturating_sub(before.acknowledged);
            before = Seen {
                size,
                root: Some(store.root(size).expect("the root")),
                acknowledged: size,
                checkpoint: latest,
            };
        }
    }
    assert!(
        acknowledged_in_all > u64::from(KILLS),
        "{acknowledged_in_all} acknowledged in all"
    );
}

#[derive(Default)]
struct Seen {
    size: u64,
    root: Option<Hash>,
    /// Entries whose append returned.
    acknowledged: u64,
    /// Size of the last checkpoint whose storing returned.
    checkpoint: u64,
}

/// Lets a child append, kills it, and returns what it had acknowledged.
fn killed_after(time: Duration, path: &Path) -> Seen {
    let program = std::env::current_exe().expect("this test's program");
    let mut child = Command::new(program)
        .args([
            "--exact",
            "appends_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(STORE, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let (send, first) = std::sync::mpsc::channel();
    let lines = thread::spawn(move || {
        let mut seen = Seen::default();
        for line in output.lines().map_while(Result::ok) {
            match line
                .split_once(' ')
                .map(|(what, size)| (what, size.parse()))
            {
                Some(("appended", Ok(size))) => seen.acknowledged = size,
                Some(("checkpoint", Ok(size))) => seen.checkpoint = size,
                // The parent may have given up on it.
                _ if line == "started" => drop(send.send(())),
                _ => {}
            }
        }
        seen
    });
    first
        .recv_timeout(Duration::from_secs(30))
        .expect("the child opens the store");
    thread::sleep(time);
    // SIGKILL: the child runs no code of its own any more.
    child.kill().expect("it runs until it is killed");
    child.wait().expect("it is gone");
    lines.join().expect("its output ended")
}

#[test]
#[ignore = "the child of `nothing_acknowledged_is_lost`, which runs it"]
fn appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(STORE).map(PathBuf::from) else {
        return;
    };
    let store = SqliteStore::open_unaudited(&path).expect("the store");
    let mut out = std::io::stdout();
    // Behind the name that the test harness prints.
    writeln!(out, "\nstarted").expect("the parent listens");
    let begun = Instant::now();
    let mut size = store.size().expect("a size");
    for batch in 0u64.. {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the parent is gone"
        );
        let end = size + 1 + batch % 5;
        let records: Vec<NewRecord> = (size..end).map(record).collect();
        store.append(&records).expect("appended");
        size = end;
        writeln!(out, "appended {size}").expect("the parent listens");
        if batch.is_multiple_of(3) {
            let checkpoint = checkpoint(size, store.root(size).expect("the root"));
            store.put_checkpoint(&checkpoint).expect("stored");
            writeln!(out, "checkpoint {size}").expect("the parent listens");
        }
    }
}

/// Every field follows from `seq`.
fn record(seq: u64) -> NewRecord {
    let first = Lifecycle::after(None, 0, 1000, Action::Registered, [1; 32]);
    let first = first.expect("nothing is registered");
    let entry = match seq {
        0 => Entry::Lifecycle(first),
        _ => Entry::Decision(Decision {
            seq,
            time_ms: 1000 + seq,
            lifecycle: first.leaf_ref(),
            bundle: [1; 32],
            mode: Mode::Prove,
            commitment: [seq as u8; 32],
            released: vec![seq as i64],
            metadata: [7; 32],
        }),
    };
    NewRecord {
        entry,
        request_id: Some(format!("request-{seq}")),
        compliant: Some(true),
        reason: None,
        metadata: format!(r#"{{"symbol":"S{}"}}"#, seq % 9),
        sealed: vec![seq as u8; 500],
    }
}

fn checkpoint(size: u64, root: Hash) -> StoredCheckpoint {
    let signature = NoteSignature {
        name: "log".into(),
        key_id: [1; 4],
        signature: vec![2; 64],
    };
    let note = Note {
        text: checkpoint_text("log", size, &root),
        signatures: vec![signature],
    };
    let note = note.encode();
    StoredCheckpoint { size, root, note }
}
