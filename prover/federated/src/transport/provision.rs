//! Keys, certificates and the manifest of a federation, a folder for each process.
//!
//! `coordinator/` holds its certificate and the fingerprints of the parties'; `party-<n>/` its certificate and keys.
//! Secrets are files of mode 0600. The authority's key is not kept: who joins later needs a new federation.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clearproof_shared::training::manifest::Manifest;
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::certificates::{fingerprint, Authority, Credential, Material, Validity};
use super::TransportError;
use crate::aggregation::identity::{Identity, IDENTITY_BYTES};

/// What a process finds in its folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The round.
    pub manifest: Manifest,
    /// Its certificate.
    pub material: Material,
}

const MANIFEST: &str = "manifest.bin";
const AUTHORITY: &str = "authority.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const IDENTITY: &str = "identity.key";
const ROSTER: &str = "certificates.sha256";

/// Writes the folders of a coordinator and of named parties; `complete` makes the manifest for their keys.
///
/// # Errors
/// [`TransportError`] for a folder that exists or cannot be written.
pub fn provision(
    root: &Path,
    names: &[String],
    validity: Validity,
    complete: impl FnOnce(&[Identity]) -> Manifest,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Vec<PathBuf>, TransportError> {
    let identities: Vec<Identity> = names
        .iter()
        .map(|name| Identity::generate(name, &mut *rng))
        .collect();
    let manifest = complete(&identities).encode();
    let authority = Authority::new(validity)?;
    fs::create_dir(root).map_err(|e| TransportError::file(root, e))?;
    let folder = |name: &str, credential: &Credential| -> Result<PathBuf, TransportError> {
        let path = root.join(name);
        fs::create_dir(&path).map_err(|e| TransportError::file(&path, e))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
            .map_err(|e| TransportError::file(&path, e))?;
        write_new(&path.join(MANIFEST), &manifest)?;
        write_new(&path.join(AUTHORITY), authority.certificate.as_bytes())?;
        write_new(&path.join(CERTIFICATE), credential.certificate.as_bytes())?;
        write_new(&path.join(KEY), credential.key.as_bytes())?;
        Ok(path)
    };
    let mut roster = String::new();
    let mut folders = vec![];
    for (i, identity) in identities.iter().enumerate() {
        let credential = authority.issue(Some(&names[i]))?;
        roster += &clearproof_shared::encoding::hex(&fingerprint(&credential.certificate)?);
        roster.push('\n');
        let path = folder(&format!("party-{}", i + 1), &credential)?;
        write_new(&path.join(IDENTITY), &identity.to_bytes()[..])?;
        folders.push(path);
    }
    let path = folder("coordinator", &authority.issue(None)?)?;
    write_new(&path.join(ROSTER), roster.as_bytes())?;
    folders.push(path);
    Ok(folders)
}

/// Writes a file that did not exist, for its owner alone, and waits for the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), TransportError> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|e| TransportError::file(path, e))
}

/// Writes a file anew for its owner alone: beside it, to the disk, then renamed.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

impl Folder {
    /// Reads a folder that [`provision`] wrote.
    ///
    /// # Errors
    /// [`TransportError::File`], naming the file.
    pub fn open(path: &Path) -> Result<Self, TransportError> {
        let text = |name: &str| {
            let path = path.join(name);
            fs::read_to_string(&path).map_err(|e| TransportError::file(&path, e))
        };
        let file = path.join(MANIFEST);
        let bytes = fs::read(&file).map_err(|e| TransportError::file(&file, e))?;
        Ok(Self {
            manifest: Manifest::decode(&bytes).map_err(|e| TransportError::file(&file, e))?,
            material: Material {
                authority: text(AUTHORITY)?,
                credential: Credential {
                    certificate: text(CERTIFICATE)?,
                    key: text(KEY)?.into(),
                },
            },
            path: path.to_owned(),
        })
    }

    /// A party's keys.
    ///
    /// # Errors
    /// [`TransportError::File`].
    pub fn identity(&self) -> Result<Identity, TransportError> {
        let file = self.path.join(IDENTITY);
        let bytes = fs::read(&file)
            .map(Zeroizing::new)
            .map_err(|e| TransportError::file(&file, e))?;
        let bytes: Option<&[u8; IDENTITY_BYTES]> = bytes[..].try_into().ok();
        // The name comes from the roster: keys alone say who it is.
        bytes
            .and_then(|bytes| {
                let key = Identity::from_bytes("", bytes)?.entry().signing_key;
                let entry = self
                    .manifest
                    .parties
                    .iter()
                    .find(|p| p.signing_key == key)?;
                Identity::from_bytes(&entry.name, bytes)
            })
            .ok_or_else(|| {
                TransportError::file(&file, "not the keys of a party of this federation")
            })
    }

    /// SHA-256 of the parties' certificates, in their order.
    ///
    /// # Errors
    /// [`TransportError::File`].
    pub fn roster(&self) -> Result<Vec<String>, TransportError> {
        let file = self.path.join(ROSTER);
        let text = fs::read_to_string(&file).map_err(|e| TransportError::file(&file, e))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the provisioned round, by the manifest's digest.
    pub fn state(&self, name: &str) -> PathBuf {
        self.state_of(&self.manifest, name)
    }

    /// A file of a round, by its manifest's digest.
    pub fn state_of(&self, manifest: &Manifest, name: &str) -> PathBuf {
        let digest = clearproof_shared::encoding::hex(&manifest.digest()[..8]);
        self.path.join(format!("round-{digest}.{name}"))
    }
}
