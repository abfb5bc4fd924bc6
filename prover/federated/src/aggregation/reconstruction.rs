//! From shares of the sum to the sum: any t + 1 true shares give it, and the commitments tell which are true.
//!
//! Claim: [`Party::reconstruct`] gives the vector that opens the product of the survivors' commitments, or none
//! yet. The columns are folded with a challenge that only this party knows, so a wrong sum passes with
//! probability at most c / r, unless it is another opening (a discrete logarithm). With n - t true shares at hand,
//! some t + 1 of them pass; each further share that is not on their polynomial is its holder's lie.

use clearproof_prover::prove::columns::combination;
use clearproof_prover::prove::export::g1_from_ark;
use clearproof_shared::training::certificate::{signed_by, Body};
use clearproof_shared::training::outcome::Outcome;
use clearproof_shared::training::signed::{Kind, Signed};
use ff::Field;
use halo2curves::bn256::{Fr, G1Affine, G1};
use sha2::{Digest, Sha256};

use super::messages::Certification;
use super::party::{Aggregate, Deed, Party, Refusal};
use super::setup::Setup;
use super::sharing::weights;
use super::vectors::{add_multiple, SecretVector};

impl Party {
    /// Tries to find the sum; when it is found, names who revealed something else and signs the outcome.
    pub(super) fn reconstruct(&mut self) -> Vec<Vec<u8>> {
        let needed = usize::from(self.setup.manifest.threshold) + 1;
        let Some(certificate) = &self.certificate else {
            return vec![];
        };
        if self.aggregate.is_some() {
            self.check_late_reveals();
            return vec![];
        }
        if self.reveals.len() < needed {
            return vec![];
        }
        // 1. The folded product of the survivors' commitments.
        let challenge = Fr::random(self.rng("sum fold"));
        let (mut scalars, mut points): (Vec<Fr>, Vec<G1Affine>) = (vec![], vec![]);
        for survivor in &certificate.survivors.survivors {
            let contribution = &self.contributions[&survivor.party].contribution;
            for list in [&contribution.update, &contribution.noise] {
                let mut power = Fr::ONE;
                for point in list {
                    scalars.push(power);
                    points.push(g1_from_ark(point));
                    power *= challenge;
                }
            }
        }
        let product = combination(&scalars, &points);
        // 2. t + 1 holders whose folded shares combine to it: the first ones, unless somebody lies.
        let holders: Vec<u16> = self.reveals.keys().copied().collect();
        let first = &holders[..needed];
        let chosen = match self.sum_of(first) {
            sum if self.opens(&sum, challenge, product) => Some((first.to_vec(), sum)),
            _ => self.honest_subset(&holders, challenge, product),
        };
        let Some((chosen, sum)) = chosen else {
            return vec![];
        };
        // 3. The coordinates.
        let Ok(values) = self
            .setup
            .lanes
            .unpack(&sum[..self.setup.manifest.elements()])
        else {
            self.aborted =
                Some("the sum overflows its lanes: a contributor is out of range".into());
            return vec![];
        };
        let mut hash = Sha256::new();
        values.iter().for_each(|v| hash.update(v.to_le_bytes()));
        let digest: [u8; 32] = hash.finalize().into();
        self.aggregate = Some(Aggregate {
            sum: values,
            digest,
            certificate: certificate.clone(),
        });
        self.basis = chosen;
        self.check_late_reveals();
        let body = self.outcome_body().expect("there is an aggregate");
        let signed = self
            .identity
            .sign(&self.setup.digest, self.me, Kind::Outcome, body);
        self.outcomes.insert(self.me, signed.signature);
        for early in std::mem::take(&mut self.early_outcomes) {
            if early.body == signed.body {
                self.outcomes.insert(early.party, early.signature);
            }
        }
        let outcome = super::messages::Frame::Signed(signed).encode();
        [Some(outcome), self.certify()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Signs the training certificate up to this round, as this party saw it.
    fn certify(&mut self) -> Option<Vec<u8>> {
        self.step();
        self.sign_body()
    }

    /// Signs the certificate of a training that ends without this attempt's sum; none where no round gave one.
    pub(super) fn certify_end(&mut self) -> Option<Vec<u8>> {
        self.after = Some(self.history.model()?);
        self.sign_body()
    }

    fn sign_body(&mut self) -> Option<Vec<u8>> {
        let own = self.record()?.body(&[], self.after).ok()?;
        let body = own.digest();
        self.body = Some(own);
        let certification = Certification {
            body,
            after: self.after,
            signature: self.identity.certify(&body, self.me),
        };
        self.certified_body = Some(body);
        self.certified.insert(self.me, certification.signature);
        for (party, early) in std::mem::take(&mut self.early_certified) {
            self.take_certification(party, &early);
        }
        Some(self.sign(Kind::Certificate, certification.encode()))
    }

    pub(super) fn on_certification(&mut self, signed: &Signed) -> Result<Vec<Vec<u8>>, Refusal> {
        let certification = Certification::decode(&signed.body)?;
        match self.certified_body {
            None => self.early_certified.push((signed.party, certification)),
            Some(own) if own == certification.body => {
                self.take_certification(signed.party, &certification);
            }
            Some(_) => return Err(Refusal::Unexpected("another certificate than the own one")),
        }
        Ok(vec![])
    }

    fn take_certification(&mut self, party: u16, certification: &Certification) {
        let parties = &self.setup.manifest.parties;
        let subject = Body::subject(&certification.body, party);
        if self.certified_body == Some(certification.body)
            && signed_by(parties, party, &subject, &certification.signature)
        {
            self.certified.insert(party, certification.signature);
        }
    }

    fn outcome_body(&self) -> Option<Vec<u8>> {
        let aggregate = self.aggregate.as_ref()?;
        let survivors = super::messages::sha256(&aggregate.certificate.survivors.encode());
        Some(
            Outcome {
                survivors,
                sum: aggregate.digest,
            }
            .encode(),
        )
    }

    pub(super) fn on_outcome(&mut self, signed: Signed) -> Result<Vec<Vec<u8>>, Refusal> {
        Outcome::decode(&signed.body)?;
        match self.outcome_body() {
            None => {
                self.early_outcomes.push(signed);
                Ok(vec![])
            }
            Some(own) if own == signed.body => {
                self.outcomes.insert(signed.party, signed.signature);
                Ok(vec![])
            }
            Some(_) => Err(Refusal::Unexpected(
                "an outcome that differs from the own one",
            )),
        }
    }

    fn points(holders: &[u16], setup: &Setup) -> Vec<Fr> {
        let index = |h: &u16| setup.holder(*h).expect("only holders reveal");
        holders.iter().map(|h| Setup::point(index(h))).collect()
    }

    fn sum_of(&self, holders: &[u16]) -> SecretVector {
        let weights = weights(&Self::points(holders, &self.setup), Fr::ZERO);
        let mut sum = SecretVector(vec![Fr::ZERO; self.setup.value_length()]);
        for (holder, weight) in holders.iter().zip(weights) {
            add_multiple(&mut sum, weight, &self.reveals[holder]);
        }
        sum
    }

    fn opens(&self, sum: &[Fr], challenge: Fr, product: G1) -> bool {
        G1::from(self.setup.commit_folded(&self.setup.fold(sum, challenge))) == product
    }

    /// The first t + 1 holders whose shares combine to the product. Each share is folded and committed to once.
    fn honest_subset(
        &self,
        holders: &[u16],
        challenge: Fr,
        product: G1,
    ) -> Option<(Vec<u16>, SecretVector)> {
        let commitments: Vec<G1Affine> = holders
            .iter()
            .map(|h| {
                self.setup
                    .commit_folded(&self.setup.fold(&self.reveals[h], challenge))
            })
            .collect();
        let size = usize::from(self.setup.manifest.threshold) + 1;
        let points = Self::points(holders, &self.setup);
        let chosen = Subsets::new(holders.len(), size).find(|subset| {
            let nodes: Vec<Fr> = subset.iter().map(|i| points[*i]).collect();
            let parts: Vec<G1Affine> = subset.iter().map(|i| commitments[*i]).collect();
            combination(&weights(&nodes, Fr::ZERO), &parts) == product
        })?;
        let chosen: Vec<u16> = chosen.iter().map(|i| holders[*i]).collect();
        let sum = self.sum_of(&chosen);
        Some((chosen, sum))
    }

    /// Names holders whose share is not on the polynomial of those that gave the sum.
    fn check_late_reveals(&mut self) {
        let setup = std::sync::Arc::clone(&self.setup);
        let nodes = Self::points(&self.basis, &setup);
        let others: Vec<u16> = self
            .reveals
            .keys()
            .filter(|h| !self.basis.contains(h))
            .copied()
            .collect();
        for holder in others {
            let at = Self::points(&[holder], &setup)[0];
            let mut difference = self.reveals.remove(&holder).expect("it is there");
            for (weight, base) in weights(&nodes, at).iter().zip(&self.basis) {
                add_multiple(&mut difference, -*weight, &self.reveals[base]);
            }
            if difference.iter().any(|x| *x != Fr::ZERO) {
                self.blame(holder, Deed::WrongReveal);
            }
        }
    }
}

/// Subsets of `0..n` of one size, in lexicographic order.
struct Subsets {
    n: usize,
    next: Option<Vec<usize>>,
}

impl Subsets {
    fn new(n: usize, size: usize) -> Self {
        Self {
            n,
            next: (size <= n).then(|| (0..size).collect()),
        }
    }
}

impl Iterator for Subsets {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let current = self.next.take()?;
        let size = current.len();
        let movable = (0..size).rev().find(|i| current[*i] < self.n - size + i);
        self.next = movable.map(|i| {
            let mut following = current.clone();
            for (step, index) in following[i..].iter_mut().enumerate() {
                *index = current[i] + 1 + step;
            }
            following
        });
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_all_and_once() {
        let all: Vec<_> = Subsets::new(4, 2).collect();
        assert_eq!(all, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(Subsets::new(6, 3).count(), 20);
        assert_eq!(Subsets::new(2, 3).count(), 0);
    }
}
