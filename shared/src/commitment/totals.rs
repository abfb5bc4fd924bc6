//! Running totals go on from decision to decision.
//!
//! 1. Claim: of committed rows `t = 0..m` in the log's order, and of each total with its two input scalars `before` and
//!    `after`: `before_t = after_{t-1}` where the total goes on, and `before_t = 0` where a new window begins, t > 0.
//! 2. Equation: with coefficients c_t drawn after all commitments, `S = sum_{t>0} c_t P_t` and, for each total,
//!    `T = sum_{t goes on} c_t P_{t-1}`, the prover knows openings s of S and u of each T over the input rows and `L_{n-1}`, with
//!    `s[before] = u[after]`: one Schnorr proof in which these two responses are one. As the c_t are independent and of 128
//!    bits, a chain that breaks anywhere passes with probability 2^-128.
//! 3. Assumed: the key's bases; discrete logarithms, so that the openings are those that the link proves the rows to have.
//! 4. Source: Schnorr 1991, Okamoto 1992 for representations; Bellare, Garay, Rabin 1998 for the coefficients; SOUNDNESS
//!    condition 20.

use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, Field};

use crate::artifact::key::VerifyingKey;
use crate::artifact::policy::{PolicyDescription, RunningTotal};
use crate::bn254::{Fr, G1Affine};
use crate::encoding::{
    point_to_bytes, scalar_from_bytes_mod_order, scalar_from_i64, scalar_to_bytes,
};
use crate::verify::claim::Equation;
use crate::verify::msm::{msm, Term};
use crate::verify::statement::hash_parts;
use crate::verify::transcript::Transcript;
use crate::verify::VerifyError;

/// One total of a chain of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// Position of the total before a decision among a row's input scalars; the one after it is the next.
    pub before: usize,
    /// For each row but the first, whether the total goes on from the row before; else it begins at zero.
    pub goes_on: Vec<bool>,
}

/// What is claimed of a chain of rows.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// The key's circuit id.
    pub circuit_id: &'a [u8; 32],
    /// Leaf hashes of the rows' entries, in the log's order.
    pub leaves: &'a [[u8; 32]],
    /// Input commitments of the rows.
    pub commitments: &'a [G1Affine],
    /// The totals.
    pub totals: &'a [Total],
}

/// The opening of one row's commitment.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// The input scalars.
    pub inputs: &'a [i64],
    /// Secret: r_t.
    pub blinding: &'a Fr,
}

impl core::fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Opening(hidden)")
    }
}

impl Chain<'_> {
    /// What the challenges depend on.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let commitments: Vec<u8> = self.commitments.iter().flat_map(point_to_bytes).collect();
        let mut totals = vec![];
        for total in self.totals {
            totals.extend((total.before as u64).to_le_bytes());
            totals.extend(total.goes_on.iter().map(|on| u8::from(*on)));
        }
        let leaves = self.leaves.as_flattened();
        hash_parts(&[TAG, self.circuit_id, leaves, &commitments, &totals])
    }

    /// Whether the parts fit each other and the key.
    fn fits(&self, key: &VerifyingKey) -> bool {
        let rows = self.commitments.len();
        let fits = |total: &Total| {
            total.goes_on.len() + 1 == rows && total.before + 1 < key.input_rows.len()
        };
        rows > 0 && self.leaves.len() == rows && self.totals.iter().all(fits)
    }

    /// c_t for t > 0.
    fn coefficients(&self) -> Vec<Fr> {
        let seed = self.digest();
        (1..self.commitments.len() as u64)
            .map(|t| {
                let hash = hash_parts(&[COEFFICIENTS, &seed, &t.to_le_bytes()]);
                scalar_from_bytes_mod_order(&hash[..16])
            })
            .collect()
    }

    /// The terms of S, then of each T.
    fn combinations(&self) -> Vec<Vec<(usize, Fr)>> {
        let coefficients = self.coefficients();
        let numbered = || coefficients.iter().enumerate();
        let mut combinations = vec![numbered().map(|(t, c)| (t + 1, *c)).collect()];
        for total in self.totals {
            let on = numbered().filter(|(t, _)| total.goes_on[*t]);
            combinations.push(on.map(|(t, c)| (t, *c)).collect());
        }
        combinations
    }
}

/// The totals of a policy's rows, made at these times (Unix, milliseconds) in the log's order. A total begins at zero at the
/// first row of a window of time; a clock that goes back begins none. `None` if a row has fewer scalars than the policy adds.
pub fn totals_of(
    policy: &PolicyDescription,
    inputs: usize,
    times_ms: &[u64],
) -> Option<Vec<Total>> {
    let first = inputs.checked_sub(2 * policy.totals.len())?;
    let total = |(j, total): (usize, &RunningTotal)| {
        let mut window = times_ms.first().map_or(0, |time| time / total.window_ms);
        let later = times_ms.iter().skip(1);
        let goes_on = later.map(|time| {
            let now = time / total.window_ms;
            let goes_on = now <= window;
            window = window.max(now);
            goes_on
        });
        Total {
            before: first + 2 * j,
            goes_on: goes_on.collect(),
        }
    };
    Some(policy.totals.iter().enumerate().map(total).collect())
}

/// Number of nonces that [`prove`] needs: one for each scalar of each opening.
pub fn nonce_count(key: &VerifyingKey, totals: usize) -> usize {
    (totals + 1) * (key.input_rows.len() + 1)
}

/// Proves a chain. `nonces` are fresh uniform scalars, never used twice. `None` if the parts do not fit each other. What is
/// false gives a proof that is refused.
pub fn prove(
    key: &VerifyingKey,
    chain: &Chain<'_>,
    openings: &[Opening<'_>],
    nonces: &[Fr],
) -> Option<Vec<u8>> {
    let width = key.input_rows.len() + 1;
    let fit = openings.len() == chain.commitments.len()
        && openings.iter().all(|o| o.inputs.len() + 1 == width)
        && nonces.len() == nonce_count(key, chain.totals.len());
    if !fit || !chain.fits(key) {
        return None;
    }
    // 1. The openings of S and each T.
    let combinations = chain.combinations();
    let secrets: Vec<Vec<Fr>> = combinations
        .iter()
        .map(|terms| {
            let mut sum = vec![Fr::ZERO; width];
            for (row, c) in terms {
                let opening = &openings[*row];
                for (sum, x) in sum.iter_mut().zip(opening.inputs) {
                    *sum += *c * scalar_from_i64(*x);
                }
                sum[width - 1] += *c * opening.blinding;
            }
            sum
        })
        .collect();
    // 2. One nonce for the two equal scalars of each total.
    let mut nonces: Vec<Vec<Fr>> = nonces.chunks_exact(width).map(<[Fr]>::to_vec).collect();
    for (j, total) in chain.totals.iter().enumerate() {
        nonces[j + 1][total.before + 1] = nonces[0][total.before];
    }
    let mut proof = vec![];
    let mut transcript = Transcript::new(&[]);
    transcript.common_digest(&chain.digest());
    for nonce in &nonces {
        let mut terms: Vec<Term> = vec![];
        for (row, scalar) in key.input_rows.iter().zip(nonce) {
            let base = key.row_bases.get(key.row_base(*row)?)?;
            terms.push((*scalar, base.1));
        }
        terms.push((nonce[width - 1], *key.tail_bases.last()?));
        let r = msm(&terms).into_affine();
        proof.extend(point_to_bytes(&r));
        transcript.common_point(&r);
    }
    // 3. Responses, the shared ones once.
    let e = transcript.challenge();
    for (j, (nonce, secret)) in nonces.iter().zip(&secrets).enumerate() {
        for i in 0..width {
            if j > 0 && i == chain.totals[j - 1].before + 1 {
                continue;
            }
            proof.extend(scalar_to_bytes(&(nonce[i] + e * secret[i])));
        }
    }
    Some(proof)
}

/// Reads the proof of a chain; the equations remain to be checked.
///
/// # Errors
/// [`VerifyError::Inputs`] if the parts do not fit each other, or the proof's bytes are refused.
pub fn read(
    key: &VerifyingKey,
    chain: &Chain<'_>,
    proof: &[u8],
) -> Result<Vec<Equation>, VerifyError> {
    if !chain.fits(key) {
        return Err(VerifyError::Inputs {
            expected: chain.commitments.len(),
            got: chain.leaves.len(),
        });
    }
    let width = key.input_rows.len() + 1;
    let mut transcript = Transcript::new(proof);
    transcript.common_digest(&chain.digest());
    let combinations = chain.combinations();
    let points = transcript.points(combinations.len())?;
    let e = transcript.challenge();
    let mut equations = vec![];
    let mut first: Vec<Fr> = vec![];
    for (j, (terms, r)) in combinations.iter().zip(points).enumerate() {
        let mut responses = transcript.scalars(width - usize::from(j > 0))?;
        match j.checked_sub(1) {
            None => first.clone_from(&responses),
            Some(j) => {
                let before = chain.totals[j].before;
                responses.insert(before + 1, first[before]);
            }
        }
        let mut equation = Equation {
            right: vec![(-Fr::ONE, r)],
            tail: vec![Fr::ZERO; key.tail_bases.len()],
            rows: vec![Fr::ZERO; key.row_bases.len()],
            ..Equation::default()
        };
        let committed = terms
            .iter()
            .map(|(row, c)| (-e * c, chain.commitments[*row]));
        equation.right.extend(committed);
        for (row, response) in key.input_rows.iter().zip(&responses) {
            if let Some(multiple) = key.row_base(*row).and_then(|i| equation.rows.get_mut(i)) {
                *multiple += *response;
            }
        }
        if let (Some(multiple), Some(response)) = (equation.tail.last_mut(), responses.last()) {
            *multiple = *response;
        }
        equations.push(equation);
    }
    transcript.finish()?;
    Ok(equations)
}

const TAG: &[u8] = b"clearproof totals v1";
const COEFFICIENTS: &[u8] = b"clearproof totals coefficients v1";
