//! Several firms train one model together, and none shows its data.
//!
//! The protocol, its statement and its assumptions are in `docs/federated.md`.

pub mod aggregation;
pub mod certificate;
pub mod constraints;
pub mod groth16;
pub mod learner;
pub mod norm;
pub mod privacy;
pub mod training;
pub mod transport;
