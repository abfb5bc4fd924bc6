//! The verifier bundle.
