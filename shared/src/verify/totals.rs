//! Running totals over the proved decisions of a file.
//!
//! 1. Claim: every proved row releases that its totals follow from its decision, and each total before a decision is the
//!    one after the decision before it, or zero where a window of time begins.
//! 2. Steps: the released values, then the chain of [`crate::commitment::totals`] over the rows in the log's order.
//! 3. Assumed: where the file begins within a window of time, what the totals were before its first decision.
//! 4. Source: SOUNDNESS condition 20.

use super::bundle::{sentence, PreparedBundle};
use super::claim::Equation;
use super::report::Outcome;
use super::statement::hash_parts;
use crate::artifact::evidence::{Evidence, Inputs};
use crate::artifact::key::VerifyingKey;
use crate::artifact::window::LogWindow;
use crate::bn254::G1Affine;
use crate::commitment::totals::{read, totals_of, Chain, Total};
use crate::encoding::point_from_bytes;
use crate::log::entry::{Entry, Mode};
use crate::order::by_key;

/// Why totals are not shown to go on.
pub(super) type Refusal = (Outcome, String);

/// The chain of a bundle's rows.
pub(super) struct OwnedChain {
    circuit_id: [u8; 32],
    leaves: Vec<[u8; 32]>,
    commitments: Vec<G1Affine>,
    totals: Vec<Total>,
}

impl OwnedChain {
    /// Reads the chain's proof: equations, and the hash that they are bound to.
    pub(super) fn read(
        &self,
        key: &VerifyingKey,
        proof: &[u8],
    ) -> Result<(Vec<Equation>, [u8; 32]), Refusal> {
        let chain = Chain {
            circuit_id: &self.circuit_id,
            leaves: &self.leaves,
            commitments: &self.commitments,
            totals: &self.totals,
        };
        let refused = |error| {
            (
                Outcome::Failed,
                sentence("The proof of totals is refused", &error),
            )
        };
        let equations = read(key, &chain, proof).map_err(refused)?;
        Ok((equations, hash_parts(&[&chain.digest(), proof])))
    }
}

/// The chain that a file's proof of totals is about. `bundle`: number of the bundle in the file.
pub(super) fn claim(
    evidence: &Evidence,
    number: usize,
    bundle: &PreparedBundle,
    leaves: &[Vec<[u8; 32]>],
    window: &LogWindow,
) -> Result<OwnedChain, Refusal> {
    let failed = |reason: &str| (Outcome::Failed, reason.to_owned());
    let policy = bundle.parts().policy.as_ref();
    let policy = policy.ok_or_else(|| failed(MISSING))?;
    // 1. Each row releases that its totals follow.
    let names = &bundle.parts().released_names;
    let released = names.iter().position(|name| name == RELEASED);
    let released =
        released.ok_or_else(|| failed("The circuit releases nothing about its totals."))?;
    let mut rows = vec![];
    for (proof, leaves) in evidence.proofs.iter().zip(leaves) {
        if proof.bundle != number {
            continue;
        }
        let Inputs::Committed(commitments) = &proof.inputs else {
            return Err((Outcome::Unknown, PUBLIC.into()));
        };
        let places = proof.logged.iter().flat_map(|logged| &logged.places);
        for (row, (place, leaf)) in places.zip(leaves).enumerate() {
            if proof.released_of(row).get(released) != Some(&1) {
                return Err(failed("A decision's running totals do not follow from it."));
            }
            let point = commitments.get(row).and_then(point_from_bytes);
            let point =
                point.ok_or_else(|| failed("An input commitment is no canonical point."))?;
            rows.push((place.seq, place.time_ms, *leaf, point));
        }
    }
    let rows = by_key(rows, |row| row.0);
    // 2. No decision of the bundle stands between them without a proof.
    let last = rows.last().map_or(0, |row| row.0);
    let digest = bundle.digest();
    let between = window
        .entries
        .iter()
        .filter_map(|bytes| Entry::decode(bytes).ok());
    for entry in between {
        let Entry::Decision(decision) = entry else {
            continue;
        };
        if decision.bundle == *digest && decision.mode == Mode::Prove && decision.seq < last {
            return Err((Outcome::Unknown, BETWEEN.into()));
        }
    }
    // 3. The chain.
    let key = bundle.key().key();
    let times: Vec<u64> = rows.iter().map(|row| row.1).collect();
    let totals = totals_of(policy, key.input_rows.len(), &times);
    Ok(OwnedChain {
        circuit_id: *bundle.key().circuit_id(),
        leaves: rows.iter().map(|row| row.2).collect(),
        commitments: rows.iter().map(|row| row.3).collect(),
        totals: totals
            .ok_or_else(|| failed("The circuit has fewer inputs than its policy's totals."))?,
    })
}

/// Name of the released value that is 1 if a decision's totals follow from it.
const RELEASED: &str = "totals";
pub(super) const MISSING: &str = "The file has no proof that the running totals go on.";
const PUBLIC: &str = "The inputs are public, and running totals of such rows are not checked here.";
const BETWEEN: &str =
    "A decision without a proof stands between those proved, so that the totals cannot be told.";
pub(super) const START: &str = "The running totals before the first decision of the file.";
