//! Honest rows are valid against the pinned bundle, in both schemes, alone and in batches.

use clearproof_prover::prove::{prove, rebuild, Artifact, Scheme, Silent, SrsSource};
use clearproof_prover::quantize::skeleton::Reveal;
use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::verify::report::{Report, Verdict};
use clearproof_shared::verify::{verify_evidence, verify_files, Options};
use clearproof_tests::{compiled, example, rng, trades};

pub(crate) fn judge(evidence: &[u8], trust: &[&[u8]]) -> Report {
    verify_evidence(
        evidence,
        &Options {
            trust: trust.to_vec(),
            allow_insecure_dev_srs: true,
            log_keys: vec![],
            witness_keys: vec![],
            clock: None,
        },
    )
}

fn failures(report: &Report) -> String {
    report
        .checks
        .iter()
        .map(|c| format!("{} {:?}: {}\n", c.name, c.outcome, c.reason))
        .collect()
}

#[test]
fn honest_rows_are_valid_in_both_schemes() {
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        for (reveal, batch, rows) in [
            (Reveal::Decision, 1, 2),
            (Reveal::Outputs, 1, 1),
            (Reveal::Decision, 4, 4),
            (Reveal::Decision, 4, 6),
        ] {
            let model = example("compliance.onnx", reveal);
            let artifact = compiled(&model, scheme, batch);
            let rows = trades(&model, rows);
            let proofs = prove(&artifact, &rows, &mut rng(), &Silent).unwrap();
            assert_eq!(proofs.proofs.len(), rows.len().div_ceil(batch as usize));
            // The released values are the interpreter's.
            let expected: Vec<i64> = rows
                .iter()
                .flat_map(|r| model.released_of(&model.eval(&r.input)))
                .collect();
            let released: Vec<i64> = proofs
                .proofs
                .iter()
                .flat_map(|p| p.released.clone())
                .collect();
            assert_eq!(released, expected);
            let evidence = proofs.evidence(&artifact, true);
            let report = judge(&evidence, &[artifact.bundle_bytes()]);
            let said = |words: &str| report.not_checked.iter().any(|line| line.contains(words));
            assert!(said("about 100 bits") && said("model is good") && said("clock was right"));
            assert_eq!(
                report.verdict,
                Verdict::Valid,
                "{scheme:?} {reveal:?} {batch}\n{}",
                failures(&report)
            );
            assert_eq!(report.records.len(), rows.len());
            // Without a pin: cannot tell. Detached: only with the pin.
            assert_eq!(judge(&evidence, &[]).verdict, Verdict::Unknown);
            let detached = proofs.evidence(&artifact, false);
            assert_eq!(
                judge(&detached, &[artifact.bundle_bytes()]).verdict,
                Verdict::Valid
            );
            assert_ne!(judge(&detached, &[]).verdict, Verdict::Valid);
        }
    }
}

#[test]
fn the_development_string_needs_permission() {
    let model = example("compliance.onnx", Reveal::Decision);
    let artifact = compiled(&model, Scheme::Kzg, 1);
    let evidence = prove(&artifact, &trades(&model, 1), &mut rng(), &Silent)
        .unwrap()
        .evidence(&artifact, true);
    let report = verify_evidence(
        &evidence,
        &Options {
            trust: vec![artifact.bundle_bytes()],
            ..Options::default()
        },
    );
    assert_eq!(report.verdict, Verdict::Invalid, "{}", failures(&report));
}

#[test]
fn an_artifact_survives_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("model");
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let model = example("compliance.onnx", Reveal::Decision);
        let artifact = compiled(&model, scheme, 2);
        artifact.save(&place).unwrap();
        let loaded = Artifact::load(&place).unwrap();
        assert_eq!(loaded.circuit_id(), artifact.circuit_id());
        let evidence = prove(&loaded, &trades(&model, 3), &mut rng(), &Silent)
            .unwrap()
            .evidence(&loaded, true);
        assert_eq!(
            judge(&evidence, &[artifact.bundle_bytes()]).verdict,
            Verdict::Valid
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(place.join("opening.secret"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing is left beside the folder"
    );
}

#[test]
fn keys_are_functions_of_skeleton_and_parameters_alone() {
    let (one, other) = (
        example("compliance.onnx", Reveal::Decision),
        example("compliance_other.onnx", Reveal::Decision),
    );
    for (scheme, srs) in [
        (Scheme::Kzg, SrsSource::InsecureDevelopment),
        (Scheme::Ipa, SrsSource::Transparent),
    ] {
        let (a, b) = (compiled(&one, scheme, 1), compiled(&other, scheme, 1));
        assert_eq!(
            a.circuit_id(),
            b.circuit_id(),
            "two models of one architecture share the key"
        );
        let bundle = Bundle::decode(a.bundle_bytes()).unwrap();
        let rebuilt = rebuild(&bundle.skeleton, &bundle.params, &srs, &Silent).unwrap();
        assert_eq!(rebuilt.circuit_id, a.circuit_id());
        assert_eq!(rebuilt.registration_ids.len(), bundle.registration.len());
    }
}

#[test]
fn several_files_are_judged_together() {
    let model = example("compliance.onnx", Reveal::Decision);
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let artifact = compiled(&model, scheme, 1);
        let files: Vec<Vec<u8>> = trades(&model, 4)
            .chunks(1)
            .map(|rows| {
                prove(&artifact, rows, &mut rng(), &Silent)
                    .unwrap()
                    .evidence(&artifact, true)
            })
            .collect();
        let mut broken = files[2].clone();
        let at = broken.len() - 40;
        broken[at] ^= 1;
        let named: Vec<(&str, &[u8])> = vec![
            ("a", &files[0]),
            ("b", &files[1]),
            ("broken", &broken),
            ("d", &files[3]),
        ];
        let options = Options {
            trust: vec![artifact.bundle_bytes()],
            allow_insecure_dev_srs: true,
            log_keys: vec![],
            witness_keys: vec![],
            clock: None,
        };
        let verdicts: Vec<Verdict> = verify_files(&named, &options)
            .iter()
            .map(|r| r.verdict)
            .collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Valid,
                Verdict::Valid,
                Verdict::Invalid,
                Verdict::Valid
            ]
        );
    }
}
