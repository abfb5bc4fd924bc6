//! Proofs: honest ones are accepted, mutated ones get the stock verdict.

use clearproof_prover::prove::export::{g1_to_ark, scalar_to_ark};
use clearproof_shared::encoding::{point_to_bytes, scalar_to_bytes};
use clearproof_shared::verify::{verify_proof, VerifyError};
use ff::Field;
use group::{Curve, Group as _};
use halo2curves::bn256::{Fr, G1};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

use crate::setup::{honest, setups, Job};
use crate::toy::SLOTS;

#[test]
fn honest_proofs_are_accepted_by_both() {
    for setup in setups() {
        for rows in 1..=SLOTS {
            let (toy, job) = honest(setup, rows, rows as u8);
            let proof = setup.prove(&toy, &job);
            assert_eq!(job.verify(setup, &proof), Ok(()));
            let halo2 = &proof[..proof.len() - setup.link_bytes()];
            let instance = setup.instance(&job.released);
            assert!(setup.stock_accepts(&job.digest(setup), &instance, halo2));
            let checked = job.with_statement(|s| {
                verify_proof(&setup.key, &setup.generators, s, &proof).map(drop)
            });
            assert_eq!(checked, Ok(()));
        }
    }
}

/// Ten thousand mutations of the Halo2 part, half in each scheme; AGREEMENT_ROUNDS asks for more. The link after it
/// is honest, so our verdict on the whole must be the stock one on the part (a link that reads other challenges
/// fails with it).
#[test]
fn mutated_proofs_get_the_stock_verdict() {
    let rounds: usize = std::env::var("AGREEMENT_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(5_000);
    for setup in setups() {
        let (toy, job) = honest(setup, 2, 7);
        let proof = setup.prove(&toy, &job);
        let split = proof.len() - setup.link_bytes();
        let statement = job.digest(setup);
        let instance = setup.instance(&job.released);
        let check = |round: usize| {
            let mut seed = [9; 32];
            seed[..8].copy_from_slice(&(round as u64).to_le_bytes());
            let mut rng = ChaCha20Rng::from_seed(seed);
            let mut mutated = proof.clone();
            let element = rng.next_u32() as usize % (split / 32);
            let bytes = &mut mutated[32 * element..32 * element + 32];
            match round % 5 {
                0 => bytes[rng.next_u32() as usize % 31] ^= 1 << (rng.next_u32() % 8),
                1 => bytes[31] ^= 0x40, // the other point, or not canonical
                2 => {
                    let point = G1::random(&mut rng).to_affine();
                    bytes.copy_from_slice(&point_to_bytes(&g1_to_ark(&point)));
                }
                3 => {
                    let scalar = scalar_to_ark(&Fr::random(&mut rng));
                    bytes.copy_from_slice(&scalar_to_bytes(&scalar));
                }
                _ => {
                    let from = rng.next_u32() as usize % (split / 32);
                    let copy: Vec<u8> = proof[32 * from..32 * from + 32].to_vec();
                    bytes.copy_from_slice(&copy);
                }
            }
            let unchanged = mutated == proof;
            let ours = job.verify(setup, &mutated);
            let stock = setup.stock_accepts(&statement, &instance, &mutated[..split]);
            assert_eq!(ours.is_ok(), unchanged, "round {round}: {ours:?}");
            assert_eq!(stock, unchanged, "round {round}");
            let refused = [VerifyError::Point, VerifyError::Scalar];
            usize::from(!refused.iter().any(|e| ours == Err(*e)))
        };
        let canonical: usize = (0..rounds).into_par_iter().map(check).sum();
        assert!(canonical > rounds / 3, "{canonical} canonical mutations");
    }
}

#[test]
fn other_instances_statements_and_lengths_are_rejected() {
    for setup in setups() {
        let (toy, job) = honest(setup, 3, 11);
        let proof = setup.prove(&toy, &job);
        let changed = |change: &dyn Fn(&mut Job)| {
            let mut job = job.clone();
            change(&mut job);
            job.verify(setup, &proof)
        };
        assert_eq!(changed(&|_| ()), Ok(()));
        assert!(changed(&|job| job.released[1] += 1).is_err());
        assert!(changed(&|job| job.leaves[2][0] ^= 1).is_err());
        assert!(changed(&|job| job.origin.push('x')).is_err());
        assert_eq!(
            changed(&|job| job.inputs.truncate(2)),
            Err(VerifyError::Released {
                expected: 2,
                got: 3
            })
        );
        assert_eq!(
            changed(&|job| job.inputs.push(job.inputs[0].clone())),
            Err(VerifyError::Rows { slots: 3, got: 4 })
        );
        assert_eq!(
            changed(&|job| job.model.truncate(1)),
            Err(VerifyError::ModelCommitments {
                expected: 2,
                got: 1
            })
        );
        for length in (0..proof.len()).step_by(7) {
            assert_eq!(
                job.verify(setup, &proof[..length]),
                Err(VerifyError::Truncated)
            );
        }
        let mut longer = proof.clone();
        longer.push(0);
        assert_eq!(job.verify(setup, &longer), Err(VerifyError::TrailingBytes));
    }
}

/// The stock decoder ignores the identity bit of a point with x != 0; ours refuses it.
#[test]
fn a_second_encoding_is_refused() {
    for setup in setups() {
        let (toy, job) = honest(setup, 1, 13);
        let mut proof = setup.prove(&toy, &job);
        proof[31] ^= 0x80;
        assert_eq!(job.verify(setup, &proof), Err(VerifyError::Point));
    }
}
