//! Input commitments: `P_t = sum_i x_i L_{row_i} + r_t L_{n-1}`.
//!
//! 1. Claim: [`commit`] is the commitment of the inputs with the given r_t; with r_t = 0 it is what
//!    a verifier recomputes from public inputs.
//! 2. Equation: as above, `row_i` the key's input rows, L the Lagrange bases of its domain.
//! 3. Assumed: the key's bases ([`crate::verify::bases`]); hiding needs a uniform r_t.
//! 4. Source: Pedersen 1991; DESIGN section 3.

use ark_ff::Zero;

use crate::artifact::key::VerifyingKey;
use crate::bn254::{Fr, G1Projective};
use crate::encoding::scalar_from_i64;
use crate::verify::msm::{msm, Term};

/// The commitment of one row; `None` unless there is one input for each of the key's input rows.
pub fn commit(key: &VerifyingKey, inputs: &[i64], blinding: &Fr) -> Option<G1Projective> {
    if inputs.len() != key.input_rows.len() {
        return None;
    }
    let mut terms: Vec<Term> = Vec::with_capacity(inputs.len() + 1);
    for (row, input) in key.input_rows.iter().zip(inputs) {
        let base = key.row_bases.get(key.row_base(*row)?)?;
        terms.push((scalar_from_i64(*input), base.1));
    }
    if !blinding.is_zero() {
        terms.push((*blinding, *key.tail_bases.last()?));
    }
    Some(msm(&terms))
}
