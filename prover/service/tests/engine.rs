//! The engine on a durable store with real keys: decide, prove, export, verify, and what an auditor notices.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clearproof_prover::engine::policy::Policy;
use clearproof_prover::engine::store::{Filter, NewRecord, ProofStatus, Store};
use clearproof_prover::engine::{
    DecideError, Decision, Engine, Export, ExportError, Features, Keeper, Mode, Trade,
};
use clearproof_prover::onnx;
use clearproof_prover::prove::{
    compile, prove, Artifact, CompileOptions, InputVisibility, Row, Scheme, Silent, SrsSource,
};
use clearproof_prover::quantize::{quantize, QuantizeOptions};
use clearproof_service::keeper::KeyKeeper;
use clearproof_service::keys::LogKey;
use clearproof_service::sealing::SealingKey;
use clearproof_service::store::SqliteStore;
use clearproof_shared::artifact::evidence::Evidence;
use clearproof_shared::log::entry::{Action, Entry, Lifecycle};
use clearproof_shared::verify::report::{names, Outcome, Report, Verdict};
use clearproof_shared::verify::{verify_evidence, Options};
use rand_core::OsRng;
use serde_json::json;

const MODEL: &[u8] = include_bytes!("../../../tests/models/compliance.onnx");
const ORIGIN: &str = "desk.example/log";
const POLICY: &str = r#"
version = 1
name = "desk limits"
features = ["size", "leverage", "price", "volume", "position_pct"]

[metadata.symbol]
values = ["BTC-USD", "ETH-USD", "SOL-USD"]
[metadata.notional]
bits = 30

[thresholds]
most_leverage = { committed = 3 }

[sets]
listed = ["BTC-USD", "ETH-USD"]

[aggregate.daily_notional]
sum = "notional"
window = "1d"

[[rule]]
name = "leverage"
require = "leverage <= most_leverage"
[[rule]]
name = "symbol"
require = "symbol in listed"
[[rule]]
name = "daily limit"
require = "daily_notional <= 1000"
[[rule]]
name = "model"
require = "-1000 < OUTPUT < 1000"
"#;

fn artifact(scheme: Scheme, batch: u32) -> Arc<Artifact> {
    compiled(scheme, batch, InputVisibility::Committed)
}

fn compiled(scheme: Scheme, batch: u32, inputs: InputVisibility) -> Arc<Artifact> {
    let graph = onnx::load(MODEL).unwrap();
    let policy = POLICY.replace("OUTPUT", &graph.outputs[0].name);
    let policy = Policy::read(&policy).unwrap();
    let judged = policy.apply(&graph).unwrap();
    let quantized = quantize(&judged, &[], &QuantizeOptions::default()).unwrap();
    let options = CompileOptions {
        scheme,
        srs: match scheme {
            Scheme::Ipa => SrsSource::Transparent,
            Scheme::Kzg => SrsSource::InsecureDevelopment,
        },
        batch,
        inputs,
        model_name: "compliance".into(),
        policy: Some(policy.description()),
    };
    Arc::new(compile(&quantized.model, &options, &mut OsRng, &Silent).unwrap())
}

fn keeper(folder: &Path) -> KeyKeeper {
    let (log, sealing) = (folder.join("log.key"), folder.join("sealing.key"));
    if log.exists() {
        return KeyKeeper::new(
            LogKey::load(&log).unwrap(),
            SealingKey::load(&sealing).unwrap(),
        );
    }
    KeyKeeper::new(
        LogKey::generate(&log, ORIGIN, &mut OsRng).unwrap(),
        SealingKey::generate(&sealing, &mut OsRng).unwrap(),
    )
}

fn engine(folder: &Path, mode: Mode) -> (Engine, String) {
    let keeper = keeper(folder);
    let key = keeper.log().verifier().to_string();
    let store = SqliteStore::open(&folder.join("log.db")).unwrap();
    (
        Engine::open(Arc::new(store), Arc::new(keeper), mode).unwrap(),
        key,
    )
}

fn trade(leverage: f64, symbol: &str, notional: u64) -> Trade {
    let features = [0.5, leverage, 0.25, 0.75, 1.0];
    let names = ["size", "leverage", "price", "volume", "position_pct"];
    let named = names.iter().map(ToString::to_string).zip(features);
    let metadata = json!({"symbol": symbol, "notional": notional, "venue": "X"});
    Trade {
        features: Features::Named(named.collect::<BTreeMap<_, _>>()),
        metadata: metadata.as_object().unwrap().clone(),
        request_id: None,
        model: None,
    }
}

/// An approved model and seven decisions, proved in batches of three.
struct Desk {
    folder: tempfile::TempDir,
    engine: Engine,
    artifact: Arc<Artifact>,
    log_key: String,
    decisions: Vec<Decision>,
}

fn desk(scheme: Scheme) -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let artifact = artifact(scheme, 3);
    let (engine, log_key) = engine(folder.path(), Mode::Prove);
    let model = engine.load(Arc::clone(&artifact)).unwrap();
    assert!(matches!(engine.model_hash(), Err(DecideError::Model(_))));
    engine
        .lifecycle(Action::Registered, model, "ada", "first")
        .unwrap();
    assert!(matches!(
        engine.decide(trade(1.0, "BTC-USD", 1)),
        Err(DecideError::Model(_))
    ));
    engine
        .lifecycle(Action::Approved, model, "grace", "reviewed")
        .unwrap();
    assert_eq!(engine.model_hash().unwrap(), model);
    let asked = [
        trade(2.0, "BTC-USD", 600),
        trade(3.5, "BTC-USD", 1),   // leverage
        trade(2.0, "SOL-USD", 1),   // not listed
        trade(2.0, "DOGE", 1),      // nor this
        trade(2.0, "ETH-USD", 401), // beyond the day's limit
        trade(2.0, "ETH-USD", 400),
        trade(2.0, "BTC-USD", 1), // nothing is left
    ];
    let decisions: Vec<Decision> = asked
        .into_iter()
        .map(|trade| engine.decide(trade).unwrap())
        .collect();
    Desk {
        folder,
        engine,
        artifact,
        log_key,
        decisions,
    }
}

fn prove_all(engine: &Engine) -> usize {
    let mut proofs = 0;
    loop {
        let proved = engine.prove_pending().unwrap();
        if proved.is_empty() {
            return proofs;
        }
        for batch in proved {
            engine.verify(batch.proof).unwrap();
            proofs += 1;
        }
    }
}

fn judge(desk: &Desk, evidence: &[u8]) -> Report {
    let options = Options {
        trust: vec![desk.artifact.bundle_bytes()],
        allow_insecure_dev_srs: true,
        log_keys: vec![&desk.log_key],
        witness_keys: vec![],
        clock: None,
    };
    verify_evidence(evidence, &options)
}

fn shown() -> Export {
    Export {
        metadata: true,
        ..Export::default()
    }
}

fn failed(report: &Report) -> Vec<&'static str> {
    let failed = report
        .checks
        .iter()
        .filter(|c| c.outcome == Outcome::Failed);
    failed.map(|check| check.name).collect()
}

#[test]
fn decisions_are_proved_behind_and_an_auditor_checks_the_window() {
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let desk = desk(scheme);
        let compliant: Vec<_> = desk.decisions.iter().map(|d| d.compliant).collect();
        assert_eq!(
            compliant,
            [true, false, false, false, false, true, false].map(Some)
        );
        let rules: Vec<_> = desk.decisions.iter().map(|d| d.rule.as_deref()).collect();
        let expected = ["leverage", "symbol", "symbol", "daily limit"].map(Some);
        assert_eq!(rules[1..5], expected);
        assert_eq!(rules[6], Some("daily limit"));
        // 1. Before anything is proved, the file says so.
        let engine = &desk.engine;
        let report = judge(&desk, &engine.export(0..9, &shown()).unwrap());
        assert_eq!(report.verdict, Verdict::Unknown);
        assert_eq!(
            report.check(names::LOG_PROVED).unwrap().outcome,
            Outcome::Unknown
        );
        assert_eq!(report.log.unwrap().unproven.len(), 7);
        // 2. Proved and verified, once each.
        assert_eq!(prove_all(engine), 3);
        let stats = engine.stats().unwrap();
        assert_eq!(
            (stats.decisions, stats.counts.verified, stats.counts.pending),
            (7, 7, 0)
        );
        assert_eq!((stats.verification_rate, stats.counts.compliant), (1.0, 2));
        // 3. The window, with one decision's inputs shown.
        let export = Export {
            disclose: [2].into(),
            ..shown()
        };
        let report = judge(&desk, &engine.export(0..9, &export).unwrap());
        assert_eq!(report.verdict, Verdict::Valid, "{:#?}", report.checks);
        assert_eq!(report.records.len(), 7);
        for (record, decision) in report.records.iter().zip(&desk.decisions) {
            assert_eq!(record.seq, Some(decision.seq));
            assert_eq!(record.time_ms, Some(decision.time_ms));
            assert_eq!(record.released, decision.released);
            let receipt: String = decision
                .receipt
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            assert_eq!(record.leaf, receipt);
        }
        assert!(report.records[0].inputs.is_some() && report.records[1].inputs.is_none());
        let fields = report.check(names::FIELDS).unwrap();
        assert_eq!(fields.outcome, Outcome::Passed, "{}", fields.reason);
        let log = report.log.unwrap();
        assert_eq!(
            (log.from, log.to, log.size, log.unproven.len()),
            (0, 9, 9, 0)
        );
        assert_eq!(log.lifecycle[1].by, "grace");
        // 4. A part of it: the whole batch comes along, and the lifecycle entry.
        let report = judge(&desk, &engine.export(6..7, &Export::default()).unwrap());
        assert_eq!(report.verdict, Verdict::Valid, "{:#?}", report.checks);
        assert_eq!(report.records.len(), 3);
        // 5. Growth since a checkpoint.
        let before = engine.checkpoint().unwrap().size;
        engine.decide(trade(1.0, "BTC-USD", 0)).unwrap();
        prove_all(engine);
        let export = Export {
            earlier: Some(before),
            ..shown()
        };
        let report = judge(&desk, &engine.export(9..10, &export).unwrap());
        assert_eq!(report.verdict, Verdict::Valid, "{:#?}", report.checks);
        assert_eq!(
            report.check(names::LOG_CONSISTENCY).unwrap().outcome,
            Outcome::Passed
        );
        // 6. Without the log's key nothing is valid.
        let options = Options {
            trust: vec![desk.artifact.bundle_bytes()],
            allow_insecure_dev_srs: true,
            ..Options::default()
        };
        let file = engine.export(0..10, &shown()).unwrap();
        assert_eq!(verify_evidence(&file, &options).verdict, Verdict::Unknown);
        assert!(matches!(
            engine.export(0..11, &shown()),
            Err(ExportError::Window { size: 10, .. })
        ));
    }
}

#[test]
fn whatever_is_changed_is_noticed() {
    let desk = desk(Scheme::Kzg);
    prove_all(&desk.engine);
    let honest = desk.engine.export(0..9, &shown()).unwrap();
    assert_eq!(judge(&desk, &honest).verdict, Verdict::Valid);
    let refused = |what: &str, expected: &[&str], change: &dyn Fn(&mut Evidence)| {
        let mut evidence = Evidence::decode(&honest).unwrap();
        change(&mut evidence);
        let report = judge(&desk, &evidence.encode());
        assert_eq!(report.verdict, Verdict::Invalid, "{what}");
        let failed = failed(&report);
        for name in expected {
            assert!(failed.contains(name), "{what}: {failed:?}");
        }
    };
    fn window(e: &mut Evidence) -> &mut clearproof_shared::artifact::window::LogWindow {
        e.window.as_mut().unwrap()
    }
    refused("a batch left out", &[names::LOG_WINDOW], &|e| {
        drop(e.proofs.remove(1))
    });
    refused(
        "a lifecycle entry left out",
        &[names::LOG_WINDOW, names::LOG_LIFECYCLE],
        &|e| {
            drop(window(e).entries.remove(1));
        },
    );
    refused(
        "another time",
        &[names::PROOF, names::LOG_INCLUSION],
        &|e| {
            e.proofs[0].logged.as_mut().unwrap().places[1].time_ms += 1;
        },
    );
    refused("another decision", &[names::PROOF], &|e| {
        e.proofs[0].released[0] ^= 1
    });
    refused("two proofs of one decision", &[names::LOG_WINDOW], &|e| {
        let twice = e.proofs[0].clone();
        e.proofs.push(twice);
    });
    refused("a batch moved", &[names::PROOF], &|e| {
        for place in &mut e.proofs[2].logged.as_mut().unwrap().places {
            place.seq += 1;
        }
    });
    refused("a proof of inclusion", &[names::LOG_INCLUSION], &|e| {
        window(e).inclusion.push([0; 32]);
    });
    refused("a checkpoint's byte", &[names::LOG_CHECKPOINT], &|e| {
        let last = window(e).checkpoint.len() - 6;
        let byte = &mut window(e).checkpoint[last];
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    });
    refused(
        "the log's name",
        &[names::LOG_CHECKPOINT, names::PROOF],
        &|e| e.origin.push('2'),
    );
    refused("the window's start", &[names::LOG_WINDOW], &|e| {
        window(e).from = 3
    });
    refused("the window's end", &[names::LOG_WINDOW], &|e| {
        window(e).to = 10
    });
    refused("no proof of totals", &[names::TOTALS], &|e| {
        window(e).totals.clear()
    });
    for at in [0, 40, 100] {
        refused("totals", &[names::TOTALS], &|e| {
            window(e).totals[0][at] ^= 1
        });
    }
    refused("totals that lost a row", &[names::TOTALS], &|e| {
        drop(e.proofs.pop());
        window(e).to = 8;
    });
}

#[test]
fn a_clock_that_goes_back_is_recorded_and_told() {
    // A log whose lifecycle entries are of tomorrow: its clock has been set right since.
    const DAY_MS: u64 = 86_400_000;
    let template = desk(Scheme::Kzg);
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("log.db")).unwrap();
    let mut before: Option<Lifecycle> = None;
    for bytes in template.engine.store().entries(0..2).unwrap() {
        let Entry::Lifecycle(entry) = Entry::decode(&bytes).unwrap() else {
            panic!("a log begins with its model")
        };
        let tomorrow = entry.time_ms + DAY_MS;
        let mut moved = Lifecycle::after(
            before.as_ref(),
            entry.seq,
            tomorrow,
            entry.action,
            entry.subject,
        )
        .unwrap();
        (moved.name, moved.policy, moved.by) = (entry.name, entry.policy, entry.by);
        before = Some(moved.clone());
        let record = NewRecord {
            entry: Entry::Lifecycle(moved),
            request_id: None,
            compliant: None,
            reason: None,
            metadata: String::new(),
            sealed: vec![],
        };
        store.append(&[record]).unwrap();
    }
    drop(store);
    let (engine, log_key) = engine(folder.path(), Mode::Prove);
    engine.load(Arc::clone(&template.artifact)).unwrap();
    let decision = engine.decide(trade(2.0, "BTC-USD", 1)).unwrap();
    assert!(decision.time_ms < before.unwrap().time_ms);
    prove_all(&engine);
    let desk = Desk {
        folder,
        engine,
        log_key,
        ..template
    };
    let report = |to| judge(&desk, &desk.engine.export(0..to, &shown()).unwrap());
    let told = |report: &Report| report.check(names::LOG_CLOCK).unwrap().reason.clone();
    let back = report(3);
    assert_eq!(back.verdict, Verdict::Valid, "{:#?}", back.checks);
    assert!(told(&back).contains("went backwards, first at entry 2;"));
    // The entries before it are in order.
    assert!(told(&report(2)).contains("never go backwards"));
}

#[test]
fn fields_that_are_not_those_of_the_metadata_are_noticed() {
    let artifact = compiled(Scheme::Ipa, 1, InputVisibility::Public);
    let check = |symbol: i64, notional: i64, metadata: serde_json::Value| {
        let row = Row {
            input: vec![0, 0, 0, 0, 0, notional, symbol, 0, 0],
            metadata: metadata.to_string().into_bytes(),
        };
        let proofs = prove(&artifact, &[row], &mut OsRng, &Silent).unwrap();
        let options = Options {
            trust: vec![artifact.bundle_bytes()],
            ..Options::default()
        };
        let report = verify_evidence(&proofs.evidence(&artifact, false), &options);
        let fields = report.check(names::FIELDS).unwrap();
        (report.verdict, fields.outcome, fields.reason.clone())
    };
    let metadata = json!({"symbol": "ETH-USD", "notional": 7, "venue": "X"});
    let shown = |symbol, notional| check(symbol, notional, metadata.clone());
    let differs = |name: &str, what: &str| {
        let reason =
            format!("The policy read a value of \"{name}\" that the metadata shown {what}.");
        (Verdict::Invalid, Outcome::Failed, reason)
    };
    let (verdict, outcome, reason) = shown(1, 7);
    assert_eq!(
        (verdict, outcome),
        (Verdict::Valid, Outcome::Passed),
        "{reason}"
    );
    assert_eq!(shown(0, 7), differs("symbol", "does not say"));
    assert_eq!(shown(1, 8), differs("notional", "does not say"));
    let lacking = check(1, 7, json!({"symbol": "ETH-USD"}));
    assert_eq!(lacking, differs("notional", "does not have"));
}

#[test]
fn a_request_is_decided_once_and_a_restart_goes_on() {
    let mut desk = desk(Scheme::Kzg);
    let asked = || Trade {
        request_id: Some("order-1".into()),
        ..trade(1.0, "BTC-USD", 0)
    };
    let first = desk.engine.decide(asked()).unwrap();
    let again = desk.engine.decide(asked()).unwrap();
    assert!(!first.repeated && again.repeated);
    assert_eq!((first.seq, first.receipt), (again.seq, again.receipt));
    // Many at once, each twice.
    let before = desk.engine.store().size().unwrap();
    std::thread::scope(|scope| {
        for i in 0..16 {
            let engine = &desk.engine;
            scope.spawn(move || {
                let asked = Trade {
                    request_id: Some(format!("order-{}", 10 + i / 2)),
                    ..trade(1.0, "BTC-USD", 0)
                };
                engine.decide(asked).unwrap()
            });
        }
    });
    assert_eq!(desk.engine.store().size().unwrap(), before + 8);
    // Opened again, running totals go on: nothing is left of the day's limit.
    let Desk {
        folder,
        engine: open,
        artifact,
        ..
    } = &mut desk;
    let (memory, _) = engine(tempfile::tempdir().unwrap().path(), Mode::Prove);
    drop(std::mem::replace(open, memory));
    let (opened, _) = engine(folder.path(), Mode::Prove);
    opened.load(Arc::clone(artifact)).unwrap();
    let refused = opened.decide(trade(1.0, "BTC-USD", 1)).unwrap();
    assert_eq!(refused.rule.as_deref(), Some("daily limit"));
    desk.engine = opened;
    prove_all(&desk.engine);
    let size = desk.engine.store().size().unwrap();
    let report = judge(&desk, &desk.engine.export(0..size, &shown()).unwrap());
    assert_eq!(report.verdict, Verdict::Valid, "{:#?}", report.checks);
    let filter = Filter {
        metadata: Some(("symbol".into(), "DOGE".into())),
        ..Filter::default()
    };
    let found = desk.engine.history(&filter, 10).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].seq, found[0].status), (5, ProofStatus::Verified));
}

#[test]
fn decide_only_never_counts_as_proved() {
    let folder = tempfile::tempdir().unwrap();
    let artifact = artifact(Scheme::Kzg, 1);
    let (engine, log_key) = engine(folder.path(), Mode::DecideOnly);
    let model = engine.load(Arc::clone(&artifact)).unwrap();
    engine
        .lifecycle(Action::Registered, model, "ada", "")
        .unwrap();
    engine
        .lifecycle(Action::Approved, model, "ada", "")
        .unwrap();
    engine.decide(trade(1.0, "BTC-USD", 1)).unwrap();
    assert_eq!(prove_all(&engine), 0);
    let stats = engine.stats().unwrap();
    assert_eq!(
        (stats.counts.decide_only, stats.verification_rate),
        (1, 0.0)
    );
    let desk = Desk {
        folder,
        engine,
        artifact,
        log_key,
        decisions: vec![],
    };
    let report = judge(&desk, &desk.engine.export(0..3, &shown()).unwrap());
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.log.unwrap().unproven[0].development);
}

#[test]
fn bad_trades_are_refused_with_a_sentence() {
    let desk = desk(Scheme::Kzg);
    let size = desk.engine.store().size().unwrap();
    let refused = |change: &dyn Fn(&mut Trade), part: &str| {
        let mut asked = trade(1.0, "BTC-USD", 1);
        change(&mut asked);
        let error = desk.engine.decide(asked).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let named = |t: &mut Trade, name: &str, value: f64| {
        let Features::Named(named) = &mut t.features else {
            panic!("named")
        };
        named.insert(name.into(), value);
    };
    refused(
        &|t| t.features = Features::Listed(vec![1.0]),
        "reads 5 features",
    );
    refused(&|t| named(t, "sise", 1.0), "no feature \"sise\"");
    refused(&|t| named(t, "size", f64::NAN), "NaN");
    refused(&|t| named(t, "size", f64::INFINITY), "infinite");
    refused(&|t| drop(t.metadata.remove("symbol")), "lacks \"symbol\"");
    refused(
        &|t| drop(t.metadata.insert("notional".into(), json!(-1))),
        "whole number",
    );
    refused(
        &|t| drop(t.metadata.insert("notional".into(), json!(1e300))),
        "whole number",
    );
    refused(&|t| t.model = Some([7; 32]), "not loaded");
    assert_eq!(desk.engine.store().size().unwrap(), size);
    // What is out of the declared range stands at its end, and the answer says so.
    let mut asked = trade(1.0, "BTC-USD", 1);
    named(&mut asked, "size", 1e9);
    assert_eq!(desk.engine.decide(asked).unwrap().saturated, ["size"]);
    assert_eq!(keeper(desk.folder.path()).origin(), ORIGIN);
}
