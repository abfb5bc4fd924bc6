//! Checkpoints: what a log signs about its tree, and what two of them say about the log.
//!
//! 1. Claim: a checkpoint fixes the log's first `size` entries. Two true checkpoints of one log agree,
//!    or prove that the log showed different histories.
//! 2. Layout: a signed note whose text is the origin, the size in decimal, the root in base 64, and
//!    extension lines, each ended by a newline. The log's key has the origin as its name.
//! 3. Assumed: [`super::note`] for signatures, [`super::merkle`] for the tree.
//! 4. Source: c2sp.org/tlog-checkpoint; SOUNDNESS condition 19.

use thiserror::Error;

use super::base64;
use super::merkle::{self, empty_root, Hash, MerkleError};
use super::note::{Note, NoteError, SignatureType, VerifierKey};

/// A checkpoint with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// Extension lines; clearproof's logs write none.
    pub extensions: Vec<String>,
    /// The note that says so.
    pub note: Note,
}

/// Why a checkpoint is refused, or two do not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note or a signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not origin, size, root and extension lines.
    #[error("the text is not origin, size, root and extension lines")]
    Malformed,
    /// The key signs otherwise, or for another log.
    #[error("the key is not the log's, or of another kind")]
    OtherKey,
    /// The checkpoints are of different logs.
    #[error("the checkpoints are of different logs")]
    Origins,
    /// One size, two roots: the log showed different histories.
    #[error("two roots for one size: the log showed different histories")]
    Fork,
    /// That the larger tree begins with the smaller one is not shown.
    #[error("consistency of the checkpoints is not shown: {0}")]
    Consistency(MerkleError),
    /// The checkpoints do not prove a fork.
    #[error("the checkpoints agree")]
    NoFork,
}

impl Checkpoint {
    /// Reads a checkpoint; no signature is verified.
    ///
    /// # Errors
    /// [`CheckpointError::Note`] or [`CheckpointError::Malformed`] for any bytes that
    /// [`Note::encode`] does not write of such a text.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::of_note(Note::parse(bytes)?)
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn of_note(note: Note) -> Result<Self, CheckpointError> {
        let lines = note.text.strip_suffix('\n').unwrap_or_default();
        let mut lines = lines.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty());
        let (Some(origin), Some(size), Some(root)) = (line(), line(), line()) else {
            return Err(CheckpointError::Malformed);
        };
        let (origin, size) = (origin.to_owned(), parse_size(size)?);
        let root = base64::decode(root).and_then(|root| Hash::try_from(root).ok());
        let root = root.ok_or(CheckpointError::Malformed)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        let empty_line = extensions.iter().any(String::is_empty);
        if empty_line || origin.len() > MAX_ORIGIN || (size == 0 && root != empty_root()) {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self {
            origin,
            size,
            root,
            extensions,
            note,
        })
    }

    /// That the log itself signed.
    ///
    /// # Errors
    /// [`CheckpointError::OtherKey`] if the key is not one of the origin's name, and [`CheckpointError::Note`].
    pub fn verify_log(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        if key.kind() != SignatureType::Ed25519 || key.name() != self.origin {
            return Err(CheckpointError::OtherKey);
        }
        key.verify(&self.note)?;
        Ok(())
    }

    /// The time at which a witness saw this tree as the log's largest, in seconds of Unix time.
    ///
    /// # Errors
    /// [`CheckpointError::OtherKey`] if the key is no witness's, and [`CheckpointError::Note`].
    pub fn verify_witness(&self, key: &VerifierKey) -> Result<u64, CheckpointError> {
        let time_s = match key.kind() {
            SignatureType::CosignatureV1 => key.verify(&self.note)?,
            SignatureType::Ed25519 => None,
        };
        time_s.ok_or(CheckpointError::OtherKey)
    }

    /// That this tree begins with the `smaller` one.
    ///
    /// # Errors
    /// [`CheckpointError::Origins`]; [`CheckpointError::Fork`], which two true signatures make a proof
    /// of misbehaviour; [`CheckpointError::Consistency`], which may be the fault of the proof alone.
    pub fn extends(&self, smaller: &Checkpoint, proof: &[Hash]) -> Result<(), CheckpointError> {
        if self.origin != smaller.origin {
            return Err(CheckpointError::Origins);
        }
        if self.size == smaller.size && self.root != smaller.root {
            return Err(CheckpointError::Fork);
        }
        let (old, new) = ((smaller.size, &smaller.root), (self.size, &self.root));
        merkle::verify_consistency(old, new, proof).map_err(CheckpointError::Consistency)
    }
}

/// The text of a checkpoint without extension lines, to be signed.
pub fn checkpoint_text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", base64::encode(root))
}

/// Two checkpoints of one log that cannot both be true: proof for anybody that has the log's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The one of the smaller size, or either of the same.
    pub smaller: Checkpoint,
    /// The other one.
    pub larger: Checkpoint,
    /// What the larger tree has as its first entries: [`merkle::prove_prefix`]; empty at the same size.
    pub prefix: Vec<Hash>,
}

impl Fork {
    /// That the log signed both, and that the larger tree begins with other entries than the smaller.
    ///
    /// # Errors
    /// [`CheckpointError`]: the log is not shown to have forked.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        let (smaller, larger) = (&self.smaller, &self.larger);
        smaller.verify_log(key)?;
        larger.verify_log(key)?;
        let root = if smaller.size == larger.size {
            larger.root
        } else {
            let roots = merkle::prefix_roots(smaller.size, larger.size, &self.prefix);
            let (root, whole) = roots.map_err(CheckpointError::Consistency)?;
            if whole != larger.root {
                return Err(CheckpointError::Consistency(MerkleError::Root));
            }
            root
        };
        match root == smaller.root {
            true => Err(CheckpointError::NoFork),
            false => Ok(()),
        }
    }
}

/// Decimal without leading zeros or signs.
fn parse_size(text: &str) -> Result<u64, CheckpointError> {
    let size = text.parse::<u64>().ok();
    size.filter(|size| size.to_string() == text)
        .ok_or(CheckpointError::Malformed)
}

/// Longest origin, in bytes.
pub const MAX_ORIGIN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::merkle::{
        leaf_hash, prove_consistency, prove_prefix, root_from_nodes, stored_position, Frontier,
    };
    use crate::log::note::tests::{sign, verifier};

    const ORIGIN: &str = "log.example/1";

    fn key() -> VerifierKey {
        verifier(ORIGIN, SignatureType::Ed25519, 1)
    }

    fn witness() -> VerifierKey {
        verifier("witness.example", SignatureType::CosignatureV1, 2)
    }

    fn signed(text: String) -> Note {
        let signatures = vec![sign(&key(), 1, &text, 0), sign(&witness(), 2, &text, 77)];
        Note { text, signatures }
    }

    fn checkpoint(size: u64, root: Hash) -> Checkpoint {
        let note = signed(checkpoint_text(ORIGIN, size, &root));
        Checkpoint::parse(&note.encode()).expect("a good checkpoint")
    }

    fn parse_text(text: &str) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::parse(&signed(text.into()).encode())
    }

    /// The full subtrees of a tree with the seed in its leaves from `fork` on.
    fn nodes(size: u64, fork: u64, seed: u8) -> Vec<Hash> {
        let (mut frontier, mut nodes) = (Frontier::default(), vec![]);
        for index in 0..size {
            let seed = if index < fork { 0 } else { seed };
            frontier.push(leaf_hash(&[index as u8, seed]), &mut nodes);
        }
        nodes
    }

    fn reader(nodes: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, MerkleError> + '_ {
        |level, index| Ok(nodes[stored_position(level, index) as usize])
    }

    fn root(nodes: &[Hash], size: u64) -> Hash {
        root_from_nodes(size, &mut reader(nodes)).expect("no node is missing")
    }

    #[test]
    fn log_and_witness_verify() {
        let honest = checkpoint(20_852_163, [7; 32]);
        assert_eq!((honest.size, honest.root), (20_852_163, [7; 32]));
        assert_eq!(honest.verify_log(&key()), Ok(()));
        assert_eq!(honest.verify_witness(&witness()), Ok(77));
        assert_eq!(
            honest.verify_log(&witness()),
            Err(CheckpointError::OtherKey)
        );
        assert_eq!(
            honest.verify_witness(&key()),
            Err(CheckpointError::OtherKey)
        );
        let other = verifier("log.example/2", SignatureType::Ed25519, 1);
        assert_eq!(honest.verify_log(&other), Err(CheckpointError::OtherKey));
        let forger = verifier(ORIGIN, SignatureType::Ed25519, 3);
        let not_signed = Err(CheckpointError::Note(NoteError::NotSigned));
        assert_eq!(honest.verify_log(&forger), not_signed);
    }

    /// The example of the specification: a log's and a witness's signature of others.
    #[test]
    fn reads_the_example_of_the_specification() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
            — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let read = Checkpoint::parse(text.as_bytes()).expect("a good checkpoint");
        assert_eq!(read.origin, "example.com/behind-the-sofa");
        assert_eq!(read.size, 20_852_163);
        assert_eq!(read.note.encode(), text.as_bytes());
    }

    #[test]
    fn every_flipped_byte_is_found() {
        let bytes = checkpoint(1234, [7; 32]).note.encode();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << bit;
                if let Ok(read) = Checkpoint::parse(&flipped) {
                    let both =
                        read.verify_log(&key()).is_ok() && read.verify_witness(&witness()).is_ok();
                    assert!(!both, "byte {place}, bit {bit}");
                    assert_eq!(read.note.encode(), flipped);
                }
            }
        }
    }

    #[test]
    fn malformed_texts_are_refused() {
        let root = base64::encode(&[7; 32]);
        let short = base64::encode(&[7; 31]);
        for text in [
            format!("{ORIGIN}\n5\n"),
            format!("{ORIGIN}\n{root}\n5\n"),
            format!("\n5\n{root}\n"),
            format!("{ORIGIN}\n\n5\n{root}\n"),
            format!("{ORIGIN}\n05\n{root}\n"),
            format!("{ORIGIN}\n+5\n{root}\n"),
            format!("{ORIGIN}\n-5\n{root}\n"),
            format!("{ORIGIN}\n 5\n{root}\n"),
            format!("{ORIGIN}\n5 \n{root}\n"),
            format!("{ORIGIN}\n\n{root}\n"),
            format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
            format!("{ORIGIN}\n5\n{short}\n"),
            format!("{ORIGIN}\n5\n{}\n", root.trim_end_matches('=')),
            format!("{ORIGIN}\n5\n{root}\n\nextension\n"),
            format!("{ORIGIN}\n0\n{root}\n"),
            format!("{}\n5\n{root}\n", "o".repeat(MAX_ORIGIN + 1)),
        ] {
            assert_eq!(parse_text(&text), Err(CheckpointError::Malformed), "{text}");
        }
        let empty = checkpoint(0, empty_root());
        assert_eq!(empty.verify_log(&key()), Ok(()));
        assert_eq!(checkpoint(u64::MAX, [7; 32]).size, u64::MAX);
        let extended = parse_text(&format!("{ORIGIN}\n5\n{root}\nmore\nlines\n"));
        let extended = extended.expect("extension lines are allowed");
        assert_eq!(extended.extensions, ["more", "lines"]);
        assert_eq!(extended.verify_log(&key()), Ok(()));
    }

    #[test]
    fn a_log_extends_itself_or_forks() {
        let honest = nodes(13, 13, 0);
        for old in 0..=13 {
            let smaller = checkpoint(old, root(&honest, old));
            let larger = checkpoint(13, root(&honest, 13));
            let proof = prove_consistency(old, 13, &mut reader(&honest)).expect("old <= 13");
            assert_eq!(larger.extends(&smaller, &proof), Ok(()));
            let prefix = match old {
                13 => vec![],
                _ => prove_prefix(old, 13, &mut reader(&honest)).expect("old <= 13"),
            };
            let fork = Fork {
                smaller,
                larger,
                prefix,
            };
            assert_eq!(fork.verify(&key()), Err(CheckpointError::NoFork));

            // A log that shows others a different last entry of the smaller tree.
            let Some(last) = old.checked_sub(1) else {
                continue;
            };
            let forked = nodes(13, last, 1);
            let larger = checkpoint(13, root(&forked, 13));
            let fork = Fork { larger, ..fork };
            let proof = prove_consistency(old, 13, &mut reader(&forked)).expect("old <= 13");
            let error = match old {
                13 => CheckpointError::Fork,
                _ => CheckpointError::Consistency(MerkleError::Root),
            };
            assert_eq!(fork.larger.extends(&fork.smaller, &proof), Err(error));
            let prefix = match old {
                13 => vec![],
                _ => prove_prefix(old, 13, &mut reader(&forked)).expect("old <= 13"),
            };
            let fork = Fork { prefix, ..fork };
            assert_eq!(fork.verify(&key()), Ok(()));

            // Nobody can accuse a log with hashes or signatures that are not its own.
            for place in 0..fork.prefix.len() {
                let mut slander = fork.clone();
                slander.prefix[place][0] ^= 1;
                let error = Err(CheckpointError::Consistency(MerkleError::Root));
                assert_eq!(slander.verify(&key()), error);
            }
            let mut slander = fork.clone();
            slander.larger.note.signatures[0].signature[0] ^= 1;
            let error = Err(CheckpointError::Note(NoteError::BadSignature));
            assert_eq!(slander.verify(&key()), error);
        }
        let other = parse_text(&checkpoint_text("other", 13, &[1; 32])).expect("well formed");
        let honest = checkpoint(13, [1; 32]);
        assert_eq!(honest.extends(&other, &[]), Err(CheckpointError::Origins));
    }
}
