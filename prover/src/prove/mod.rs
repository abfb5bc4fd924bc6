//! Keys, witness, the one path to a proof, batches.

pub(crate) mod bases;
pub mod export;
pub(crate) mod msm;
pub(crate) mod opening;
pub(crate) mod scheme;
