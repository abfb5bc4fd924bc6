//! Against arkworks' Groth16: same keys, same proofs, same answers; and what no prover writes is refused.

use std::path::PathBuf;

use ark_bn254::{Bn254 as ArkBn254, Fr as ArkFr};
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use ark_groth16::{prepare_verifying_key, Groth16};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};
use ark_relations::lc;
use ark_serialize::CanonicalSerialize;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use super::report::{names, report};
use super::*;
use crate::bn254::{Fq, Fq2};
use crate::encoding::scalar_to_bytes;
use crate::verify::report::{Outcome, Verdict};

/// `a b = public_0`, `(a + b)^2 = public_1`, and a public input of which the circuit says nothing.
#[derive(Clone, Copy)]
struct Circuit {
    a: ArkFr,
    b: ArkFr,
}

impl Circuit {
    fn public(self) -> Vec<ArkFr> {
        vec![
            self.a * self.b,
            (self.a + self.b).square(),
            ArkFr::from(7u64),
        ]
    }
}

impl ConstraintSynthesizer<ArkFr> for Circuit {
    fn generate_constraints(self, cs: ConstraintSystemRef<ArkFr>) -> Result<(), SynthesisError> {
        let [product, square, _unbound] = self.public()[..] else {
            panic!("three public inputs");
        };
        let product = cs.new_input_variable(|| Ok(product))?;
        let square = cs.new_input_variable(|| Ok(square))?;
        let _unbound = cs.new_input_variable(|| Ok(ArkFr::from(7u64)))?;
        let a = cs.new_witness_variable(|| Ok(self.a))?;
        let b = cs.new_witness_variable(|| Ok(self.b))?;
        cs.enforce_r1cs_constraint(|| lc!() + a, || lc!() + b, || lc!() + product)?;
        cs.enforce_r1cs_constraint(|| lc!() + a + b, || lc!() + a + b, || lc!() + square)
    }
}

struct Sample {
    key: ark_groth16::VerifyingKey<ArkBn254>,
    proof: ark_groth16::Proof<ArkBn254>,
    public: Vec<ArkFr>,
}

impl Sample {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let circuit = Circuit {
            a: ArkFr::from(rng.next_u64()),
            b: -ArkFr::from(rng.next_u64()),
        };
        let parameters =
            Groth16::<ArkBn254>::generate_random_parameters_with_reduction(circuit, &mut rng)
                .expect("a circuit of two constraints");
        let proof =
            Groth16::<ArkBn254>::create_random_proof_with_reduction(circuit, &parameters, &mut rng)
                .expect("an honest witness");
        Self {
            key: parameters.vk,
            proof,
            public: circuit.public(),
        }
    }

    fn arkworks_accepts(&self, public: &[ArkFr]) -> bool {
        let key = prepare_verifying_key(&self.key);
        Groth16::<ArkBn254>::verify_proof(&key, &self.proof, public).expect("as many inputs")
    }

    fn inputs(&self) -> Vec<u8> {
        self.public.iter().flat_map(scalar_to_bytes).collect()
    }

    fn coordinates(&self) -> (Vec<u8>, Vec<u8>) {
        (
            coordinates_of_key(&self.key),
            coordinates_of_proof(&self.proof),
        )
    }
}

fn coordinates_of_key(key: &ark_groth16::VerifyingKey<ArkBn254>) -> Vec<u8> {
    let mut bytes = g1_to_bytes(&key.alpha_g1).to_vec();
    for point in [&key.beta_g2, &key.gamma_g2, &key.delta_g2] {
        bytes.extend(g2_to_bytes(point));
    }
    bytes.extend(key.gamma_abc_g1.iter().flat_map(g1_to_bytes));
    bytes
}

fn coordinates_of_proof(proof: &ark_groth16::Proof<ArkBn254>) -> Vec<u8> {
    [
        &g1_to_bytes(&proof.a)[..],
        &g2_to_bytes(&proof.b),
        &g1_to_bytes(&proof.c),
    ]
    .concat()
}

fn serialized(value: &impl CanonicalSerialize, compressed: bool) -> Vec<u8> {
    let mut bytes = vec![];
    match compressed {
        true => value.serialize_compressed(&mut bytes),
        false => value.serialize_uncompressed(&mut bytes),
    }
    .expect("memory holds it");
    bytes
}

/// A sample's key and proof in every encoding.
fn encodings(sample: &Sample) -> Vec<(Encoding, Vec<u8>, Vec<u8>)> {
    let (key, proof) = sample.coordinates();
    let mut all = vec![(Encoding::Coordinates, key, proof)];
    for compressed in [true, false] {
        let key = serialized(&sample.key, compressed);
        all.push((
            Encoding::Arkworks,
            key,
            serialized(&sample.proof, compressed),
        ));
    }
    all
}

fn judge(key: &[u8], proof: &[u8], inputs: &[u8], encoding: Encoding) -> report::Groth16Report {
    report(key, proof, inputs, encoding, &|| 0.0)
}

#[test]
fn arkworks_proofs_verify_in_every_encoding() {
    for seed in 0..4 {
        let sample = Sample::new(seed);
        assert!(sample.arkworks_accepts(&sample.public));
        let mut keys = vec![];
        for (encoding, key, proof) in encodings(&sample) {
            let report = judge(&key, &proof, &sample.inputs(), encoding);
            assert_eq!(report.verdict, Verdict::Valid, "{:?}", report.checks);
            assert_eq!(report.checks.len(), 4);
            keys.push(report.key);
        }
        assert!(keys.iter().all(|key| key.is_some() && *key == keys[0]));
    }
}

#[test]
fn answers_are_arkworks() {
    let sample = Sample::new(5);
    let (key, proof) = sample.coordinates();
    let key = VerifyingKey::decode(&key, Encoding::Coordinates).unwrap();
    let other = Proof::decode(&Sample::new(6).coordinates().1, Encoding::Coordinates).unwrap();
    let proof = Proof::decode(&proof, Encoding::Coordinates).unwrap();
    for (place, change) in [(0, 1u64), (1, 1), (1, u64::MAX), (2, 1), (0, 0)] {
        let mut public = sample.public.clone();
        public[place] += ArkFr::from(change);
        let accepted = key.verify(&proof, &public).is_ok();
        assert_eq!(accepted, sample.arkworks_accepts(&public));
        assert_eq!(accepted, change == 0);
    }
    assert_eq!(
        key.verify(&other, &sample.public),
        Err(Groth16Error::Equation)
    );
    assert_eq!(
        key.verify(&proof, &sample.public[..2]),
        Err(Groth16Error::Inputs {
            expected: 3,
            got: 2
        })
    );
}

#[test]
fn a_rerandomised_proof_verifies() {
    let mut sample = Sample::new(7);
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let before = sample.proof.clone();
    sample.proof = Groth16::<ArkBn254>::rerandomize_proof(&sample.key, &before, &mut rng);
    assert_ne!(sample.proof, before);
    let (key, proof) = sample.coordinates();
    let report = judge(&key, &proof, &sample.inputs(), Encoding::Coordinates);
    assert_eq!(report.verdict, Verdict::Valid);
}

#[test]
fn no_flipped_bit_leaves_a_key_or_a_proof_valid() {
    let sample = Sample::new(9);
    let inputs = sample.inputs();
    for (encoding, key, proof) in encodings(&sample) {
        for at in (0..proof.len()).step_by(5) {
            let mut bad = proof.clone();
            bad[at] ^= 1 << (at % 8);
            let verdict = judge(&key, &bad, &inputs, encoding).verdict;
            assert_eq!(verdict, Verdict::Invalid, "{encoding:?}, proof {at}");
        }
        for at in (0..key.len()).step_by(11) {
            let mut bad = key.clone();
            bad[at] ^= 1 << (at % 8);
            let verdict = judge(&bad, &proof, &inputs, encoding).verdict;
            assert_eq!(verdict, Verdict::Invalid, "{encoding:?}, key {at}");
        }
        for at in (0..64).step_by(3) {
            let mut bad = inputs.clone();
            bad[at] ^= 1;
            assert_eq!(
                judge(&key, &proof, &bad, encoding).verdict,
                Verdict::Invalid
            );
        }
    }
}

#[test]
fn flags_are_canonical() {
    let sample = Sample::new(10);
    for compressed in [true, false] {
        let proof = serialized(&sample.proof, compressed);
        let (a, ends) = match compressed {
            true => (31, [31, 95, 127]),
            false => (63, [63, 191, 255]),
        };
        assert!(Proof::decode(&proof, Encoding::Arkworks).is_ok());
        for end in ends {
            for flag in [0x40, 0x80, 0xc0] {
                let mut bad = proof.clone();
                bad[end] ^= flag;
                let result = Proof::decode(&bad, Encoding::Arkworks);
                // A compressed point with the other sign is the negative one: canonical, another proof.
                match compressed && flag == 0x80 {
                    true => assert_ne!(result, Proof::decode(&proof, Encoding::Arkworks)),
                    false => assert_eq!(result, Err(Groth16Error::ProofPoint)),
                }
            }
        }
        let mut identity = proof.clone();
        identity[..=a].fill(0);
        identity[a] = 0x40;
        assert!(Proof::decode(&identity, Encoding::Arkworks).is_ok());
        identity[a] = 0xc0;
        let refused = Err(Groth16Error::ProofPoint);
        assert_eq!(Proof::decode(&identity, Encoding::Arkworks), refused);
    }
}

#[test]
fn inputs_are_canonical() {
    let sample = Sample::new(11);
    let (key, proof) = sample.coordinates();
    let mut inputs = sample.inputs();
    // x + r is the same scalar, and must not be a second name of it.
    let mut aliased = sample.public[2].into_bigint();
    aliased.add_with_carry(&Fr::MODULUS);
    inputs[64..].copy_from_slice(&aliased.to_bytes_le());
    let report = judge(&key, &proof, &inputs, Encoding::Coordinates);
    let failed = report.checks.last().unwrap();
    assert_eq!(
        (failed.name, failed.outcome),
        (names::INPUTS, Outcome::Failed)
    );
    for inputs in [&sample.inputs()[..95], &sample.inputs()[..64], &[]] {
        let report = judge(&key, &proof, inputs, Encoding::Coordinates);
        assert_eq!(report.checks.last().unwrap().name, names::INPUTS);
        assert_eq!(report.verdict, Verdict::Invalid);
    }
}

#[test]
fn coordinates_are_below_the_modulus() {
    let sample = Sample::new(12);
    let (_, proof) = sample.coordinates();
    for coordinate in 0..8 {
        let place = 32 * coordinate..32 * (coordinate + 1);
        let mut x = ark_ff::BigInt::<4>::default();
        let words = proof[place.clone()].chunks_exact(8);
        for (limb, word) in x.0.iter_mut().zip(words) {
            *limb = u64::from_le_bytes(word.try_into().unwrap());
        }
        x.add_with_carry(&Fq::MODULUS);
        let mut bad = proof.clone();
        bad[place].copy_from_slice(&x.to_bytes_le());
        let refused = Err(Groth16Error::ProofPoint);
        assert_eq!(Proof::decode(&bad, Encoding::Coordinates), refused);
    }
}

#[test]
fn a_point_outside_the_subgroup_is_refused() {
    let mut sample = Sample::new(13);
    let mut x = Fq2::new(Fq::ONE, Fq::ZERO);
    let outside = loop {
        if let Some(point) = G2Affine::get_point_from_x_unchecked(x, false) {
            break point;
        }
        x += Fq2::ONE;
    };
    assert!(outside.is_on_curve());
    sample.proof.b = outside;
    for (encoding, _, proof) in encodings(&sample) {
        assert_eq!(
            Proof::decode(&proof, encoding),
            Err(Groth16Error::ProofPoint)
        );
    }
    sample.key.beta_g2 = outside;
    for (encoding, key, _) in encodings(&sample) {
        assert_eq!(
            VerifyingKey::decode(&key, encoding),
            Err(Groth16Error::KeyPoint)
        );
    }
}

/// With gamma = delta anybody proves anything: A = alpha, B = beta, C = -statement.
#[test]
fn keys_under_which_anybody_can_forge_are_refused() {
    let mut sample = Sample::new(14);
    sample.key.delta_g2 = sample.key.gamma_g2;
    let public = vec![ArkFr::from(1u64), ArkFr::from(2u64), ArkFr::from(3u64)];
    let ic = &sample.key.gamma_abc_g1;
    let statement = public.iter().zip(&ic[1..]);
    let statement = statement.fold(ic[0].into_group(), |sum, (x, point)| sum + *point * x);
    sample.proof = ark_groth16::Proof {
        a: sample.key.alpha_g1,
        b: sample.key.beta_g2,
        c: (-statement).into_affine(),
    };
    assert!(
        sample.arkworks_accepts(&public),
        "the forgery works elsewhere"
    );
    for (encoding, key, _) in encodings(&sample) {
        assert_eq!(
            VerifyingKey::decode(&key, encoding),
            Err(Groth16Error::Forgeable)
        );
    }
    for part in 0..4 {
        let mut key = Sample::new(15).key;
        match part {
            0 => key.alpha_g1 = G1Affine::identity(),
            1 => key.beta_g2 = G2Affine::identity(),
            2 => key.gamma_g2 = G2Affine::identity(),
            _ => key.delta_g2 = G2Affine::identity(),
        }
        let bytes = coordinates_of_key(&key);
        let refused = Err(Groth16Error::Forgeable);
        assert_eq!(VerifyingKey::decode(&bytes, Encoding::Coordinates), refused);
        for compressed in [true, false] {
            let bytes = serialized(&key, compressed);
            assert_eq!(VerifyingKey::decode(&bytes, Encoding::Arkworks), refused);
        }
    }
}

#[test]
fn lengths_are_bounded() {
    let sample = Sample::new(16);
    for (encoding, key, proof) in encodings(&sample) {
        for cut in [0, 1, 8, 223, 224, 231, 232, key.len() - 32, key.len() - 1] {
            let refused = Err(Groth16Error::KeyLength);
            assert_eq!(
                VerifyingKey::decode(&key[..cut], encoding),
                refused,
                "{cut}"
            );
        }
        for cut in 0..proof.len() {
            let refused = Err(Groth16Error::ProofLength);
            let other_form = encoding == Encoding::Arkworks && cut == 128;
            assert!(other_form || Proof::decode(&proof[..cut], encoding) == refused);
        }
        for count in [u64::MAX, 1 << 40, 2 + MAX_PUBLIC_INPUTS as u64, 0] {
            for at in [224, 448] {
                let mut bad = key.clone();
                if let Some(place) = bad.get_mut(at..at + 8) {
                    place.copy_from_slice(&count.to_le_bytes());
                    assert!(VerifyingKey::decode(&bad, encoding).is_err());
                }
            }
        }
    }
    let long = vec![0; 448 + 64 * (2 + MAX_PUBLIC_INPUTS)];
    let refused = Err(Groth16Error::KeyLength);
    assert_eq!(VerifyingKey::decode(&long, Encoding::Coordinates), refused);
}

#[test]
fn random_bytes_are_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    for length in [0usize, 1, 128, 256, 232, 264, 328, 448, 512, 520, 4096] {
        for _ in 0..20 {
            let mut bytes = vec![0; length];
            rng.fill_bytes(&mut bytes);
            for encoding in [Encoding::Coordinates, Encoding::Arkworks] {
                assert!(VerifyingKey::decode(&bytes, encoding).is_err());
                assert!(Proof::decode(&bytes, encoding).is_err());
            }
        }
    }
}

/// The files that the npm package's tests read. `CLEARPROOF_WRITE_VECTORS=1` writes them anew.
#[test]
fn the_vectors_are_arkworks() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/groth16");
    let sample = Sample::new(2024);
    let files = [
        ("key.compressed.bin", serialized(&sample.key, true)),
        ("key.uncompressed.bin", serialized(&sample.key, false)),
        ("proof.compressed.bin", serialized(&sample.proof, true)),
        ("proof.uncompressed.bin", serialized(&sample.proof, false)),
        ("inputs.bin", sample.inputs()),
    ];
    for (name, bytes) in files {
        let path = folder.join(name);
        if std::env::var_os("CLEARPROOF_WRITE_VECTORS").is_some() {
            std::fs::write(&path, &bytes).expect("the folder is there");
        }
        assert!(
            std::fs::read(&path).ok() == Some(bytes),
            "{name} is another"
        );
    }
}
