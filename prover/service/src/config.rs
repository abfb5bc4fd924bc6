//! The service's folder: its configuration, and the engine on it.
//!
//! 1. Claim: what is read is complete and valid, or refused with one sentence; a field that is not known is refused.
//! 2. Layout: `clearproof.toml` ([`Config`]), `log.key`, `sealing.key`, `worker.key`, `log.db`, and compiled models in `models/`. Paths in
//!    the configuration are relative to the folder. API keys stand there as SHA-256 alone: they are random keys of 256 bits,
//!    so that nobody finds one by trying, and a slow password hash would add nothing.
//! 3. Assumed: whoever may write to the folder is the operator.
//! 4. Source: docs/service.md.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use clearproof_prover::engine::store::{Filter, Store, StoreError};
use clearproof_prover::engine::{Engine, Mode};
use clearproof_prover::prove::{Artifact, ArtifactError};
use clearproof_shared::log::merkle::Hash;
use rand_core::{OsRng, RngCore};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::keeper::KeyKeeper;
use crate::keys::LogKey;
use crate::sealing::SealingKey;
use crate::secret_file::{self, KeyFileError};
use crate::store::{PostgresStore, SqliteStore};

/// Why the service's folder cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file or folder.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// There is no configuration.
    #[error("{}: there is no {FILE} here; make one with `clearproof serve --init`", dir.display())]
    Missing {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder is in use.
    #[error("{}: not empty; choose an empty folder for a new log", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// The configuration is not what it should be.
    #[error("{}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and how to mend it.
        what: String,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A compiled model.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Decides, and sees its own receipts.
    Trader,
    /// Reads and verifies.
    Auditor,
    /// All, models among it.
    Admin,
}

impl Role {
    /// The roles.
    pub const ALL: [Role; 3] = [Role::Trader, Role::Auditor, Role::Admin];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Trader => "trader",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }
}

/// An API key as the configuration knows it.
#[derive(Clone)]
pub struct ApiKey {
    /// Its name, for people and for the log.
    pub name: String,
    /// What it may do.
    pub role: Role,
    sha256: Hash,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, {})", self.name, self.role.name())
    }
}

/// Where the log is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by its URL.
    Postgres(String),
}

impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorePlace::Sqlite(path) => write!(f, "Sqlite({})", path.display()),
            // The URL holds a password.
            StorePlace::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// URL of a NATS server.
#[derive(Clone, PartialEq, Eq)]
pub struct Queue(pub String);

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.write_str("Queue")
    }
}

/// Bounds on what callers may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest request body in bytes.
    pub body_bytes: usize,
    /// Requests a second of one key, over time.
    pub requests_per_second: f64,
    /// Requests of one key at once, after a rest.
    pub burst: u32,
    /// Requests in work at once; more are turned away.
    pub concurrent: usize,
    /// Connections at once; more wait.
    pub connections: usize,
    /// Longest time of one request, in seconds.
    pub timeout_s: u64,
    /// Most decisions of one batch.
    pub batch: usize,
    /// Most records of one evidence file.
    pub export_records: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            requests_per_second: 1000.0,
            burst: 2000,
            concurrent: 256,
            connections: 1024,
            timeout_s: 60,
            batch: 1000,
            export_records: 100_000,
        }
    }
}

/// The service's configuration, ready to be used.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that it stands in.
    pub dir: PathBuf,
    /// Where the log is kept.
    pub store: StorePlace,
    /// Whether decisions are proved.
    pub mode: Mode,
    /// Where other machines take batches to prove from; without one they are proved in this process.
    pub queue: Option<Queue>,
    /// Compiled models that are loaded at the start.
    pub models: Vec<PathBuf>,
    /// The folder that an admin loads compiled models from.
    pub models_folder: PathBuf,
    /// Files of the certificate chain and of its key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Static files for `/`.
    pub portal: Option<PathBuf>,
    /// Origins of pages from elsewhere that a browser may let ask here, such as an auditor's own copy of the portal.
    pub portal_origins: Vec<HeaderValue>,
    /// How often a checkpoint is signed, where entries came.
    pub checkpoint_every: Duration,
    /// How often the prover looks for work when it found none.
    pub prove_every: Duration,
    /// Bounds on what callers may ask for.
    pub limits: Limits,
    /// The keys that are accepted.
    pub keys: Vec<ApiKey>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_store")]
    store: String,
    #[serde(default)]
    mode: FileMode,
    queue: Option<String>,
    #[serde(default)]
    models: Vec<PathBuf>,
    #[serde(default = "default_models_folder")]
    models_folder: PathBuf,
    tls: Option<FileTls>,
    portal: Option<PathBuf>,
    #[serde(default)]
    portal_origins: Vec<String>,
    #[serde(default = "default_checkpoint_seconds")]
    checkpoint_seconds: u64,
    #[serde(default = "default_prove_milliseconds")]
    prove_milliseconds: u64,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    key: Vec<FileKey>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileMode {
    #[default]
    Prove,
    DecideOnly,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    name: String,
    role: Role,
    sha256: String,
}

/// An origin as browsers write it: a scheme and a host, perhaps a port, and nothing else.
fn web_origin(text: &str) -> Result<HeaderValue, String> {
    let host = ["https://", "http://127.0.0.1", "http://localhost"]
        .iter()
        .find_map(|start| text.strip_prefix(start));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c);
    let proper = host.is_some_and(|host| host.chars().all(plain)) && text.len() > "https://".len();
    let value = HeaderValue::from_str(text).ok().filter(|_| proper);
    value.ok_or_else(|| {
        format!("portal_origins: \"{text}\" is no origin; write it as https://host or https://host:port, or of this machine as http://localhost:port")
    })
}

fn default_store() -> String {
    "log.db".into()
}

fn default_models_folder() -> PathBuf {
    "models".into()
}

fn default_checkpoint_seconds() -> u64 {
    10
}

fn default_prove_milliseconds() -> u64 {
    500
}

impl Config {
    /// Reads the configuration of a folder.
    ///
    /// # Errors
    /// [`ConfigError`] with the line that is wrong.
    pub fn read(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(ConfigError::Missing {
                    dir: dir.to_owned(),
                })
            }
            Err(cause) => return Err(ConfigError::Io { path, cause }),
        };
        Self::parse(dir, &text).map_err(|what| ConfigError::Invalid { path, what })
    }

    fn parse(dir: &Path, text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| sentence(text, &error))?;
        let store = match file.store.split_once("://") {
            None => StorePlace::Sqlite(dir.join(&file.store)),
            Some(("postgres" | "postgresql", _)) => StorePlace::Postgres(file.store),
            Some(_) => {
                return Err(
                    "store: give a file's name, or a URL that begins with postgres://".into(),
                )
            }
        };
        let queue = match file.queue {
            Some(url) if !["nats://", "tls://"].iter().any(|s| url.starts_with(s)) => {
                return Err(
                    "queue: give the URL of a NATS server, nats://host:4222 or tls://host:4222"
                        .into(),
                )
            }
            queue => queue.map(Queue),
        };
        let limits = file.limits;
        let rate = limits.requests_per_second;
        let counts = [
            limits.body_bytes,
            limits.concurrent,
            limits.connections,
            limits.batch,
            limits.burst as usize,
        ];
        if !(rate.is_finite() && rate > 0.0)
            || counts.contains(&0)
            || limits.timeout_s == 0
            || limits.export_records == 0
        {
            return Err("limits: each must be greater than 0".into());
        }
        if limits.concurrent > MOST_CONCURRENT {
            return Err(format!(
                "limits: concurrent is at most {MOST_CONCURRENT}, since each request in work has a thread"
            ));
        }
        if file.checkpoint_seconds == 0 || file.prove_milliseconds == 0 {
            return Err("checkpoint_seconds and prove_milliseconds must be greater than 0".into());
        }
        let mut names = BTreeSet::new();
        let mut keys = Vec::new();
        for key in file.key {
            let proper = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
            if key.name.is_empty() || key.name.len() > 64 || !key.name.chars().all(proper) {
                return Err(format!(
                    "key \"{}\": a name has 1 to 64 letters, digits and ._-@",
                    key.name.escape_default()
                ));
            }
            if !names.insert(key.name.clone()) {
                return Err(format!("key \"{}\" is given twice", key.name));
            }
            let sha256 = unhex(&key.sha256).ok_or_else(|| {
                format!("key \"{}\": sha256 is not 64 hexadecimal digits", key.name)
            })?;
            keys.push(ApiKey {
                name: key.name,
                role: key.role,
                sha256,
            });
        }
        let origins = file.portal_origins.iter().map(|origin| web_origin(origin));
        let portal_origins = origins.collect::<Result<_, _>>()?;
        Ok(Self {
            store,
            mode: match file.mode {
                FileMode::Prove => Mode::Prove,
                FileMode::DecideOnly => Mode::DecideOnly,
            },
            queue,
            models: file.models.iter().map(|model| dir.join(model)).collect(),
            models_folder: dir.join(file.models_folder),
            tls: file
                .tls
                .map(|tls| (dir.join(tls.certificate), dir.join(tls.key))),
            portal: file.portal.map(|portal| dir.join(portal)),
            portal_origins,
            checkpoint_every: Duration::from_secs(file.checkpoint_seconds),
            prove_every: Duration::from_millis(file.prove_milliseconds),
            limits,
            keys,
            dir: dir.to_owned(),
        })
    }

    /// The key that a caller presents, if it is accepted. Takes the same time whichever it is.
    pub fn key(&self, presented: &str) -> Option<&ApiKey> {
        let digest: Hash = Sha256::digest(presented.as_bytes()).into();
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.sha256.ct_eq(&digest)) {
                found = Some(key);
            }
        }
        found
    }
}

/// A new folder: what its operator must know of it.
pub struct Initialized {
    /// A key for each role, to be shown once.
    pub keys: Vec<(Role, Zeroizing<String>)>,
    /// The log's public key, for auditors.
    pub log_key: String,
}

impl fmt::Debug for Initialized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Initialized({}, keys hidden)", self.log_key)
    }
}

/// Writes configuration, keys and an empty log into an empty folder, which is made if it is missing.
///
/// # Errors
/// [`ConfigError`]; also if something is in the folder.
pub fn initialize(dir: &Path, origin: &str) -> Result<Initialized, ConfigError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |cause| ConfigError::Io { path, cause }
    };
    fs::create_dir_all(dir).map_err(io(dir))?;
    if fs::read_dir(dir).map_err(io(dir))?.next().is_some() {
        return Err(ConfigError::NotEmpty {
            dir: dir.to_owned(),
        });
    }
    let log = LogKey::generate(&dir.join(LOG_KEY), origin, &mut OsRng)?;
    SealingKey::generate(&dir.join(SEALING_KEY), &mut OsRng)?;
    SealingKey::generate(&dir.join(WORKER_KEY), &mut OsRng)?;
    let models = dir.join(default_models_folder());
    fs::create_dir(&models).map_err(io(&models))?;
    drop(SqliteStore::open(&dir.join(default_store()))?);
    let mut text = String::from(TEMPLATE);
    let mut keys = Vec::new();
    for role in Role::ALL {
        let mut random = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(&mut *random);
        let key = Zeroizing::new(format!("clearproof_{}_{}", role.name(), hex(&*random)));
        text += &format!(
            "\n[[key]]\nname = \"{0}\"\nrole = \"{0}\"\nsha256 = \"{1}\"\n",
            role.name(),
            hex(&Sha256::digest(key.as_bytes()))
        );
        keys.push((role, key));
    }
    // Last: a folder with a configuration is a whole one.
    secret_file::create(&dir.join(FILE), &text)?;
    Ok(Initialized {
        keys,
        log_key: log.verifier().to_string(),
    })
}

/// An engine on a service's folder.
#[derive(Debug)]
pub struct Opened {
    /// The engine, models loaded.
    pub engine: Engine,
    /// The log's public key.
    pub log_key: String,
    /// The models that were loaded.
    pub loaded: Vec<LoadedModel>,
}

/// A compiled model and its folder.
#[derive(Debug)]
pub struct LoadedModel {
    /// The folder.
    pub folder: PathBuf,
    /// What is in it.
    pub artifact: Arc<Artifact>,
}

/// Reads a folder's configuration and opens the engine on it.
///
/// # Errors
/// [`ConfigError`].
pub fn open_engine(dir: &Path, mode: Mode) -> Result<Opened, ConfigError> {
    open(&Config::read(dir)?, mode)
}

/// Opens the store with its keys, and loads the models: those listed, and those of the models folder that the log speaks of.
///
/// # Errors
/// [`ConfigError`].
pub fn open(config: &Config, mode: Mode) -> Result<Opened, ConfigError> {
    let log = LogKey::load(&config.dir.join(LOG_KEY))?;
    let log_key = log.verifier().to_string();
    let sealing = SealingKey::load(&config.dir.join(SEALING_KEY))?;
    let store: Arc<dyn Store> = match &config.store {
        StorePlace::Sqlite(path) => Arc::new(SqliteStore::open(path)?),
        StorePlace::Postgres(url) => Arc::new(PostgresStore::open(url)?),
    };
    let mut folders = config.models.clone();
    for folder in compiled(&config.models_folder)? {
        if !folders.contains(&folder) && speaks_of(&*store, &bundle_digest(&folder)?)? {
            folders.push(folder);
        }
    }
    let engine = Engine::open(store, Arc::new(KeyKeeper::new(log, sealing)), mode)?;
    let mut loaded = Vec::new();
    for folder in folders {
        let artifact = Arc::new(Artifact::load(&folder)?);
        engine.load(Arc::clone(&artifact))?;
        loaded.push(LoadedModel { folder, artifact });
    }
    Ok(Opened {
        engine,
        log_key,
        loaded,
    })
}

/// The compiled models in a folder, by name; none if there is no such folder.
///
/// # Errors
/// [`ConfigError::Io`].
pub fn compiled(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let io = |cause| ConfigError::Io {
        path: folder.to_owned(),
        cause,
    };
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(io)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(io)?.path();
        if path.join(BUNDLE).is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// SHA-256 of the bundle in a compiled folder.
///
/// # Errors
/// [`ConfigError::Io`].
pub fn bundle_digest(folder: &Path) -> Result<Hash, ConfigError> {
    let path = folder.join(BUNDLE);
    let bytes = fs::read(&path).map_err(|cause| ConfigError::Io { path, cause })?;
    Ok(Sha256::digest(bytes).into())
}

fn speaks_of(store: &dyn Store, bundle: &Hash) -> Result<bool, StoreError> {
    let filter = Filter {
        bundle: Some(*bundle),
        ..Filter::default()
    };
    Ok(!store.history(&filter, 1)?.is_empty())
}

/// The parser's message on one line, with the line's number.
fn sentence(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().split_whitespace();
    let message = message.collect::<Vec<_>>().join(" ");
    match error.span() {
        None => message,
        Some(span) => {
            let before = text.get(..span.start).unwrap_or_default();
            format!("line {}: {message}", before.matches('\n').count() + 1)
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A hash of 64 hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Hash> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(hash)
}

const FILE: &str = "clearproof.toml";
const LOG_KEY: &str = "log.key";
const SEALING_KEY: &str = "sealing.key";
/// Seals what travels to workers and back.
pub(crate) const WORKER_KEY: &str = "worker.key";
const BUNDLE: &str = "verifier.bin";
/// Blocking threads that requests may take.
const MOST_CONCURRENT: usize = 4096;

const TEMPLATE: &str = r#"# The service's configuration; docs/service.md has every setting. Paths are relative to this folder.

# A file for SQLite, or "postgres://user:password@host/database".
store = "log.db"
# "decide-only" is for development: nothing is ever proved.
mode = "prove"
# Other machines prove, and take their work from a NATS server with JetStream; docs/service.md, "Workers".
# queue = "nats://127.0.0.1:4222"
# Compiled models that are loaded at the start, beside those of the models folder that the log speaks of.
models = []
models_folder = "models"
checkpoint_seconds = 10

# Without a certificate the service answers on loopback addresses only.
# [tls]
# certificate = "certificate.pem"
# key = "certificate.key"

# API keys by their SHA-256. A key that is taken out is no longer accepted after a restart.
"#;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_folder_opens_and_knows_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("desk");
        let made = initialize(&dir, "desk.example/log").unwrap();
        for name in [FILE, LOG_KEY, SEALING_KEY, WORKER_KEY, "log.db"] {
            let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let config = Config::read(&dir).unwrap();
        let text = fs::read_to_string(dir.join(FILE)).unwrap();
        for (role, key) in &made.keys {
            assert_eq!(config.key(key).unwrap().role, *role);
            assert!(config.key(&key[..key.len() - 1]).is_none());
            assert!(!text.contains(key.as_str()));
            assert!(!format!("{config:?}{made:?}").contains(key.as_str()));
        }
        assert!(config.key("").is_none());
        let opened = open_engine(&dir, config.mode).unwrap();
        assert_eq!(opened.log_key, made.log_key);
        assert_eq!(opened.engine.store().size().unwrap(), 0);
        let again = initialize(&dir, "desk.example/log");
        assert!(
            matches!(again, Err(ConfigError::NotEmpty { .. })),
            "{again:?}"
        );
        let none = Config::read(folder.path());
        assert!(matches!(none, Err(ConfigError::Missing { .. })), "{none:?}");
    }

    #[test]
    fn a_wrong_configuration_is_refused_with_the_line() {
        let refused = |text: &str, part: &str| {
            let error = Config::parse(Path::new("d"), text).unwrap_err();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains('\n'), "{error}");
        };
        refused("stor = \"log.db\"", "line 1");
        refused("store = \"mysql://x\"", "postgres://");
        refused("mode = \"prove\"\nmodels = 3", "line 2");
        refused("queue = \"127.0.0.1\"", "nats://");
        refused("[limits]\nbody_bytes = 0", "greater than 0");
        refused("[limits]\nrequests_per_second = nan", "greater than 0");
        refused("[limits]\nconcurrent = 5000", "at most");
        refused("checkpoint_seconds = 0", "greater than 0");
        refused("checkpoint_seconds = -1", "line 1");
        refused(
            "[[key]]\nname = \"a b\"\nrole = \"admin\"\nsha256 = \"\"",
            "letters",
        );
        refused(
            "[[key]]\nname = \"a\"\nrole = \"root\"\nsha256 = \"\"",
            "line 3",
        );
        refused(
            "[[key]]\nname = \"a\"\nrole = \"admin\"\nsha256 = \"00\"",
            "64",
        );
        let key = format!(
            "[[key]]\nname = \"a\"\nrole = \"admin\"\nsha256 = \"{}\"\n",
            "00".repeat(32)
        );
        refused(&key.repeat(2), "twice");
        let config = Config::parse(Path::new("d"), "store = \"postgres://u:hidden@h/d\"").unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
        assert_eq!(config.models_folder, Path::new("d/models"));
    }
}
