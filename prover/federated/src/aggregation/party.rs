//! A party of a round: contributor always, holder of shares where the manifest says so.
//!
//! [`Party::begin`] deals; [`Party::receive`] takes one frame and gives the frames it causes. Everything a party
//! does follows from its seed, its update and the frames in their order, so a party that was killed is resumed by
//! the same calls: it sends the same bytes again, and signs nothing twice (SOUNDNESS 22).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use clearproof_shared::artifact::FormatError;
use clearproof_shared::training::certificate::{Body, Certificate, Compliance, Round};
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::signed::{Kind, Signed, SignedError};
use clearproof_shared::training::survivors::{SurvivorCertificate, SurvivorsError};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::identity::Identity;
use super::lanes::LanesError;
use super::messages::{
    hash, Certification, CheckMessage, Digests, Frame, Request, ShareMessage, Verdict,
};
use super::setup::Setup;
use super::vectors::SecretVector;
use crate::certificate::{self, Record};
use crate::constraints::Constraints;
use crate::norm::NormError;

/// What a party adds to the sum, on the manifest's grid.
#[derive(Clone)]
pub struct Update {
    /// The clipped update, one integer a coordinate.
    pub clipped: Vec<i64>,
    /// The party's share of the noise.
    pub noise: Vec<i64>,
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Update({} coordinates)", self.clipped.len())
    }
}

impl Drop for Update {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.clipped.zeroize();
        self.noise.zeroize();
    }
}

/// The result of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// Sum of the survivors' updates and noise.
    pub sum: Vec<i64>,
    /// SHA-256 of the sum, 8 bytes little-endian a coordinate.
    pub digest: [u8; 32],
    /// Whose updates it sums.
    pub certificate: SurvivorCertificate,
}

/// What a party was caught at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deed {
    /// It signed a message that no honest program writes.
    Malformed(Kind),
    /// It signed two different messages where there is one a round.
    TwoMessages(Kind),
    /// Its sharing check contradicts its commitments.
    WrongOpening,
    /// Its share, as published by its holder, contradicts its sharing check.
    InconsistentShare,
    /// It complained of a share that is as it should be, or that it did not get.
    FalseComplaint,
    /// What it opened is not the coin it had committed to.
    WrongCoin,
    /// Its share of the sum is not the sum of its shares.
    WrongReveal,
    /// Its update is not proven to be within the manifest's bounds.
    Unproven,
    /// Its proof of the constraints does not hold, or is of others.
    Noncompliant,
}

/// Why a round cannot begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The keys are of nobody in the roster.
    #[error(
        "the keys of {0} are not in the manifest's roster; use the keys that were provisioned"
    )]
    NotInRoster(String),
    /// The update does not fit.
    #[error(transparent)]
    Lanes(#[from] LanesError),
    /// The update is too long.
    #[error(
        "the {what} has L2 norm {norm:.1} grid units, above the manifest's {bound}; clip it first"
    )]
    Norm {
        /// Update or noise.
        what: &'static str,
        /// Its norm.
        norm: f64,
        /// The bound.
        bound: u64,
    },
    /// A key of the roster is unusable.
    #[error("the sealing key of party {0} in the manifest is not a key")]
    SealingKey(u16),
    /// The proof of the bounds could not be made.
    #[error(transparent)]
    Proof(NormError),
}

/// Why a frame was refused; the round goes on without it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes.
    #[error("the frame is malformed: {0}")]
    Format(#[from] FormatError),
    /// The signature.
    #[error(transparent)]
    Signature(#[from] SignedError),
    /// A survivor set or certificate.
    #[error(transparent)]
    Survivors(#[from] SurvivorsError),
    /// A party is caught.
    #[error("party {party} cheats: {deed:?}")]
    Cheater {
        /// Who.
        party: u16,
        /// At what.
        deed: Deed,
    },
    /// The coordinator asks for what the signed messages do not bear out.
    #[error("the coordinator's request is refused: {0}")]
    Coordinator(&'static str),
    /// The message comes at the wrong time or to the wrong party.
    #[error("unexpected: {0}")]
    Unexpected(&'static str),
    /// The round is over.
    #[error("the round is over")]
    Over,
}

/// A contribution as received.
pub(super) struct Received {
    pub(super) contribution: Contribution,
    pub(super) digest: [u8; 32],
}

/// Contributors and holders that the coin is for.
pub(super) struct Proposal {
    pub(super) digest: [u8; 32],
    pub(super) dealers: Vec<u16>,
    /// Holder and commitment to its part of the coin.
    pub(super) commitments: BTreeMap<u16, [u8; 32]>,
}

/// Digest of the model that a sum leads to; none where it leads to none.
pub type ModelAfter = dyn Fn(&[i64]) -> Option<[u8; 32]> + Send + Sync;

/// A party's round.
pub struct Party {
    pub(super) setup: Arc<Setup>,
    pub(super) identity: Identity,
    pub(super) me: u16,
    pub(super) seed: Zeroizing<[u8; 32]>,
    /// The value and the mask, until the check is sent.
    pub(super) secret: SecretVector,
    /// Seeds of the own shares that were drawn, in the order of [`Setup::seeded`].
    pub(super) own_seeds: Vec<Zeroizing<[u8; 32]>>,
    pub(super) seen: BTreeMap<(u16, Kind), [u8; 32]>,
    pub(super) contributions: BTreeMap<u16, Received>,
    pub(super) early_shares: BTreeMap<u16, Signed>,
    pub(super) shares: BTreeMap<u16, (ShareMessage, SecretVector)>,
    pub(super) ready: Option<Digests>,
    pub(super) proposal: Option<Proposal>,
    pub(super) coins: BTreeMap<u16, [u8; 32]>,
    pub(super) coin: Option<[u8; 32]>,
    pub(super) checks: BTreeMap<u16, (CheckMessage, [u8; 32])>,
    pub(super) early_checks: Vec<Signed>,
    pub(super) accepted: Option<Digests>,
    pub(super) early_verdicts: Vec<(u16, Verdict)>,
    pub(super) signed_survivors: bool,
    pub(super) certificate: Option<SurvivorCertificate>,
    pub(super) early_reveals: Vec<Signed>,
    pub(super) reveals: BTreeMap<u16, SecretVector>,
    /// Holders whose shares gave the sum.
    pub(super) basis: Vec<u16>,
    pub(super) aggregate: Option<Aggregate>,
    pub(super) outcomes: BTreeMap<u16, [u8; 64]>,
    pub(super) early_outcomes: Vec<Signed>,
    /// The certificate's body that this party signed.
    pub(super) body: Option<Body>,
    /// Its SHA-256.
    pub(super) certified_body: Option<[u8; 32]>,
    /// The rounds before this one, which the certificate holds too.
    pub(super) history: Record,
    /// Without a sum of this attempt the training is over.
    ending: bool,
    model_after: Option<Arc<ModelAfter>>,
    /// What who is in no sum yet has to prove.
    pub(super) constraints: Option<Arc<Constraints>>,
    /// Proofs of them that hold.
    pub(super) compliance: BTreeMap<u16, Compliance>,
    /// Digest of the model after this round.
    pub(super) after: Option<[u8; 32]>,
    pub(super) certified: BTreeMap<u16, [u8; 64]>,
    pub(super) early_certified: Vec<(u16, Certification)>,
    pub(super) blamed: BTreeMap<u16, Deed>,
    pub(super) aborted: Option<String>,
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Party")
            .field("me", &self.me)
            .field("blamed", &self.blamed)
            .finish_non_exhaustive()
    }
}

impl Party {
    /// Deals a party's update: commitments for all, a share for each holder.
    ///
    /// `seed` is 32 fresh bytes from the operating system, or those of the attempt that is resumed. All
    /// randomness is drawn from it together with the manifest and the update, so another update does not meet the
    /// same randomness.
    ///
    /// # Errors
    /// [`BeginError`] when the update is outside the manifest's bounds.
    pub fn begin(
        setup: Arc<Setup>,
        identity: &Identity,
        update: &Update,
        seed: &[u8; 32],
    ) -> Result<(Self, Vec<Vec<u8>>), BeginError> {
        let entry = identity.entry();
        let me = setup.manifest.parties.iter().position(|p| *p == entry);
        let me = me.ok_or(BeginError::NotInRoster(entry.name))? as u16;
        let mut party = Party {
            seed: bound_seed(&setup, me, update, seed),
            identity: identity.clone(),
            me,
            setup,
            secret: SecretVector::default(),
            own_seeds: vec![],
            seen: BTreeMap::new(),
            contributions: BTreeMap::new(),
            early_shares: BTreeMap::new(),
            shares: BTreeMap::new(),
            ready: None,
            proposal: None,
            coins: BTreeMap::new(),
            coin: None,
            checks: BTreeMap::new(),
            early_checks: vec![],
            accepted: None,
            early_verdicts: vec![],
            signed_survivors: false,
            certificate: None,
            early_reveals: vec![],
            reveals: BTreeMap::new(),
            basis: vec![],
            aggregate: None,
            outcomes: BTreeMap::new(),
            early_outcomes: vec![],
            body: None,
            certified_body: None,
            history: Record::default(),
            ending: false,
            model_after: None,
            constraints: None,
            compliance: BTreeMap::new(),
            after: None,
            certified: BTreeMap::new(),
            early_certified: vec![],
            blamed: BTreeMap::new(),
            aborted: None,
        };
        let frames = party.deal(update)?;
        Ok((party, frames))
    }

    /// Makes this a round of a training: its certificate goes on from what the rounds before left, and names the model
    /// that the sum leads to. To be called before any frame is taken.
    #[must_use]
    pub fn following(mut self, history: Record, after: Arc<ModelAfter>) -> Self {
        self.history = history;
        self.model_after = Some(after);
        self
    }

    /// Makes this an attempt without whose sum the training is over: the parties then sign a certificate of the rounds
    /// before that lists it.
    #[must_use]
    pub fn ending(mut self) -> Self {
        self.ending = true;
        self
    }

    /// Asks every party that is in no sum of the rounds before for a proof of the constraints: without one that holds
    /// it is in none. Gives the frame with the own proof, which must be sent before all others. To be called after
    /// [`Party::following`], before any frame is taken.
    pub fn complying(
        &mut self,
        constraints: Arc<Constraints>,
        own: Option<Compliance>,
    ) -> Option<Vec<u8>> {
        self.constraints = Some(constraints);
        let own = own?;
        let body = own.to_bytes();
        let digest = super::messages::sha256(&body);
        self.seen.insert((self.me, Kind::Compliance), digest);
        self.compliance.insert(self.me, own);
        Some(self.sign(Kind::Compliance, body))
    }

    /// Takes a frame; gives the frames to send.
    ///
    /// # Errors
    /// [`Refusal`]: the frame had no effect, but that a cheater is now [`Party::blamed`].
    pub fn receive(&mut self, frame: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
        let setup = Arc::clone(&self.setup);
        let over = self.aborted.is_some();
        // What was called off is certified nevertheless, where the training ends with it.
        let closing = |signed: &Signed| signed.kind == Kind::Certificate && self.ending;
        match Frame::decode(frame, &setup)? {
            Frame::Request(Request::Abort(reason)) => Ok(self.abort(reason)),
            Frame::Signed(signed) if !over || closing(&signed) => self.receive_signed(signed),
            Frame::Request(request) if !over => self.receive_request(request),
            _ => Err(Refusal::Over),
        }
    }

    /// Ends the round, unless there is a sum: nobody goes back on its signature.
    fn abort(&mut self, reason: String) -> Vec<Vec<u8>> {
        if self.aggregate.is_some() {
            return vec![];
        }
        self.aborted.get_or_insert(reason);
        match self.ending && self.certified_body.is_none() {
            true => self.certify_end().into_iter().collect(),
            false => vec![],
        }
    }

    fn receive_signed(&mut self, signed: Signed) -> Result<Vec<Vec<u8>>, Refusal> {
        signed.verify(&self.setup.manifest, &self.setup.digest)?;
        let (party, kind) = (signed.party, signed.kind);
        let digest = signed.body_digest();
        match self.seen.insert((party, kind), digest) {
            Some(before) if before == digest => return Ok(vec![]),
            Some(before) => {
                self.seen.insert((party, kind), before);
                return Err(self.blame(party, Deed::TwoMessages(kind)));
            }
            None => {}
        }
        let result = match kind {
            Kind::Contribution => self.on_contribution(&signed, digest),
            Kind::Share => self.on_share(signed),
            Kind::Coin => self.on_coin(&signed),
            Kind::Check => self.on_check(signed, digest),
            Kind::Verdict => self.on_verdict(&signed),
            Kind::Reveal => self.on_reveal(signed),
            Kind::Outcome => self.on_outcome(signed),
            Kind::Certificate => self.on_certification(&signed),
            Kind::Compliance => self.on_compliance(&signed),
            Kind::Ready | Kind::Survivors => Err(Refusal::Unexpected("it goes to the coordinator")),
        };
        if let Err(Refusal::Format(_)) = result {
            return Err(self.blame(party, Deed::Malformed(kind)));
        }
        result
    }

    fn receive_request(&mut self, request: Request) -> Result<Vec<Vec<u8>>, Refusal> {
        match request {
            Request::Ready(dealers) => self.say_ready(&dealers),
            Request::Coins(dealers, ready) => self.on_proposal(dealers, &ready),
            Request::Judge(dealers) => self.judge(&dealers),
            Request::Survivors(parties) => self.sign_survivors(&parties),
            Request::Reveal(certificate) => self.on_certificate(&certificate),
            Request::Abort(reason) => Ok(self.abort(reason)),
        }
    }

    /// The round's setup.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The sum, once it is checked.
    pub fn aggregate(&self) -> Option<&Aggregate> {
        self.aggregate.as_ref()
    }

    /// Signatures of the parties on the outcome that this party came to, ascending.
    pub fn outcomes(&self) -> &BTreeMap<u16, [u8; 64]> {
        &self.outcomes
    }

    /// Who was caught, and at what.
    pub fn blamed(&self) -> &BTreeMap<u16, Deed> {
        &self.blamed
    }

    /// Why the round is over without a sum.
    pub fn aborted(&self) -> Option<&str> {
        self.aborted.as_deref()
    }

    /// A contribution as it was received; all of them belong to the certificate.
    pub fn contribution(&self, party: u16) -> Option<&Contribution> {
        self.contributions.get(&party).map(|r| &r.contribution)
    }

    /// A party's proof of the constraints, as it was received in this round.
    pub fn compliance(&self, party: u16) -> Option<&Compliance> {
        self.compliance.get(&party)
    }

    /// The round as a training certificate holds it; `after` is the digest of the model that it leads to.
    pub fn certificate_round(&self, after: Option<[u8; 32]>) -> Option<Round> {
        let aggregate = self.aggregate.as_ref()?;
        let (certificate, sum) = (&aggregate.certificate, aggregate.digest);
        certificate::round(
            &self.setup,
            certificate,
            |p| self.contribution(p),
            sum,
            after,
        )
    }

    /// What this party saw of the training, this round included; none without a sum, unless the training ended so.
    pub fn record(&self) -> Option<Record> {
        let mut record = self.history.clone();
        if self.ending && self.aborted.is_some() {
            record.abort(self.setup.manifest.clone());
            return Some(record);
        }
        record.add(self, self.after).then_some(record)
    }

    /// The training certificate up to this round, with the signatures that have come.
    pub fn certificate(&self) -> Option<Certificate> {
        let signatures = certificate::signatures(&self.certified);
        Some(self.record()?.certificate(self.body.clone()?, signatures))
    }

    /// Works out the model that the sum leads to.
    pub(super) fn step(&mut self) {
        let sum = self.aggregate.as_ref().map(|aggregate| &aggregate.sum);
        self.after = sum
            .zip(self.model_after.as_ref())
            .and_then(|(sum, after)| after(sum));
    }

    // --------------------------------------------------------------------------- shared by the steps

    pub(super) fn blame(&mut self, party: u16, deed: Deed) -> Refusal {
        self.blamed.entry(party).or_insert(deed);
        Refusal::Cheater { party, deed }
    }

    pub(super) fn sign(&self, kind: Kind, body: Vec<u8>) -> Vec<u8> {
        let signed = self.identity.sign(&self.setup.digest, self.me, kind, body);
        Frame::Signed(signed).encode()
    }

    /// Randomness of one purpose.
    pub(super) fn rng(&self, purpose: &str) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(hash(&[&self.seed[..], purpose.as_bytes()]))
    }
}

fn bound_seed(setup: &Setup, me: u16, update: &Update, seed: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let bytes = |values: &[i64]| -> Zeroizing<Vec<u8>> {
        Zeroizing::new(values.iter().flat_map(|v| v.to_le_bytes()).collect())
    };
    let (clipped, noise) = (bytes(&update.clipped), bytes(&update.noise));
    Zeroizing::new(hash(&[
        SEED_TAG,
        seed,
        &setup.digest,
        &me.to_le_bytes(),
        &clipped,
        &noise,
    ]))
}

const SEED_TAG: &[u8] = b"clearproof federated party v1";
