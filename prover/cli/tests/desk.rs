//! A trading desk from outside: the service, its workers and the audit commands, as their users run them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{channel, Receiver};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

#[path = "../../service/tests/support/cluster.rs"]
mod cluster;

const POLICY: &str = r#"
version = 1
name = "desk limits"
features = ["size", "leverage", "price", "volume", "position_pct"]

[metadata.symbol]
values = ["BTC-USD", "ETH-USD"]

[[rule]]
name = "leverage"
require = "leverage <= 3"
[[rule]]
name = "symbol"
require = "symbol in {'BTC-USD'}"
[[rule]]
name = "model"
require = "-1000 < score < 1000"
"#;

/// Decisions that one proof takes at most.
const BATCH: usize = 32;

fn clearproof(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clearproof"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the command starts")
}

#[track_caller]
fn ends(folder: &Path, arguments: &[&str], status: i32) -> String {
    let output = clearproof(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {stderr}"
    );
    assert!(!stderr.contains("panicked"), "{stderr}");
    match status {
        0 => String::from_utf8(output.stdout).expect("text"),
        _ => format!("{}{stderr}", String::from_utf8_lossy(&output.stdout)),
    }
}

/// A process with the lines that it writes; killed when dropped.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, lines) = channel();
        let out: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("its output"));
        let err: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("its errors"));
        for stream in [out, err] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    eprintln!("  | {line}");
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// The next line with these words.
    #[track_caller]
    fn says(&self, words: &str) -> String {
        let until = Instant::now() + Duration::from_secs(120);
        while let Ok(line) = self
            .lines
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if line.contains(words) {
                return line;
            }
        }
        panic!("it never said {words:?}");
    }

    /// Whether it said this since it was last asked.
    fn said(&self, words: &str) -> bool {
        self.lines.try_iter().any(|line| line.contains(words))
    }

    fn terminate(mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").arg(&pid).status();
        assert!(told.expect("kill runs").success());
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "{ended}");
    }
}

/// A log's folder with a compiled model and its three keys.
struct Desk {
    folder: tempfile::TempDir,
    log_key: String,
    keys: Vec<String>,
    model: String,
}

/// A new log in a folder: its public key, and the keys of trader, auditor and admin.
fn initialize(folder: &Path, name: &str) -> (String, Vec<String>) {
    let arguments = [
        "serve",
        "--init",
        "--dir",
        name,
        "--origin",
        "desk.example/log",
    ];
    let told = ends(folder, &arguments, 0);
    let word = |line: &str| {
        line.split_whitespace()
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    let lines: Vec<String> = told.lines().map(word).collect();
    (lines[1].clone(), lines[3..6].to_vec())
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (log_key, keys) = initialize(folder.path(), "desk");
        fs::write(folder.path().join("policy.toml"), POLICY).expect("the policy");
        let model =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models/compliance.onnx");
        let model = model.to_str().expect("UTF-8");
        let batch = BATCH.to_string();
        let arguments = [
            "compile",
            model,
            "--policy",
            "policy.toml",
            "--batch",
            &batch,
            "--out",
            "desk/models/first",
            "--scheme",
            "kzg",
            "--insecure-dev-srs",
        ];
        ends(folder.path(), &arguments, 0);
        let bundle = folder.path().join("desk/models/first/verifier.bin");
        let digest = Command::new("sha256sum")
            .arg(bundle)
            .output()
            .expect("sha256sum");
        Self {
            folder,
            log_key,
            keys,
            model: String::from_utf8(digest.stdout).expect("text")[..64].to_owned(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn audit(&self, arguments: &[&str], status: i32) -> String {
        let all = [&["audit", "--dir", "desk"], arguments].concat();
        ends(self.path(), &all, status)
    }

    fn approve(&self) {
        for action in ["register", "approve"] {
            let by = ["--by", "Ada L.", "--note", "reviewed"];
            let arguments = [&["lifecycle", action, "--model", &self.model], &by[..]].concat();
            self.audit(&arguments, 0);
        }
    }

    fn serve(&self) -> (Process, SocketAddr) {
        self.serve_by(&mut Command::new(env!("CARGO_BIN_EXE_clearproof")))
    }

    fn serve_by(&self, command: &mut Command) -> (Process, SocketAddr) {
        let service = Process::start(
            command
                .args(["serve", "--dir", "desk", "--listen", "127.0.0.1:0"])
                .current_dir(self.path()),
        );
        let line = service.says("http://");
        let address = line.split_whitespace().next().unwrap_or_default();
        let address = address.trim_start_matches("http://").parse();
        (service, address.expect("an address"))
    }

    /// Decides so many compliant trades.
    fn decide(&self, address: SocketAddr, count: usize) -> Vec<Value> {
        let trades: Vec<Value> = (0..count).map(|_| trade(2.0)).collect();
        let answer = self.post(address, "/v1/decisions/batch", &json!({ "trades": trades }));
        let results = answer["results"].as_array().expect("results").clone();
        assert_eq!(results.len(), count, "{answer}");
        results
            .into_iter()
            .map(|mut r| r["decision"].take())
            .collect()
    }

    fn post(&self, address: SocketAddr, path: &str, body: &Value) -> Value {
        self.ask(address, "POST", path, &body.to_string())
    }

    fn stats(&self, address: SocketAddr) -> Value {
        self.ask(address, "GET", "/v1/statistics", "")
    }

    #[track_caller]
    fn ask(&self, address: SocketAddr, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = self.answer(address, method, path, body);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// As the admin, whose key is the last one: the status and the answer.
    fn answer(&self, address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(address).expect("the service listens");
        let key = &self.keys[2];
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok());
        let body = serde_json::from_str(body).expect("JSON");
        (status.expect("a status"), body)
    }

    /// One decision: its sequence number, or what was said instead.
    fn decide_one(&self, address: SocketAddr) -> Result<u64, (u16, Value)> {
        let (status, answer) =
            self.answer(address, "POST", "/v1/decisions", &trade(2.0).to_string());
        match status {
            200 => Ok(answer["seq"].as_u64().expect("a number")),
            _ => Err((status, answer)),
        }
    }

    /// The sequence numbers of the newest decisions in the log, by the command.
    fn logged(&self) -> Vec<u64> {
        let listed = self.audit(&["list", "--limit", "100000", "--json"], 0);
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        let records = listed["records"].as_array().expect("a list");
        let decisions = records.iter().filter(|r| r["kind"] == "decision");
        let seq = |r: &Value| r["seq"].as_u64().expect("a number");
        decisions.map(seq).collect()
    }

    /// Waits until so many decisions are verified.
    fn wait_verified(&self, address: SocketAddr, count: usize) {
        let start = Instant::now();
        loop {
            let stats = self.stats(address);
            if stats["verified"] == count {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(300), "{stats}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn trade(leverage: f64) -> Value {
    json!({
        "features": {"size": 0.5, "leverage": leverage, "price": 0.25, "volume": 0.75, "position_pct": 1.0},
        "metadata": {"symbol": "BTC-USD"},
    })
}

#[test]
fn an_operator_looks_into_the_log_and_an_auditor_judges_what_comes_out() {
    let desk = Desk::new();
    desk.approve();
    let (service, address) = desk.serve();
    let decisions = desk.decide(address, 3);
    let refused = desk.post(address, "/v1/decisions", &trade(3.5));
    assert_eq!(refused["compliant"], false);
    service.terminate();

    // 1. Looking.
    desk.audit(&["prove"], 0);
    let stats: Value = serde_json::from_str(&desk.audit(&["stats", "--json"], 0)).unwrap();
    assert_eq!(
        (&stats["verified"], &stats["violations"]),
        (&json!(4), &json!(1))
    );
    assert!(desk
        .audit(&["stats"], 0)
        .contains("compliance_rate     0.75"));
    let listed = desk.audit(
        &["list", "--where", "symbol=BTC-USD", "--compliant", "false"],
        0,
    );
    assert_eq!(listed.lines().count(), 1 + 1, "{listed}");
    let shown: Value = serde_json::from_str(&desk.audit(&["show", "2", "--json"], 0)).unwrap();
    assert_eq!(shown["receipt"], decisions[0]["receipt"]);
    assert!(desk.audit(&["show", "99"], 65).contains("99"));
    assert!(desk
        .audit(&["verify"], 0)
        .contains("log of 6 entries: whole"));

    // 2. Evidence of a window, judged with what the auditor pinned.
    desk.audit(
        &[
            "export",
            "--metadata",
            "--out",
            "day.evidence",
            "--csv",
            "day.csv",
            "--car",
            "day.car",
        ],
        0,
    );
    let csv = fs::read_to_string(desk.path().join("day.csv")).unwrap();
    assert_eq!(csv.lines().count(), 7, "{csv}");
    assert!(csv.contains(decisions[1]["receipt"].as_str().unwrap()));
    let trust = [
        "--trust",
        "desk/models/first/verifier.bin",
        "--allow-insecure-dev-srs",
    ];
    let verify = |file: &str, more: &[&str], status: i32| {
        ends(
            desk.path(),
            &[&["verify", file], &trust[..], more].concat(),
            status,
        )
    };
    verify("day.evidence", &["--log-key", &desk.log_key], 0);
    let other = initialize(desk.path(), "other").0;
    verify("day.evidence", &["--log-key", &other], 1);
    let mut bytes = fs::read(desk.path().join("day.evidence")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(desk.path().join("bad.evidence"), bytes).unwrap();
    verify("bad.evidence", &["--log-key", &desk.log_key], 1);

    // 3. One decision's input, and nobody else's.
    desk.audit(&["disclose", "3", "--out", "one.evidence"], 0);
    let report = verify("one.evidence", &["--log-key", &desk.log_key, "--json"], 0);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report.to_string().contains("BTC-USD"), "{report:#}");
    desk.audit(&["disclose", "0", "--out", "none.evidence"], 65);
    desk.audit(
        &["disclose", &u64::MAX.to_string(), "--out", "none.evidence"],
        65,
    );
    assert!(!desk.path().join("none.evidence").exists());

    // 4. The venue's orders against the log.
    let receipt = |decision: &Value| decision["receipt"].as_str().unwrap().to_owned();
    let orders = |receipts: &[String]| {
        let text = receipts
            .iter()
            .fold("id,receipt\n".to_owned(), |text, r| text + "1," + r + "\n");
        fs::write(desk.path().join("orders.csv"), text).unwrap();
    };
    let mut receipts: Vec<String> = decisions.iter().map(receipt).collect();
    orders(&receipts);
    desk.audit(&["reconcile", "--orders", "orders.csv"], 0);
    receipts.push("ab".repeat(32));
    orders(&receipts);
    assert!(desk
        .audit(&["reconcile", "--orders", "orders.csv"], 1)
        .contains("abab"));

    // 5. A witness signs, and its signature is asked for.
    let cosign = [
        "audit",
        "cosign",
        "day.evidence",
        "--log-key",
        &desk.log_key,
        "--key",
        "witness.key",
        "--name",
        "witness.example",
        "--memory",
        "seen",
        "--out",
        "checkpoint",
    ];
    let printed = ends(desk.path(), &cosign, 0);
    let witness_key = printed.trim().rsplit(' ').next().unwrap();
    let note = fs::read_to_string(desk.path().join("checkpoint")).unwrap();
    assert!(note.contains("witness.example"), "{note}");
    // The log's operator keeps it: an auditor who pinned the witness sees it in what is exported from now on.
    let keep = ["witnessed", "checkpoint", "--witness-key"];
    desk.audit(&[&keep[..], &[&desk.log_key]].concat(), 65);
    desk.audit(&[&keep[..], &[witness_key]].concat(), 0);
    desk.audit(&["export", "--out", "witnessed.evidence"], 0);
    let pinned = [
        "--log-key",
        desk.log_key.as_str(),
        "--witness-key",
        witness_key,
    ];
    let report = verify("witnessed.evidence", &pinned, 0);
    assert!(report.contains("log.witnesses"), "{report}");

    // 6. A time-stamp authority saw the checkpoint.
    desk.audit(&["timestamp", "--out", "request.tsq"], 0);
    authority(desk.path());
    let export = [
        "export",
        "--out",
        "stamped.evidence",
        "--timestamp",
        "reply.tsr",
    ];
    desk.audit(&export, 0);
    let log_key = ["--log-key", desk.log_key.as_str()];
    let report = verify("stamped.evidence", &log_key, 0);
    assert!(report.contains("verify --tsa"), "{report}");
    let report = verify(
        "stamped.evidence",
        &[&log_key[..], &["--tsa", "root.pem"]].concat(),
        0,
    );
    assert!(report.contains("passed  log.timestamp"), "{report}");
    assert!(!report.contains("verify --tsa"), "{report}");
    let report = verify(
        "stamped.evidence",
        &[&log_key[..], &["--tsa", "stamper.pem"]].concat(),
        1,
    );
    assert!(report.contains("certificate is not accepted"), "{report}");

    // 7. A retired model decides no more.
    let retire = [
        "lifecycle",
        "retire",
        "--model",
        &desk.model,
        "--by",
        "Ada L.",
    ];
    desk.audit(&retire, 0);
    desk.audit(&retire, 65);
    assert!(desk.audit(&export, 65).contains("audit timestamp"));
}

/// Makes an authority with a root of its own, which answers request.tsq with reply.tsr.
fn authority(folder: &Path) {
    let script = r#"
        set -e
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -days 2 -subj /CN=root
        openssl req -newkey rsa:2048 -nodes -keyout stamper.key -out stamper.csr -subj /CN=stamper
        printf 'extendedKeyUsage=critical,timeStamping
basicConstraints=CA:false
' > stamper.ext
        openssl x509 -req -in stamper.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -extfile stamper.ext -out stamper.pem
        printf '[tsa]
default_tsa=a
[a]
serial=serial
default_policy=1.2.3
digests=sha256
signer_digest=sha256
' > tsa.cnf
        echo 01 > serial
        openssl ts -reply -queryfile request.tsq -signer stamper.pem -inkey stamper.key -config tsa.cnf -out reply.tsr
    "#;
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder)
        .output();
    let made = made.expect("sh runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// A NATS server with JetStream of the test's own.
fn nats(folder: &Path, port: u16) -> Process {
    let program = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"]
        .into_iter()
        .find(|program| Path::new(program).exists())
        .expect("nats-server is not installed, and workers are not tested without it: run scripts/ensure-program.sh nats-server nats-server");
    let server = Process::start(
        Command::new(program)
            .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
            .arg(folder.join("jetstream")),
    );
    server.says("Server is ready");
    server
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A worker's folder: a copy of the key and of the models, nothing else.
fn worker_folder(desk: &Desk) -> PathBuf {
    let dir = desk.path().join("worker");
    fs::create_dir_all(dir.join("models/first")).expect("folders");
    fs::copy(desk.path().join("desk/worker.key"), dir.join("worker.key")).expect("the key");
    for file in fs::read_dir(desk.path().join("desk/models/first")).expect("the model") {
        let file = file.expect("a file");
        fs::copy(file.path(), dir.join("models/first").join(file.file_name())).expect("copied");
    }
    dir
}

fn worker(dir: &Path, url: &str) -> Process {
    let worker = Process::start(
        Command::new(env!("CARGO_BIN_EXE_clearproof"))
            .args(["worker", "--nats", url, "--dir"])
            .arg(dir),
    );
    worker.says("waiting for work");
    worker
}

#[test]
fn workers_that_are_killed_leave_their_batches_to_others() {
    let desk = Desk::new();
    desk.approve();
    let port = free_port();
    let url = format!("nats://127.0.0.1:{port}");
    let config = desk.path().join("desk/clearproof.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replace("mode =", &format!("queue = \"{url}\"\nmode =")),
    )
    .unwrap();
    let dir = worker_folder(&desk);
    let unanswered = ["worker", "--nats", &url, "--dir", "worker"];
    assert!(ends(desk.path(), &unanswered, 65).contains("is nats-server running"));
    let keyless = ["worker", "--nats", &url, "--dir", "nowhere"];
    assert!(ends(desk.path(), &keyless, 65).contains("copy the service's worker.key"));

    // 1. The service decides while there is no queue.
    let (service, address) = desk.serve();
    desk.decide(address, 1);
    service.says("the queue does not answer");
    let mut queue = nats(desk.path(), port);
    service.says("the queue answers again");

    // 2. Three workers, killed in turn in the middle of a batch; each batch is proved by another.
    let mut workers: Vec<Process> = (0..3).map(|_| worker(&dir, &url)).collect();
    desk.wait_verified(address, 1);
    let mut decided = 1;
    for turn in 1..=3 {
        // What was said before counts no more.
        workers
            .iter()
            .for_each(|worker| worker.lines.try_iter().for_each(drop));
        desk.decide(address, 2 * BATCH);
        decided += 2 * BATCH;
        let begun = Instant::now();
        let at_work = loop {
            if let Some(at_work) = workers.iter().position(|worker| worker.said("proving")) {
                break at_work;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody proves");
            std::thread::sleep(Duration::from_millis(2));
        };
        workers[at_work].child.kill().expect("killed");
        desk.wait_verified(address, decided);
        let others = |(i, worker): (usize, &Process)| i != at_work && worker.said("proved");
        assert!(workers.iter().enumerate().any(others), "turn {turn}");
        workers[at_work] = worker(&dir, &url);
    }

    // 3. The queue's server is killed and comes back, with batches in it.
    desk.decide(address, 2 * BATCH);
    decided += 2 * BATCH;
    queue.child.kill().expect("killed");
    queue.child.wait().expect("it ends");
    queue = nats(desk.path(), port);
    desk.wait_verified(address, decided);

    // 4. A job that is none goes to the dead letters, and nothing stops for it.
    let stats = desk.stats(address);
    assert_eq!(
        (&stats["failed"], &stats["pending"]),
        (&json!(0), &json!(0)),
        "{stats}"
    );
    let digest = &desk.model;
    let id = fs::read_dir(desk.path().join("jetstream/jetstream/$G/streams")).unwrap();
    let id = id
        .filter_map(|stream| stream.unwrap().file_name().into_string().ok())
        .find_map(|name| {
            Some(
                name.strip_prefix("CLEARPROOF_")?
                    .strip_suffix("_JOBS")?
                    .to_owned(),
            )
        })
        .expect("the stream of jobs");
    let mut line = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        line,
        "CONNECT {{\"verbose\":false}}\r\nPUB clearproof.{id}.jobs.{digest} 5\r\nhello\r\nPING\r\n"
    )
    .unwrap();
    let mut answer = [0; 4096];
    assert!(line.read(&mut answer).unwrap() > 0);
    let start = Instant::now();
    while !workers
        .iter()
        .any(|worker| worker.said("does not open with this worker's key"))
    {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the letter is not dead"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    desk.decide(address, 1);
    desk.wait_verified(address, decided + 1);

    // 5. One proof each, and the log is whole.
    for worker in workers {
        worker.terminate();
    }
    service.terminate();
    drop(queue);
    assert!(desk.audit(&["verify"], 0).contains("that do not: 0"));
}

#[test]
fn a_full_disk_refuses_decisions_and_loses_none() {
    let desk = Desk::new();
    desk.approve();
    let files = fs::read_dir(desk.path().join("desk")).expect("the folder");
    let greatest = files
        .map(|f| f.expect("a file").metadata().expect("its size").len())
        .max();
    // No file may grow by more than this, as on a disk that is nearly full.
    let blocks = (greatest.expect("a file") + (256 << 10)) / 512;
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut limited = Command::new("sh");
    limited.args(["-c", &script, env!("CARGO_BIN_EXE_clearproof")]);
    let (service, address) = desk.serve_by(&mut limited);
    let mut acknowledged = vec![];
    let (status, problem) = loop {
        match desk.decide_one(address) {
            Ok(seq) => acknowledged.push(seq),
            Err(refused) => break refused,
        }
        assert!(acknowledged.len() < 20_000, "the disk was never full");
    };
    assert!(status >= 500, "{status}: {problem}");
    assert!(
        problem["detail"].as_str().is_some_and(|d| !d.is_empty()),
        "{problem}"
    );
    drop(service);

    // With room again it goes on where it stopped.
    let (service, address) = desk.serve();
    acknowledged.push(desk.decide_one(address).expect("there is room"));
    service.terminate();
    let logged = desk.logged();
    for seq in &acknowledged {
        assert!(logged.contains(seq), "{seq} is lost");
    }
    assert_eq!(
        logged.len(),
        acknowledged.len(),
        "a refused trade was logged"
    );
    assert!(desk.audit(&["verify"], 0).contains("that do not: 0"));
}

#[test]
fn a_database_server_that_crashes_loses_no_acknowledged_decision() {
    let cluster = cluster::Cluster::start();
    let desk = Desk::new();
    let config = desk.path().join("desk/clearproof.toml");
    let text = fs::read_to_string(&config).unwrap();
    let store = text
        .lines()
        .find(|line| line.starts_with("store ="))
        .expect("a store");
    let url = cluster.database("desk");
    fs::write(&config, text.replace(store, &format!("store = \"{url}\""))).unwrap();
    desk.approve();
    let (service, address) = desk.serve();
    let mut acknowledged = vec![];
    for _ in 0..3 {
        for _ in 0..5 {
            acknowledged.push(desk.decide_one(address).expect("decided"));
        }
        std::thread::scope(|scope| {
            let crash = scope.spawn(|| cluster.server("restart"));
            while !crash.is_finished() {
                // Refused while there is no server, and loudly.
                match desk.decide_one(address) {
                    Ok(seq) => acknowledged.push(seq),
                    Err((status, problem)) => assert!(status >= 500, "{status}: {problem}"),
                }
            }
        });
        let start = Instant::now();
        loop {
            match desk.decide_one(address) {
                Ok(seq) => break acknowledged.push(seq),
                Err((_, problem)) => {
                    assert!(start.elapsed() < Duration::from_secs(30), "{problem}");
                }
            }
        }
    }
    let stats = desk.stats(address);
    let decisions = stats["decisions"].as_u64().expect("a number") as usize;
    desk.wait_verified(address, decisions);
    service.terminate();
    let logged = desk.logged();
    for seq in &acknowledged {
        assert!(logged.contains(seq), "{seq} is lost");
    }
    assert!(desk.audit(&["verify"], 0).contains("that do not: 0"));
}
