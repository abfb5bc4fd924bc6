//! `clearproof federated` from outside: rounds, budgets, training certificates, as processes.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const VALID: i32 = 0;
const INVALID: i32 = 1;
const CANNOT_TELL: i32 = 2;
const USAGE: i32 = 64;
const BAD_INPUT: i32 = 65;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearproof"));
    command.args(arguments).current_dir(folder);
    command
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str], status: i32) -> (String, String) {
    let output = command(folder, arguments).output().expect("it starts");
    texts(&output, arguments, status)
}

#[track_caller]
fn texts(output: &Output, arguments: &[&str], status: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}\n{out}\n{error}"
    );
    (out, error)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().expect("a list");
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {report:#}"))
}

const SIMULATE: [&str; 12] = [
    "federated",
    "simulate",
    "--parties",
    "4",
    "--coordinates",
    "300",
    "--bits",
    "24",
    "--log-rows",
    "9",
    "--rounds",
    "2",
];
const PRIVATE: [&str; 4] = ["--epsilon", "2", "--budget", "budgets"];

#[test]
fn a_simulation_writes_a_certificate_that_verifies_and_keeps_to_its_budget() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let arguments = [&SIMULATE[..], &PRIVATE, &["--norm-proofs", "--out", "out"]].concat();
    let (out, _) = run(folder, &arguments, 0);
    assert!(out.contains("privacy spent: epsilon 1.9"), "{out}");
    // 1. Valid for who knows the roster; for others it cannot be told who made it.
    let verify = ["federated", "verify", "out/certificate.bin", "--json"];
    let pinned = [&verify[..], &["--roster", "out/roster.json"]].concat();
    let (out, _) = run(folder, &pinned, VALID);
    let report = json(&out);
    assert_eq!(report["rounds"], 2);
    assert_eq!(report["privacy"]["rounds"], 2);
    assert!(report["privacy"]["epsilon"]
        .as_f64()
        .is_some_and(|e| e > 1.9 && e <= 2.0));
    for name in [
        "training.survivors",
        "training.norms",
        "training.sums",
        "training.models",
        "privacy.noise",
        "privacy.accountant",
        "training.circuits",
        "training.signatures",
    ] {
        assert_eq!(check(&report, name)["result"], "passed", "{name}");
    }
    let claimed = report["notChecked"].to_string();
    assert!(claimed.contains("num_samples"), "{claimed}");
    let (out, error) = run(folder, &verify, CANNOT_TELL);
    assert_eq!(check(&json(&out), "training.roster")["result"], "unknown");
    assert!(error.contains("--roster"), "{error}");
    // 2. Another roster, a changed file, no file.
    let roster = fs::read_to_string(folder.join("out/roster.json")).expect("written");
    fs::write(
        folder.join("other.json"),
        roster.replace("party 1", "party 9"),
    )
    .expect("writable");
    let other = [&verify[..], &["--roster", "other.json"]].concat();
    let (out, _) = run(folder, &other, INVALID);
    assert_eq!(check(&json(&out), "training.roster")["result"], "failed");
    let mut bytes = fs::read(folder.join("out/certificate.bin")).expect("written");
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    fs::write(folder.join("bent.bin"), bytes).expect("writable");
    let (out, _) = run(
        folder,
        &[
            "federated",
            "verify",
            "bent.bin",
            "--roster",
            "out/roster.json",
        ],
        INVALID,
    );
    assert!(out.contains("failed  training.signatures"), "{out}");
    let (_, error) = run(folder, &["federated", "verify", "nothing.bin"], BAD_INPUT);
    assert!(error.contains("nothing.bin"), "{error}");
    fs::write(folder.join("noroster.json"), "{}").expect("writable");
    let (_, error) = run(
        folder,
        &[
            "federated",
            "verify",
            "bent.bin",
            "--roster",
            "noroster.json",
        ],
        BAD_INPUT,
    );
    assert!(error.contains("not a roster"), "{error}");
    // 3. The budgets are spent: the next round is refused, and nothing is written.
    let ledger = |party: u32| {
        let path = folder.join(format!("budgets/party-{party}.json"));
        json(&fs::read_to_string(path).expect("a budget"))["rounds"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!(ledger(4), Some(2));
    let again = [&SIMULATE[..], &PRIVATE, &["--out", "again"]].concat();
    let (_, error) = run(folder, &again, USAGE);
    assert!(error.contains("above the budget of 2"), "{error}");
    assert!(!folder.join("again").exists());
    assert_eq!(ledger(1), Some(2));
}

#[test]
fn an_aborted_round_stays_debited() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // Two of four holders fall silent: three would be a quorum.
    let mut arguments = SIMULATE.to_vec();
    arguments[11] = "1";
    arguments.extend(PRIVATE);
    arguments.extend(["--dropouts", "2"]);
    let (_, error) = run(folder, &arguments, USAGE);
    assert!(error.contains("ended without a sum"), "{error}");
    for party in 1..=4 {
        let path = folder.join(format!("budgets/party-{party}.json"));
        let ledger = json(&fs::read_to_string(path).expect("a budget"));
        assert_eq!(ledger["rounds"].as_array().map(Vec::len), Some(1));
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn coordinator_and_parties_write_the_certificate_that_all_signed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let provision = [
        "federated",
        "provision",
        "--parties",
        "Alpha,Beta,Gamma,Delta",
        "--coordinates",
        "8",
        "--bits",
        "24",
        "--log-rows",
        "9",
        "--clip-norm",
        "5000",
        "--noise-norm",
        "2000000",
        "--epsilon",
        "1",
        "--noise-multiplier",
        "4",
        "--out",
        "federation",
    ];
    run(folder, &provision, 0);
    // Noise of the agreed size; its distribution is the party's claim.
    fs::write(
        folder.join("update.json"),
        r#"{"clipped": [1, -2, 3, -4, 5, -6, 7, -8], "noise": [9000, -1, 100, -11000, 4, 5, 6, 7]}"#,
    )
    .expect("writable");
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("bound").to_string()
    };
    let start = |arguments: &[&str]| {
        let mut command = command(folder, arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().expect("it starts"))
    };
    let coordinator = start(&[
        "federated",
        "coordinate",
        "federation/coordinator",
        "--listen",
        &address,
        "--certificate",
        "relay.bin",
    ]);
    let parties: Vec<Running> = (1..=4)
        .map(|party| {
            let (own, out) = (
                format!("federation/party-{party}"),
                format!("sum-{party}.json"),
            );
            let certificate = format!("party-{party}.bin");
            start(&[
                "federated",
                "party",
                &own,
                "--connect",
                &address,
                "--update",
                "update.json",
                "--out",
                &out,
                "--certificate",
                &certificate,
                "--timeout-s",
                "300",
            ])
        })
        .collect();
    for mut process in parties.into_iter().chain([coordinator]) {
        let status = process.0.wait().expect("it ends");
        let mut error = String::new();
        let stderr = process.0.stderr.as_mut().expect("piped");
        std::io::Read::read_to_string(stderr, &mut error).expect("text");
        assert!(status.success(), "{error}");
    }
    let sum = json(&fs::read_to_string(folder.join("sum-1.json")).expect("written"));
    assert_eq!(sum["sum"][0], 4 * 9001);
    for certificate in ["party-1.bin", "party-4.bin", "relay.bin"] {
        let arguments = [
            "federated",
            "verify",
            certificate,
            "--roster",
            "federation/roster.json",
            "--json",
        ];
        let (out, _) = run(folder, &arguments, VALID);
        let report = json(&out);
        let parties = report["parties"].as_array().expect("a list");
        assert!(
            parties.iter().all(|party| party["signed"] == true),
            "{certificate}: {report:#}"
        );
        assert_eq!(check(&report, "training.norms")["result"], "passed");
    }
    let ledger = fs::read_to_string(folder.join("federation/party-2/budget.json"));
    let ledger = json(&ledger.expect("debited"));
    assert_eq!(ledger["rounds"].as_array().map(Vec::len), Some(1));
}
