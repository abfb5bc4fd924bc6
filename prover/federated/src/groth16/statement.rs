//! The statements that a key can be made for, as files name them.

use ark_bn254::{Bn254, Fr};
use ark_groth16::Groth16;
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystemRef, SynthesisError, SynthesisMode,
};
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

use super::compliance::Compliance;
use super::noise::DeclaredNoise;
use super::norm::ClipNorm;
use super::{synthesize, ProvingKey, StatementError};

/// A statement; its JSON is `{"compliance": {...}}`, `{"clip-norm": {...}}` or `{"declared-noise": {...}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statement {
    /// Constraints on named fields.
    Compliance(Compliance),
    /// A committed update respects a norm.
    ClipNorm(ClipNorm),
    /// Committed noise was drawn from committed seeds.
    DeclaredNoise(DeclaredNoise),
}

impl Statement {
    /// # Errors
    /// [`StatementError::Malformed`].
    pub fn check(&self) -> Result<(), StatementError> {
        match self {
            Statement::Compliance(statement) => statement.check(),
            Statement::ClipNorm(statement) => statement.check(),
            Statement::DeclaredNoise(statement) => statement.check(),
        }
    }

    /// The circuit without values.
    pub(super) fn constrain(&self, system: &ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        match self {
            Statement::Compliance(statement) => statement.constrain(system, None),
            Statement::ClipNorm(statement) => statement.constrain(system, None),
            Statement::DeclaredNoise(statement) => statement.constrain(system, None),
        }
    }

    /// The constraint system as a key sees it.
    pub(super) fn system(&self) -> Result<ConstraintSystemRef<Fr>, StatementError> {
        self.check()?;
        synthesize(SynthesisMode::Setup, |system| self.constrain(&system))
    }

    /// A key whose secrets this process knew: whoever kept them forges proofs. For tests and trials; verifiers
    /// accept keys of a [`super::ceremony`].
    ///
    /// # Errors
    /// [`StatementError::Malformed`].
    pub fn single_party_key<R: RngCore + CryptoRng>(
        &self,
        rng: &mut R,
    ) -> Result<ProvingKey, StatementError> {
        self.check()?;
        Ok(Groth16::<Bn254>::generate_random_parameters_with_reduction(
            Circuit(self),
            rng,
        )?)
    }
}

struct Circuit<'a>(&'a Statement);

impl ConstraintSynthesizer<Fr> for Circuit<'_> {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        self.0.constrain(&system)
    }
}
