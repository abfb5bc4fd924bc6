//! A party's secret keys: Ed25519 to sign, X25519 to open what is sealed to it.

use std::fmt;

use clearproof_shared::training::certificate::{Body, Deployment};
use clearproof_shared::training::manifest::RosterEntry;
use clearproof_shared::training::signed::{Kind, Signed};
use ed25519_dalek::{Signer, SigningKey};
use hpke::{Deserializable, Kem as _, Serializable};
use rand_core::{CryptoRng, RngCore};
use zeroize::{Zeroize, Zeroizing};

use super::seal::Kem;

/// A party's keys.
#[derive(Clone)]
pub struct Identity {
    name: String,
    signing: SigningKey,
    sealing: <Kem as hpke::Kem>::PrivateKey,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.name)
    }
}

impl Identity {
    /// Fresh keys.
    pub fn generate(name: &str, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut secrets = Zeroizing::new([0u8; IDENTITY_BYTES]);
        rng.fill_bytes(&mut secrets[..]);
        let (sealing, _) = Kem::derive_keypair(&secrets[32..]);
        Self {
            name: name.to_owned(),
            signing: SigningKey::from_bytes(secrets[..32].try_into().expect("32 bytes")),
            sealing,
        }
    }

    /// The two secret keys, one after the other.
    pub fn to_bytes(&self) -> Zeroizing<[u8; IDENTITY_BYTES]> {
        let mut bytes = Zeroizing::new([0u8; IDENTITY_BYTES]);
        bytes[..32].copy_from_slice(self.signing.as_bytes());
        let mut sealing = self.sealing.to_bytes();
        bytes[32..].copy_from_slice(&sealing);
        sealing.zeroize();
        bytes
    }

    /// The keys that [`Identity::to_bytes`] wrote; none where they are no keys.
    pub fn from_bytes(name: &str, bytes: &[u8; IDENTITY_BYTES]) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            signing: SigningKey::from_bytes(bytes[..32].try_into().expect("32 bytes")),
            sealing: Deserializable::from_bytes(&bytes[32..]).ok()?,
        })
    }

    /// What others know of it.
    pub fn entry(&self) -> RosterEntry {
        let public = Kem::sk_to_pk(&self.sealing).to_bytes();
        RosterEntry {
            name: self.name.clone(),
            signing_key: self.signing.verifying_key().to_bytes(),
            sealing_key: public.into(),
        }
    }

    /// Signs a message of the round with this manifest digest.
    pub(super) fn sign(
        &self,
        manifest: &[u8; 32],
        party: u16,
        kind: Kind,
        body: Vec<u8>,
    ) -> Signed {
        let subject = Signed::digest(manifest, party, kind, &body);
        Signed {
            party,
            kind,
            signature: self.signing.sign(&subject).to_bytes(),
            body,
        }
    }

    /// Signs the body of a training certificate, by its digest.
    pub fn certify(&self, body: &[u8; 32], party: u16) -> [u8; 64] {
        self.signing.sign(&Body::subject(body, party)).to_bytes()
    }

    /// Signs what this party compiled of the model that a training certificate names; `body` is the digest of the
    /// certificate's body.
    pub fn deploy(&self, body: &[u8; 32], mut deployment: Deployment) -> Deployment {
        deployment.signature = self.signing.sign(&deployment.subject(body)).to_bytes();
        deployment
    }

    pub(super) fn sealing(&self) -> &<Kem as hpke::Kem>::PrivateKey {
        &self.sealing
    }
}

/// Bytes of the secret keys.
pub const IDENTITY_BYTES: usize = 64;
