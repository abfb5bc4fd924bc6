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

use super::bases::bases_equation;
use super::batch::{failures, holds, Pending};
use super::bundle::{sentence, PreparedBundle};
use super::checked::CheckedBundles;
use super::claim::Equation;
use super::fields;
use super::log;
use super::prepared::PreparedKey;
use super::proof::read_proof;
use super::report::{
    names, verdict, Check, LogReport, Model, Outcome, Record, Report, ShownMetadata, Verdict,
};
use super::rows::StatedRows;
use super::srs::{recognise, Recognised};
use super::statement::hash_parts;
use super::totals;
use crate::artifact::evidence::{BundleRef, Evidence, Inputs, Metadata, ProvedRows};
use crate::artifact::key::Scheme;
use crate::artifact::policy::PolicyDescription;
use crate::artifact::window::{LogWindow, Place};
use crate::commitment::disclosure::{self, Disclosed};
use crate::encoding::{hex, point_to_bytes};
use crate::order::has_repeated;

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

// ------------------------------------------------------------------------------------ session

/// An equation, and the checks that fail with it.
struct Job {
    key: Arc<PreparedKey>,
    equation: Equation,
    binding: [u8; 32],
    targets: Vec<(usize, usize)>,
}

impl Job {
    fn pending(&self) -> Pending<'_> {
        Pending {
            key: &self.key,
            equation: &self.equation,
            binding: &self.binding,
        }
    }
}

/// A bundle of this session.
struct Loaded {
    bundle: Arc<PreparedBundle>,
    origin: Origin,
    /// Jobs of the bundle's own checks, made on first use.
    own_jobs: Option<OwnJobs>,
}

/// Where a prepared bundle comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Its bytes.
    Read,
    /// A verifier that found its bases and its registration to hold, on these very bytes.
    CheckedBefore,
}

#[derive(Clone)]
struct OwnJobs {
    bases: Vec<usize>,
    registration: Result<Vec<usize>, String>,
}

struct Session<'a> {
    options: &'a Options<'a>,
    /// Bundles that held in earlier sessions.
    checked: &'a mut CheckedBundles,
    /// All bundles seen, trusted ones first.
    bundles: Vec<Loaded>,
    trusted: usize,
    unreadable_trust: Vec<String>,
    jobs: Vec<Job>,
}

impl<'a> Session<'a> {
    fn new(options: &'a Options<'a>, checked: &'a mut CheckedBundles) -> Self {
        let mut session = Self {
            options,
            checked,
            bundles: vec![],
            trusted: 0,
            unreadable_trust: vec![],
            jobs: vec![],
        };
        for bytes in &options.trust {
            if let Err(reason) = session.load(bytes, Sha256::digest(bytes).into()) {
                session.unreadable_trust.push(reason);
            }
        }
        session.trusted = session.bundles.len();
        session
    }

    fn now(&self) -> f64 {
        self.options.clock.map_or(0.0, |clock| clock())
    }

    /// Reads a bundle, or finds it by its SHA-256 among those read before.
    fn load(&mut self, bytes: &[u8], digest: [u8; 32]) -> Result<usize, String> {
        if let Some(known) = self
            .bundles
            .iter()
            .position(|b| *b.bundle.digest() == digest)
        {
            return Ok(known);
        }
        let (bundle, origin) = match self.checked.find(&digest) {
            Some(bundle) => (bundle, Origin::CheckedBefore),
            None => {
                let known = self.bundles.iter().map(|b| &*b.bundle);
                let bundle = PreparedBundle::read(bytes, digest, known)?;
                (Arc::new(bundle), Origin::Read)
            }
        };
        self.bundles.push(Loaded {
            bundle,
            origin,
            own_jobs: None,
        });
        Ok(self.bundles.len() - 1)
    }

    /// The jobs of a bundle's bases and registration; none if both were found to hold before.
    fn own_jobs(&mut self, index: usize) -> OwnJobs {
        let loaded = &self.bundles[index];
        if let Some(jobs) = &loaded.own_jobs {
            return jobs.clone();
        }
        let bundle = Arc::clone(&loaded.bundle);
        let own_jobs = match loaded.origin {
            Origin::CheckedBefore => OwnJobs {
                bases: vec![],
                registration: Ok(vec![]),
            },
            Origin::Read => {
                let registration = bundle.read_registration();
                let mut bases = vec![];
                for key in bundle.keys() {
                    let equation = bases_equation(key);
                    bases.push(self.add_job(Arc::clone(key), equation, *key.circuit_id()));
                }
                let registration = registration.map(|equations| {
                    let mut jobs = vec![];
                    for (key, equation, binding) in equations {
                        jobs.push(self.add_job(key, equation, binding));
                    }
                    jobs
                });
                OwnJobs {
                    bases,
                    registration,
                }
            }
        };
        self.bundles[index].own_jobs = Some(own_jobs.clone());
        own_jobs
    }

    /// Keeps each bundle of which every check was made and none failed.
    fn remember(&mut self, failed: &[usize]) {
        for loaded in &self.bundles {
            let Some(OwnJobs {
                bases,
                registration: Ok(registration),
            }) = &loaded.own_jobs
            else {
                continue;
            };
            let mut jobs = bases.iter().chain(registration);
            if jobs.all(|job| !failed.contains(job)) {
                self.checked.keep(&loaded.bundle);
            }
        }
    }

    fn add_job(&mut self, key: Arc<PreparedKey>, equation: Equation, binding: [u8; 32]) -> usize {
        self.jobs.push(Job {
            key,
            equation,
            binding,
            targets: vec![],
        });
        self.jobs.len() - 1
    }

    fn target(&mut self, jobs: &[usize], file: usize, check: usize) {
        for job in jobs {
            self.jobs[*job].targets.push((file, check));
        }
    }

    // -------------------------------------------------------------------------------- one file

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

    /// Checks a bundle; `None` if it cannot be used.
    fn check_bundle(&mut self, draft: &mut Draft, reference: &BundleRef) -> Option<usize> {
        // 1. Canonical, or at hand.
        let start = self.now();
        let index = match reference {
            BundleRef::Embedded(bytes) => {
                let digest: [u8; 32] = Sha256::digest(bytes).into();
                let inputs = ["bundle ", &fingerprint(&digest)].concat();
                match self.load(bytes, digest) {
                    Ok(index) => {
                        let reason = "The bundle, its keys and its commitments are canonical.";
                        draft.add(names::BUNDLE_ENCODING, inputs, Outcome::Passed, reason);
                        index
                    }
                    Err(reason) => {
                        draft.add(names::BUNDLE_ENCODING, inputs, Outcome::Failed, reason);
                        return None;
                    }
                }
            }
            BundleRef::Digest(digest) => {
                let inputs = ["bundle ", &fingerprint(digest)].concat();
                let known = self.bundles[..self.trusted]
                    .iter()
                    .position(|b| b.bundle.digest() == digest);
                let Some(index) = known else {
                    let reason =
                        "The file names its bundle by digest alone, and you supplied none \
                                  with this digest.";
                    draft.add(names::BUNDLE_TRUSTED, inputs, Outcome::Unknown, reason);
                    return None;
                };
                let reason = "The bundle named by the file is one that you supplied.";
                draft.add(names::BUNDLE_ENCODING, inputs, Outcome::Passed, reason);
                index
            }
        };
        draft.took(self.now() - start);
        // 2. Pinned.
        let bundle = Arc::clone(&self.bundles[index].bundle);
        let model_digest: [u8; 32] = Sha256::digest(&bundle.parts().model).into();
        draft.models.push(Model {
            name: bundle.parts().name.clone(),
            circuit_id: hex(bundle.key().circuit_id()),
            commitment: hex(&model_digest),
            bundle: hex(bundle.digest()),
        });
        let inputs = [
            "circuit ",
            &fingerprint(bundle.key().circuit_id()),
            ", model ",
            &fingerprint(&model_digest),
        ]
        .concat();
        let (outcome, reason) = self.trust(&bundle);
        let pinned = outcome == Outcome::Passed;
        draft.add(names::BUNDLE_TRUSTED, inputs, outcome, reason);
        // 3. The reference string.
        let start = self.now();
        let (inputs, outcome, reason) = self.judge_srs(bundle.key(), pinned);
        draft.add(names::SRS_RECOGNISED, inputs, outcome, reason);
        draft.took(self.now() - start);
        // 4. Bases and registration.
        let start = self.now();
        let before = self.bundles[index].origin == Origin::CheckedBefore;
        let jobs = self.own_jobs(index);
        let reason = match before {
            true => "The keys' bases were checked before, in a bundle of the same bytes.",
            false => "The keys' bases are the Lagrange bases of their reference string.",
        };
        let inputs = numbered("keys: ", bundle.keys().len());
        let bases = draft.add(names::KEY_BASES, inputs, Outcome::Passed, reason);
        self.target(&jobs.bases, draft.file, bases);
        let columns = bundle.model().len();
        let inputs = numbered("weight columns: ", columns);
        match &jobs.registration {
            Ok(registration) => {
                let reason = match (columns, before) {
                    (0, _) => "The circuit has no committed weights.",
                    (_, true) => {
                        "The registration was checked before, in a bundle of the same bytes: the \
                         committed weights are integers in their declared ranges."
                    }
                    (_, false) => "The committed weights are integers in their declared ranges.",
                };
                let check = draft.add(names::REGISTRATION, inputs, Outcome::Passed, reason);
                self.target(registration, draft.file, check);
            }
            Err(reason) => {
                draft.add(
                    names::REGISTRATION,
                    inputs,
                    Outcome::Failed,
                    reason.as_str(),
                );
            }
        }
        draft.took(self.now() - start);
        Some(index)
    }

    fn trust(&self, bundle: &PreparedBundle) -> (Outcome, &'static str) {
        let trusted = &self.bundles[..self.trusted];
        if trusted.iter().any(|t| t.bundle.same_bundle(bundle)) {
            (
                Outcome::Passed,
                "Circuit, model, registration and reference string are those of a bundle that \
                 you supplied.",
            )
        } else if trusted.iter().any(|t| t.bundle.same_model(bundle)) {
            (
                Outcome::Failed,
                "Circuit and model are those of a bundle that you supplied, but the name, the \
                 skeleton, the parameters or the registration is not.",
            )
        } else if !self.unreadable_trust.is_empty() {
            (
                Outcome::Unknown,
                "A bundle that you supplied cannot be read, and none of the others is this one.",
            )
        } else if trusted.is_empty() {
            (
                Outcome::Unknown,
                "You supplied no trusted bundle: the file is self-consistent at best.",
            )
        } else {
            (
                Outcome::Unknown,
                "No bundle that you supplied has this circuit and this model.",
            )
        }
    }

    fn judge_srs(&self, key: &PreparedKey, pinned: bool) -> (String, Outcome, &'static str) {
        match recognise(key.key(), key.generators()) {
            Recognised::Ceremony(name) => (
                name.into(),
                Outcome::Passed,
                "The reference string is that of a named ceremony.",
            ),
            Recognised::Transparent => (
                "IPA generators".into(),
                Outcome::Passed,
                "The generators are those hashed to the curve; there is no trusted setup.",
            ),
            Recognised::Development if self.options.allow_insecure_dev_srs => (
                "development string".into(),
                Outcome::Passed,
                "INSECURE: the development string, allowed by you; anybody can forge such proofs.",
            ),
            Recognised::Development => (
                "development string".into(),
                Outcome::Failed,
                "The development string's secret is published: anybody can forge such proofs.",
            ),
            Recognised::Wrong(reason) => ("contradiction".into(), Outcome::Failed, reason),
            // Generators are not part of the circuit id: a pin does not stand in for their digest.
            Recognised::Unlisted if pinned && key.key().scheme() == Scheme::Kzg => (
                "not listed".into(),
                Outcome::Passed,
                "The reference string is not listed here, and is the one of a bundle that you \
                 supplied.",
            ),
            Recognised::Unlisted => (
                "not listed".into(),
                Outcome::Unknown,
                "The reference string is neither listed here nor in a bundle that you supplied.",
            ),
        }
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
        let digest = hex(bundle.digest());
        let mut records = Vec::with_capacity(stated.leaves.len());
        for (row, leaf) in stated.leaves.iter().enumerate() {
            let values = rows.released_of(row);
            records.push(Record {
                proof: index,
                row,
                model: bundle.parts().name.clone(),
                bundle: digest.clone(),
                commitment: hex(&point_to_bytes(&stated.commitments[row])),
                released: values.to_vec(),
                decision: decision(&bundle.parts().released_names, values),
                compliant: compliant(&bundle.parts().released_names, values),
                metadata: shown_metadata(rows, row),
                inputs: match &rows.inputs {
                    Inputs::Public(inputs) => inputs.get(row).cloned(),
                    Inputs::Committed(_) => None,
                },
                leaf: hex(leaf),
                seq: place(rows, row).map(|place| place.seq),
                time_ms: place(rows, row).map(|place| place.time_ms),
                lifecycle: lifecycle(rows, row),
            });
        }
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
}

impl Session<'_> {
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

// -------------------------------------------------------------------------------------- draft

/// The records of a proof, and the checks that must pass before they are shown.
struct ProofDraft {
    checks: Vec<usize>,
    records: Vec<Record>,
}

/// A report in the making.
struct Draft {
    file: usize,
    name: String,
    checks: Vec<Check>,
    models: Vec<Model>,
    proofs: Vec<ProofDraft>,
    log_named: bool,
    /// Leaf hashes of each proof's rows.
    leaves: Vec<Vec<[u8; 32]>>,
    /// What the file shows of a log, and what of that was not checked.
    log: Option<(LogReport, Vec<String>)>,
}

impl Draft {
    fn new(file: usize, name: &str) -> Self {
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

    fn add(
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
    fn took(&mut self, milliseconds: f64) {
        if let Some(check) = self.checks.last_mut() {
            check.milliseconds += milliseconds;
        }
    }

    fn finish(mut self) -> Report {
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

// -------------------------------------------------------------------------------------- steps

fn place(rows: &ProvedRows, row: usize) -> Option<&Place> {
    rows.logged.as_ref()?.places.get(row)
}

/// The lifecycle entry that a row names.
fn lifecycle(rows: &ProvedRows, row: usize) -> Option<u64> {
    let logged = rows.logged.as_ref()?;
    let named = logged.places.get(row)?.lifecycle;
    Some(logged.lifecycles.get(named as usize)?.index)
}

/// What may be shown of a row's metadata.
/// The fields of all rows whose inputs and metadata are both known.
fn check_fields(
    draft: &mut Draft,
    policy: &PolicyDescription,
    index: usize,
    rows: &ProvedRows,
    records: &[Record],
) {
    let mut compared = 0;
    for record in records {
        let (
            Some(inputs),
            Some(
                Metadata::Shown(shown)
                | Metadata::ShownAlone {
                    metadata: shown, ..
                },
            ),
        ) = (&record.inputs, rows.metadata.get(record.row))
        else {
            continue;
        };
        if let Err(reason) = fields::compare(policy, inputs, shown) {
            let inputs = [numbered("proof ", index), numbered(", row ", record.row)].concat();
            draft.add(names::FIELDS, inputs, Outcome::Failed, reason);
            return;
        }
        compared += 1;
    }
    if compared > 0 {
        let inputs = [numbered("proof ", index), numbered(", rows: ", compared)].concat();
        let reason = "What the policy read of the metadata is what the metadata shown says.";
        draft.add(names::FIELDS, inputs, Outcome::Passed, reason);
    }
}

fn shown_metadata(rows: &ProvedRows, row: usize) -> ShownMetadata {
    match rows.metadata.get(row) {
        Some(Metadata::Shown(bytes)) => readable(bytes),
        Some(Metadata::ShownAlone { metadata, .. }) => readable(metadata),
        Some(Metadata::Hidden(digest)) => ShownMetadata::Hidden(hex(digest)),
        None => ShownMetadata::Hidden(String::new()),
    }
}

fn readable(bytes: &[u8]) -> ShownMetadata {
    match core::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => ShownMetadata::Text(text.to_owned()),
        _ => ShownMetadata::Hex(hex(bytes)),
    }
}

/// Public inputs repeat where inputs do; a committed one repeats only with its randomness.
fn check_unique(draft: &mut Draft, evidence: &Evidence) {
    let mut commitments: Vec<&[u8; 32]> = vec![];
    for rows in &evidence.proofs {
        if let Inputs::Committed(committed) = &rows.inputs {
            commitments.extend(committed);
        }
    }
    let count = commitments.len();
    let repeated = has_repeated(commitments);
    let (outcome, reason) = if repeated {
        (
            Outcome::Failed,
            "An input commitment occurs twice: a decision is counted twice or randomness was reused.",
        )
    } else {
        (Outcome::Passed, "No input commitment occurs twice.")
    };
    let inputs = numbered("commitments: ", count);
    draft.add(names::RECORDS_UNIQUE, inputs, outcome, reason);
}

/// The released values in words.
fn decision(released_names: &[String], values: &[i64]) -> String {
    let mut parts = vec![];
    for (index, value) in values.iter().enumerate() {
        let name = released_names.get(index).map(String::as_str);
        parts.push(match (name, value) {
            (Some(DECISION), 1) => "approved".to_owned(),
            (Some(DECISION), 0) => "declined".to_owned(),
            (Some(name), value) => [name, " = ", &value.to_string()].concat(),
            (None, value) => value.to_string(),
        });
    }
    parts.join(", ")
}

/// The decision among the released values.
fn compliant(released_names: &[String], values: &[i64]) -> Option<bool> {
    let index = released_names.iter().position(|name| name == DECISION)?;
    match values.get(index)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn failure_sentence(name: &str) -> &'static str {
    match name {
        names::KEY_BASES => "A key's bases are not the Lagrange bases of its reference string.",
        names::REGISTRATION => "A registration proof does not hold.",
        names::LINK => "The proof is not linked to this model and these input commitments.",
        names::TOTALS => "A running total does not go on from the decision before it.",
        names::DISCLOSURE => "The inputs shown are not the committed ones.",
        _ => "The proof does not hold for the statement that the file makes.",
    }
}

fn numbered(what: &str, number: usize) -> String {
    [what, &number.to_string()].concat()
}

/// The first 8 bytes: enough to tell files apart by eye, no more.
fn fingerprint(digest: &[u8; 32]) -> String {
    hex(&digest[..8])
}

/// The released name whose values 1 and 0 are decisions.
const DECISION: &str = "decision";

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
