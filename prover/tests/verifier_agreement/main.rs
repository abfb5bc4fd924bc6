//! The verifier in `shared` and halo2's `verify_proof` agree.
//!
//! A toy circuit with all that the verifier knows: two phases, two challenges, an instance column,
//! rotations from -1 to 2, weights linked to a model commitment and inputs linked to input
//! commitments. Both schemes; honest proofs, thousands of mutated ones, and each way of cheating on
//! the link with the error that must name it.

mod evidence;
mod key;
mod link;
mod proofs;
mod setup;
mod toy;
