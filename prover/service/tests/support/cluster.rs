//! A PostgreSQL cluster for tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A cluster of a test's own, on a socket in a folder of its own; gone when dropped.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
    user: Option<&'static str>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let programs = programs().expect(
            "PostgreSQL is not installed, and its store is not tested without it: run \
             scripts/ensure-postgresql.sh, or `apt-get install postgresql`",
        );
        let folder = tempfile::Builder::new()
            .prefix("pg")
            .tempdir()
            .expect("a folder");
        let root = is_root();
        let cluster = Cluster {
            programs,
            user: root.then_some("postgres"),
            folder,
        };
        if let Some(user) = cluster.user {
            let owned = Command::new("chown")
                .arg(user)
                .arg(cluster.folder.path())
                .status();
            assert!(owned.expect("chown runs").success());
        }
        let data = cluster.data();
        cluster.run(
            "initdb",
            &[
                "-D",
                &data,
                "-U",
                "log",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
            ],
        );
        cluster.server("start");
        cluster
    }

    /// Starts the server, or restarts it as after a crash.
    pub(crate) fn server(&self, action: &str) {
        let socket = self.folder.path().display().to_string();
        // Little memory, none of it in /dev/shm, which is small in containers.
        let options = format!(
            "-k {socket} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB \
             -c max_connections=20 -c dynamic_shared_memory_type=mmap"
        );
        self.run(
            "pg_ctl",
            &[
                "-D",
                &self.data(),
                "-w",
                "-t",
                "60",
                "-m",
                "immediate",
                "-o",
                &options,
                "-l",
                &format!("{socket}/log"),
                action,
            ],
        );
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// PostgreSQL refuses to run as root.
    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
        };
        let command = command
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // A file and no pipe: the server keeps it open.
            .stderr(self.errors());
        let status = command.status().expect("PostgreSQL's programs run");
        // A second panic while the first one unwinds would hide it.
        if !status.success() && !std::thread::panicking() {
            panic!("{arguments:?}: {status}\n{}", self.log());
        }
    }

    fn errors(&self) -> fs::File {
        let path = self.folder.path().join("errors");
        fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("a file")
    }

    fn log(&self) -> String {
        ["errors", "log"]
            .map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default())
            .concat()
    }

    /// Makes a database; how to connect to it, as a URL.
    pub(crate) fn database(&self, name: &str) -> String {
        let socket = self.folder.path().display().to_string();
        self.run("createdb", &["-h", &socket, "-U", "log", name]);
        format!("postgres://log@{}/{name}", socket.replace('/', "%2F"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
    }
}

/// The newest version's folder.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    let complete = |folder: &PathBuf| {
        ["initdb", "pg_ctl"]
            .iter()
            .all(|program| folder.join(program).exists())
    };
    folders.filter(complete).max()
}

/// Whether this process is root, who owns its own folder in /proc.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(Path::new("/proc/self")).is_ok_and(|metadata| metadata.uid() == 0)
}
