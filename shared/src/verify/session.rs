//! One verification: the bundles that its files rest on, and the equations that remain to be checked.
//!
//! 1. Claim: a bundle passes only if its bytes are canonical, its bases are those of a reference string that the
//!    auditor accepts, its registration holds, and it is one that the auditor pinned.
//! 2. Assumed: of the trusted bundles, that the auditor has them from a source they trust.
//! 3. Source: DESIGN sections 1 and 8, SOUNDNESS conditions 1 to 8.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::bases::bases_equation;
use super::batch::Pending;
use super::bundle::PreparedBundle;
use super::checked::CheckedBundles;
use super::claim::Equation;
use super::draft::{fingerprint, numbered, Draft};
use super::files::Options;
use super::prepared::PreparedKey;
use super::report::{names, Model, Outcome};
use super::srs::{recognise, Recognised};
use crate::artifact::evidence::BundleRef;
use crate::artifact::key::Scheme;
use crate::encoding::hex;

/// An equation, and the checks that fail with it.
pub(super) struct Job {
    pub(super) key: Arc<PreparedKey>,
    pub(super) equation: Equation,
    pub(super) binding: [u8; 32],
    pub(super) targets: Vec<(usize, usize)>,
}

impl Job {
    pub(super) fn pending(&self) -> Pending<'_> {
        Pending {
            key: &self.key,
            equation: &self.equation,
            binding: &self.binding,
        }
    }
}

/// A bundle of this session.
pub(super) struct Loaded {
    pub(super) bundle: Arc<PreparedBundle>,
    pub(super) origin: Origin,
    /// Jobs of the bundle's own checks, made on first use.
    pub(super) own_jobs: Option<OwnJobs>,
}

/// Where a prepared bundle comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Its bytes.
    Read,
    /// A verifier that found its bases and its registration to hold, on these very bytes.
    CheckedBefore,
}

#[derive(Clone)]
pub(super) struct OwnJobs {
    bases: Vec<usize>,
    registration: Result<Vec<usize>, String>,
}

pub(super) struct Session<'a> {
    pub(super) options: &'a Options<'a>,
    /// Bundles that held in earlier sessions.
    pub(super) checked: &'a mut CheckedBundles,
    /// All bundles seen, trusted ones first.
    pub(super) bundles: Vec<Loaded>,
    pub(super) trusted: usize,
    pub(super) unreadable_trust: Vec<String>,
    pub(super) jobs: Vec<Job>,
}

impl<'a> Session<'a> {
    pub(super) fn new(options: &'a Options<'a>, checked: &'a mut CheckedBundles) -> Self {
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

    pub(super) fn now(&self) -> f64 {
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
    pub(super) fn remember(&mut self, failed: &[usize]) {
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

    pub(super) fn add_job(
        &mut self,
        key: Arc<PreparedKey>,
        equation: Equation,
        binding: [u8; 32],
    ) -> usize {
        self.jobs.push(Job {
            key,
            equation,
            binding,
            targets: vec![],
        });
        self.jobs.len() - 1
    }

    pub(super) fn target(&mut self, jobs: &[usize], file: usize, check: usize) {
        for job in jobs {
            self.jobs[*job].targets.push((file, check));
        }
    }

    /// Checks a bundle; `None` if it cannot be used.
    pub(super) fn check_bundle(
        &mut self,
        draft: &mut Draft,
        reference: &BundleRef,
    ) -> Option<usize> {
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
}
