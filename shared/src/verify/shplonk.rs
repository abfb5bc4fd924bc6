//! SHPLONK: many openings at many points with two group elements (KZG).
//!
//! 1. Claim: the commitments of the openings evaluate to the given values.
//! 2. Equation: with `Z_S` vanishing on a set S of points and T all points,
//!    `e(h2, [tau]_2) = e(F + u h2, [1]_2)`,
//!    `F = sum_i v^i Z_{T-S_i}(u)/Z_{T-S_0}(u) sum_j y^j (C_ij - r_ij(u) [1]_1) - Z_{S_0}(u) h1`.
//! 3. Assumed: the SRS is well formed.
//! 4. Source: Boneh, Drake, Fisch, Gabizon 2020 (eprint 2020/081), section 4; halo2_proofs,
//!    `poly::kzg::multiopen::shplonk`.

use ark_ff::{AdditiveGroup, Field, One};

use super::claim::Equation;
use super::proof::{Commitments, Openings};
use super::transcript::Transcript;
use super::VerifyError;
use crate::bn254::Fr;

pub(super) fn open(
    openings: &Openings,
    commitments: &Commitments<'_>,
    transcript: &mut Transcript<'_>,
) -> Result<Equation, VerifyError> {
    // 1. Transcript.
    let y = transcript.challenge();
    let v = transcript.challenge();
    let h1 = transcript.point()?;
    let u = transcript.challenge();
    let h2 = transcript.point()?;
    // 2. Combine the sets, scaled by 1 / Z_{T - S_0}(u).
    let mut equation = Equation::default();
    let mut evaluation = Fr::ZERO;
    let mut first_vanishing = Fr::one();
    let mut first_rest_inverse = Fr::one();
    let mut v_power = Fr::one();
    for (i, set) in openings.sets.iter().enumerate() {
        let mut weight = v_power;
        let rest = openings.vanishing_outside(set, u);
        if i == 0 {
            first_rest_inverse = rest.inverse().ok_or(VerifyError::Degenerate)?;
            first_vanishing = openings.vanishing_on(set, u);
        } else {
            weight *= rest * first_rest_inverse;
        }
        let lagrange = openings.lagrange_at(set, u)?;
        for (slot, evaluations) in &set.members {
            commitments.place(*slot, weight, &mut equation);
            evaluation += weight * inner_product(&lagrange, evaluations);
            weight *= y;
        }
        v_power *= v;
    }
    // 3. The two proof elements.
    equation.srs[0] -= evaluation;
    equation.right.push((-first_vanishing, h1));
    equation.right.push((u, h2));
    equation.left.push((Fr::one(), h2));
    Ok(equation)
}

pub(super) fn inner_product(a: &[Fr], b: &[Fr]) -> Fr {
    a.iter().zip(b).map(|(a, b)| *a * b).sum()
}
