//! What is said of a Groth16 proof: named checks and a verdict, as of an evidence file.
//!
//! 1. Claim: "valid" iff the proof holds for the public inputs under the key that the caller supplied.
//! 2. Checks, in order, ended by the first that fails: key, proof's encoding, public inputs, equation.
//! 3. Assumed: the caller has the key from a source they trust.
//! 4. Source: DESIGN section 8.

use super::{public_inputs, Encoding, Groth16Error, Proof, VerifyingKey};
use crate::encoding::{hex, SCALAR_BYTES};
use crate::verify::report::{Check, Outcome, Verdict};

/// What was found out about one proof.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct Groth16Report {
    /// The verdict; never "unknown".
    pub verdict: Verdict,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// What was not checked, or what no proof shows.
    pub not_checked: Vec<&'static str>,
    /// SHA-256 of the key's points, hexadecimal, where it could be read.
    pub key: Option<String>,
}

/// Checks a proof; `inputs` are 32 bytes each, little-endian, the clock in milliseconds.
pub fn report(
    key: &[u8],
    proof: &[u8],
    inputs: &[u8],
    encoding: Encoding,
    clock: &dyn Fn() -> f64,
) -> Groth16Report {
    let mut report = Groth16Report {
        verdict: Verdict::Invalid,
        checks: vec![],
        not_checked: NOT_CHECKED.to_vec(),
        key: None,
    };
    if report.steps(key, proof, inputs, encoding, clock).is_some() {
        report.verdict = Verdict::Valid;
    }
    report
}

impl Groth16Report {
    /// `None` once a check fails.
    fn steps(
        &mut self,
        key: &[u8],
        proof: &[u8],
        inputs: &[u8],
        encoding: Encoding,
        clock: &dyn Fn() -> f64,
    ) -> Option<()> {
        let given = [&bytes_of(key.len()), " of key"].concat();
        let key = self.step(names::KEY, given, clock, KEY_HOLDS, || {
            VerifyingKey::decode(key, encoding)
        })?;
        let fingerprint = hex(&key.fingerprint());
        self.key = Some(fingerprint.clone());
        let given = [&bytes_of(proof.len()), " of proof"].concat();
        let proof = self.step(names::ENCODING, given, clock, PROOF_HOLDS, || {
            Proof::decode(proof, encoding)
        })?;
        let given = [
            "public inputs: ",
            &inputs.len().div_ceil(SCALAR_BYTES).to_string(),
        ]
        .concat();
        let inputs = self.step(names::INPUTS, given, clock, INPUTS_HOLD, || {
            public_inputs(inputs).and_then(|inputs| match inputs.len() == key.public_inputs() {
                true => Ok(inputs),
                false => Err(Groth16Error::Inputs {
                    expected: key.public_inputs(),
                    got: inputs.len(),
                }),
            })
        })?;
        let given = ["key ", &fingerprint].concat();
        self.step(names::EQUATION, given, clock, EQUATION_HOLDS, || {
            key.verify(&proof, &inputs)
        })
    }

    fn step<T>(
        &mut self,
        name: &'static str,
        inputs: String,
        clock: &dyn Fn() -> f64,
        holds: &str,
        check: impl FnOnce() -> Result<T, Groth16Error>,
    ) -> Option<T> {
        let start = clock();
        let result = check();
        let (outcome, reason) = match &result {
            Ok(_) => (Outcome::Passed, holds.into()),
            Err(error) => (
                Outcome::Failed,
                ["Refused: ", &error.to_string(), "."].concat(),
            ),
        };
        self.checks.push(Check {
            name,
            inputs,
            outcome,
            reason,
            milliseconds: clock() - start,
            offline: true,
        });
        result.ok()
    }
}

fn bytes_of(length: usize) -> String {
    [&length.to_string(), " bytes"].concat()
}

const KEY_HOLDS: &str =
    "The key's points are canonical and of their groups, and gamma is not delta.";
const PROOF_HOLDS: &str = "The proof's points are canonical and of their groups.";
const INPUTS_HOLD: &str = "The public inputs are canonical scalars, as many as the key takes.";
const EQUATION_HOLDS: &str = "The pairing equation holds for these public inputs.";

const NOT_CHECKED: [&str; 3] = [
    "Who made the key, and whether a secret of its set-up is known to anybody: it is trusted because you supplied it.",
    "What the circuit states: the key does not say; the public inputs mean what its author says.",
    "Whether the proof was seen before: anybody can make further proofs of the same statement from one.",
];

/// Names of the checks.
pub mod names {
    /// The key is canonical, and not one under which anybody can forge.
    pub const KEY: &str = "groth16.key";
    /// The proof is canonical.
    pub const ENCODING: &str = "groth16.encoding";
    /// The public inputs are canonical, and fit the key.
    pub const INPUTS: &str = "groth16.inputs";
    /// The equation holds.
    pub const EQUATION: &str = "groth16.proof";
}
