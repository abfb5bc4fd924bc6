//! The file formats: portable verifying key, verifier bundle, evidence file.

pub mod key;
