//! A federation learns a line, keeps its promise, goes on from a checkpoint, and its certificate verifies.

use std::path::Path;

use clearproof_federated::aggregation::party::Update;
use clearproof_federated::aggregation::simulation::Network;
use clearproof_federated::certificate::{check_ceremonies, check_further};
use clearproof_federated::groth16::ceremony::phase_one::PhaseOne;
use clearproof_federated::groth16::ceremony::Ceremony;
use clearproof_federated::groth16::compliance::{Compliance as Fields, ComplianceConstraint};
use clearproof_federated::groth16::{Statement, StatementError};
use clearproof_federated::learner::{digest, LearnerError, SecureFederatedLearner, Settings};
use clearproof_federated::privacy::budget::BudgetError;
use clearproof_federated::training::optimizer::Rule;
use clearproof_federated::training::{Architecture, Examples, Loss, Model};
use clearproof_shared::training::certificate::{roster_digest, Certificate};
use clearproof_shared::verify::report::{Check, Outcome, Verdict};
use clearproof_shared::verify::training::{verify_certificate, TrainingOptions};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

const PARTIES: [&str; 4] = ["Alpha", "Beta", "Gamma", "Delta"];
const EACH: usize = 200;

/// Points of the plane, labelled by which side of a line they are on.
fn data(rng: &mut ChaCha20Rng, count: usize) -> (Vec<f32>, Vec<u32>) {
    let unit = |rng: &mut ChaCha20Rng| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
    let features: Vec<f32> = (0..2 * count).map(|_| unit(rng)).collect();
    let labels = features
        .chunks(2)
        .map(|p| u32::from(2.0 * p[0] - p[1] > 0.1));
    let labels = labels.collect();
    (features, labels)
}

fn settings(budgets: &Path, rounds: u32) -> Settings {
    Settings {
        rounds,
        sampling_rate: 0.5,
        clip_norm: 1.0,
        rule: Rule::Sgd {
            learning_rate: 2.0,
            momentum: 0.5,
        },
        log_scale: 12,
        coordinate_bits: 28,
        log_rows: 6,
        records: PARTIES.len() * EACH,
        most_examples: EACH as u32,
        dropouts: 0,
        norm_proofs: false,
        budgets: budgets.to_owned(),
    }
}

fn model(rng: &mut ChaCha20Rng) -> Model {
    let architecture = Architecture::mlp(2, &[4], 1, Loss::Logistic).expect("an architecture");
    Model::initialized(architecture, rng)
}

fn round(
    learner: &mut SecureFederatedLearner,
    parties: &[(Vec<f32>, Vec<u32>)],
    rng: &mut ChaCha20Rng,
) -> Result<(), LearnerError> {
    let updates = parties
        .iter()
        .map(|(data, labels)| Ok(learner.compute_local_update(data, labels, rng)?.0));
    let updates: Result<Vec<Update>, LearnerError> = updates.collect();
    let aggregate = learner.aggregate_updates(&updates?, rng)?;
    learner.apply_update(&aggregate)
}

fn verdict(learner: &SecureFederatedLearner, certificate: &Certificate) -> Verdict {
    let options = TrainingOptions {
        roster: Some(roster_digest(learner.roster())),
        allow_insecure_setup: true,
        ..TrainingOptions::default()
    };
    let bytes = certificate.encode();
    let mut report = verify_certificate(&bytes, &options);
    check_further(&mut report, &bytes);
    let bad = report
        .checks
        .iter()
        .filter(|c| c.outcome != Outcome::Passed);
    for check in bad {
        eprintln!("{}: {}", check.name, check.reason);
    }
    report.verdict
}

#[test]
fn a_federation_learns_proves_and_goes_on_from_a_checkpoint() {
    let rng = &mut ChaCha20Rng::from_seed([8; 32]);
    let folder = tempfile::tempdir().expect("a folder");
    let parties: Vec<_> = PARTIES.iter().map(|_| data(rng, EACH)).collect();
    let (features, labels) = data(rng, 500);
    let test = Examples::new(features, labels, 2).expect("examples");
    let constraints = Fields {
        fields: vec!["num_samples".into()],
        constraints: vec![ComplianceConstraint {
            name: "num_samples".into(),
            min: Some(100),
            max: None,
            required_fields: vec![],
        }],
        linear: vec![],
    };
    let rounds = 12;
    let settings = settings(folder.path(), rounds);
    let model = model(rng);
    let mut learner = SecureFederatedLearner::new(
        model,
        &PARTIES,
        Some(constraints.clone()),
        8.0,
        1e-5,
        &settings,
        rng,
    )
    .expect("settings that fit");
    assert!(learner.certificate().expect("no accounting").is_none());
    // 1. Half of the rounds, a checkpoint, the rest.
    for _ in 0..rounds / 2 {
        round(&mut learner, &parties, rng).expect("within the budget");
    }
    let checkpoint = folder.path().join("checkpoint");
    learner.save(&checkpoint).expect("writable");
    let before = learner.model().clone();
    drop(learner);
    let mut learner = SecureFederatedLearner::restore(
        &checkpoint,
        Some(constraints.clone()),
        8.0,
        1e-5,
        &settings,
    )
    .expect("what was saved");
    assert_eq!((learner.rounds(), learner.model()), (6, &before));
    for _ in rounds / 2..rounds {
        round(&mut learner, &parties, rng).expect("within the budget");
    }
    let accuracy = learner.evaluate(&test).expect("examples that fit").accuracy;
    assert!(accuracy > 0.8, "{accuracy}");
    assert!(learner.spent(2).expect("accounted") <= 8.0);
    // 2. The promise is kept: nothing leaves in a further round.
    let (rounds_before, spent) = (learner.rounds(), learner.spent(0).expect("accounted"));
    let refused = round(&mut learner, &parties, rng);
    assert!(
        matches!(
            refused,
            Err(LearnerError::Budget {
                party: 0,
                error: BudgetError::Exceeded { .. }
            })
        ),
        "{refused:?}"
    );
    assert_eq!(
        (learner.rounds(), learner.spent(0).expect("accounted")),
        (rounds_before, spent)
    );
    // 3. A constraint, proved; and one that does not hold.
    let key = Statement::Compliance(constraints.clone())
        .single_party_key(rng)
        .expect("a key");
    let fields = |count: i64, rng: &mut ChaCha20Rng| {
        let values = [("num_samples".to_owned(), count)].into_iter().collect();
        constraints.record(&values, rng).expect("known fields")
    };
    let (enough, few) = (fields(EACH as i64, rng), fields(99, rng));
    learner
        .verify_compliance(1, &enough, &key, None, rng)
        .expect("it holds");
    let refused = learner.verify_compliance(1, &few, &key, None, rng);
    assert!(matches!(
        refused,
        Err(LearnerError::Statement(StatementError::OutOfRange { .. }))
    ));
    // 4. Another party's, under a key of a ceremony.
    let powers = PhaseOne::insecure();
    let statement = Statement::Compliance(constraints.clone());
    let mut ceremony = Ceremony::new(statement, &powers).expect("enough powers");
    ceremony.contribute("Alpha", rng).expect("a name");
    let early = ceremony.clone();
    ceremony.contribute("Beta", rng).expect("a name");
    let report = ceremony.verify(&powers).expect("honest");
    let key = ceremony.keys(&powers, true).expect("allowed");
    learner
        .verify_compliance(2, &enough, key, Some(&report), rng)
        .expect("it holds");
    // 5. The certificate.
    let mut certificate = learner.certificate().expect("accounted").expect("rounds");
    assert_eq!(certificate.body.rounds.len(), 12);
    assert_eq!(certificate.body.model, Some(digest(learner.model())));
    assert_eq!(verdict(&learner, &certificate), Verdict::Valid);
    let bytes = certificate.encode();
    let setups = |given: &[Ceremony]| -> Vec<(Outcome, String)> {
        let given: Vec<_> = given.iter().map(|c| (c.clone(), powers.clone())).collect();
        let mut report = verify_certificate(&bytes, &TrainingOptions::default());
        check_ceremonies(&mut report, &bytes, &given);
        let own = |c: &&Check| c.name == "compliance.ceremony";
        let own = report.checks.iter().filter(own);
        own.map(|c| (c.outcome, c.reason.clone())).collect()
    };
    // The first proof is under a key that nobody contributed to.
    let found = setups(&[early.clone(), ceremony]);
    assert_eq!(
        (found[0].0, found[1].0),
        (Outcome::Failed, Outcome::Passed),
        "{found:?}"
    );
    let found = setups(&[early]);
    assert_eq!(found[1].0, Outcome::Failed);
    assert!(found[1].1.contains("No ceremony"), "{found:?}");
    learner.deploy(&mut certificate, 2, [[1; 32], [2; 32], [3; 32]]);
    assert_eq!(verdict(&learner, &certificate), Verdict::Valid);
}

#[test]
fn an_update_out_of_bounds_stays_debited_and_is_another_attempt() {
    let rng = &mut ChaCha20Rng::from_seed([9; 32]);
    let folder = tempfile::tempdir().expect("a folder");
    let parties: Vec<_> = PARTIES.iter().map(|_| data(rng, EACH)).collect();
    let settings = settings(folder.path(), 4);
    let model = model(rng);
    let mut learner = SecureFederatedLearner::new(model, &PARTIES, None, 8.0, 1e-5, &settings, rng)
        .expect("settings that fit");
    let long = Update {
        clipped: vec![1 << 25; learner.model().parameters().len()],
        noise: vec![0; learner.model().parameters().len()],
    };
    let refused = learner.aggregate_updates(&vec![long; 4], rng);
    assert!(
        matches!(refused, Err(LearnerError::Begin(_))),
        "{refused:?}"
    );
    assert_eq!(learner.rounds(), 0);
    assert!(learner.spent(3).expect("accounted") > 0.0);
    round(&mut learner, &parties, rng).expect("the second attempt");
    let certificate = learner.certificate().expect("accounted").expect("a round");
    assert_eq!(certificate.body.aborted.len(), 1);
    assert_eq!(certificate.body.spent.map(|spent| spent.rounds), Some(2));
    assert_eq!(verdict(&learner, &certificate), Verdict::Valid);
    let few = learner.aggregate_updates(&[], rng);
    assert!(matches!(
        few,
        Err(LearnerError::Updates {
            expected: 4,
            got: 0
        })
    ));
    // Not-a-number never reaches the grid.
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let refused = learner.compute_local_update(&[bad, 0.0], &[1], rng);
        assert!(
            matches!(refused, Err(LearnerError::Training(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn without_privacy_nothing_is_promised_debited_or_added() {
    let rng = &mut ChaCha20Rng::from_seed([11; 32]);
    let folder = tempfile::tempdir().expect("a folder");
    let parties: Vec<_> = PARTIES.iter().map(|_| data(rng, EACH)).collect();
    let settings = settings(&folder.path().join("budgets"), 2);
    let model = model(rng);
    let mut learner =
        SecureFederatedLearner::without_privacy(model, &PARTIES, None, &settings, rng)
            .expect("settings that fit");
    let (own, _) = learner
        .compute_local_update(&parties[0].0, &parties[0].1, rng)
        .expect("examples");
    assert!(own.noise.iter().all(|x| *x == 0));
    round(&mut learner, &parties, rng).expect("a sum");
    let checkpoint = folder.path().join("checkpoint");
    learner.save(&checkpoint).expect("writable");
    drop(learner);
    let mut learner = SecureFederatedLearner::restore_without_privacy(&checkpoint, None, &settings)
        .expect("what was saved");
    round(&mut learner, &parties, rng).expect("a sum");
    assert_eq!(learner.spent(0).expect("nothing to account"), f64::INFINITY);
    assert!(!settings.budgets.exists());
    let certificate = learner.certificate().expect("no accounting");
    let certificate = certificate.expect("rounds");
    assert_eq!(certificate.body.rounds.len(), 2);
    assert_eq!(certificate.body.spent, None);
    assert_eq!(verdict(&learner, &certificate), Verdict::Valid);
    let report = verify_certificate(&certificate.encode(), &TrainingOptions::default());
    assert!(report.privacy.is_none() && report.check("privacy.budget").is_none());
}

/// Party 3 says so many frames, and is gone.
struct Gone {
    left: usize,
}

impl Network for Gone {
    fn to_coordinator(&mut self, from: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        if from != 3 {
            return vec![frame];
        }
        let said = self.left.min(1);
        self.left -= said;
        vec![frame; said]
    }

    fn to_party(&mut self, to: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        match to == 3 && self.left == 0 {
            true => vec![],
            false => vec![frame],
        }
    }
}

#[test]
fn a_party_that_is_gone_at_any_step_is_left_out_and_the_certificate_shows_it() {
    let rng = &mut ChaCha20Rng::from_seed([10; 32]);
    let folder = tempfile::tempdir().expect("a folder");
    let parties: Vec<_> = PARTIES.iter().map(|_| data(rng, EACH)).collect();
    let settings = Settings {
        dropouts: 1,
        ..settings(folder.path(), 14)
    };
    let model = model(rng);
    let mut learner = SecureFederatedLearner::new(model, &PARTIES, None, 8.0, 1e-5, &settings, rng)
        .expect("settings that fit");
    // Contribution, three shares, ready, coin, check, verdict, survivors, reveal, outcome, certificate.
    let (coin, check) = (5, 7);
    let (mut aborted, mut with_all) = (0, 0);
    for said in 0..12 {
        let updates = parties
            .iter()
            .map(|(data, labels)| learner.compute_local_update(data, labels, rng));
        let updates: Result<Vec<_>, LearnerError> = updates.collect();
        let updates: Vec<Update> = updates
            .expect("examples")
            .into_iter()
            .map(|u| u.0)
            .collect();
        let mut network = Gone { left: said };
        let mut result = learner.aggregate_updates_over(&updates, &mut network, rng);
        // A coin that is committed to and withheld ends the attempt; the next one goes without the party.
        if said == coin {
            assert!(
                matches!(result, Err(LearnerError::Aborted(_))),
                "{result:?}"
            );
            aborted += 1;
            result = learner.aggregate_updates_over(&updates, &mut Gone { left: 0 }, rng);
        }
        let aggregate = result.expect("a sum of the others");
        let survivors = &aggregate.certificate.survivors.survivors;
        let has = survivors.iter().any(|survivor| survivor.party == 3);
        assert_eq!(has, said >= check, "{said} frames");
        with_all += u32::from(has);
        let expected = |i: usize| -> i64 {
            let those = survivors.iter().map(|s| &updates[usize::from(s.party)]);
            those.map(|u| u.clipped[i] + u.noise[i]).sum()
        };
        assert!((0..aggregate.sum.len()).all(|i| aggregate.sum[i] == expected(i)));
        learner.apply_update(&aggregate).expect("it fits");
    }
    let certificate = learner.certificate().expect("accounted").expect("rounds");
    assert_eq!(certificate.body.aborted.len(), aborted);
    assert_eq!(verdict(&learner, &certificate), Verdict::Valid);
    let options = TrainingOptions::default();
    let report = verify_certificate(&certificate.encode(), &options);
    let seen: Vec<_> = report
        .parties
        .iter()
        .map(|p| (p.rounds, p.signed))
        .collect();
    assert_eq!(
        seen,
        [(12, true), (12, true), (12, true), (with_all, false)]
    );
}
