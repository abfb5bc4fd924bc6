//! The command from outside: bad input ends in one sentence, the right exit status, and nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const USAGE: i32 = 64;
const BAD_INPUT: i32 = 65;
const CANNOT_WRITE: i32 = 74;

fn clearproof(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clearproof"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the command starts")
}

fn example_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models/compliance.onnx")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut names: Vec<String> = entries
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// The command fails with `status`, one line on standard error that contains each of `words`, and leaves the
/// folder as it was.
#[track_caller]
fn fails(folder: &Path, arguments: &[&str], status: i32, words: &[&str]) {
    let before = names(folder);
    let output = clearproof(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {stderr}"
    );
    let sentences: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("clearproof: "))
        .collect();
    assert_eq!(sentences.len(), 1, "{arguments:?}: {stderr}");
    for word in words {
        assert!(
            sentences[0].contains(word),
            "{arguments:?}: no {word:?} in {stderr}"
        );
    }
    assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    assert_eq!(names(folder), before, "{arguments:?} left something behind");
}

#[test]
fn help_and_version_are_no_failures() {
    let folder = tempfile::tempdir().unwrap();
    for argument in ["--help", "--version"] {
        let output = clearproof(folder.path(), &[argument]);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty());
        assert!(String::from_utf8_lossy(&output.stdout).contains("clearproof"));
    }
}

#[test]
fn a_wrong_command_line_is_told_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = example_model();
    let model = path(&model);
    fails(folder, &[], USAGE, &["--help"]);
    fails(folder, &["frobnicate"], USAGE, &["frobnicate", "--help"]);
    fails(folder, &["compile", model], USAGE, &["--out"]);
    fails(
        folder,
        &["compile", model, "--out", "a", "--batch", "0"],
        USAGE,
        &["--batch"],
    );
    fails(
        folder,
        &["compile", model, "--out", "a", "--scheme", "kzg"],
        USAGE,
        &["--srs"],
    );
    fails(
        folder,
        &["compile", model, "--out", "a", "--insecure-dev-srs"],
        USAGE,
        &["--scheme kzg"],
    );
    fails(folder, &["verify"], USAGE, &["FILE"]);
}

#[test]
fn a_model_that_is_none_is_a_bad_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = fs::read(example_model()).unwrap();
    fs::write(folder.join("empty.onnx"), b"").unwrap();
    fs::write(folder.join("text.onnx"), b"this is no model\n").unwrap();
    fs::write(folder.join("truncated.onnx"), &model[..model.len() / 2]).unwrap();
    fs::create_dir(folder.join("folder.onnx")).unwrap();
    for name in [
        "empty.onnx",
        "text.onnx",
        "truncated.onnx",
        "folder.onnx",
        "missing.onnx",
    ] {
        fails(folder, &["inspect", name], BAD_INPUT, &[name]);
        fails(
            folder,
            &["compile", name, "--out", "out"],
            BAD_INPUT,
            &[name],
        );
    }
    fails(
        folder,
        &["inspect", "missing.onnx"],
        BAD_INPUT,
        &["does not exist"],
    );
}

#[cfg(unix)]
#[test]
fn an_oversized_model_is_refused_without_reading_it_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join("huge.onnx")).unwrap();
    // Sparse: takes no room.
    file.set_len(1 << 40).unwrap();
    fails(
        folder.path(),
        &["inspect", "huge.onnx"],
        BAD_INPUT,
        &["huge.onnx", "larger than"],
    );
}

#[test]
fn an_unsupported_operator_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // Same length, so that the protobuf stays well-formed: the sigmoid becomes an operator nobody has.
    let mut model = fs::read(example_model()).unwrap();
    let at = model
        .windows(7)
        .position(|w| w == b"Sigmoid")
        .expect("the example has a Sigmoid");
    model[at..at + 7].copy_from_slice(b"Sigmund");
    fs::write(folder.path().join("odd.onnx"), &model).unwrap();
    fails(
        folder.path(),
        &["compile", "odd.onnx", "--out", "out"],
        BAD_INPUT,
        &["Sigmund", "score"],
    );
    // Not the first alone: every node that cannot be proved.
    let at = model
        .windows(4)
        .position(|w| w == b"Relu")
        .expect("the example has a Relu");
    model[at..at + 4].copy_from_slice(b"Rolu");
    fs::write(folder.path().join("odd.onnx"), &model).unwrap();
    let output = clearproof(folder.path(), &["inspect", "odd.onnx"]);
    assert_eq!(output.status.code(), Some(BAD_INPUT));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Sigmund") && text.contains("Rolu"), "{text}");
}

#[test]
fn a_weight_that_is_no_number_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bad) in [("nan.onnx", f32::NAN), ("infinite.onnx", f32::INFINITY)] {
        let mut model = fs::read(example_model()).unwrap();
        // The first initialiser's data: 50 floats behind its name.
        let name_at = model
            .windows(13)
            .rposition(|w| w == b"hidden.weight")
            .expect("the initialiser has a name");
        let data = name_at + 13 + 3;
        model[data..data + 4].copy_from_slice(&bad.to_le_bytes());
        fs::write(folder.path().join(name), &model).unwrap();
        fails(
            folder.path(),
            &["compile", name, "--out", "out"],
            BAD_INPUT,
            &[name, "finite"],
        );
    }
}

#[test]
fn an_existing_folder_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/opening.bin"), b"the only one").unwrap();
    let model = example_model();
    fails(
        folder.path(),
        &["compile", path(&model), "--out", "out"],
        USAGE,
        &["out exists", "--out"],
    );
    assert_eq!(
        fs::read(folder.path().join("out/opening.bin")).unwrap(),
        b"the only one"
    );
}

#[test]
fn evidence_that_is_missing_is_a_bad_file_and_one_that_is_none_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("noise"), b"\x00\x01noise").unwrap();
    fails(
        folder.path(),
        &["verify", "missing"],
        BAD_INPUT,
        &["missing", "does not exist"],
    );
    fails(
        folder.path(),
        &["verify", "noise", "--trust", "missing"],
        BAD_INPUT,
        &["missing"],
    );
    let output = clearproof(folder.path(), &["verify", "noise", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "invalid");
}

#[test]
fn a_dynamic_model_has_a_batch_dimension() {
    let folder = tempfile::tempdir().unwrap();
    let model = example_model();
    let arguments = ["inspect", path(&model), "--no-batch"];
    fails(folder.path(), &arguments, BAD_INPUT, &["dynamic"]);
}

#[test]
fn inspect_prints_operators_and_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let model = example_model();
    let output = clearproof(folder.path(), &["inspect", path(&model), "--json"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["parameters"], 71);
    assert_eq!(shown["supported"], true);
    let output = clearproof(folder.path(), &["inspect", path(&model)]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("71 parameters") && text.contains("estimated cost"));
    succeeds(
        folder.path(),
        &["inspect", path(&model), "--svg", "graph.svg"],
    );
    let picture = fs::read_to_string(folder.path().join("graph.svg")).unwrap();
    assert!(
        picture.contains("</svg>") && picture.contains("Relu [10]"),
        "{picture}"
    );
    // The estimate is that of the circuit that `compile` makes.
    succeeds(folder.path(), &["compile", path(&model), "--out", "out"]);
    let report = fs::read(folder.path().join("out/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let [kzg, ipa] = shown["estimates"].as_array().unwrap().as_slice() else {
        panic!("one estimate a scheme")
    };
    assert_eq!(
        (&kzg["scheme"], &ipa["scheme"]),
        (&"kzg".into(), &"ipa".into())
    );
    for field in [
        "k",
        "advice_columns",
        "fixed_columns",
        "lanes",
        "weight_columns",
    ] {
        assert_eq!(ipa[field], report["circuit"][field], "{field}");
    }
    assert!(text.contains(&ipa["evidence_bytes"].to_string()));
    for cost in [
        "prove_cpu_s",
        "prove_memory_bytes",
        "verify_s",
        "evidence_bytes",
    ] {
        assert!(kzg[cost].as_f64().unwrap() > 0.0, "{cost}");
        assert!(
            ipa[cost].as_f64().unwrap() >= kzg[cost].as_f64().unwrap() / 2.0,
            "{cost}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_clearproof"))
        .args(["inspect", path(&example_model())])
        .current_dir(folder.path())
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(CANNOT_WRITE));
}

/// A folder with the example compiled as `approved`, three rows as `rows.json`, and their evidence.
fn compiled() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let (model, trades) = (example_model(), example_trades());
        let sample = ["--calibration", path(&trades), "--columns", COLUMNS];
        succeeds(
            &folder,
            &[
                &["compile", path(&model), "--out", "approved", "--batch", "2"],
                &sample[..],
            ]
            .concat(),
        );
        fs::write(folder.join("rows.json"), ROWS).unwrap();
        succeeds(
            &folder,
            &[
                "prove",
                "approved",
                "--input",
                "rows.json",
                "--out",
                "evidence",
            ],
        );
        folder
    })
}

const COLUMNS: &str = "size,leverage,price,volume,position_pct";
const ROWS: &str = r#"{"input_data": [[1.5, 2.0, 0.5, 3.0, 0.2, 6.0, 4.5, 0.9, 1.0, 2.0, 0.5, 1.0, 0.4, 2.0, 0.1]]}"#;

fn example_trades() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/trades.csv")
}

#[track_caller]
fn succeeds(folder: &Path, arguments: &[&str]) -> Output {
    let output = clearproof(folder, arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[test]
fn verify_tells_trusted_from_untrusted_from_tampered() {
    let folder = compiled();
    let trusted = [
        "verify",
        "evidence",
        "--trust",
        "approved/verifier.bin",
        "--json",
    ];
    let report: serde_json::Value =
        serde_json::from_slice(&succeeds(folder, &trusted).stdout).unwrap();
    assert_eq!(report["verdict"], "valid");
    assert_eq!(report["reports"][0]["records"].as_array().unwrap().len(), 3);

    // halo2's own verifier agrees on both proofs, the second of them padded.
    let second = succeeds(folder, &[&trusted[..], &["--reference"]].concat());
    let report: serde_json::Value = serde_json::from_slice(&second.stdout).unwrap();
    let opinions = report["reference"].as_array().unwrap();
    assert_eq!(opinions.len(), 2);
    assert!(opinions.iter().all(|o| o["accepted"] == true), "{report}");

    let output = clearproof(folder, &["verify", "evidence"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--trust"));

    let elsewhere = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(folder.join("evidence")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(elsewhere.path().join("tampered"), &bytes).unwrap();
    let bundle = folder.join("approved/verifier.bin");
    let output = clearproof(
        elsewhere.path(),
        &[
            "verify",
            "tampered",
            "--trust",
            path(&bundle),
            "--reference",
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("halo2's verifier, tampered"));
}

#[test]
fn run_agrees_with_the_recorded_scores() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (model, trades) = (example_model(), example_trades());
    let trades_of = |option| [option, path(&trades), "--columns", COLUMNS];
    let compile = [
        "compile",
        path(&model),
        "--out",
        "scores",
        "--reveal",
        "outputs",
    ];
    succeeds(
        folder,
        &[&compile[..], &trades_of("--calibration")].concat(),
    );
    let arguments = [&["run", "scores", "--json"][..], &trades_of("--input")].concat();
    let got: serde_json::Value =
        serde_json::from_slice(&succeeds(folder, &arguments).stdout).unwrap();
    let expected = fs::read(trades.with_file_name("trades.expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    let (got, expected) = (&got["outputs"]["score"], &expected["outputs"]["score"]);
    assert_eq!(got["shape"], expected["shape"]);
    let numbers = |v: &serde_json::Value| -> Vec<f64> {
        v["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_f64().unwrap())
            .collect()
    };
    for (row, (got, expected)) in numbers(got).iter().zip(numbers(expected)).enumerate() {
        assert!(
            (got - expected).abs() < 1e-3,
            "row {row}: {got} for {expected}"
        );
    }
}

#[cfg(unix)]
#[test]
fn what_opens_the_commitment_is_for_the_owner() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |e: fs::DirEntry| e.metadata().unwrap().permissions().mode() & 0o777;
    let mut modes = fs::read_dir(compiled().join("approved"))
        .unwrap()
        .map(|e| mode(e.unwrap()));
    assert!(
        modes.any(|mode| mode == 0o600),
        "no file of the artifact is secret"
    );
}

#[test]
fn inputs_that_do_not_fit_are_bad_files() {
    let folder = compiled();
    let work = tempfile::tempdir().unwrap();
    let artifact = folder.join("approved");
    for (name, text, word) in [
        ("nan.json", r#"{"input_data": [[1, 2, null, 4, 5]]}"#, "NaN"),
        (
            "infinite.json",
            r#"{"input_data": [[1, 2, 1e999, 4, 5]]}"#,
            "infinite.json",
        ),
        ("shape.json", r#"{"input_data": [[1, 2, 3]]}"#, "trade"),
        (
            "type.json",
            r#"{"input_data": [[1, 2, "three", 4, 5]]}"#,
            "number",
        ),
        ("name.json", r#"{"order": [[1, 2, 3, 4, 5]]}"#, "trade"),
        ("empty.json", "", "empty.json"),
        (
            "infinite.csv",
            "size,leverage,price,volume,position_pct\n1,2,inf,4,5\n",
            "infinite.csv",
        ),
        ("array.npy", "\u{1}NUMPY", "array.npy"),
        ("rows.xml", "<rows/>", ".json"),
    ] {
        fs::write(work.path().join(name), text).unwrap();
        fails(
            work.path(),
            &["run", path(&artifact), "--input", name],
            BAD_INPUT,
            &[name, word],
        );
        let prove = [
            "prove",
            path(&artifact),
            "--input",
            name,
            "--out",
            "evidence",
        ];
        fails(work.path(), &prove, BAD_INPUT, &[name, word]);
    }
}

#[test]
fn metadata_that_does_not_fit_is_a_bad_file() {
    let folder = compiled();
    let work = tempfile::tempdir().unwrap();
    fs::write(work.path().join("two.json"), "[{}, {}]").unwrap();
    let (artifact, rows) = (folder.join("approved"), folder.join("rows.json"));
    let prove = [
        "prove",
        path(&artifact),
        "--input",
        path(&rows),
        "--metadata",
        "two.json",
        "--out",
        "evidence",
    ];
    fails(work.path(), &prove, BAD_INPUT, &["2 objects for 3 rows"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let folder = compiled();
    let work = tempfile::tempdir().unwrap();
    let (artifact, rows) = (folder.join("approved"), folder.join("rows.json"));
    let prove = [
        "prove",
        path(&artifact),
        "--input",
        path(&rows),
        "--out",
        "/dev/full",
    ];
    fails(
        work.path(),
        &prove,
        CANNOT_WRITE,
        &["/dev/full", "make room"],
    );
    let prove = [
        "prove",
        path(&artifact),
        "--input",
        path(&rows),
        "--out",
        "missing/evidence",
    ];
    fails(
        work.path(),
        &prove,
        CANNOT_WRITE,
        &["missing/evidence", "create the folder"],
    );
}

#[test]
fn an_artifact_of_another_version_is_a_bad_file() {
    let folder = compiled();
    let work = tempfile::tempdir().unwrap();
    let copy = work.path().join("approved");
    fs::create_dir(&copy).unwrap();
    for name in names(&folder.join("approved")) {
        fs::copy(folder.join("approved").join(&name), copy.join(&name)).unwrap();
    }
    let manifest = copy.join("artifact.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(value["format"].is_u64());
    value["format"] = 99.into();
    fs::write(&manifest, value.to_string()).unwrap();
    let rows = folder.join("rows.json");
    fails(
        work.path(),
        &["run", "approved", "--input", path(&rows)],
        BAD_INPUT,
        &["approved", "format 99"],
    );
    fails(
        work.path(),
        &["run", "nowhere", "--input", path(&rows)],
        BAD_INPUT,
        &["nowhere"],
    );
}

#[test]
fn the_development_reference_string_needs_permission() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = example_model();
    let kzg = [
        "compile",
        path(&model),
        "--out",
        "dev",
        "--scheme",
        "kzg",
        "--insecure-dev-srs",
    ];
    succeeds(folder, &kzg);
    fs::write(folder.join("rows.json"), ROWS).unwrap();
    succeeds(
        folder,
        &["prove", "dev", "--input", "rows.json", "--out", "evidence"],
    );
    let verify = ["verify", "evidence", "--trust", "dev/verifier.bin"];
    let output = clearproof(folder, &verify);
    // The string is recognised and refused, so the verdict is "invalid", not "cannot tell".
    assert_eq!(output.status.code(), Some(1));
    succeeds(
        folder,
        &[&verify[..], &["--allow-insecure-dev-srs"]].concat(),
    );
}

#[test]
fn a_skeleton_rebuilds_the_keys() {
    let folder = compiled();
    let output = succeeds(folder, &["compile", "--skeleton", "approved/verifier.bin"]);
    let report = fs::read(folder.join("approved/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains(report["circuit_id"].as_str().unwrap())
    );
}

#[test]
fn the_demo_ends_valid_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = succeeds(folder.path(), &["demo", "--out", "demo", "--trades", "8"]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("verdict: valid"));
    }
    assert_eq!(
        names(&folder.path().join("demo")),
        ["artifact", "trades.evidence", "verifier.bin"]
    );
}

/// Two contributors, then what each refusal says.
#[test]
fn ceremonies_are_run_and_insecure_ones_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let statement = r#"{"compliance": {"fields": ["num_samples"],
        "constraints": [{"name": "num_samples", "min": 100, "max": 355}]}}"#;
    fs::write(here.join("statement.json"), statement).expect("written");
    let run = |arguments: &[&str]| clearproof(here, &[&["ceremony"], arguments].concat());
    let done = |arguments: &[&str]| {
        let output = run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    done(&["new", "statement.json", "--insecure-dev-tau", "--out", "0"]);
    done(&["contribute", "0", "--name", "Alice", "--out", "1"]);
    done(&["contribute", "1", "--name", "Bob", "--out", "2"]);
    let text = done(&[
        "verify",
        "2",
        "--insecure-dev-tau",
        "--allow-insecure",
        "--key-out",
        "key.json",
    ]);
    assert!(
        text.contains("Alice") && text.contains("Bob") && text.contains("insecure"),
        "{text}"
    );
    let key = fs::read_to_string(here.join("key.json")).expect("the key");
    assert!(key.contains("\"nPublic\": 2"), "{key}");
    let refused = |arguments: &[&str], status: i32, words: &str| {
        let output = run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{errors}");
        assert!(
            errors.contains(words) && errors.lines().count() == 1,
            "{errors}"
        );
    };
    refused(
        &["verify", "2", "--insecure-dev-tau"],
        BAD_INPUT,
        "insecure",
    );
    refused(
        &["verify", "statement.json", "--insecure-dev-tau"],
        BAD_INPUT,
        "malformed",
    );
    refused(&["new", "statement.json", "--out", "3"], USAGE, "--ptau");
    refused(
        &["contribute", "0", "--name", "", "--out", "3"],
        USAGE,
        "name",
    );
    let mut bytes = fs::read(here.join("2")).expect("the ceremony");
    let last = bytes.len() - 1;
    bytes[last - 40] ^= 1;
    fs::write(here.join("bad"), bytes).expect("written");
    refused(
        &["verify", "bad", "--insecure-dev-tau", "--allow-insecure"],
        BAD_INPUT,
        "key",
    );
    assert!(!here.join("3").exists());
}
