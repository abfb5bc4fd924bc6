//! The generators that the verifier pins by digest are those that halo2 hashes to the curve.

use clearproof_prover::prove::export::g1_to_ark;
use clearproof_shared::encoding::hex;
use clearproof_shared::verify::srs::{generators_digest, GENERATORS};
use clearproof_shared::verify::Generators;
use group::Curve;
use halo2curves::bn256::{G1Affine, G1};
use halo2curves::CurveExt;
use rayon::prelude::*;

/// The first 2^k generators; those of a smaller k are a prefix of these.
fn generators(k: u32) -> Vec<G1Affine> {
    let indices = (0..1u32 << k).into_par_iter();
    indices
        .map(|index| {
            let mut message = [0u8; 5];
            message[1..].copy_from_slice(&index.to_le_bytes());
            hash(&message)
        })
        .collect()
}

fn hash(message: &[u8]) -> G1Affine {
    G1::hash_to_curve("Halo2-Parameters")(message).to_affine()
}

fn check_up_to(most: u32) {
    let points: Vec<_> = generators(most).iter().map(g1_to_ark).collect();
    let (w, u) = (g1_to_ark(&hash(&[1])), g1_to_ark(&hash(&[2])));
    for k in 5..=most {
        let digest = generators_digest(&w, &u, &Generators::new(points[..1 << k].to_vec()));
        let pinned = GENERATORS.iter().find(|(pinned, _)| *pinned == k);
        assert_eq!(pinned.map(|(_, d)| hex(d)), Some(hex(&digest)), "k = {k}");
    }
}

#[test]
fn small_generators_are_pinned() {
    check_up_to(8);
}

#[test]
#[ignore = "hashes 65,536 points to the curve"]
fn all_generators_are_pinned() {
    check_up_to(16);
}
