//! Many linear claims, of several keys and schemes, in one multi-scalar multiplication and one
//! product of pairings.
//!
//! 1. Claim: [`holds`] accepts iff every equation holds, but for a chance of 2^-128 each.
//! 2. Equation: `sum_i c_i equation_i`, each c_i an independent non-zero number of 128 bits; claims
//!    of IPA keys sum to zero, claims of KZG keys of one reference string share two pairings.
//! 3. Assumed: each equation's binding hash covers all that it was made from (SOUNDNESS: the seed
//!    covers keys, statements and proofs in full).
//! 4. Source: Bellare, Garay, Rabin 1998, small exponents test.

use ark_ec::pairing::Pairing;
use ark_ec::CurveGroup;
use ark_ff::{One, Zero};
use sha2::{Digest, Sha256};

use super::claim::{add_scaled, pair, Equation};
use super::msm::{msm, Term};
use super::prepared::{Lines, PreparedKey};
use crate::artifact::key::Srs;
use crate::bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};

/// One equation to be checked.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'a> {
    /// The key that the equation is relative to.
    pub key: &'a PreparedKey,
    /// The equation.
    pub equation: &'a Equation,
    /// Hash of everything that the equation was made from.
    pub binding: &'a [u8; 32],
}

/// Whether all equations hold.
pub fn holds(pending: &[Pending<'_>]) -> bool {
    // 1. One coefficient an equation, seeded by all of them.
    let mut seed = Sha256::new();
    seed.update(TAG);
    for item in pending {
        seed.update(item.key.circuit_id());
        seed.update(item.key.generators().digest());
        seed.update(item.binding);
    }
    let seed: [u8; 32] = seed.finalize().into();

    // 2. Sum the equations of each key.
    let mut sums: Vec<(&PreparedKey, Equation)> = vec![];
    for (index, item) in pending.iter().enumerate() {
        let coefficient = coefficient(&seed, index);
        let same = |key: &PreparedKey| {
            key.circuit_id() == item.key.circuit_id()
                && key.generators().digest() == item.key.generators().digest()
        };
        match sums.iter_mut().find(|(key, _)| same(key)) {
            Some((_, sum)) => sum.add_scaled(item.equation, coefficient),
            None => {
                let mut sum = Equation::default();
                sum.add_scaled(item.equation, coefficient);
                sums.push((item.key, sum));
            }
        }
    }

    // 3. Sum over keys: all of IPA together, KZG by reference string.
    let mut ipa_terms: Vec<Term> = vec![];
    let mut generators: Vec<(&PreparedKey, Vec<Fr>)> = vec![];
    let mut kzg: Vec<PairingSum<'_>> = vec![];
    for (key, mut sum) in sums {
        match &key.key().srs {
            Srs::Ipa { .. } => {
                let multiples = std::mem::take(&mut sum.generators);
                let same = |other: &PreparedKey| other.generators() == key.generators();
                match generators.iter_mut().find(|(other, _)| same(other)) {
                    Some((_, sums)) => add_scaled(sums, &multiples, Fr::one()),
                    None => generators.push((key, multiples)),
                }
                ipa_terms.extend(sum.right_terms(key));
            }
            Srs::Kzg { g2, tau_g2, .. } => {
                let known = kzg.iter().position(|s| s.g2 == g2 && s.tau_g2 == tau_g2);
                let index = known.unwrap_or(kzg.len());
                if known.is_none() {
                    kzg.push(PairingSum {
                        g2,
                        tau_g2,
                        lines: key.lines([tau_g2, g2]),
                        left: vec![],
                        right: vec![],
                    });
                }
                kzg[index].left.append(&mut sum.left);
                kzg[index].right.extend(sum.right_terms(key));
            }
        }
    }

    // 4. The checks.
    for (key, multiples) in &generators {
        ipa_terms.extend(pair(multiples, key.generators().points().iter()));
    }
    (ipa_terms.is_empty() || msm(&ipa_terms).is_zero()) && pairings_hold(&kzg)
}

/// The indices of the equations that do not hold by themselves.
pub fn failures(pending: &[Pending<'_>]) -> Vec<usize> {
    let mut failed = vec![];
    search(pending, 0, &mut failed);
    failed
}

/// Halves whatever does not hold, so that one bad claim among many costs a few checks.
fn search(pending: &[Pending<'_>], offset: usize, failed: &mut Vec<usize>) {
    if pending.is_empty() || holds(pending) {
        return;
    }
    if pending.len() == 1 {
        failed.push(offset);
        return;
    }
    let (low, high) = pending.split_at(pending.len() / 2);
    search(low, offset, failed);
    search(high, offset + low.len(), failed);
}

struct PairingSum<'a> {
    g2: &'a G2Affine,
    tau_g2: &'a G2Affine,
    lines: &'a [Lines; 2],
    left: Vec<Term>,
    right: Vec<Term>,
}

/// `prod e(left, [tau]_2) e(-right, [1]_2) = 1`.
fn pairings_hold(sums: &[PairingSum<'_>]) -> bool {
    if sums.is_empty() {
        return true;
    }
    let points: Vec<G1Projective> = sums
        .iter()
        .flat_map(|sum| [msm(&sum.left), -msm(&sum.right)])
        .collect();
    let points: Vec<G1Affine> = G1Projective::normalize_batch(&points);
    let seconds = sums.iter().flat_map(|sum| sum.lines.iter().cloned());
    Bn254::multi_pairing(points, seconds).0.is_one()
}

fn coefficient(seed: &[u8; 32], index: usize) -> Fr {
    let mut hash = Sha256::new();
    hash.update(seed);
    hash.update((index as u64).to_le_bytes());
    let digest = hash.finalize();
    let mut low = [0; 16];
    low.copy_from_slice(&digest[..16]);
    Fr::from(u128::from_le_bytes(low).max(1))
}

const TAG: &[u8] = b"clearproof batch v1";
