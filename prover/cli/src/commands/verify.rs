//! `clearproof verify`: named checks and one verdict; the exit status is the verdict.

use std::path::Path;
use std::time::Instant;

use clearproof_shared::verify::{verify_files, Check, Options, Outcome, Record, Report, Verdict};
use serde_json::{json, Value};

use crate::args::Verify;
use crate::failure::{status, Failure};
use crate::files;

use super::{print, print_json};

/// Judges the files as one submission, as the page does.
pub(super) fn verify(arguments: &Verify) -> Result<u8, anyhow::Error> {
    let read = |path: &Path| files::read(path, MOST_BYTES);
    let evidence: Vec<(String, Vec<u8>)> = arguments
        .evidence
        .iter()
        .map(|path| Ok((path.display().to_string(), read(path)?)))
        .collect::<Result<_, Failure>>()?;
    let trust = arguments.trust.iter().map(|path| read(path)).collect::<Result<_, _>>()?;

    let report = judge(&evidence, trust, arguments.allow_insecure_dev_srs);
    if arguments.json {
        print_json(&to_json(&report))?;
    } else {
        print(&to_text(&report))?;
    }
    if matches!(report.verdict, Verdict::Unknown) && arguments.trust.is_empty() {
        eprintln!(
            "clearproof: no bundle is trusted, so the evidence is judged by its own alone; name the \
             verifier.bin that you got beforehand with --trust"
        );
    }
    Ok(exit_status(&report.verdict))
}

/// The report on evidence files, timed by this machine's clock.
pub(super) fn judge(evidence: &[(String, Vec<u8>)], trust: Vec<Vec<u8>>, allow_insecure_dev_srs: bool) -> Report {
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64() * 1e3;
    let files: Vec<(&str, &[u8])> = evidence.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    verify_files(&files, &Options { trust, allow_insecure_dev_srs, clock: Some(&clock) })
}

fn exit_status(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Valid => status::OK,
        Verdict::Invalid => status::INVALID,
        Verdict::Unknown => status::CANNOT_TELL,
    }
}

/// The report as people read it.
pub(super) fn to_text(report: &Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let reason = if check.reason.is_empty() { String::new() } else { format!(": {}", check.reason) };
        text += &format!("{:<8}{} [{}] {:.1} ms{reason}\n", outcome(check.outcome), check.name, check.inputs, check.milliseconds);
    }
    if let Some((shown, rest)) = split(&report.records) {
        text += "\ndecisions\n";
        for record in shown {
            text += &format!("  {}\n", record_line(record));
        }
        if rest > 0 {
            text += &format!("  and {rest} more, with --json\n");
        }
    }
    if !report.not_checked.is_empty() {
        text += "\nnot checked\n";
        for item in &report.not_checked {
            text += &format!("  {item}\n");
        }
    }
    text + &format!("\nverdict: {}\n", words(&report.verdict))
}

fn split(records: &[Record]) -> Option<(&[Record], usize)> {
    let shown = records.len().min(MOST_RECORDS);
    (shown > 0).then(|| (&records[..shown], records.len() - shown))
}

fn record_line(record: &Record) -> String {
    let decision = record.decision.clone().unwrap_or_else(|| record.released.join(", "));
    let metadata = record.metadata.as_deref().unwrap_or("");
    format!("{:>5}  {decision}  {metadata}", record.row).trim_end().to_owned()
}

fn words(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Invalid => "invalid",
        Verdict::Unknown => "cannot tell",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Unknown => "unknown",
    }
}

/// The report in the names that the npm package uses.
fn to_json(report: &Report) -> Value {
    let check = |c: &Check| {
        json!({
            "name": c.name, "inputs": c.inputs, "outcome": outcome(c.outcome), "reason": c.reason,
            "milliseconds": c.milliseconds, "offline": c.offline,
        })
    };
    let record = |r: &Record| {
        json!({
            "row": r.row, "commitment": r.commitment, "released": r.released, "decision": r.decision,
            "metadata": r.metadata, "leaf": r.leaf,
        })
    };
    json!({
        "verdict": report.verdict.as_str(),
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
        "notChecked": report.not_checked,
        "records": report.records.iter().map(record).collect::<Vec<_>>(),
    })
}

const MOST_BYTES: u64 = 1 << 30;
/// Decisions shown in the text.
const MOST_RECORDS: usize = 20;
