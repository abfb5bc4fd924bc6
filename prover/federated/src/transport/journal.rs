//! What a process has taken, in order, on the disk before its effects leave.
//!
//! Records are length (4 bytes, little-endian), party (2 bytes), SHA-256 of the rest, bytes. A record that was cut
//! short by a crash is the last one and had no effect; it is dropped. Any other damage is refused.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::TransportError;

/// An append-only file, locked: one process at a time.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

/// From which party (or [`TIME_UP`]), and what.
pub type Record = (u16, Vec<u8>);

/// Stands for a party where a step's time was up.
pub const TIME_UP: u16 = u16::MAX;

const HEAD: usize = 4 + 2 + 32;

impl Journal {
    /// Opens a journal, or begins one; gives its records.
    ///
    /// # Errors
    /// [`TransportError::File`] for a file that cannot be used or is damaged.
    pub fn open(path: &Path) -> Result<(Self, Vec<Record>), TransportError> {
        let fail = |cause: &dyn std::fmt::Display| TransportError::file(path, cause);
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(path).map_err(|e| fail(&e))?;
        if file.try_lock().is_err() {
            return Err(fail(
                &"another process works with it; wait until that one has ended",
            ));
        }
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(|e| fail(&e))?;
        let mut records = vec![];
        let mut rest = &bytes[..];
        while let Some((head, body)) = rest.split_at_checked(HEAD) {
            let length = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
            let Some((body, after)) = body.split_at_checked(length) else {
                break;
            };
            if head[6..] != digest(&head[..6], body) {
                return Err(fail(
                    &"the journal is damaged; start a new attempt of the round",
                ));
            }
            let party = u16::from_le_bytes(head[4..6].try_into().expect("two bytes"));
            records.push((party, body.to_vec()));
            rest = after;
        }
        if !rest.is_empty() {
            let good = bytes.len() - rest.len();
            file.set_len(good as u64).map_err(|e| fail(&e))?;
        }
        Ok((
            Self {
                file,
                path: path.to_owned(),
            },
            records,
        ))
    }

    /// Appends a record and waits until it is on the disk.
    ///
    /// # Errors
    /// [`TransportError::File`].
    pub fn append(&mut self, party: u16, bytes: &[u8]) -> Result<(), TransportError> {
        let length = u32::try_from(bytes.len()).expect("frames are shorter");
        let front = [&length.to_le_bytes()[..], &party.to_le_bytes()].concat();
        let record = [&front[..], &digest(&front, bytes), bytes].concat();
        let written = self
            .file
            .write_all(&record)
            .and_then(|()| self.file.sync_data());
        written.map_err(|e| TransportError::file(&self.path, e))
    }
}

impl Drop for Journal {
    /// Frees the lock at once: a child process that is just being started still holds the file for a moment.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn digest(front: &[u8], body: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(front)
        .chain_update(body)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cut_short_is_dropped_and_damage_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let (mut journal, records) = Journal::open(&path).expect("new");
        assert!(records.is_empty());
        journal.append(3, b"one").expect("written");
        journal.append(TIME_UP, b"").expect("written");
        journal.append(1, b"three").expect("written");
        drop(journal);
        let all: Vec<Record> = vec![
            (3, b"one".to_vec()),
            (TIME_UP, vec![]),
            (1, b"three".to_vec()),
        ];
        assert_eq!(Journal::open(&path).expect("whole").1, all);
        let bytes = std::fs::read(&path).expect("readable");
        std::fs::write(&path, &bytes[..bytes.len() - 2]).expect("writable");
        let (mut journal, records) = Journal::open(&path).expect("cut short");
        assert_eq!(records, all[..2]);
        journal.append(1, b"three").expect("written");
        assert!(Journal::open(&path).is_err(), "locked by the first");
        drop(journal);
        assert_eq!(Journal::open(&path).expect("mended").1, all);
        let mut damaged = bytes;
        damaged[HEAD] ^= 1;
        std::fs::write(&path, damaged).expect("writable");
        assert!(Journal::open(&path).is_err());
    }
}
