//! The circuit of a quantised model: columns, gates and assignment.
//!
//! [`params`] holds the free choices, `program` lowers the skeleton to slots, [`layout`] gives them
//! rows, `config` defines the columns and gates, `witness` computes every cell and `model` is
//! the halo2 circuit. The argument is in `docs/soundness.md`, the region tables in
//! `docs/design/circuit.md`.

pub(crate) mod config;
pub(crate) mod fixed;
pub mod layout;
pub(crate) mod model;
pub(crate) mod nodes;
pub mod params;
pub(crate) mod program;
pub(crate) mod registration;
pub(crate) mod witness;

#[cfg(test)]
pub(crate) mod tests;

/// Why a circuit cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError {
    /// A value of the graph could outgrow the arithmetic.
    #[error("a value of the model may need {bits} bits, more than the circuit's 120; reduce --scale-bits or add a Clip")]
    TooWide {
        /// Bits needed.
        bits: u32,
    },
    /// A function's operand may leave its table.
    #[error("an operand of {function} may leave the table; the graph lacks a clamp before it")]
    FunctionDomain {
        /// The function.
        function: String,
    },
    /// Several tree ensembles.
    #[error("proofs cover one tree ensemble a model and this one has several; join them in one operator")]
    Forests,
    /// More scores than one cell holds.
    #[error("the trees make {scores} scores and a proof holds {most} at most; use fewer classes or trees")]
    ForestScores {
        /// Scores that the trees make.
        scores: u32,
        /// Most that fit.
        most: u32,
    },
    /// The rows do not fit.
    #[error("the circuit needs {rows} rows and k = {k} has {usable}; choose a greater k or a smaller batch")]
    DoesNotFit {
        /// Rows needed.
        rows: usize,
        /// Rows there are.
        usable: usize,
        /// log2 of the domain.
        k: u32,
    },
    /// The parameters are not acceptable.
    #[error("circuit parameters refused: {reason}")]
    Params {
        /// Why.
        reason: String,
    },
    /// The private weights do not fit the skeleton.
    #[error("private weights refused: {reason}")]
    Weights {
        /// Why.
        reason: String,
    },
    /// An input row does not fit the skeleton.
    #[error("input row refused: {reason}")]
    Input {
        /// Why.
        reason: String,
    },
    /// There is nothing to keep private.
    #[error("the released values of this model depend on no private weight; clearproof proves models with a linear layer or trees")]
    NothingPrivate,
    /// No parameters fit.
    #[error(
        "no circuit with k <= {max_k} holds {rows} rows of this model; reduce --batch or the model"
    )]
    NoPlan {
        /// Largest k tried.
        max_k: u32,
        /// Batch asked for.
        rows: u32,
    },
}
