//! `clearproof audit`: what a log's operator does with it, without the service running.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clearproof_prover::engine::store::{Filter, ProofStatus, Record, RecordKind, StoredCheckpoint};
use clearproof_prover::engine::{Engine, Export, Mode};
use clearproof_prover::prove::Artifact;
use clearproof_service::car::write_car;
use clearproof_service::config::{bundle_digest, compiled, open_engine, Config};
use clearproof_service::keys::LogKey;
use clearproof_service::timestamp;
use clearproof_service::witness::{self, Growth};
use clearproof_shared::artifact::evidence::Evidence;
use clearproof_shared::log::checkpoint::{checkpoint_text, Checkpoint};
use clearproof_shared::log::entry::{Action, Entry};
use clearproof_shared::log::merkle::leaf_hash;
use clearproof_shared::log::note::{NoteSignature, VerifierKey};
use rand_core::OsRng;
use serde_json::{json, Value};

use crate::args::{
    Audit, AuditCommand, AuditCosign, AuditDisclose, AuditExport, AuditLifecycle, AuditList,
    AuditReconcile, AuditTimestamp, AuditWitnessed, LifecycleArgument, StatusArgument,
};
use crate::failure::{status, Failure};
use crate::files::{self, Secrecy};
use crate::table::Table;

use super::{hex, print, print_json};

/// Carries out one of the audit commands; the result is its exit status.
pub(super) fn audit(arguments: &Audit) -> Result<u8, anyhow::Error> {
    if let AuditCommand::Cosign(arguments) = &arguments.command {
        return cosign(arguments).map(|()| status::OK);
    }
    let dir = &arguments.dir;
    let opened = open_engine(dir, Mode::Prove).map_err(|e| Failure::bad_input(&e))?;
    let engine = opened.engine;
    match &arguments.command {
        AuditCommand::List(arguments) => list(&engine, arguments)?,
        AuditCommand::Show(arguments) => show(&engine, arguments.seq, arguments.json)?,
        AuditCommand::Stats(arguments) => stats(&engine, arguments.json)?,
        AuditCommand::Export(arguments) => export(&engine, arguments)?,
        AuditCommand::Timestamp(arguments) => time_stamp(&engine, arguments)?,
        AuditCommand::Disclose(arguments) => disclose(&engine, arguments)?,
        AuditCommand::Verify => return verify(&engine),
        AuditCommand::Reconcile(arguments) => return reconcile(&engine, arguments),
        AuditCommand::Lifecycle(arguments) => lifecycle(&engine, dir, arguments)?,
        AuditCommand::Prove => prove(&engine)?,
        AuditCommand::Witnessed(arguments) => witnessed(&engine, arguments)?,
        AuditCommand::Cosign(_) => {}
    }
    Ok(status::OK)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::bad_input(&error)
}

fn list(engine: &Engine, arguments: &AuditList) -> Result<(), anyhow::Error> {
    let metadata = match &arguments.field {
        None => None,
        Some(pair) => match pair.split_once('=') {
            Some((key, value)) => Some((key.to_owned(), value.to_owned())),
            None => {
                return Err(
                    Failure::usage("--where takes KEY=VALUE, such as symbol=BTC-USD").into(),
                )
            }
        },
    };
    let filter = Filter {
        before: arguments.before,
        compliant: arguments.compliant,
        status: arguments.status.map(proof_status),
        metadata,
        ..Filter::default()
    };
    let records = engine.history(&filter, arguments.limit).map_err(failed)?;
    if arguments.json {
        let records: Vec<Value> = records.iter().map(record_json).collect();
        print_json(&json!({ "records": records }))?;
        return Ok(());
    }
    let mut table = Table::new(&[
        "seq",
        "time",
        "kind",
        "compliant",
        "reason",
        "proof",
        "metadata",
    ]);
    for record in &records {
        table.push(vec![
            record.seq.to_string(),
            time(record.time_ms),
            kind(record.kind).into(),
            record
                .compliant
                .map_or("-", |c| if c { "yes" } else { "no" })
                .into(),
            record
                .reason
                .map_or("-".into(), |reason| reason.to_string()),
            record.status.name().into(),
            record.metadata.clone(),
        ]);
    }
    print(&table.render())?;
    Ok(())
}

fn show(engine: &Engine, seq: u64, as_json: bool) -> Result<(), anyhow::Error> {
    let record = engine.store().record(seq).map_err(failed)?;
    let bytes = engine.store().entry(seq).map_err(failed)?;
    let mut value = record_json(&record);
    value["receipt"] = json!(hex(&leaf_hash(&bytes)));
    match Entry::decode(&bytes).map_err(failed)? {
        Entry::Decision(decision) => {
            value["commitment"] = json!(hex(&decision.commitment));
            value["released"] = json!(decision.released);
            value["lifecycle"] = json!(decision.lifecycle.index);
        }
        Entry::Lifecycle(lifecycle) => {
            value["action"] = json!(format!("{:?}", lifecycle.action).to_lowercase());
            value["name"] = json!(lifecycle.name);
            value["by"] = json!(lifecycle.by);
            value["note"] = json!(lifecycle.note);
            let in_force: Vec<String> = lifecycle.in_force.iter().map(|b| hex(b)).collect();
            value["in_force"] = json!(in_force);
        }
    }
    if as_json {
        print_json(&value)?;
        return Ok(());
    }
    let members = value.as_object().into_iter().flatten();
    let lines = members.map(|(key, value)| format!("{key:<12}  {}\n", plain(value)));
    print(&lines.collect::<String>())?;
    Ok(())
}

fn stats(engine: &Engine, as_json: bool) -> Result<(), anyhow::Error> {
    let stats = engine.stats().map_err(failed)?;
    let counts = stats.counts;
    let value = json!({
        "total": counts.total,
        "decisions": stats.decisions,
        "lifecycle": counts.lifecycle,
        "proven": counts.proven,
        "verified": counts.verified,
        "compliant": counts.compliant,
        "violations": counts.violations,
        "failed": counts.failed,
        "pending": counts.pending,
        "decide_only": counts.decide_only,
        "verification_rate": stats.verification_rate,
        "compliance_rate": stats.compliance_rate,
    });
    if as_json {
        print_json(&value)?;
        return Ok(());
    }
    let members = value.as_object().into_iter().flatten();
    let lines = members.map(|(key, value)| format!("{key:<18}  {}\n", plain(value)));
    print(&lines.collect::<String>())?;
    Ok(())
}

fn export(engine: &Engine, arguments: &AuditExport) -> Result<(), anyhow::Error> {
    let size = engine.store().size().map_err(failed)?;
    let window = arguments.from..arguments.to.unwrap_or(size);
    let mut timestamps = vec![];
    for path in &arguments.timestamp {
        let bytes = files::read(path, 1 << 16)?;
        let token = timestamp::token(&bytes).map_err(|e| Failure::input(path, e))?;
        let stated = timestamp::is_about(&token, signed_text(engine)?.as_bytes());
        stated.map_err(|e| {
            Failure::input(path, format!("{e}; the log may have grown since: ask for a new one with `clearproof audit timestamp`"))
        })?;
        timestamps.push(token);
    }
    let export = Export {
        metadata: arguments.metadata,
        disclose: arguments.disclose.iter().copied().collect(),
        bundles: arguments.bundles,
        earlier: arguments.earlier,
        timestamps,
    };
    let evidence = engine.export(window.clone(), &export).map_err(failed)?;
    files::write(&arguments.out, &evidence, Secrecy::Public)?;
    eprintln!("{}: {} bytes", arguments.out.display(), evidence.len());
    if let Some(path) = &arguments.csv {
        files::write(path, table(engine, window)?.as_bytes(), Secrecy::Public)?;
    }
    if let Some(path) = &arguments.car {
        let mut car = vec![];
        let root = write_car(&evidence, &mut car).map_err(|e| Failure::output(path, &e))?;
        files::write(path, &car, Secrecy::Public)?;
        print(&format!("{root}\n"))?;
    }
    Ok(())
}

/// The records of a window as CSV.
fn table(engine: &Engine, window: std::ops::Range<u64>) -> Result<String, anyhow::Error> {
    let mut text =
        String::from("seq,time_ms,kind,receipt,model,compliant,reason,status,metadata\n");
    for seq in window {
        let record = engine.store().record(seq).map_err(failed)?;
        let leaf = leaf_hash(&engine.store().entry(seq).map_err(failed)?);
        text += &format!(
            "{},{},{},{},{},{},{},{},{}\n",
            record.seq,
            record.time_ms,
            kind(record.kind),
            hex(&leaf),
            hex(&record.bundle),
            record
                .compliant
                .map_or("", |c| if c { "yes" } else { "no" }),
            record
                .reason
                .map_or(String::new(), |reason| reason.to_string()),
            record.status.name(),
            quoted(&record.metadata),
        );
    }
    Ok(text)
}

/// A CSV field; one that a spreadsheet would take for a formula gets an apostrophe.
fn quoted(text: &str) -> String {
    let safe = match text.starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    format!("\"{}\"", safe.replace('"', "\"\""))
}

/// What a time stamp is about: the checkpoint of the log as it stands, without its signatures.
fn signed_text(engine: &Engine) -> Result<String, anyhow::Error> {
    let checkpoint = engine.checkpoint().map_err(failed)?;
    Ok(checkpoint_text(
        engine.origin(),
        checkpoint.size,
        &checkpoint.root,
    ))
}

fn time_stamp(engine: &Engine, arguments: &AuditTimestamp) -> Result<(), anyhow::Error> {
    let request = timestamp::request(signed_text(engine)?.as_bytes());
    files::write(&arguments.out, &request, Secrecy::Public)?;
    eprintln!(
        "{}: send it to your time-stamp authority as application/timestamp-query, and give its reply to `audit export --timestamp`",
        arguments.out.display()
    );
    Ok(())
}

fn disclose(engine: &Engine, arguments: &AuditDisclose) -> Result<(), anyhow::Error> {
    let seq = arguments.seq;
    let export = Export {
        disclose: [seq].into(),
        bundles: arguments.bundles,
        ..Export::default()
    };
    let evidence = engine
        .export(seq..seq.saturating_add(1), &export)
        .map_err(failed)?;
    files::write(&arguments.out, &evidence, Secrecy::Public)?;
    eprintln!(
        "{}: {} bytes; the inputs and metadata of decision {seq} are shown, those of the others in its batch are not",
        arguments.out.display(),
        evidence.len()
    );
    Ok(())
}

/// Checks every attached proof against the log; opening the log has checked its entries, tree and checkpoints.
fn verify(engine: &Engine) -> Result<u8, anyhow::Error> {
    let mut bad = 0;
    let mut good = 0;
    let mut before = None;
    let mut seen = BTreeSet::new();
    loop {
        let filter = Filter {
            before,
            ..Filter::default()
        };
        let records = engine.history(&filter, 1000).map_err(failed)?;
        let Some(last) = records.last() else { break };
        before = Some(last.seq);
        for id in records.iter().filter_map(|record| record.proof) {
            if !seen.insert(id) {
                continue;
            }
            match engine.verify(id) {
                Ok(()) => good += 1,
                Err(error) => {
                    bad += 1;
                    eprintln!("proof {id}: {error}");
                }
            }
        }
        if last.seq == 0 {
            break;
        }
    }
    let size = engine.store().size().map_err(failed)?;
    print(&format!(
        "log of {size} entries: whole; proofs that hold: {good}, that do not: {bad}\n"
    ))?;
    Ok(if bad == 0 {
        status::OK
    } else {
        status::INVALID
    })
}

fn prove(engine: &Engine) -> Result<(), anyhow::Error> {
    loop {
        let proved = engine.prove_pending().map_err(failed)?;
        if proved.is_empty() {
            break;
        }
        for batch in proved {
            engine.verify(batch.proof).map_err(failed)?;
            eprintln!(
                "proof {}: decisions {} to {}",
                batch.proof,
                batch.rows.first().copied().unwrap_or_default(),
                batch.rows.last().copied().unwrap_or_default()
            );
        }
    }
    let failures = engine.store().failures(10).map_err(failed)?;
    for failure in &failures {
        eprintln!(
            "not proved, {} decisions: {}",
            failure.failure.rows.len(),
            failure.failure.reason
        );
    }
    stats(engine, false)
}

/// Compares the receipts of a venue's or broker's records with the log.
fn reconcile(engine: &Engine, arguments: &AuditReconcile) -> Result<u8, anyhow::Error> {
    let bytes = files::read(&arguments.orders, 1 << 30)?;
    let fail = |cause: String| Failure::input(&arguments.orders, cause);
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let headers = reader.headers().map_err(|e| fail(e.to_string()))?.clone();
    let column = headers.iter().position(|name| name == arguments.column);
    let Some(column) = column else {
        return Err(fail(format!(
            "it has no column \"{}\"; name the one that holds the receipts with --column",
            arguments.column
        ))
        .into());
    };
    // 1. Receipts of the log, by their first characters: client order ids are short.
    let size = engine.store().size().map_err(failed)?;
    let mut by_prefix: BTreeMap<String, (u64, Option<bool>)> = BTreeMap::new();
    let shortest = usize::from(arguments.digits);
    for start in (0..size).step_by(1000) {
        let end = size.min(start + 1000);
        let records = engine.store().records(start..end).map_err(failed)?;
        let leaves = engine.store().nodes(0, start..end).map_err(failed)?;
        for (record, leaf) in records.iter().zip(&leaves) {
            if record.kind != RecordKind::Lifecycle {
                let prefix = hex(leaf)[..shortest].to_owned();
                by_prefix.insert(prefix, (record.seq, record.compliant));
            }
        }
    }
    // 2. Orders against them.
    let mut unknown = vec![];
    let mut refused = vec![];
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    let mut orders = 0;
    for (line, order) in reader.records().enumerate() {
        let order = order.map_err(|e| fail(e.to_string()))?;
        orders += 1;
        let receipt = order.get(column).unwrap_or_default().trim().to_lowercase();
        let prefix = receipt.get(..shortest).unwrap_or_default().to_owned();
        match by_prefix.get(&prefix) {
            None => unknown.push(format!("line {}: \"{receipt}\"", line + 2)),
            Some((seq, Some(false))) => refused.push(format!("line {}: decision {seq}", line + 2)),
            Some(_) => {}
        }
        *used.entry(prefix).or_default() += 1;
    }
    let doubled: Vec<String> = used
        .iter()
        .filter(|(prefix, count)| **count > 1 && by_prefix.contains_key(*prefix))
        .map(|(prefix, count)| format!("decision {}: {count} orders", by_prefix[prefix].0))
        .collect();
    let missing: Vec<String> = by_prefix
        .iter()
        .filter(|(prefix, (_, compliant))| *compliant == Some(true) && !used.contains_key(*prefix))
        .map(|(_, (seq, _))| format!("decision {seq}"))
        .collect();
    let mut text = format!("{orders} orders, {} decisions\n", by_prefix.len());
    for (what, found) in [
        ("orders without a decision in the log", &unknown),
        ("orders whose decision was refused", &refused),
        ("decisions with several orders", &doubled),
        ("compliant decisions without an order", &missing),
    ] {
        text += &format!("{what}: {}\n", found.len());
        for one in found.iter().take(SHOWN) {
            text += &format!("  {one}\n");
        }
        if found.len() > SHOWN {
            text += &format!("  and {} more\n", found.len() - SHOWN);
        }
    }
    print(&text)?;
    let differ = !unknown.is_empty() || !refused.is_empty() || !doubled.is_empty();
    Ok(if differ { status::INVALID } else { status::OK })
}

fn lifecycle(engine: &Engine, dir: &Path, arguments: &AuditLifecycle) -> Result<(), anyhow::Error> {
    let digest = |text: &str| {
        let bytes: Option<Vec<u8>> = (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok())
            .collect();
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.ok_or_else(|| {
            Failure::usage(format!(
                "\"{text}\" is no SHA-256 of a bundle in hexadecimal"
            ))
        })
    };
    let subject = digest(&arguments.model)?;
    let action = match (arguments.action, &arguments.replaced) {
        (LifecycleArgument::Register, None) => Action::Registered,
        (LifecycleArgument::Approve, None) => Action::Approved,
        (LifecycleArgument::Retire, None) => Action::Retired,
        (LifecycleArgument::Change, Some(replaced)) => Action::Changed {
            replaced: digest(replaced)?,
        },
        (LifecycleArgument::Change, None) => {
            return Err(Failure::usage(
                "change needs --replaced, the model that is no longer in force",
            )
            .into())
        }
        _ => return Err(Failure::usage("--replaced goes with change alone").into()),
    };
    // A model that the log does not speak of yet is not loaded by itself.
    let config = Config::read(dir).map_err(failed)?;
    for folder in compiled(&config.models_folder).map_err(failed)? {
        if bundle_digest(&folder).map_err(failed)? == subject {
            let artifact = Artifact::load(&folder).map_err(failed)?;
            engine.load(Arc::new(artifact)).map_err(failed)?;
        }
    }
    let seq = engine
        .lifecycle(action, subject, &arguments.by, &arguments.note)
        .map_err(failed)?;
    print(&format!("entry {seq}\n"))?;
    Ok(())
}

fn cosign(arguments: &AuditCosign) -> Result<(), anyhow::Error> {
    let path = &arguments.evidence;
    let bytes = files::read(path, 1 << 30)?;
    let evidence = Evidence::decode(&bytes).map_err(|e| Failure::input(path, e))?;
    let Some(window) = evidence.window else {
        return Err(Failure::input(
            path,
            "it shows no window of a log; export it with `clearproof audit export`",
        )
        .into());
    };
    let log_key = VerifierKey::parse(&arguments.log_key).map_err(|_| {
        Failure::usage("--log-key takes NAME+ID+KEY, as the log's operator published it")
    })?;
    let key = match (arguments.key.exists(), &arguments.name) {
        (true, _) => LogKey::load(&arguments.key).map_err(failed)?,
        (false, Some(name)) => {
            LogKey::generate(&arguments.key, name, &mut OsRng).map_err(failed)?
        }
        (false, None) => {
            return Err(Failure::usage(
                "there is no key yet; name the witness with --name to make one",
            )
            .into())
        }
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let time_s = since.map_or(0, |since| since.as_secs());
    let earlier = window.earlier.as_ref().map(|earlier| {
        let size = Checkpoint::parse(&earlier.checkpoint).map_or(0, |checkpoint| checkpoint.size);
        Growth {
            from: size,
            proof: &earlier.consistency,
        }
    });
    let memory = &arguments.memory;
    let note = witness::cosign(memory, &key, &log_key, &window.checkpoint, earlier, time_s)
        .map_err(|e| Failure::input(path, e))?;
    files::write(&arguments.out, &note.encode(), Secrecy::Public)?;
    print(&format!("cosigned as {}\n", key.cosigner()))?;
    Ok(())
}

fn witnessed(engine: &Engine, arguments: &AuditWitnessed) -> Result<(), anyhow::Error> {
    let path = &arguments.checkpoint;
    let bytes = files::read(path, 1 << 16)?;
    let cosigned = Checkpoint::parse(&bytes).map_err(|e| Failure::input(path, e))?;
    let latest = engine.store().latest_checkpoint().map_err(failed)?;
    let Some(latest) = latest.filter(|latest| latest.size == cosigned.size) else {
        return Err(Failure::input(
            path,
            "it is not the log's latest checkpoint; have the latest one cosigned",
        )
        .into());
    };
    let mut checkpoint = Checkpoint::parse(&latest.note).map_err(failed)?;
    if cosigned.note.text != checkpoint.note.text {
        return Err(Failure::input(path, "it is of another log or history than this one").into());
    }
    // Only what a witness's key bears out: anybody could add lines otherwise.
    for key in &arguments.witness_key {
        let key = VerifierKey::parse(key).map_err(|_| {
            Failure::usage("--witness-key takes NAME+ID+KEY, as `cosign` printed it")
        })?;
        cosigned
            .verify_witness(&key)
            .map_err(|e| Failure::input(path, format!("{key}: {e}")))?;
        let own = |line: &NoteSignature| line.name == key.name() && line.key_id == key.key_id();
        checkpoint.note.signatures.retain(|line| !own(line));
        let lines = cosigned.note.signatures.iter().filter(|line| own(line));
        checkpoint.note.signatures.extend(lines.cloned());
    }
    let stored = StoredCheckpoint {
        note: checkpoint.note.encode(),
        ..latest
    };
    // Within the limits of a note.
    Checkpoint::parse(&stored.note).map_err(failed)?;
    engine.store().put_checkpoint(&stored).map_err(failed)?;
    eprintln!(
        "the checkpoint at {} entries has {} cosignatures",
        checkpoint.size,
        checkpoint.note.signatures.len() - 1
    );
    Ok(())
}

fn record_json(record: &Record) -> Value {
    json!({
        "seq": record.seq,
        "time_ms": record.time_ms,
        "time": time(record.time_ms),
        "kind": kind(record.kind),
        "model": hex(&record.bundle),
        "request_id": record.request_id,
        "compliant": record.compliant,
        "reason": record.reason,
        "status": record.status.name(),
        "proof": record.proof,
        "metadata": Value::from_str(&record.metadata).unwrap_or(Value::Null),
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

fn kind(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Prove => "decision",
        RecordKind::DecideOnly => "decision, development",
        RecordKind::Lifecycle => "lifecycle",
    }
}

fn proof_status(argument: StatusArgument) -> ProofStatus {
    match argument {
        StatusArgument::Unproven => ProofStatus::Unproven,
        StatusArgument::Pending => ProofStatus::Pending,
        StatusArgument::Failed => ProofStatus::Failed,
        StatusArgument::Proven => ProofStatus::Proven,
        StatusArgument::Verified => ProofStatus::Verified,
    }
}

/// UTC, as 2026-01-31T23:59:59.999Z; days by the civil calendar.
fn time(time_ms: u64) -> String {
    let (days, ms) = (time_ms / 86_400_000, time_ms % 86_400_000);
    // Days since 0000-03-01, so that leap days end a year (Hinnant, "chrono-compatible low-level date algorithms").
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, milli) = (ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Differences that are shown one by one.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_calendar() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(time(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
        assert_eq!(time(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn fields_of_a_table_are_no_formulas() {
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
        assert_eq!(quoted("{\"a\":1}"), "\"{\"\"a\"\":1}\"");
    }
}
