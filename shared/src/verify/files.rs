//! Checking evidence files: from bytes to reports.
//!
//! 1. Claim: a report's checks are what SOUNDNESS asks of a verdict, and "valid" is said only of
//!    proofs under a bundle that the auditor pinned.
//! 2. Method: everything is decoded and read first, each proof leaving linear equations; all
//!    equations of all files are then checked together, and singly only if that fails.
//! 3. Assumed: nothing of the files; of the trusted bundles, that the auditor has them from a
//!    source they trust.
//! 4. Source: DESIGN sections 1 and 8, SOUNDNESS conditions 1 to 8 and 18.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::batch::{failures, holds, Pending};
use super::bundle::sentence;
use super::checked::CheckedBundles;
use super::draft::{failure_sentence, fingerprint, numbered, Draft, ProofDraft};
use super::log;
use super::proof::read_proof;
use super::records::{self, check_fields, check_unique};
use super::report::{names, Outcome, Report};
use super::rows::StatedRows;
use super::session::{Job, Session};
use super::statement::hash_parts;
use super::totals;
use crate::artifact::evidence::{BundleRef, Evidence, ProvedRows};
use crate::artifact::window::LogWindow;
use crate::commitment::disclosure::{self, Disclosed};

/// What the auditor brings.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// Bundles that the auditor trusts: they pin circuit, model, registration and reference string.
    pub trust: Vec<&'a [u8]>,
    /// Accept the development reference string, under which anybody can forge proofs.
    pub allow_insecure_dev_srs: bool,
    /// Keys of logs that the auditor trusts, `origin+id+key`.
    pub log_keys: Vec<&'a str>,
    /// Keys of witnesses that the auditor trusts.
    pub witness_keys: Vec<&'a str>,
    /// A clock in milliseconds.
    pub clock: Option<&'a dyn Fn() -> f64>,
}

impl core::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Options")
            .field("trust", &self.trust.len())
            .field("allow_insecure_dev_srs", &self.allow_insecure_dev_srs)
            .finish_non_exhaustive()
    }
}

/// Checks one evidence file.
pub fn verify_evidence(evidence: &[u8], options: &Options<'_>) -> Report {
    let mut reports = verify_files(&[("evidence", evidence)], options);
    reports.pop().expect("one report a file")
}

/// Checks several evidence files together; one report each, in order.
pub fn verify_files(files: &[(&str, &[u8])], options: &Options<'_>) -> Vec<Report> {
    Verifier::default().verify_files(files, options)
}

/// Checks files, and remembers bundles whose bases and registration held, so that the next file under
/// one of them does not pay for these again. What is pinned or allowed is asked anew each time.
#[derive(Debug, Default)]
pub struct Verifier {
    checked: CheckedBundles,
}

impl Verifier {
    /// As [`verify_files`].
    pub fn verify_files(&mut self, files: &[(&str, &[u8])], options: &Options<'_>) -> Vec<Report> {
        judge(files, Session::new(options, &mut self.checked))
    }

    #[cfg(test)]
    pub(super) fn checked(&self) -> &CheckedBundles {
        &self.checked
    }
}

fn judge(files: &[(&str, &[u8])], mut session: Session<'_>) -> Vec<Report> {
    // 1. Decode and read everything; what remains are equations.
    let mut drafts: Vec<Draft> = vec![];
    for (index, (name, bytes)) in files.iter().enumerate() {
        let draft = session.read_file(index, name, bytes);
        drafts.push(draft);
    }
    // 2. Check all equations at once, and find the culprits if that fails.
    let start = session.now();
    let jobs = &session.jobs; // each has a target
    let pending: Vec<Pending<'_>> = jobs.iter().map(Job::pending).collect();
    let failed = if holds(&pending) {
        vec![]
    } else {
        failures(&pending)
    };
    let share = (session.now() - start) / jobs.len().max(1) as f64;
    for (index, job) in jobs.iter().enumerate() {
        for (file, check) in &job.targets {
            let check = &mut drafts[*file].checks[*check];
            check.milliseconds += share;
            if failed.contains(&index) {
                check.outcome = Outcome::Failed;
                check.reason = failure_sentence(check.name).into();
            }
        }
    }
    // 3. Remember the bundles that hold.
    session.remember(&failed);
    // 4. Verdicts.
    drafts.into_iter().map(Draft::finish).collect()
}

impl Session<'_> {
    fn read_file(&mut self, file: usize, name: &str, bytes: &[u8]) -> Draft {
        let mut draft = Draft::new(file, name);
        // 1. The file itself.
        let start = self.now();
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let inputs = [
            &bytes.len().to_string(),
            " bytes, SHA-256 ",
            &fingerprint(&digest),
        ]
        .concat();
        let evidence = match Evidence::decode(bytes) {
            Ok(evidence) => evidence,
            Err(error) => {
                let reason = sentence("The file is no canonical evidence", &error);
                draft.add(names::EVIDENCE_ENCODING, inputs, Outcome::Failed, reason);
                return draft;
            }
        };
        let reason = "The file is one canonical evidence.";
        draft.add(names::EVIDENCE_ENCODING, inputs, Outcome::Passed, reason);
        draft.took(self.now() - start);
        // 2. The bundles that its proofs rest on.
        let mut bundles = vec![];
        for reference in &evidence.bundles {
            let bundle = self.check_bundle(&mut draft, reference);
            bundles.push(bundle);
        }
        // 3. The proofs.
        draft.leaves = vec![vec![]; evidence.proofs.len()];
        for (index, rows) in evidence.proofs.iter().enumerate() {
            match bundles.get(rows.bundle).copied().flatten() {
                Some(bundle) => self.check_rows(&mut draft, &evidence, index, rows, bundle),
                None => {
                    let reason = "The bundle of this proof is not at hand.";
                    let inputs = numbered("proof ", index);
                    draft.add(names::PROOF, inputs, Outcome::Unknown, reason);
                }
            }
        }
        if evidence.proofs.is_empty() {
            let reason = "The file holds no proof.";
            draft.add(names::PROOF, String::new(), Outcome::Unknown, reason);
        }
        // 4. The records together, and where they stand in the log.
        check_unique(&mut draft, &evidence);
        if let Some(window) = &evidence.window {
            self.check_window(&mut draft, &evidence, window, &bundles);
        }
        draft.add(
            names::RECORDS_METADATA,
            numbered(
                "rows: ",
                evidence.proofs.iter().map(|p| p.inputs.rows()).sum(),
            ),
            Outcome::Passed,
            "The metadata shown is what the proofs absorbed.",
        );
        draft.log_named = !evidence.origin.is_empty();
        draft
    }

    fn check_rows(
        &mut self,
        draft: &mut Draft,
        evidence: &Evidence,
        index: usize,
        rows: &ProvedRows,
        bundle: usize,
    ) {
        let start = self.now();
        let bundle = Arc::clone(&self.bundles[bundle].bundle);
        let key = bundle.key();
        let inputs = [
            &numbered("proof ", index),
            &numbered(", rows: ", rows.inputs.rows()),
            ", SHA-256 ",
            &fingerprint(&Sha256::digest(&rows.proof).into()),
        ]
        .concat();
        // 1. Commitments, leaves, statement.
        let Some(stated) = StatedRows::read(key.key(), bundle.digest(), rows) else {
            let reason = "An input commitment is no canonical point, or public inputs do not fit \
                          the circuit.";
            draft.add(names::PROOF, inputs, Outcome::Failed, reason);
            return;
        };
        let mut records = records::of_rows(index, &bundle, rows, &stated);
        draft.leaves[index].clone_from(&stated.leaves);
        let statement = stated.statement(bundle.model(), &evidence.origin);
        // 2. The proof and its link.
        let claim = match read_proof(key, &statement, &rows.proof) {
            Ok(claim) => claim,
            Err(error) => {
                let reason = sentence("The proof is refused", &error);
                draft.add(names::PROOF, inputs, Outcome::Failed, reason);
                return;
            }
        };
        let reason = "The proof holds for the statement that the file makes.";
        let proof_check = draft.add(names::PROOF, inputs, Outcome::Passed, reason);
        let job = self.add_job(Arc::clone(key), claim.opening, claim.binding);
        self.target(&[job], draft.file, proof_check);
        draft.took(self.now() - start);
        let mut checks = vec![proof_check];
        if let Some(link) = claim.link {
            let reason = "The proof uses the committed model and the committed inputs.";
            let inputs = numbered("proof ", index);
            let check = draft.add(names::LINK, inputs, Outcome::Passed, reason);
            let job = self.add_job(Arc::clone(key), link, claim.binding);
            self.target(&[job], draft.file, check);
            checks.push(check);
        }
        // 3. Disclosed inputs.
        for disclosed in &rows.disclosures {
            let row = disclosed.row as usize;
            let start = self.now();
            let inputs = [numbered("proof ", index), numbered(", row ", row)].concat();
            let (Some(commitment), Some(leaf)) =
                (stated.commitments.get(row), stated.leaves.get(row))
            else {
                continue; // the decoder refuses such rows
            };
            let statement = Disclosed {
                circuit_id: key.circuit_id(),
                leaf,
                commitment,
                inputs: &disclosed.inputs,
            };
            match disclosure::read(key.key(), &statement, &disclosed.proof) {
                Ok(equation) => {
                    let reason = "The inputs shown are the committed ones.";
                    let check = draft.add(names::DISCLOSURE, inputs, Outcome::Passed, reason);
                    let binding =
                        hash_parts(&[&claim.binding, &statement.digest(), &disclosed.proof]);
                    let job = self.add_job(Arc::clone(key), equation, binding);
                    self.target(&[job], draft.file, check);
                    records[row].inputs = Some(disclosed.inputs.clone());
                    checks.push(check);
                }
                Err(error) => {
                    let reason = sentence("The disclosure is refused", &error);
                    draft.add(names::DISCLOSURE, inputs, Outcome::Failed, reason);
                }
            }
            draft.took(self.now() - start);
        }
        // 4. What the policy read of the metadata.
        let policy = bundle.parts().policy.as_ref();
        if let Some(policy) = policy.filter(|policy| !policy.fields.is_empty()) {
            check_fields(draft, policy, index, rows, &records);
        }
        draft.proofs.push(ProofDraft { checks, records });
    }

    /// Checks the log's window; the rows' own proofs are checked by now.
    fn check_window(
        &mut self,
        draft: &mut Draft,
        evidence: &Evidence,
        window: &LogWindow,
        bundles: &[Option<usize>],
    ) {
        let start = self.now();
        let digest = |reference: &BundleRef| match reference {
            BundleRef::Embedded(bytes) => Sha256::digest(bytes).into(),
            BundleRef::Digest(digest) => *digest,
        };
        let digests: Vec<[u8; 32]> = evidence.bundles.iter().map(digest).collect();
        let options = self.options;
        let checked = log::check(
            evidence,
            window,
            &draft.leaves,
            &digests,
            &options.log_keys,
            &options.witness_keys,
        );
        for check in checked.checks {
            draft.add(check.name, check.inputs, check.outcome, check.reason);
        }
        draft.took(self.now() - start);
        let mut unchecked = checked.not_checked;
        // Running totals, for each bundle that has some.
        let mut proofs = window.totals.iter();
        for (number, index) in bundles.iter().enumerate() {
            let Some(bundle) = index.map(|index| Arc::clone(&self.bundles[index].bundle)) else {
                continue;
            };
            let policy = bundle.parts().policy.as_ref();
            let Some(policy) = policy.filter(|policy| !policy.totals.is_empty()) else {
                continue;
            };
            let start = self.now();
            let inputs = ["policy ", &policy.name].concat();
            let proof = proofs.next();
            let found =
                totals::claim(evidence, number, &bundle, &draft.leaves, window).and_then(|chain| {
                    match proof {
                        Some(proof) => chain.read(bundle.key().key(), proof),
                        None => Err((Outcome::Failed, totals::MISSING.into())),
                    }
                });
            match found {
                Ok((equations, binding)) => {
                    let reason = "Each running total goes on from the decision before it, or begins at zero in a new window.";
                    let check = draft.add(names::TOTALS, inputs, Outcome::Passed, reason);
                    for equation in equations {
                        let job = self.add_job(Arc::clone(bundle.key()), equation, binding);
                        self.target(&[job], draft.file, check);
                    }
                    unchecked.push(totals::START.into());
                }
                Err((outcome, reason)) => {
                    draft.add(names::TOTALS, inputs, outcome, reason);
                }
            }
            draft.took(self.now() - start);
        }
        draft.log = Some((checked.report, unchecked));
    }
}
