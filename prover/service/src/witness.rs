//! A witness: it cosigns checkpoints of logs that only grow.
//!
//! 1. Claim: a witness never cosigns two checkpoints of one log of which the later does not begin with the earlier, as long as
//!    its memory is kept; what it remembers is durable before the cosignature leaves.
//! 2. Memory: a folder with the latest checkpoint of each log, named by SHA-256 of its origin.
//! 3. Assumed: one process at a time for each folder.
//! 4. Source: c2sp.org/tlog-cosignature, c2sp.org/tlog-witness.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clearproof_shared::encoding::hex;
use clearproof_shared::log::checkpoint::{Checkpoint, CheckpointError};
use clearproof_shared::log::merkle::Hash;
use clearproof_shared::log::note::{Note, VerifierKey};
use sha2::{Digest, Sha256};

use crate::keys::LogKey;

/// Why a checkpoint is not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The checkpoint, its signature, or that the log only grew.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It is smaller than the one seen before.
    #[error("this witness saw the log with {seen} entries, and the checkpoint has {size}; ask for a newer one")]
    Older {
        /// Entries seen before.
        seen: u64,
        /// Entries of the checkpoint.
        size: u64,
    },
    /// The consistency proof begins elsewhere.
    #[error(
        "this witness saw the log with {seen} entries; export the evidence with --earlier {seen}"
    )]
    From {
        /// Entries seen before.
        seen: u64,
    },
    /// The memory.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// An earlier checkpoint, and the proof that the log grew from it.
#[derive(Clone, Copy, Debug)]
pub struct Growth<'a> {
    /// Size of the earlier checkpoint.
    pub from: u64,
    /// The consistency proof.
    pub proof: &'a [Hash],
}

/// Cosigns a checkpoint that the log signed and that grew from what was seen before. The same checkpoint again is cosigned
/// again.
///
/// # Errors
/// [`WitnessError`]; then nothing is remembered or signed.
pub fn cosign(
    memory: &Path,
    witness: &LogKey,
    log_key: &VerifierKey,
    checkpoint: &[u8],
    growth: Option<Growth<'_>>,
    time_s: u64,
) -> Result<Note, WitnessError> {
    // 1. The log's own signature.
    let checkpoint = Checkpoint::parse(checkpoint)?;
    checkpoint.verify_log(log_key)?;
    // 2. Growth since the last time.
    let name = hex(&Sha256::digest(&checkpoint.origin));
    let path = memory.join(format!("{name}.checkpoint"));
    let io = |path: &Path| {
        let path = path.to_owned();
        move |cause| WitnessError::Io { path, cause }
    };
    let seen = match fs::read(&path) {
        Ok(bytes) => Some(Checkpoint::parse(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io(&path)(error)),
    };
    if let Some(seen) = &seen {
        if checkpoint.size < seen.size {
            return Err(WitnessError::Older {
                seen: seen.size,
                size: checkpoint.size,
            });
        }
        let proof = match growth {
            Some(growth) if growth.from == seen.size => growth.proof,
            _ if checkpoint.size == seen.size => &[],
            _ => return Err(WitnessError::From { seen: seen.size }),
        };
        checkpoint.extends(seen, proof)?;
    }
    // 3. Remembered, then signed.
    fs::create_dir_all(memory).map_err(io(memory))?;
    let beside = memory.join(format!("{name}.new"));
    let written = fs::File::create(&beside).and_then(|mut file| {
        file.write_all(&checkpoint.note.encode())?;
        file.sync_all()
    });
    written.map_err(io(&beside))?;
    fs::rename(&beside, &path).map_err(io(&path))?;
    let folder = fs::File::open(memory).and_then(|folder| folder.sync_all());
    folder.map_err(io(memory))?;
    let mut note = checkpoint.note;
    let line = witness.cosignature(&note, time_s);
    note.signatures
        .retain(|other| other.name != line.name || other.key_id != line.key_id);
    note.signatures.push(line);
    Ok(note)
}

#[cfg(test)]
mod tests {
    use clearproof_shared::log::merkle::{leaf_hash, prove_consistency, Frontier, MerkleError};
    use rand_chacha::rand_core::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    /// The full subtrees of `size` leaves, and the root.
    fn tree(size: u64, salt: u8) -> (Vec<Hash>, Hash) {
        let (mut nodes, mut frontier) = (vec![], Frontier::default());
        for i in 0..size {
            frontier.push(leaf_hash(&[i as u8, salt]), &mut nodes);
        }
        (nodes, frontier.root())
    }

    #[test]
    fn cosigns_growth_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let random = &mut ChaCha20Rng::seed_from_u64(3);
        let log = LogKey::generate(&folder.path().join("log"), "log.example", random).unwrap();
        let witness =
            LogKey::generate(&folder.path().join("w"), "witness.example", random).unwrap();
        let memory = folder.path().join("memory");
        let checkpoint = |size, salt| log.checkpoint(size, &tree(size, salt).1).encode();
        let ask = |bytes: &[u8], growth: Option<Growth<'_>>| {
            cosign(
                &memory,
                &witness,
                log.verifier(),
                bytes,
                growth,
                1_700_000_000,
            )
        };
        let proof = |from, to, salt| {
            let (nodes, _) = tree(to, salt);
            prove_consistency::<MerkleError>(from, to, &mut |level, index| {
                let at = clearproof_shared::log::merkle::stored_position(level, index);
                Ok(nodes[at as usize])
            })
            .unwrap()
        };
        // First sight, then growth, then the same again.
        let note = ask(&checkpoint(5, 0), None).unwrap();
        let cosigned = Checkpoint::of_note(note).unwrap();
        assert_eq!(
            cosigned.verify_witness(&witness.cosigner()),
            Ok(1_700_000_000)
        );
        cosigned.verify_log(log.verifier()).unwrap();
        let grown = proof(5, 9, 0);
        let growth = Some(Growth {
            from: 5,
            proof: &grown,
        });
        ask(&checkpoint(9, 0), growth).unwrap();
        ask(&checkpoint(9, 0), None).unwrap();
        // Nothing else.
        assert!(matches!(
            ask(&checkpoint(8, 0), None),
            Err(WitnessError::Older { seen: 9, size: 8 })
        ));
        assert!(matches!(
            ask(&checkpoint(12, 0), None),
            Err(WitnessError::From { seen: 9 })
        ));
        assert!(matches!(
            ask(&checkpoint(9, 1), None),
            Err(WitnessError::Checkpoint(CheckpointError::Fork))
        ));
        let other = proof(9, 12, 1);
        let growth = Some(Growth {
            from: 9,
            proof: &other,
        });
        assert!(matches!(
            ask(&checkpoint(12, 1), growth),
            Err(WitnessError::Checkpoint(_))
        ));
        let stranger = LogKey::generate(&folder.path().join("s"), "log.example", random).unwrap();
        let foreign = stranger.checkpoint(12, &[0; 32]).encode();
        assert!(matches!(
            ask(&foreign, None),
            Err(WitnessError::Checkpoint(_))
        ));
        // What was refused is not remembered.
        let grown = proof(9, 12, 0);
        ask(
            &checkpoint(12, 0),
            Some(Growth {
                from: 9,
                proof: &grown,
            }),
        )
        .unwrap();
    }
}
