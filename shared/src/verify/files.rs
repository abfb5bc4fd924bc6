//! Checking evidence files: from bytes to reports.
//!
//! 1. Claim: a report's checks are what SOUNDNESS asks of a verdict, and "valid" is said only of
//!    proofs under a bundle that the auditor pinned.
//! 2. Method: everything is decoded and read first, each proof leaving linear equations; all
//!    equations of all files are then checked together, and singly only if that fails.
//! 3. Assumed: nothing of the files; of the trusted bundles, that the auditor has them from a
//!    source they trust.
//! 4. Source: DESIGN sections 1 and 8, SOUNDNESS conditions 1 to 8 and 18.

use std::collections::HashSet;
use std::sync::Arc;

use crate::bn254::G1Affine;
use sha2::{Digest, Sha256};

use super::bases::bases_equation;
use super::batch::{failures, holds, Pending};
use super::claim::Equation;
use super::prepared::{Generators, PreparedKey};
use super::proof::read_proof;
use super::report::{
    names, verdict, Check, Model, Outcome, Record, Report, ShownMetadata, Verdict,
};
use super::rows::StatedRows;
use super::srs::{recognise, Recognised};
use super::statement::{hash_parts, Claimed, Statement};
use crate::artifact::bundle::Bundle;
use crate::artifact::evidence::{BundleRef, Evidence, Inputs, Metadata, ProvedRows};
use crate::artifact::key::{LinkKind, Scheme};
use crate::commitment::disclosure::{self, Disclosed};
use crate::encoding::{hex, point_to_bytes, points_from_bytes};

/// What the auditor brings.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// Bundles that the auditor trusts: they pin circuit, model, registration and reference string.
    pub trust: Vec<&'a [u8]>,
    /// Accept the development reference string, under which anybody can forge proofs.
    pub allow_insecure_dev_srs: bool,
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
    let mut session = Session::new(options);
    // 1. Decode and read everything; what remains are equations.
    let mut drafts: Vec<Draft> = vec![];
    for (index, (name, bytes)) in files.iter().enumerate() {
        let draft = session.read_file(index, name, bytes);
        drafts.push(draft);
    }
    // 2. Check all equations at once, and find the culprits if that fails.
    let start = session.now();
    let jobs: Vec<&Job> = session
        .jobs
        .iter()
        .filter(|j| !j.targets.is_empty())
        .collect();
    let pending: Vec<Pending<'_>> = jobs.iter().map(|job| job.pending()).collect();
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
    // 3. Verdicts.
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

/// A bundle whose keys and points have been read.
struct Loaded {
    digest: [u8; 32],
    bundle: Bundle,
    key: Arc<PreparedKey>,
    model: Vec<G1Affine>,
    registration_keys: Vec<Arc<PreparedKey>>,
    /// Jobs of the bundle's own checks, made on first use.
    own_jobs: Option<OwnJobs>,
}

#[derive(Clone)]
struct OwnJobs {
    bases: Vec<usize>,
    registration: Result<Vec<usize>, String>,
}

struct Session<'a> {
    options: &'a Options<'a>,
    /// All bundles seen, trusted ones first.
    bundles: Vec<Loaded>,
    trusted: usize,
    unreadable_trust: Vec<String>,
    jobs: Vec<Job>,
}

impl<'a> Session<'a> {
    fn new(options: &'a Options<'a>) -> Self {
        let mut session = Self {
            options,
            bundles: vec![],
            trusted: 0,
            unreadable_trust: vec![],
            jobs: vec![],
        };
        for bytes in &options.trust {
            if let Err(reason) = session.load(bytes) {
                session.unreadable_trust.push(reason);
            }
        }
        session.trusted = session.bundles.len();
        session
    }

    fn now(&self) -> f64 {
        self.options.clock.map_or(0.0, |clock| clock())
    }

    /// Reads a bundle, or finds it among those read before.
    fn load(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        if let Some(known) = self.bundles.iter().position(|b| b.digest == digest) {
            return Ok(known);
        }
        let bundle = Bundle::decode(bytes).map_err(|e| sentence("The bundle is refused", &e))?;
        let own = match &bundle.generators {
            Some(bytes) => Some(
                Generators::from_bytes(bytes)
                    .ok_or("The bundle's generators are not canonical points of the curve.")?,
            ),
            None => None,
        };
        let known = &self.bundles;
        let generators = |key: &crate::artifact::key::VerifyingKey| {
            own.clone()
                .unwrap_or_else(|| borrowed_generators(known, key))
        };
        let key = PreparedKey::decode(&bundle.key, generators)
            .map_err(|e| sentence("The bundle's key is refused", &e))?;
        let model = points_from_bytes(&bundle.model)
            .ok_or("The model commitments are not canonical points of the curve.")?;
        if model.len() != key.key().model_columns() {
            return Err("The number of model commitments is not the circuit's.".into());
        }
        let mut registration_keys: Vec<Arc<PreparedKey>> = vec![];
        for (i, registration) in bundle.registration.iter().enumerate() {
            let same = |j: &usize| bundle.registration[*j].key == registration.key;
            if let Some(j) = (0..i).find(same) {
                registration_keys.push(Arc::clone(&registration_keys[j]));
                continue;
            }
            let generators = Arc::clone(key.generators());
            let key = PreparedKey::decode(&registration.key, |_| generators)
                .map_err(|e| sentence("A registration key is refused", &e))?;
            registration_keys.push(Arc::new(key));
        }
        self.bundles.push(Loaded {
            digest,
            bundle,
            key: Arc::new(key),
            model,
            registration_keys,
            own_jobs: None,
        });
        Ok(self.bundles.len() - 1)
    }

    /// The jobs of a bundle's bases and registration.
    fn own_jobs(&mut self, index: usize) -> OwnJobs {
        if let Some(jobs) = &self.bundles[index].own_jobs {
            return jobs.clone();
        }
        let loaded = &self.bundles[index];
        let mut keys = vec![Arc::clone(&loaded.key)];
        for key in &loaded.registration_keys {
            if keys.iter().all(|k| k.circuit_id() != key.circuit_id()) {
                keys.push(Arc::clone(key));
            }
        }
        let registration = read_registration(loaded);
        let mut bases = vec![];
        for key in keys {
            let equation = bases_equation(&key);
            let binding = *key.circuit_id();
            bases.push(self.add_job(key, equation, binding));
        }
        let registration = registration.map(|equations| {
            let mut jobs = vec![];
            for (key, equation, binding) in equations {
                jobs.push(self.add_job(key, equation, binding));
            }
            jobs
        });
        let own_jobs = OwnJobs {
            bases,
            registration,
        };
        self.bundles[index].own_jobs = Some(own_jobs.clone());
        own_jobs
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
        // 4. The records together.
        check_unique(&mut draft, &evidence);
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
                match self.load(bytes) {
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
                    .position(|b| b.digest == *digest);
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
        let loaded = &self.bundles[index];
        draft.models.push(Model {
            name: loaded.bundle.name.clone(),
            circuit_id: hex(loaded.key.circuit_id()),
            commitment: hex(&Sha256::digest(&loaded.bundle.model)),
            bundle: hex(&loaded.digest),
        });
        let inputs = [
            "circuit ",
            &fingerprint(loaded.key.circuit_id()),
            ", model ",
            &fingerprint(&Sha256::digest(&loaded.bundle.model).into()),
        ]
        .concat();
        let (outcome, reason) = self.trust(loaded);
        let pinned = outcome == Outcome::Passed;
        draft.add(names::BUNDLE_TRUSTED, inputs, outcome, reason);
        // 3. The reference string.
        let start = self.now();
        let (inputs, outcome, reason) = self.judge_srs(loaded, pinned);
        draft.add(names::SRS_RECOGNISED, inputs, outcome, reason);
        draft.took(self.now() - start);
        // 4. Bases and registration.
        let start = self.now();
        let jobs = self.own_jobs(index);
        let bases = draft.add(
            names::KEY_BASES,
            numbered("keys: ", jobs.bases.len()),
            Outcome::Passed,
            "The keys' bases are the Lagrange bases of their reference string.",
        );
        self.target(&jobs.bases, draft.file, bases);
        let columns = self.bundles[index].model.len();
        let inputs = numbered("weight columns: ", columns);
        match &jobs.registration {
            Ok(registration) => {
                let reason = match columns {
                    0 => "The circuit has no committed weights.",
                    _ => "The committed weights are integers in their declared ranges.",
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

    fn trust(&self, loaded: &Loaded) -> (Outcome, &'static str) {
        let trusted = &self.bundles[..self.trusted];
        let same_model = |t: &&Loaded| {
            t.bundle.key == loaded.bundle.key && t.bundle.model == loaded.bundle.model
        };
        if trusted.iter().any(|t| same_bundle(t, loaded)) {
            (
                Outcome::Passed,
                "Circuit, model, registration and reference string are those of a bundle that \
                 you supplied.",
            )
        } else if trusted.iter().any(|t| same_model(&t)) {
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

    fn judge_srs(&self, loaded: &Loaded, pinned: bool) -> (String, Outcome, &'static str) {
        match recognise(&loaded.key) {
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
            Recognised::Unlisted if pinned && loaded.key.key().scheme() == Scheme::Kzg => (
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
        let loaded = &self.bundles[bundle];
        let key = Arc::clone(&loaded.key);
        let inputs = [
            &numbered("proof ", index),
            &numbered(", rows: ", rows.inputs.rows()),
            ", SHA-256 ",
            &fingerprint(&Sha256::digest(&rows.proof).into()),
        ]
        .concat();
        // 1. Commitments, leaves, statement.
        let Some(stated) = StatedRows::read(key.key(), rows) else {
            let reason = "An input commitment is no canonical point, or public inputs do not fit \
                          the circuit.";
            draft.add(names::PROOF, inputs, Outcome::Failed, reason);
            return;
        };
        let mut records = Vec::with_capacity(stated.leaves.len());
        for (row, leaf) in stated.leaves.iter().enumerate() {
            let values = rows.released_of(row);
            records.push(Record {
                proof: index,
                row,
                model: loaded.bundle.name.clone(),
                commitment: hex(&point_to_bytes(&stated.commitments[row])),
                released: values.to_vec(),
                decision: decision(&loaded.bundle.released_names, values),
                metadata: shown_metadata(rows, row),
                inputs: match &rows.inputs {
                    Inputs::Public(inputs) => inputs.get(row).cloned(),
                    Inputs::Committed(_) => None,
                },
                leaf: hex(leaf),
            });
        }
        let statement = stated.statement(&loaded.model, &evidence.origin);
        // 2. The proof and its link.
        let claim = match read_proof(&key, &statement, &rows.proof) {
            Ok(claim) => claim,
            Err(error) => {
                let reason = sentence("The proof is refused", &error);
                draft.add(names::PROOF, inputs, Outcome::Failed, reason);
                return;
            }
        };
        let reason = "The proof holds for the statement that the file makes.";
        let proof_check = draft.add(names::PROOF, inputs, Outcome::Passed, reason);
        let job = self.add_job(Arc::clone(&key), claim.opening, claim.binding);
        self.target(&[job], draft.file, proof_check);
        draft.took(self.now() - start);
        let mut checks = vec![proof_check];
        if let Some(link) = claim.link {
            let reason = "The proof uses the committed model and the committed inputs.";
            let inputs = numbered("proof ", index);
            let check = draft.add(names::LINK, inputs, Outcome::Passed, reason);
            let job = self.add_job(Arc::clone(&key), link, claim.binding);
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
                    let job = self.add_job(Arc::clone(&key), equation, binding);
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
        draft.proofs.push(ProofDraft { checks, records });
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
            not_checked.push(if self.log_named {
                NO_INCLUSION.into()
            } else {
                NO_LOG.into()
            });
        }
        Report {
            file: self.name,
            verdict,
            checks,
            not_checked,
            models: self.models,
            records,
        }
    }
}

// -------------------------------------------------------------------------------------- steps

/// Generators for a key whose bundle carries none: those of another bundle, if their number fits.
fn borrowed_generators(
    bundles: &[Loaded],
    key: &crate::artifact::key::VerifyingKey,
) -> Arc<Generators> {
    let fits = |b: &&Loaded| b.key.key().srs == key.srs && b.key.key().k == key.k;
    bundles
        .iter()
        .find(fits)
        .map_or_else(Generators::none, |b| Arc::clone(b.key.generators()))
}

/// Equal in all but the registration proofs' bytes and whether the generators travel along.
fn same_bundle(a: &Loaded, b: &Loaded) -> bool {
    let registration = |loaded: &Loaded| -> Vec<([u8; 32], u32, u32)> {
        let entries = loaded.bundle.registration.iter();
        entries
            .zip(&loaded.registration_keys)
            .map(|(entry, key)| (*key.circuit_id(), entry.first, entry.count))
            .collect()
    };
    a.digest == b.digest
        || (a.bundle.key == b.bundle.key
            && a.bundle.model == b.bundle.model
            && a.bundle.name == b.bundle.name
            && a.bundle.released_names == b.bundle.released_names
            && a.bundle.skeleton == b.bundle.skeleton
            && a.bundle.params == b.bundle.params
            && a.key.generators().digest() == b.key.generators().digest()
            && registration(a) == registration(b))
}

type BoundEquation = (Arc<PreparedKey>, Equation, [u8; 32]);

/// Reads the registration proofs, which must cover each weight column once.
fn read_registration(loaded: &Loaded) -> Result<Vec<BoundEquation>, String> {
    let key = loaded.key.key();
    let mut covered = vec![false; loaded.model.len()];
    let mut equations = vec![];
    let entries = loaded.bundle.registration.iter();
    for (entry, registration_key) in entries.zip(&loaded.registration_keys) {
        // 1. Its columns.
        let first = entry.first as usize;
        let columns = first..first.saturating_add(entry.count as usize);
        let (Some(cells), Some(model)) =
            (covered.get_mut(columns.clone()), loaded.model.get(columns))
        else {
            return Err("A registration proof covers columns that the model does not have.".into());
        };
        if cells.iter().any(|covered| *covered) || cells.is_empty() {
            return Err("A weight column is covered by two registration proofs.".into());
        }
        cells.fill(true);
        // 2. The same domain, blinding rows included, and reference string; weights alone.
        let other = registration_key.key();
        let same_domain = other.k == key.k
            && other.srs == key.srs
            && registration_key.usable_rows() == loaded.key.usable_rows();
        if !same_domain || other.link(LinkKind::Inputs).is_some() {
            return Err("A registration key is of another domain or reference string.".into());
        }
        // 3. The proof.
        let statement = Statement {
            claimed: Claimed::Registration,
            model,
            inputs: &[],
            leaves: &[],
            origin: "",
            released: &[],
        };
        let claim = read_proof(registration_key, &statement, &entry.proof)
            .map_err(|error| sentence("A registration proof is refused", &error))?;
        let parts = [Some(claim.opening), claim.link].into_iter().flatten();
        equations.extend(parts.map(|part| (Arc::clone(registration_key), part, claim.binding)));
    }
    if covered.iter().any(|covered| !covered) {
        return Err("A weight column is covered by no registration proof.".into());
    }
    Ok(equations)
}

/// What may be shown of a row's metadata.
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
    let mut seen = HashSet::new();
    let mut repeated = false;
    for rows in &evidence.proofs {
        if let Inputs::Committed(commitments) = &rows.inputs {
            for commitment in commitments {
                repeated |= !seen.insert(commitment);
            }
        }
    }
    let (outcome, reason) = if repeated {
        (
            Outcome::Failed,
            "An input commitment occurs twice: a decision is counted twice or randomness was reused.",
        )
    } else {
        (Outcome::Passed, "No input commitment occurs twice.")
    };
    let inputs = numbered("commitments: ", seen.len());
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

fn failure_sentence(name: &str) -> &'static str {
    match name {
        names::KEY_BASES => "A key's bases are not the Lagrange bases of its reference string.",
        names::REGISTRATION => "A registration proof does not hold.",
        names::LINK => "The proof is not linked to this model and these input commitments.",
        names::DISCLOSURE => "The inputs shown are not the committed ones.",
        _ => "The proof does not hold for the statement that the file makes.",
    }
}

fn sentence(what: &str, error: &dyn std::error::Error) -> String {
    [what, ": ", &error.to_string(), "."].concat()
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
