//! clearproof's prover: what a trading backend embeds.
//!
//! An ONNX file becomes a float graph ([`onnx`]), the float graph an integer skeleton with private
//! weights ([`quantize`]), the skeleton a Halo2 circuit, and rows of inputs become proofs.

pub mod circuit;
pub mod engine;
pub mod onnx;
pub mod plan;
pub mod prove;
pub mod quantize;
