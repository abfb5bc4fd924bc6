//! The norm proof: a committed update and its committed noise are integers in range with bounded L2 norms.

mod circuit;
mod proof;

pub use proof::{NormError, NormKey, NormWitness};
