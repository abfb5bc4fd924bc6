//! A report in the making: checks as they are made, records held back until their proofs hold.

use super::report::{names, verdict, Check, LogReport, Model, Outcome, Record, Report, Verdict};
use crate::encoding::hex;

/// The records of a proof, and the checks that must pass before they are shown.
pub(super) struct ProofDraft {
    pub(super) checks: Vec<usize>,
    pub(super) records: Vec<Record>,
}

/// A report in the making.
pub(super) struct Draft {
    pub(super) file: usize,
    pub(super) name: String,
    pub(super) checks: Vec<Check>,
    pub(super) models: Vec<Model>,
    pub(super) proofs: Vec<ProofDraft>,
    pub(super) log_named: bool,
    /// Leaf hashes of each proof's rows.
    pub(super) leaves: Vec<Vec<[u8; 32]>>,
    /// What the file shows of a log, and what of that was not checked.
    pub(super) log: Option<(LogReport, Vec<String>)>,
}

impl Draft {
    pub(super) fn new(file: usize, name: &str) -> Self {
        Self {
            file,
            name: name.to_owned(),
            checks: vec![],
            models: vec![],
            proofs: vec![],
            log_named: false,
            leaves: vec![],
            log: None,
        }
    }

    pub(super) fn add(
        &mut self,
        name: &'static str,
        inputs: String,
        outcome: Outcome,
        reason: impl Into<String>,
    ) -> usize {
        self.checks.push(Check {
            name,
            inputs,
            outcome,
            reason: reason.into(),
            milliseconds: 0.0,
            offline: true,
        });
        self.checks.len() - 1
    }

    /// The time of the check added last.
    pub(super) fn took(&mut self, milliseconds: f64) {
        if let Some(check) = self.checks.last_mut() {
            check.milliseconds += milliseconds;
        }
    }

    pub(super) fn finish(mut self) -> Report {
        let carried = |check: &Check| check.name == names::PROOF || check.name == names::LINK;
        let mut carrying = self.checks.iter().filter(|check| carried(check));
        if !carrying.all(|check| check.outcome == Outcome::Passed) {
            let metadata = |check: &&mut Check| check.name == names::RECORDS_METADATA;
            if let Some(check) = self.checks.iter_mut().find(metadata) {
                check.outcome = Outcome::Unknown;
                check.reason = "A proof that carries metadata does not hold.".into();
            }
        }
        let checks = self.checks;
        let passed = |index: &usize| checks[*index].outcome == Outcome::Passed;
        let records = self
            .proofs
            .into_iter()
            .filter(|proof| proof.checks.iter().all(passed))
            .flat_map(|proof| proof.records)
            .collect();
        let verdict = verdict(&checks);
        let mut not_checked: Vec<String> = vec![];
        if verdict != Verdict::Invalid || checks.len() > 1 {
            let always = NOT_SHOWN.iter().map(|text| (*text).to_owned());
            not_checked.extend(always);
            match &self.log {
                Some((_, unchecked)) => not_checked.extend(unchecked.iter().cloned()),
                None if self.log_named => not_checked.push(NO_INCLUSION.into()),
                None => not_checked.push(NO_LOG.into()),
            }
        }
        Report {
            file: self.name,
            verdict,
            checks,
            not_checked,
            models: self.models,
            records,
            log: self.log.map(|(log, _)| log),
        }
    }
}

pub(super) fn failure_sentence(name: &str) -> &'static str {
    match name {
        names::KEY_BASES => "A key's bases are not the Lagrange bases of its reference string.",
        names::REGISTRATION => "A registration proof does not hold.",
        names::LINK => "The proof is not linked to this model and these input commitments.",
        names::TOTALS => "A running total does not go on from the decision before it.",
        names::DISCLOSURE => "The inputs shown are not the committed ones.",
        _ => "The proof does not hold for the statement that the file makes.",
    }
}

pub(super) fn numbered(what: &str, number: usize) -> String {
    [what, &number.to_string()].concat()
}

/// The first 8 bytes: enough to tell files apart by eye, no more.
pub(super) fn fingerprint(digest: &[u8; 32]) -> String {
    hex(&digest[..8])
}

/// What no proof shows (DESIGN section 1), and what this room leaves to others.
const NOT_SHOWN: &[&str] = &[
    "That the model is good or fair.",
    "That the committed inputs were true.",
    "That the clock was right.",
    "That no decision was made beside those in this file.",
    "That the circuit is the one rebuilt from the bundle's skeleton and parameters: compare with \
     `clearproof compile --skeleton`.",
    "BN254 offers about 100 bits of security, not 128.",
];
const NO_INCLUSION: &str = "That the records stand in the log that the file names.";
const NO_LOG: &str = "Order and completeness: the file names no log.";
