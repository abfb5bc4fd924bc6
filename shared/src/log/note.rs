//! Signed notes: a text and the signatures under it.
//!
//! 1. Claim: a note has one encoding; a key's signature holds for the text as it stands. Signatures of
//!    unknown keys are kept and say nothing.
//! 2. Layout: text ending in a newline, an empty line, then a line `— name base64(key id || signature)`
//!    for each signature. `key id = SHA-256(name || "\n" || type || public key)[..4]`. A key is written
//!    `name+hex(key id)+base64(type || public key)`. Types: 1, Ed25519 over the text; 4, Ed25519 over
//!    `cosignature/v1\ntime T\n` and the text, the signature preceded by T (8 bytes, big-endian, seconds).
//! 3. Assumed: Ed25519 is unforgeable; whoever verifies got the key from elsewhere.
//! 4. Source: c2sp.org/signed-note, c2sp.org/tlog-cosignature.

use core::fmt;

use ed25519_dalek::{Signature, VerifyingKey, PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::base64;

/// A signed note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The text with its final newline.
    pub text: String,
    /// The signatures, each key's once.
    pub signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub key_id: [u8; 4],
    /// The signature, as its type lays it out.
    pub signature: Vec<u8>,
}

/// What a key's signatures are made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureType {
    /// The text: a log's own signature.
    Ed25519,
    /// The time and the text: a witness's statement that it saw no larger consistent tree by then.
    CosignatureV1,
}

/// A named key that signs notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: SignatureType,
    key: VerifyingKey,
}

/// Why a note, a key or a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than [`MAX_NOTE`] or with more signatures than [`MAX_SIGNATURES`].
    #[error(
        "the note is longer than {MAX_NOTE} bytes or has more than {MAX_SIGNATURES} signatures"
    )]
    TooLarge,
    /// Not UTF-8, or with control characters.
    #[error("the note is not UTF-8, or holds control characters")]
    Characters,
    /// No text, empty line and signature lines.
    #[error("the note is not a text, an empty line and signature lines")]
    Malformed,
    /// A signature line that no writer makes.
    #[error("a signature line is malformed")]
    SignatureLine,
    /// One key signs twice.
    #[error("two signatures of one key")]
    Duplicate,
    /// The key is not what it should be.
    #[error("the key is not name+id+key of a known type, or its parts do not fit")]
    Key,
    /// The key has not signed.
    #[error("the key has not signed the note")]
    NotSigned,
    /// The key's signature is false.
    #[error("the key's signature is false")]
    BadSignature,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError`] for any bytes that [`Note::encode`] does not write.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::TooLarge);
        }
        let note = core::str::from_utf8(bytes).map_err(|_| NoteError::Characters)?;
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(NoteError::Characters);
        }
        let mut pairs = bytes.windows(2);
        let end = pairs.rposition(|pair| pair == b"\n\n");
        let (text, lines) = note.split_at(end.ok_or(NoteError::Malformed)? + 1);
        let lines = lines[1..].strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let mut signatures: Vec<NoteSignature> = vec![];
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::TooLarge);
            }
            let signature = NoteSignature::parse(line).ok_or(NoteError::SignatureLine)?;
            let same = |other: &NoteSignature| {
                (&other.name, other.key_id) == (&signature.name, signature.key_id)
            };
            if signatures.iter().any(same) {
                return Err(NoteError::Duplicate);
            }
            signatures.push(signature);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut note = self.text.clone();
        for signature in &self.signatures {
            let bytes = [&signature.key_id[..], &signature.signature].concat();
            note += &format!("\n{DASH}{} {}", signature.name, base64::encode(&bytes));
        }
        note.push('\n');
        note.into_bytes()
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = base64::decode(bytes)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>()?;
        (is_key_name(name) && !signature.is_empty()).then(|| Self {
            name: name.to_owned(),
            key_id: *key_id,
            signature: signature.to_vec(),
        })
    }
}

impl VerifierKey {
    /// A key by its parts.
    ///
    /// # Errors
    /// [`NoteError::Key`] for a name with spaces or plus signs, an empty one, or a public key that is no
    /// point or one of small order.
    pub fn new(
        name: &str,
        kind: SignatureType,
        key: &[u8; PUBLIC_KEY_LENGTH],
    ) -> Result<Self, NoteError> {
        let key = VerifyingKey::from_bytes(key).map_err(|_| NoteError::Key)?;
        if !is_key_name(name) || name.len() > MAX_KEY_NAME || key.is_weak() {
            return Err(NoteError::Key);
        }
        Ok(Self {
            name: name.to_owned(),
            kind,
            key,
        })
    }

    /// Reads `name+hex(key id)+base64(type || public key)`.
    ///
    /// # Errors
    /// [`NoteError::Key`] for anything else than what `to_string` writes.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        if text.len() > 2 * MAX_KEY_NAME {
            return Err(NoteError::Key);
        }
        let key = base64::decode(key).ok_or(NoteError::Key)?;
        let (kind, key) = key.split_first().ok_or(NoteError::Key)?;
        let kind = match kind {
            1 => SignatureType::Ed25519,
            4 => SignatureType::CosignatureV1,
            _ => return Err(NoteError::Key),
        };
        let key = key.try_into().map_err(|_| NoteError::Key)?;
        let key = Self::new(name, kind, key)?;
        match key.to_string() == text {
            true => Ok(key),
            false => Err(NoteError::Key),
        }
    }

    /// The key's name: for a log's key, the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its signatures are made over.
    pub fn kind(&self) -> SignatureType {
        self.kind
    }

    /// What stands before its signatures.
    pub fn key_id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(&self.name);
        hash.update(b"\n");
        hash.update(self.typed_key());
        let hash: [u8; 32] = hash.finalize().into();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// That the note bears this key's signature, and the signature is true. A cosignature's time, in
    /// seconds of Unix time, is returned; another signature has none.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`] or [`NoteError::BadSignature`].
    pub fn verify(&self, note: &Note) -> Result<Option<u64>, NoteError> {
        let key_id = self.key_id();
        let own = |line: &&NoteSignature| line.name == self.name && line.key_id == key_id;
        let line = note.signatures.iter().find(own);
        let bytes = &line.ok_or(NoteError::NotSigned)?.signature[..];
        let (time_s, signature) = match self.kind {
            SignatureType::Ed25519 => (None, bytes),
            SignatureType::CosignatureV1 => {
                let (time_s, signature) =
                    bytes.split_first_chunk().ok_or(NoteError::BadSignature)?;
                (Some(u64::from_be_bytes(*time_s)), signature)
            }
        };
        let in_range = time_s.is_none_or(|time_s| time_s <= MAX_TIME_S);
        let signature: &[u8; SIGNATURE_LENGTH] =
            signature.try_into().map_err(|_| NoteError::BadSignature)?;
        let signature = Signature::from_bytes(signature);
        let message = signed_message(&note.text, time_s);
        match self.key.verify_strict(message.as_bytes(), &signature) {
            Ok(()) if in_range => Ok(time_s),
            _ => Err(NoteError::BadSignature),
        }
    }

    fn typed_key(&self) -> [u8; 1 + PUBLIC_KEY_LENGTH] {
        let mut typed = [0; 1 + PUBLIC_KEY_LENGTH];
        typed[0] = match self.kind {
            SignatureType::Ed25519 => 1,
            SignatureType::CosignatureV1 => 4,
        };
        typed[1..].copy_from_slice(self.key.as_bytes());
        typed
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key_id = u32::from_be_bytes(self.key_id());
        let key = base64::encode(&self.typed_key());
        write!(f, "{}+{key_id:08x}+{key}", self.name)
    }
}

/// What an Ed25519 key signs for a text, or a cosignature for a text at a time in seconds.
pub fn signed_message(text: &str, time_s: Option<u64>) -> String {
    match time_s {
        None => text.to_owned(),
        Some(time_s) => format!("cosignature/v1\ntime {time_s}\n{text}"),
    }
}

/// Whether a key may be so named: not empty, no spaces, no plus signs, nothing that breaks a line.
pub fn is_key_name(name: &str) -> bool {
    let refused = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(refused)
}

/// Longest note, in bytes.
pub const MAX_NOTE: usize = 1 << 16;
/// Most signatures of a note.
pub const MAX_SIGNATURES: usize = 64;
/// Longest name of a key that verifies, in bytes.
pub const MAX_KEY_NAME: usize = 256;

const MAX_TIME_S: u64 = i64::MAX as u64;
const DASH: &str = "\u{2014} ";

#[cfg(test)]
pub(crate) mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    pub(crate) fn verifier(name: &str, kind: SignatureType, secret: u8) -> VerifierKey {
        let key = SigningKey::from_bytes(&[secret; 32]).verifying_key();
        VerifierKey::new(name, kind, key.as_bytes()).expect("a good key")
    }

    pub(crate) fn sign(key: &VerifierKey, secret: u8, text: &str, time_s: u64) -> NoteSignature {
        let time_s = (key.kind() == SignatureType::CosignatureV1).then_some(time_s);
        let message = signed_message(text, time_s);
        let signature = SigningKey::from_bytes(&[secret; 32]).sign(message.as_bytes());
        let time: Vec<u8> = time_s.map_or(vec![], |time_s| time_s.to_be_bytes().to_vec());
        NoteSignature {
            name: key.name().to_owned(),
            key_id: key.key_id(),
            signature: [&time[..], &signature.to_bytes()].concat(),
        }
    }

    fn keys() -> [VerifierKey; 2] {
        [
            verifier("log.example/1", SignatureType::Ed25519, 1),
            verifier("witness.example", SignatureType::CosignatureV1, 2),
        ]
    }

    fn signed(text: &str) -> Note {
        let [log, witness] = keys();
        Note {
            text: text.into(),
            signatures: vec![
                sign(&log, 1, text, 0),
                sign(&witness, 2, text, 1_679_315_147),
            ],
        }
    }

    const TEXT: &str = "line\n\nè sera\n";

    #[test]
    fn both_kinds_verify() {
        let note = Note::parse(&signed(TEXT).encode()).expect("a good note");
        assert_eq!(note, signed(TEXT));
        let [log, witness] = keys();
        assert_eq!(log.verify(&note), Ok(None));
        assert_eq!(witness.verify(&note), Ok(Some(1_679_315_147)));
    }

    /// Every byte of the note counts: a change of the text or of a signature fails, one of the other
    /// key's line leaves this key's signature, and no change decodes to another encoding.
    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = signed(TEXT).encode();
        let [log, witness] = keys();
        let end_of_log = bytes.len() - signed(TEXT).encode().len()
            + Note {
                signatures: signed(TEXT).signatures[..1].to_vec(),
                ..signed(TEXT)
            }
            .encode()
            .len();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(note) = Note::parse(&flipped) else {
                continue;
            };
            assert_eq!(note.encode(), flipped, "bit {bit}");
            let both = [log.verify(&note).is_ok(), witness.verify(&note).is_ok()];
            let in_text = bit / 8 <= TEXT.len();
            let expected = match bit / 8 < end_of_log {
                _ if in_text => [false, false],
                true => [false, true],
                false => [true, false],
            };
            assert_eq!(both, expected, "bit {bit}");
        }
    }

    #[test]
    fn other_keys_and_names_do_not_verify() {
        let note = signed(TEXT);
        for other in [
            verifier("log.example/1", SignatureType::Ed25519, 3),
            verifier("log.example/2", SignatureType::Ed25519, 1),
            verifier("log.example/1", SignatureType::CosignatureV1, 1),
        ] {
            assert_eq!(other.verify(&note), Err(NoteError::NotSigned));
        }
        // The same name and id over another's signature.
        let [log, witness] = keys();
        let mut forged = note.clone();
        forged.signatures[0].signature = sign(&log, 3, TEXT, 0).signature;
        assert_eq!(log.verify(&forged), Err(NoteError::BadSignature));
        forged.signatures[1].signature.truncate(7);
        assert_eq!(witness.verify(&forged), Err(NoteError::BadSignature));
        // A time that is not the signed one, and one out of range.
        let mut late = note.clone();
        late.signatures[1].signature[7] ^= 1;
        assert_eq!(witness.verify(&late), Err(NoteError::BadSignature));
        late.signatures[1] = sign(&witness, 2, TEXT, u64::MAX);
        assert_eq!(witness.verify(&late), Err(NoteError::BadSignature));
    }

    #[test]
    fn malformed_notes_are_refused() {
        let good = String::from_utf8(signed("text\n").encode()).expect("UTF-8");
        let line = good.lines().nth(2).expect("a signature line");
        let parse = |note: String| Note::parse(note.as_bytes()).err();
        assert_eq!(parse(good.clone()), None);
        for (note, error) in [
            (good.trim_end().to_owned(), NoteError::Malformed),
            ("text\n".into(), NoteError::Malformed),
            (String::new(), NoteError::Malformed),
            ("text\n\n".into(), NoteError::Malformed),
            ("text\n\n\n".into(), NoteError::Malformed),
            (format!("text\n{line}\n"), NoteError::Malformed),
            (format!("{good}\n"), NoteError::Malformed),
            (format!("{good}{line}x\n"), NoteError::SignatureLine),
            (good.replace("— log", "- log"), NoteError::SignatureLine),
            (good.replace("— log", "—  log"), NoteError::SignatureLine),
            (
                good.replace("log.example/1", "log+1"),
                NoteError::SignatureLine,
            ),
            (
                good.replace("log.example/1", "log\u{2003}1"),
                NoteError::SignatureLine,
            ),
            (good.replace('=', ""), NoteError::SignatureLine),
            ("text\n\n— name AAAAAA==\n".into(), NoteError::SignatureLine),
            (good.replace("text", "te\txt"), NoteError::Characters),
            (good.replace('\n', "\r\n"), NoteError::Characters),
            (format!("text\n\n{line}\n{line}\n"), NoteError::Duplicate),
            ("x".repeat(MAX_NOTE + 1), NoteError::TooLarge),
        ] {
            assert_eq!(parse(note.clone()), Some(error), "{note:.200}");
        }
        let lines = |count: usize| {
            (0..count)
                .map(|i| format!("— n{i} AAAAAAA=\n"))
                .collect::<String>()
        };
        assert_eq!(parse(format!("text\n\n{}", lines(MAX_SIGNATURES))), None);
        let many = parse(format!("text\n\n{}", lines(MAX_SIGNATURES + 1)));
        assert_eq!(many, Some(NoteError::TooLarge));
        let latin = [&b"t\xe9xt"[..], &good.as_bytes()[4..]].concat();
        assert_eq!(Note::parse(&latin).err(), Some(NoteError::Characters));
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let [log, witness] = keys();
        for key in [log, witness] {
            let text = key.to_string();
            assert_eq!(VerifierKey::parse(&text), Ok(key));
            for bit in 0..8 * text.len() {
                let mut flipped = text.clone().into_bytes();
                flipped[bit / 8] ^= 1 << (bit % 8);
                if let Ok(flipped) = String::from_utf8(flipped) {
                    assert_eq!(
                        VerifierKey::parse(&flipped),
                        Err(NoteError::Key),
                        "{flipped}"
                    );
                }
            }
        }
        for text in ["", "+", "++", "a+b", "name+00000000+AAAA", &"a".repeat(600)] {
            assert_eq!(VerifierKey::parse(text), Err(NoteError::Key));
        }
        // The identity, of order one.
        let mut identity = [0; 32];
        identity[0] = 1;
        let weak = VerifierKey::new("name", SignatureType::Ed25519, &identity);
        assert_eq!(weak, Err(NoteError::Key));
    }
}
