//! Golden files: made once, they must verify forever.
//!
//! `CLEARPROOF_REGENERATE_VECTORS=1` writes them anew; that is a change of format and goes in a commit of its own.

use std::fs;

use clearproof_prover::prove::{prove, Scheme, Silent};
use clearproof_prover::quantize::skeleton::Reveal;
use clearproof_shared::verify::report::Verdict;
use clearproof_tests::{compiled, example, root, seeded, trades};

use super::end_to_end::judge;

const CASES: [(&str, Scheme, u32, usize); 4] = [
    ("kzg-one", Scheme::Kzg, 1, 1),
    ("ipa-one", Scheme::Ipa, 1, 1),
    ("kzg-batch", Scheme::Kzg, 50, 50),
    ("ipa-batch", Scheme::Ipa, 20, 15),
];

#[test]
fn golden_files_verify() {
    let folder = root().join("tests/vectors");
    if std::env::var_os("CLEARPROOF_REGENERATE_VECTORS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        let model = example("compliance.onnx", Reveal::Decision);
        for (name, scheme, batch, rows) in CASES {
            let artifact = compiled(&model, scheme, batch);
            let evidence = prove(&artifact, &trades(&model, rows), &mut seeded(1), &Silent)
                .unwrap()
                .evidence(&artifact, true);
            fs::write(folder.join(format!("{name}.evidence")), evidence).unwrap();
            fs::write(
                folder.join(format!("{name}.verifier.bin")),
                artifact.bundle_bytes(),
            )
            .unwrap();
        }
    }
    for (name, _, _, rows) in CASES {
        let evidence = fs::read(folder.join(format!("{name}.evidence"))).unwrap();
        let bundle = fs::read(folder.join(format!("{name}.verifier.bin"))).unwrap();
        let report = judge(&evidence, &[&bundle]);
        assert_eq!(
            report.verdict,
            Verdict::Valid,
            "{name}: {:?}",
            report.checks
        );
        assert_eq!(report.records.len(), rows);
        let mut bad = evidence.clone();
        let at = bad.len() - 100;
        bad[at] ^= 1;
        assert_eq!(
            judge(&bad, &[&bundle]).verdict,
            Verdict::Invalid,
            "{name}_bad_link"
        );
    }
}
