//! The second phase of a key's set-up, by several contributors.
//!
//! 1. Claim: if one contributor forgot their d, nobody knows `delta = product of all d`, and nobody can forge
//!    proofs (given a first phase of which the same holds).
//! 2. The first key has gamma = delta = 1. A contribution of d multiplies delta (in both groups) and divides
//!    the points of h and l: `delta' = d delta`, `h' = h / d`, `l' = l / d`. It carries a proof of knowledge of d: Schnorr
//!    over base delta, `R = k delta`, `c = H(all before, name, delta', R)`, `s = k + c d`.
//! 3. [`Ceremony::verify`] rebuilds the first key from the statement and phase one, checks every proof, that
//!    delta is the same in both groups, that a random combination of h and l was divided by it, and that all
//!    else is unchanged. A beacon's d is the hash of a public value and adds no secrecy, only freshness.
//! 4. Assumed: discrete logarithms in the AGM and the random oracle model; contributors' names are claims.
//!    Phase one: [`phase_one`].
//! 5. Source: Bowe, Gabizon, Miers, eprint 2017/1050, section 6; Kohlweiss, Maller, Siim, Volkhov, eprint
//!    2021/219, for phase two on its own; Fuchsbauer, Plouviez, Seurin, eprint 2020/016, for Schnorr in the AGM.

mod file;
mod initial;
pub mod phase_one;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{Field, PrimeField, UniformRand, Zero};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, RngCore, SeedableRng};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroize;

use super::{ark_bytes, ProvingKey, Statement, StatementError};
use phase_one::PhaseOne;

/// A key with the transcript of how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceremony {
    statement: Statement,
    contributions: Vec<Contribution>,
    key: ProvingKey,
}

/// One step of the transcript.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Who, or of which beacon.
    name: String,
    delta_g1: G1Affine,
    delta_g2: G2Affine,
    evidence: Evidence,
}

/// Why d is known or not chosen.
#[derive(Clone, Debug, PartialEq)]
enum Evidence {
    /// A proof of knowledge.
    Schnorr { commitment: G1Affine, response: Fr },
    /// d is the hash of this value, iterated `2^log_iterations` times.
    Beacon { value: Vec<u8>, log_iterations: u8 },
}

/// Why a ceremony is refused.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The file.
    #[error("the ceremony file is malformed: {0}")]
    Malformed(&'static str),
    /// The powers of tau.
    #[error("the powers of tau are refused: {0}")]
    PhaseOne(&'static str),
    /// Too few powers.
    #[error(
        "the statement needs 2^{needed} powers of tau and there are 2^{given}; take a larger file"
    )]
    TooFewPowers {
        /// Logarithm of those needed.
        needed: u32,
        /// Logarithm of those there.
        given: u32,
    },
    /// The statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A name that cannot be.
    #[error("a contributor's name must have 1 to 200 bytes without control characters")]
    Name,
    /// As many as a file may have.
    #[error("a ceremony has at most {MOST_CONTRIBUTIONS} contributions")]
    TooMany,
    /// A step of the transcript.
    #[error("contribution {index} by {name} is dishonest: {reason}")]
    Contribution {
        /// From 0.
        index: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The key does not follow from the transcript.
    #[error("the key does not follow from the statement, the powers of tau and the transcript: {0} differs")]
    Key(&'static str),
    /// Fewer than two persons, or a first phase with a known secret.
    #[error(
        "the set-up is insecure ({0}): whoever ran it can forge proofs; allow it for trials only"
    )]
    Insecure(&'static str),
}

/// What a verified ceremony shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Names in order, each with whether it is a beacon.
    pub contributors: Vec<(String, bool)>,
    /// SHA-256 of the powers of tau, hexadecimal.
    pub phase_one: String,
    /// SHA-256 of the verifying key as verifiers print it, hexadecimal.
    pub key: String,
    /// SHA-256 of the transcript, hexadecimal, for contributors to compare.
    pub transcript: String,
    /// Why keys of this ceremony are refused, if they are.
    pub insecure: Option<&'static str>,
}

impl Ceremony {
    /// The first key: anybody can forge under it until somebody contributes.
    ///
    /// # Errors
    /// [`CeremonyError::Statement`], [`CeremonyError::TooFewPowers`].
    pub fn new(statement: Statement, phase_one: &PhaseOne) -> Result<Self, CeremonyError> {
        let key = initial::key(&statement, phase_one)?;
        Ok(Self {
            statement,
            contributions: vec![],
            key,
        })
    }

    /// What the key is for.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Adds a secret from the generator, which is forgotten at once.
    ///
    /// # Errors
    /// [`CeremonyError::Name`], [`CeremonyError::TooMany`].
    pub fn contribute<R: RngCore + CryptoRng>(
        &mut self,
        name: &str,
        rng: &mut R,
    ) -> Result<(), CeremonyError> {
        self.may_add(name)?;
        let before = self.transcript();
        let base = self.key.delta_g1;
        let (mut secret, mut nonce) = (nonzero(rng), nonzero(rng));
        let commitment = (base * nonce).into_affine();
        self.multiply(secret);
        let (delta_g1, delta_g2) = (self.key.delta_g1, self.key.vk.delta_g2);
        let challenge = challenge(&before, name, &delta_g1, &delta_g2, &commitment);
        let response = nonce + challenge * secret;
        secret.zeroize();
        nonce.zeroize();
        self.contributions.push(Contribution {
            name: name.into(),
            delta_g1,
            delta_g2,
            evidence: Evidence::Schnorr {
                commitment,
                response,
            },
        });
        Ok(())
    }

    /// Adds a public random value that nobody knew when the last person contributed.
    ///
    /// # Errors
    /// [`CeremonyError::Name`], [`CeremonyError::TooMany`]; [`CeremonyError::Malformed`] for a value above 1 KiB or more
    /// than 2^32 iterations.
    pub fn beacon(
        &mut self,
        name: &str,
        value: &[u8],
        log_iterations: u8,
    ) -> Result<(), CeremonyError> {
        self.may_add(name)?;
        if value.len() > MOST_BEACON_BYTES || log_iterations > MOST_LOG_ITERATIONS {
            return Err(CeremonyError::Malformed(
                "a beacon has at most 1 KiB and 2^32 iterations",
            ));
        }
        let secret = beacon_secret(&self.transcript(), value, log_iterations);
        self.multiply(secret);
        self.contributions.push(Contribution {
            name: name.into(),
            delta_g1: self.key.delta_g1,
            delta_g2: self.key.vk.delta_g2,
            evidence: Evidence::Beacon {
                value: value.into(),
                log_iterations,
            },
        });
        Ok(())
    }

    /// Checks everything from the statement on.
    ///
    /// # Errors
    /// [`CeremonyError::Contribution`] names the dishonest one; [`CeremonyError::Key`]; as [`Ceremony::new`].
    pub fn verify(&self, phase_one: &PhaseOne) -> Result<Report, CeremonyError> {
        let first = initial::key(&self.statement, phase_one)?;
        // 1. Each contribution on the one before.
        let mut base = first.delta_g1;
        for (index, contribution) in self.contributions.iter().enumerate() {
            let before = self.transcript_until(index);
            contribution
                .check(&before, base)
                .map_err(|reason| CeremonyError::Contribution {
                    index,
                    name: contribution.name.clone(),
                    reason,
                })?;
            base = contribution.delta_g1;
        }
        // 2. The key ends where the transcript ends, and all else is as it was.
        let last = self.contributions.last();
        let deltas = last.map_or((first.delta_g1, first.vk.delta_g2), |c| {
            (c.delta_g1, c.delta_g2)
        });
        let key = &self.key;
        let same = [
            ("delta", (key.delta_g1, key.vk.delta_g2) == deltas),
            ("alpha", key.vk.alpha_g1 == first.vk.alpha_g1),
            (
                "beta",
                (key.beta_g1, key.vk.beta_g2) == (first.beta_g1, first.vk.beta_g2),
            ),
            ("gamma", key.vk.gamma_g2 == first.vk.gamma_g2),
            (
                "the public inputs' part",
                key.vk.gamma_abc_g1 == first.vk.gamma_abc_g1,
            ),
            ("A", key.a_query == first.a_query),
            ("B in G1", key.b_g1_query == first.b_g1_query),
            ("B in G2", key.b_g2_query == first.b_g2_query),
        ];
        if let Some((name, _)) = same.iter().find(|(_, same)| !same) {
            return Err(CeremonyError::Key(name));
        }
        // 3. h and l were divided by delta: e(sum rho^i h'_i, delta) = e(sum rho^i h_i, 1).
        let seed = Sha256::new().chain_update(ark_bytes(key)).finalize();
        let mut rng = ChaCha20Rng::from_seed(seed.into());
        let parts = [
            ("h", &key.h_query, &first.h_query),
            ("l", &key.l_query, &first.l_query),
        ];
        for (name, ours, firsts) in parts {
            let rho: Vec<Fr> = ours
                .iter()
                .map(|_| Fr::from(u128::rand(&mut rng)))
                .collect();
            let sum = |points: &[G1Affine]| G1Projective::msm(points, &rho).ok();
            let (Some(ours), Some(firsts)) = (sum(ours), sum(firsts)) else {
                return Err(CeremonyError::Key(name));
            };
            let left = Bn254::pairing(ours, key.vk.delta_g2);
            if left != Bn254::pairing(firsts, first.vk.delta_g2) {
                return Err(CeremonyError::Key(name));
            }
        }
        Ok(self.report(phase_one))
    }

    /// The keys of a verified ceremony.
    ///
    /// # Errors
    /// As [`Ceremony::verify`]; [`CeremonyError::Insecure`] unless that is allowed.
    pub fn keys(
        &self,
        phase_one: &PhaseOne,
        allow_insecure: bool,
    ) -> Result<&ProvingKey, CeremonyError> {
        Ok(self.reported_keys(phase_one, allow_insecure)?.0)
    }

    /// The keys of a verified ceremony, and what it shows.
    ///
    /// # Errors
    /// As [`Ceremony::keys`].
    pub fn reported_keys(
        &self,
        phase_one: &PhaseOne,
        allow_insecure: bool,
    ) -> Result<(&ProvingKey, Report), CeremonyError> {
        let report = self.verify(phase_one)?;
        match report.insecure {
            Some(why) if !allow_insecure || self.contributions.is_empty() => {
                Err(CeremonyError::Insecure(why))
            }
            _ => Ok((&self.key, report)),
        }
    }

    fn report(&self, phase_one: &PhaseOne) -> Report {
        let is_beacon = |c: &Contribution| matches!(c.evidence, Evidence::Beacon { .. });
        let mut persons: Vec<&str> = self
            .contributions
            .iter()
            .filter(|c| !is_beacon(c))
            .map(|c| c.name.as_str())
            .collect();
        persons.sort_unstable();
        persons.dedup();
        let insecure = match (persons.len(), phase_one.is_insecure()) {
            (_, true) => Some("the secret of its powers of tau is published"),
            (0, _) => Some("nobody contributed"),
            (1, _) => Some("a single party contributed"),
            _ => None,
        };
        let key = super::verifying_key(&self.key).map(|key| key.fingerprint());
        let hex = |bytes: &[u8]| clearproof_shared::encoding::hex(bytes);
        Report {
            contributors: self
                .contributions
                .iter()
                .map(|c| (c.name.clone(), is_beacon(c)))
                .collect(),
            phase_one: hex(&phase_one.digest()),
            key: key.map_or("none: anybody can forge".into(), |key| hex(&key)),
            transcript: hex(&self.transcript()),
            insecure,
        }
    }

    fn may_add(&self, name: &str) -> Result<(), CeremonyError> {
        if !is_name(name) {
            return Err(CeremonyError::Name);
        }
        match self.contributions.len() < MOST_CONTRIBUTIONS {
            true => Ok(()),
            false => Err(CeremonyError::TooMany),
        }
    }

    fn multiply(&mut self, secret: Fr) {
        let mut inverse = secret.inverse().expect("not zero");
        let key = &mut self.key;
        key.delta_g1 = (key.delta_g1 * secret).into_affine();
        key.vk.delta_g2 = (key.vk.delta_g2 * secret).into_affine();
        for points in [&mut key.h_query, &mut key.l_query] {
            let scaled: Vec<G1Projective> = points.par_iter().map(|p| *p * inverse).collect();
            *points = G1Projective::normalize_batch(&scaled);
        }
        inverse.zeroize();
    }

    /// Hash of the statement, the part of the key that never changes, and all contributions.
    fn transcript(&self) -> [u8; 32] {
        self.transcript_until(self.contributions.len())
    }

    fn transcript_until(&self, count: usize) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(TAG);
        let statement = file::statement_bytes(&self.statement);
        hash.update((statement.len() as u64).to_le_bytes());
        hash.update(statement);
        hash.update(ark_bytes(&self.key.vk.alpha_g1));
        hash.update(ark_bytes(&self.key.vk.beta_g2));
        hash.update(ark_bytes(&self.key.vk.gamma_abc_g1));
        for contribution in &self.contributions[..count] {
            hash.update(contribution.bytes());
        }
        hash.finalize().into()
    }
}

impl Contribution {
    fn check(&self, before: &[u8; 32], base: G1Affine) -> Result<(), &'static str> {
        if self.delta_g1.is_zero() || self.delta_g2.is_zero() {
            return Err("its delta is zero");
        }
        let right = Bn254::pairing(G1Affine::generator(), self.delta_g2);
        if Bn254::pairing(self.delta_g1, G2Affine::generator()) != right {
            return Err("its delta differs between the groups");
        }
        match &self.evidence {
            Evidence::Schnorr {
                commitment,
                response,
            } => {
                let c = challenge(
                    before,
                    &self.name,
                    &self.delta_g1,
                    &self.delta_g2,
                    commitment,
                );
                match base * response == self.delta_g1 * c + commitment {
                    true => Ok(()),
                    false => Err("its proof of knowledge does not hold"),
                }
            }
            Evidence::Beacon {
                value,
                log_iterations,
            } => {
                let secret = beacon_secret(before, value, *log_iterations);
                match (base * secret).into_affine() == self.delta_g1 {
                    true => Ok(()),
                    false => Err("its delta is not the beacon's"),
                }
            }
        }
    }
}

fn challenge(
    before: &[u8; 32],
    name: &str,
    delta_g1: &G1Affine,
    delta_g2: &G2Affine,
    commitment: &G1Affine,
) -> Fr {
    let mut hash = Sha256::new();
    hash.update(b"clearproof ceremony challenge 1");
    hash.update(before);
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update(ark_bytes(delta_g1));
    hash.update(ark_bytes(delta_g2));
    hash.update(ark_bytes(commitment));
    Fr::from_le_bytes_mod_order(&hash.finalize())
}

/// Not zero but with negligible probability, in which case 1.
fn beacon_secret(before: &[u8; 32], value: &[u8], log_iterations: u8) -> Fr {
    let mut hash = Sha256::new();
    hash.update(b"clearproof ceremony beacon 1");
    hash.update(before);
    hash.update(value);
    let mut digest = hash.finalize();
    for _ in 0..1u64 << log_iterations {
        digest = Sha256::digest(digest);
    }
    let secret = Fr::from_le_bytes_mod_order(&digest);
    if secret.is_zero() {
        Fr::ONE
    } else {
        secret
    }
}

fn nonzero<R: RngCore + CryptoRng>(rng: &mut R) -> Fr {
    loop {
        let secret = Fr::rand(rng);
        if !secret.is_zero() {
            return secret;
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=MOST_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

const TAG: &[u8] = b"clearproof ceremony 1";
const MOST_CONTRIBUTIONS: usize = 1000;
const MOST_NAME_BYTES: usize = 200;
const MOST_BEACON_BYTES: usize = 1024;
const MOST_LOG_ITERATIONS: u8 = 32;

#[cfg(test)]
mod tests;
