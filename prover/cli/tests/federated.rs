//! `clearproof federated` from outside: rounds, budgets, training certificates, as processes.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use clearproof_federated::training::{onnx, Architecture, Loss, Model};
use rand_core::OsRng;
use serde_json::Value;
use sha2::{Digest, Sha256};

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

/// A coordinator and four parties, each of which can be killed and started again.
struct Processes<'a> {
    folder: &'a Path,
    /// Arguments of the parties, then of the coordinator.
    arguments: Vec<Vec<String>>,
    running: Vec<Option<Running>>,
}

const COORDINATOR: usize = 4;

impl<'a> Processes<'a> {
    fn new(folder: &'a Path, coordinator: &[&str], party: impl Fn(usize) -> Vec<String>) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("bound").to_string();
        let own = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
        let mut arguments: Vec<Vec<String>> = (1..=4)
            .map(|number| {
                let home = format!("federation/party-{number}");
                let fixed = ["federated", "party", &home, "--connect", &address];
                [own(&fixed), party(number), own(&["--timeout-s", "300"])].concat()
            })
            .collect();
        let home = "federation/coordinator";
        let fixed = ["federated", "coordinate", home, "--listen", &address];
        arguments.push([own(&fixed), own(coordinator)].concat());
        Self {
            folder,
            arguments,
            running: (0..5).map(|_| None).collect(),
        }
    }

    fn start(&mut self, which: usize) {
        let arguments: Vec<&str> = self.arguments[which].iter().map(String::as_str).collect();
        let mut command = command(self.folder, &arguments);
        let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
        self.running[which] = Some(Running(command.spawn().expect("it starts")));
    }

    /// SIGKILL, in whatever it is at, and again from the disk.
    fn kill_and_start(&mut self, which: usize) {
        let mut process = self.running[which].take().expect("it runs");
        process.0.kill().expect("killed");
        process.0.wait().expect("gone");
        self.start(which);
    }

    /// Whether it has ended; it must have ended well.
    fn has_ended(&mut self, which: usize) -> bool {
        let Some(process) = &mut self.running[which] else {
            return true;
        };
        let Some(status) = process.0.try_wait().expect("a child") else {
            return false;
        };
        let mut error = String::new();
        let stderr = process.0.stderr.as_mut().expect("piped");
        std::io::Read::read_to_string(stderr, &mut error).expect("text");
        assert!(status.success(), "{:?}: {error}", self.arguments[which]);
        self.running[which] = None;
        true
    }

    /// Until all have ended. A coordinator that ended before a party could fetch the rest is started again.
    fn finish(&mut self) {
        while (0..COORDINATOR)
            .filter(|party| !self.has_ended(*party))
            .count()
            > 0
        {
            if self.has_ended(COORDINATOR) {
                self.start(COORDINATOR);
            }
            sleep(Duration::from_millis(20));
        }
        while !self.has_ended(COORDINATOR) {
            sleep(Duration::from_millis(20));
        }
    }
}

/// Below `most`, another each time.
fn random(most: u64) -> u64 {
    RandomState::new().build_hasher().finish() % most
}

fn debits(folder: &Path, party: usize) -> usize {
    let path = folder.join(format!("federation/party-{party}/budget.json"));
    let ledger = json(&fs::read_to_string(path).expect("debited"));
    ledger["rounds"].as_array().expect("a list").len()
}

#[test]
fn processes_that_are_killed_at_any_time_give_the_sum_of_an_undisturbed_round() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let mut provision = vec![
        "federated",
        "provision",
        "--parties",
        "Alpha,Beta,Gamma,Delta",
    ];
    provision.extend(["--coordinates", "8", "--bits", "24", "--log-rows", "6"]);
    provision.extend([
        "--clip-norm",
        "5000",
        "--noise-norm",
        "2000000",
        "--epsilon",
        "1",
    ]);
    provision.extend(["--noise-multiplier", "4", "--without-norm-proofs"]);
    provision.extend(["--out", "federation"]);
    run(folder, &provision, 0);
    for party in 1..=4 {
        let update = format!(
            r#"{{"clipped": [1, -2, 3, -4, 5, -6, 7, {party}], "noise": [9000, -1, 100, -11000, 4, 5, 6, {party}00]}}"#
        );
        fs::write(folder.join(format!("update-{party}.json")), update).expect("writable");
    }
    let coordinator = ["--certificate", "relay.bin"];
    let mut all = Processes::new(folder, &coordinator, |number| {
        let own = |text: &str| format!("{text}-{number}.json");
        let arguments = ["--update", &own("update"), "--out", &own("sum")];
        arguments.map(str::to_owned).to_vec()
    });
    // Three of four: the round cannot end before the last one is there.
    for which in [COORDINATOR, 0, 1, 2] {
        all.start(which);
    }
    let mut moments = vec![];
    for which in [0, COORDINATOR, 1, COORDINATOR, 2, 0] {
        moments.push(random(300));
        sleep(Duration::from_millis(moments[moments.len() - 1]));
        all.kill_and_start(which);
    }
    all.start(3);
    // From here on the round may be over at any time; what is over already is not killed.
    for which in [3, COORDINATOR, 1, 0, COORDINATOR, 2, 3] {
        moments.push(random(120));
        sleep(Duration::from_millis(moments[moments.len() - 1]));
        if !all.has_ended(which) {
            all.kill_and_start(which);
        }
    }
    eprintln!("killed after so many milliseconds each: {moments:?}");
    all.finish();
    for party in 1..=4 {
        let sum = fs::read_to_string(folder.join(format!("sum-{party}.json")));
        let sum = json(&sum.expect("written"));
        assert_eq!(sum["parties"], serde_json::json!([1, 2, 3, 4]));
        let expected = [36004, -12, 412, -44016, 36, -4, 52, 1010];
        assert_eq!(sum["sum"], serde_json::json!(expected));
        assert_eq!(sum["blamed"], serde_json::json!([]));
        assert_eq!(debits(folder, party), 1);
    }
    let verify = [
        "federated",
        "verify",
        "relay.bin",
        "--roster",
        "federation/roster.json",
    ];
    run(folder, &verify, VALID);
}

/// Folders of a training of three rounds, and data of the plane that a line divides.
fn provision_training(folder: &Path, more: &[&str]) {
    provision_rounds(folder, 3, 5, more);
}

/// The same with so many rounds and spare attempts.
fn provision_rounds(folder: &Path, rounds: u32, spare: u32, more: &[&str]) {
    let architecture = Architecture::mlp(2, &[4], 1, Loss::Logistic).expect("an architecture");
    let model = Model::initialized(architecture, &mut OsRng);
    fs::write(folder.join("first.onnx"), onnx::write(&model)).expect("writable");
    let training = serde_json::json!({
        "rounds": rounds, "spare": spare, "most_examples": 40,
        "steps": {
            "sampling_rate": 0.5, "clip_norm": 1.0, "log_scale": 12, "records": 160,
            "rule": {"sgd": {"learning_rate": 1.0, "momentum": 0.5}},
        },
    });
    fs::write(folder.join("training.json"), training.to_string()).expect("writable");
    let mut provision = vec![
        "federated",
        "provision",
        "--parties",
        "Alpha,Beta,Gamma,Delta",
    ];
    provision.extend(["--model", "first.onnx", "--training", "training.json"]);
    provision.extend(["--bits", "24", "--log-rows", "9", "--epsilon", "8"]);
    provision.extend(["--out", "federation"]);
    provision.extend(more);
    run(folder, &provision, 0);
    for party in 1..=4 {
        let unit = || random(2001) as f32 / 1000.0 - 1.0;
        let features: Vec<[f32; 2]> = (0..40).map(|_| [unit(), unit()]).collect();
        let labels: Vec<u32> = features.iter().map(|p| (p[0] > p[1]).into()).collect();
        let data = serde_json::json!({"features": features, "labels": labels});
        let path = folder.join(format!("data-{party}.json"));
        fs::write(path, data.to_string()).expect("writable");
    }
}

fn trainee(number: usize) -> Vec<String> {
    let (data, model) = (
        format!("data-{number}.json"),
        format!("model-{number}.onnx"),
    );
    let certificate = format!("party-{number}.bin");
    let arguments = [
        "--data",
        &data,
        "--out",
        &model,
        "--certificate",
        &certificate,
    ];
    arguments.map(str::to_owned).to_vec()
}

/// All parties have one model; each certificate names it, and holds three rounds that all signed. Gives the releases.
#[track_caller]
fn check_training(folder: &Path, certificates: &[&str]) -> u64 {
    let model = fs::read(folder.join("model-1.onnx")).expect("written");
    assert_ne!(model, fs::read(folder.join("first.onnx")).expect("written"));
    let digest: String = Sha256::digest(&model)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    for party in 2..=4 {
        let other = fs::read(folder.join(format!("model-{party}.onnx")));
        assert!(other.expect("written") == model, "party {party}");
    }
    let mut releases = 0;
    for certificate in certificates {
        let roster = "federation/roster.json";
        let arguments = [
            "federated",
            "verify",
            certificate,
            "--roster",
            roster,
            "--json",
        ];
        let report = json(&run(folder, &arguments, VALID).0);
        assert_eq!(
            (&report["rounds"], &report["model"]),
            (&3.into(), &digest.as_str().into())
        );
        for name in [
            "training.models",
            "training.signatures",
            "privacy.accountant",
        ] {
            assert_eq!(check(&report, name)["result"], "passed", "{name}");
        }
        releases = report["privacy"]["rounds"].as_u64().expect("a number");
    }
    releases
}

#[test]
fn a_training_of_several_rounds_among_processes_is_certified() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    provision_training(folder, &[]);
    let mut all = Processes::new(folder, &["--certificate", "relay.bin"], trainee);
    (0..5).for_each(|which| all.start(which));
    all.finish();
    let releases = check_training(folder, &["party-1.bin", "party-3.bin", "relay.bin"]);
    assert_eq!((releases, debits(folder, 2)), (3, 3));
    // What an attempt alone needed is gone: updates, seeds, what was received.
    for party in 1..=4 {
        let files = fs::read_dir(folder.join(format!("federation/party-{party}")));
        for file in files.expect("a folder") {
            let name = file.expect("a file").file_name();
            assert!(!name.to_string_lossy().starts_with("round-"), "{name:?}");
        }
    }
    // A party that is started again has its results, without anybody.
    fs::remove_file(folder.join("model-2.onnx")).expect("written");
    all.start(1);
    while !all.has_ended(1) {
        sleep(Duration::from_millis(20));
    }
    check_training(folder, &["party-2.bin"]);
}

#[test]
fn who_cannot_prove_the_constraints_takes_no_part_and_the_certificate_holds_the_proofs_of_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // 1. Constraints, and a key that two contributed to.
    let statement = serde_json::json!({"compliance": {
        "fields": ["num_samples", "positives", "age_min"],
        "constraints": [{"name": "num_samples", "min": 30, "required_fields": ["age_min"]}],
        "linear": [{
            "name": "few positives", "relation": "at-most", "constant": 0,
            "terms": {"positives": 2, "num_samples": -1},
        }],
    }});
    fs::write(folder.join("statement.json"), statement.to_string()).expect("writable");
    let tau = "--insecure-dev-tau";
    let new = ["ceremony", "new", "statement.json", tau, "--out", "0"];
    run(folder, &new, VALID);
    for (before, name, after) in [("0", "Alpha", "1"), ("1", "Beta", "2")] {
        let arguments = [
            "ceremony",
            "contribute",
            before,
            "--name",
            name,
            "--out",
            after,
        ];
        run(folder, &arguments, VALID);
    }
    let more = ["--without-norm-proofs", "--constraints", "2", tau];
    provision_training(folder, &more);
    // 2. All but the last party satisfy them.
    let fields = |number: usize, text: &str| {
        fs::write(folder.join(format!("fields-{number}.json")), text).expect("writable");
    };
    for number in 1..=3 {
        let text =
            format!(r#"{{"num_samples": {number}40, "positives": {number}9, "age_min": 0}}"#);
        fields(number, &text);
    }
    let mut all = Processes::new(folder, &["--certificate", "relay.bin"], |number| {
        let fields = ["--fields".to_owned(), format!("fields-{number}.json")];
        [trainee(number), fields.to_vec()].concat()
    });
    for which in [COORDINATOR, 0, 1, 2] {
        all.start(which);
    }
    let refused = |arguments: &[String]| -> String {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (out, error) = run(folder, &arguments, USAGE);
        assert_eq!((out.as_str(), error.lines().count()), ("", 1), "{error}");
        error
    };
    let last = all.arguments[3].clone();
    let bad = [
        (
            r#"{"num_samples": 29, "positives": 1, "age_min": 0}"#,
            "the field num_samples is outside of what constraint num_samples allows",
        ),
        (
            r#"{"num_samples": 40, "positives": 1}"#,
            "constraint num_samples requires the field age_min, which has no value; supply it",
        ),
        (
            r#"{"num_samples": 40, "positives": 21, "age_min": 0}"#,
            "constraint few positives does not hold; nothing false can be proved",
        ),
        (
            r#"{"num_samples": 40, "positives": 1, "age_min": 0, "shoe": 1}"#,
            "the statement knows no field shoe",
        ),
    ];
    for (text, sentence) in bad {
        fields(4, text);
        let error = refused(&last);
        assert!(error.contains(sentence), "{error}");
    }
    let mut without = last.clone();
    let at = without.iter().position(|argument| argument == "--fields");
    without.drain(at.expect("given")..at.expect("given") + 2);
    let without = refused(&without);
    let sentence =
        "about the private fields num_samples, positives, age_min; give them with --fields";
    assert!(without.contains(sentence), "{without}");
    // Nothing was debited, dealt or said.
    assert_eq!(debits_so_far(folder, 4), 0);
    assert!((0..3).all(|party| !all.has_ended(party)));
    // 3. With fields that satisfy them it comes along; killed now and then, as another is.
    fields(4, r#"{"num_samples": 40, "positives": 20, "age_min": -3}"#);
    all.start(3);
    for which in [3, 0, COORDINATOR, 3] {
        sleep(Duration::from_millis(random(150)));
        if !all.has_ended(which) {
            all.kill_and_start(which);
        }
    }
    all.finish();
    // 4. Each proved once, and an auditor sees what; the trial's powers are refused unless allowed.
    for certificate in ["party-1.bin", "party-4.bin", "relay.bin"] {
        let verify = [
            "federated",
            "verify",
            certificate,
            "--roster",
            "federation/roster.json",
            "--json",
            "--ceremony",
            "2",
            tau,
        ];
        let report = json(&run(folder, &verify, INVALID).0);
        assert_eq!(check(&report, "compliance.setup")["result"], "failed");
        let allowed = [&verify[..], &["--allow-insecure-setup"]].concat();
        let report = json(&run(folder, &allowed, VALID).0);
        let proven = report["compliance"].as_array().expect("a list");
        let parties: Vec<_> = proven.iter().map(|c| c["party"].as_u64()).collect();
        assert_eq!(parties, [Some(0), Some(1), Some(2), Some(3)]);
        assert!(proven
            .iter()
            .all(|c| json(c["statement"].as_str().expect("text")) == statement));
        let signed = report["parties"].as_array().expect("a list");
        assert!(signed.iter().all(|party| party["signed"] == true));
        for name in ["compliance.proof", "compliance.ceremony"] {
            assert_eq!(check(&report, name)["result"], "passed", "{name}");
        }
        // Another ceremony than theirs.
        let mut other = allowed.clone();
        other[7] = "1";
        let report = json(&run(folder, &other, INVALID).0);
        assert_eq!(check(&report, "compliance.ceremony")["result"], "failed");
    }
    assert_eq!(debits(folder, 4), 3);
    // 5. Where nothing was agreed, fields are refused; and a ceremony is checked before it is provisioned.
    let mut provision = vec!["federated", "provision", "--parties", "A,B,C"];
    provision.extend(["--model", "first.onnx", "--training", "training.json"]);
    provision.extend(["--bits", "24", "--log-rows", "9", "--without-norm-proofs"]);
    provision.extend(["--out", "other", "--constraints", "0", tau]);
    let (_, error) = run(folder, &provision, BAD_INPUT);
    assert!(error.contains("the set-up is insecure"), "{error}");
    run(folder, &provision[..provision.len() - 3], VALID);
    let mut unasked = last.clone();
    unasked[2] = "other/party-1".to_owned();
    let error = refused(&unasked);
    assert!(
        error.contains("asks for no proofs about private fields"),
        "{error}"
    );
}

#[test]
fn a_training_whose_processes_are_killed_tries_again_and_debits_every_attempt_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    provision_training(folder, &["--without-norm-proofs"]);
    let coordinator = ["--certificate", "relay.bin", "--step-timeout-s", "3"];
    let mut all = Processes::new(folder, &coordinator, trainee);
    // 1. Two of four holders are no quorum: when time is up, the first attempt is over.
    for which in [COORDINATOR, 0, 1] {
        all.start(which);
    }
    while debits_so_far(folder, 1) < 2 {
        assert!(!all.has_ended(0));
        sleep(Duration::from_millis(20));
    }
    // From here on a step may last.
    *all.arguments[COORDINATOR].last_mut().expect("seconds") = "300".to_owned();
    all.kill_and_start(COORDINATOR);
    // 2. The others hear of it, and come along; everybody is killed now and then.
    all.start(2);
    all.start(3);
    for which in [0, COORDINATOR, 2, 1, COORDINATOR, 3] {
        sleep(Duration::from_millis(random(250)));
        if !all.has_ended(which) {
            all.kill_and_start(which);
        }
    }
    all.finish();
    let releases = check_training(folder, &["party-1.bin", "party-4.bin", "relay.bin"]);
    assert!((4..=8).contains(&releases), "{releases}");
    for party in 1..=4 {
        assert_eq!(debits(folder, party) as u64, releases);
    }
}

#[test]
fn a_training_that_ends_without_a_sum_lists_that_attempt_in_its_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    provision_rounds(folder, 60, 0, &["--without-norm-proofs"]);
    let coordinator = ["--certificate", "relay.bin", "--step-timeout-s", "5"];
    let mut all = Processes::new(folder, &coordinator, trainee);
    (0..5).for_each(|which| all.start(which));
    // 1. Two of four holders are gone for good after some rounds: no quorum.
    while debits_so_far(folder, 1) < 3 {
        assert!(!all.has_ended(0));
        sleep(Duration::from_millis(5));
    }
    all.running[2] = None;
    all.running[3] = None;
    for which in [0, 1, COORDINATOR] {
        let mut process = all.running[which].take().expect("it runs");
        let status = process.0.wait().expect("it ends");
        let mut error = String::new();
        let stderr = process.0.stderr.as_mut().expect("piped");
        std::io::Read::read_to_string(stderr, &mut error).expect("text");
        assert_eq!(status.code(), Some(USAGE), "{error}");
        let last = error.lines().last().expect("a sentence");
        assert!(last.contains("ended"), "{error}");
    }
    // 2. The rounds that gave a sum, and the attempt that did not, as all who are left saw them.
    let releases = debits(folder, 1) as u64;
    let check_all = |certificates: &[&str]| {
        for certificate in certificates {
            let verify = ["federated", "verify", certificate, "--roster"];
            let verify = [&verify[..], &["federation/roster.json", "--json"]].concat();
            let report = json(&run(folder, &verify, VALID).0);
            assert_eq!(report["rounds"], releases - 1, "{certificate}");
            assert_eq!(report["privacy"]["rounds"], releases, "{certificate}");
            let parties = report["parties"].as_array().expect("a list");
            let signed: Vec<_> = parties.iter().map(|p| p["signed"].as_bool()).collect();
            assert_eq!(signed, [true, true, false, false].map(Some));
        }
    };
    check_all(&["party-1.bin", "party-2.bin", "relay.bin"]);
    // 3. Started again, a party says so again, and debits nothing.
    fs::remove_file(folder.join("party-1.bin")).expect("written");
    let again: Vec<&str> = all.arguments[0].iter().map(String::as_str).collect();
    let (_, error) = run(folder, &again, USAGE);
    assert!(error.contains("too many attempts gave none"), "{error}");
    check_all(&["party-1.bin"]);
    assert_eq!(debits(folder, 1) as u64, releases);
}

fn debits_so_far(folder: &Path, party: usize) -> usize {
    let path = folder.join(format!("federation/party-{party}/budget.json"));
    match path.exists() {
        true => debits(folder, party),
        false => 0,
    }
}
