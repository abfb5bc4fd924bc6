//! The link: each way of cheating on it, and on its bases, is named.

use std::sync::Arc;

use ark_ec::{AffineRepr as _, CurveGroup as _};
use clearproof_shared::artifact::key::{Srs, VerifyingKey};
use clearproof_shared::verify::{verify_prepared, PreparedKey, VerifyError};

use crate::setup::{honest, setups, Job, Setup, KZG};
use crate::toy::Toy;

/// A prover that proves honestly for other commitments than the statement's.
fn link_verdict(setup: &Setup, seed: u8, change: impl Fn(&mut Toy, &mut Job)) -> VerifyError {
    let (mut toy, mut job) = honest(setup, 3, seed);
    change(&mut toy, &mut job);
    let proof = setup.prove(&toy, &job);
    let halo2 = &proof[..proof.len() - setup.link_bytes()];
    let instance = setup.instance(&job.released);
    assert!(
        setup.stock_accepts(&job.digest(setup), &instance, halo2),
        "all but the link holds"
    );
    job.verify(setup, &proof).expect_err("the link is wrong")
}

#[test]
fn each_way_of_cheating_on_the_link_is_named() {
    for setup in setups() {
        // Another model's weights, whatever the commitment says.
        let other_model = |toy: &mut Toy, _: &mut Job| toy.weights[1][2] += 1;
        assert_eq!(link_verdict(setup, 21, other_model), VerifyError::Link);
        // The commitments of two inputs swapped.
        let swapped = |_: &mut Toy, job: &mut Job| job.inputs.swap(0, 1);
        assert_eq!(link_verdict(setup, 22, swapped), VerifyError::Link);
        // The batch rotated, released values with it.
        let rotated = |_: &mut Toy, job: &mut Job| job.inputs.rotate_left(1);
        assert_eq!(link_verdict(setup, 23, rotated), VerifyError::Link);
        // The batch reversed.
        let reversed = |_: &mut Toy, job: &mut Job| job.inputs.reverse();
        assert_eq!(link_verdict(setup, 26, reversed), VerifyError::Link);
        // The weight columns swapped.
        let columns = |_: &mut Toy, job: &mut Job| job.model.swap(0, 1);
        assert_eq!(link_verdict(setup, 24, columns), VerifyError::Link);
    }
}

/// The rows of an honest batch, told in the opposite order: commitments, released values and leaves agree
/// among themselves, and the proof is about the first order.
#[test]
fn a_batch_in_reverse_order_is_refused() {
    for setup in setups() {
        let (toy, job) = honest(setup, 3, 27);
        let mut reversed = job.clone();
        reversed.inputs.reverse();
        reversed.released.reverse();
        reversed.leaves.reverse();
        let proof = setup.prove(&toy, &job);
        assert_eq!(job.verify(setup, &proof), Ok(()));
        assert_eq!(reversed.verify(setup, &proof), Err(VerifyError::Opening));
        // A prover that absorbs the reversed statement has the released values against it.
        let proof = setup.prove(&toy, &reversed);
        assert_eq!(reversed.verify(setup, &proof), Err(VerifyError::Opening));
    }
}

#[test]
fn a_broken_link_is_named() {
    for setup in setups() {
        let (toy, job) = honest(setup, 3, 25);
        let mut proof = setup.prove(&toy, &job);
        let last = proof.len() - 32;
        proof[last] ^= 1;
        assert_eq!(job.verify(setup, &proof), Err(VerifyError::Link));
    }
}

/// With L_0 among the "tail bases" another weight on row 0 would pass the link.
#[test]
fn a_key_with_a_wrong_base_is_named() {
    for setup in setups() {
        let (toy, job) = honest(setup, 1, 31);
        let proof = setup.prove(&toy, &job);
        let with_key = |key: VerifyingKey| {
            let prepared = PreparedKey::new(key, Arc::clone(&setup.generators)).expect("shape");
            job.with_statement(|s| verify_prepared(&prepared, s, &proof).map(drop))
        };
        let mut key = setup.key.clone();
        key.tail_bases[3] = key.row_bases[0].1;
        assert_eq!(with_key(key), Err(VerifyError::Bases));
        let mut key = setup.key.clone();
        key.row_bases[1].1 = (key.row_bases[1].1 + ark_bn254::G1Affine::generator()).into_affine();
        assert_eq!(with_key(key), Err(VerifyError::Bases));
    }
}

/// `[tau^n]_1` stands in no opening, only in the equation of the bases.
#[test]
fn a_wrong_power_of_tau_is_named() {
    let (toy, job) = honest(&KZG, 1, 32);
    let mut key = KZG.key.clone();
    let Srs::Kzg { tau_n_g1, .. } = &mut key.srs else {
        unreachable!("a KZG key")
    };
    *tau_n_g1 = (*tau_n_g1 + ark_bn254::G1Affine::generator()).into_affine();
    let prepared = PreparedKey::new(key, Arc::clone(&KZG.generators)).expect("shape");
    // The point is part of the circuit id, hence of the statement: the proof is made for this key.
    let statement = job.with_statement(|s| s.digest(KZG.key.scheme(), prepared.circuit_id()));
    let proof = KZG.prove_statement(&toy, &job, &statement);
    let verdict = job.with_statement(|s| verify_prepared(&prepared, s, &proof).map(drop));
    assert_eq!(verdict, Err(VerifyError::Bases));
}
