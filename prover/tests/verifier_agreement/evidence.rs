//! Evidence files around the toy: each check is made, and named when it fails.

use ark_ec::CurveGroup as _;
use ark_ff::{AdditiveGroup as _, Field as _};
use clearproof_prover::prove::export::{g1_to_ark, scalar_to_ark};
use clearproof_shared::artifact::bundle::{Bundle, Registration};
use clearproof_shared::artifact::evidence::{
    BundleRef, Disclosure, Evidence, Inputs, Metadata, ProvedRows,
};
use clearproof_shared::artifact::key::Scheme;
use clearproof_shared::commitment::metadata::{metadata_digest, row_salt};
use clearproof_shared::commitment::record::leaf_hash;
use clearproof_shared::commitment::{disclosure, input};
use clearproof_shared::encoding::{g1_to_bytes, point_to_bytes, points_to_bytes};
use clearproof_shared::verify::report::{names, Outcome};
use clearproof_shared::verify::{verify_evidence, verify_files, Options, Report, Verdict};
use ff::Field;
use halo2curves::bn256::Fr;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::setup::{honest, metadata, setups, Job, Setup, IPA, KZG, SALT};
use crate::toy::{int, Toy, OUTPUTS, ROWS, TAIL};

type ArkFr = ark_bn254::Fr;

fn bundle(setup: &Setup, toy: &Toy, job: &Job) -> Bundle {
    let model: Vec<_> = job.model.iter().map(|c| g1_to_ark(&c.point)).collect();
    let generators = setup.generators.points();
    Bundle {
        name: "toy".into(),
        released_names: vec!["score".into()],
        key: setup.key.encode(),
        model: points_to_bytes(&model),
        skeleton: vec![],
        params: vec![],
        registration: vec![Registration {
            key: setup.register.key.encode(),
            first: 0,
            count: OUTPUTS as u32,
            proof: setup.prove_registration(toy, job),
        }],
        policy: None,
        generators: match generators.is_empty() {
            true => None,
            false => Some(generators.iter().flat_map(g1_to_bytes).collect()),
        },
    }
}

fn evidence(setup: &Setup, toy: &Toy, job: &Job, proof: &[u8]) -> Evidence {
    let commitments = job
        .inputs
        .iter()
        .map(|c| point_to_bytes(&g1_to_ark(&c.point)));
    Evidence {
        bundles: vec![BundleRef::Embedded(bundle(setup, toy, job).encode())],
        origin: job.origin.clone(),
        proofs: vec![ProvedRows {
            bundle: 0,
            inputs: Inputs::Committed(commitments.collect()),
            released: job.released.clone(),
            batch_salt: Some(SALT),
            metadata: (0..job.inputs.len())
                .map(|row| Metadata::Shown(metadata(row)))
                .collect(),
            disclosures: vec![],
            proof: proof.to_vec(),
            logged: None,
        }],
        window: None,
    }
}

fn digest_of(bundle: &[u8]) -> [u8; 32] {
    Bundle::decode(bundle).expect("just encoded").digest()
}

fn outcome(report: &Report, name: &str) -> Option<Outcome> {
    report.check(name).map(|check| check.outcome)
}

#[test]
fn a_file_is_judged_check_by_check() {
    for setup in setups() {
        let (toy, job) = honest(setup, 2, 41);
        let proof = setup.prove(&toy, &job);
        let good = evidence(setup, &toy, &job, &proof);
        let trusted = bundle(setup, &toy, &job).encode();
        let options = Options {
            trust: vec![&trusted],
            allow_insecure_dev_srs: true,
            log_keys: vec![],
            witness_keys: vec![],
            clock: None,
        };
        let report = verify_evidence(&good.encode(), &options);
        assert_eq!(report.verdict, Verdict::Valid, "{report:#?}");
        assert_eq!(report.records.len(), 2);
        assert_eq!(report.records[1].released, [job.released[1]]);
        // Without a trusted bundle nothing is pinned; the development string is refused.
        let report = verify_evidence(&good.encode(), &Options::default());
        assert_eq!(
            outcome(&report, names::BUNDLE_TRUSTED),
            Some(Outcome::Unknown)
        );
        let expected = match setup.key.scheme() {
            Scheme::Kzg => Outcome::Failed,
            Scheme::Ipa => outcome(&report, names::SRS_RECOGNISED).expect("made"),
        };
        assert_eq!(outcome(&report, names::SRS_RECOGNISED), Some(expected));
        // A bundle named by its digest.
        let mut detached = good.clone();
        detached.bundles = vec![BundleRef::Digest(digest_of(&trusted))];
        let report = verify_evidence(&detached.encode(), &options);
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Passed));
        let report = verify_evidence(&detached.encode(), &Options::default());
        assert_eq!(report.verdict, Verdict::Unknown);
        // Each field counts.
        let verdict = |change: &dyn Fn(&mut Evidence)| {
            let mut changed = good.clone();
            change(&mut changed);
            verify_evidence(&changed.encode(), &options)
        };
        let report = verdict(&|e| e.proofs[0].released[0] += 1);
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
        assert_eq!(report.records, []);
        let report = verdict(&|e| e.proofs[0].metadata[0] = Metadata::Shown(b"row 9".to_vec()));
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
        let report = verdict(&|e| e.proofs[0].batch_salt = Some([0; 32]));
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
        let report = verdict(&|e| e.origin.push('x'));
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
        let report = verdict(&|e| {
            let mut other = bundle(setup, &toy, &job);
            other.name = "another".into();
            e.bundles[0] = BundleRef::Embedded(other.encode());
        });
        assert_eq!(
            outcome(&report, names::BUNDLE_TRUSTED),
            Some(Outcome::Failed)
        );
        // Registration: every column once, by a proof that holds.
        let registration = |change: &dyn Fn(&mut Vec<Registration>)| {
            let mut other = bundle(setup, &toy, &job);
            change(&mut other.registration);
            let mut changed = good.clone();
            changed.bundles[0] = BundleRef::Embedded(other.encode());
            let report = verify_evidence(&changed.encode(), &options);
            (
                outcome(&report, names::BUNDLE_TRUSTED).expect("made"),
                outcome(&report, names::REGISTRATION).expect("made"),
            )
        };
        let both_failed = (Outcome::Failed, Outcome::Failed);
        assert_eq!(registration(&|r| r.clear()), both_failed);
        assert_eq!(registration(&|r| r.push(r[0].clone())), both_failed);
        assert_eq!(registration(&|r| r[0].first = 1), both_failed);
        let last = bundle(setup, &toy, &job).registration[0].proof.len() - 32;
        assert_eq!(
            registration(&|r| r[0].proof[last] ^= 1),
            (Outcome::Passed, Outcome::Failed)
        );
        assert_eq!(
            registration(&|r| r[0].key = setup.key.encode()),
            both_failed
        );
        let report = verdict(&|e| e.proofs.push(e.proofs[0].clone()));
        assert_eq!(
            outcome(&report, names::RECORDS_UNIQUE),
            Some(Outcome::Failed)
        );
        let report = verdict(&|e| {
            let last = e.proofs[0].proof.len() - 32;
            e.proofs[0].proof[last] ^= 1;
        });
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Passed));
        assert_eq!(outcome(&report, names::LINK), Some(Outcome::Failed));
    }
}

/// Who knows a relation between the generators opens a commitment to any model; the digest of the right
/// generators is compiled into the verifier.
#[test]
fn generators_with_a_trapdoor_forge_and_are_refused() {
    let mut rng = ChaCha20Rng::from_seed([43; 32]);
    let secrets = [(); ROWS].map(|()| Fr::random(&mut rng));
    let setup = Setup::with_trapdoor(&secrets);
    let (toy, job) = honest(&setup, 2, 43);
    // 1. The commitments of one model, opened as those of another.
    let mut other = toy.clone();
    let mut forged = job.clone();
    other.weights[0][1] += 7;
    let shift = Fr::from(7) * secrets[1] * secrets[ROWS - 1].invert().expect("not zero");
    forged.model[0].tail[TAIL - 1] -= shift;
    forged.release(&other);
    assert_ne!(forged.released, job.released);
    let proof = setup.prove(&other, &forged);
    assert_eq!(
        forged.verify(&setup, &proof),
        Ok(()),
        "the forgery is perfect"
    );
    // 2. A file of it, with the first model's registration.
    let mut file = evidence(&setup, &toy, &job, &proof);
    file.proofs[0].released = forged.released.clone();
    let judge = |trusted: &[u8]| {
        let options = Options {
            trust: vec![trusted],
            allow_insecure_dev_srs: true,
            log_keys: vec![],
            witness_keys: vec![],
            clock: None,
        };
        verify_evidence(&file.encode(), &options)
    };
    let BundleRef::Embedded(own) = &file.bundles[0] else {
        unreachable!("made with its bundle")
    };
    let report = judge(own);
    for name in [
        names::BUNDLE_TRUSTED,
        names::KEY_BASES,
        names::REGISTRATION,
        names::PROOF,
        names::LINK,
    ] {
        assert_eq!(outcome(&report, name), Some(Outcome::Passed), "{name}");
    }
    let refused = (Some(Outcome::Failed), Verdict::Invalid);
    let verdict = |report: &Report| (outcome(report, names::SRS_RECOGNISED), report.verdict);
    assert_eq!(verdict(&report), refused);
    // 3. Nor does it pass beside the right bundle of the first model.
    let (toy, job) = honest(&IPA, 2, 43);
    assert_eq!(verdict(&judge(&bundle(&IPA, &toy, &job).encode())), refused);
}

#[test]
fn a_bundle_with_other_generators_is_refused() {
    let setup = &*IPA;
    let (toy, job) = honest(setup, 1, 44);
    let proof = setup.prove(&toy, &job);
    let mut file = evidence(setup, &toy, &job, &proof);
    let right = bundle(setup, &toy, &job);
    let trusted = right.encode();
    let options = Options {
        trust: vec![&trusted],
        allow_insecure_dev_srs: true,
        log_keys: vec![],
        witness_keys: vec![],
        clock: None,
    };
    assert_eq!(
        verify_evidence(&file.encode(), &options).verdict,
        Verdict::Valid
    );
    // Two generators exchanged.
    let mut other = right;
    let points = other.generators.as_mut().expect("IPA");
    let (first, second) = points.split_at_mut(64);
    first.swap_with_slice(&mut second[..64]);
    file.bundles[0] = BundleRef::Embedded(other.encode());
    let report = verify_evidence(&file.encode(), &options);
    assert_eq!(report.verdict, Verdict::Invalid);
    for name in [
        names::BUNDLE_TRUSTED,
        names::SRS_RECOGNISED,
        names::KEY_BASES,
        names::PROOF,
    ] {
        assert_eq!(outcome(&report, name), Some(Outcome::Failed), "{name}");
    }
}

#[test]
fn files_are_checked_together_and_the_bad_one_is_named() {
    let mut files = vec![];
    let mut trusted = vec![];
    for (index, setup) in [0, 1, 0, 1].map(|i| setups()[i]).iter().enumerate() {
        let (toy, job) = honest(setup, 1 + index % 3, 50 + index as u8);
        let mut proof = setup.prove(&toy, &job);
        if index == 2 {
            let last = proof.len() - 32;
            proof[last] ^= 1;
        }
        trusted.push(bundle(setup, &toy, &job).encode());
        files.push((
            format!("file {index}"),
            evidence(setup, &toy, &job, &proof).encode(),
        ));
    }
    let options = Options {
        trust: trusted.iter().map(Vec::as_slice).collect(),
        allow_insecure_dev_srs: true,
        log_keys: vec![],
        witness_keys: vec![],
        clock: None,
    };
    let named: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let reports = verify_files(&named, &options);
    for (index, report) in reports.iter().enumerate() {
        assert_eq!(report.file, format!("file {index}"));
        assert_eq!(outcome(report, names::PROOF), Some(Outcome::Passed));
        let expected = if index == 2 {
            Outcome::Failed
        } else {
            Outcome::Passed
        };
        assert_eq!(outcome(report, names::LINK), Some(expected));
        assert_eq!(report.verdict == Verdict::Valid, index != 2);
    }
}

#[test]
fn inputs_are_disclosed_or_public() {
    for setup in setups() {
        // 1. A committed input, shown later.
        let (toy, mut job) = honest(setup, 2, 61);
        let proof = setup.prove(&toy, &job);
        let trusted = bundle(setup, &toy, &job).encode();
        let options = Options {
            trust: vec![&trusted],
            allow_insecure_dev_srs: true,
            log_keys: vec![],
            witness_keys: vec![],
            clock: None,
        };
        let mut good = evidence(setup, &toy, &job, &proof);
        let row = 1;
        let statement = disclosure::Disclosed {
            circuit_id: setup.prepared.circuit_id(),
            leaf: &job.leaves[row],
            commitment: &g1_to_ark(&job.inputs[row].point),
            inputs: &toy.inputs[row],
        };
        let nonces: Vec<ArkFr> = (0..disclosure::nonce_count(&setup.key))
            .map(|i| ArkFr::from(1_000 + i as u64).square())
            .collect();
        let blinding = scalar_to_ark(&job.inputs[row].tail[TAIL - 1]);
        let shown = disclosure::prove(&setup.key, &statement, &blinding, &nonces);
        good.proofs[0].disclosures = vec![Disclosure {
            row: row as u32,
            inputs: toy.inputs[row].to_vec(),
            proof: shown.expect("enough nonces"),
        }];
        let report = verify_evidence(&good.encode(), &options);
        assert_eq!(outcome(&report, names::DISCLOSURE), Some(Outcome::Passed));
        assert_eq!(report.records[row].inputs, Some(toy.inputs[row].to_vec()));
        good.proofs[0].disclosures[0].inputs[0] += 1;
        let report = verify_evidence(&good.encode(), &options);
        assert_eq!(outcome(&report, names::DISCLOSURE), Some(Outcome::Failed));
        good.proofs[0].disclosures[0].inputs[0] -= 1;
        good.proofs[0].disclosures[0].row = 0;
        let report = verify_evidence(&good.encode(), &options);
        assert_eq!(outcome(&report, names::DISCLOSURE), Some(Outcome::Failed));

        // 2. Public inputs: the verifier makes the commitments.
        for (t, committed) in job.inputs.iter_mut().enumerate() {
            *committed = setup.commit_inputs(&toy.inputs[t], Fr::ZERO);
            let recomputed = input::commit(&setup.key, &toy.inputs[t], &ArkFr::ZERO);
            let recomputed = recomputed.expect("one input a row").into_affine();
            assert_eq!(recomputed, g1_to_ark(&committed.point));
            let digest = metadata_digest(&row_salt(&SALT, t as u64), &metadata(t));
            let released = scalar_to_ark(&int(job.released[t]));
            job.leaves[t] = leaf_hash(&point_to_bytes(&recomputed), &[released], &digest);
        }
        let proof = setup.prove(&toy, &job);
        let mut public = evidence(setup, &toy, &job, &proof);
        let rows = toy.inputs[..2].iter().map(|row| row.to_vec());
        public.proofs[0].inputs = Inputs::Public(rows.collect());
        let report = verify_evidence(&public.encode(), &options);
        assert_eq!(outcome(&report, names::LINK), Some(Outcome::Passed));
        let Inputs::Public(rows) = &mut public.proofs[0].inputs else {
            unreachable!("just set")
        };
        rows[0][0] += 1;
        let report = verify_evidence(&public.encode(), &options);
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
    }
}

/// No bytes make the verifier panic: flip any byte of a good file.
#[test]
fn flipped_bytes_never_make_a_file_valid() {
    let setup = &*KZG;
    let (toy, job) = honest(setup, 2, 71);
    let proof = setup.prove(&toy, &job);
    let mut good = evidence(setup, &toy, &job, &proof);
    let trusted = bundle(setup, &toy, &job).encode();
    good.bundles = vec![BundleRef::Digest(digest_of(&trusted))];
    let bytes = good.encode();
    let options = Options {
        trust: vec![&trusted],
        allow_insecure_dev_srs: true,
        log_keys: vec![],
        witness_keys: vec![],
        clock: None,
    };
    assert_eq!(verify_evidence(&bytes, &options).verdict, Verdict::Valid);
    for position in (0..bytes.len()).step_by(11) {
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x10;
        let report = verify_evidence(&flipped, &options);
        assert_ne!(report.verdict, Verdict::Valid);
        assert_eq!(report.records, [], "byte {position}");
    }
}

#[test]
#[ignore = "prints timings"]
fn timings() {
    for setup in setups() {
        let (toy, job) = honest(setup, 2, 81);
        let proof = setup.prove(&toy, &job);
        let start = std::time::Instant::now();
        for _ in 0..20 {
            job.verify(setup, &proof).expect("honest");
        }
        let scheme = setup.key.scheme();
        println!(
            "{scheme:?}: {:?} a proof, bases included",
            start.elapsed() / 20
        );
        let file = evidence(setup, &toy, &job, &proof).encode();
        let trusted = bundle(setup, &toy, &job).encode();
        let options = Options {
            trust: vec![&trusted],
            allow_insecure_dev_srs: true,
            log_keys: vec![],
            witness_keys: vec![],
            clock: None,
        };
        for count in [1, 20] {
            let files = vec![("file", file.as_slice()); count];
            let start = std::time::Instant::now();
            let reports = verify_files(&files, &options);
            println!("{scheme:?}: {count} files {:?}", start.elapsed());
            assert!(reports.iter().all(|r| r.verdict == Verdict::Valid));
        }
    }
}
