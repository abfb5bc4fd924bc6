//! Selective disclosure: the inputs of one decision, shown to be those committed.
//!
//! 1. Claim: the prover knows a representation of `P_t - sum_i x_i L_{row_i}` over the tail bases
//!    (and W with IPA), so that P_t cannot be opened to other inputs by the same party; r_t stays
//!    hidden.
//! 2. Equation: `sum_j s_j B_j = R + e (P_t - sum_i x_i L_{row_i})`, e drawn after all of it. The
//!    proof is R and one scalar a base.
//! 3. Assumed: the key's bases; discrete logarithms.
//! 4. Source: Schnorr 1991, Okamoto 1992; SOUNDNESS condition 16.

use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, Field};

use crate::artifact::key::{Scheme, Srs, VerifyingKey};
use crate::bn254::{Fr, G1Affine};
use crate::encoding::{point_to_bytes, scalar_from_i64, scalar_to_bytes};
use crate::verify::claim::Equation;
use crate::verify::msm::{msm, Term};
use crate::verify::statement::hash_parts;
use crate::verify::transcript::Transcript;
use crate::verify::VerifyError;

/// What is disclosed of one record.
#[derive(Clone, Copy, Debug)]
pub struct Disclosed<'a> {
    /// The key's circuit id.
    pub circuit_id: &'a [u8; 32],
    /// The record's leaf hash.
    pub leaf: &'a [u8; 32],
    /// The input commitment.
    pub commitment: &'a G1Affine,
    /// The inputs.
    pub inputs: &'a [i64],
}

impl Disclosed<'_> {
    pub(crate) fn digest(&self) -> [u8; 32] {
        let inputs: Vec<u8> = self.inputs.iter().flat_map(|x| x.to_le_bytes()).collect();
        hash_parts(&[
            TAG,
            self.circuit_id,
            self.leaf,
            &point_to_bytes(self.commitment),
            &inputs,
        ])
    }
}

/// Number of nonces that [`prove`] needs: one a base.
pub fn nonce_count(key: &VerifyingKey) -> usize {
    key.tail_bases.len() + usize::from(key.scheme() == Scheme::Ipa)
}

/// Proves that the commitment opens to the inputs. `nonces` are fresh uniform scalars, never used
/// twice; `blinding` is r_t. `None` unless there are [`nonce_count`] nonces.
pub fn prove(
    key: &VerifyingKey,
    disclosed: &Disclosed<'_>,
    blinding: &Fr,
    nonces: &[Fr],
) -> Option<Vec<u8>> {
    if nonces.len() != nonce_count(key) {
        return None;
    }
    // 1. R over the tail bases and W.
    let w = match &key.srs {
        Srs::Ipa { w, .. } => Some(w),
        Srs::Kzg { .. } => None,
    };
    let bases = key.tail_bases.iter().chain(w);
    let terms: Vec<Term> = nonces.iter().copied().zip(bases.copied()).collect();
    let r = msm(&terms).into_affine();
    // 2. The challenge, as the verifier draws it.
    let mut proof = point_to_bytes(&r).to_vec();
    let mut transcript = Transcript::new(&[]);
    transcript.common_digest(&disclosed.digest());
    transcript.common_point(&r);
    let e = transcript.challenge();
    // 3. s_j = nonce_j + e secret_j; the only secret that is not zero is r_t, of L_{n-1}.
    let blinded = key.tail_bases.len().checked_sub(1)?;
    for (j, nonce) in nonces.iter().enumerate() {
        let secret = if j == blinded { *blinding } else { Fr::ZERO };
        proof.extend(scalar_to_bytes(&(*nonce + e * secret)));
    }
    Some(proof)
}

/// Reads a disclosure proof; the equation remains to be checked.
///
/// # Errors
/// [`VerifyError::Inputs`] if the number of inputs is wrong, or the proof's bytes are refused.
pub fn read(
    key: &VerifyingKey,
    disclosed: &Disclosed<'_>,
    proof: &[u8],
) -> Result<Equation, VerifyError> {
    if disclosed.inputs.len() != key.input_rows.len() {
        return Err(VerifyError::Inputs {
            expected: key.input_rows.len(),
            got: disclosed.inputs.len(),
        });
    }
    let mut transcript = Transcript::new(proof);
    transcript.common_digest(&disclosed.digest());
    let r = transcript.point()?;
    let e = transcript.challenge();
    let mut equation = Equation {
        right: vec![(-Fr::ONE, r), (-e, *disclosed.commitment)],
        tail: transcript.scalars(key.tail_bases.len())?,
        rows: vec![Fr::ZERO; key.row_bases.len()],
        ..Equation::default()
    };
    if key.scheme() == Scheme::Ipa {
        equation.srs[0] = transcript.scalar()?; // W
    }
    transcript.finish()?;
    for (row, input) in key.input_rows.iter().zip(disclosed.inputs) {
        if let Some(multiple) = key.row_base(*row).and_then(|i| equation.rows.get_mut(i)) {
            *multiple += e * scalar_from_i64(*input);
        }
    }
    Ok(equation)
}

const TAG: &[u8] = b"clearproof disclosure v1";
