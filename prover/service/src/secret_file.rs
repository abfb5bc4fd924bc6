//! Files that hold secrets: readable by their owner alone, or refused.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// Why a key file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file system.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: io::Error,
    },
    /// Others may read it.
    #[error("{}: mode {mode:03o} lets others read the key; run `chmod 600` on it", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds no such key.
    #[error("{}: not a {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
    },
}

/// Writes a new file, mode 0600; an existing one stays as it is.
///
/// # Errors
/// [`KeyFileError::Io`], also if the file exists.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), KeyFileError> {
    let io = |cause| KeyFileError::Io {
        path: path.to_owned(),
        cause,
    };
    let mut file = OpenOptions::new();
    let mut file = file
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if let Err(cause) = written {
        // Half a key is of no use; that it could not be removed either is the lesser news.
        let _ = fs::remove_file(path);
        return Err(io(cause));
    }
    match path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(parent) => File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(io),
        None => Ok(()),
    }
}

/// Reads a file that nobody but its owner may read.
///
/// # Errors
/// [`KeyFileError`]; [`KeyFileError::Malformed`] for more than [`MAX_BYTES`] or other than text.
pub(crate) fn read(path: &Path, what: &'static str) -> Result<Zeroizing<String>, KeyFileError> {
    let io = |cause| KeyFileError::Io {
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(io)?;
    // Of the open file, so that it cannot be exchanged in between.
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Permissions {
            path: path.to_owned(),
            mode,
        });
    }
    let malformed = || KeyFileError::Malformed {
        path: path.to_owned(),
        what,
    };
    // Never reallocated, so that no copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    let read = file
        .take(MAX_BYTES as u64)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if read == MAX_BYTES {
        return Err(malformed());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// More than any key file has.
const MAX_BYTES: usize = 4096;
