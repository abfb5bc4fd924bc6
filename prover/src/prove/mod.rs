//! Keys, witness, the one path to a proof, batches.
//!
//! [`compile()`] turns an integer model into an [`Artifact`]: keys, bases, model commitment, registration
//! proofs and the bundle an auditor needs. [`prove()`] proves rows of inputs against it.

mod affine;
mod argument;
mod artifact;
pub(crate) mod bases;
pub mod columns;
mod commit;
mod compile;
mod domain;
pub mod export;
mod fixed_base;
mod gates;
mod group_fourier;
mod grouped;
pub(crate) mod keys;
pub(crate) mod link;
pub mod linked;
pub(crate) mod msm;
pub(crate) mod opening;
pub(crate) mod proof;
mod rows;
pub(crate) mod scheme;
mod stock;
mod stored;
mod windowed;

pub use artifact::{Artifact, ArtifactError};
pub use bases::SrsError;
pub use compile::{
    compile, rebuild, CircuitDescription, CompileOptions, InputVisibility, RebuiltKeys, SrsSource,
};
pub use rows::{
    commit_row, commit_rows, prove, prove_logged, CommittedRow, EvidenceProofs, LoggedRow, Row,
};
pub use stock::{verify_reference, ReferenceError};

pub use crate::circuit::params::Scheme;

/// Told of the steps of long work.
pub trait Progress: Sync {
    /// `done` of `total` steps of `name` are behind.
    fn step(&self, name: &str, done: u64, total: u64);
}

/// Reports nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &str, _: u64, _: u64) {}
}

/// Why compiling failed.
pub type CompileError = ProveError;

/// Why compiling or proving failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The circuit cannot be built.
    #[error(transparent)]
    Circuit(#[from] crate::circuit::CircuitError),
    /// The reference string is not usable.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// A file could not be read.
    #[error("{path}: {source}; check the path and its permissions")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The circuit is outside the verifier's limits.
    #[error("the circuit is outside the verifier's limits: {0}")]
    Key(#[from] clearproof_shared::artifact::key::KeyError),
    /// The proving library refused.
    #[error("proving failed: {0}")]
    Halo2(String),
    /// KZG without a reference string, or IPA with one.
    #[error("{0}")]
    Scheme(&'static str),
    /// The proof just made does not verify: a fault of ours, nothing was written.
    #[error("the proof just made does not verify ({0}); this is a fault in clearproof, please report the model's shape")]
    Own(clearproof_shared::verify::VerifyError),
    /// There are no rows.
    #[error("there are no rows to prove; give an input file with at least one row")]
    NoRows,
}

impl ProveError {
    #[allow(clippy::needless_pass_by_value)] // the shape that map_err takes
    fn halo2(error: halo2_proofs::plonk::Error) -> Self {
        ProveError::Halo2(error.to_string())
    }
    #[allow(clippy::needless_pass_by_value)] // the shape that map_err takes
    fn transcript(error: std::io::Error) -> Self {
        ProveError::Halo2(error.to_string())
    }
}
