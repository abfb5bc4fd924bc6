//! Many polynomials opened at many points: SHPLONK with KZG, halo2's multi-point opening and the inner product
//! argument with IPA.
//!
//! Polynomials that are opened at the same points form a set, sets in the order of their first polynomial. The
//! quotient of a set's combination by the polynomial that vanishes on its points needs no interpolation of
//! the evaluations: division with remainder gives it.
//!
//! Source: Boneh, Drake, Fisch, Gabizon 2020 (eprint 2020/081), section 4; Bowe, Grigg, Hopwood 2019 (eprint
//! 2019/1021), section 3; the messages are those of halo2_proofs, `poly::{kzg, ipa}::multiopen`.

use ff::Field;
use group::Curve;
use halo2_proofs::transcript::{Transcript, TranscriptWrite};
use halo2curves::bn256::{Fr, G1Affine};
use rand_core::{CryptoRng, RngCore};

use super::bases::{Bases, Extra};
use super::domain::{divide_by_root, evaluate, Domain};
use super::link::{wipe, Writer};

/// A polynomial and where it is opened.
pub(crate) struct Opened<'a> {
    /// n coefficients.
    pub(crate) polynomial: &'a [Fr],
    /// Blind of its commitment (IPA).
    pub(crate) blind: Fr,
    /// Opened at `x w^r` for each r.
    pub(crate) rotations: Vec<i32>,
}

/// Polynomials that are opened at the same points.
struct Set<'a> {
    rotations: Vec<i32>,
    points: Vec<Fr>,
    members: Vec<&'a Opened<'a>>,
}

/// Opens all polynomials in the transcript.
pub(crate) fn open(
    bases: &Bases,
    domain: &Domain,
    opened: &[Opened<'_>],
    x: Fr,
    transcript: &mut Writer,
    rng: &mut (impl RngCore + CryptoRng),
) -> std::io::Result<()> {
    let mut sets: Vec<Set<'_>> = vec![];
    let mut all: Vec<i32> = vec![];
    for member in opened {
        let mut rotations = member.rotations.clone();
        rotations.sort_unstable();
        all.extend(&rotations);
        match sets.iter_mut().find(|s| s.rotations == rotations) {
            Some(set) => set.members.push(member),
            None => sets.push(Set {
                points: rotations.iter().map(|r| domain.rotate(x, *r)).collect(),
                rotations,
                members: vec![member],
            }),
        }
    }
    all.sort_unstable();
    all.dedup();
    let all: Vec<Fr> = all.into_iter().map(|r| domain.rotate(x, r)).collect();
    match &bases.extra {
        Extra::Kzg { .. } => shplonk(bases, &sets, &all, transcript),
        Extra::Ipa { w, u } => inner_product(bases, (*w, *u), &sets, transcript, rng),
    }
}

/// `sum_j power^j p_j`, from the first member up (SHPLONK) or from the last (IPA).
fn combine<'a>(members: impl Iterator<Item = &'a &'a Opened<'a>>, power: Fr, n: usize) -> Vec<Fr> {
    let mut sum = vec![Fr::ZERO; n];
    let mut weight = Fr::ONE;
    for member in members {
        add_scaled(&mut sum, member.polynomial, weight);
        weight *= power;
    }
    sum
}

fn add_scaled(sum: &mut [Fr], polynomial: &[Fr], weight: Fr) {
    for (s, p) in sum.iter_mut().zip(polynomial) {
        *s += weight * p;
    }
}

/// The quotient by the product of `X - point`.
fn divide(polynomial: &[Fr], points: &[Fr]) -> Vec<Fr> {
    let mut quotient = polynomial.to_vec();
    for point in points {
        divide_by_root(&mut quotient, *point);
    }
    quotient
}

/// `prod_p (u - p)`.
fn vanishing<'a>(points: impl Iterator<Item = &'a Fr>, u: Fr) -> Fr {
    points.fold(Fr::ONE, |product, p| product * (u - p))
}

fn shplonk(
    bases: &Bases,
    sets: &[Set<'_>],
    all: &[Fr],
    transcript: &mut Writer,
) -> std::io::Result<()> {
    let n = bases.g.len();
    let y = *transcript.squeeze_challenge_scalar::<()>();
    let v = *transcript.squeeze_challenge_scalar::<()>();
    // 1. h1 = sum_i v^i (Q_i - R_i) / Z_i, Q_i the combination of set i, R_i its remainder by Z_i.
    let combined: Vec<Vec<Fr>> = sets
        .iter()
        .map(|set| combine(set.members.iter(), y, n))
        .collect();
    let quotients: Vec<Vec<Fr>> = sets
        .iter()
        .zip(&combined)
        .map(|(set, q)| divide(q, &set.points))
        .collect();
    let mut h1 = vec![Fr::ZERO; n];
    let mut power = Fr::ONE;
    for quotient in &quotients {
        add_scaled(&mut h1, quotient, power);
        power *= v;
    }
    transcript.write_point(bases.commit(&h1, Fr::ZERO).to_affine())?;
    let u = *transcript.squeeze_challenge_scalar::<()>();
    // 2. L = sum_i v^i Z_{T - S_i}(u) (Q_i - R_i(u)) - Z_T(u) h1 vanishes at u; the second element is its
    //    quotient by X - u, scaled by 1 / Z_{T - S_0}(u). R_i(u) is a constant: it falls into the remainder.
    let mut l = vec![Fr::ZERO; n];
    let mut power = Fr::ONE;
    let mut scale = Fr::ONE;
    for (i, (set, q)) in sets.iter().zip(&combined).enumerate() {
        let rest = vanishing(all.iter().filter(|p| !set.points.contains(p)), u);
        if i == 0 {
            scale = rest
                .invert()
                .into_option()
                .ok_or_else(|| degenerate("a challenge hit a point of evaluation; prove again"))?;
        }
        add_scaled(&mut l, q, power * rest * scale);
        power *= v;
    }
    add_scaled(&mut l, &h1, -vanishing(all.iter(), u) * scale);
    divide_by_root(&mut l, u);
    transcript.write_point(bases.commit(&l, Fr::ZERO).to_affine())
}

fn degenerate(what: &'static str) -> std::io::Error {
    std::io::Error::other(what)
}

fn inner_product(
    bases: &Bases,
    (w, u): (G1Affine, G1Affine),
    sets: &[Set<'_>],
    transcript: &mut Writer,
    rng: &mut (impl RngCore + CryptoRng),
) -> std::io::Result<()> {
    let n = bases.g.len();
    // 1. The multi-point opening: P = x4^m q' + sum_i x4^(m-1-i) q_i, to be opened at x3.
    let x1 = *transcript.squeeze_challenge_scalar::<()>();
    let x2 = *transcript.squeeze_challenge_scalar::<()>();
    let combined: Vec<Vec<Fr>> = sets
        .iter()
        .map(|set| combine(set.members.iter().rev(), x1, n))
        .collect();
    let mut quotient = vec![Fr::ZERO; n];
    for (set, q) in sets.iter().zip(&combined) {
        quotient.iter_mut().for_each(|c| *c *= x2);
        add_scaled(&mut quotient, &divide(q, &set.points), Fr::ONE);
    }
    let quotient_blind = Fr::random(&mut *rng);
    transcript.write_point(bases.commit(&quotient, quotient_blind).to_affine())?;
    let x3 = *transcript.squeeze_challenge_scalar::<()>();
    for q in &combined {
        transcript.write_scalar(evaluate(q, x3))?;
    }
    let x4 = *transcript.squeeze_challenge_scalar::<()>();
    let (mut p, mut f) = (quotient, quotient_blind);
    for (set, q) in sets.iter().zip(&combined) {
        p.iter_mut().for_each(|c| *c *= x4);
        add_scaled(&mut p, q, Fr::ONE);
        let blind = set
            .members
            .iter()
            .fold(Fr::ZERO, |sum, m| sum * x1 + m.blind);
        f = f * x4 + blind;
    }
    // 2. A uniform polynomial with a root at x3 hides P; P' = P - v + xi S has a root there too.
    let mut s: Vec<Fr> = (0..n).map(|_| Fr::random(&mut *rng)).collect();
    let at_x3 = evaluate(&s, x3);
    s[0] -= at_x3;
    let s_blind = Fr::random(&mut *rng);
    transcript.write_point(bases.commit(&s, s_blind).to_affine())?;
    let xi = *transcript.squeeze_challenge_scalar::<()>();
    let z = *transcript.squeeze_challenge_scalar::<()>();
    add_scaled(&mut p, &s, xi);
    let value = evaluate(&p, x3);
    p[0] -= value;
    f += xi * s_blind;
    // 3. The folding. The generators are not folded: with `len` of them left, the i-th is
    //    `sum_m fold_m G_(i + m len)`, and both sums of a round go over the first bases, which have tables.
    let mut b: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |power| Some(*power * x3))
        .take(n)
        .collect();
    let mut fold = vec![Fr::ONE];
    let mut scalars = [vec![Fr::ZERO; n], vec![Fr::ZERO; n]];
    while p.len() > 1 {
        let len = p.len();
        let half = len / 2;
        let (p_low, p_high) = p.split_at(half);
        let (b_low, b_high) = b.split_at(half);
        let inner = |a: &[Fr], b: &[Fr]| a.iter().zip(b).map(|(a, b)| *a * b).sum::<Fr>();
        let values = [inner(p_high, b_low), inner(p_low, b_high)];
        let blinds = [Fr::random(&mut *rng), Fr::random(&mut *rng)];
        for (side, scalars) in scalars.iter_mut().enumerate() {
            let source = [p_high, p_low][side];
            for (block, weight) in scalars.chunks_exact_mut(len).zip(&fold) {
                let (low, high) = block.split_at_mut(half);
                let (to, zero) = if side == 0 { (low, high) } else { (high, low) };
                zero.fill(Fr::ZERO);
                for (t, a) in to.iter_mut().zip(source) {
                    *t = *weight * a;
                }
            }
        }
        let [left, right] = &scalars;
        let (left, right) = rayon::join(
            || bases.commit(left, Fr::ZERO),
            || bases.commit(right, Fr::ZERO),
        );
        for (sum, i) in [(left, 0), (right, 1)] {
            let point = sum + u * (values[i] * z) + w * blinds[i];
            transcript.write_point(point.to_affine())?;
        }
        let challenge = *transcript.squeeze_challenge_scalar::<()>();
        let inverse = challenge
            .invert()
            .into_option()
            .ok_or_else(|| degenerate("a challenge of the folding is zero; prove again"))?;
        for i in 0..half {
            let (p_high, b_high) = (p[i + half], b[i + half]);
            p[i] += p_high * inverse;
            b[i] += b_high * challenge;
        }
        p.truncate(half);
        b.truncate(half);
        fold = fold.iter().flat_map(|s| [*s, *s * challenge]).collect();
        f += blinds[0] * inverse + blinds[1] * challenge;
    }
    transcript.write_scalar(p[0])?;
    transcript.write_scalar(f)?;
    for secrets in [s, p].iter_mut().chain(&mut scalars) {
        secrets.iter_mut().for_each(wipe);
    }
    Ok(())
}
