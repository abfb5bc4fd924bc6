//! clearproof's service: where a compliance engine's log is kept, signed, sealed and served.

pub mod car;
pub mod config;
pub mod http;
pub mod keeper;
pub mod keys;
pub mod queue;
pub mod sealing;
mod secret_file;
pub mod store;
pub mod tiles;
pub mod timestamp;
pub mod witness;

pub use secret_file::KeyFileError;
