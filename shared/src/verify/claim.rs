//! Linear claims: what is left of a proof when its transcript has been read.
//!
//! 1. Claim: an [`Equation`] holds iff `e(left, [tau]_2) = e(right, [1]_2)` with KZG, and iff
//!    `right = 0` with IPA (`left` is empty). `right` has free terms and multiples of the key's own
//!    points, kept apart so that many proofs of one key share one multiple of each.
//! 2. A random combination of equations holds, but for a chance of 2^-128, iff each one holds.
//! 3. Assumed: the combination's coefficients are drawn after everything that the equations hold.
//! 4. Source: Bellare, Garay, Rabin 1998, small exponents test.

use ark_ff::Zero;

use super::msm::Term;
use super::prepared::PreparedKey;
use crate::artifact::key::Srs;
use crate::bn254::{Fr, G1Affine};

/// One linear equation over group elements, relative to a key.
#[derive(Clone, Debug, Default)]
pub struct Equation {
    /// Terms paired with `[tau]_2`; empty with IPA.
    pub(crate) left: Vec<Term>,
    /// Free terms of the right side.
    pub(crate) right: Vec<Term>,
    /// Multiples of the fixed commitments; shorter lists stand for zeros.
    pub(crate) fixed: Vec<Fr>,
    /// Multiples of the tail bases.
    pub(crate) tail: Vec<Fr>,
    /// Multiples of the row bases.
    pub(crate) rows: Vec<Fr>,
    /// Multiples of `([1]_1, [tau^n]_1)` with KZG, `(W, U)` with IPA.
    pub(crate) srs: [Fr; 2],
    /// Multiples of the vector generators.
    pub(crate) generators: Vec<Fr>,
}

impl Equation {
    /// Adds `coefficient * other`.
    pub(crate) fn add_scaled(&mut self, other: &Equation, coefficient: Fr) {
        let scaled = |(scalar, point): &Term| (*scalar * coefficient, *point);
        self.left.extend(other.left.iter().map(scaled));
        self.right.extend(other.right.iter().map(scaled));
        add_scaled(&mut self.fixed, &other.fixed, coefficient);
        add_scaled(&mut self.tail, &other.tail, coefficient);
        add_scaled(&mut self.rows, &other.rows, coefficient);
        add_scaled(&mut self.generators, &other.generators, coefficient);
        for (sum, scalar) in self.srs.iter_mut().zip(other.srs) {
            *sum += scalar * coefficient;
        }
    }

    /// The right side as terms, without the generators.
    pub(crate) fn right_terms(self, key: &PreparedKey) -> Vec<Term> {
        let points = key.key();
        let mut terms = self.right;
        terms.extend(pair(&self.fixed, points.fixed_commitments.iter()));
        terms.extend(pair(&self.tail, points.tail_bases.iter()));
        terms.extend(pair(
            &self.rows,
            points.row_bases.iter().map(|base| &base.1),
        ));
        let srs = match &points.srs {
            Srs::Kzg { g1, tau_n_g1, .. } => [g1, tau_n_g1],
            Srs::Ipa { w, u } => [w, u],
        };
        terms.extend(pair(&self.srs, srs.into_iter()));
        terms
    }
}

/// Pairs multiples with points, leaving out zeros.
pub(crate) fn pair<'a>(
    scalars: &'a [Fr],
    points: impl Iterator<Item = &'a G1Affine> + 'a,
) -> impl Iterator<Item = Term> + 'a {
    let pairs = scalars.iter().zip(points);
    pairs
        .filter(|(scalar, _)| !scalar.is_zero())
        .map(|(scalar, point)| (*scalar, *point))
}

/// `sums[i] += coefficient * scalars[i]`, growing `sums` where needed.
pub(crate) fn add_scaled(sums: &mut Vec<Fr>, scalars: &[Fr], coefficient: Fr) {
    if sums.len() < scalars.len() {
        sums.resize(scalars.len(), Fr::zero());
    }
    for (sum, scalar) in sums.iter_mut().zip(scalars) {
        *sum += *scalar * coefficient;
    }
}

/// What a well-formed proof still has to satisfy.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The commitments open to the evaluations that the proof gives.
    pub opening: Equation,
    /// The linked columns hold the committed model and inputs.
    pub link: Option<Equation>,
    /// SHA-256 over circuit id, statement and proof: seeds the coefficients of a batch.
    pub(crate) binding: [u8; 32],
}
