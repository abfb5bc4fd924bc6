//! The file formats: portable verifying key, verifier bundle, evidence file.

pub mod bundle;
pub mod cbor;
pub mod evidence;
pub mod key;
pub mod policy;
pub mod window;

pub use cbor::FormatError;
