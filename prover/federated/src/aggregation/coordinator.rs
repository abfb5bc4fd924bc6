//! The coordinator: relays, and keeps the round going.
//!
//! It holds no key. It proposes who takes part, and every proposal is checked by the parties against signed
//! messages: a lying coordinator can stop a round, and that is all (docs/federated.md, "A curious and a lying
//! coordinator"). [`Coordinator::receive`] takes a party's frame, [`Coordinator::time_up`] says that the
//! current step has lasted long enough; both give frames to deliver.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use clearproof_shared::training::certificate::{
    signed_by, Body, Certificate, Compliance, PartySignature, Round,
};
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::outcome::Outcome;
use clearproof_shared::training::signed::{Kind, Signed};
use clearproof_shared::training::survivors::{SurvivorCertificate, Survivors};

use super::holding::complaint_holds;
use super::messages::{
    coin_commitment, Certification, CheckMessage, Coin, Frame, Ready, Request, SealedShare, Verdict,
};
use super::party::{Deed, Refusal};
use super::setup::Setup;
use crate::certificate::{self, Record};

/// To whom a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// One party.
    One(u16),
    /// All parties but one.
    AllBut(u16),
    /// All parties.
    All,
}

/// A frame to deliver.
pub type Delivery = (Recipient, Vec<u8>);

/// Where a round stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Contributions and shares come in.
    Contribute,
    /// Holders say whose shares they have.
    Ready,
    /// Holders open their parts of the coin.
    Coin,
    /// Contributors show their sharing checks.
    Check,
    /// Holders judge them.
    Verdict,
    /// Holders sign the survivors.
    Survivors,
    /// Holders reveal, parties sign the outcome.
    Reveal,
    /// The round gave no sum and the training is over: parties sign what there was.
    Closing,
    /// The round is over, with or without a sum.
    Over,
}

/// The coordinator's round.
pub struct Coordinator {
    setup: Arc<Setup>,
    step: Step,
    contributed: BTreeMap<u16, Contribution>,
    shared: BTreeMap<u16, BTreeSet<u16>>,
    ready: BTreeMap<u16, (Signed, Ready)>,
    dealers: Vec<u16>,
    tossers: BTreeSet<u16>,
    coins: BTreeSet<u16>,
    checks: BTreeMap<u16, CheckMessage>,
    verdicts: BTreeMap<u16, Verdict>,
    signed: BTreeMap<u16, Signed>,
    reveals: BTreeSet<u16>,
    outcomes: BTreeSet<u16>,
    outcome_signatures: Vec<(u16, Outcome, [u8; 64])>,
    certified: BTreeMap<u16, Certification>,
    /// Whether parties prove constraints.
    constrained: bool,
    /// Without a sum of this attempt the training is over.
    ending: bool,
    compliance: BTreeMap<u16, Compliance>,
    certificate: Option<SurvivorCertificate>,
    seen: BTreeMap<(u16, Kind, u16), [u8; 32]>,
    failure: Option<String>,
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl Coordinator {
    /// A round that has not begun.
    pub fn new(setup: Arc<Setup>) -> Self {
        Self {
            setup,
            step: Step::Contribute,
            contributed: BTreeMap::new(),
            shared: BTreeMap::new(),
            ready: BTreeMap::new(),
            dealers: vec![],
            tossers: BTreeSet::new(),
            coins: BTreeSet::new(),
            checks: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            signed: BTreeMap::new(),
            reveals: BTreeSet::new(),
            outcomes: BTreeSet::new(),
            outcome_signatures: vec![],
            certified: BTreeMap::new(),
            constrained: false,
            ending: false,
            compliance: BTreeMap::new(),
            certificate: None,
            seen: BTreeMap::new(),
            failure: None,
        }
    }

    /// Relays and keeps the parties' proofs of constraints too; whether they hold the parties see.
    #[must_use]
    pub fn constrained(mut self) -> Self {
        self.constrained = true;
        self
    }

    /// Waits, if this attempt gives no sum, for the parties' signatures on a certificate that lists it.
    #[must_use]
    pub fn ending(mut self) -> Self {
        self.ending = true;
        self
    }

    /// Where the round stands.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Why the round ended without a sum.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Parties that signed the outcome.
    pub fn outcomes(&self) -> &BTreeSet<u16> {
        &self.outcomes
    }

    /// The model after this round (none within where it only summed), as more holders say than may lie; none while
    /// too few agree.
    pub fn after(&self) -> Option<Option<[u8; 32]>> {
        let manifest = &self.setup.manifest;
        let says = |h: &u16| self.certified.get(h).map(|said| (said.body, said.after));
        let mut votes: BTreeMap<_, usize> = BTreeMap::new();
        for said in manifest.holders.iter().filter_map(says) {
            *votes.entry(said).or_default() += 1;
        }
        let enough = |votes: &usize| *votes > usize::from(manifest.threshold);
        let ((_, after), _) = votes.into_iter().find(|(_, votes)| enough(votes))?;
        Some(after)
    }

    /// Whether a sum was signed, and too few holders said which model it leads to.
    pub fn waits_for_model(&self) -> bool {
        self.step == Step::Reveal && !self.outcomes.is_empty() && self.after().is_none()
    }

    /// Adds this round to the record of those before it; false where too little was seen.
    pub fn add_to(&self, record: &mut Record) -> bool {
        let Some((round, outcomes)) = self.round() else {
            return false;
        };
        record.push(&self.setup, round, outcomes);
        if let Some(certificate) = &self.certificate {
            record.comply(&certificate.survivors, |party| self.compliance.get(&party));
        }
        true
    }

    /// The training certificate of a record that ends with this round, with the signatures that hold.
    pub fn certificate(&self, record: &Record) -> Option<Certificate> {
        let after = self.after().flatten();
        let body = record.body(&[], after).ok()?;
        let digest = body.digest();
        let parties = &self.setup.manifest.parties;
        let signed = self.certified.iter().filter(|(party, message)| {
            let subject = Body::subject(&digest, **party);
            message.body == digest && signed_by(parties, **party, &subject, &message.signature)
        });
        let signatures = signed.map(|(party, message)| (*party, message.signature));
        Some(record.certificate(body, signatures.collect()))
    }

    /// The round with the sum that most signed, and their signatures.
    fn round(&self) -> Option<(Round, Vec<PartySignature>)> {
        let survivors = self.certificate.as_ref()?;
        let votes = |o: &Outcome| {
            let same = self.outcome_signatures.iter().filter(|(_, p, _)| p == o);
            same.count()
        };
        let outcomes = self
            .outcome_signatures
            .iter()
            .map(|(_, outcome, _)| outcome);
        let outcome = *outcomes.max_by_key(|outcome| votes(outcome))?;
        let contribution = |party| self.contributed.get(&party);
        let after = self.after().flatten();
        let round = certificate::round(&self.setup, survivors, contribution, outcome.sum, after)?;
        let same = self
            .outcome_signatures
            .iter()
            .filter(|(_, o, _)| *o == outcome);
        let same: BTreeMap<u16, [u8; 64]> =
            same.map(|(p, _, signature)| (*p, *signature)).collect();
        Some((round, certificate::signatures(&same)))
    }

    /// Takes a frame of an authenticated party.
    ///
    /// # Errors
    /// [`Refusal`]: nothing was relayed.
    pub fn receive(&mut self, from: u16, frame: &[u8]) -> Result<Vec<Delivery>, Refusal> {
        let setup = Arc::clone(&self.setup);
        let Frame::Signed(signed) = Frame::decode(frame, &setup)? else {
            return Err(Refusal::Unexpected("parties make no requests"));
        };
        if signed.party != from {
            return Err(Refusal::Unexpected("a message of another party"));
        }
        signed.verify(&setup.manifest, &setup.digest)?;
        let addressee = match signed.kind {
            Kind::Share => SealedShare::decode(&signed.body, &setup)?.holder,
            _ => u16::MAX,
        };
        let digest = signed.body_digest();
        let holds = setup.holder(from).is_some();
        match self.seen.get(&(from, signed.kind, addressee)) {
            Some(before) if *before == digest => return Ok(vec![]),
            // A second message is passed on: honest parties then name who signed two.
            Some(_) => return Ok(vec![(Recipient::AllBut(from), frame.to_vec())]),
            None => {}
        }
        let relay = |to| (to, frame.to_vec());
        let due = match signed.kind {
            Kind::Contribution | Kind::Share | Kind::Compliance => Step::Contribute,
            Kind::Ready => Step::Ready,
            Kind::Coin => Step::Coin,
            Kind::Check => Step::Check,
            Kind::Verdict => Step::Verdict,
            Kind::Survivors => Step::Survivors,
            Kind::Certificate if self.step == Step::Closing => Step::Closing,
            Kind::Reveal | Kind::Outcome | Kind::Certificate => Step::Reveal,
        };
        // A coin may come while another holder's is waited for, a check while coins are relayed.
        if self.step > due || self.step == Step::Over {
            return Err(Refusal::Unexpected("it comes too late for its step"));
        }
        if due > Step::Check && self.step < due {
            return Err(Refusal::Unexpected("it comes too early for its step"));
        }
        let by_holder = !matches!(
            signed.kind,
            Kind::Contribution
                | Kind::Share
                | Kind::Compliance
                | Kind::Check
                | Kind::Outcome
                | Kind::Certificate
        );
        if by_holder && !holds {
            return Err(Refusal::Unexpected("a holder's message of no holder"));
        }
        let mut out = vec![];
        match signed.kind {
            Kind::Contribution => {
                let contribution = Contribution::decode(&signed.body, &setup.manifest)?;
                self.contributed.insert(from, contribution);
                out.push(relay(Recipient::AllBut(from)));
            }
            Kind::Compliance => {
                if !self.constrained {
                    return Err(Refusal::Unexpected("no constraints were agreed on"));
                }
                let entry = Compliance::from_bytes(&signed.body)?;
                if entry.party != from {
                    return Err(Refusal::Unexpected("constraints of another party"));
                }
                self.compliance.insert(from, entry);
                out.push(relay(Recipient::AllBut(from)));
            }
            Kind::Share => {
                if setup.holder(addressee).is_none()
                    || addressee == from
                    || !self.contributed.contains_key(&from)
                {
                    return Err(Refusal::Unexpected(
                        "a share for no holder or before its contribution",
                    ));
                }
                self.shared.entry(from).or_default().insert(addressee);
                out.push(relay(Recipient::One(addressee)));
            }
            Kind::Ready => {
                let message = Ready::decode(&signed.body, &setup)?;
                self.ready.insert(from, (signed.clone(), message));
            }
            Kind::Coin => {
                let message = Coin::decode(&signed.body)?;
                let opened = coin_commitment(&setup, from, &message.coin);
                match self.ready.get(&from) {
                    Some((_, ready)) if ready.coin_commitment == opened => {}
                    Some(_) => {
                        return Err(Refusal::Cheater {
                            party: from,
                            deed: Deed::WrongCoin,
                        })
                    }
                    None => {
                        return Err(Refusal::Unexpected("a coin of a holder that is not ready"))
                    }
                }
                self.coins.insert(from);
                out.push(relay(Recipient::AllBut(from)));
            }
            Kind::Check => {
                self.checks
                    .insert(from, CheckMessage::decode(&signed.body, &setup)?);
                let others = setup.manifest.holders.iter().filter(|h| **h != from);
                out.extend(others.map(|h| relay(Recipient::One(*h))));
            }
            Kind::Verdict => {
                let verdict = Verdict::decode(&signed.body, &setup)?;
                self.verdicts.insert(from, verdict);
                let others = setup.manifest.holders.iter().filter(|h| **h != from);
                out.extend(others.map(|h| relay(Recipient::One(*h))));
            }
            Kind::Survivors => {
                Survivors::decode(&signed.body, &setup.manifest)?;
                self.signed.insert(from, signed.clone());
            }
            Kind::Reveal => {
                self.reveals.insert(from);
                out.push(relay(Recipient::AllBut(from)));
            }
            Kind::Outcome => {
                let outcome = Outcome::decode(&signed.body)?;
                self.outcomes.insert(from);
                self.outcome_signatures
                    .push((from, outcome, signed.signature));
                out.push(relay(Recipient::AllBut(from)));
            }
            Kind::Certificate => {
                let message = Certification::decode(&signed.body)?;
                self.certified.insert(from, message);
                out.push(relay(Recipient::AllBut(from)));
            }
        }
        self.seen.insert((from, signed.kind, addressee), digest);
        out.extend(self.advance(false));
        Ok(out)
    }

    /// The current step has lasted long enough: go on with who is there.
    pub fn time_up(&mut self) -> Vec<Delivery> {
        self.advance(true)
    }

    fn advance(&mut self, time_up: bool) -> Vec<Delivery> {
        let setup = Arc::clone(&self.setup);
        let manifest = &setup.manifest;
        let everybody = manifest.parties.len();
        let request = |request| vec![(Recipient::All, Frame::Request(request).encode())];
        let ask_holders = |request| -> Vec<Delivery> {
            let frame = Frame::Request(request).encode();
            let holders = manifest.holders.iter();
            holders
                .map(|h| (Recipient::One(*h), frame.clone()))
                .collect()
        };
        match self.step {
            Step::Contribute => {
                let shares = |p: &u16| {
                    let others = manifest.holders.len() - usize::from(setup.holder(*p).is_some());
                    self.shared.get(p).map_or(0, BTreeSet::len) == others
                };
                let complete: Vec<u16> = self.contributed.keys().copied().filter(shares).collect();
                if complete.len() < everybody && !time_up {
                    return vec![];
                }
                if !manifest.enough_contributors(complete.len()) {
                    return self.fail("too few parties contributed");
                }
                self.step = Step::Ready;
                ask_holders(Request::Ready(complete))
            }
            Step::Ready => {
                if self.ready.len() < manifest.holders.len() && !time_up {
                    return vec![];
                }
                let Some((dealers, holders)) = self.choose() else {
                    return self.fail("too few holders have the shares of enough contributors");
                };
                let ready = holders.iter().map(|h| self.ready[h].0.clone()).collect();
                self.dealers.clone_from(&dealers);
                self.tossers = holders;
                self.step = Step::Coin;
                request(Request::Coins(dealers, ready))
            }
            Step::Coin => {
                if self.tossers.is_subset(&self.coins) {
                    self.step = Step::Check;
                    return self.advance(false);
                }
                if !time_up {
                    return vec![];
                }
                let withheld: Vec<String> = self
                    .tossers
                    .difference(&self.coins)
                    .map(|h| manifest.parties[usize::from(*h)].name.clone())
                    .collect();
                self.fail(&format!("the coin was withheld by {}", withheld.join(", ")))
            }
            Step::Check => {
                let here: Vec<u16> = self
                    .dealers
                    .iter()
                    .copied()
                    .filter(|d| self.checks.contains_key(d))
                    .collect();
                if here.len() < self.dealers.len() && !time_up {
                    return vec![];
                }
                if !manifest.enough_contributors(here.len()) {
                    return self.fail("too few contributors showed their sharing checks");
                }
                self.step = Step::Verdict;
                ask_holders(Request::Judge(here))
            }
            Step::Verdict => {
                if self.verdicts.len() < self.tossers.len() && !time_up {
                    return vec![];
                }
                let votes = |d: &u16| {
                    let accepts = |v: &&Verdict| v.accepted.iter().any(|(p, _)| p == d);
                    self.verdicts.values().filter(accepts).count()
                };
                let caught = self.caught();
                let survivors: Vec<u16> = self
                    .dealers
                    .iter()
                    .copied()
                    .filter(|d| votes(d) >= manifest.quorum() && !caught.contains(d))
                    .collect();
                if !manifest.enough_contributors(survivors.len()) {
                    return self.fail("too few contributors are accepted by enough holders");
                }
                self.step = Step::Survivors;
                ask_holders(Request::Survivors(survivors))
            }
            Step::Survivors => {
                let mut bodies: BTreeMap<&[u8], Vec<&Signed>> = BTreeMap::new();
                for signed in self.signed.values() {
                    bodies.entry(&signed.body).or_default().push(signed);
                }
                let most = bodies
                    .values()
                    .max_by_key(|list| list.len())
                    .cloned()
                    .unwrap_or_default();
                if most.len() < manifest.quorum() || (most.len() < self.verdicts.len() && !time_up)
                {
                    return match time_up {
                        true => self.fail("too few holders signed the survivor set"),
                        false => vec![],
                    };
                }
                let survivors =
                    Survivors::decode(&most[0].body, manifest).expect("decoded on receipt");
                let signatures = most.iter().map(|s| (s.party, s.signature)).collect();
                let certificate = SurvivorCertificate {
                    survivors,
                    signatures,
                };
                self.step = Step::Reveal;
                let frame = request(Request::Reveal(certificate.encode()));
                self.certificate = Some(certificate);
                frame
            }
            Step::Reveal => {
                if self.outcomes.len() == everybody && self.certified.len() == everybody {
                    self.step = Step::Over;
                } else if time_up {
                    if self.outcomes.is_empty() {
                        return self.fail("too few holders revealed their share of the sum");
                    }
                    self.step = Step::Over;
                }
                vec![]
            }
            Step::Closing => {
                if self.certified.len() == everybody || time_up {
                    self.step = Step::Over;
                }
                vec![]
            }
            Step::Over => vec![],
        }
    }

    /// Contributors and holders such that each of these holders has the shares of each of these contributors; drops
    /// the contributor that most holders miss until enough holders have all.
    fn choose(&self) -> Option<(Vec<u16>, BTreeSet<u16>)> {
        let manifest = &self.setup.manifest;
        let mut dealers: Vec<u16> = self.contributed.keys().copied().collect();
        loop {
            let has = |h: &u16, d: &u16| self.ready[h].1.dealers.iter().any(|(p, _)| p == d);
            let complete: BTreeSet<u16> = self
                .ready
                .keys()
                .copied()
                .filter(|h| dealers.iter().all(|d| has(h, d)))
                .collect();
            if !manifest.enough_contributors(dealers.len()) {
                return None;
            }
            if complete.len() >= manifest.quorum() {
                return Some((dealers, complete));
            }
            let missing = |d: &u16| self.ready.keys().filter(|h| !has(h, d)).count();
            let worst = (0..dealers.len()).max_by_key(|i| missing(&dealers[*i]))?;
            if missing(&dealers[worst]) == 0 {
                return None;
            }
            dealers.remove(worst);
        }
    }

    /// Who is caught by a complaint: the dealer, or the holder that complains without reason.
    fn caught(&self) -> BTreeSet<u16> {
        let mut caught = BTreeSet::new();
        for (holder, verdict) in &self.verdicts {
            for (dealer, plaintext) in &verdict.complaints {
                let known = (self.contributed.get(dealer), self.checks.get(dealer));
                if let (Some(contribution), Some(check)) = known {
                    let digests = &contribution.share_digests;
                    let holds =
                        complaint_holds(&self.setup, digests, check, *holder, *dealer, plaintext);
                    caught.insert(if holds { *dealer } else { *holder });
                }
            }
        }
        caught
    }

    fn fail(&mut self, reason: &str) -> Vec<Delivery> {
        self.step = match self.ending {
            true => Step::Closing,
            false => Step::Over,
        };
        self.failure = Some(reason.to_owned());
        let frame = Frame::Request(Request::Abort(reason.to_owned()));
        vec![(Recipient::All, frame.encode())]
    }
}
