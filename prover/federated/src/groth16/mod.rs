//! Groth16 statements about private, committed values: compliance, clip norms, declared noise.
//!
//! 1. Claim: a proof under a statement's key shows knowledge of values behind the public commitments for
//!    which the statement holds. What the values mean is the prover's claim: a verdict says "claimed".
//! 2. Public inputs of every statement end with a context: the digest of manifest, round and party that the
//!    proof belongs to ([`context`]).
//! 3. Assumed: one contributor to the key's second phase, and one to its first, forgot their secret
//!    ([`ceremony`]); the algebraic group model; Poseidon is collision resistant. A proof can be
//!    re-randomised: its bytes identify nothing.
//! 4. Source: Groth, eprint 2016/260; ark-groth16 0.6; docs/groth16.md; SOUNDNESS conditions 26 to 28.

pub mod ceremony;
pub mod compliance;
mod gadgets;
pub mod noise;
pub mod norm;
pub mod poseidon;
pub mod snarkjs;
pub mod statement;

use ark_bn254::{Bn254, Fr};
use ark_ff::UniformRand;
use ark_groth16::Groth16;
use ark_relations::gr1cs::{
    ConstraintSystem, ConstraintSystemRef, OptimizationGoal, SynthesisError, SynthesisMode,
    R1CS_PREDICATE_LABEL,
};
use clearproof_shared::groth16::{Encoding, VerifyingKey};
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;
use zeroize::Zeroize;

pub use statement::Statement;

/// arkworks' proving key over BN254.
pub type ProvingKey = ark_groth16::ProvingKey<Bn254>;
/// arkworks' proof over BN254.
pub type Proof = ark_groth16::Proof<Bn254>;

/// A proof with what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven {
    /// The proof.
    pub proof: Proof,
    /// Public inputs, in the statement's order.
    pub public_inputs: Vec<Fr>,
}

/// Why a statement is malformed or cannot be proved.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The statement itself.
    #[error("the statement is malformed: {0}")]
    Malformed(String),
    /// A required field has no value.
    #[error("constraint {constraint} requires the field {field}, which has no value; supply it")]
    MissingField {
        /// Of which constraint.
        constraint: String,
        /// The field.
        field: String,
    },
    /// A field that the statement does not know.
    #[error("the statement knows no field {0}; remove it or add it to the statement")]
    UnknownField(String),
    /// A value outside its range; the value itself is private.
    #[error("the field {field} is outside of what constraint {constraint} allows; nothing false can be proved")]
    OutOfRange {
        /// Which constraint.
        constraint: String,
        /// The field.
        field: String,
    },
    /// A relation that does not hold.
    #[error("constraint {constraint} does not hold; nothing false can be proved")]
    False {
        /// Which one.
        constraint: String,
    },
    /// A vector of another length.
    #[error("{got} coordinates where the statement has {expected}")]
    Length {
        /// The statement's.
        expected: usize,
        /// Those given.
        got: usize,
    },
    /// Values that do not satisfy the circuit.
    #[error("the values do not satisfy the statement; nothing false can be proved")]
    Unsatisfied,
    /// The key is another statement's.
    #[error("the proving key is not of this statement; take the one from its ceremony")]
    Key,
}

impl From<SynthesisError> for StatementError {
    fn from(error: SynthesisError) -> Self {
        StatementError::Malformed(error.to_string())
    }
}

pub use clearproof_shared::groth16::context;

/// A constraint system in proving or set-up mode.
pub(crate) fn synthesize(
    mode: SynthesisMode,
    constrain: impl FnOnce(ConstraintSystemRef<Fr>) -> Result<(), SynthesisError>,
) -> Result<ConstraintSystemRef<Fr>, StatementError> {
    let system = ConstraintSystem::new_ref();
    system.set_optimization_goal(OptimizationGoal::Constraints);
    system.set_mode(mode);
    constrain(system.clone())?;
    system.finalize();
    Ok(system)
}

/// Proves what `constrain` assigns.
pub(crate) fn prove<R: RngCore + CryptoRng>(
    key: &ProvingKey,
    constrain: impl FnOnce(ConstraintSystemRef<Fr>) -> Result<(), SynthesisError>,
    rng: &mut R,
) -> Result<Proven, StatementError> {
    let mode = SynthesisMode::Prove {
        construct_matrices: true,
        generate_lc_assignments: false,
    };
    let system = synthesize(mode, constrain)?;
    if !system.is_satisfied()? {
        return Err(StatementError::Unsatisfied);
    }
    let inputs = system.num_instance_variables();
    let variables = inputs + system.num_witness_variables();
    let fits = key.vk.gamma_abc_g1.len() == inputs
        && key.a_query.len() == variables
        && key.b_g1_query.len() == variables
        && key.b_g2_query.len() == variables
        && key.l_query.len() == variables - inputs;
    if !fits {
        return Err(StatementError::Key);
    }
    let matrices = &system.to_matrices()?[R1CS_PREDICATE_LABEL];
    let mut assignment = system.instance_assignment()?;
    let public_inputs = assignment[1..].to_vec();
    assignment.extend(system.witness_assignment()?);
    let (mut r, mut s) = (Fr::rand(rng), Fr::rand(rng));
    let proof = Groth16::<Bn254>::create_proof_with_reduction_and_matrices(
        key,
        r,
        s,
        matrices,
        inputs,
        system.num_constraints(),
        &assignment,
    );
    r.zeroize();
    s.zeroize();
    assignment.zeroize();
    Ok(Proven {
        proof: proof?,
        public_inputs,
    })
}

/// The verifying key as the verifiers read it.
///
/// # Errors
/// As [`VerifyingKey::decode`]: a key under which anybody can forge.
pub fn verifying_key(
    key: &ProvingKey,
) -> Result<VerifyingKey, clearproof_shared::groth16::Groth16Error> {
    VerifyingKey::decode(&ark_bytes(&key.vk), Encoding::Arkworks)
}

impl Proven {
    /// Checks it with the verifier that browsers use.
    ///
    /// # Errors
    /// As [`VerifyingKey::verify`].
    pub fn verify(
        &self,
        key: &VerifyingKey,
    ) -> Result<(), clearproof_shared::groth16::Groth16Error> {
        let bytes = ark_bytes(&self.proof);
        let proof = clearproof_shared::groth16::Proof::decode(&bytes, Encoding::Arkworks)?;
        key.verify(&proof, &self.public_inputs)
    }
}

/// Uncompressed, by `ark_serialize`.
pub(crate) fn ark_bytes(value: &impl ark_serialize::CanonicalSerialize) -> Vec<u8> {
    let mut bytes = vec![];
    value
        .serialize_uncompressed(&mut bytes)
        .expect("memory takes it");
    bytes
}
