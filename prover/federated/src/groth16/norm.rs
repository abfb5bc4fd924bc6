//! A committed update respects the clip norm.
//!
//! 1. Claim: the prover knows d integers `x_i` in `[-2^(b-1), 2^(b-1))` with `sum x_i^2 <= bound`, over the integers,
//!    which the public commitment opens to. It bounds influence; it does not show how the update was made.
//! 2. `x_i + 2^(b-1) = sum of b bits`; `s_i = x_i^2`; `bound - sum s_i` is in `[0, 2^w)`, `bound < 2^w`. Committed:
//!    `floor(248 / b)` shifted coordinates an element.
//! 3. `d 2^(2b)` stays below 2^120, far below the modulus.
//! 4. Public inputs: commitment, context. SOUNDNESS condition 21.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use ark_r1cs_std::eq::EqGadget;
use ark_r1cs_std::fields::fp::FpVar;
use ark_r1cs_std::fields::FieldVar;
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::gadgets::{bind, bits, input, nonnegative, pack, scalar, sum, width, witness};
use super::poseidon::{commit, commit_in_circuit, Tag, Width};
use super::{prove, Proven, ProvingKey, StatementError};

/// The statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipNorm {
    /// d, at most 10,000.
    pub coordinates: usize,
    /// b: bits of a coordinate, sign included; 2 to 32.
    pub bits: usize,
    /// Largest squared L2 norm, in squared grid units.
    pub squared_bound: u64,
}

/// A private vector with the blinding of its commitment.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct CommittedVector {
    pub(super) values: Vec<i64>,
    pub(super) blinding: Fr,
    bits: usize,
}

impl std::fmt::Debug for CommittedVector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CommittedVector({} coordinates)", self.values.len())
    }
}

impl CommittedVector {
    /// With fresh blinding.
    ///
    /// # Errors
    /// [`StatementError::OutOfRange`] for a coordinate that does not fit.
    pub fn new<R: RngCore + CryptoRng>(
        values: Vec<i64>,
        bits: usize,
        rng: &mut R,
    ) -> Result<Self, StatementError> {
        check_bits(bits)?;
        let half = 1i64 << (bits - 1);
        if let Some(index) = values.iter().position(|v| !(-half..half).contains(v)) {
            return Err(StatementError::OutOfRange {
                constraint: format!("{bits} bits"),
                field: format!("coordinate {index}"),
            });
        }
        let blinding = ark_ff::UniformRand::rand(rng);
        Ok(Self {
            values,
            blinding,
            bits,
        })
    }

    /// What is published.
    pub fn commitment(&self) -> Fr {
        let half = 1i64 << (self.bits - 1);
        let step = Fr::from(1u64 << self.bits);
        let lanes = self.values.chunks(lanes(self.bits)).map(|lane| {
            let shifted = lane.iter().rev().map(|v| Fr::from((v + half) as u64));
            shifted.fold(Fr::ZERO, |sum, v| sum * step + v)
        });
        commit(
            Tag::Vector,
            Width::Nine,
            self.blinding,
            &lanes.collect::<Vec<_>>(),
        )
    }
}

impl ClipNorm {
    /// # Errors
    /// [`StatementError::Malformed`].
    pub fn check(&self) -> Result<(), StatementError> {
        check_bits(self.bits)?;
        if !(1..=MOST_COORDINATES).contains(&self.coordinates) {
            let reason = format!("it must have 1 to {MOST_COORDINATES} coordinates");
            return Err(StatementError::Malformed(reason));
        }
        Ok(())
    }

    /// Proves that a committed vector respects the bound.
    ///
    /// # Errors
    /// [`StatementError::Length`]; [`StatementError::False`] if it is longer; [`StatementError::Key`].
    pub fn prove<R: RngCore + CryptoRng>(
        &self,
        key: &ProvingKey,
        vector: &CommittedVector,
        context: Fr,
        rng: &mut R,
    ) -> Result<Proven, StatementError> {
        self.check()?;
        check_vector(vector, self.coordinates, self.bits)?;
        let squares = vector
            .values
            .iter()
            .map(|&v| u128::from(v.unsigned_abs()).pow(2));
        if squares.sum::<u128>() > u128::from(self.squared_bound) {
            let constraint = "clip norm".into();
            return Err(StatementError::False { constraint });
        }
        prove(
            key,
            |system| self.constrain(&system, Some((vector, context))),
            rng,
        )
    }

    pub(super) fn constrain(
        &self,
        system: &ConstraintSystemRef<Fr>,
        given: Option<(&CommittedVector, Fr)>,
    ) -> Result<(), SynthesisError> {
        let vector = given.map(|(vector, _)| vector);
        // 1. Public: commitment, context.
        let commitment = input(system, vector.map(CommittedVector::commitment))?;
        bind(&input(system, given.map(|(_, context)| context))?)?;
        // 2. Coordinates in range, and their squares.
        let half = Fr::from(1u64 << (self.bits - 1));
        let (mut shifted, mut squares) = (vec![], Vec::with_capacity(self.coordinates));
        for index in 0..self.coordinates {
            let x = witness(system, vector.map(|v| scalar(i128::from(v.values[index]))))?;
            let wires = bits(system, &(&x + half), self.bits)?;
            shifted.push(pack(&wires));
            squares.push(x.square()?);
        }
        // 3. The opening.
        let blinding = witness(system, vector.map(|v| v.blinding))?;
        open(system, &commitment, &blinding, &shifted, self.bits)?;
        // 4. The norm.
        let rest = FpVar::Constant(Fr::from(self.squared_bound)) - sum(&squares);
        nonnegative(system, &rest, width(u128::from(self.squared_bound)))
    }
}

/// Ties shifted coordinates to a commitment.
pub(super) fn open(
    system: &ConstraintSystemRef<Fr>,
    commitment: &FpVar<Fr>,
    blinding: &FpVar<Fr>,
    shifted: &[FpVar<Fr>],
    bits: usize,
) -> Result<(), SynthesisError> {
    let mut packed = vec![];
    for lane in shifted.chunks(lanes(bits)) {
        let mut power = Fr::ONE;
        let mut terms = vec![];
        for value in lane {
            terms.push(value * power);
            power *= Fr::from(1u64 << bits);
        }
        packed.push(sum(&terms));
    }
    if packed.is_empty() {
        packed.push(FpVar::zero());
    }
    commit_in_circuit(system, Tag::Vector, Width::Nine, blinding, &packed)?
        .enforce_equal(commitment)
}

pub(super) fn check_vector(
    vector: &CommittedVector,
    expected: usize,
    bits: usize,
) -> Result<(), StatementError> {
    let got = vector.values.len();
    if got != expected {
        return Err(StatementError::Length { expected, got });
    }
    if vector.bits != bits {
        let reason = format!(
            "the vector is committed in {} bits, the statement has {bits}",
            vector.bits
        );
        return Err(StatementError::Malformed(reason));
    }
    Ok(())
}

pub(super) fn check_bits(bits: usize) -> Result<(), StatementError> {
    match (2..=32).contains(&bits) {
        true => Ok(()),
        false => Err(StatementError::Malformed(
            "a coordinate must have 2 to 32 bits".into(),
        )),
    }
}

/// Coordinates an element.
fn lanes(bits: usize) -> usize {
    248 / bits
}

const MOST_COORDINATES: usize = 10_000;

#[cfg(test)]
mod tests {
    use ark_relations::gr1cs::ConstraintSystem;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::super::{verifying_key, Statement};
    use super::*;

    const STATEMENT: ClipNorm = ClipNorm {
        coordinates: 20,
        bits: 10,
        squared_bound: 90_000,
    };

    fn satisfied(vector: &CommittedVector) -> bool {
        let system = ConstraintSystem::new_ref();
        STATEMENT
            .constrain(&system, Some((vector, Fr::ONE)))
            .unwrap();
        system.finalize();
        system.is_satisfied().unwrap()
    }

    #[test]
    fn at_the_bound_and_one_beyond() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut values = vec![0i64; 20];
        values[3] = -300;
        let mut vector =
            |values: &[i64]| CommittedVector::new(values.to_vec(), 10, &mut rng).unwrap();
        assert!(satisfied(&vector(&values)));
        values[4] = 1;
        assert!(!satisfied(&vector(&values)));
        assert!(!satisfied(&vector(&[-512; 20])));
        let wide = CommittedVector::new(vec![512], 10, &mut rng).unwrap_err();
        assert!(matches!(wide, StatementError::OutOfRange { .. }));
    }

    /// A value that is no small integer, in place of an honest one: nothing but its range check would notice.
    #[test]
    fn coordinates_outside_their_range_do_not_satisfy_the_circuit() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let mut vector = CommittedVector::new(vec![1; 20], 10, &mut rng).unwrap();
        vector.values[5] = 600;
        let mut lenient = STATEMENT;
        lenient.squared_bound = u64::MAX;
        let system = ConstraintSystem::new_ref();
        lenient
            .constrain(&system, Some((&vector, Fr::ONE)))
            .unwrap();
        system.finalize();
        assert!(!system.is_satisfied().unwrap());
    }

    #[test]
    fn proofs_verify_and_false_statements_are_refused() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let key = Statement::ClipNorm(STATEMENT)
            .single_party_key(&mut rng)
            .unwrap();
        let verifier = verifying_key(&key).unwrap();
        let vector = CommittedVector::new((0..20).map(|i| i - 10).collect(), 10, &mut rng).unwrap();
        let proven = STATEMENT.prove(&key, &vector, Fr::ONE, &mut rng).unwrap();
        proven.verify(&verifier).unwrap();
        let mut other = proven;
        other.public_inputs[0] += Fr::ONE;
        assert!(other.verify(&verifier).is_err());
        let long = CommittedVector::new(vec![500; 20], 10, &mut rng).unwrap();
        let refused = STATEMENT.prove(&key, &long, Fr::ONE, &mut rng).unwrap_err();
        assert!(matches!(refused, StatementError::False { .. }));
        let short = CommittedVector::new(vec![1; 19], 10, &mut rng).unwrap();
        let refused = STATEMENT
            .prove(&key, &short, Fr::ONE, &mut rng)
            .unwrap_err();
        assert_eq!(
            refused,
            StatementError::Length {
                expected: 20,
                got: 19
            }
        );
        for bad in [
            ClipNorm {
                coordinates: 0,
                ..STATEMENT
            },
            ClipNorm {
                coordinates: 10_001,
                ..STATEMENT
            },
            ClipNorm {
                bits: 1,
                ..STATEMENT
            },
            ClipNorm {
                bits: 33,
                ..STATEMENT
            },
        ] {
            assert!(matches!(bad.check(), Err(StatementError::Malformed(_))));
        }
    }
}
