//! The curve BN254: arkworks', with the field multiplication that fits the target.
//!
//! 1. Claim: on every target the same groups, the same pairing and the same bytes.
//! 2. Method: arkworks multiplies 64-bit limbs. WebAssembly has no such product with 128 bits, so
//!    there `tower` puts the same curve over `limbs29`, three times as fast and smaller.
//! 3. Assumed: nothing; tests compare the two on the machine that builds.
//! 4. Source: ark-bn254, whose constants are used.

#[cfg(any(test, target_arch = "wasm32"))]
mod limbs29;
#[cfg(any(test, target_arch = "wasm32"))]
pub mod tower;

#[cfg(not(target_arch = "wasm32"))]
pub use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine};
#[cfg(target_arch = "wasm32")]
pub use tower::{Bn254, Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine};
