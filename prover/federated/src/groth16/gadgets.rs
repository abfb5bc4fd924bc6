//! Range checks of integers in the scalar field.
//!
//! 1. Claim: [`nonnegative`] holds iff x is in `[0, 2^bits)`.
//! 2. `x = sum 2^i b_i`, `b_i (b_i - 1) = 0`; bits is below 253, so the sum is an integer.
//! 3. Assumed: |x| as an integer is far below the modulus; each caller states its bound.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use ark_r1cs_std::alloc::AllocVar;
use ark_r1cs_std::boolean::Boolean;
use ark_r1cs_std::eq::EqGadget;
use ark_r1cs_std::fields::fp::FpVar;
use ark_r1cs_std::fields::FieldVar;
use ark_r1cs_std::GR1CSVar;
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

/// A private value; `None` while a key is made.
pub(super) fn witness(
    system: &ConstraintSystemRef<Fr>,
    value: Option<Fr>,
) -> Result<FpVar<Fr>, SynthesisError> {
    FpVar::new_witness(system.clone(), || Ok(value.unwrap_or_default()))
}

/// A public input.
pub(super) fn input(
    system: &ConstraintSystemRef<Fr>,
    value: Option<Fr>,
) -> Result<FpVar<Fr>, SynthesisError> {
    FpVar::new_input(system.clone(), || Ok(value.unwrap_or_default()))
}

/// Ties a public input of which the statement says nothing else to the circuit.
pub(super) fn bind(wire: &FpVar<Fr>) -> Result<(), SynthesisError> {
    wire.square().map(|_| ())
}

/// The bits of x, lowest first; unsatisfiable unless `0 <= x < 2^bits`.
pub(super) fn bits(
    system: &ConstraintSystemRef<Fr>,
    x: &FpVar<Fr>,
    bits: usize,
) -> Result<Vec<Boolean<Fr>>, SynthesisError> {
    debug_assert!(bits < 253);
    let value = x.value().map(|v| v.into_bigint()).unwrap_or_default();
    let wires: Vec<Boolean<Fr>> = (0..bits)
        .map(|i| Boolean::new_witness(system.clone(), || Ok(value.get_bit(i))))
        .collect::<Result<_, _>>()?;
    pack(&wires).enforce_equal(x)?;
    Ok(wires)
}

/// `sum 2^i b_i`.
pub(super) fn pack(wires: &[Boolean<Fr>]) -> FpVar<Fr> {
    let mut power = Fr::ONE;
    let mut terms = Vec::with_capacity(wires.len());
    for wire in wires {
        terms.push(FpVar::from(wire.clone()) * power);
        power.double_in_place();
    }
    sum(&terms)
}

pub(super) fn sum(terms: &[FpVar<Fr>]) -> FpVar<Fr> {
    terms.iter().sum()
}

/// `0 <= x < 2^bits`.
pub(super) fn nonnegative(
    system: &ConstraintSystemRef<Fr>,
    x: &FpVar<Fr>,
    bits: usize,
) -> Result<(), SynthesisError> {
    self::bits(system, x, bits).map(|_| ())
}

/// The scalar of a signed integer.
pub(super) fn scalar(value: i128) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// Bits of a natural number: the least b with `x < 2^b`.
pub(super) fn width(x: u128) -> usize {
    128 - x.leading_zeros() as usize
}
