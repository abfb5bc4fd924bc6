//! A verdict must change when anything changes.

use clearproof_prover::prove::{prove, verify_reference, Artifact, EvidenceProofs, Scheme, Silent};
use clearproof_prover::quantize::skeleton::Reveal;
use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::evidence::{BundleRef, Evidence, Inputs, Metadata};
use clearproof_shared::verify::report::Verdict;
use clearproof_tests::{compiled, example, rng, trades};

use super::end_to_end::judge;

fn proved(scheme: Scheme, batch: u32, rows: usize) -> (Artifact, EvidenceProofs) {
    let model = example("compliance.onnx", Reveal::Decision);
    let artifact = compiled(&model, scheme, batch);
    let proofs = prove(&artifact, &trades(&model, rows), &mut rng(), &Silent).unwrap();
    (artifact, proofs)
}

#[test]
fn every_flipped_byte_of_an_evidence_file_is_refused() {
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let (artifact, proofs) = proved(scheme, 1, 1);
        let evidence = proofs.evidence(&artifact, false);
        let trust = [artifact.bundle_bytes()];
        assert_eq!(judge(&evidence, &trust).verdict, Verdict::Valid);
        for at in 0..evidence.len() {
            let mut bytes = evidence.clone();
            bytes[at] ^= 1 << (at % 8);
            assert_ne!(judge(&bytes, &trust).verdict, Verdict::Valid, "byte {at}");
        }
        for len in (0..evidence.len()).step_by(7) {
            assert_eq!(
                judge(&evidence[..len], &trust).verdict,
                Verdict::Invalid,
                "cut to {len}"
            );
        }
        let mut longer = evidence.clone();
        longer.push(0);
        assert_eq!(judge(&longer, &trust).verdict, Verdict::Invalid);
    }
}

#[test]
fn changed_fields_are_refused_by_name() {
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let (artifact, proofs) = proved(scheme, 3, 3);
        let evidence = Evidence::decode(&proofs.evidence(&artifact, true)).unwrap();
        let trust = [artifact.bundle_bytes()];
        let refused = |name: &str, change: &dyn Fn(&mut Evidence)| {
            let mut changed = evidence.clone();
            change(&mut changed);
            let report = judge(&changed.encode(), &trust);
            assert_eq!(report.verdict, Verdict::Invalid, "{name}");
        };
        refused("a decision turned", &|e| e.proofs[0].released[1] ^= 1);
        refused("metadata changed", &|e| {
            e.proofs[0].metadata[0] = Metadata::Shown(b"another symbol".to_vec())
        });
        refused("metadata swapped", &|e| e.proofs[0].metadata.swap(0, 1));
        refused("salt changed", &|e| e.proofs[0].batch_salt = Some([7; 32]));
        refused("origin changed", &|e| e.origin = "another log".into());
        refused("commitments swapped", &|e| {
            if let Inputs::Committed(c) = &mut e.proofs[0].inputs {
                c.swap(0, 2);
            }
        });
        refused("a row removed", &|e| {
            let p = &mut e.proofs[0];
            if let Inputs::Committed(c) = &mut p.inputs {
                c.pop();
            }
            p.released.pop();
            p.metadata.pop();
        });
        refused("a row doubled", &|e| {
            let p = &mut e.proofs[0];
            if let Inputs::Committed(c) = &mut p.inputs {
                c[1] = c[0];
            }
        });
        refused("the proof doubled: a commitment is repeated", &|e| {
            let again = e.proofs[0].clone();
            e.proofs.push(again);
        });
        refused("the proof cut", &|e| {
            e.proofs[0].proof.pop();
        });
        refused("the proof longer", &|e| e.proofs[0].proof.push(0));
    }
}

#[test]
fn proofs_do_not_move_between_models_circuits_and_schemes() {
    let (one, other) = (
        example("compliance.onnx", Reveal::Decision),
        example("compliance_other.onnx", Reveal::Decision),
    );
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let (a, b) = (compiled(&one, scheme, 1), compiled(&other, scheme, 1));
        assert_eq!(a.circuit_id(), b.circuit_id());
        let proof_a = prove(&a, &trades(&one, 1), &mut rng(), &Silent).unwrap();
        // The same circuit, the other model's bundle.
        let moved = Evidence {
            bundles: vec![BundleRef::Embedded(b.bundle_bytes().to_vec())],
            origin: String::new(),
            proofs: proof_a.proofs.clone(),
            window: None,
        };
        assert_eq!(
            judge(&moved.encode(), &[b.bundle_bytes(), a.bundle_bytes()]).verdict,
            Verdict::Invalid
        );
        // A model that is not pinned is not valid.
        let own = proof_a.evidence(&a, true);
        assert_ne!(judge(&own, &[b.bundle_bytes()]).verdict, Verdict::Valid);
        // A bundle whose commitments are another model's, with this model's registration.
        let mut forged = Bundle::decode(a.bundle_bytes()).unwrap();
        forged.model = Bundle::decode(b.bundle_bytes()).unwrap().model;
        let forged = forged.encode();
        let moved = Evidence {
            bundles: vec![BundleRef::Embedded(forged.clone())],
            origin: String::new(),
            proofs: proof_a.proofs.clone(),
            window: None,
        };
        assert_eq!(judge(&moved.encode(), &[&forged]).verdict, Verdict::Invalid);
        // Another circuit.
        let batch = compiled(&one, scheme, 2);
        let moved = Evidence {
            bundles: vec![BundleRef::Embedded(batch.bundle_bytes().to_vec())],
            origin: String::new(),
            proofs: proof_a.proofs.clone(),
            window: None,
        };
        assert_eq!(
            judge(&moved.encode(), &[batch.bundle_bytes()]).verdict,
            Verdict::Invalid
        );
    }
    let (kzg, ipa) = (
        compiled(&one, Scheme::Kzg, 1),
        compiled(&one, Scheme::Ipa, 1),
    );
    let proof = prove(&kzg, &trades(&one, 1), &mut rng(), &Silent).unwrap();
    let moved = Evidence {
        bundles: vec![BundleRef::Embedded(ipa.bundle_bytes().to_vec())],
        origin: String::new(),
        proofs: proof.proofs,
        window: None,
    };
    assert_eq!(
        judge(&moved.encode(), &[ipa.bundle_bytes()]).verdict,
        Verdict::Invalid
    );
}

#[test]
fn registration_and_bases_are_checked() {
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let (artifact, proofs) = proved(scheme, 1, 1);
        let bundle = Bundle::decode(artifact.bundle_bytes()).unwrap();
        let refused = |name: &str, change: &dyn Fn(&mut Bundle)| {
            let mut changed = bundle.clone();
            change(&mut changed);
            let bytes = changed.encode();
            let evidence = Evidence {
                bundles: vec![BundleRef::Embedded(bytes.clone())],
                origin: String::new(),
                proofs: proofs.proofs.clone(),
                window: None,
            };
            assert_ne!(
                judge(&evidence.encode(), &[&bytes]).verdict,
                Verdict::Valid,
                "{name}"
            );
        };
        refused("no registration", &|b| b.registration.clear());
        refused("a registration proof changed", &|b| {
            let at = b.registration[0].proof.len() / 2;
            b.registration[0].proof[at] ^= 1;
        });
        refused("a registration proof twice", &|b| {
            let again = b.registration[0].clone();
            b.registration.push(again);
        });
        refused("a key byte changed", &|b| {
            let at = b.key.len() - 70;
            b.key[at] ^= 1;
        });
    }
}

#[test]
fn the_stock_verifier_agrees() {
    use clearproof_shared::artifact::key::VerifyingKey;
    use clearproof_shared::encoding::points_from_bytes;
    use clearproof_shared::verify::StatedRows;
    // One row less than the circuit has slots: the padding is part of the instance.
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let (artifact, proofs) = proved(scheme, 3, 2);
        let bundle = Bundle::decode(artifact.bundle_bytes()).unwrap();
        let key = VerifyingKey::decode(&bundle.key).unwrap();
        let p = &proofs.proofs[0];
        let model = points_from_bytes(&bundle.model).unwrap();
        let stated = StatedRows::read(&key, &bundle.digest(), p).unwrap();
        let statement = stated.statement(&model, "");
        verify_reference(&bundle, &statement, &p.proof).unwrap();
        let mut wrong = stated.clone();
        wrong.released[0] += ark_bn254::Fr::from(1u64);
        verify_reference(&bundle, &wrong.statement(&model, ""), &p.proof).unwrap_err();
        verify_reference(&bundle, &stated.statement(&model, "a log"), &p.proof).unwrap_err();
        let mut wrong = p.proof.clone();
        wrong[33] ^= 2;
        verify_reference(&bundle, &statement, &wrong).unwrap_err();
    }
}

/// Two bad links whose errors are `+T` and `-T`: they would pass together under equal coefficients.
#[test]
fn bad_links_that_cancel_are_refused() {
    use clearproof_shared::encoding::{scalar_from_bytes, scalar_to_bytes};
    use clearproof_shared::verify::report::{names, Outcome};
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let (artifact, proofs) = proved(scheme, 1, 2);
        let mut changed = Evidence::decode(&proofs.evidence(&artifact, true)).unwrap();
        let one = ark_bn254::Fr::from(1u64);
        for (rows, difference) in changed.proofs.iter_mut().zip([one, -one]) {
            // The last response of the link is the proof's last scalar.
            let at = rows.proof.len() - 32;
            let response = scalar_from_bytes(rows.proof[at..].try_into().unwrap()).unwrap();
            rows.proof[at..].copy_from_slice(&scalar_to_bytes(&(response + difference)));
        }
        let report = judge(&changed.encode(), &[artifact.bundle_bytes()]);
        assert_eq!(report.verdict, Verdict::Invalid);
        let links = report.checks.iter().filter(|c| c.name == names::LINK);
        assert!(links.clone().all(|c| c.outcome == Outcome::Failed));
        assert_eq!(links.count(), 2);
        let proofs = report.checks.iter().filter(|c| c.name == names::PROOF);
        assert!(proofs.clone().all(|c| c.outcome == Outcome::Passed));
    }
}

/// Fresh randomness in every proof: two proofs of one row share no point and no scalar.
#[test]
fn two_proofs_of_one_row_have_nothing_in_common() {
    for scheme in [Scheme::Kzg, Scheme::Ipa] {
        let model = example("compliance.onnx", Reveal::Decision);
        let artifact = compiled(&model, scheme, 1);
        let row = trades(&model, 1).remove(0);
        let twice = [row.clone(), row];
        let proofs = prove(&artifact, &twice, &mut rng(), &Silent)
            .unwrap()
            .proofs;
        assert_ne!(proofs[0].inputs, proofs[1].inputs);
        let parts = |i: usize| proofs[i].proof.chunks(32).collect::<Vec<_>>();
        let first = parts(0);
        assert!(parts(1).iter().all(|part| !first.contains(part)));
    }
}
