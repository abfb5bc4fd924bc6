//! A holder's part: take shares, toss the coin, judge the checks, sign one survivor set, reveal once.

use clearproof_prover::prove::columns::combination;
use clearproof_shared::training::certificate::Compliance;
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::signed::{Kind, Signed};
use clearproof_shared::training::survivors::{Survivor, SurvivorCertificate, Survivors};
use ff::Field;
use halo2curves::bn256::{Fr, G1Affine};
use rand_core::RngCore;
use std::sync::Arc;
use subtle::ConstantTimeEq;

use super::dealing::{challenge, folded_commitment, masked_fold};
use super::messages::{
    coin_commitment, hash, CheckMessage, Coin, Digests, Ready, Reveal, SealedShare, ShareMessage,
    Verdict,
};
use super::party::{Deed, Party, Proposal, Received, Refusal};
use super::seal::{open, seal, Route};
use super::setup::Setup;
use super::sharing::weights;
use super::vectors::{add_multiple, to_bytes, SecretVector};

type Frames = Result<Vec<Vec<u8>>, Refusal>;

impl Party {
    pub(super) fn on_contribution(&mut self, signed: &Signed, digest: [u8; 32]) -> Frames {
        let contribution = Contribution::decode(&signed.body, &self.setup.manifest)?;
        if let Some(key) = &self.setup.norm {
            if key
                .verify(&self.setup.digest, signed.party, &contribution)
                .is_err()
            {
                return Err(self.blame(signed.party, Deed::Unproven));
            }
        }
        self.contributions.insert(
            signed.party,
            Received {
                contribution,
                digest,
            },
        );
        match self.early_shares.remove(&signed.party) {
            Some(share) => self.on_share(share),
            None => Ok(vec![]),
        }
    }

    pub(super) fn on_compliance(&mut self, signed: &Signed) -> Frames {
        let Some(constraints) = &self.constraints else {
            return Err(Refusal::Unexpected("no constraints were agreed on"));
        };
        if self.history.complied(signed.party) {
            return Err(Refusal::Unexpected("its constraints are proven already"));
        }
        let entry = Compliance::from_bytes(&signed.body)?;
        let round = self.history.rounds() as u32;
        if !constraints.check((&self.setup.digest, signed.party), round, &entry) {
            return Err(self.blame(signed.party, Deed::Noncompliant));
        }
        self.compliance.insert(signed.party, entry);
        Ok(vec![])
    }

    /// Whether the party proved the constraints, if there are any.
    fn complies(&self, party: u16) -> bool {
        self.constraints.is_none()
            || self.history.complied(party)
            || self.compliance.contains_key(&party)
    }

    pub(super) fn on_share(&mut self, signed: Signed) -> Frames {
        let setup = Arc::clone(&self.setup);
        let message = SealedShare::decode(&signed.body, &setup)?;
        let Some(holder) = setup.holder(self.me).filter(|_| message.holder == self.me) else {
            return Err(Refusal::Unexpected("a share for another party"));
        };
        // Shares are fixed before the own coin is committed to, hence before the challenge is known.
        if self.ready.is_some() {
            return Err(Refusal::Unexpected("a share after readiness"));
        }
        let Some(received) = self.contributions.get(&signed.party) else {
            self.early_shares.insert(signed.party, signed);
            return Ok(vec![]);
        };
        let route = Route {
            manifest: &setup.digest,
            from: signed.party,
            to: self.me,
        };
        // What does not open, or is not what the dealer announced, is held as not received: who is at fault
        // cannot be shown, and the proposal leaves out the dealer or the holder.
        let plaintext = open(self.identity.sealing(), route, &message.sealed)
            .ok_or(Refusal::Unexpected("a share that does not open"))?;
        let digest = ShareMessage::digest(&setup, signed.party, self.me, &plaintext);
        if digest != received.contribution.share_digests[holder] {
            return Err(Refusal::Unexpected("a share other than announced"));
        }
        let message = ShareMessage::decode(&plaintext, &setup)
            .ok_or(Refusal::Unexpected("a share of the wrong form"))?;
        let scalars = message.share.expand(setup.share_length());
        self.shares.insert(signed.party, (message, scalars));
        Ok(vec![])
    }

    /// Says whose shares are here, and commits to a part of the coin.
    pub(super) fn say_ready(&mut self, dealers: &[u16]) -> Frames {
        if self.setup.holder(self.me).is_none() || self.ready.is_some() {
            return Err(Refusal::Unexpected("no readiness is due"));
        }
        let held: Digests = dealers
            .iter()
            .filter(|d| self.shares.contains_key(d) && !self.blamed.contains_key(d))
            .filter(|d| self.complies(**d))
            .filter_map(|d| self.contributions.get(d).map(|r| (*d, r.digest)))
            .collect();
        let ready = Ready {
            coin_commitment: coin_commitment(&self.setup, self.me, &self.own_coin()),
            dealers: held.clone(),
        };
        self.ready = Some(held);
        Ok(vec![self.sign(Kind::Ready, ready.encode())])
    }

    fn own_coin(&self) -> [u8; 32] {
        let mut coin = [0; 32];
        self.rng("coin").fill_bytes(&mut coin);
        coin
    }

    /// Checks that enough holders have the same contributions' shares; opens the own coin for them, once.
    pub(super) fn on_proposal(&mut self, dealers: Vec<u16>, ready: &[Signed]) -> Frames {
        let setup = Arc::clone(&self.setup);
        let manifest = &setup.manifest;
        if self.proposal.is_some() {
            return Err(Refusal::Coordinator("a second proposal in one round"));
        }
        if ready.len() < manifest.quorum() {
            return Err(Refusal::Coordinator("too few holders are ready"));
        }
        if !manifest.enough_contributors(dealers.len()) {
            return Err(Refusal::Coordinator("too few contributors"));
        }
        let mut commitments = std::collections::BTreeMap::new();
        let mut subject = vec![];
        for signed in ready {
            signed.verify(manifest, &setup.digest)?;
            let message = Ready::decode(&signed.body, &setup)?;
            let holder = setup.holder(signed.party).is_some() && signed.kind == Kind::Ready;
            if !holder
                || commitments
                    .insert(signed.party, message.coin_commitment)
                    .is_some()
            {
                return Err(Refusal::Coordinator(
                    "readiness of no holder, or twice of one",
                ));
            }
            for dealer in &dealers {
                let known = self.contributions.get(dealer).map(|r| (*dealer, r.digest));
                let known = known.filter(|_| self.complies(*dealer));
                let known = known.ok_or(Refusal::Coordinator("a contributor unknown here"))?;
                if !message.dealers.contains(&known) {
                    return Err(Refusal::Coordinator("holders differ on a contribution"));
                }
            }
            subject.extend(signed.party.to_le_bytes());
            subject.extend(signed.body_digest());
        }
        let chosen: Vec<u8> = dealers.iter().flat_map(|d| d.to_le_bytes()).collect();
        let digest = hash(&[PROPOSAL_TAG, &setup.digest, &chosen, &subject]);
        let own = commitments.contains_key(&self.me).then(|| Coin {
            proposal: digest,
            coin: self.own_coin(),
        });
        self.proposal = Some(Proposal {
            digest,
            dealers,
            commitments,
        });
        let Some(own) = own else { return Ok(vec![]) };
        let mut frames = vec![self.sign(Kind::Coin, own.encode())];
        frames.extend(self.take_coin(self.me, own.coin));
        Ok(frames)
    }

    pub(super) fn on_coin(&mut self, signed: &Signed) -> Frames {
        let message = Coin::decode(&signed.body)?;
        let Some(proposal) = &self.proposal else {
            self.seen.remove(&(signed.party, Kind::Coin));
            return Err(Refusal::Unexpected("a coin before the proposal"));
        };
        let Some(commitment) = proposal.commitments.get(&signed.party) else {
            return Err(Refusal::Unexpected(
                "a coin of a holder outside the proposal",
            ));
        };
        if message.proposal != proposal.digest {
            return Err(Refusal::Unexpected("a coin for another proposal"));
        }
        let opened = coin_commitment(&self.setup, signed.party, &message.coin);
        if !bool::from(opened.ct_eq(commitment)) {
            return Err(self.blame(signed.party, Deed::WrongCoin));
        }
        Ok(self.take_coin(signed.party, message.coin))
    }

    /// When the last part is here, the coin is all parts together; a proposed contributor then shows its check.
    fn take_coin(&mut self, party: u16, coin: [u8; 32]) -> Vec<Vec<u8>> {
        self.coins.insert(party, coin);
        let proposal = self.proposal.as_ref().expect("coins follow the proposal");
        if self.coins.len() < proposal.commitments.len() {
            return vec![];
        }
        let coins: Vec<u8> = self.coins.values().flatten().copied().collect();
        let coin = hash(&[JOINT_TAG, &self.setup.digest, &proposal.digest, &coins]);
        let contributes = proposal.dealers.contains(&self.me);
        self.coin = Some(coin);
        if !contributes {
            return vec![];
        }
        let body = self.own_check(coin);
        if self.setup.holder(self.me).is_some() {
            let digest = super::messages::sha256(&body);
            let check = CheckMessage::decode(&body, &self.setup).expect("just written");
            self.checks.insert(self.me, (check, digest));
        }
        vec![self.sign(Kind::Check, body)]
    }

    pub(super) fn on_check(&mut self, signed: Signed, digest: [u8; 32]) -> Frames {
        let Some(coin) = self.coin else {
            // Coins still on their way to this holder may be with others already.
            self.early_checks.push(signed);
            return Ok(vec![]);
        };
        let message = CheckMessage::decode(&signed.body, &self.setup)?;
        if message.coin != coin {
            return Err(Refusal::Unexpected("a check for another coin"));
        }
        self.checks.insert(signed.party, (message, digest));
        Ok(vec![])
    }

    /// Accepts the contributors whose checks hold against commitments and own shares; shows the share of any
    /// whose check does not fit it.
    pub(super) fn judge(&mut self, dealers: &[u16]) -> Frames {
        let setup = Arc::clone(&self.setup);
        let (Some(coin), true, None) = (self.coin, setup.holder(self.me).is_some(), &self.accepted)
        else {
            return Err(Refusal::Unexpected("no verdict is due"));
        };
        for signed in std::mem::take(&mut self.early_checks) {
            let (party, digest) = (signed.party, signed.body_digest());
            if let Err(Refusal::Format(_)) = self.on_check(signed, digest) {
                self.blame(party, Deed::Malformed(Kind::Check));
            }
        }
        let proposal = self.proposal.as_ref().expect("a coin follows a proposal");
        // Only who tossed had all shares fixed before the coin.
        if !proposal.commitments.contains_key(&self.me) {
            return Err(Refusal::Unexpected(
                "no verdict is due of a holder that was not ready",
            ));
        }
        let proposed = &proposal.dealers;
        let candidates: Vec<u16> = dealers
            .iter()
            .copied()
            .filter(|d| proposed.contains(d) && self.checks.contains_key(d))
            .filter(|d| self.shares.contains_key(d))
            .collect();
        // 1. The commitments: all at once with random weights, one by one if that fails.
        if !self.checks_open(&candidates, challenge(&coin)) {
            for dealer in &candidates {
                if !self.checks_open(&[*dealer], challenge(&coin)) {
                    self.blame(*dealer, Deed::WrongOpening);
                }
            }
        }
        // 2. The own shares.
        let (mut accepted, mut complaints) = (vec![], vec![]);
        for dealer in candidates
            .into_iter()
            .filter(|d| !self.blamed.contains_key(d))
        {
            let (check, digest) = &self.checks[&dealer];
            let (message, scalars) = &self.shares[&dealer];
            if fits(&setup, self.me, dealer, check, scalars, challenge(&coin)) {
                accepted.push((dealer, *digest));
            } else {
                complaints.push((dealer, message.encode().to_vec()));
            }
        }
        complaints.iter().for_each(|(dealer, _)| {
            self.blamed
                .entry(*dealer)
                .or_insert(Deed::InconsistentShare);
        });
        self.accepted = Some(accepted.clone());
        let verdict = Verdict {
            accepted,
            complaints,
        };
        let frame = self.sign(Kind::Verdict, verdict.encode());
        for (party, verdict) in std::mem::take(&mut self.early_verdicts) {
            self.weigh(party, &verdict);
        }
        Ok(vec![frame])
    }

    /// Whether the checks of these dealers open their commitments at 0.
    fn checks_open(&self, dealers: &[u16], challenge: Fr) -> bool {
        let mut rng = self.rng("check weights");
        let mut sum = SecretVector(vec![Fr::ZERO; self.setup.folded_length()]);
        let (mut scalars, mut points): (Vec<Fr>, Vec<G1Affine>) = (vec![], vec![]);
        for dealer in dealers {
            let weight = Fr::random(&mut rng);
            add_multiple(&mut sum, weight, &self.checks[dealer].0.values[0]);
            let (s, p) = folded_commitment(&self.contributions[dealer].contribution, challenge);
            scalars.extend(s.iter().map(|s| weight * s));
            points.extend(p);
        }
        let committed = self.setup.commit_folded(&sum);
        combination(&scalars, &points) == committed.into()
    }

    pub(super) fn on_verdict(&mut self, signed: &Signed) -> Frames {
        if self.setup.holder(signed.party).is_none() {
            return Err(Refusal::Unexpected("a verdict of no holder"));
        }
        let verdict = Verdict::decode(&signed.body, &self.setup)?;
        if self.accepted.is_none() {
            self.early_verdicts.push((signed.party, verdict));
            return Ok(vec![]);
        }
        match self.weigh(signed.party, &verdict) {
            Some((party, deed)) => Err(Refusal::Cheater { party, deed }),
            None => Ok(vec![]),
        }
    }

    /// Decides each complaint: the share that is shown is the one the dealer announced, and contradicts its
    /// check, or the complainer cheats.
    fn weigh(&mut self, holder: u16, verdict: &Verdict) -> Option<(u16, Deed)> {
        let setup = Arc::clone(&self.setup);
        let mut caught = None;
        for (dealer, plaintext) in &verdict.complaints {
            let known = (self.contributions.get(dealer), self.checks.get(dealer));
            let (Some(received), Some((check, _))) = known else {
                continue;
            };
            let digests = &received.contribution.share_digests;
            let (party, deed) =
                match complaint_holds(&setup, digests, check, holder, *dealer, plaintext) {
                    true => (*dealer, Deed::InconsistentShare),
                    false => (holder, Deed::FalseComplaint),
                };
            self.blamed.entry(party).or_insert(deed);
            caught.get_or_insert((party, deed));
        }
        caught
    }

    /// Signs one survivor set: accepted here, nobody in it caught, enough of them.
    pub(super) fn sign_survivors(&mut self, parties: &[u16]) -> Frames {
        let (Some(accepted), Some(coin)) = (&self.accepted, self.coin) else {
            return Err(Refusal::Unexpected("no survivor set is due"));
        };
        if self.signed_survivors {
            return Err(Refusal::Coordinator("a second survivor set in one round"));
        }
        let mut survivors = vec![];
        for party in parties {
            let check = accepted.iter().find(|(p, _)| p == party);
            let Some((_, check)) = check.filter(|_| !self.blamed.contains_key(party)) else {
                return Err(Refusal::Coordinator("a survivor that is not accepted here"));
            };
            let contribution = self.contributions[party].digest;
            survivors.push(Survivor {
                party: *party,
                contribution,
                check: *check,
            });
        }
        let body = Survivors { coin, survivors }.encode();
        Survivors::decode(&body, &self.setup.manifest)?;
        self.signed_survivors = true;
        Ok(vec![self.sign(Kind::Survivors, body)])
    }

    /// Takes a certificate; a holder that accepted all its survivors reveals the sum of their shares, once.
    pub(super) fn on_certificate(&mut self, bytes: &[u8]) -> Frames {
        let setup = Arc::clone(&self.setup);
        let manifest = &setup.manifest;
        let certificate = SurvivorCertificate::decode(bytes, manifest)?;
        certificate.verify(manifest, &setup.digest)?;
        match &self.certificate {
            Some(known) if known.survivors == certificate.survivors => return Ok(vec![]),
            Some(_) => return Err(Refusal::Coordinator("a second certificate in one round")),
            None => {}
        }
        let survivors = &certificate.survivors.survivors;
        let known = |s: &Survivor| {
            self.contributions
                .get(&s.party)
                .is_some_and(|r| r.digest == s.contribution)
                && self.complies(s.party)
        };
        if !survivors.iter().all(known) {
            return Err(Refusal::Coordinator(
                "a survivor's contribution is unknown here",
            ));
        }
        let mut frames = vec![];
        let accepted = self.accepted.as_ref();
        let agrees = |s: &Survivor| accepted.is_some_and(|a| a.contains(&(s.party, s.check)));
        if survivors.iter().all(agrees) && self.coin == Some(certificate.survivors.coin) {
            let mut sum = SecretVector(vec![Fr::ZERO; setup.value_length()]);
            for survivor in survivors {
                let (_, share) = &self.shares[&survivor.party];
                add_multiple(&mut sum, Fr::ONE, &share[..setup.value_length()]);
            }
            frames.push(self.seal_reveal(&sum));
            self.reveals.insert(self.me, sum);
        }
        self.shares.clear();
        self.certificate = Some(certificate);
        for signed in std::mem::take(&mut self.early_reveals) {
            // A malformed one is its sender's fault, and this party goes on with the others.
            if let Err(Refusal::Format(_)) = self.take_reveal(&signed) {
                self.blame(signed.party, Deed::Malformed(Kind::Reveal));
            }
        }
        frames.extend(self.reconstruct());
        Ok(frames)
    }

    fn seal_reveal(&self, sum: &[Fr]) -> Vec<u8> {
        use hpke::{Kem as _, Serializable};
        let setup = &self.setup;
        let mut rng = self.rng("reveal");
        let mut key = zeroize::Zeroizing::new([0u8; 32]);
        rng.fill_bytes(&mut key[..]);
        let (_, public) = super::seal::Kem::derive_keypair(&key[..]);
        let route = |to| Route {
            manifest: &setup.digest,
            from: self.me,
            to,
        };
        let content = seal(
            &public.to_bytes().into(),
            route(u16::MAX),
            &to_bytes(sum),
            &mut rng,
        );
        let parties = setup.manifest.parties.iter().enumerate();
        let keys = parties
            .map(|(i, entry)| {
                // Who has an unusable key cannot open it; dealing has refused such a holder before.
                seal(&entry.sealing_key, route(i as u16), &key[..], &mut rng).unwrap_or_default()
            })
            .collect();
        let content = content.expect("a derived key is a key");
        self.sign(Kind::Reveal, Reveal { content, keys }.encode())
    }

    pub(super) fn on_reveal(&mut self, signed: Signed) -> Frames {
        if self.setup.holder(signed.party).is_none() {
            return Err(Refusal::Unexpected("a share of the sum of no holder"));
        }
        if self.certificate.is_none() {
            self.early_reveals.push(signed);
            return Ok(vec![]);
        }
        self.take_reveal(&signed)?;
        Ok(self.reconstruct())
    }

    fn take_reveal(&mut self, signed: &Signed) -> Result<(), Refusal> {
        use hpke::Kem as _;
        let setup = Arc::clone(&self.setup);
        let message = Reveal::decode(&signed.body, &setup)?;
        let route = |to| Route {
            manifest: &setup.digest,
            from: signed.party,
            to,
        };
        let sealed = &message.keys[usize::from(self.me)];
        let key = open(self.identity.sealing(), route(self.me), sealed);
        let sum = key.and_then(|key| {
            let (secret, _) = super::seal::Kem::derive_keypair(&key);
            let bytes = open(&secret, route(u16::MAX), &message.content)?;
            super::vectors::from_bytes(&bytes, setup.value_length())
        });
        let sum = sum.ok_or(Refusal::Unexpected("a share of the sum that does not open"))?;
        self.reveals.insert(signed.party, sum);
        Ok(())
    }
}

/// Whether a share that a holder shows is the one that its dealer announced, and contradicts the dealer's check.
pub(super) fn complaint_holds(
    setup: &Setup,
    announced: &[[u8; 32]],
    check: &CheckMessage,
    holder: u16,
    dealer: u16,
    plaintext: &[u8],
) -> bool {
    let Some(index) = setup.holder(holder) else {
        return false;
    };
    if ShareMessage::digest(setup, dealer, holder, plaintext) != announced[index] {
        return false;
    }
    // What is announced and no share at all was refused on receipt, and is no ground for a complaint.
    ShareMessage::decode(plaintext, setup).is_some_and(|message| {
        let scalars = message.share.expand(setup.share_length());
        !fits(
            setup,
            holder,
            dealer,
            check,
            &scalars,
            challenge(&check.coin),
        )
    })
}

/// Whether a holder's combination of a dealer's shares is the published polynomial at its point.
fn fits(
    setup: &Setup,
    holder: u16,
    dealer: u16,
    check: &CheckMessage,
    scalars: &[Fr],
    challenge: Fr,
) -> bool {
    let index = setup.holder(holder).expect("shares are held by holders");
    let mut nodes = vec![Fr::ZERO];
    nodes.extend(setup.seeded(dealer).into_iter().map(Setup::point));
    let mut own = masked_fold(setup, scalars, challenge);
    for (weight, value) in weights(&nodes, Setup::point(index))
        .iter()
        .zip(&check.values)
    {
        add_multiple(&mut own, -*weight, value);
    }
    own.iter().all(|x| *x == Fr::ZERO)
}

const PROPOSAL_TAG: &[u8] = b"clearproof federated proposal v1";
const JOINT_TAG: &[u8] = b"clearproof federated joint coin v1";
