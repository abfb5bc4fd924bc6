//! The check of a contribution's norm proof.
//!
//! 1. Claim: the party knows openings of its commitments to an update and a noise, integers in range, with L2
//!    norms within the manifest's bounds.
//! 2. Statement: the commitments, update first, and one leaf: SHA-256 of the manifest's digest and the party.
//! 3. Assumed: the key is that of the norm circuit for the manifest's sizes and bounds; the manifest names its
//!    SHA-256.
//! 4. Source: SOUNDNESS conditions 21 and 26.

use super::contribution::Contribution;
use crate::verify::prepared::PreparedKey;
use crate::verify::statement::{hash_parts, Claimed, Statement};
use crate::verify::{verify_prepared, VerifyError};

/// Calls `with` with the statement of a contribution; `manifest` is the manifest's digest.
pub fn with_statement<T>(
    manifest: &[u8; 32],
    party: u16,
    contribution: &Contribution,
    with: impl FnOnce(&Statement<'_>) -> T,
) -> T {
    let committed = [&contribution.update[..], &contribution.noise].concat();
    let leaf = hash_parts(&[TAG, manifest, &party.to_le_bytes()]);
    with(&Statement {
        claimed: Claimed::Update,
        model: &committed,
        inputs: &[],
        leaves: &[leaf],
        origin: "",
        released: &[],
    })
}

/// Checks the proof that a contribution carries.
///
/// # Errors
/// [`VerifyError`] naming what does not hold.
pub fn verify(
    key: &PreparedKey,
    manifest: &[u8; 32],
    party: u16,
    contribution: &Contribution,
) -> Result<(), VerifyError> {
    with_statement(manifest, party, contribution, |statement| {
        verify_prepared(key, statement, &contribution.proof).map(|_| ())
    })
}

const TAG: &[u8] = b"clearproof update of party v1";
