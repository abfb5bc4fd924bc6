//! The outcome of a round: what a party signs when it has checked the sum.
//!
//! 1. Claim: the signer opened this sum of these survivors, and it opens the product of their commitments.
//! 2. Layout: CBOR array of SHA-256 of the survivor set and SHA-256 of the sum.
//! 3. Assumed: the signature ([`super::signed`]); a signer may lie, t + 1 holders of shares not all.
//! 4. Source: docs/federated.md, section 5, step 8.

use crate::artifact::cbor::{Decoder, Encoder};
use crate::artifact::FormatError;

/// What a party signs of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// SHA-256 of the survivor set.
    pub survivors: [u8; 32],
    /// SHA-256 of the sum.
    pub sum: [u8; 32],
}

impl Outcome {
    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(2);
        out.bytes(&self.survivors);
        out.bytes(&self.sum);
        out.finish()
    }

    /// Reads an outcome.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        if input.array(2, "outcome")? != 2 {
            return Err(FormatError::Unexpected("outcome"));
        }
        let outcome = Self {
            survivors: input.array_of_bytes("survivors digest")?,
            sum: input.array_of_bytes("sum digest")?,
        };
        input.finish()?;
        Ok(outcome)
    }
}
