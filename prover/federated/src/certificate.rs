//! Making a training certificate from rounds: what `clearproof_shared::training::certificate` describes.
//!
//! 1. Claim: honest parties of a round make the same body, byte for byte, so that their signatures are on one digest.
//! 2. Steps: [`terms()`] before the first round; each [`round`] from what a party saw; [`spent`] by both accountants;
//!    each party signs the digest of the body it made itself.
//! 3. Assumed: a party signs only a body that it made of its own view ([`crate::aggregation::party::Party`]).
//! 4. Source: docs/federated.md, "The training certificate"; SOUNDNESS conditions 23 to 27.

use std::collections::BTreeMap;

use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::encoding::{hex, points_to_bytes, scalar_to_bytes};
use clearproof_shared::training::certificate::{
    compliance_context, Body, Certificate, Compliance, NormCircuit, PartySignature, Round, Spent,
};
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::manifest::{Manifest, ManifestError, RosterEntry};
use clearproof_shared::training::survivors::{SurvivorCertificate, Survivors};
use clearproof_shared::training::terms::{self, Terms};
use clearproof_shared::verify::report::{verdict, Check, Outcome};
use clearproof_shared::verify::training::privacy::{account, ACCOUNTANT};
use clearproof_shared::verify::training::rounds::aggregate;
use clearproof_shared::verify::training::{TrainingReport, NORM_CIRCUIT};

use crate::aggregation::identity::Identity;
use crate::aggregation::party::Party;
use crate::aggregation::setup::{norm_sizes, Setup};
use crate::groth16::ceremony::phase_one::PhaseOne;
use crate::groth16::ceremony::{Ceremony, CeremonyError, Report as CeremonyReport};
use crate::groth16::{ark_bytes, Proven, ProvingKey, Statement};
use crate::norm::NormKey;
use crate::privacy::accountant::{epsilon, Mechanism};
use crate::privacy::budget::Debit;
use crate::privacy::distributed::{Cohort, NoisePlan};
use crate::privacy::{Adjacency, PrivacyError, PrivacyTarget};

/// A round of a certificate; none where a survivor's contribution is missing.
pub fn round<'a>(
    setup: &Setup,
    survivors: &SurvivorCertificate,
    contribution: impl Fn(u16) -> Option<&'a Contribution>,
    sum: [u8; 32],
    after: Option<[u8; 32]>,
) -> Option<Round> {
    let parties = survivors.survivors.survivors.iter().map(|s| s.party);
    let parts: Vec<&Contribution> = parties.map(contribution).collect::<Option<_>>()?;
    let manifest = setup.manifest();
    Some(Round {
        manifest: manifest.encode(),
        survivors: survivors.encode(),
        contributions: parts.iter().map(|part| part.encode()).collect(),
        aggregate: points_to_bytes(&aggregate(&parts, manifest.columns())),
        sum,
        after,
    })
}

/// A norm circuit with its generators.
pub fn norm_circuit(key: &NormKey) -> NormCircuit {
    NormCircuit {
        key: key.verifying_key().encode(),
        generators: key.generators(),
    }
}

/// What a party keeps of a training, round by round.
#[derive(Clone, Debug, Default)]
pub struct Record {
    manifests: Vec<Manifest>,
    rounds: Vec<Round>,
    outcomes: Vec<Vec<PartySignature>>,
    aborted: Vec<Manifest>,
    circuits: Vec<NormCircuit>,
    /// Of parties that proved the constraints within a round that they are in the sum of.
    compliance: Vec<Compliance>,
}

impl Record {
    /// Adds a round that the party finished, with the digest of the model that it led to; false where it has no sum.
    pub fn add(&mut self, party: &Party, after: Option<[u8; 32]>) -> bool {
        let Some(round) = party.certificate_round(after) else {
            return false;
        };
        self.push(party.setup(), round, signatures(party.outcomes()));
        if let Some(aggregate) = party.aggregate() {
            let survivors = &aggregate.certificate.survivors;
            self.comply(survivors, |survivor| party.compliance(survivor));
        }
        true
    }

    /// Adds the survivors' proofs of constraints that are not there yet.
    pub(crate) fn comply<'a>(
        &mut self,
        survivors: &Survivors,
        proof: impl Fn(u16) -> Option<&'a Compliance>,
    ) {
        for survivor in &survivors.survivors {
            if let Some(entry) = proof(survivor.party).filter(|e| !self.complied(e.party)) {
                self.compliance.push(entry.clone());
            }
        }
    }

    /// Whether the party proved the constraints in one of these rounds.
    pub fn complied(&self, party: u16) -> bool {
        self.compliance.iter().any(|entry| entry.party == party)
    }

    /// Adds a round with the signatures on its outcome.
    pub fn push(&mut self, setup: &Setup, round: Round, outcomes: Vec<PartySignature>) {
        self.manifests.push(setup.manifest().clone());
        self.rounds.push(round);
        self.outcomes.push(outcomes);
        if let Some(key) = setup.norm_key() {
            let circuit = norm_circuit(key);
            if !self.circuits.contains(&circuit) {
                self.circuits.push(circuit);
            }
        }
    }

    /// Rounds that gave a sum.
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// The model that the last round led to.
    pub(crate) fn model(&self) -> Option<[u8; 32]> {
        self.rounds.last()?.after
    }

    /// The manifests of the last round and of the last attempt that gave none.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.last().into_iter().chain(self.aborted.last())
    }

    /// Attempts that gave none.
    pub fn aborted(&self) -> usize {
        self.aborted.len()
    }

    /// The certificate of these rounds: a body that was made of them, and the signatures on it.
    pub fn certificate(&self, body: Body, signatures: Vec<PartySignature>) -> Certificate {
        Certificate {
            body,
            outcomes: self.outcomes.clone(),
            signatures,
            deployment: None,
        }
    }

    /// Adds an attempt that ended without a sum.
    pub fn abort(&mut self, manifest: Manifest) {
        self.aborted.push(manifest);
    }

    /// The position of the last round, and the SHA-256 of its manifest.
    pub fn last(&self) -> Option<(u32, [u8; 32])> {
        let manifest = self.manifests.last()?;
        Some((self.manifests.len() as u32 - 1, manifest.digest()))
    }

    /// The record as a certificate that nobody signed yet: what checkpoints hold.
    pub fn encode(&self, compliance: &[Compliance]) -> Vec<u8> {
        let unsigned = Certificate {
            body: self.without_account(compliance, None),
            outcomes: self.outcomes.clone(),
            signatures: vec![],
            deployment: None,
        };
        unsigned.encode()
    }

    /// Takes proofs that were made within these rounds.
    #[must_use]
    pub(crate) fn with_compliance(mut self, compliance: Vec<Compliance>) -> Self {
        self.compliance = compliance;
        self
    }

    /// Reads what [`Record::encode`] wrote; all proofs are given apart.
    ///
    /// # Errors
    /// [`ManifestError`] for other bytes.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Vec<Compliance>), ManifestError> {
        let Certificate { body, outcomes, .. } = Certificate::decode(bytes)?;
        let manifests = body.rounds.iter().map(|r| Manifest::decode(&r.manifest));
        let record = Self {
            manifests: manifests.collect::<Result<_, _>>()?,
            aborted: body
                .aborted
                .iter()
                .map(|m| Manifest::decode(m))
                .collect::<Result<_, _>>()?,
            rounds: body.rounds,
            circuits: body.circuits,
            outcomes,
            compliance: vec![],
        };
        Ok((record, body.compliance))
    }

    /// What the party signs in the end.
    ///
    /// # Errors
    /// As [`spent`].
    pub fn body(
        &self,
        compliance: &[Compliance],
        model: Option<[u8; 32]>,
    ) -> Result<Body, PrivacyError> {
        let manifests: Vec<&Manifest> = self.manifests.iter().chain(&self.aborted).collect();
        Ok(Body {
            spent: spent(&manifests)?,
            ..self.without_account(compliance, model)
        })
    }

    fn without_account(&self, compliance: &[Compliance], model: Option<[u8; 32]>) -> Body {
        Body {
            rounds: self.rounds.clone(),
            aborted: self.aborted.iter().map(Manifest::encode).collect(),
            circuits: self.circuits.clone(),
            compliance: [&self.compliance, compliance].concat(),
            spent: None,
            model,
        }
    }
}

/// The certificate of a training: every party signs the body that it made of its own record. Signatures on another
/// body than that of the first party with all rounds are left out: who was not there to a round's end signs no more.
///
/// # Errors
/// As [`spent`].
pub fn conclude(
    records: &[(&Identity, u16, &Record)],
    compliance: &[Compliance],
    model: Option<[u8; 32]>,
) -> Result<Option<Certificate>, PrivacyError> {
    let Some(first) = fullest(records.iter().map(|(_, _, record)| *record)) else {
        return Ok(None);
    };
    let body = first.body(compliance, model)?;
    let digest = body.digest();
    let mut signatures = vec![];
    for (identity, party, record) in records {
        let own = match record.manifests == first.manifests && record.aborted == first.aborted {
            // The accountant's answer is the same for the same manifests.
            true => Body {
                spent: body.spent,
                ..record.without_account(compliance, model)
            },
            false => record.body(compliance, model)?,
        };
        if own.digest() == digest {
            signatures.push((*party, identity.certify(&digest, *party)));
        }
    }
    Ok(Some(Certificate {
        body,
        outcomes: first.outcomes.clone(),
        signatures,
        deployment: None,
    }))
}

/// The first record with the most rounds.
pub fn fullest<'a>(records: impl Iterator<Item = &'a Record>) -> Option<&'a Record> {
    records.min_by_key(|record| std::cmp::Reverse(record.rounds()))
}

/// Signatures in the order of parties.
pub fn signatures(of: &BTreeMap<u16, [u8; 64]>) -> Vec<PartySignature> {
    of.iter().map(|(party, bytes)| (*party, *bytes)).collect()
}

/// What is to be agreed on for a training with this noise, and each party's noise.
///
/// `clip_norm` is what one record (or party) adds at most, in units of the model, on a grid of `2^log_scale` to 1.
///
/// # Errors
/// As [`NoisePlan::new`].
pub fn terms(
    cohort: Cohort,
    mechanism: Mechanism,
    clip_norm: f64,
    log_scale: u32,
    coordinates: usize,
    target: PrivacyTarget,
) -> Result<(Terms, NoisePlan), PrivacyError> {
    let scaled = clip_norm * (log_scale as f64).exp2();
    let (adjacency, sensitivity) = match target.adjacency {
        Adjacency::AddRemoveRecord => (
            terms::Adjacency::Record,
            scaled + (coordinates as f64).sqrt(),
        ),
        Adjacency::AddRemoveParty => (terms::Adjacency::Party, scaled),
    };
    let z = mechanism.noise_multiplier;
    let plan = NoisePlan::new(cohort, z, sensitivity, target.adjacency)?;
    let terms = Terms {
        adjacency,
        sampling_rate: mechanism.sampling_rate,
        clip_norm,
        log_scale,
        sensitivity,
        noise_multiplier: z,
        share_variance: plan.share.variance(),
        dropouts: cohort.dropouts as u16,
        epsilon: target.epsilon,
        delta: target.delta,
    };
    Ok((terms, plan))
}

/// The promise that a manifest's terms make.
///
/// # Errors
/// [`PrivacyError`] for numbers outside their domains.
pub fn target(terms: &Terms) -> Result<PrivacyTarget, PrivacyError> {
    let adjacency = match terms.adjacency {
        terms::Adjacency::Record => Adjacency::AddRemoveRecord,
        terms::Adjacency::Party => Adjacency::AddRemoveParty,
    };
    PrivacyTarget::new(terms.epsilon, terms.delta, adjacency)
}

/// What a budget is debited for a round, by the manifest's digest.
///
/// # Errors
/// [`PrivacyError`] for numbers outside their domains.
pub fn debit(manifest: &Manifest, terms: &Terms) -> Result<Debit, PrivacyError> {
    let mechanism = Mechanism::new(terms.noise_multiplier, terms.sampling_rate, 1)?;
    let round = hex(&manifest.digest());
    let adjacency = target(terms)?.adjacency;
    Ok(Debit::new(
        &round,
        mechanism,
        adjacency,
        terms.slack(manifest),
    ))
}

/// What all these rounds (aborted attempts included) spend; none where no manifest has terms.
///
/// # Errors
/// [`PrivacyError`] for terms that no accountant takes.
pub fn spent(manifests: &[&Manifest]) -> Result<Option<Spent>, PrivacyError> {
    let terms = manifests.iter().filter_map(|m| Terms::of(m).ok().flatten());
    let terms: Vec<Terms> = terms.collect();
    if terms.is_empty() || terms.len() != manifests.len() {
        return Ok(None);
    }
    let (renyi_epsilon, slack) = account(manifests, &terms);
    let mut mechanisms: Vec<Mechanism> = vec![];
    for terms in &terms {
        let new = Mechanism::new(terms.noise_multiplier, terms.sampling_rate, 1)?;
        let equal = |m: &&mut Mechanism| {
            m.noise_multiplier == new.noise_multiplier && m.sampling_rate == new.sampling_rate
        };
        match mechanisms.iter_mut().find(equal) {
            Some(known) => known.steps += 1,
            None => mechanisms.push(new),
        }
    }
    let delta = terms[0].delta;
    let loss = match delta > slack.delta {
        true => epsilon(&mechanisms, delta - slack.delta)? + slack.epsilon,
        false => f64::INFINITY,
    };
    Ok(Some(Spent {
        rounds: manifests.len() as u32,
        epsilon: loss.min(renyi_epsilon),
        renyi_epsilon,
        delta,
        slack_epsilon: slack.epsilon,
        slack_delta: slack.delta,
    }))
}

/// A proof of constraints on a party's private fields, bound to a round by the context that it was proved with.
///
/// `ceremony` is the report of the key's set-up; none for a single-party key, which verifiers refuse.
pub fn compliance(
    party: u16,
    round: u32,
    statement: &Statement,
    key: &ProvingKey,
    proven: &Proven,
    ceremony: Option<&CeremonyReport>,
) -> Compliance {
    let transcript = ceremony.map(|report| hex_digest(&report.transcript));
    let (proof, inputs) = proven_bytes(proven);
    Compliance {
        party,
        round,
        statement: serde_json::to_string(statement).expect("names and numbers"),
        key: ark_bytes(&key.vk),
        proof,
        inputs,
        contributors: ceremony.map_or_else(Vec::new, |report| report.contributors.clone()),
        insecure: match ceremony {
            None => "a single party made the key".into(),
            Some(report) => report.insecure.unwrap_or_default().into(),
        },
        transcript: transcript.flatten().unwrap_or_default(),
    }
}

/// A proof and its public inputs as a certificate holds them.
pub(crate) fn proven_bytes(proven: &Proven) -> (Vec<u8>, Vec<u8>) {
    let inputs = proven.public_inputs.iter().flat_map(scalar_to_bytes);
    (ark_bytes(&proven.proof), inputs.collect())
}

/// The parties as auditors pin them: names and public keys, JSON.
pub fn roster_json(parties: &[RosterEntry]) -> String {
    let parties = parties.iter().map(|party| {
        serde_json::json!({
            "name": party.name,
            "signing_key": hex(&party.signing_key),
            "sealing_key": hex(&party.sealing_key),
        })
    });
    let parties: Vec<_> = parties.collect();
    format!("{:#}\n", serde_json::json!({ "parties": parties }))
}

/// The context that a compliance proof of this party is proved with.
pub fn context(manifest: &[u8; 32], party: u16) -> ark_bn254::Fr {
    compliance_context(manifest, party)
}

fn hex_digest(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| Some(c.to_digit(16)? as u8)).collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |b, d| b << 4 | d))
        .collect();
    bytes.try_into().ok()
}

/// Adds the checks that need more than the portable verifier: the accountant by privacy loss distributions
/// (`privacy.accountant`), and the norm circuits, built again from the manifests (`training.circuits`).
pub fn check_further(report: &mut TrainingReport, bytes: &[u8]) {
    let Ok(certificate) = Certificate::decode(bytes) else {
        return;
    };
    let body = &certificate.body;
    let manifests = body.rounds.iter().map(|r| &r.manifest).chain(&body.aborted);
    let manifests: Result<Vec<Manifest>, _> = manifests.map(|m| Manifest::decode(m)).collect();
    let Ok(manifests) = manifests else { return };
    if let Some(stated) = body.spent {
        let start = std::time::Instant::now();
        let found = spent(&manifests.iter().collect::<Vec<_>>());
        let (outcome, reason) = match found {
            Ok(Some(found)) if stated.epsilon >= found.epsilon * (1.0 - ROUNDING) => (
                Outcome::Passed,
                format!(
                    "Privacy loss distributions give epsilon {:.6}.",
                    found.epsilon
                ),
            ),
            Ok(Some(found)) => (
                Outcome::Failed,
                format!(
                    "Privacy loss distributions give epsilon {:.6}, more than is stated.",
                    found.epsilon
                ),
            ),
            Ok(None) => (Outcome::Failed, "Not every round has privacy terms.".into()),
            Err(error) => (Outcome::Failed, format!("The accountant refuses: {error}.")),
        };
        let inputs = format!("{} releases", manifests.len());
        add(
            report,
            "privacy.accountant",
            inputs,
            (outcome, reason),
            start,
        );
        report.not_checked.retain(|text| text != ACCOUNTANT);
    }
    if !body.circuits.is_empty() {
        let start = std::time::Instant::now();
        let found = rebuilt(&manifests);
        let inputs = format!("{} circuits", body.circuits.len());
        add(report, "training.circuits", inputs, found, start);
        report.not_checked.retain(|text| text != NORM_CIRCUIT);
    }
    report.verdict = verdict(&report.checks);
}

/// Adds a check of each compliance proof's set-up (`compliance.ceremony`): that one of these ceremonies has the transcript
/// whose digest the parties signed, is honest from the statement on, and gives that very key and those contributors.
pub fn check_ceremonies(
    report: &mut TrainingReport,
    bytes: &[u8],
    ceremonies: &[(Ceremony, PhaseOne)],
) {
    let Ok(certificate) = Certificate::decode(bytes) else {
        return;
    };
    let verified = ceremonies.iter().map(|(ceremony, powers)| {
        let statement = serde_json::to_string(ceremony.statement()).expect("names and numbers");
        (statement, ceremony.verify(powers))
    });
    let verified: Vec<_> = verified.collect();
    for (index, entry) in certificate.body.compliance.iter().enumerate() {
        let start = std::time::Instant::now();
        let key = report.compliance.get(index).and_then(|c| c.key.clone());
        let found = ceremony_of(entry, key.as_deref(), &verified);
        let inputs = format!(
            "proof {} of party {}, transcript {}",
            index + 1,
            u32::from(entry.party) + 1,
            hex(&entry.transcript)
        );
        add(report, "compliance.ceremony", inputs, found, start);
    }
    report.verdict = verdict(&report.checks);
}

fn ceremony_of(
    entry: &Compliance,
    key: Option<&str>,
    verified: &[(String, Result<CeremonyReport, CeremonyError>)],
) -> (Outcome, String) {
    let transcript = hex(&entry.transcript);
    for (statement, result) in verified {
        let Ok(ceremony) = result else { continue };
        if ceremony.transcript != transcript {
            continue;
        }
        let differs = [
            ("statement", *statement != entry.statement),
            ("key", key != Some(&ceremony.key)),
            (
                "list of contributors",
                ceremony.contributors != entry.contributors,
            ),
            (
                "word on its security",
                ceremony.insecure.unwrap_or_default() != entry.insecure,
            ),
        ];
        return match differs.iter().find(|(_, differs)| *differs) {
            None => (
                Outcome::Passed,
                "The ceremony is honest from the statement on, and gives this key.".into(),
            ),
            Some((what, _)) => (
                Outcome::Failed,
                format!("The ceremony with this transcript gives another {what}."),
            ),
        };
    }
    let refused = verified
        .iter()
        .find_map(|(_, result)| result.as_ref().err());
    let reason = match refused {
        Some(error) => format!("No honest ceremony with this transcript was given: {error}."),
        None => "No ceremony with this transcript was given.".into(),
    };
    (Outcome::Failed, reason)
}

/// Whether the circuits that manifests name are those of their sizes and bounds; each is built once.
fn rebuilt(manifests: &[Manifest]) -> (Outcome, String) {
    let mut known: Vec<(&Manifest, [u8; 32])> = vec![];
    for manifest in manifests {
        let Some(id) = manifest.norm_circuit else {
            continue;
        };
        let same = |(m, _): &&(&Manifest, _)| norm_sizes(m) == norm_sizes(manifest);
        let found = match known.iter().find(same) {
            Some((_, found)) => *found,
            None => {
                let bases = ColumnBases::transparent(manifest.log_rows);
                match NormKey::new(manifest, &bases) {
                    Ok(key) => key.circuit_id(),
                    Err(error) => {
                        let reason = format!("Round {}: {error}.", manifest.round);
                        return (Outcome::Failed, reason);
                    }
                }
            }
        };
        known.push((manifest, found));
        if found != id {
            let reason = format!(
                "Round {}: the norm circuit is not that of its sizes and bounds.",
                manifest.round
            );
            return (Outcome::Failed, reason);
        }
    }
    let reason = "The norm circuits are those of the manifests' sizes and bounds, built again.";
    (Outcome::Passed, reason.into())
}

fn add(
    report: &mut TrainingReport,
    name: &'static str,
    inputs: String,
    (outcome, reason): (Outcome, String),
    start: std::time::Instant,
) {
    report.checks.push(Check {
        name,
        inputs,
        outcome,
        reason,
        milliseconds: start.elapsed().as_secs_f64() * 1e3,
        offline: true,
    });
}

/// Of the accountant between machines.
const ROUNDING: f64 = 1e-9;
