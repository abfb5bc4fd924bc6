//! The inner product argument with halo2's multi-point opening.
//!
//! 1. Claim: the commitments of the openings evaluate to the given values.
//! 2. Equation: with P the combination of all commitments, opened at x_3 to v,
//!    `P - v G_0 + xi S + sum_j (u_j^-1 L_j + u_j R_j) - c <s, G> - c b z U - f W = 0`,
//!    `s_i = prod_{bit j of i} u_{k-1-j}`, `b = sum_i s_i x_3^i`.
//! 3. Assumed: no relation between the generators is known.
//! 4. Source: Bowe, Grigg, Hopwood 2019 (eprint 2019/1021), section 3; halo2_proofs,
//!    `poly::ipa::{multiopen, commitment}`.

use ark_ff::{batch_inversion, AdditiveGroup, Field, One, Zero};

use super::claim::Equation;
use super::proof::{Commitments, Openings};
use super::shplonk::inner_product;
use super::transcript::Transcript;
use super::VerifyError;
use crate::bn254::Fr;

pub(super) fn open(
    k: u32,
    openings: &Openings,
    commitments: &Commitments<'_>,
    transcript: &mut Transcript<'_>,
) -> Result<Equation, VerifyError> {
    let sets = &openings.sets;
    let mut equation = Equation::default();
    // 1. Transcript of the multi-point opening.
    let x1 = transcript.challenge();
    let x2 = transcript.challenge();
    let quotient = transcript.point()?;
    let x3 = transcript.challenge();
    let set_evaluations = transcript.scalars(sets.len())?;
    let x4 = transcript.challenge();
    // 2. P = x_4^m q' + sum_i x_4^(m-1-i) q_i, where q_i combines set i by powers of x_1 from its
    //    last member to its first; v the same over the evaluations at x_3.
    let mut quotient_evaluation = Fr::ZERO;
    let mut x4_power = Fr::one(); // of the last set
    let mut set_weights = vec![Fr::one(); sets.len()];
    for weight in set_weights.iter_mut().rev() {
        *weight = x4_power;
        x4_power *= x4;
    }
    equation.right.push((x4_power, quotient));
    for ((set, set_weight), given) in sets.iter().zip(&set_weights).zip(&set_evaluations) {
        let lagrange = openings.lagrange_at(set, x3)?;
        let mut expected = Fr::ZERO;
        let mut x1_power = Fr::one();
        for (slot, evaluations) in set.members.iter().rev() {
            commitments.place(*slot, x1_power * set_weight, &mut equation);
            expected += x1_power * inner_product(&lagrange, evaluations);
            x1_power *= x1;
        }
        let vanishing = openings.vanishing_on(set, x3).inverse();
        let vanishing = vanishing.ok_or(VerifyError::Degenerate)?;
        quotient_evaluation = quotient_evaluation * x2 + (*given - expected) * vanishing;
    }
    let value = quotient_evaluation * x4_power + inner_product(&set_evaluations, &set_weights);
    // 3. The inner product argument for P at x_3.
    let s = transcript.point()?;
    let xi = transcript.challenge();
    equation.right.push((xi, s));
    let z = transcript.challenge();
    let mut rounds = Vec::with_capacity(k as usize);
    let mut folds = Vec::with_capacity(k as usize);
    for _ in 0..k {
        rounds.push((transcript.point()?, transcript.point()?));
        folds.push(transcript.challenge());
    }
    if folds.iter().any(Zero::is_zero) {
        return Err(VerifyError::Degenerate);
    }
    let mut inverses = folds.clone();
    batch_inversion(&mut inverses);
    for (((l, r), fold), inverse) in rounds.into_iter().zip(&folds).zip(inverses) {
        equation.right.push((inverse, l));
        equation.right.push((*fold, r));
    }
    let c = transcript.scalar()?;
    let f = transcript.scalar()?;
    // 4. -c <s, G> - v G_0, and U, W.
    let mut b = Fr::one();
    let mut x3_power = x3;
    let mut generators = vec![-c];
    for fold in folds.iter().rev() {
        b *= Fr::one() + *fold * x3_power;
        x3_power.square_in_place();
        generators.extend_from_within(..);
        let half = generators.len() / 2;
        for scalar in &mut generators[half..] {
            *scalar *= fold;
        }
    }
    generators[0] -= value;
    equation.generators = generators;
    equation.srs = [-f, -c * b * z];
    Ok(equation)
}
