//! Reading and writing files whole: nothing half-written stays behind, secrets are for the owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Who may read what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// Whoever the umask lets.
    Public,
    /// The owner alone (mode 0600).
    Secret,
}

/// The bytes of `path`, at most `limit` of them.
///
/// # Errors
/// The file is missing, unreadable, or larger than `limit`.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).map_err(|e| Failure::input(path, unreadable(&e)))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::input(path, unreadable(&e)))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::input(
            path,
            format!("is larger than {limit} bytes, the most that is read here"),
        ));
    }
    Ok(bytes)
}

/// Why a file cannot be read, and what mends it.
pub(crate) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist; check the path".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "may not be read by you; change its permissions".to_owned()
        }
        io::ErrorKind::IsADirectory => "is a folder; name a file".to_owned(),
        _ => format!("cannot be read ({error}); check the path"),
    }
}

/// Writes `bytes` to `path`: beside it, to the disk, then renamed, so that `path` is never half-written.
///
/// What exists and is no plain file (`/dev/stdout`, a pipe) is written to directly.
///
/// # Errors
/// The disk is full, the folder is missing, and the like; nothing is left behind.
pub(crate) fn write(path: &Path, bytes: &[u8], secrecy: Secrecy) -> Result<(), Failure> {
    let special = fs::metadata(path).is_ok_and(|m| !m.is_file());
    let result = if special {
        write_directly(path, bytes)
    } else {
        write_beside(path, bytes, secrecy)
    };
    result.map_err(|e| Failure::output(path, &e))
}

fn write_directly(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    file.flush()
}

fn write_beside(path: &Path, bytes: &[u8], secrecy: Secrecy) -> io::Result<()> {
    let beside = beside(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secrecy == Secrecy::Secret {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&beside)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell; a second, on removal, adds nothing.
        let _ = fs::remove_file(&beside);
    }
    written.and_then(|()| sync_folder(path))
}

/// A folder that appears at `path` whole or not at all: `fill` works on a new folder beside it.
///
/// `path` must not exist, or be an empty folder.
///
/// # Errors
/// What `fill` returns, or the folder cannot be created; nothing is left behind.
pub(crate) fn write_folder(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), anyhow::Error>,
) -> Result<(), anyhow::Error> {
    let beside = beside(path).map_err(|e| Failure::output(path, &e))?;
    fs::create_dir(&beside).map_err(|e| Failure::output(path, &e))?;
    let filled = fill(&beside).and_then(|()| {
        fs::rename(&beside, path)
            .and_then(|()| sync_folder(path))
            .map_err(|e| Failure::output(path, &e).into())
    });
    if filled.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    filled
}

/// `.NAME.PID.partial` in the folder of `path`.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.partial", std::process::id()));
    Ok(path.with_file_name(partial))
}

/// Makes a rename last: the folder's own entry goes to the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_whole_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"one", Secrecy::Public).unwrap();
        write(&path, b"two", Secrecy::Public).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_the_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opening.bin");
        write(&path, b"secret", Secrecy::Secret).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_an_error_and_stays_a_device() {
        use std::os::unix::fs::FileTypeExt;
        let failure = write(Path::new("/dev/full"), b"bytes", Secrecy::Public).unwrap_err();
        assert!(failure.to_string().contains("make room"), "{failure}");
        assert!(fs::metadata("/dev/full")
            .unwrap()
            .file_type()
            .is_char_device());
    }

    #[test]
    fn a_folder_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let failed = write_folder(&out, |part| {
            fs::write(part.join("key.bin"), b"half").unwrap();
            anyhow::bail!("stopped")
        });
        assert!(failed.is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn reading_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(read(&path, 4)
            .unwrap_err()
            .to_string()
            .contains("larger than 4 bytes"));
        assert!(read(folder.path(), 4)
            .unwrap_err()
            .to_string()
            .contains("is a folder"));
    }
}
