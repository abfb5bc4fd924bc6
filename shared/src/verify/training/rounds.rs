//! What the rounds of a certificate show: each check looks at all of them.

use std::sync::Arc;

use ark_ec::CurveGroup;
use sha2::{Digest, Sha256};

use super::{sentence, Found};
use crate::bn254::G1Affine;
use crate::encoding::points_to_bytes;
use crate::training::certificate::{Body, Certificate, Round};
use crate::training::contribution::Contribution;
use crate::training::manifest::Manifest;
use crate::training::norm::with_statement;
use crate::training::outcome::Outcome;
use crate::training::signed::{Kind, Signed};
use crate::training::survivors::{Survivor, SurvivorCertificate};
use crate::verify::bases::bases_equation;
use crate::verify::batch::{holds, Pending};
use crate::verify::prepared::{Generators, PreparedKey};
use crate::verify::proof::read_proof;
use crate::verify::srs::{recognise, Recognised};

/// A round whose parts were decoded.
pub(super) struct ReadRound {
    pub(super) manifest: Manifest,
    /// SHA-256 of the manifest.
    pub(super) digest: [u8; 32],
    pub(super) survivors: SurvivorCertificate,
    /// The survivors' contributions with the SHA-256 of their bytes.
    pub(super) contributions: Vec<(Contribution, [u8; 32])>,
    pub(super) after: Option<[u8; 32]>,
}

impl ReadRound {
    fn set(&self) -> &[Survivor] {
        &self.survivors.survivors.survivors
    }

    /// How many parties' updates are in the sum.
    pub(super) fn survivors(&self) -> usize {
        self.set().len()
    }

    /// Whether a party's update is in the sum.
    pub(super) fn has(&self, party: u16) -> bool {
        self.set().iter().any(|survivor| survivor.party == party)
    }

    /// "Round 3: ..."
    fn refused(&self, what: &str) -> String {
        ["Round ", &self.manifest.round.to_string(), ": ", what].concat()
    }
}

/// Decodes all rounds and aborted attempts: one session, one roster, numbers without gaps.
pub(super) fn read(certificate: &Certificate) -> Result<(Vec<ReadRound>, Vec<Manifest>), String> {
    let body = &certificate.body;
    let mut rounds: Vec<ReadRound> = vec![];
    for (index, round) in body.rounds.iter().enumerate() {
        let refused = |error: &dyn core::fmt::Display| {
            let what = ["Round at position ", &index.to_string(), " is refused"].concat();
            sentence(&what, error)
        };
        rounds.push(read_round(round).map_err(|error| refused(&error))?);
    }
    let first = rounds.first().ok_or("The certificate holds no round.")?;
    if certificate.outcomes.len() != rounds.len() {
        return Err("Signatures on outcomes are of another number of rounds.".into());
    }
    let mut aborted = vec![];
    for bytes in &body.aborted {
        let manifest = Manifest::decode(bytes);
        aborted.push(manifest.map_err(|e| sentence("An aborted attempt is refused", &e))?);
    }
    let manifests = || rounds.iter().map(|r| &r.manifest);
    let one = |manifest: &Manifest| {
        manifest.session == first.manifest.session && manifest.parties == first.manifest.parties
    };
    if !manifests().chain(&aborted).all(one) {
        return Err("The rounds are of different sessions or rosters.".into());
    }
    // Numbers follow each other; every earlier attempt of a round is listed, once and in order.
    let mut listed = aborted.iter();
    for (index, manifest) in manifests().enumerate() {
        if Some(manifest.round) != first.manifest.round.checked_add(index as u64) {
            return Err("The rounds' numbers do not follow each other.".into());
        }
        for attempt in 0..manifest.attempt {
            let known = listed.next().map(|m| (m.round, m.attempt));
            if known != Some((manifest.round, attempt)) {
                return Err("An aborted attempt is missing: its privacy is spent too.".into());
            }
        }
    }
    // After the last round, attempts may have failed for good.
    let last = rounds.last().map_or(0, |r| r.manifest.round);
    for (index, manifest) in listed.enumerate() {
        let due = (last.checked_add(1), index as u64);
        if (Some(manifest.round), u64::from(manifest.attempt)) != due {
            return Err("An aborted attempt belongs to no round.".into());
        }
    }
    Ok((rounds, aborted))
}

fn read_round(round: &Round) -> Result<ReadRound, String> {
    let manifest = Manifest::decode(&round.manifest).map_err(|e| e.to_string())?;
    let survivors = SurvivorCertificate::decode(&round.survivors, &manifest);
    let survivors = survivors.map_err(|e| e.to_string())?;
    let mut contributions = vec![];
    for bytes in &round.contributions {
        let contribution = Contribution::decode(bytes, &manifest).map_err(|e| e.to_string())?;
        contributions.push((contribution, Sha256::digest(bytes).into()));
    }
    Ok(ReadRound {
        digest: Sha256::digest(&round.manifest).into(),
        manifest,
        survivors,
        contributions,
        after: round.after,
    })
}

/// More than (n + t)/2 holders signed each set.
pub(super) fn survivors(rounds: &[ReadRound]) -> Found {
    for round in rounds {
        let verified = round.survivors.verify(&round.manifest, &round.digest);
        verified.map_err(|error| round.refused(&sentence("the survivors are refused", &error)))?;
    }
    Ok("Each round's survivors are signed by a quorum of its holders.".into())
}

/// The contributions are those whose digests the holders signed.
pub(super) fn contributions(rounds: &[ReadRound]) -> Found {
    for round in rounds {
        let signed = round.set().iter().map(|survivor| survivor.contribution);
        if !signed.eq(round.contributions.iter().map(|(_, digest)| *digest)) {
            return Err(round.refused("the contributions are not those that the holders signed."));
        }
    }
    Ok("Each survivor's commitments are those that the holders signed.".into())
}

/// The aggregate commitments are the products of the survivors'.
pub(super) fn aggregates(body: &Body, rounds: &[ReadRound]) -> Found {
    for (stated, round) in body.rounds.iter().zip(rounds) {
        let parts: Vec<&Contribution> = round.contributions.iter().map(|(c, _)| c).collect();
        if stated.aggregate != points_to_bytes(&aggregate(&parts, round.manifest.columns())) {
            return Err(round.refused("the aggregate is not the product of the commitments."));
        }
    }
    Ok("The aggregate commitments are the products of the survivors'.".into())
}

/// Product of the contributions' commitments, a point a column.
pub fn aggregate(contributions: &[&Contribution], columns: usize) -> Vec<G1Affine> {
    let column = |k: usize| {
        let lists = contributions.iter().flat_map(|c| [&c.update, &c.noise]);
        let points = lists.filter_map(|list| list.get(k));
        points
            .copied()
            .sum::<crate::bn254::G1Projective>()
            .into_affine()
    };
    (0..columns).map(column).collect()
}

/// Every contribution of a round with a norm circuit is proven within the bounds.
pub(super) fn norms(body: &Body, rounds: &[ReadRound]) -> Found {
    let mut keys: Vec<PreparedKey> = vec![];
    for circuit in &body.circuits {
        let generators = Generators::from_bytes(&circuit.generators)
            .ok_or("The generators of a norm circuit are not canonical points.")?;
        let key = PreparedKey::decode(&circuit.key, None, |_| Arc::clone(&generators))
            .map_err(|error| sentence("The key of a norm circuit is refused", &error))?;
        if recognise(key.key(), key.generators()) != Recognised::Transparent {
            return Err(
                "The generators of a norm circuit are not those hashed to the curve.".into(),
            );
        }
        keys.push(key);
    }
    let mut claims = vec![];
    for round in rounds {
        let Some(id) = &round.manifest.norm_circuit else {
            continue;
        };
        let key = keys.iter().find(|key| key.circuit_id() == id);
        let key =
            key.ok_or_else(|| round.refused("its norm circuit is not in the certificate."))?;
        for (survivor, (contribution, _)) in round.set().iter().zip(&round.contributions) {
            let claim = with_statement(&round.digest, survivor.party, contribution, |statement| {
                read_proof(key, statement, &contribution.proof)
            });
            let name = [
                "the norm proof of party ",
                &(u32::from(survivor.party) + 1).to_string(),
            ];
            let refused = |what: &str| round.refused(&[&name.concat()[..], " ", what].concat());
            let claim = claim.map_err(|error| refused(&sentence("is refused", &error)))?;
            claims.push((key, claim, refused("does not hold.")));
        }
    }
    let bases: Vec<_> = keys.iter().map(|key| (key, bases_equation(key))).collect();
    let own = bases.iter().map(|(key, equation)| Pending {
        key,
        equation,
        binding: key.circuit_id(),
    });
    let proofs = claims.iter().flat_map(|(key, claim, _)| {
        [Some(&claim.opening), claim.link.as_ref()]
            .into_iter()
            .flatten()
            .map(|equation| Pending {
                key,
                equation,
                binding: &claim.binding,
            })
    });
    let all: Vec<Pending<'_>> = own.chain(proofs).collect();
    if !holds(&all) {
        let culprit = claims.iter().find(|(key, claim, _)| {
            let parts = [Some(&claim.opening), claim.link.as_ref()];
            let parts = parts.into_iter().flatten().map(|equation| Pending {
                key,
                equation,
                binding: &claim.binding,
            });
            !holds(&parts.collect::<Vec<_>>())
        });
        return Err(culprit.map_or(
            "The bases of a norm circuit are not the Lagrange bases.".into(),
            |(_, _, reason)| reason.clone(),
        ));
    }
    Ok([
        &claims.len().to_string(),
        " updates are proven within the circuits' bounds, and linked to their commitments.",
    ]
    .concat())
}

/// More than t holders signed each sum; whoever signed, signed this one.
pub(super) fn sums(certificate: &Certificate, rounds: &[ReadRound]) -> Found {
    let stated = certificate.body.rounds.iter().zip(&certificate.outcomes);
    for (round, (body, signatures)) in rounds.iter().zip(stated) {
        let outcome = Outcome {
            survivors: Sha256::digest(round.survivors.survivors.encode()).into(),
            sum: body.sum,
        };
        let message = outcome.encode();
        let mut holders = 0;
        for (party, signature) in signatures {
            let signed = Signed {
                party: *party,
                kind: Kind::Outcome,
                body: message.clone(),
                signature: *signature,
            };
            let verified = signed.verify(&round.manifest, &round.digest);
            verified.map_err(|error| round.refused(&sentence("the sum is refused", &error)))?;
            holders += usize::from(round.manifest.holders.contains(party));
        }
        if holders <= usize::from(round.manifest.threshold) {
            return Err(round.refused("too few holders signed the sum."));
        }
    }
    Ok("Each sum is signed by more holders than may lie.".into())
}

/// Each round starts from the model that the one before ended with.
pub(super) fn models(body: &Body, rounds: &[ReadRound]) -> Found {
    for pair in rounds.windows(2) {
        if pair[0].after != Some(pair[1].manifest.model) {
            return Err(pair[1].refused("it starts from another model than the round before left."));
        }
    }
    match rounds.last().map(|round| round.after) {
        Some(Some(last)) if body.model == Some(last) => Ok(
            "Each round starts from the model that the one before left; the last one is the final model."
                .into(),
        ),
        _ => Err("The final model is not the one that the last round left.".into()),
    }
}
