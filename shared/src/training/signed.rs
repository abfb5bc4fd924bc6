//! A signed message of a round.
//!
//! 1. Claim: the party signed this kind of message with this body in the round of this manifest: the
//!    signature covers a tag, the manifest's digest (with it round, attempt and roster), the party, the
//!    kind and the body. A message of another round or party does not verify.
//! 2. Layout: CBOR array of party, kind, body, signature (Ed25519 over SHA-256 of the parts above).
//! 3. Assumed: Ed25519 keys of the roster belong to the parties; verification is the strict one.
//! 4. Source: RFC 8032; SOUNDNESS condition 26.

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::manifest::Manifest;
use crate::artifact::cbor::{Decoder, Encoder};
use crate::artifact::FormatError;
use crate::verify::statement::hash_parts;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Commitments to an update, with the proof of its bounds.
    Contribution = 1,
    /// A sealed share for one holder.
    Share = 2,
    /// A holder has shares, and commits to its part of the coin.
    Ready = 3,
    /// A holder opens its part of the coin.
    Coin = 4,
    /// A contributor's masked combination of its shares.
    Check = 5,
    /// Which contributors a holder accepts, and why not the others.
    Verdict = 6,
    /// A holder's one signature on a survivor set.
    Survivors = 7,
    /// A holder's share of the sum, sealed to all parties.
    Reveal = 8,
    /// A party's signature on the outcome.
    Outcome = 9,
    /// A party's signature on the training certificate of this round.
    Certificate = 10,
    /// A party's proof of the constraints on its private fields.
    Compliance = 11,
}

impl Kind {
    fn from_byte(byte: u64) -> Option<Self> {
        use Kind::{
            Certificate, Check, Coin, Compliance, Contribution, Outcome, Ready, Reveal, Share,
            Survivors, Verdict,
        };
        [
            Contribution,
            Share,
            Ready,
            Coin,
            Check,
            Verdict,
            Survivors,
            Reveal,
            Outcome,
            Certificate,
            Compliance,
        ]
        .into_iter()
        .find(|kind| *kind as u64 == byte)
    }
}

/// A message with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Position of the signer in the roster.
    pub party: u16,
    /// What it is.
    pub kind: Kind,
    /// The message.
    pub body: Vec<u8>,
    /// Ed25519.
    pub signature: [u8; 64],
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignedError {
    /// The bytes.
    #[error("the message is malformed: {0}")]
    Format(#[from] FormatError),
    /// No such party.
    #[error("party {0} is not in the roster")]
    Unknown(u16),
    /// The signature.
    #[error("the signature of party {0} does not hold for this round")]
    Signature(u16),
}

impl Signed {
    /// What is signed.
    pub fn digest(manifest: &[u8; 32], party: u16, kind: Kind, body: &[u8]) -> [u8; 32] {
        hash_parts(&[TAG, manifest, &party.to_le_bytes(), &[kind as u8], body])
    }

    /// Digest of body and signature's subject, by which others refer to the message.
    pub fn body_digest(&self) -> [u8; 32] {
        Sha256::digest(&self.body).into()
    }

    /// Verifies the signature; `digest` is the manifest's.
    ///
    /// # Errors
    /// [`SignedError`].
    pub fn verify(&self, manifest: &Manifest, digest: &[u8; 32]) -> Result<(), SignedError> {
        let entry = manifest.parties.get(usize::from(self.party));
        let entry = entry.ok_or(SignedError::Unknown(self.party))?;
        let subject = Self::digest(digest, self.party, self.kind, &self.body);
        let key = VerifyingKey::from_bytes(&entry.signing_key);
        let signature = Signature::from_bytes(&self.signature);
        key.and_then(|key| key.verify_strict(&subject, &signature))
            .map_err(|_| SignedError::Signature(self.party))
    }

    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(4);
        out.uint(self.party.into());
        out.uint(self.kind as u64);
        out.bytes(&self.body);
        out.bytes(&self.signature);
        out.finish()
    }

    /// Reads a message; the signature is not verified.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        if input.array(4, "message")? != 4 {
            return Err(FormatError::Unexpected("message"));
        }
        let signed = Self {
            party: input.uint(u16::MAX.into(), "party")? as u16,
            kind: Kind::from_byte(input.uint(u8::MAX.into(), "kind")?)
                .ok_or(FormatError::Unexpected("kind"))?,
            body: input.bytes(MAX_BODY, "body")?.to_vec(),
            signature: input.array_of_bytes("signature")?,
        };
        input.finish()?;
        Ok(signed)
    }
}

const TAG: &[u8] = b"clearproof federated message v1";
/// Most bytes of a body: a share of 2^24 coordinates with room to spare.
const MAX_BODY: usize = 1 << 28;

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::sample;
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    #[test]
    fn a_message_belongs_to_its_round_party_and_kind() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let mut manifest = sample();
        manifest.parties[2].signing_key = key.verifying_key().to_bytes();
        let digest = manifest.digest();
        let subject = Signed::digest(&digest, 2, Kind::Ready, b"body");
        let honest = Signed {
            party: 2,
            kind: Kind::Ready,
            body: b"body".to_vec(),
            signature: key.sign(&subject).to_bytes(),
        };
        assert_eq!(honest.verify(&manifest, &digest), Ok(()));
        assert_eq!(Signed::decode(&honest.encode()), Ok(honest.clone()));
        let changed = |change: fn(&mut Signed)| {
            let mut message = honest.clone();
            change(&mut message);
            message.verify(&manifest, &digest)
        };
        assert_eq!(
            changed(|m| m.kind = Kind::Coin),
            Err(SignedError::Signature(2))
        );
        assert_eq!(changed(|m| m.party = 1), Err(SignedError::Signature(1)));
        assert_eq!(changed(|m| m.party = 4), Err(SignedError::Unknown(4)));
        assert_eq!(changed(|m| m.body.push(0)), Err(SignedError::Signature(2)));
        assert_eq!(
            changed(|m| m.signature[0] ^= 1),
            Err(SignedError::Signature(2))
        );
        let next = Manifest {
            round: 4,
            ..manifest.clone()
        };
        assert_eq!(
            honest.verify(&next, &next.digest()),
            Err(SignedError::Signature(2))
        );
    }
}
