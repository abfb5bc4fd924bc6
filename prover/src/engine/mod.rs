//! Decide now, prove later: the compliance engine.
//!
//! A [`policy`] is compiled into the circuit of a model; a [`store`] keeps records, proofs and checkpoints.

pub mod policy;
pub mod store;
