//! Constraints on private fields that every party of a training proves.
//!
//! 1. Claim: what [`Constraints::check`] accepts is a Groth16 proof of this party, for this attempt, that the fields behind
//!    its commitment satisfy the statement; under the key of a ceremony that [`Constraints::new`] verified.
//! 2. A party proves with its contribution until it is in a sum; without a proof that holds, no honest holder says
//!    that it has the party's shares, so it gets into none ([`crate::aggregation::party::Party::complying`]).
//! 3. Assumed: what a field means is its party's claim, and commitments of two attempts may hold other values.
//! 4. Source: DESIGN section 9; SOUNDNESS condition 27; docs/groth16.md.

use std::collections::BTreeMap;
use std::fmt;

use clearproof_shared::groth16::{public_inputs, Encoding, Proof, VerifyingKey};
use clearproof_shared::training::certificate::{compliance_context, Compliance};
use rand_core::{CryptoRng, RngCore};

use crate::certificate::{self, context};
use crate::groth16::ceremony::phase_one::PhaseOne;
use crate::groth16::ceremony::{Ceremony, CeremonyError};
use crate::groth16::compliance::{Compliance as Fields, Record};
use crate::groth16::{verifying_key, Proven, ProvingKey, Statement, StatementError};

/// Constraints with the keys of their ceremony.
pub struct Constraints {
    fields: Fields,
    key: ProvingKey,
    verifying: VerifyingKey,
    /// What every party's entry in a certificate says, but for party, round and proof.
    entry: Compliance,
}

impl fmt::Debug for Constraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Constraints")
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

impl Constraints {
    /// Verifies a ceremony for constraints from its statement on, and takes its keys.
    ///
    /// # Errors
    /// As [`Ceremony::keys`]; [`CeremonyError::Malformed`] for a key of another statement.
    pub fn new(
        ceremony: &Ceremony,
        powers: &PhaseOne,
        allow_insecure: bool,
    ) -> Result<Self, CeremonyError> {
        let Statement::Compliance(fields) = ceremony.statement() else {
            let cause = "its statement is none of constraints on fields";
            return Err(CeremonyError::Malformed(cause));
        };
        let (key, report) = ceremony.reported_keys(powers, allow_insecure)?;
        let verifying = verifying_key(key);
        let verifying = verifying.map_err(|_| CeremonyError::Key("what verifiers accept"))?;
        let unproven = Proven {
            proof: ark_groth16::Proof::default(),
            public_inputs: vec![],
        };
        let statement = ceremony.statement();
        Ok(Self {
            fields: fields.clone(),
            entry: certificate::compliance(0, 0, statement, key, &unproven, Some(&report)),
            key: key.clone(),
            verifying,
        })
    }

    /// The statement.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The values as a record that satisfies the constraints.
    ///
    /// # Errors
    /// [`StatementError`], naming constraint and field.
    pub fn record<R: RngCore + CryptoRng>(
        &self,
        values: &BTreeMap<String, i64>,
        rng: &mut R,
    ) -> Result<Record, StatementError> {
        let record = self.fields.record(values, rng)?;
        self.fields.evaluate(&record)?;
        Ok(record)
    }

    /// A party's proof, with a fresh commitment, for the attempt with this manifest; `round` is its position in the
    /// certificate.
    ///
    /// # Errors
    /// As [`Constraints::record`].
    pub fn prove<R: RngCore + CryptoRng>(
        &self,
        (manifest, party): (&[u8; 32], u16),
        round: u32,
        values: &BTreeMap<String, i64>,
        rng: &mut R,
    ) -> Result<Compliance, StatementError> {
        let record = self.record(values, rng)?;
        let context = context(manifest, party);
        let proven = self.fields.prove(&self.key, &record, context, rng)?;
        let (proof, inputs) = certificate::proven_bytes(&proven);
        Ok(Compliance {
            party,
            round,
            proof,
            inputs,
            ..self.entry.clone()
        })
    }

    /// Whether a party's entry is about these constraints, key and ceremony, and its proof holds for this attempt.
    pub fn check(
        &self,
        (manifest, party): (&[u8; 32], u16),
        round: u32,
        given: &Compliance,
    ) -> bool {
        let expected = Compliance {
            party,
            round,
            proof: given.proof.clone(),
            inputs: given.inputs.clone(),
            ..self.entry.clone()
        };
        let proof = Proof::decode(&given.proof, Encoding::Arkworks);
        let inputs = public_inputs(&given.inputs);
        let (Ok(proof), Ok(inputs)) = (proof, inputs) else {
            return false;
        };
        *given == expected
            && inputs.last() == Some(&compliance_context(manifest, party))
            && self.verifying.verify(&proof, &inputs).is_ok()
    }
}
