//! What clearproof's prover and verifier must agree on: the file formats, the commitments and the
//! check itself. Builds for `wasm32-unknown-unknown`; no input or output, no proving, no halo2 crate.

pub mod artifact;
pub mod bn254;
pub mod commitment;
pub mod encoding;
pub mod groth16;
pub mod log;
mod order;
pub mod training;
pub mod verify;
