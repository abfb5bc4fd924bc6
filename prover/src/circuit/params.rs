//! The free choices of the circuit: with the skeleton they fix the circuit completely.

use serde::{Deserialize, Serialize};

use super::CircuitError;

/// The polynomial commitment scheme, as it stands in the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Inner product argument.
    Ipa,
    /// KZG with SHPLONK.
    Kzg,
}

/// Public parameters of a circuit. The planner proposes them; the circuit is a function of these and the
/// skeleton, of no machine, no environment and no private value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitParams {
    /// Format version, 1.
    pub version: u32,
    /// Commitment scheme.
    pub scheme: Scheme,
    /// log2 of the number of rows.
    pub k: u32,
    /// Rows of the model proven at once.
    pub batch: u32,
    /// Bits of one limb; the range table has 2^limb_bits entries.
    pub limb_bits: u32,
    /// Rows that one slot takes; its limbs fill `rows_per_slot * limb columns` cells.
    pub rows_per_slot: u32,
    /// A private weight is checked as this many digits ...
    pub weight_digits: u32,
    /// ... of this many bits; together they hold `weight_bits + 1` bits or more, and what they hold is the
    /// proven range of a weight.
    pub weight_digit_bits: u32,
    /// Weight columns covered by one registration proof.
    pub registration_columns: u32,
}

impl CircuitParams {
    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain numbers serialise")
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// When the bytes are not the canonical form of parameters within the supported limits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CircuitError> {
        let bad = |reason: &str| CircuitError::Params {
            reason: reason.to_string(),
        };
        let params: CircuitParams =
            serde_json::from_slice(bytes).map_err(|e| bad(&e.to_string()))?;
        if params.to_bytes() != bytes {
            return Err(bad("not in canonical form"));
        }
        params.check()?;
        Ok(params)
    }

    /// log2 of the proven bound of a weight: weights lie in `[-2^b, 2^b)`.
    pub(crate) fn weight_bits(&self) -> u32 {
        self.weight_digits * self.weight_digit_bits - 1
    }

    /// Refuses values outside the supported limits.
    pub(crate) fn check(&self) -> Result<(), CircuitError> {
        let bad = |reason: &str| {
            Err(CircuitError::Params {
                reason: reason.to_string(),
            })
        };
        if self.version != 1 {
            return bad("unknown version");
        }
        if !(4..=20).contains(&self.k) {
            return bad("k must lie in 4..=20");
        }
        if !(1..=1 << 16).contains(&self.batch) {
            return bad("the batch must lie in 1..=65536");
        }
        if !(2..=18).contains(&self.limb_bits) || !(1..=32).contains(&self.rows_per_slot) {
            return bad("limb_bits must lie in 2..=18 and rows_per_slot in 1..=32");
        }
        if !(1..=8).contains(&self.weight_digits)
            || !(2..=18).contains(&self.weight_digit_bits)
            || self.weight_digits * self.weight_digit_bits > 32
        {
            return bad("weight_digits must lie in 1..=8, weight_digit_bits in 2..=18 and their product below 33");
        }
        if self.registration_columns == 0 {
            return bad("registration_columns must be positive");
        }
        Ok(())
    }
}
