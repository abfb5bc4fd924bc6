//! One suite for every store: what [`Store`] promises, checked through it alone.

use clearproof_prover::engine::store::{
    audit, Filter, MemoryStore, NewFailure, NewProof, NewRecord, Pending, ProofStatus, RecordKind,
    Store, StoreError, StoredCheckpoint,
};
use clearproof_shared::log::checkpoint::checkpoint_text;
use clearproof_shared::log::entry::{Action, Decision, Entry, Lifecycle, Mode};
use clearproof_shared::log::merkle::{self, Hash};
use clearproof_shared::log::note::{Note, NoteSignature};

/// Runs every check on stores that `fresh` makes.
pub(crate) fn suite<S: Store>(mut fresh: impl FnMut(&str) -> S) {
    for (name, check) in CHECKS {
        eprintln!("{name}");
        check(&fresh(name));
    }
}

type Check = fn(&dyn Store);

const CHECKS: &[(&str, Check)] = &[
    (
        "appends_in_order_and_all_or_nothing",
        appends_in_order_and_all_or_nothing,
    ),
    ("requests_are_appended_once", requests_are_appended_once),
    (
        "what_cannot_be_kept_is_refused",
        what_cannot_be_kept_is_refused,
    ),
    (
        "proofs_and_roots_come_from_the_nodes",
        proofs_and_roots_come_from_the_nodes,
    ),
    ("history_filters", history_filters),
    ("a_record_has_one_proof", a_record_has_one_proof),
    ("failures_are_retried", failures_are_retried),
    ("checkpoints_grow", checkpoints_grow),
    (
        "behaves_as_the_store_in_memory",
        behaves_as_the_store_in_memory,
    ),
];

const BUNDLE: Hash = [1; 32];

pub(crate) fn lifecycle() -> Lifecycle {
    Lifecycle::after(None, 0, 1000, Action::Registered, BUNDLE).expect("nothing is registered")
}

/// The first record registers a bundle, the others are decisions; every field follows from `seq`.
pub(crate) fn record(seq: u64) -> NewRecord {
    let entry = match seq {
        0 => Entry::Lifecycle(lifecycle()),
        _ => Entry::Decision(Decision {
            seq,
            time_ms: 1000 + seq,
            lifecycle: lifecycle().leaf_ref(),
            bundle: if seq % 5 == 4 { [2; 32] } else { BUNDLE },
            mode: if seq % 7 == 6 {
                Mode::DecideOnly
            } else {
                Mode::Prove
            },
            commitment: [seq as u8; 32],
            released: vec![seq as i64, -1],
            metadata: [7; 32],
        }),
    };
    NewRecord {
        entry,
        request_id: (seq % 2 == 1).then(|| format!("request-{seq}")),
        compliant: (seq > 0).then_some(!seq.is_multiple_of(3)),
        reason: (seq.is_multiple_of(3)).then_some(u32::MAX),
        metadata: match seq {
            0 => String::new(),
            _ => format!(
                r#"{{"symbol":"S{}","size":{seq},"deep":{{"a":1}}}}"#,
                seq % 4
            ),
        },
        sealed: vec![seq as u8; 40],
    }
}

pub(crate) fn records(seqs: std::ops::Range<u64>) -> Vec<NewRecord> {
    seqs.map(record).collect()
}

/// Appends up to `size` records in batches.
pub(crate) fn fill(store: &dyn Store, size: u64) {
    let mut start = store.size().expect("a size");
    while start < size {
        let end = size.min(start + 1000);
        store.append(&records(start..end)).expect("appended");
        start = end;
    }
}

/// A checkpoint of the stored tree, with a signature line that nobody checks here.
pub(crate) fn checkpoint(store: &dyn Store, size: u64) -> StoredCheckpoint {
    checkpoint_of(size, store.root(size).expect("the root"), "log")
}

fn checkpoint_of(size: u64, root: Hash, signer: &str) -> StoredCheckpoint {
    let note = Note {
        text: checkpoint_text("log", size, &root),
        signatures: vec![NoteSignature {
            name: signer.into(),
            key_id: [1; 4],
            signature: vec![2; 64],
        }],
    };
    let note = note.encode();
    StoredCheckpoint { size, root, note }
}

fn proof(rows: &[u64], bundle: Hash) -> NewProof {
    NewProof {
        rows: rows.to_vec(),
        bundle,
        proof: vec![9; 100],
        proved_ms: 77,
    }
}

fn failure(rows: &[u64], bundle: Hash) -> NewFailure {
    NewFailure {
        rows: rows.to_vec(),
        bundle,
        reason: "out of memory".into(),
        failed_ms: 88,
    }
}

fn seqs(store: &dyn Store, filter: &Filter, limit: usize) -> Vec<u64> {
    let records = store.history(filter, limit).expect("a history");
    records.iter().map(|record| record.seq).collect()
}

fn appends_in_order_and_all_or_nothing(store: &dyn Store) {
    assert_eq!(store.size().expect("a size"), 0);
    assert_eq!(store.latest_lifecycle(9).expect("an answer"), None);
    store.append(&[]).expect("nothing to do");
    store.append(&records(0..3)).expect("appended");
    for (wrong, seq) in [(records(2..4), 2), (records(4..5), 4)] {
        let error = store.append(&wrong);
        assert!(
            matches!(error, Err(StoreError::Conflict { size: 3, seq: s }) if s == seq),
            "{error:?}"
        );
    }
    // A gap within a batch leaves nothing of it.
    let gap = store.append(&[record(3), record(5)]);
    assert!(
        matches!(gap, Err(StoreError::Conflict { size: 4, seq: 5 })),
        "{gap:?}"
    );
    assert_eq!(store.size().expect("a size"), 3);
    store.append(&records(3..10)).expect("appended");

    for seq in 0..10 {
        let new = record(seq);
        assert_eq!(store.entry(seq).expect("the entry"), new.entry.encode());
        assert_eq!(
            store.sealed(seq..seq + 1).expect("the sealed inputs"),
            [new.sealed]
        );
        let kept = store.record(seq).expect("the record");
        let kind = RecordKind::of(&new.entry);
        assert_eq!(
            (kept.seq, kept.time_ms, kept.kind),
            (seq, new.entry.time_ms(), kind)
        );
        assert_eq!((kept.compliant, kept.reason), (new.compliant, new.reason));
        assert_eq!(
            (kept.metadata, kept.request_id),
            (new.metadata, new.request_id)
        );
        assert_eq!(
            (kept.bundle, kept.status),
            (*new.entry.bundle(), kind.first_status())
        );
    }
    for range in [9..11, 10..11, 0..u64::MAX] {
        let beyond = store.entries(range.clone());
        assert!(
            matches!(beyond, Err(StoreError::NotFound { .. })),
            "{beyond:?}"
        );
        assert!(store.sealed(range.clone()).is_err() && store.records(range).is_err());
    }
    assert_eq!(store.entries(4..4).expect("nothing"), Vec::<Vec<u8>>::new());
    let latest = Some((0, lifecycle().encode()));
    assert_eq!(store.latest_lifecycle(9).expect("an answer"), latest);
    let stats = store.stats().expect("counts");
    assert_eq!(
        (
            stats.total,
            stats.lifecycle,
            stats.decide_only,
            stats.pending
        ),
        (10, 1, 1, 8)
    );
    assert_eq!((stats.compliant, stats.violations), (6, 3));
    audit(store).expect("an honest store");
}

fn requests_are_appended_once(store: &dyn Store) {
    store.append(&records(0..4)).expect("appended");
    assert_eq!(
        store.by_request_id("request-3").expect("an answer"),
        Some(3)
    );
    assert_eq!(store.by_request_id("request-4").expect("an answer"), None);
    assert_eq!(store.by_request_id("\0").expect("an answer"), None);
    let named = |seq, name: &str| NewRecord {
        request_id: Some(name.into()),
        ..record(seq)
    };
    for again in [
        vec![named(4, "request-3")],
        vec![named(4, "new (a=b)"), record(5), named(6, "new (a=b)")],
    ] {
        let name = again.iter().rev().find_map(|new| new.request_id.clone());
        let refused = store.append(&again);
        assert!(
            matches!(&refused, Err(StoreError::DuplicateRequest { request_id }) if Some(request_id) == name.as_ref()),
            "{refused:?}"
        );
    }
    assert_eq!(store.size().expect("a size"), 4);
    assert_eq!(store.by_request_id("new (a=b)").expect("an answer"), None);
    store.append(&[named(4, "new (a=b)")]).expect("appended");
    assert_eq!(
        store.by_request_id("new (a=b)").expect("an answer"),
        Some(4)
    );
}

fn what_cannot_be_kept_is_refused(store: &dyn Store) {
    store.append(&records(0..2)).expect("appended");
    let with = |change: &dyn Fn(&mut NewRecord)| {
        let mut new = record(2);
        change(&mut new);
        store.append(&[new])
    };
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|i| format!(r#""m{i}":1"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    for refused in [
        with(&|new| new.metadata = "no object".into()),
        with(&|new| new.metadata = "[1]".into()),
        with(&|new| new.metadata = r#"{"a":"\u0000"}"#.into()),
        with(&|new| new.metadata = members(65)),
        with(&|new| new.metadata = format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 16))),
        with(&|new| new.request_id = Some(String::new())),
        with(&|new| new.request_id = Some("x".repeat(257))),
        with(&|new| new.request_id = Some("a\0b".into())),
        with(&|new| new.sealed = vec![0; (1 << 24) + 1]),
    ] {
        assert!(
            matches!(refused, Err(StoreError::Invalid { seq: 2, .. })),
            "{refused:?}"
        );
    }
    let long = with(&|new| {
        if let Entry::Decision(decision) = &mut new.entry {
            decision.released = vec![0; 5000];
        }
    });
    assert!(
        matches!(long, Err(StoreError::Entry { seq: 2, .. })),
        "{long:?}"
    );
    assert_eq!(store.size().expect("a size"), 2);
    with(&|new| new.metadata = members(64)).expect("appended");
    audit(store).expect("an honest store");
}

fn proofs_and_roots_come_from_the_nodes(store: &dyn Store) {
    fill(store, 70);
    let all = store.entries(0..70).expect("the entries");
    let leaves: Vec<Hash> = all.iter().map(|entry| merkle::leaf_hash(entry)).collect();
    assert_eq!(store.nodes(0, 0..70).expect("the leaves"), leaves);
    for missing in [
        store.nodes(0, 70..71),
        store.nodes(6, 1..2),
        store.nodes(7, 0..1),
        store.nodes(63, 0..1),
        store.nodes(200, 0..1),
        store.nodes(0, 0..u64::MAX),
        store.nodes(0, u64::MAX - 1..u64::MAX),
    ] {
        assert!(
            matches!(missing, Err(StoreError::NotFound { .. })),
            "{missing:?}"
        );
    }
    for size in [1, 2, 5, 64, 70] {
        let root = store.root(size).expect("the root");
        let indices: Vec<u64> = [0, 3, 4, 33, 69]
            .into_iter()
            .filter(|seq| *seq < size)
            .collect();
        let known: Vec<_> = indices
            .iter()
            .map(|seq| (*seq, leaves[*seq as usize]))
            .collect();
        let proof = store.prove_set(size, &indices).expect("a proof");
        assert_eq!(merkle::verify_set(size, &root, &known, &proof), Ok(()));
        let proof = store.prove_consistency(size, 70).expect("a proof");
        let whole = store.root(70).expect("the root");
        let consistent = merkle::verify_consistency((size, &root), (70, &whole), &proof);
        assert_eq!(consistent, Ok(()));
    }
    assert!(matches!(store.root(71), Err(StoreError::NotFound { .. })));
    assert!(matches!(
        store.prove_set(70, &[70]),
        Err(StoreError::Merkle(_))
    ));
}

fn history_filters(store: &dyn Store) {
    fill(store, 40);
    store.attach(&proof(&[1, 2, 3], BUNDLE)).expect("attached");
    let all = Filter::default();
    assert_eq!(seqs(store, &all, 3), [39, 38, 37]);
    assert_eq!(seqs(store, &all, 0), Vec::<u64>::new());
    assert_eq!(seqs(store, &all, usize::MAX).len(), 40);
    let passing = |filter: Filter, pass: &dyn Fn(u64) -> bool| {
        let expected: Vec<u64> = (0..40).rev().filter(|seq| pass(*seq)).collect();
        assert_eq!(seqs(store, &filter, 100), expected, "{filter:?}");
        assert_eq!(
            seqs(store, &filter, 2),
            expected[..expected.len().min(2)],
            "{filter:?}"
        );
    };
    let of = || Filter::default();
    let decided = |seq: u64| seq > 0;
    passing(
        Filter {
            before: Some(7),
            ..of()
        },
        &|seq| seq < 7,
    );
    passing(
        Filter {
            from_ms: Some(1010),
            until_ms: Some(1020),
            ..of()
        },
        &|seq| (10..20).contains(&seq),
    );
    passing(
        Filter {
            from_ms: Some(u64::MAX),
            ..of()
        },
        &|_| false,
    );
    passing(
        Filter {
            bundle: Some([2; 32]),
            ..of()
        },
        &|seq| seq % 5 == 4,
    );
    passing(
        Filter {
            bundle: Some([3; 32]),
            ..of()
        },
        &|_| false,
    );
    passing(
        Filter {
            compliant: Some(false),
            ..of()
        },
        &|seq| decided(seq) && seq.is_multiple_of(3),
    );
    passing(
        Filter {
            compliant: Some(true),
            ..of()
        },
        &|seq| !seq.is_multiple_of(3),
    );
    passing(
        Filter {
            kind: Some(RecordKind::Lifecycle),
            ..of()
        },
        &|seq| seq == 0,
    );
    passing(
        Filter {
            kind: Some(RecordKind::DecideOnly),
            ..of()
        },
        &|seq| seq % 7 == 6,
    );
    let provable = |seq: u64| decided(seq) && seq % 7 != 6;
    passing(
        Filter {
            status: Some(ProofStatus::Proven),
            ..of()
        },
        &|seq| (1..4).contains(&seq),
    );
    passing(
        Filter {
            status: Some(ProofStatus::Pending),
            ..of()
        },
        &|seq| provable(seq) && seq > 3,
    );
    passing(
        Filter {
            status: Some(ProofStatus::Unproven),
            ..of()
        },
        &|seq| !provable(seq),
    );
    passing(
        Filter {
            status: Some(ProofStatus::Failed),
            ..of()
        },
        &|_| false,
    );
    let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
    passing(
        Filter {
            metadata: pair("symbol", "S2"),
            ..of()
        },
        &|seq| seq % 4 == 2,
    );
    passing(
        Filter {
            metadata: pair("size", "9"),
            ..of()
        },
        &|seq| seq == 9,
    );
    passing(
        Filter {
            metadata: pair("symbol", "S9"),
            ..of()
        },
        &|_| false,
    );
    passing(
        Filter {
            metadata: pair("symbol", "'; --"),
            ..of()
        },
        &|_| false,
    );
    passing(
        Filter {
            metadata: pair("deep", "{\"a\":1}"),
            ..of()
        },
        &|_| false,
    );
    passing(
        Filter {
            metadata: pair("a", "\0"),
            ..of()
        },
        &|_| false,
    );
    let both = Filter {
        metadata: pair("symbol", "S1"),
        bundle: Some(BUNDLE),
        compliant: Some(true),
        status: Some(ProofStatus::Pending),
        before: Some(30),
        ..of()
    };
    let all_hold = |seq: u64| {
        seq % 4 == 1
            && seq % 5 != 4
            && !seq.is_multiple_of(3)
            && provable(seq)
            && (4..30).contains(&seq)
    };
    passing(both, &all_hold);
}

fn a_record_has_one_proof(store: &dyn Store) {
    fill(store, 20);
    let id = store.attach(&proof(&[1, 2, 3], BUNDLE)).expect("attached");
    let stored = store.proof(id).expect("the proof");
    assert_eq!(
        (&stored.proof, stored.verified),
        (&proof(&[1, 2, 3], BUNDLE), false)
    );
    assert_eq!(store.proof_of(2).expect("an answer"), Some(stored));
    assert_eq!(store.proof_of(5).expect("an answer"), None);
    let refused = |rows: &[u64], bundle| store.attach(&proof(rows, bundle)).expect_err("refused");
    let error = refused(&[3, 5], BUNDLE);
    assert!(
        matches!(error, StoreError::AlreadyProven { seq: 3 }),
        "{error}"
    );
    // Nothing of a refused proof stays: 5 may still be proven.
    assert_eq!(
        store.record(5).expect("the record").status,
        ProofStatus::Pending
    );
    for (rows, bundle, seq) in [
        (&[5, 6][..], BUNDLE, 6),
        (&[0], BUNDLE, 0),
        (&[4], BUNDLE, 4),
        (&[5], [3; 32], 5),
    ] {
        let error = refused(rows, bundle);
        assert!(
            matches!(error, StoreError::NotProvable { seq: s } if s == seq),
            "{error}"
        );
    }
    let error = refused(&[5, 20], BUNDLE);
    assert!(
        matches!(error, StoreError::NotFound { at: 20, .. }),
        "{error}"
    );
    for rows in [&[][..], &[5, 5], &[7, 5], &[5, u64::MAX]] {
        let error = refused(rows, BUNDLE);
        assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
    }
    let late = NewProof {
        proved_ms: u64::MAX,
        ..proof(&[5], BUNDLE)
    };
    assert!(matches!(
        store.attach(&late),
        Err(StoreError::Invalid { .. })
    ));

    assert_eq!(store.stats().expect("counts").proven, 3);
    assert_eq!(store.stats().expect("counts").verified, 0);
    store.mark_verified(id).expect("verified");
    store.mark_verified(id).expect("verified once more");
    let stats = store.stats().expect("counts");
    assert_eq!((stats.proven, stats.verified), (3, 3));
    assert_eq!(
        store.record(2).expect("the record").status,
        ProofStatus::Verified
    );
    assert!(store.proof(id).expect("the proof").verified);
    for unknown in [0, id + 1, u64::MAX] {
        assert!(matches!(
            store.proof(unknown),
            Err(StoreError::NotFound { .. })
        ));
        assert!(matches!(
            store.mark_verified(unknown),
            Err(StoreError::NotFound { .. })
        ));
    }
    let pending = store.pending(4).expect("what waits");
    let expected = [
        Pending {
            bundle: [2; 32],
            rows: vec![4, 9, 14, 19],
        },
        Pending {
            bundle: BUNDLE,
            rows: vec![5, 7, 8, 10],
        },
    ];
    assert_eq!(pending, expected);
    store.attach(&proof(&[8], BUNDLE)).expect("attached");
    let pending = store.pending(4).expect("what waits");
    assert_eq!(pending[1].rows, [5, 7]);
    audit(store).expect("an honest store");
}

fn failures_are_retried(store: &dyn Store) {
    fill(store, 12);
    let before = store.stats().expect("counts");
    let first = store
        .mark_failed(&failure(&[1, 2, 3], BUNDLE))
        .expect("noted");
    let second = store.mark_failed(&failure(&[9], [2; 32])).expect("noted");
    let stats = store.stats().expect("counts");
    assert_eq!((stats.failed, stats.pending), (4, before.pending - 4));
    let listed: Vec<u64> = store
        .failures(9)
        .expect("failures")
        .iter()
        .map(|f| f.id)
        .collect();
    assert_eq!(listed, [second, first]);
    assert_eq!(
        store.failures(9).expect("failures")[1].failure,
        failure(&[1, 2, 3], BUNDLE)
    );
    assert_eq!(store.failures(1).expect("failures").len(), 1);
    let record = store.record(2).expect("the record");
    assert_eq!(
        (record.status, record.failure),
        (ProofStatus::Failed, Some(first))
    );
    assert_eq!(store.pending(9).expect("what waits")[1].rows[0], 5);
    audit(store).expect("an honest store");

    // A proof mends a failure; a retry leaves it alone.
    store.attach(&proof(&[2], BUNDLE)).expect("attached");
    store.retry(first).expect("retried");
    assert_eq!(
        store.record(2).expect("the record").status,
        ProofStatus::Proven
    );
    assert_eq!(
        store.record(1).expect("the record").status,
        ProofStatus::Pending
    );
    assert_eq!(store.failures(9).expect("failures").len(), 1);
    assert_eq!(store.stats().expect("counts").failed, 1);
    // Failed again, it belongs to the later failure.
    let third = store.mark_failed(&failure(&[1], BUNDLE)).expect("noted");
    store.retry(first).expect("nothing left to retry");
    assert_eq!(store.record(1).expect("the record").failure, Some(third));
    for unknown in [0, third + 1, u64::MAX] {
        assert!(matches!(
            store.retry(unknown),
            Err(StoreError::NotFound { .. })
        ));
    }
    let proven = store.mark_failed(&failure(&[2], BUNDLE));
    assert!(
        matches!(proven, Err(StoreError::AlreadyProven { seq: 2 })),
        "{proven:?}"
    );
    audit(store).expect("an honest store");
}

fn checkpoints_grow(store: &dyn Store) {
    assert_eq!(store.latest_checkpoint().expect("an answer"), None);
    fill(store, 10);
    let refused = |checkpoint: StoredCheckpoint| {
        let error = store.put_checkpoint(&checkpoint);
        assert!(
            matches!(error, Err(StoreError::Checkpoint { .. })),
            "{error:?}"
        );
    };
    let (five, eight) = (checkpoint(store, 5), checkpoint(store, 8));
    store.put_checkpoint(&five).expect("the first");
    store.put_checkpoint(&eight).expect("a larger one");
    refused(five.clone());
    refused(checkpoint_of(8, [3; 32], "log"));
    refused(checkpoint_of(9, [3; 32], "log"));
    refused(checkpoint_of(11, [3; 32], "log"));
    refused(StoredCheckpoint {
        size: 9,
        ..eight.clone()
    });
    refused(StoredCheckpoint {
        note: b"no note".to_vec(),
        ..checkpoint(store, 9)
    });
    // The same again, with another signature.
    let cosigned = checkpoint_of(8, eight.root, "witness");
    store
        .put_checkpoint(&cosigned)
        .expect("the same size and root");
    let latest = store.latest_checkpoint().expect("an answer");
    assert_eq!(latest.as_ref(), Some(&cosigned));
    assert_eq!(store.checkpoint(8).expect("an answer"), latest);
    assert_eq!(store.checkpoint(5).expect("an answer"), Some(five.clone()));
    assert_eq!(store.checkpoint(6).expect("an answer"), None);
    assert_eq!(store.checkpoint_from(6).expect("an answer"), Some(cosigned));
    assert_eq!(store.checkpoint_from(0).expect("an answer"), Some(five));
    assert_eq!(store.checkpoint_from(9).expect("an answer"), None);
    audit(store).expect("an honest store");
}

/// Random work: the same answers as the store in memory, which has none of the queries.
fn behaves_as_the_store_in_memory(store: &dyn Store) {
    let model = MemoryStore::new();
    let mut state = 11u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    let both = |work: &dyn Fn(&dyn Store) -> String| assert_eq!(work(store), work(&model));
    for _ in 0..120 {
        let size = model.size().expect("a size");
        let rows: Vec<u64> = {
            let (start, length, bundle) = (random(size + 1), random(6), random(2));
            let own = |seq: &u64| (bundle == 1) == (*seq % 5 == 4);
            (start..start + length).filter(own).collect()
        };
        let bundle = if rows.first().is_some_and(|seq| seq % 5 == 4) {
            [2; 32]
        } else {
            BUNDLE
        };
        let (id, few) = (random(12), random(9) as usize);
        match random(8) {
            0 | 1 => both(&|s| format!("{:?}", s.append(&records(size..size + id)))),
            2 | 3 => both(&|s| {
                format!(
                    "{:?}",
                    s.attach(&proof(&rows, bundle)).map_err(|e| e.to_string())
                )
            }),
            4 => both(&|s| {
                format!(
                    "{:?}",
                    s.mark_failed(&failure(&rows, bundle))
                        .map_err(|e| e.to_string())
                )
            }),
            5 => both(&|s| format!("{:?}", s.mark_verified(id).map_err(|e| e.to_string()))),
            6 => both(&|s| format!("{:?}", s.retry(id).map_err(|e| e.to_string()))),
            _ => both(&|s| {
                let size = s.size().expect("a size");
                format!(
                    "{:?}",
                    s.put_checkpoint(&checkpoint(s, size))
                        .map_err(|e| e.to_string())
                )
            }),
        }
        both(&|s| format!("{:?} {:?} {:?}", s.stats(), s.pending(few), s.failures(few)));
    }
    // Ids of refused work are not compared above: proofs and histories are, here.
    both(&|s| format!("{:?}", s.history(&Filter::default(), usize::MAX)));
    both(&|s| format!("{:?}", s.latest_checkpoint()));
    audit(store).expect("an honest store");
}

#[test]
fn the_store_in_memory_passes() {
    suite(|_| MemoryStore::new());
}
