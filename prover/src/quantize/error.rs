//! Why a float graph cannot become an integer model.

use super::ranges::RangeError;

/// Why quantising failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// An option outside its range.
    #[error("{option} is {value} and must lie in {allowed}")]
    Option {
        /// Which option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A constant that is NaN or infinite.
    #[error("a weight of layer {layer} ({operator}) is not finite")]
    NotFinite {
        /// Position among the graph's operators.
        layer: usize,
        /// The operator.
        operator: &'static str,
    },
    /// A constant that its declared width cannot hold.
    #[error(
        "layer {layer} ({operator}) needs {needed} bits for its {what} and {allowed} are declared or \
         possible; lower scale_bits, or scale the features down before the model"
    )]
    TooGreat {
        /// Position among the graph's operators.
        layer: usize,
        /// The operator.
        operator: &'static str,
        /// Weights or biases.
        what: &'static str,
        /// Bits needed.
        needed: u32,
        /// Bits available.
        allowed: u32,
    },
    /// Calibration rows that do not fit the model.
    #[error("calibration row {row}: {reason}")]
    Calibration {
        /// Number of the row, from 0.
        row: usize,
        /// What is wrong.
        reason: String,
    },
    /// A value in place of a missing one that the input's range does not hold.
    #[error(
        "what replaces a missing value of input \"{input}\" at position {index} lies outside the declared \
         range; give calibration rows, from which the range is taken"
    )]
    Replacement {
        /// The input.
        input: String,
        /// Position in it.
        index: usize,
    },
    /// The outputs hold no single decision.
    #[error("the model's outputs hold no single decision: {reason}; release its outputs instead")]
    NoDecision {
        /// Why.
        reason: String,
    },
    /// A form that has no lowering.
    #[error("operator {operator} of layer {layer}: {reason}")]
    Lowering {
        /// Position among the graph's operators.
        layer: usize,
        /// The operator.
        operator: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Ranges cannot be stated.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// More scalars or operations than the caps allow.
    #[error("the integer model needs more than {limit} {what}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// The cap.
        limit: usize,
    },
}
