//! Vectors of scalars that are secret: wiped when dropped, 32 canonical bytes a scalar on the wire.

use std::fmt;
use std::ops::{Deref, DerefMut};

use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;
use rand_core::RngCore;
use rayon::prelude::*;
use zeroize::Zeroizing;

/// A secret vector.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct SecretVector(pub(super) Vec<Fr>);

impl fmt::Debug for SecretVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretVector({} scalars)", self.0.len())
    }
}

impl Deref for SecretVector {
    type Target = Vec<Fr>;
    fn deref(&self) -> &Vec<Fr> {
        &self.0
    }
}

impl DerefMut for SecretVector {
    fn deref_mut(&mut self) -> &mut Vec<Fr> {
        &mut self.0
    }
}

impl Drop for SecretVector {
    fn drop(&mut self) {
        self.0.fill(Fr::ZERO);
        std::hint::black_box(&mut self.0);
    }
}

impl SecretVector {
    /// Uniform scalars.
    pub(super) fn random(length: usize, rng: &mut impl RngCore) -> Self {
        SecretVector((0..length).map(|_| Fr::random(&mut *rng)).collect())
    }
}

/// 32 bytes a scalar, little-endian.
pub(super) fn to_bytes(scalars: &[Fr]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; 32 * scalars.len()]);
    bytes
        .par_chunks_exact_mut(32 * BLOCK)
        .zip(scalars.par_chunks_exact(BLOCK))
        .for_each(write);
    let done = scalars.len() / BLOCK * BLOCK;
    write((&mut bytes[32 * done..], &scalars[done..]));
    bytes
}

fn write((bytes, scalars): (&mut [u8], &[Fr])) {
    for (bytes, scalar) in bytes.chunks_exact_mut(32).zip(scalars) {
        bytes.copy_from_slice(&scalar.to_repr());
    }
}

/// Exactly `length` canonical scalars.
pub(super) fn from_bytes(bytes: &[u8], length: usize) -> Option<SecretVector> {
    if bytes.len() != 32 * length {
        return None;
    }
    let (chunks, _) = bytes.as_chunks::<32>();
    let scalars: Option<Vec<Fr>> = chunks
        .par_iter()
        .with_min_len(BLOCK)
        .map(|chunk| Option::from(Fr::from_repr(*chunk)))
        .collect();
    scalars.map(SecretVector)
}

/// `sum += factor * vector`.
pub(super) fn add_multiple(sum: &mut [Fr], factor: Fr, vector: &[Fr]) {
    assert_eq!(sum.len(), vector.len(), "vectors of one length");
    sum.par_iter_mut()
        .with_min_len(BLOCK)
        .zip(vector)
        .for_each(|(s, v)| *s += factor * v);
}

const BLOCK: usize = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn bytes_are_canonical() {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 3] {
            let vector = SecretVector::random(length, &mut rng);
            let bytes = to_bytes(&vector);
            assert_eq!(from_bytes(&bytes, length), Some(vector));
            assert_eq!(from_bytes(&bytes, length + 1), None);
        }
        assert_eq!(from_bytes(&[0xff; 32], 1), None);
        assert_eq!(
            format!("{:?}", SecretVector(vec![Fr::ONE])),
            "SecretVector(1 scalars)"
        );
    }
}
