//! Inputs, blinding and salts at rest.
//!
//! 1. Claim: without the key file, what is sealed tells its length and nothing else; it opens only for the
//!    record and the log that it was sealed for.
//! 2. Layout: a random nonce of 24 bytes, then XChaCha20-Poly1305's ciphertext and tag; associated data
//!    `clearproof sealed v1`, the sequence number (8 bytes, little-endian), the origin; of a message between service and
//!    workers, which another key seals, `clearproof message v1` and its kind. The key file holds
//!    `CLEARPROOF+SEALING+KEY+` and 32 bytes in base 64.
//! 3. Assumed: the generator is the operating system's.
//! 4. Source: draft-irtf-cfrg-xchacha-03; SOUNDNESS condition 7.

use std::fmt;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use clearproof_shared::log::base64;
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret_file::{self, KeyFileError};

/// The key that seals what only the operator may read.
pub struct SealingKey {
    id: [u8; 8],
    /// Zeroes itself when dropped.
    cipher: XChaCha20Poly1305,
}

/// What a message between the service and its workers is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message {
    /// A batch to be proved.
    Job,
    /// A worker's answer.
    Answer,
}

impl Message {
    fn associated(self) -> Vec<u8> {
        let kind: &[u8] = match self {
            Message::Job => b"job",
            Message::Answer => b"answer",
        };
        [MESSAGE, kind].concat()
    }
}

/// Sealed by another key, for another record, or changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("what was sealed does not open for this record with this key")]
pub struct OpenError;

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

impl SealingKey {
    /// Makes a key and writes it to a new file, mode 0600.
    ///
    /// # Errors
    /// [`KeyFileError`], also if the file exists.
    pub fn generate(path: &Path, random: &mut impl CryptoRngCore) -> Result<Self, KeyFileError> {
        let mut key = Zeroizing::new([0; 32]);
        random.fill_bytes(&mut *key);
        let encoded = Zeroizing::new(base64::encode(&*key));
        secret_file::create(path, &Zeroizing::new(format!("{PREFIX}{}\n", *encoded)))?;
        Ok(Self::of(&key))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyFileError`], also if others may read the file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = secret_file::read(path, WHAT)?;
        let key = text
            .strip_prefix(PREFIX)
            .and_then(|key| base64::decode(key.trim_end()));
        let key = Zeroizing::new(key.unwrap_or_default());
        let key = key.as_slice().try_into().ok();
        key.map(Self::of).ok_or(KeyFileError::Malformed {
            path: path.to_owned(),
            what: WHAT,
        })
    }

    /// Seals what belongs to one record of one log.
    pub fn seal(
        &self,
        origin: &str,
        seq: u64,
        opened: &[u8],
        random: &mut impl CryptoRngCore,
    ) -> Vec<u8> {
        self.sealed(&associated(origin, seq), opened, random)
    }

    /// Opens what was sealed for this record.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &self,
        origin: &str,
        seq: u64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.opened(&associated(origin, seq), sealed)
    }

    /// Seals a message of this kind.
    pub(crate) fn seal_message(
        &self,
        kind: Message,
        opened: &[u8],
        random: &mut impl CryptoRngCore,
    ) -> Vec<u8> {
        self.sealed(&kind.associated(), opened, random)
    }

    /// Opens a message of this kind.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) fn open_message(
        &self,
        kind: Message,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.opened(&kind.associated(), sealed)
    }

    /// A public name of the key.
    pub(crate) fn id(&self) -> [u8; 8] {
        self.id
    }

    fn sealed(&self, aad: &[u8], opened: &[u8], random: &mut impl CryptoRngCore) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill_bytes(&mut nonce);
        let payload = Payload { msg: opened, aad };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("nothing is as long as the cipher's limit of 256 GiB");
        [&nonce[..], &sealed].concat()
    }

    fn opened(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
        let payload = Payload { msg: sealed, aad };
        let opened = self.cipher.decrypt(&XNonce::from(*nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| OpenError)
    }

    fn of(key: &[u8; 32]) -> Self {
        let mut digest = Sha256::new();
        digest.update(KEY_ID);
        digest.update(key);
        let digest: [u8; 32] = digest.finalize().into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self {
            id,
            cipher: XChaCha20Poly1305::new(key.into()),
        }
    }
}

fn associated(origin: &str, seq: u64) -> Vec<u8> {
    [TAG, &seq.to_le_bytes(), origin.as_bytes()].concat()
}

const TAG: &[u8] = b"clearproof sealed v1";
const MESSAGE: &[u8] = b"clearproof message v1";
const KEY_ID: &[u8] = b"clearproof key id v1";
const PREFIX: &str = "CLEARPROOF+SEALING+KEY+";
const WHAT: &str = "sealing key (CLEARPROOF+SEALING+KEY+key)";
const NONCE_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use rand_chacha::rand_core::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    #[test]
    fn opens_for_its_record_and_log_alone() {
        let random = &mut ChaCha20Rng::seed_from_u64(1);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sealing.key");
        let key = SealingKey::generate(&path, random).expect("a new key");
        let sealed = key.seal("log", 7, b"inputs", random);
        let loaded = SealingKey::load(&path).expect("the key");
        let opened = loaded.open("log", 7, &sealed);
        assert_eq!(opened.as_deref().map(Vec::as_slice), Ok(&b"inputs"[..]));
        assert_eq!(key.open("log", 8, &sealed), Err(OpenError));
        assert_eq!(key.open("gol", 7, &sealed), Err(OpenError));
        for length in 0..sealed.len() {
            assert_eq!(key.open("log", 7, &sealed[..length]), Err(OpenError));
        }
        for bit in 0..8 * sealed.len() {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open("log", 7, &changed), Err(OpenError));
        }
        let other = SealingKey::generate(&folder.path().join("other.key"), random);
        assert_eq!(
            other.expect("a new key").open("log", 7, &sealed),
            Err(OpenError)
        );
        assert_ne!(key.seal("log", 7, b"inputs", random), sealed);

        let job = key.seal_message(Message::Job, b"job", random);
        let opened = loaded.open_message(Message::Job, &job);
        assert_eq!(opened.as_deref().map(Vec::as_slice), Ok(&b"job"[..]));
        assert_eq!(key.open_message(Message::Answer, &job), Err(OpenError));
        assert_eq!(key.open("log", 7, &job), Err(OpenError));
        assert_eq!(key.id(), loaded.id());

        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("chmod");
        let wide = SealingKey::load(&path);
        assert!(
            matches!(wide, Err(KeyFileError::Permissions { .. })),
            "{wide:?}"
        );
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
        fs::write(&path, format!("{PREFIX}AAAA")).expect("the file");
        let short = SealingKey::load(&path);
        assert!(
            matches!(short, Err(KeyFileError::Malformed { .. })),
            "{short:?}"
        );
    }
}
