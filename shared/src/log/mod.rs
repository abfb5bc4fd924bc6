//! The log: its entries, its Merkle tree and its signed checkpoints. No input or output.

pub mod base64;
pub mod checkpoint;
pub mod entry;
pub mod merkle;
pub mod note;
