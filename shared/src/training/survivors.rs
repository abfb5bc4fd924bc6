//! The survivors: whose updates a round sums, as holders sign it before anything is revealed.
//!
//! 1. Claim: a certificate of more than (n + t)/2 distinct holders' signatures on one survivor set is the
//!    only one of its round, as long as at most t holders sign twice: two such certificates share more
//!    than t signers, an honest one among them, and an honest holder signs once.
//! 2. Layout: CBOR array of the coin and the survivors, each with the digests of its contribution and of its
//!    check; so holders who sign agree on all messages that the sum depends on.
//! 3. Assumed: signatures ([`super::signed`]).
//! 4. Source: Bracha and Toueg 1985 (quorums); SOUNDNESS condition 22.

use thiserror::Error;

use super::manifest::Manifest;
use super::signed::{Kind, Signed, SignedError};
use crate::artifact::cbor::{Decoder, Encoder};
use crate::artifact::FormatError;

/// One contributor whose update is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Position in the roster.
    pub party: u16,
    /// SHA-256 of its contribution.
    pub contribution: [u8; 32],
    /// SHA-256 of its sharing check.
    pub check: [u8; 32],
}

/// What a holder signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivors {
    /// The joint coin of the sharing check.
    pub coin: [u8; 32],
    /// The survivors, ascending.
    pub survivors: Vec<Survivor>,
}

/// A survivor set that enough holders signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurvivorCertificate {
    /// The set.
    pub survivors: Survivors,
    /// Signatures on it: party and Ed25519, ascending.
    pub signatures: Vec<(u16, [u8; 64])>,
}

/// Why a survivor set is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SurvivorsError {
    /// The bytes.
    #[error("the survivor set is malformed: {0}")]
    Format(#[from] FormatError),
    /// A signature.
    #[error(transparent)]
    Signature(#[from] SignedError),
    /// A signer holds no shares.
    #[error("party {0} signs the survivor set and holds no shares")]
    NotAHolder(u16),
    /// Too few signatures.
    #[error("{got} holders signed the survivor set, {quorum} must")]
    Quorum {
        /// Distinct signatures.
        got: usize,
        /// Needed.
        quorum: usize,
    },
    /// Too few survivors.
    #[error("{got} contributors survive; the manifest asks for {least} with the colluders")]
    TooFew {
        /// Survivors.
        got: usize,
        /// Colluders and the minimum of honest ones.
        least: usize,
    },
}

impl Survivors {
    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(2);
        out.bytes(&self.coin);
        out.array(self.survivors.len());
        for survivor in &self.survivors {
            out.array(3);
            out.uint(survivor.party.into());
            out.bytes(&survivor.contribution);
            out.bytes(&survivor.check);
        }
        out.finish()
    }

    /// Reads a survivor set of the round of a manifest; there are enough of them.
    ///
    /// # Errors
    /// [`SurvivorsError`].
    pub fn decode(bytes: &[u8], manifest: &Manifest) -> Result<Self, SurvivorsError> {
        let mut input = Decoder::new(bytes);
        if input.array(2, "survivor set")? != 2 {
            return Err(FormatError::Unexpected("survivor set").into());
        }
        let coin = input.array_of_bytes("coin")?;
        let most = manifest.parties.len();
        let survivors = input.list(most, "survivors", |input| {
            if input.array(3, "survivor")? != 3 {
                return Err(FormatError::Unexpected("survivor"));
            }
            Ok(Survivor {
                party: input.uint(most as u64 - 1, "survivor")? as u16,
                contribution: input.array_of_bytes("contribution digest")?,
                check: input.array_of_bytes("check digest")?,
            })
        })?;
        input.finish()?;
        if !survivors.windows(2).all(|s| s[0].party < s[1].party) {
            return Err(FormatError::NotCanonical.into());
        }
        if !manifest.enough_contributors(survivors.len()) {
            return Err(SurvivorsError::TooFew {
                got: survivors.len(),
                least: usize::from(manifest.colluders) + usize::from(manifest.minimum_honest),
            });
        }
        Ok(Self { coin, survivors })
    }
}

impl SurvivorCertificate {
    /// Whether enough distinct holders signed; `digest` is the manifest's.
    ///
    /// # Errors
    /// [`SurvivorsError`].
    pub fn verify(&self, manifest: &Manifest, digest: &[u8; 32]) -> Result<(), SurvivorsError> {
        let body = self.survivors.encode();
        Survivors::decode(&body, manifest)?;
        if !self.signatures.windows(2).all(|s| s[0].0 < s[1].0) {
            return Err(FormatError::NotCanonical.into());
        }
        for (party, signature) in &self.signatures {
            if !manifest.holders.contains(party) {
                return Err(SurvivorsError::NotAHolder(*party));
            }
            let signed = Signed {
                party: *party,
                kind: Kind::Survivors,
                body: body.clone(),
                signature: *signature,
            };
            signed.verify(manifest, digest)?;
        }
        match self.signatures.len() >= manifest.quorum() {
            true => Ok(()),
            false => Err(SurvivorsError::Quorum {
                got: self.signatures.len(),
                quorum: manifest.quorum(),
            }),
        }
    }

    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(2);
        out.bytes(&self.survivors.encode());
        out.array(self.signatures.len());
        for (party, signature) in &self.signatures {
            out.array(2);
            out.uint((*party).into());
            out.bytes(signature);
        }
        out.finish()
    }

    /// Reads a certificate; signatures are not verified.
    ///
    /// # Errors
    /// [`SurvivorsError`].
    pub fn decode(bytes: &[u8], manifest: &Manifest) -> Result<Self, SurvivorsError> {
        let mut input = Decoder::new(bytes);
        if input.array(2, "survivor certificate")? != 2 {
            return Err(FormatError::Unexpected("survivor certificate").into());
        }
        let survivors = Survivors::decode(input.bytes(MAX_SET, "survivor set")?, manifest)?;
        let signatures = input.list(manifest.holders.len(), "signatures", |input| {
            if input.array(2, "signature")? != 2 {
                return Err(FormatError::Unexpected("signature"));
            }
            let party = input.uint(u16::MAX.into(), "signer")? as u16;
            Ok((party, input.array_of_bytes("signature")?))
        })?;
        input.finish()?;
        Ok(Self {
            survivors,
            signatures,
        })
    }
}

const MAX_SET: usize = 1 << 14;
