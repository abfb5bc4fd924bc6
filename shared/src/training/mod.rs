//! Federated training as a verifier sees it: the manifest of a round, what parties sign, the survivors.
//!
//! The protocol itself runs in `clearproof-federated`; here is what its transcripts and certificates
//! consist of.

pub mod certificate;
pub mod contribution;
pub mod manifest;
pub mod norm;
pub mod outcome;
pub mod renyi;
pub mod signed;
pub mod survivors;
pub mod terms;
