//! `clearproof verify`: named checks and one verdict a file; the exit status is the gravest verdict.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clearproof_service::timestamp::{self, Authorities};
use clearproof_shared::artifact::evidence::Evidence;
use clearproof_shared::log::checkpoint::Checkpoint;
use clearproof_shared::log::note::VerifierKey;
use clearproof_shared::verify::report::{Check, Model, Outcome, Record, ShownMetadata, TIMESTAMPS};
use clearproof_shared::verify::{Options, Report, Verdict, Verifier};
use serde_json::{json, Value};

use crate::args::Verify;
use crate::failure::{status, Failure};
use crate::files;

use super::{print, print_json, reference};

/// Judges the files together, as the page does.
pub(super) fn verify(arguments: &Verify) -> Result<u8, anyhow::Error> {
    let (evidence, trust) = read_evidence(&arguments.evidence, &arguments.trust)?;
    let mut verifier = Verifier::default();
    let allow = arguments.allow_insecure_dev_srs;
    let keys = LogKeys {
        logs: read_keys(&arguments.log_key)?,
        witnesses: read_keys(&arguments.witness_key)?,
    };
    let mut reports = judge(&mut verifier, &evidence, &trust, &keys, allow);
    if let Some(path) = &arguments.tsa {
        let roots = Authorities::from_pem(&files::read(path, MOST_BYTES)?)
            .map_err(|e| Failure::input(path, e))?;
        for (report, (_, bytes)) in reports.iter_mut().zip(&evidence) {
            check_timestamps(report, bytes, &roots);
        }
    }
    let verdict = gravest(&reports);
    let second = match arguments.reference {
        true => reference::check(&evidence, &trust),
        false => Vec::new(),
    };
    if arguments.json {
        let reports: Vec<Value> = reports.iter().map(to_json).collect();
        let mut value = json!({"verdict": key(verdict), "reports": reports});
        if arguments.reference {
            value["reference"] = second.iter().map(reference::to_json).collect();
        }
        print_json(&value)?;
    } else {
        print(&reports.iter().map(to_text).collect::<Vec<_>>().join("\n"))?;
        print(&second.iter().map(reference::to_text).collect::<String>())?;
    }
    if verdict == Verdict::Valid {
        if let Some(refused) = second.iter().find(|s| s.result.is_err()) {
            anyhow::bail!(
                "the two verifiers disagree about {}: take this file as not valid",
                refused.what
            );
        }
    }
    if verdict == Verdict::Unknown && arguments.trust.is_empty() {
        eprintln!(
            "clearproof: without --trust the evidence is judged by its own bundle alone and is self-consistent \
             at best; name the verifier.bin that you got beforehand"
        );
    }
    Ok(exit_status(verdict))
}

/// Evidence files by name, and trusted bundles.
pub(super) type Given = (Vec<(String, Vec<u8>)>, Vec<Vec<u8>>);

/// Reads evidence files and trusted bundles.
pub(super) fn read_evidence(evidence: &[PathBuf], trust: &[PathBuf]) -> Result<Given, Failure> {
    let read = |path: &PathBuf| files::read(path, MOST_BYTES);
    let named = |path: &PathBuf| Ok((path.display().to_string(), read(path)?));
    let evidence = evidence.iter().map(named).collect::<Result<_, Failure>>()?;
    let trust = trust.iter().map(read).collect::<Result<_, _>>()?;
    Ok((evidence, trust))
}

/// What the command ends with.
pub(super) fn exit_status(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Valid => status::OK,
        Verdict::Invalid => status::INVALID,
        Verdict::Unknown => status::CANNOT_TELL,
    }
}

/// Checks the time stamps over a file's checkpoint, which the portable verifier leaves to this command. The log's signature on
/// the checkpoint is a check of its own.
fn check_timestamps(report: &mut Report, bytes: &[u8], authorities: &Authorities) {
    let window = Evidence::decode(bytes).ok().and_then(|e| e.window);
    let Some(window) = window.filter(|window| !window.timestamps.is_empty()) else {
        return;
    };
    let Ok(checkpoint) = Checkpoint::parse(&window.checkpoint) else {
        return;
    };
    let message = &checkpoint.note.text;
    report.not_checked.retain(|text| text != TIMESTAMPS);
    for token in &window.timestamps {
        let start = Instant::now();
        let stamp = timestamp::verify(token, message.as_bytes(), authorities);
        let (outcome, reason) = match stamp {
            Ok(stamp) => (
                Outcome::Passed,
                format!("{} saw it at {}.", stamp.authority, stamp.time),
            ),
            Err(error) => (Outcome::Failed, format!("{error}.")),
        };
        if outcome == Outcome::Failed {
            report.verdict = Verdict::Invalid;
        }
        report.checks.push(Check {
            name: "log.timestamp",
            inputs: format!("checkpoint of {} entries", checkpoint.size),
            outcome,
            reason,
            milliseconds: start.elapsed().as_secs_f64() * 1e3,
            offline: true,
        });
    }
}

/// Keys as given, or the lines of the files named.
fn read_keys(given: &[String]) -> Result<Vec<String>, Failure> {
    let mut keys = vec![];
    for text in given {
        if text.contains('+') {
            keys.push(text.clone());
            continue;
        }
        let path = Path::new(text);
        let bytes = files::read(path, 1 << 16)?;
        let lines = String::from_utf8_lossy(&bytes);
        let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        keys.extend(lines.map(str::to_owned));
    }
    if let Some(bad) = keys.iter().find(|key| VerifierKey::parse(key).is_err()) {
        return Err(Failure::usage(format!(
            "\"{bad}\" is no verifier key; give NAME+ID+KEY as the log's operator published it, or a file with such lines"
        )));
    }
    Ok(keys)
}

/// Keys of logs and of witnesses that the auditor trusts.
#[derive(Debug, Default)]
pub(super) struct LogKeys {
    logs: Vec<String>,
    witnesses: Vec<String>,
}

/// One report a file, timed by this machine's clock.
pub(super) fn judge(
    verifier: &mut Verifier,
    evidence: &[(String, Vec<u8>)],
    trust: &[Vec<u8>],
    keys: &LogKeys,
    allow_insecure_dev_srs: bool,
) -> Vec<Report> {
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64() * 1e3;
    let files: Vec<(&str, &[u8])> = evidence
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let trust = trust.iter().map(Vec::as_slice).collect();
    verifier.verify_files(
        &files,
        &Options {
            trust,
            allow_insecure_dev_srs,
            log_keys: keys.logs.iter().map(String::as_str).collect(),
            witness_keys: keys.witnesses.iter().map(String::as_str).collect(),
            clock: Some(&clock),
        },
    )
}

/// Invalid if any is, else unknown if any is.
pub(super) fn gravest(reports: &[Report]) -> Verdict {
    let any = |verdict| reports.iter().any(|report| report.verdict == verdict);
    match () {
        () if any(Verdict::Invalid) => Verdict::Invalid,
        () if any(Verdict::Unknown) => Verdict::Unknown,
        () => Verdict::Valid,
    }
}

/// The report as people read it.
pub(super) fn to_text(report: &Report) -> String {
    let mut text = format!("{}\n", report.file);
    report
        .checks
        .iter()
        .for_each(|check| text += &check_line(check));
    if !report.records.is_empty() {
        text += "  decisions\n";
        for record in report.records.iter().take(MOST_RECORDS) {
            text += &format!("    {}\n", record_line(record));
        }
        if report.records.len() > MOST_RECORDS {
            text += &format!(
                "    and {} more, with --json\n",
                report.records.len() - MOST_RECORDS
            );
        }
    }
    if !report.not_checked.is_empty() {
        text += "  not checked\n";
        for item in &report.not_checked {
            text += &format!("    {item}\n");
        }
    }
    text + &format!("  verdict: {}\n", words(report.verdict))
}

/// A check as people read it.
pub(super) fn check_line(check: &Check) -> String {
    let reason = match &check.reason[..] {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    format!(
        "  {:<8}{:<18}{:>8.1} ms  {}{reason}\n",
        outcome(check.outcome),
        check.name,
        check.milliseconds,
        check.inputs
    )
}

fn record_line(record: &Record) -> String {
    let metadata = match &record.metadata {
        ShownMetadata::Text(text) => text.clone(),
        ShownMetadata::Hex(hex) => format!("0x{hex}"),
        ShownMetadata::Hidden(_) => "(hidden)".to_owned(),
    };
    let line = format!(
        "{}.{}  {}  {metadata}",
        record.proof, record.row, record.decision
    );
    line.trim_end().to_owned()
}

pub(super) fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "cannot tell",
        other => key(other),
    }
}

pub(super) fn key(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Invalid => "invalid",
        Verdict::Unknown => "unknown",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Unknown => "unknown",
    }
}

/// The report in the names that the npm package uses; released values are text, since JavaScript's numbers
/// hold no more than 53 bits.
fn to_json(report: &Report) -> Value {
    json!({
        "file": report.file,
        "verdict": key(report.verdict),
        "checks": report.checks.iter().map(check_json).collect::<Vec<_>>(),
        "notChecked": report.not_checked,
        "models": report.models.iter().map(model_json).collect::<Vec<_>>(),
        "records": report.records.iter().map(record_json).collect::<Vec<_>>(),
    })
}

pub(super) fn check_json(check: &Check) -> Value {
    json!({
        "name": check.name, "inputs": check.inputs, "result": outcome(check.outcome), "reason": check.reason,
        "milliseconds": check.milliseconds, "offline": check.offline,
    })
}

fn model_json(model: &Model) -> Value {
    json!({
        "name": model.name, "circuitId": model.circuit_id, "commitment": model.commitment, "bundle": model.bundle,
    })
}

fn record_json(record: &Record) -> Value {
    let text = |values: &[i64]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (kind, value) = match &record.metadata {
        ShownMetadata::Text(value) => ("text", value),
        ShownMetadata::Hex(value) => ("hex", value),
        ShownMetadata::Hidden(value) => ("hidden", value),
    };
    json!({
        "proof": record.proof, "row": record.row, "model": record.model, "commitment": record.commitment,
        "released": text(&record.released), "decision": record.decision,
        "metadata": {"kind": kind, "value": value},
        "inputs": record.inputs.as_deref().map(text), "leaf": record.leaf,
    })
}

const MOST_BYTES: u64 = 1 << 30;
/// Decisions shown in the text.
const MOST_RECORDS: usize = 20;
