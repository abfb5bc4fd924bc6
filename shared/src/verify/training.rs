//! Checking a training certificate: from bytes to a report of named checks.
//!
//! 1. Claim: "valid" is said iff the roster is the one that the auditor pinned, every round's survivors, commitments,
//!    norm proofs and sum are borne out by enough signatures, the noise satisfies SOUNDNESS condition 24, the privacy
//!    spent follows from the rounds and is within the promise, and t + 1 holders signed all of it.
//! 2. Method: everything is decoded first; then each check looks at all rounds and names the first that fails it.
//! 3. Assumed: at most t of the holders lie; what parties claim of their data is listed as not checked.
//! 4. Source: DESIGN sections 8 and 9; SOUNDNESS conditions 21 to 28; docs/federated.md, "The training certificate".

mod numbers;
pub mod privacy;
pub mod rounds;

use sha2::{Digest, Sha256};

use super::report::{verdict, Check, Outcome, Report, Verdict};
use crate::artifact::evidence::Evidence;
use crate::encoding::hex;
use crate::groth16::{public_inputs, Encoding, Proof, VerifyingKey};
use crate::training::certificate::{
    compliance_context, roster_digest, signed_by, Body, Certificate, Compliance, Deployment,
};
use rounds::ReadRound;

/// What the auditor brings.
#[derive(Clone, Default)]
pub struct TrainingOptions<'a> {
    /// [`roster_digest`] of the parties that the auditor knows.
    pub roster: Option<[u8; 32]>,
    /// Accept Groth16 keys of set-ups whose secrets one person may know.
    pub allow_insecure_setup: bool,
    /// Evidence files of decisions with their reports: they should be of the model that was trained.
    pub evidence: Vec<(&'a [u8], &'a Report)>,
    /// A clock in milliseconds.
    pub clock: Option<&'a dyn Fn() -> f64>,
}

impl core::fmt::Debug for TrainingOptions<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TrainingOptions")
            .field("roster", &self.roster)
            .field("allow_insecure_setup", &self.allow_insecure_setup)
            .finish_non_exhaustive()
    }
}

/// All that was found out about a certificate.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct TrainingReport {
    /// The verdict.
    pub verdict: Verdict,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// What was not checked, or what no signature shows.
    pub not_checked: Vec<String>,
    /// SHA-256 of the roster, hexadecimal, where it could be read.
    pub roster: Option<String>,
    /// The parties.
    pub parties: Vec<PartyFacts>,
    /// Rounds that gave a sum.
    pub rounds: u32,
    /// Privacy spent, as the certificate states it.
    pub privacy: Option<PrivacyFacts>,
    /// Constraints that parties proved, as they stated them.
    pub compliance: Vec<ComplianceFacts>,
    /// SHA-256 of the final model, hexadecimal.
    pub model: Option<String>,
    /// The compiled model.
    pub deployment: Option<DeploymentFacts>,
}

/// One party of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct PartyFacts {
    /// Its name.
    pub name: String,
    /// Ed25519 public key, hexadecimal.
    pub signing_key: String,
    /// Sums that its update is in.
    pub rounds: u32,
    /// Whether it signed the certificate.
    pub signed: bool,
}

/// What privacy was promised and spent.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct PrivacyFacts {
    /// Between which data sets.
    pub adjacency: &'static str,
    /// Releases, aborted attempts included.
    pub rounds: u32,
    /// Spent, by privacy loss distributions.
    pub epsilon: f64,
    /// Spent, by Rényi divergences.
    pub renyi_epsilon: f64,
    /// Promised.
    pub promised_epsilon: f64,
    /// Promised.
    pub delta: f64,
    /// Part of epsilon that the discreteness of the noise takes.
    pub slack_epsilon: f64,
    /// Part of delta that the discreteness of the noise takes.
    pub slack_delta: f64,
    /// Noise multiplier of the last round.
    pub noise_multiplier: f64,
    /// Sampling rate of the last round.
    pub sampling_rate: f64,
    /// L2 sensitivity in the last round, grid units.
    pub sensitivity: f64,
    /// Standard deviation of a party's noise in the last round, grid units.
    pub share_sigma: f64,
}

/// What a party proved of its private fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ComplianceFacts {
    /// Position of the party.
    pub party: u16,
    /// The statement, JSON.
    pub statement: String,
    /// SHA-256 of the key's points, hexadecimal.
    pub key: Option<String>,
    /// Who contributed to the key's set-up.
    pub contributors: Vec<String>,
}

/// What was compiled of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct DeploymentFacts {
    /// Circuit id, hexadecimal.
    pub circuit_id: String,
    /// SHA-256 of the model commitments, hexadecimal.
    pub commitment: String,
    /// SHA-256 of the bundle, hexadecimal.
    pub bundle: String,
    /// Position of the party that compiled it.
    pub party: u16,
}

impl TrainingReport {
    /// The first check of a name.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

/// Checks a certificate.
pub fn verify_certificate(bytes: &[u8], options: &TrainingOptions<'_>) -> TrainingReport {
    let mut draft = Draft {
        options,
        checks: vec![],
    };
    let mut report = TrainingReport {
        verdict: Verdict::Invalid,
        checks: vec![],
        not_checked: NOT_CHECKED.iter().map(|text| (*text).into()).collect(),
        roster: None,
        parties: vec![],
        rounds: 0,
        privacy: None,
        compliance: vec![],
        model: None,
        deployment: None,
    };
    draft.steps(bytes, &mut report);
    report.verdict = verdict(&draft.checks);
    report.checks = draft.checks;
    report
}

/// What a check found: a sentence, or why it does not hold.
type Found = Result<String, String>;

struct Draft<'a> {
    options: &'a TrainingOptions<'a>,
    checks: Vec<Check>,
}

impl Draft<'_> {
    fn now(&self) -> f64 {
        self.options.clock.map_or(0.0, |clock| clock())
    }

    fn step(&mut self, name: &'static str, inputs: String, check: impl FnOnce() -> Found) {
        let start = self.now();
        let (outcome, reason) = match check() {
            Ok(reason) => (Outcome::Passed, reason),
            Err(reason) => (Outcome::Failed, reason),
        };
        self.add(name, inputs, outcome, reason);
        let took = self.now() - start;
        if let Some(check) = self.checks.last_mut() {
            check.milliseconds = took;
        }
    }

    fn add(&mut self, name: &'static str, inputs: String, outcome: Outcome, reason: String) {
        self.checks.push(Check {
            name,
            inputs,
            outcome,
            reason,
            milliseconds: 0.0,
            offline: true,
        });
    }

    fn steps(&mut self, bytes: &[u8], report: &mut TrainingReport) {
        // 1. The file.
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let inputs = [&count(bytes.len(), "byte"), ", SHA-256 ", &hex(&digest)].concat();
        let decoded = Certificate::decode(bytes);
        self.step(names::ENCODING, inputs, || match &decoded {
            Ok(_) => Ok("The file is one canonical training certificate.".into()),
            Err(error) => Err(sentence(
                "The file is no canonical training certificate",
                error,
            )),
        });
        let Ok(certificate) = decoded else { return };
        let body = &certificate.body;
        report.rounds = body.rounds.len() as u32;
        report.model = body.model.as_ref().map(|digest| hex(digest));
        // 2. Manifests, survivors and contributions as bytes; one session, one roster.
        let inputs = count(body.rounds.len(), "round");
        let read = rounds::read(&certificate);
        self.step(names::MANIFESTS, inputs, || match &read {
            Ok((rounds, _)) => Ok([
                "Manifests are well-formed, of one session and roster, without gaps; parties: ",
                &rounds[0].manifest.parties.len().to_string(),
                ".",
            ]
            .concat()),
            Err(reason) => Err(reason.clone()),
        });
        let Ok((rounds, aborted)) = read else { return };
        let roster = &rounds[0].manifest.parties;
        // 3. Who they are.
        let digest = roster_digest(roster);
        report.roster = Some(hex(&digest));
        self.roster(&digest);
        // 4. Each round.
        self.rounds(&certificate, &rounds, report);
        // 5. Privacy.
        privacy::check(self, body, &rounds, &aborted, report);
        // 6. Constraints.
        for (index, compliance) in body.compliance.iter().enumerate() {
            let facts = self.compliance(index, compliance, &rounds);
            report.compliance.push(facts);
        }
        // 7. Signatures on all of it.
        let digest = body.digest();
        self.signatures(&certificate, &rounds, &digest);
        report.parties = roster
            .iter()
            .enumerate()
            .map(|(party, entry)| PartyFacts {
                name: entry.name.clone(),
                signing_key: hex(&entry.signing_key),
                rounds: rounds.iter().filter(|r| r.has(party as u16)).count() as u32,
                signed: certificate
                    .signatures
                    .iter()
                    .any(|(p, _)| usize::from(*p) == party),
            })
            .collect();
        // 8. The compiled model, and decisions by it.
        match &certificate.deployment {
            Some(deployment) => {
                report.deployment = Some(facts(deployment));
                self.deployment(deployment, body, &rounds, &digest);
                report.not_checked.push(OPENING.into());
            }
            None => report.not_checked.push(NO_DEPLOYMENT.into()),
        }
        for index in 0..self.options.evidence.len() {
            self.evidence(index, certificate.deployment.as_ref());
        }
    }

    fn roster(&mut self, digest: &[u8; 32]) {
        let (outcome, reason) = match self.options.roster {
            None => (
                Outcome::Unknown,
                "No roster is pinned: anybody can make keys and sign as these names.",
            ),
            Some(pinned) if pinned == *digest => (Outcome::Passed, "The roster is the pinned one."),
            Some(_) => (
                Outcome::Failed,
                "The roster is another than the pinned one.",
            ),
        };
        let inputs = ["roster ", &hex(digest)].concat();
        self.add(names::ROSTER, inputs, outcome, reason.into());
    }

    fn rounds(
        &mut self,
        certificate: &Certificate,
        rounds: &[ReadRound],
        report: &mut TrainingReport,
    ) {
        let body = &certificate.body;
        let inputs = count(rounds.len(), "round");
        self.step(names::SURVIVORS, inputs.clone(), || {
            rounds::survivors(rounds)
        });
        self.step(names::CONTRIBUTIONS, inputs.clone(), || {
            rounds::contributions(rounds)
        });
        self.step(names::AGGREGATES, inputs.clone(), || {
            rounds::aggregates(body, rounds)
        });
        if rounds.iter().any(|r| r.manifest.norm_circuit.is_some()) {
            self.step(names::NORMS, inputs.clone(), || rounds::norms(body, rounds));
            report.not_checked.push(NORM_CIRCUIT.into());
        }
        if rounds.iter().any(|r| r.manifest.norm_circuit.is_none()) {
            report.not_checked.push(NO_NORMS.into());
        }
        self.step(names::SUMS, inputs.clone(), || {
            rounds::sums(certificate, rounds)
        });
        if body.model.is_some() || rounds.iter().any(|r| r.after.is_some()) {
            self.step(names::MODELS, inputs, || rounds::models(body, rounds));
            report.not_checked.push(UPDATE_RULE.into());
        } else {
            report.not_checked.push(NO_MODEL.into());
        }
    }

    fn compliance(
        &mut self,
        index: usize,
        compliance: &Compliance,
        rounds: &[ReadRound],
    ) -> ComplianceFacts {
        let key = VerifyingKey::decode(&compliance.key, Encoding::Arkworks);
        let fingerprint = key.as_ref().ok().map(|key| hex(&key.fingerprint()));
        let inputs = [
            &compliance_name(index, compliance),
            ", key ",
            fingerprint.as_deref().unwrap_or("unreadable"),
        ]
        .concat();
        // 1. The set-up, as the signers saw it.
        let allowed = self.options.allow_insecure_setup;
        let persons = compliance.contributors.iter().filter(|(_, beacon)| !beacon);
        let mut persons: Vec<&str> = persons.map(|(name, _)| name.as_str()).collect();
        persons.sort_unstable();
        persons.dedup();
        let secure = persons.len() >= 2 && compliance.insecure.is_empty();
        self.step(names::SETUP, inputs.clone(), || match (secure, allowed) {
            (true, _) => Ok([
                "Contributors to the key's set-up: ",
                &compliance.contributors.len().to_string(),
                "; transcript ",
                &hex(&compliance.transcript),
                ".",
            ]
            .concat()),
            (false, true) => Ok(
                "The set-up is insecure, whoever ran it can forge proofs; you allowed it.".into(),
            ),
            (false, false) => Err([
                "The set-up is insecure, whoever ran it can forge proofs: ",
                match &compliance.insecure[..] {
                    "" => "fewer than two persons contributed",
                    reason => reason,
                },
                ".",
            ]
            .concat()),
        });
        // 2. The proof, and that it is of this round and party.
        self.step(names::COMPLIANCE, inputs, || {
            let round = rounds.get(compliance.round as usize);
            let round = round.ok_or("It names a round that the certificate does not hold.")?;
            if usize::from(compliance.party) >= round.manifest.parties.len() {
                return Err("It names a party that is not in the roster.".into());
            }
            let refused = |error| sentence("The proof is refused", &error);
            let key = key.map_err(refused)?;
            let proof = Proof::decode(&compliance.proof, Encoding::Arkworks).map_err(refused)?;
            let public = public_inputs(&compliance.inputs).map_err(refused)?;
            let context = compliance_context(&round.digest, compliance.party);
            if public.last() != Some(&context) {
                return Err("The proof is of another round or party.".into());
            }
            key.verify(&proof, &public).map_err(refused)?;
            Ok("The proof holds under this key, for this round and party; what its fields mean is claimed.".into())
        });
        ComplianceFacts {
            party: compliance.party,
            statement: compliance.statement.clone(),
            key: fingerprint,
            contributors: compliance
                .contributors
                .iter()
                .map(|(name, _)| name.clone())
                .collect(),
        }
    }

    fn signatures(&mut self, certificate: &Certificate, rounds: &[ReadRound], digest: &[u8; 32]) {
        let manifest = &rounds[0].manifest;
        let inputs = ["body ", &hex(digest)].concat();
        self.step(names::SIGNATURES, inputs, || {
            for (party, signature) in &certificate.signatures {
                let subject = Body::subject(digest, *party);
                if !signed_by(&manifest.parties, *party, &subject, signature) {
                    return Err([
                        "The signature of party ",
                        &(u32::from(*party) + 1).to_string(),
                        " does not hold for this certificate.",
                    ]
                    .concat());
                }
            }
            let signed = |party: &u16| certificate.signatures.iter().any(|(p, _)| p == party);
            // t of the holders may lie: in every round, one more must have signed.
            for round in rounds {
                let holders = round.manifest.holders.iter().filter(|h| signed(h)).count();
                let needed = usize::from(round.manifest.threshold) + 1;
                if holders < needed {
                    return Err([
                        &holders.to_string(),
                        " holders signed the certificate, ",
                        &needed.to_string(),
                        " must.",
                    ]
                    .concat());
                }
            }
            Ok([
                &certificate.signatures.len().to_string(),
                " of ",
                &manifest.parties.len().to_string(),
                " parties signed the certificate.",
            ]
            .concat())
        });
    }

    fn deployment(
        &mut self,
        deployment: &Deployment,
        body: &Body,
        rounds: &[ReadRound],
        digest: &[u8; 32],
    ) {
        let inputs = ["model commitment ", &hex(&deployment.commitment)].concat();
        self.step(names::DEPLOYMENT, inputs, || {
            let subject = deployment.subject(digest);
            let party = deployment.party;
            if !signed_by(
                &rounds[0].manifest.parties,
                party,
                &subject,
                &deployment.signature,
            ) {
                return Err(
                    "The signature of the party that compiled the model does not hold.".into(),
                );
            }
            if body.model.is_none() {
                return Err("A compiled model is named, and no trained one.".into());
            }
            Ok([
                "Party ",
                &(u32::from(party) + 1).to_string(),
                " signed that it compiled the trained model to this commitment.",
            ]
            .concat())
        });
    }

    /// Whether the decisions of an evidence file are by the model that the certificate names.
    fn evidence(&mut self, index: usize, deployment: Option<&Deployment>) {
        let (bytes, report) = self.options.evidence[index];
        let inputs = [&report.file, ", ", &count(report.records.len(), "decision")].concat();
        let failed = |reason: &str| (Outcome::Failed, reason.to_owned());
        let (outcome, reason) = match deployment {
            None => failed("The certificate names no compiled model."),
            Some(_) if report.verdict == Verdict::Invalid => {
                failed("The evidence is not valid by itself.")
            }
            Some(deployment) => {
                let expected = (
                    hex(&deployment.circuit_id),
                    hex(&deployment.commitment),
                    hex(&deployment.bundle),
                );
                let proofs = Evidence::decode(bytes).map_or(0, |evidence| evidence.proofs.len());
                let same = report.models.iter().all(|model| {
                    (&model.circuit_id, &model.commitment, &model.bundle)
                        == (&expected.0, &expected.1, &expected.2)
                });
                // The certificate takes the place of a pinned bundle, and of nothing else.
                let open = |check: &&Check| {
                    check.outcome == Outcome::Unknown
                        && check.name != super::report::names::BUNDLE_TRUSTED
                };
                let first = report.checks.iter().find(open);
                match (report.models.is_empty() || !same, first) {
                    (true, _) => {
                        failed("Its decisions are by another model than the certificate's.")
                    }
                    (false, Some(check)) => (
                        Outcome::Unknown,
                        ["Its check ", check.name, " could not be decided."].concat(),
                    ),
                    (false, None) => (
                        Outcome::Passed,
                        [
                            "Its decisions are by the certificate's model; ",
                            &count(proofs, "proof"),
                            ".",
                        ]
                        .concat(),
                    ),
                }
            }
        };
        self.add(names::EVIDENCE, inputs, outcome, reason);
    }
}

fn facts(deployment: &Deployment) -> DeploymentFacts {
    DeploymentFacts {
        circuit_id: hex(&deployment.circuit_id),
        commitment: hex(&deployment.commitment),
        bundle: hex(&deployment.bundle),
        party: deployment.party,
    }
}

fn compliance_name(index: usize, compliance: &Compliance) -> String {
    [
        "proof ",
        &(index + 1).to_string(),
        " of party ",
        &(u32::from(compliance.party) + 1).to_string(),
    ]
    .concat()
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    [&number.to_string(), " ", what, plural].concat()
}

/// What happened and why, as one sentence.
fn sentence(what: &str, error: &dyn core::fmt::Display) -> String {
    [what, ": ", &error.to_string(), "."].concat()
}

const NOT_CHECKED: [&str; 4] = [
    "Which data the parties trained on, how much of it, and whether it is theirs: num_samples and the like are claimed.",
    "That gradients were clipped example by example, and samples drawn at the stated rate: the norm proofs bound a party's influence alone.",
    "That each party drew its noise as agreed: its size is bounded, its distribution is claimed.",
    "Whether privacy was spent outside of this training on the same data.",
];
/// What [`TrainingReport::not_checked`] says of the norm circuits: the portable verifier cannot build any.
pub const NORM_CIRCUIT: &str = "That the norm circuits state the manifests' bounds: every party rebuilt them before it signed; the command rebuilds them too.";
const NO_NORMS: &str =
    "The size of the updates in rounds without norm proofs: a contributor can spoil those sums.";
const UPDATE_RULE: &str = "That the model after a round follows from the model before and the sum: each signer computed it for itself.";
const NO_MODEL: &str = "Any model: the rounds only summed.";
const OPENING: &str = "That the model commitment opens to the trained model: the party that compiled it claims so, and can show it to the others.";
const NO_DEPLOYMENT: &str = "Any decision: the certificate names no compiled model.";

/// Names of the checks.
pub mod names {
    /// The file is one canonical certificate.
    pub const ENCODING: &str = "training.encoding";
    /// Manifests are well-formed, of one session and roster, without gaps.
    pub const MANIFESTS: &str = "training.rounds";
    /// The roster is the auditor's.
    pub const ROSTER: &str = "training.roster";
    /// Survivor sets are signed by a quorum.
    pub const SURVIVORS: &str = "training.survivors";
    /// Contributions are those that the holders signed.
    pub const CONTRIBUTIONS: &str = "training.contributions";
    /// Aggregate commitments are the products of the survivors'.
    pub const AGGREGATES: &str = "training.aggregates";
    /// Updates are proven within the manifest's bounds.
    pub const NORMS: &str = "training.norms";
    /// Sums are signed by more than t holders.
    pub const SUMS: &str = "training.sums";
    /// Each round starts from the model that the one before ended with.
    pub const MODELS: &str = "training.models";
    /// The noise is large enough on its grid (SOUNDNESS condition 24).
    pub const NOISE: &str = "privacy.noise";
    /// The loss stated follows from the rounds.
    pub const EPSILON: &str = "privacy.epsilon";
    /// The loss is within the promise.
    pub const PROMISE: &str = "privacy.budget";
    /// The Groth16 key has more than one contributor.
    pub const SETUP: &str = "compliance.setup";
    /// The Groth16 proof holds.
    pub const COMPLIANCE: &str = "compliance.proof";
    /// More than t holders signed all of it.
    pub const SIGNATURES: &str = "training.signatures";
    /// The compiled model is signed by who compiled it.
    pub const DEPLOYMENT: &str = "model.commitment";
    /// Decisions are by the certificate's model.
    pub const EVIDENCE: &str = "evidence.model";
}
