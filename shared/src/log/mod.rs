//! The log: its entries, its Merkle tree and its signed checkpoints. No input or output.

pub mod entry;
pub mod merkle;
