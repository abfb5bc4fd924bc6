//! Decide now, prove later: the compliance engine.
//!
//! A [`policy`] is compiled into the circuit of a model.

pub mod policy;
