//! What a contributor publishes of its update: commitments, and a proof of their bounds.
//!
//! 1. Claim: `C_u,k` and `C_n,k` are hiding commitments to column k of the clipped update and of the noise
//!    share; what is summed is the vector of their products.
//! 2. Layout: CBOR array of the update's points, the noise's points, the mask's point, a digest of each
//!    holder's share, the norm proof (empty where the manifest asks for none).
//! 3. Assumed: the bases of the columns are the Lagrange bases of the norm proof's domain.
//! 4. Source: Pedersen 1991; DESIGN section 9; SOUNDNESS conditions 21 and 26.

use super::manifest::Manifest;
use crate::artifact::cbor::{Decoder, Encoder};
use crate::artifact::FormatError;
use crate::bn254::G1Affine;
use crate::encoding::{points_from_bytes, points_to_bytes};

/// The public part of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// Commitments to the columns of the clipped update.
    pub update: Vec<G1Affine>,
    /// Commitments to the columns of the noise share.
    pub noise: Vec<G1Affine>,
    /// Commitment to the mask of the sharing check.
    pub mask: G1Affine,
    /// Salted digest of each holder's share, in the holders' order.
    pub share_digests: Vec<[u8; 32]>,
    /// The norm proof.
    pub proof: Vec<u8>,
}

impl Contribution {
    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(5);
        out.bytes(&points_to_bytes(&self.update));
        out.bytes(&points_to_bytes(&self.noise));
        out.bytes(&points_to_bytes(&[self.mask]));
        out.bytes(self.share_digests.as_flattened());
        out.bytes(&self.proof);
        out.finish()
    }

    /// Reads a contribution to the round of a manifest.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that [`Contribution::encode`] does not write, and for other numbers of
    /// points or digests than the manifest's.
    pub fn decode(bytes: &[u8], manifest: &Manifest) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        if input.array(5, "contribution")? != 5 {
            return Err(FormatError::Unexpected("contribution"));
        }
        let columns = manifest.columns();
        let points = |input: &mut Decoder<'_>, count: usize, what| {
            let bytes = input.bytes(32 * count, what)?;
            let points = points_from_bytes(bytes).ok_or(FormatError::NotCanonical)?;
            match points.len() == count {
                true => Ok(points),
                false => Err(FormatError::Inconsistent(what)),
            }
        };
        let contribution = Self {
            update: points(&mut input, columns, "update commitments")?,
            noise: points(&mut input, columns, "noise commitments")?,
            mask: points(&mut input, 1, "mask commitment")?[0],
            share_digests: {
                let digests = input.bytes(32 * manifest.holders.len(), "share digests")?;
                let (digests, rest) = digests.as_chunks::<32>();
                if !rest.is_empty() || digests.len() != manifest.holders.len() {
                    return Err(FormatError::Inconsistent("share digests"));
                }
                digests.to_vec()
            },
            proof: input.bytes(MAX_PROOF, "norm proof")?.to_vec(),
        };
        input.finish()?;
        Ok(contribution)
    }
}

const MAX_PROOF: usize = 1 << 22;
