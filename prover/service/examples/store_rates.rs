//! How fast the SQLite store appends, and how fast it proves inclusion in a log of many entries.
//!
//! `cargo run --release --package clearproof-service --example store_rates [ENTRIES [NODE_ENTRIES]]`, or
//! `... store_rates fill FILE ENTRIES`, which leaves a log of so many for a service to be measured on.

use std::time::Instant;

use clearproof_prover::engine::store::{NewRecord, Store};
use clearproof_service::store::SqliteStore;
use clearproof_shared::log::entry::{Action, Decision, Entry, Lifecycle, Mode};
use clearproof_shared::log::merkle::{leaf_hash, stored_nodes, verify_set, Frontier};
use rusqlite::{params, Connection};

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, file, entries] = &words[..] {
        if word == "fill" {
            return fill(&SqliteStore::open(file.as_ref())?, entries.parse()?);
        }
    }
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>());
    let entries = arguments.next().transpose()?.unwrap_or(100_000);
    let many = arguments.next().transpose()?.unwrap_or(10_000_000);
    let folder = tempfile::tempdir()?;
    for batch in [1, 100, 1000] {
        let path = folder.path().join(format!("append-{batch}.db"));
        appends(&SqliteStore::open(&path)?, entries.min(batch * 500), batch)?;
    }
    proves(&folder.path().join("nodes.db"), many)
}

fn appends(store: &SqliteStore, entries: u64, batch: u64) -> Result<(), AnyError> {
    let first = Lifecycle::after(None, 0, 0, Action::Registered, [1; 32])?;
    let records: Vec<NewRecord> = (0..entries).map(|seq| record(seq, &first)).collect();
    let begun = Instant::now();
    for batch in records.chunks(batch as usize) {
        store.append(batch)?;
    }
    let rate = entries as f64 / begun.elapsed().as_secs_f64();
    println!("append, {batch} a batch: {rate:.0} records/s ({entries} records)");
    Ok(())
}

fn fill(store: &SqliteStore, entries: u64) -> Result<(), AnyError> {
    let first = Lifecycle::after(None, 0, 0, Action::Registered, [1; 32])?;
    for start in (0..entries).step_by(1000) {
        let records = start..entries.min(start + 1000);
        let records: Vec<NewRecord> = records.map(|seq| record(seq, &first)).collect();
        store.append(&records)?;
    }
    Ok(())
}

/// A decision of a trading backend: a symbol, four metadata fields, 400 sealed bytes.
fn record(seq: u64, first: &Lifecycle) -> NewRecord {
    let entry = match seq {
        0 => Entry::Lifecycle(first.clone()),
        _ => Entry::Decision(Decision {
            seq,
            time_ms: 1_700_000_000_000 + seq,
            lifecycle: first.leaf_ref(),
            bundle: [1; 32],
            mode: Mode::Prove,
            commitment: leaf_hash(&seq.to_le_bytes()),
            released: vec![1],
            metadata: leaf_hash(&seq.to_be_bytes()),
        }),
    };
    NewRecord {
        entry,
        request_id: Some(format!("order-{seq:012}")),
        compliant: Some(!seq.is_multiple_of(50)),
        reason: None,
        metadata: format!(
            r#"{{"symbol":"S{}","venue":"X","desk":"D{}","side":"buy"}}"#,
            seq % 500,
            seq % 9
        ),
        sealed: vec![seq as u8; 400],
    }
}

/// Only the table of nodes is filled: proofs read nothing else.
fn proves(path: &std::path::Path, size: u64) -> Result<(), AnyError> {
    let store = SqliteStore::open(path)?;
    let mut frontier = Frontier::default();
    let mut connection = Connection::open(path)?;
    let (mut seq, mut position) = (0u64, 0u64);
    while seq < size {
        let transaction = connection.transaction()?;
        let mut statement =
            transaction.prepare("INSERT INTO nodes (position, hash) VALUES (?1, ?2)")?;
        let mut completed = vec![];
        for _ in 0..100_000.min(size - seq) {
            completed.clear();
            frontier.push(leaf_hash(&seq.to_le_bytes()), &mut completed);
            for node in &completed {
                statement.execute(params![position.cast_signed(), node.as_slice()])?;
                position += 1;
            }
            seq += 1;
        }
        drop(statement);
        transaction.commit()?;
    }
    assert_eq!(position, stored_nodes(size));
    let root = frontier.root();
    let (mut worst, mut total, mut state) = (0f64, 0f64, 3u64);
    const PROOFS: u32 = 2000;
    for _ in 0..PROOFS {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let seq = (state >> 20) % size;
        let begun = Instant::now();
        let proof = store.prove_set(size, &[seq])?;
        let time_ms = begun.elapsed().as_secs_f64() * 1000.0;
        worst = worst.max(time_ms);
        total += time_ms;
        verify_set(size, &root, &[(seq, leaf_hash(&seq.to_le_bytes()))], &proof)?;
    }
    let mean = total / f64::from(PROOFS);
    println!("proof of one of {size} entries: {mean:.3} ms on average, {worst:.3} ms at worst ({PROOFS} proofs)");
    Ok(())
}
