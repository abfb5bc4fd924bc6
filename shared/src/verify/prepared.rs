//! A verifying key made ready for checking proofs.
//!
//! 1. Claim: the key is within its caps, its circuit id is known, and with IPA the 2^k generators
//!    are points of the curve.
//! 2. Omega is the 2^k-th root of unity that halo2curves uses: 7^((r - 1) / 2^k).
//! 3. Assumed: whether the bases and generators are the right ones is checked in
//!    [`super::bases`] and [`super::srs`].
//! 4. Source: halo2_proofs, `poly::EvaluationDomain`.

use std::sync::{Arc, OnceLock};

use ark_ec::pairing::Pairing;
use ark_ff::{Field, PrimeField};
use sha2::{Digest, Sha256};

use super::VerifyError;
use crate::artifact::key::{Scheme, VerifyingKey};
use crate::bn254::{Bn254, Fr, G1Affine, G2Affine};
use crate::encoding::{g1_from_bytes, g1_to_bytes, G1_BYTES};

/// The vector generators of IPA; empty with KZG.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generators {
    points: Vec<G1Affine>,
    digest: [u8; 32],
}

impl Generators {
    /// No generators: KZG.
    pub fn none() -> Arc<Self> {
        Arc::default()
    }

    /// Points that the caller vouches to be on the curve.
    pub fn new(points: Vec<G1Affine>) -> Arc<Self> {
        let mut hash = Sha256::new();
        for point in &points {
            hash.update(g1_to_bytes(point));
        }
        let digest = hash.finalize().into();
        Arc::new(Self { points, digest })
    }

    /// Uncompressed points one after another; `None` unless all are canonical and on the curve.
    pub fn from_bytes(bytes: &[u8]) -> Option<Arc<Self>> {
        let (chunks, rest) = bytes.as_chunks::<G1_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        let points = chunks.iter().map(g1_from_bytes).collect::<Option<_>>()?;
        let digest = Sha256::digest(bytes).into();
        Some(Arc::new(Self { points, digest }))
    }

    /// The points.
    pub fn points(&self) -> &[G1Affine] {
        &self.points
    }

    /// SHA-256 of the 64-byte encodings.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// A checked key with what follows from it.
#[derive(Clone, Debug)]
pub struct PreparedKey {
    key: VerifyingKey,
    circuit_id: [u8; 32],
    omega: Fr,
    usable_rows: usize,
    generators: Arc<Generators>,
    lines: OnceLock<[Lines; 2]>,
}

/// A point of G2 with the lines of its Miller loop.
pub(crate) type Lines = <Bn254 as Pairing>::G2Prepared;

impl PreparedKey {
    /// Checks the key and derives what the verifier needs.
    ///
    /// # Errors
    /// [`VerifyError::Key`] for a key outside the caps, [`VerifyError::Generators`] unless there are
    /// 2^k generators with IPA and none with KZG.
    pub fn new(key: VerifyingKey, generators: Arc<Generators>) -> Result<Self, VerifyError> {
        key.check()?;
        let circuit_id = key.circuit_id();
        Self::from_checked(key, circuit_id, generators)
    }

    /// Decodes a key; the generators are asked for when its k and scheme are known. The points of
    /// a reference string that `like` shares are not checked again.
    ///
    /// # Errors
    /// As [`PreparedKey::new`].
    pub fn decode(
        bytes: &[u8],
        like: Option<&VerifyingKey>,
        generators: impl FnOnce(&VerifyingKey) -> Arc<Generators>,
    ) -> Result<Self, VerifyError> {
        let key = VerifyingKey::decode_like(bytes, like)?;
        let generators = generators(&key);
        Self::from_checked(key, Sha256::digest(bytes).into(), generators)
    }

    fn from_checked(
        key: VerifyingKey,
        circuit_id: [u8; 32],
        generators: Arc<Generators>,
    ) -> Result<Self, VerifyError> {
        let expected = match key.scheme() {
            Scheme::Ipa => key.rows(),
            Scheme::Kzg => 0,
        };
        if generators.points.len() != expected {
            return Err(VerifyError::Generators {
                expected,
                got: generators.points.len(),
            });
        }
        Ok(Self {
            omega: root_of_unity(key.k),
            usable_rows: key.usable_rows(),
            key,
            circuit_id,
            generators,
            lines: OnceLock::new(),
        })
    }

    /// The key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// SHA-256 of the key's encoding.
    pub fn circuit_id(&self) -> &[u8; 32] {
        &self.circuit_id
    }

    /// Primitive 2^k-th root of unity.
    pub fn omega(&self) -> Fr {
        self.omega
    }

    /// Rows before the blinding rows.
    pub fn usable_rows(&self) -> usize {
        self.usable_rows
    }

    /// The vector generators.
    pub fn generators(&self) -> &Arc<Generators> {
        &self.generators
    }

    /// The lines of these two points, which must be the same at every call: made at the first one.
    pub(crate) fn lines(&self, points: [&G2Affine; 2]) -> &[Lines; 2] {
        self.lines.get_or_init(|| points.map(Lines::from))
    }

    /// omega^row for a row or a rotation (negative: from the end).
    pub fn omega_power(&self, row: i64) -> Fr {
        let rows = 1i64 << self.key.k;
        self.omega.pow([row.rem_euclid(rows) as u64])
    }
}

/// halo2curves' primitive 2^k-th root of unity of BN254's scalar field.
pub fn root_of_unity(k: u32) -> Fr {
    let mut exponent = Fr::MODULUS;
    exponent >>= k;
    MULTIPLICATIVE_GENERATOR.pow(exponent)
}

/// halo2curves' generator of the multiplicative group (arkworks' is 5).
const MULTIPLICATIVE_GENERATOR: Fr = ark_ff::MontFp!("7");

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::One;

    #[test]
    fn roots_have_the_right_order() {
        for k in 1..=20 {
            let omega = root_of_unity(k);
            assert_eq!(omega.pow([1u64 << (k - 1)]), -Fr::one());
            assert_eq!(root_of_unity(k + 1).square(), omega);
        }
    }
}
