//! The check, in numbered steps, ending in a report of named checks.
//!
//! 1. Claim: [`verify_proof`] accepts iff the proof is a valid, canonical proof of the statement
//!    under the key; [`verify_files`] says of evidence files what they show, and against what.
//! 2. Inside: [`proof`] reads a proof and leaves a linear [`claim`]; [`batch`] checks many claims
//!    at once; [`bases`] and [`srs`] check the key's points; [`report`] holds the result.
//! 3. Assumed: nothing of the bytes; no byte string makes this code panic or allocate without
//!    bound.
//! 4. Source: halo2_proofs' verifier for circuits of gates alone; docs/design/contracts.md.

pub mod bases;
pub mod batch;
mod bundle;
mod checked;
pub mod claim;
mod draft;
mod fields;
pub mod files;
mod ipa;
pub mod link;
mod log;
pub mod msm;
pub mod prepared;
pub mod proof;
mod records;
pub mod report;
pub mod rows;
mod session;
mod shplonk;
pub mod srs;
pub mod statement;
mod totals;
pub mod training;
pub mod transcript;

use std::sync::Arc;

use thiserror::Error;

use crate::artifact::key::{KeyError, VerifyingKey};
use batch::Pending;
pub use claim::Claim;
pub use files::{verify_evidence, verify_files, Options, Verifier};
pub use prepared::{Generators, PreparedKey};
pub use proof::{instance_cells, read_proof};
pub use report::{Report, Verdict};
pub use rows::StatedRows;
pub use statement::{Claimed, Statement};

/// Why a proof is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The key is refused.
    #[error("the verifying key is refused: {0}")]
    Key(#[from] KeyError),
    /// The number of generators does not fit the key.
    #[error("{got} generators where the key needs {expected}")]
    Generators {
        /// 2^k with IPA, none with KZG.
        expected: usize,
        /// Those given.
        got: usize,
    },
    /// The number of model commitments does not fit the key.
    #[error("{got} model commitments where the circuit links {expected}")]
    ModelCommitments {
        /// The model link's count.
        expected: usize,
        /// Those given.
        got: usize,
    },
    /// The number of rows does not fit the circuit's slots.
    #[error("{got} rows for a circuit of {slots} slots")]
    Rows {
        /// Batch slots of the circuit.
        slots: usize,
        /// Rows given.
        got: usize,
    },
    /// The number of released values does not fit.
    #[error("{got} released values where the rows release {expected}")]
    Released {
        /// Rows times values a row.
        expected: usize,
        /// Those given.
        got: usize,
    },
    /// The number of inputs does not fit the circuit.
    #[error("{got} inputs where the circuit takes {expected}")]
    Inputs {
        /// The circuit's input rows.
        expected: usize,
        /// Those given.
        got: usize,
    },
    /// The proof ends early.
    #[error("the proof ends early")]
    Truncated,
    /// Bytes follow the proof.
    #[error("bytes follow the proof")]
    TrailingBytes,
    /// A point of the proof is not canonical or not on the curve.
    #[error("the proof holds bytes that are not the canonical encoding of a point")]
    Point,
    /// A scalar of the proof is not below the modulus.
    #[error("the proof holds bytes that are not a canonical scalar")]
    Scalar,
    /// A challenge hit a value for which the check is undefined (chance below 2^-200).
    #[error("a challenge fell on an evaluation point")]
    Degenerate,
    /// The gates or the openings do not hold.
    #[error("the gate identity or an opening does not hold")]
    Opening,
    /// The linked columns are not those of the model and input commitments.
    #[error("the proof is not linked to these model and input commitments")]
    Link,
    /// The key's bases are not the Lagrange bases of its reference string.
    #[error("the key's bases are not the Lagrange bases of its reference string")]
    Bases,
}

/// Checks one proof of a statement, the key's bases included.
///
/// # Errors
/// [`VerifyError`] naming the first thing that does not hold.
pub fn verify_proof(
    key: &VerifyingKey,
    generators: &Arc<Generators>,
    statement: &Statement<'_>,
    proof: &[u8],
) -> Result<Claim, VerifyError> {
    let key = PreparedKey::new(key.clone(), Arc::clone(generators))?;
    verify_prepared(&key, statement, proof)
}

/// As [`verify_proof`], with a key prepared beforehand.
///
/// # Errors
/// As [`verify_proof`].
pub fn verify_prepared(
    key: &PreparedKey,
    statement: &Statement<'_>,
    proof: &[u8],
) -> Result<Claim, VerifyError> {
    let claim = read_proof(key, statement, proof)?;
    let bases = bases::bases_equation(key);
    let binding = &claim.binding;
    let mut equations = vec![
        (&bases, VerifyError::Bases),
        (&claim.opening, VerifyError::Opening),
    ];
    equations.extend(claim.link.as_ref().map(|link| (link, VerifyError::Link)));
    let pending: Vec<Pending<'_>> = equations
        .iter()
        .map(|(equation, _)| Pending {
            key,
            equation,
            binding,
        })
        .collect();
    if !batch::holds(&pending) {
        let single = pending.iter().zip(&equations);
        let failed = single
            .filter(|(item, _)| !batch::holds(std::slice::from_ref(item)))
            .map(|(_, (_, error))| *error)
            .next();
        return Err(failed.unwrap_or(VerifyError::Opening));
    }
    Ok(claim)
}
