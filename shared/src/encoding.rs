//! Canonical bytes of scalars and points.
//!
//! 1. Claim: each value has exactly one encoding, and every other byte string is refused.
//! 2. Layout: a scalar is 32 bytes little-endian below r. A compressed point is 32 bytes: x
//!    little-endian, bit 6 of the last byte the parity of y, bit 7 the identity (all other bits
//!    zero). An uncompressed point is x, y (64 bytes, the identity all zero); a G2 point is x.c0,
//!    x.c1, y.c0, y.c1 (128 bytes).
//! 3. Assumed: nothing; whether a point lies on the curve and in the subgroup is checked here.
//! 4. Source: halo2curves' `to_bytes` for BN254, whose decoder is laxer.

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, PrimeField, Zero};

use crate::bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};

/// Bytes of a scalar and of a compressed point.
pub const SCALAR_BYTES: usize = 32;
/// Bytes of an uncompressed G1 point.
pub const G1_BYTES: usize = 64;
/// Bytes of an uncompressed G2 point.
pub const G2_BYTES: usize = 128;

const SIGN_BIT: u8 = 0x40;
const IDENTITY_BIT: u8 = 0x80;

/// The little-endian integer of 32 bytes.
pub(crate) fn limbs(bytes: &[u8; 32]) -> BigInt<4> {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut word = [0u8; 8];
        word.copy_from_slice(chunk);
        *limb = u64::from_le_bytes(word);
    }
    BigInt(limbs)
}

fn limbs_to_bytes(limbs: &BigInt<4>) -> [u8; 32] {
    let mut bytes = [0u8; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(limbs.0) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}

/// A scalar; `None` unless below the modulus.
pub fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Fr> {
    Fr::from_bigint(limbs(bytes))
}

/// The little-endian integer of any bytes, modulo r. (arkworks' own brings the formatting of
/// input and output errors into WebAssembly.)
pub(crate) fn scalar_from_bytes_mod_order(bytes: &[u8]) -> Fr {
    let shift = Fr::from(1u128 << 64);
    let words = bytes.chunks(8).rev().map(|chunk| {
        let word = chunk.iter().rev();
        word.fold(0u64, |word, byte| word << 8 | u64::from(*byte))
    });
    words.fold(Fr::ZERO, |sum, word| sum * shift + Fr::from(word))
}

/// 32 bytes, little-endian.
pub fn scalar_to_bytes(scalar: &Fr) -> [u8; 32] {
    limbs_to_bytes(&scalar.into_bigint())
}

/// The scalar of a signed integer.
pub fn scalar_from_i64(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

pub(crate) fn base_to_bytes(x: &Fq) -> [u8; 32] {
    limbs_to_bytes(&x.into_bigint())
}

/// A compressed point; `None` unless it is the one encoding of a point of the curve.
pub fn point_from_bytes(bytes: &[u8; 32]) -> Option<G1Affine> {
    let mut x_bytes = *bytes;
    let flags = x_bytes[31] & (SIGN_BIT | IDENTITY_BIT);
    x_bytes[31] &= !(SIGN_BIT | IDENTITY_BIT);
    let x = Fq::from_bigint(limbs(&x_bytes))?;
    if flags & IDENTITY_BIT != 0 {
        return (x.is_zero() && flags == IDENTITY_BIT).then(G1Affine::identity);
    }
    let y = (x.square() * x + Fq::from(3u64)).sqrt()?;
    let odd = flags & SIGN_BIT != 0;
    let y = if y.into_bigint().is_odd() == odd {
        y
    } else {
        -y
    };
    Some(G1Affine::new_unchecked(x, y))
}

/// 32 bytes: x with the parity of y.
pub fn point_to_bytes(point: &G1Affine) -> [u8; 32] {
    if point.is_zero() {
        let mut bytes = [0; 32];
        bytes[31] = IDENTITY_BIT;
        return bytes;
    }
    let mut bytes = base_to_bytes(&point.x);
    if point.y.into_bigint().is_odd() {
        bytes[31] |= SIGN_BIT;
    }
    bytes
}

/// Compressed points one after another; `None` if the length is no multiple of 32 or one is bad.
pub fn points_from_bytes(bytes: &[u8]) -> Option<Vec<G1Affine>> {
    let (chunks, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return None;
    }
    chunks.iter().map(point_from_bytes).collect()
}

/// Compressed points one after another.
pub fn points_to_bytes(points: &[G1Affine]) -> Vec<u8> {
    points.iter().flat_map(point_to_bytes).collect()
}

fn base_from_slice(bytes: &[u8]) -> Option<Fq> {
    Fq::from_bigint(limbs(bytes.try_into().ok()?))
}

/// An uncompressed point; `None` unless it is the one encoding of a point of the curve.
pub fn g1_from_bytes(bytes: &[u8; G1_BYTES]) -> Option<G1Affine> {
    let (x, y) = (
        base_from_slice(&bytes[..32])?,
        base_from_slice(&bytes[32..])?,
    );
    if x.is_zero() && y.is_zero() {
        return Some(G1Affine::identity());
    }
    let point = G1Affine::new_unchecked(x, y);
    point.is_on_curve().then_some(point)
}

/// 64 bytes: x, y.
pub fn g1_to_bytes(point: &G1Affine) -> [u8; G1_BYTES] {
    let mut bytes = [0; G1_BYTES];
    if !point.is_zero() {
        bytes[..32].copy_from_slice(&base_to_bytes(&point.x));
        bytes[32..].copy_from_slice(&base_to_bytes(&point.y));
    }
    bytes
}

/// An uncompressed G2 point; `None` unless canonical, on the curve and in the subgroup, which are not
/// checked for the generator and for points known to be there.
pub fn g2_from_bytes(bytes: &[u8; G2_BYTES], known: &[G2Affine]) -> Option<G2Affine> {
    let mut coordinates = [Fq::ZERO; 4];
    for (coordinate, chunk) in coordinates.iter_mut().zip(bytes.chunks_exact(32)) {
        *coordinate = base_from_slice(chunk)?;
    }
    let [x0, x1, y0, y1] = coordinates;
    if coordinates.iter().all(Zero::is_zero) {
        return Some(G2Affine::identity());
    }
    let point = G2Affine::new_unchecked(Fq2::new(x0, x1), Fq2::new(y0, y1));
    let member = || point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve();
    (point == G2Affine::generator() || known.contains(&point) || member()).then_some(point)
}

/// 128 bytes: x.c0, x.c1, y.c0, y.c1.
pub fn g2_to_bytes(point: &G2Affine) -> [u8; G2_BYTES] {
    let mut bytes = [0; G2_BYTES];
    if !point.is_zero() {
        let coordinates = [point.x.c0, point.x.c1, point.y.c0, point.y.c1];
        for (chunk, coordinate) in bytes.chunks_exact_mut(32).zip(&coordinates) {
            chunk.copy_from_slice(&base_to_bytes(coordinate));
        }
    }
    bytes
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Reads fixed-size and variable-length pieces off the front of a byte string.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|b| b[0])
    }

    /// An unsigned LEB128 integer of at most 32 bits in its shortest form.
    pub(crate) fn int(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return u32::try_from(value).ok().filter(|_| shortest);
            }
        }
        None
    }
}

/// Appends the shortest unsigned LEB128 form.
pub(crate) fn put_int(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduction_is_arkworks() {
        let bytes: Vec<u8> = (0..64u8).map(|i| i.wrapping_mul(157) ^ 0xa5).collect();
        for length in 0..=64 {
            for bytes in [&bytes[..length], &vec![0xff; length]] {
                let expected = Fr::from_le_bytes_mod_order(bytes);
                assert_eq!(scalar_from_bytes_mod_order(bytes), expected);
            }
        }
    }
    use ark_ec::CurveGroup;

    fn point(i: u64) -> G1Affine {
        (G1Affine::generator() * Fr::from(i)).into_affine()
    }

    #[test]
    fn points_round_trip() {
        for i in 0..20 {
            let p = point(i);
            assert_eq!(point_from_bytes(&point_to_bytes(&p)), Some(p));
            assert_eq!(g1_from_bytes(&g1_to_bytes(&p)), Some(p));
            let q = (G2Affine::generator() * Fr::from(i)).into_affine();
            assert_eq!(g2_from_bytes(&g2_to_bytes(&q), &[]), Some(q));
        }
    }

    #[test]
    fn a_point_has_one_encoding() {
        for i in 0..5 {
            let honest = point_to_bytes(&point(i));
            for bit in 0..256 {
                let mut bytes = honest;
                bytes[bit / 8] ^= 1 << (bit % 8);
                if let Some(other) = point_from_bytes(&bytes) {
                    assert_eq!(point_to_bytes(&other), bytes);
                    assert_ne!(other, point(i));
                }
            }
        }
    }

    #[test]
    fn non_canonical_coordinates_are_refused() {
        // x + p still fits 254 bits for x small enough; no such x may be read.
        let modulus = limbs_to_bytes(&Fq::MODULUS);
        assert_eq!(point_from_bytes(&modulus), None);
        assert_eq!(scalar_from_bytes(&limbs_to_bytes(&Fr::MODULUS)), None);
        assert_eq!(scalar_from_bytes(&[0xff; 32]), None);
        let mut identity_with_sign = [0; 32];
        identity_with_sign[31] = SIGN_BIT | IDENTITY_BIT;
        assert_eq!(point_from_bytes(&identity_with_sign), None);
    }

    #[test]
    fn a_g2_point_outside_the_subgroup_is_refused() {
        // The cofactor is large: the first x with a square right-hand side is outside.
        let mut x = Fq2::new(Fq::from(1u64), Fq::ZERO);
        let point = loop {
            if let Some(p) = G2Affine::get_point_from_x_unchecked(x, false) {
                break p;
            }
            x += Fq2::ONE;
        };
        assert!(point.is_on_curve());
        assert_eq!(g2_from_bytes(&g2_to_bytes(&point), &[]), None);
    }

    #[test]
    fn integers_are_shortest() {
        for value in [0, 1, 127, 128, 300, 65_535, 1 << 20, u32::MAX] {
            let mut bytes = vec![];
            put_int(&mut bytes, u64::from(value));
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.int(), Some(value));
            assert_eq!(reader.remaining(), 0);
        }
        assert_eq!(Reader::new(&[0x80, 0x00]).int(), None);
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).int(), None);
        assert_eq!(Reader::new(&[0x80]).int(), None);
    }

    #[test]
    fn signed_integers_map_to_the_field() {
        assert_eq!(scalar_from_i64(-5) + Fr::from(5u64), Fr::ZERO);
        assert_eq!(scalar_from_i64(i64::MIN) + Fr::from(1u64 << 63), Fr::ZERO);
    }
}
