//! Processes of a round: a coordinator that listens, parties that call it.
//!
//! TLS 1.3 with certificates on both sides ([`certificates`]); frames in both directions with counts, so that a
//! connection that breaks goes on where it stopped ([`wire`]); every frame that a machine takes is on the disk
//! before its effects leave ([`journal`]), so a process that is killed goes on as if it had not been.

pub mod certificates;
pub mod coordinate;
pub mod journal;
pub mod participate;
pub mod provision;
pub mod training;
pub mod wire;

use std::path::PathBuf;

use thiserror::Error;

use crate::aggregation::party::BeginError;
use crate::aggregation::setup::SetupError;
use crate::groth16::StatementError;
use crate::privacy::budget::BudgetError;
use crate::privacy::PrivacyError;
use crate::training::TrainingError;

/// Why a process stops.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A file.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The network.
    #[error("{0}; check the address and that the coordinator runs")]
    Network(#[from] std::io::Error),
    /// The certificates.
    #[error("the certificates cannot be used: {0}; provision the federation again")]
    Tls(String),
    /// The manifest.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The update.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The privacy budget.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The privacy terms of the manifest.
    #[error(transparent)]
    Terms(#[from] PrivacyError),
    /// The training.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// A single round's folder.
    #[error(
        "the folder is of a single round; give --update, or provision a training with --model"
    )]
    NoTraining,
    /// The private fields do not satisfy the constraints.
    #[error(transparent)]
    Constraints(#[from] StatementError),
    /// Constraints, and no fields.
    #[error("the training asks for proofs about the private fields {0}; give them with --fields")]
    NoFields(String),
    /// Fields, and no constraints.
    #[error("the training asks for no proofs about private fields; leave out --fields")]
    Unasked,
    /// The other side speaks otherwise.
    #[error("the other side is refused: {0}")]
    Protocol(&'static str),
    /// The round ended without a sum.
    #[error("the round ended without a sum: {0}")]
    Aborted(String),
    /// It took too long.
    #[error("the round is not over after {0} s; run the command again to go on with it")]
    TimedOut(u64),
}

impl TransportError {
    #[allow(clippy::needless_pass_by_value)] // for `map_err`
    pub(crate) fn file(path: &std::path::Path, cause: impl ToString) -> Self {
        Self::File {
            path: path.to_owned(),
            cause: cause.to_string(),
        }
    }
}
