//! The link: linked columns hold the combinations of the outside commitments.
//!
//! 1. Claim: the prover knows a representation of
//!    `D = sum_i rho^i (C_Vi - sum_k beta^k C_ik) + rho^m (C_z - sum_t delta^t P_t)`, m the model's links, over the
//!    tail bases (and W with IPA); as rho comes after everything in D, each V and z equal their combinations
//!    on usable rows.
//! 2. Equation: `sum_j s_j B_j = R + e D`.
//! 3. Assumed: the bases are `L_u .. L_{n-1}` ([`super::bases`]); V, z and the challenges come from
//!    the Halo2 proof before it in the same transcript.
//! 4. Source: Schnorr 1991, for representations as in Okamoto 1992; docs/design/contracts.md.

use ark_ff::{AdditiveGroup, Field};

use super::claim::Equation;
use super::prepared::PreparedKey;
use super::statement::Statement;
use super::transcript::Transcript;
use super::VerifyError;
use crate::artifact::key::{LinkKind, Scheme};
use crate::bn254::{Fr, G1Affine};
use crate::encoding::scalar_from_bytes_mod_order;

/// Little-endian integer of these bytes is absorbed between the Halo2 proof and the link.
pub const LINK_TAG: &[u8; 18] = b"clearproof link v1";

/// [`LINK_TAG`] as the scalar that the transcript absorbs.
pub fn link_tag() -> Fr {
    scalar_from_bytes_mod_order(LINK_TAG)
}

/// Reads the link; `None` for a circuit without linked columns.
pub(super) fn read_link(
    key: &PreparedKey,
    statement: &Statement<'_>,
    advice: &[G1Affine],
    challenges: &[Fr],
    transcript: &mut Transcript<'_>,
) -> Result<Option<Equation>, VerifyError> {
    let links = &key.key().links;
    if links.is_empty() {
        return Ok(None);
    }
    // 1. rho, then R, then e, then one scalar a base.
    transcript.common_scalar(&link_tag());
    let rho = transcript.challenge();
    let r = transcript.point()?;
    let e = transcript.challenge();
    let tail = transcript.scalars(key.key().tail_bases.len())?;
    let mut srs = [Fr::ZERO; 2];
    if key.key().scheme() == Scheme::Ipa {
        srs[0] = transcript.scalar()?; // W
    }
    // 2. sum_j s_j B_j - R - e D = 0.
    let mut right = vec![(-Fr::ONE, r)];
    let (mut weight, mut model) = (e, statement.model);
    for link in links {
        let slots = link.count as usize;
        let committed = match link.kind {
            LinkKind::Model => {
                let (own, rest) = model.split_at(slots.min(model.len()));
                model = rest;
                own
            }
            LinkKind::Inputs => statement.inputs,
        };
        right.push((-weight, advice[link.column as usize]));
        let powers = padded_powers(challenges[link.challenge as usize], committed.len(), slots);
        let combined = powers.into_iter().zip(committed);
        right.extend(combined.map(|(power, point)| (weight * power, *point)));
        weight *= rho;
    }
    Ok(Some(Equation {
        right,
        tail,
        srs,
        ..Equation::default()
    }))
}

/// `base^t` for t < rows, the last one with the powers of the slots that repeat it.
fn padded_powers(base: Fr, rows: usize, slots: usize) -> Vec<Fr> {
    let mut powers = Vec::with_capacity(rows);
    let mut power = Fr::ONE;
    for _slot in 0..slots {
        match powers.get_mut(rows.saturating_sub(1)) {
            Some(last) => *last += power,
            None => powers.push(power),
        }
        power *= base;
    }
    powers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_repeats_the_last_row() {
        let base = Fr::from(3u64);
        let expected: Vec<Fr> = [1u64, 3, 9 + 27 + 81].map(Fr::from).to_vec();
        assert_eq!(padded_powers(base, 3, 5), expected);
        assert_eq!(padded_powers(base, 3, 3), [1u64, 3, 9].map(Fr::from));
        assert_eq!(padded_powers(base, 1, 4), [Fr::from(40u64)]);
    }
}
