//! The log's signing key.
//!
//! 1. Claim: the key is in its file and in memory alone; the file is readable by its owner alone, or
//!    refused. What it signs verifies under [`LogKey::verifier`].
//! 2. Layout: one line, `PRIVATE+KEY+name+hex(key id)+base64(1 || seed)`, as Go's package note writes keys.
//! 3. Assumed: the generator is the operating system's.
//! 4. Source: c2sp.org/signed-note; pkg.go.dev/golang.org/x/mod/sumdb/note.

use std::fmt;
use std::path::Path;

use clearproof_shared::log::base64;
use clearproof_shared::log::checkpoint::checkpoint_text;
use clearproof_shared::log::merkle::Hash;
use clearproof_shared::log::note::{
    signed_message, Note, NoteSignature, SignatureType, VerifierKey,
};
use ed25519_dalek::{Signer, SigningKey};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::secret_file::{self, KeyFileError};

/// The key that a log signs its checkpoints with; its name is the log's origin.
pub struct LogKey {
    /// Zeroes itself when dropped.
    secret: SigningKey,
    verifier: VerifierKey,
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.verifier)
    }
}

impl LogKey {
    /// Makes a key for the log of this origin and writes it to a new file, mode 0600.
    ///
    /// # Errors
    /// [`KeyFileError`], also if the file exists or the origin cannot name a key.
    pub fn generate(
        path: &Path,
        origin: &str,
        random: &mut impl CryptoRngCore,
    ) -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0; 32]);
        random.fill_bytes(&mut *seed);
        let key = Self::of_seed(origin, &seed).ok_or(KeyFileError::Malformed {
            path: path.to_owned(),
            what: "file for a log without spaces and plus signs in its name",
        })?;
        secret_file::create(path, &key.encode())?;
        Ok(key)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyFileError`], also if others may read the file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = secret_file::read(path, WHAT)?;
        Self::decode(&text).ok_or(KeyFileError::Malformed {
            path: path.to_owned(),
            what: WHAT,
        })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// A checkpoint that this key signed.
    pub fn checkpoint(&self, size: u64, root: &Hash) -> Note {
        let text = checkpoint_text(self.verifier.name(), size, root);
        let signature = self.secret.sign(signed_message(&text, None).as_bytes());
        let signatures = vec![NoteSignature {
            name: self.verifier.name().to_owned(),
            key_id: self.verifier.key_id(),
            signature: signature.to_bytes().to_vec(),
        }];
        Note { text, signatures }
    }

    /// The key by which this key's cosignatures as a witness verify.
    pub fn cosigner(&self) -> VerifierKey {
        let public = self.secret.verifying_key();
        let key = VerifierKey::new(
            self.verifier.name(),
            SignatureType::CosignatureV1,
            public.as_bytes(),
        );
        key.expect("the name and the key are those of the verifier")
    }

    /// A witness's signature line: this note's tree was seen at that time, in seconds of Unix time.
    pub(crate) fn cosignature(&self, note: &Note, time_s: u64) -> NoteSignature {
        let message = signed_message(&note.text, Some(time_s));
        let signature = self.secret.sign(message.as_bytes());
        NoteSignature {
            name: self.verifier.name().to_owned(),
            key_id: self.cosigner().key_id(),
            signature: [&time_s.to_be_bytes()[..], &signature.to_bytes()].concat(),
        }
    }

    fn of_seed(origin: &str, seed: &[u8; 32]) -> Option<Self> {
        let secret = SigningKey::from_bytes(seed);
        let public = secret.verifying_key();
        let verifier = VerifierKey::new(origin, SignatureType::Ed25519, public.as_bytes()).ok()?;
        Some(Self { secret, verifier })
    }

    fn encode(&self) -> Zeroizing<String> {
        let typed = Zeroizing::new([&[1], &self.secret.as_bytes()[..]].concat());
        let typed = Zeroizing::new(base64::encode(&typed));
        let key_id = u32::from_be_bytes(self.verifier.key_id());
        let name = self.verifier.name();
        Zeroizing::new(format!("{PREFIX}{name}+{key_id:08x}+{}\n", *typed))
    }

    fn decode(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.trim_end().splitn(3, '+');
        let (name, _, typed) = (parts.next()?, parts.next()?, parts.next()?);
        let typed = Zeroizing::new(base64::decode(typed)?);
        let (1, seed) = typed.split_first().map(|(kind, seed)| (*kind, seed))? else {
            return None;
        };
        let key = Self::of_seed(name, seed.try_into().ok()?)?;
        (key.encode().trim_end() == text.trim_end()).then_some(key)
    }
}

const PREFIX: &str = "PRIVATE+KEY+";
const WHAT: &str = "log key (PRIVATE+KEY+name+id+key)";

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use clearproof_shared::log::checkpoint::Checkpoint;
    use rand_chacha::rand_core::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use signed_note::{StandardSigner, StandardVerifier, VerifierList};

    use super::*;

    const ORIGIN: &str = "log.example/1";

    #[test]
    fn a_key_is_written_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.key");
        let random = &mut ChaCha20Rng::seed_from_u64(1);
        let key = LogKey::generate(&path, ORIGIN, random).expect("a new key");
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let loaded = LogKey::load(&path).expect("the key");
        assert_eq!(loaded.verifier(), key.verifier());
        let secret = fs::read_to_string(&path).expect("the file");
        let shown = format!("{key:?}");
        assert!(
            !shown.contains(secret.trim().rsplit('+').next().expect("the key")),
            "{shown}"
        );

        let again = LogKey::generate(&path, ORIGIN, random);
        assert!(matches!(again, Err(KeyFileError::Io { .. })), "{again:?}");
        for mode in [0o640, 0o604, 0o660, 0o620] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
            let wide = LogKey::load(&path);
            assert!(
                matches!(wide, Err(KeyFileError::Permissions { mode: m, .. }) if m == mode),
                "{wide:?}"
            );
        }
        let other = folder.path().join("other.key");
        for name in ["", "with space", "a+b"] {
            let named = LogKey::generate(&other, name, random);
            assert!(
                matches!(named, Err(KeyFileError::Malformed { .. })),
                "{named:?}"
            );
        }
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.key");
        LogKey::generate(&path, ORIGIN, &mut ChaCha20Rng::seed_from_u64(1)).expect("a new key");
        let good = fs::read_to_string(&path).expect("the file");
        for bad in [
            String::new(),
            good.replace("PRIVATE", "PUBLIC"),
            good.replace("log.example", "log.exampel"),
            good[..good.len() - 3].to_owned(),
            "x".repeat(5000),
        ] {
            fs::write(&path, &bad).expect("the file");
            let loaded = LogKey::load(&path);
            assert!(
                matches!(loaded, Err(KeyFileError::Malformed { .. })),
                "{bad:.60}"
            );
        }
    }

    /// Key, signature and checkpoint as other implementations read and make them.
    #[test]
    fn agrees_with_signed_note_and_tlog_tiles() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.key");
        let key =
            LogKey::generate(&path, ORIGIN, &mut ChaCha20Rng::seed_from_u64(1)).expect("a key");
        let note = key.checkpoint(20_852_163, &[7; 32]);
        let ours = note.encode();

        let verifier =
            StandardVerifier::new(&key.verifier().to_string()).expect("our verifier key");
        let read = signed_note::Note::from_bytes(&ours).expect("our note");
        let known = VerifierList::new(vec![Box::new(verifier)]);
        let (verified, _) = read.verify(&known).expect("our signature");
        assert_eq!(verified.len(), 1);
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(read.text()).expect("our text");
        assert_eq!(
            (checkpoint.origin(), checkpoint.size()),
            (ORIGIN, 20_852_163)
        );
        assert_eq!(checkpoint.hash().0, [7; 32]);

        let signer = StandardSigner::new(key.encode().trim_end()).expect("our signing key");
        let mut theirs = signed_note::Note::new(note.text.as_bytes(), &[]).expect("our text");
        theirs.add_sigs(&[&signer]).expect("a signature");
        assert_eq!(theirs.to_bytes(), ours);
        let theirs = Checkpoint::parse(&theirs.to_bytes()).expect("their note");
        assert_eq!(theirs.verify_log(key.verifier()), Ok(()));
    }
}
