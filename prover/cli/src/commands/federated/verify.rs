//! `federated verify`: the named checks of a training certificate, and one verdict.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clearproof_federated::certificate::{check_ceremonies, check_further};
use clearproof_shared::training::certificate::roster_digest;
use clearproof_shared::training::manifest::RosterEntry;
use clearproof_shared::verify::report::Verdict;
use clearproof_shared::verify::training::{
    verify_certificate, PrivacyFacts, TrainingOptions, TrainingReport,
};
use clearproof_shared::verify::{Report, Verifier};
use serde_json::{json, Value};

use crate::args::{CeremonyPowers, VerifyTraining};
use crate::commands::ceremony;
use crate::commands::verify::{
    check_json, check_line, exit_status, judge, key, read_evidence, words, LogKeys,
};
use crate::commands::{print, print_json};
use crate::failure::Failure;
use crate::files;

/// Judges a certificate, with decisions that should be by its model.
pub(super) fn verify(arguments: &VerifyTraining) -> Result<u8, anyhow::Error> {
    let bytes = files::read(&arguments.certificate, MOST_BYTES)?;
    let roster = arguments.roster.as_deref().map(read_roster).transpose()?;
    let (evidence, trust) = read_evidence(&arguments.evidence, &arguments.trust)?;
    let mut verifier = Verifier::default();
    let keys = LogKeys::default();
    let allow = arguments.allow_insecure_setup;
    let reports: Vec<Report> = judge(&mut verifier, &evidence, &trust, &keys, allow);
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64() * 1e3;
    let files = evidence.iter().map(|(_, bytes)| bytes.as_slice());
    let options = TrainingOptions {
        roster,
        allow_insecure_setup: allow,
        evidence: files.zip(&reports).collect(),
        clock: Some(&clock),
    };
    let mut report = verify_certificate(&bytes, &options);
    check_further(&mut report, &bytes);
    if !arguments.ceremony.is_empty() {
        let powers = CeremonyPowers {
            ptau: arguments.ptau.clone(),
            insecure_dev_tau: arguments.insecure_dev_tau,
        };
        let one = |path: &PathBuf| Ok((ceremony::read(path)?, ceremony::phase_one(&powers)?));
        let ceremonies = arguments.ceremony.iter().map(one);
        let ceremonies = ceremonies.collect::<Result<Vec<_>, Failure>>()?;
        check_ceremonies(&mut report, &bytes, &ceremonies);
    }
    match arguments.json {
        true => print_json(&to_json(&report))?,
        false => print(&to_text(&report, &arguments.certificate))?,
    }
    if report.verdict == Verdict::Unknown && roster.is_none() {
        eprintln!(
            "clearproof: without --roster the certificate is judged by its own keys alone; name the roster.json that \
             you got beforehand"
        );
    }
    Ok(exit_status(report.verdict))
}

/// The digest of the roster in a `roster.json`.
fn read_roster(path: &Path) -> Result<[u8; 32], Failure> {
    let bytes = files::read(path, MOST_ROSTER_BYTES)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| Failure::input(path, e))?;
    let entry = |party: &Value| {
        let key = |name: &str| -> Option<[u8; 32]> {
            let text = party[name].as_str()?;
            let digits: Option<Vec<u8>> =
                text.chars().map(|c| Some(c.to_digit(16)? as u8)).collect();
            let (pairs, rest) = digits.as_ref()?.as_chunks::<2>();
            let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
            rest.is_empty().then_some(bytes)?.try_into().ok()
        };
        Some(RosterEntry {
            name: party["name"].as_str()?.to_owned(),
            signing_key: key("signing_key")?,
            sealing_key: key("sealing_key")?,
        })
    };
    let parties = value["parties"].as_array();
    let parties: Option<Vec<RosterEntry>> =
        parties.and_then(|parties| parties.iter().map(entry).collect());
    let parties = parties.ok_or_else(|| {
        Failure::input(
            path,
            "not a roster; give the roster.json that `federated provision` wrote",
        )
    })?;
    Ok(roster_digest(&parties))
}

fn to_text(report: &TrainingReport, path: &Path) -> String {
    let mut text = format!("{}\n", path.display());
    report
        .checks
        .iter()
        .for_each(|check| text += &check_line(check));
    if !report.parties.is_empty() {
        text += "  parties\n";
        for party in &report.parties {
            let signed = if party.signed {
                "signed"
            } else {
                "did not sign"
            };
            let of = report.rounds;
            text += &format!(
                "    {}: in {} of {of} sums, {signed}\n",
                party.name, party.rounds
            );
        }
    }
    if let Some(privacy) = &report.privacy {
        text += &format!(
            "  privacy\n    epsilon {:.4} of {:.4} at delta {:e}, {}; Rényi bound {:.4}; discreteness adds {:.1e} and {:.1e}\n",
            privacy.epsilon,
            privacy.promised_epsilon,
            privacy.delta,
            privacy.adjacency,
            privacy.renyi_epsilon,
            privacy.slack_epsilon,
            privacy.slack_delta
        );
    }
    for claim in &report.compliance {
        text += &format!(
            "  claimed by party {}: {}\n",
            claim.party + 1,
            claim.statement
        );
    }
    if let Some(model) = &report.model {
        text += &format!("  model {model}\n");
    }
    if !report.not_checked.is_empty() {
        text += "  not checked\n";
        for item in &report.not_checked {
            text += &format!("    {item}\n");
        }
    }
    text + &format!("  verdict: {}\n", words(report.verdict))
}

/// In the names that the npm package uses.
fn to_json(report: &TrainingReport) -> Value {
    json!({
        "verdict": key(report.verdict),
        "checks": report.checks.iter().map(check_json).collect::<Vec<_>>(),
        "notChecked": report.not_checked,
        "roster": report.roster,
        "parties": report.parties.iter().map(|party| json!({
            "name": party.name, "signingKey": party.signing_key, "rounds": party.rounds, "signed": party.signed,
        })).collect::<Vec<_>>(),
        "rounds": report.rounds,
        "privacy": report.privacy.as_ref().map(privacy_json),
        "compliance": report.compliance.iter().map(|claim| json!({
            "party": claim.party, "statement": claim.statement, "key": claim.key,
            "contributors": claim.contributors,
        })).collect::<Vec<_>>(),
        "model": report.model,
        "deployment": report.deployment.as_ref().map(|deployment| json!({
            "circuitId": deployment.circuit_id, "commitment": deployment.commitment,
            "bundle": deployment.bundle, "party": deployment.party,
        })),
    })
}

fn privacy_json(privacy: &PrivacyFacts) -> Value {
    json!({
        "adjacency": privacy.adjacency, "rounds": privacy.rounds, "epsilon": privacy.epsilon,
        "renyiEpsilon": privacy.renyi_epsilon, "promisedEpsilon": privacy.promised_epsilon,
        "delta": privacy.delta, "slackEpsilon": privacy.slack_epsilon, "slackDelta": privacy.slack_delta,
        "noiseMultiplier": privacy.noise_multiplier, "samplingRate": privacy.sampling_rate,
        "sensitivity": privacy.sensitivity, "shareSigma": privacy.share_sigma,
    })
}

const MOST_BYTES: u64 = 1 << 30;
const MOST_ROSTER_BYTES: u64 = 1 << 20;
