//! An honest certificate verifies; each field, changed, fails the check that is there for it.

use std::sync::{Arc, OnceLock};

use ark_ff::UniformRand;
use clearproof_federated::aggregation::identity::Identity;
use clearproof_federated::aggregation::party::Update;
use clearproof_federated::aggregation::setup::Setup;
use clearproof_federated::aggregation::simulation::{simulate, Faithful};
use clearproof_federated::certificate::{
    check_further, compliance, conclude, context, debit, terms, Record,
};
use clearproof_federated::groth16::compliance::{Compliance as Fields, ComplianceConstraint};
use clearproof_federated::groth16::Statement;
use clearproof_federated::norm::NormKey;
use clearproof_federated::privacy::accountant::Mechanism;
use clearproof_federated::privacy::distributed::Cohort;
use clearproof_federated::privacy::{Adjacency, PrivacyTarget};
use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::encoding::scalar_to_bytes;
use clearproof_shared::training::certificate::{roster_digest, Certificate, Deployment, Spent};
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::manifest::Manifest;
use clearproof_shared::training::outcome::Outcome as SignedOutcome;
use clearproof_shared::training::signed::{Kind, Signed};
use clearproof_shared::training::survivors::SurvivorCertificate;
use clearproof_shared::training::terms::Terms;
use clearproof_shared::verify::report::{Outcome, Verdict};
use clearproof_shared::verify::training::{verify_certificate, TrainingOptions, TrainingReport};
use ed25519_dalek::{Signer, SigningKey};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Two private rounds of four parties, with norm proofs, a constraint and a compiled model.
struct World {
    identities: Vec<Identity>,
    certificate: Certificate,
}

const COORDINATES: u32 = 40;
const LOG_ROWS: u32 = 9;

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(make)
}

fn make() -> World {
    let rng = &mut ChaCha20Rng::from_seed([5; 32]);
    let identities: Vec<Identity> = (0..4)
        .map(|i| Identity::generate(&format!("firm {i}"), rng))
        .collect();
    let cohort = Cohort {
        parties: 4,
        dropouts: 0,
        colluders: 1,
    };
    let promise = PrivacyTarget::new(6.0, 1e-5, Adjacency::AddRemoveRecord).expect("a promise");
    let mechanism = Mechanism::new(2.0, 0.5, 1).expect("a mechanism");
    let (terms, plan) =
        terms(cohort, mechanism, 1.0, 10, COORDINATES as usize, promise).expect("terms");
    let bases = ColumnBases::transparent(LOG_ROWS);
    let mut manifest = Manifest {
        session: [1; 32],
        round: 0,
        attempt: 0,
        model: [20; 32],
        parties: identities.iter().map(Identity::entry).collect(),
        holders: vec![0, 1, 2, 3],
        threshold: 1,
        colluders: 1,
        minimum_honest: 3,
        coordinates: COORDINATES,
        coordinate_bits: 24,
        log_rows: LOG_ROWS,
        clip_norm: 1 << 12,
        noise_norm: 1 << 18,
        norm_circuit: None,
        terms: terms.encode(),
    };
    manifest.norm_circuit = Some(
        NormKey::new(&manifest, &bases)
            .expect("a circuit")
            .circuit_id(),
    );
    let mut records = vec![Record::default(); 4];
    for round in 0..2u8 {
        // The second round's first attempt failed: its manifest is listed.
        let manifest = Manifest {
            round: round.into(),
            attempt: round.into(),
            model: [20 + round; 32],
            ..manifest.clone()
        };
        let setup = Arc::new(Setup::new(manifest.clone(), bases.clone()).expect("a setup"));
        let updates: Vec<Update> = (0..4i64)
            .map(|i| {
                let mut noise = vec![0; COORDINATES as usize];
                plan.share.fill(rng, &mut noise);
                let clipped = (0..COORDINATES).map(|c| i64::from(c) * (i - 2)).collect();
                Update { clipped, noise }
            })
            .collect();
        let seeds: Vec<[u8; 32]> = (0..4).map(|i| [i + 10 * round; 32]).collect();
        let run =
            simulate(&setup, &identities, &updates, &seeds, &mut Faithful).expect("in bounds");
        for (record, party) in records.iter_mut().zip(&run.parties) {
            if round == 1 {
                let attempt = Manifest {
                    attempt: 0,
                    ..manifest.clone()
                };
                record.abort(attempt);
            }
            assert!(record.add(party, Some([21 + round; 32])));
        }
    }
    // A constraint of party 2, under a key that one party made.
    let fields = Fields {
        fields: vec!["num_samples".into()],
        constraints: vec![ComplianceConstraint {
            name: "num_samples".into(),
            min: Some(100),
            max: None,
            required_fields: vec![],
        }],
        linear: vec![],
    };
    let statement = Statement::Compliance(fields.clone());
    let key = statement.single_party_key(rng).expect("a key");
    let values = [("num_samples".to_owned(), 250)].into_iter().collect();
    let private = fields.record(&values, rng).expect("a record");
    let (_, digest) = records[0].last().expect("two rounds");
    let proven = fields
        .prove(&key, &private, context(&digest, 2), rng)
        .expect("it holds");
    let claims = [compliance(2, 1, &statement, &key, &proven, None)];
    let signers = identities.iter().zip(&records).enumerate();
    let signers: Vec<_> = signers
        .map(|(i, (identity, record))| (identity, i as u16, record))
        .collect();
    let certificate = conclude(&signers, &claims, Some([22; 32])).expect("accounted");
    let mut certificate = certificate.expect("there are rounds");
    certificate.deployment = Some(identities[3].deploy(
        &certificate.body.digest(),
        Deployment {
            circuit_id: [31; 32],
            commitment: [32; 32],
            bundle: [33; 32],
            party: 3,
            signature: [0; 64],
        },
    ));
    World {
        identities,
        certificate,
    }
}

impl World {
    fn options(&self) -> TrainingOptions<'static> {
        let parties: Vec<_> = self.identities.iter().map(Identity::entry).collect();
        TrainingOptions {
            roster: Some(roster_digest(&parties)),
            allow_insecure_setup: true,
            ..TrainingOptions::default()
        }
    }

    /// All parties, dishonest ones, sign the changed body.
    fn sign_again(&self, certificate: &mut Certificate) {
        let digest = certificate.body.digest();
        let signatures = self.identities.iter().enumerate();
        certificate.signatures = signatures
            .map(|(i, identity)| (i as u16, identity.certify(&digest, i as u16)))
            .collect();
        if let Some(deployment) = certificate.deployment.take() {
            let party = usize::from(deployment.party) % 4;
            certificate.deployment = Some(self.identities[party].deploy(&digest, deployment));
        }
    }

    /// All holders sign the survivors, with the digests of the contributions as they are now, and the sum.
    fn sign_round_again(&self, certificate: &mut Certificate, index: usize) {
        let round = &mut certificate.body.rounds[index];
        let manifest = Manifest::decode(&round.manifest).expect("a manifest");
        let digest = manifest.digest();
        let mut set = SurvivorCertificate::decode(&round.survivors, &manifest).expect("a set");
        for (survivor, bytes) in set.survivors.survivors.iter_mut().zip(&round.contributions) {
            survivor.contribution = sha256(bytes);
        }
        let sign = |party: u16, kind, body: Vec<u8>| {
            let keys = self.identities[usize::from(party)].to_bytes();
            let key = SigningKey::from_bytes(keys[..32].try_into().expect("32 bytes"));
            key.sign(&Signed::digest(&digest, party, kind, &body))
                .to_bytes()
        };
        let body = set.survivors.encode();
        set.signatures = (0..4)
            .map(|p| (p, sign(p, Kind::Survivors, body.clone())))
            .collect();
        round.survivors = set.encode();
        let outcome = SignedOutcome {
            survivors: sha256(&body),
            sum: round.sum,
        };
        certificate.outcomes[index] = (0..4)
            .map(|p| (p, sign(p, Kind::Outcome, outcome.encode())))
            .collect();
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

fn failed(report: &TrainingReport) -> Vec<&'static str> {
    let failed = report
        .checks
        .iter()
        .filter(|c| c.outcome == Outcome::Failed);
    failed.map(|check| check.name).collect()
}

fn reports(certificate: &Certificate) -> TrainingReport {
    let bytes = certificate.encode();
    let mut report = verify_certificate(&bytes, &world().options());
    check_further(&mut report, &bytes);
    report
}

#[test]
fn an_honest_certificate_verifies_and_says_what_is_claimed() {
    let world = world();
    let report = reports(&world.certificate);
    assert_eq!(report.verdict, Verdict::Valid, "{:#?}", report.checks);
    assert_eq!(report.rounds, 2);
    let privacy = report.privacy.as_ref().expect("promised");
    // The aborted attempt counts.
    assert_eq!(privacy.rounds, 3);
    assert!(privacy.epsilon < privacy.renyi_epsilon && privacy.renyi_epsilon < 6.0);
    assert!(report.parties.iter().all(|p| p.signed && p.rounds == 2));
    assert!(report.compliance[0].statement.contains("num_samples"));
    let claimed = report.not_checked.join("\n");
    for word in [
        "num_samples",
        "clipped example by example",
        "distribution is claimed",
        "model commitment opens",
    ] {
        assert!(claimed.contains(word), "{word}");
    }
    let bytes = world.certificate.encode();
    assert_eq!(Certificate::decode(&bytes).as_ref(), Ok(&world.certificate));
}

#[test]
fn without_a_pinned_roster_it_cannot_be_told_and_insecure_setups_are_refused() {
    let bytes = world().certificate.encode();
    let options = TrainingOptions {
        roster: None,
        ..world().options()
    };
    assert_eq!(
        verify_certificate(&bytes, &options).verdict,
        Verdict::Unknown
    );
    let options = TrainingOptions {
        roster: Some([9; 32]),
        ..world().options()
    };
    assert_eq!(
        failed(&verify_certificate(&bytes, &options)),
        ["training.roster"]
    );
    let options = TrainingOptions {
        allow_insecure_setup: false,
        ..world().options()
    };
    assert_eq!(
        failed(&verify_certificate(&bytes, &options)),
        ["compliance.setup"]
    );
}

/// A change of one field, and the checks that fail although everybody signs the changed body.
type Case = (&'static str, fn(&mut Certificate), &'static [&'static str]);

#[test]
fn each_changed_field_fails_its_check_even_if_all_sign_again() {
    let cases: &[Case] = &[
        (
            "manifest: no bytes",
            |c| c.body.rounds[0].manifest.truncate(9),
            &["training.rounds"],
        ),
        (
            "manifest: another bound",
            |c| change_manifest(c, |m| m.clip_norm += 1),
            &[
                "training.survivors",
                "training.norms",
                "training.sums",
                "training.circuits",
            ],
        ),
        (
            "manifest: another round",
            |c| change_manifest(c, |m| m.round = 5),
            &["training.rounds"],
        ),
        (
            "manifest: another session",
            |c| change_manifest(c, |m| m.session[0] ^= 1),
            &["training.rounds"],
        ),
        (
            "manifest: another roster",
            |c| change_manifest(c, |m| m.parties[0].name.push('x')),
            &["training.rounds"],
        ),
        ("no rounds", |c| c.body.rounds.clear(), &["training.rounds"]),
        (
            "survivors: a signature",
            |c| *c.body.rounds[0].survivors.last_mut().expect("bytes") ^= 1,
            &["training.survivors"],
        ),
        (
            "contributions: exchanged",
            |c| c.body.rounds[0].contributions.swap(0, 1),
            &["training.contributions", "training.norms"],
        ),
        (
            "contributions: one less",
            |c| drop(c.body.rounds[0].contributions.pop()),
            &["training.contributions", "training.aggregates"],
        ),
        (
            "aggregate",
            |c| c.body.rounds[0].aggregate = c.body.rounds[1].aggregate.clone(),
            &["training.aggregates"],
        ),
        ("sum", |c| c.body.rounds[0].sum[0] ^= 1, &["training.sums"]),
        (
            "after",
            |c| c.body.rounds[0].after = Some([9; 32]),
            &["training.models"],
        ),
        (
            "no after",
            |c| c.body.rounds[1].after = None,
            &["training.models"],
        ),
        (
            "model",
            |c| c.body.model = Some([9; 32]),
            &["training.models"],
        ),
        (
            "no model",
            |c| c.body.model = None,
            &["training.models", "model.commitment"],
        ),
        (
            "aborted: none",
            |c| c.body.aborted.clear(),
            &["training.rounds"],
        ),
        (
            "aborted: twice",
            |c| c.body.aborted.push(c.body.aborted[0].clone()),
            &["training.rounds", "privacy.accountant"],
        ),
        (
            "circuit: none",
            |c| c.body.circuits.clear(),
            &["training.norms"],
        ),
        (
            "circuit: key",
            |c| *c.body.circuits[0].key.last_mut().expect("bytes") ^= 1,
            &["training.norms"],
        ),
        (
            "circuit: generators",
            |c| c.body.circuits[0].generators.rotate_left(64),
            &["training.norms"],
        ),
        (
            "compliance: party",
            |c| c.body.compliance[0].party = 1,
            &["compliance.proof"],
        ),
        (
            "compliance: no party",
            |c| c.body.compliance[0].party = 9,
            &["compliance.proof"],
        ),
        (
            "compliance: round",
            |c| c.body.compliance[0].round = 0,
            &["compliance.proof"],
        ),
        (
            "compliance: no round",
            |c| c.body.compliance[0].round = 7,
            &["compliance.proof"],
        ),
        (
            "compliance: key",
            |c| c.body.compliance[0].key[0] ^= 1,
            &["compliance.proof"],
        ),
        (
            "compliance: proof",
            |c| c.body.compliance[0].proof.truncate(200),
            &["compliance.proof"],
        ),
        (
            "compliance: inputs",
            |c| c.body.compliance[0].inputs[0] ^= 1,
            &["compliance.proof"],
        ),
        ("spent: none", |c| c.body.spent = None, &["privacy.epsilon"]),
        (
            "spent: rounds",
            |c| spent_of(c).rounds = 2,
            &["privacy.epsilon"],
        ),
        (
            "spent: less",
            |c| spent_of(c).epsilon *= 0.99,
            &["privacy.accountant"],
        ),
        (
            "spent: more",
            |c| spent_of(c).epsilon = 7.0,
            &["privacy.epsilon", "privacy.budget"],
        ),
        (
            "spent: Renyi",
            |c| spent_of(c).renyi_epsilon *= 0.999,
            &["privacy.epsilon"],
        ),
        (
            "spent: delta",
            |c| spent_of(c).delta = 1e-4,
            &["privacy.epsilon"],
        ),
        (
            "spent: slack of epsilon",
            |c| spent_of(c).slack_epsilon += 1e-9,
            &["privacy.epsilon"],
        ),
        (
            "spent: slack of delta",
            |c| spent_of(c).slack_delta *= 0.5,
            &["privacy.epsilon"],
        ),
        (
            "deployment: party",
            |c| c.deployment.as_mut().expect("compiled").party = 64,
            &["model.commitment"],
        ),
    ];
    let world = world();
    for (name, change, expected) in cases {
        let mut certificate = world.certificate.clone();
        change(&mut certificate);
        world.sign_again(&mut certificate);
        // Building circuits and distributions again takes its time: where it is what is asked for.
        let further = |name: &&str| ["privacy.accountant", "training.circuits"].contains(name);
        let report = match expected.iter().any(further) {
            true => reports(&certificate),
            false => verify_certificate(&certificate.encode(), &world.options()),
        };
        assert_eq!(failed(&report), *expected, "{name}: {:#?}", report.checks);
        assert_eq!(report.verdict, Verdict::Invalid, "{name}");
    }
}

fn change_manifest(certificate: &mut Certificate, change: impl FnOnce(&mut Manifest)) {
    let bytes = &mut certificate.body.rounds[0].manifest;
    let mut manifest = Manifest::decode(bytes).expect("ours");
    change(&mut manifest);
    *bytes = manifest.encode();
}

fn spent_of(certificate: &mut Certificate) -> &mut Spent {
    certificate.body.spent.as_mut().expect("private")
}

#[test]
fn what_stands_beside_the_body_fails_its_check() {
    let cases: &[Case] = &[
        (
            "outcomes: a signature",
            |c| c.outcomes[0][2].1[0] ^= 1,
            &["training.sums"],
        ),
        (
            "outcomes: too few",
            |c| c.outcomes[1].truncate(1),
            &["training.sums"],
        ),
        (
            "outcomes: of other rounds",
            |c| drop(c.outcomes.pop()),
            &["training.rounds"],
        ),
        (
            "outcomes: a stranger",
            |c| c.outcomes[0][3].0 = 40,
            &["training.sums"],
        ),
        (
            "signatures: one bent",
            |c| c.signatures[1].1[5] ^= 1,
            &["training.signatures"],
        ),
        (
            "signatures: another's",
            |c| c.signatures[1].1 = c.signatures[0].1,
            &["training.signatures"],
        ),
        (
            "signatures: too few",
            |c| c.signatures.truncate(1),
            &["training.signatures"],
        ),
        (
            "signatures: a stranger",
            |c| c.signatures[3].0 = 9,
            &["training.signatures"],
        ),
        (
            "deployment: circuit",
            |c| deployed(c).circuit_id[0] ^= 1,
            &["model.commitment"],
        ),
        (
            "deployment: commitment",
            |c| deployed(c).commitment[0] ^= 1,
            &["model.commitment"],
        ),
        (
            "deployment: bundle",
            |c| deployed(c).bundle[0] ^= 1,
            &["model.commitment"],
        ),
        (
            "deployment: party",
            |c| deployed(c).party = 2,
            &["model.commitment"],
        ),
        (
            "deployment: signature",
            |c| deployed(c).signature[0] ^= 1,
            &["model.commitment"],
        ),
        (
            "body: statement",
            |c| c.body.compliance[0].statement.push(' '),
            &["training.signatures", "model.commitment"],
        ),
        (
            "body: transcript",
            |c| c.body.compliance[0].transcript[0] ^= 1,
            &["training.signatures", "model.commitment"],
        ),
        (
            "body: contributors",
            |c| {
                c.body.compliance[0]
                    .contributors
                    .push(("Ada".into(), false))
            },
            &["training.signatures", "model.commitment"],
        ),
        (
            "body: set-up",
            |c| c.body.compliance[0].insecure.clear(),
            &["training.signatures", "model.commitment"],
        ),
    ];
    for (name, change, expected) in cases {
        let mut certificate = world().certificate.clone();
        change(&mut certificate);
        let report = verify_certificate(&certificate.encode(), &world().options());
        assert_eq!(failed(&report), *expected, "{name}");
    }
    // Fewer signatures are said, not hidden.
    let mut certificate = world().certificate.clone();
    certificate.signatures.truncate(2);
    let report = reports(&certificate);
    assert_eq!(report.verdict, Verdict::Valid);
    assert!(!report.parties[3].signed);
}

fn deployed(certificate: &mut Certificate) -> &mut Deployment {
    certificate.deployment.as_mut().expect("compiled")
}

#[test]
fn a_norm_proof_of_other_bytes_fails_though_all_holders_sign_it() {
    let world = world();
    let mut certificate = world.certificate.clone();
    let manifest = Manifest::decode(&certificate.body.rounds[0].manifest).expect("ours");
    let bytes = &mut certificate.body.rounds[0].contributions[1];
    let mut contribution = Contribution::decode(bytes, &manifest).expect("ours");
    let middle = contribution.proof.len() / 2;
    contribution.proof[middle] ^= 1;
    *bytes = contribution.encode();
    world.sign_round_again(&mut certificate, 0);
    world.sign_again(&mut certificate);
    let report = reports(&certificate);
    assert_eq!(failed(&report), ["training.norms"]);
    let reason = &report.check("training.norms").expect("made").reason;
    assert!(
        reason.contains("Round 0") && reason.contains("party 2"),
        "{reason}"
    );
    // The same signatures over what was there verify: the helper itself breaks nothing.
    let mut certificate = world.certificate.clone();
    world.sign_round_again(&mut certificate, 0);
    world.sign_again(&mut certificate);
    assert_eq!(reports(&certificate).verdict, Verdict::Valid);
}

#[test]
fn a_false_compliance_proof_is_refused() {
    let world = world();
    let mut certificate = world.certificate.clone();
    let rng = &mut ChaCha20Rng::from_seed([6; 32]);
    let other = ark_bn254::Fr::rand(rng);
    certificate.body.compliance[0].inputs[..32].copy_from_slice(&scalar_to_bytes(&other));
    world.sign_again(&mut certificate);
    let report = reports(&certificate);
    assert_eq!(failed(&report), ["compliance.proof"]);
    let reason = &report.check("compliance.proof").expect("made").reason;
    assert!(reason.contains("pairing"), "{reason}");
}

#[test]
fn bytes_that_are_no_certificate_are_refused_and_nothing_panics() {
    let bytes = world().certificate.encode();
    let options = world().options();
    for length in (0..bytes.len()).step_by(bytes.len() / 60) {
        let report = verify_certificate(&bytes[..length], &options);
        assert_eq!(failed(&report), ["training.encoding"]);
    }
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut bent = bytes.clone();
        bent[at] ^= 0x10;
        assert_ne!(
            verify_certificate(&bent, &options).verdict,
            Verdict::Valid,
            "byte {at}"
        );
    }
}

#[test]
fn a_debit_names_its_round_and_carries_the_slack() {
    let bytes = &world().certificate.body.rounds[0].manifest;
    let manifest = Manifest::decode(bytes).expect("ours");
    let terms = Terms::of(&manifest).expect("terms").expect("private");
    let debit = debit(&manifest, &terms).expect("a debit");
    assert_eq!(
        debit.round,
        clearproof_shared::encoding::hex(&manifest.digest())
    );
    assert_eq!(debit.slack_delta, terms.slack(&manifest).delta);
    assert!(debit.slack_delta > 0.0);
}
