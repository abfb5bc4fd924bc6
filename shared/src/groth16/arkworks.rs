//! [`super::Encoding::Arkworks`]: what `ark_serialize` writes of `ark_groth16`'s types.
//!
//! 1. Claim: exactly the bytes that `serialize_compressed` or `serialize_uncompressed` writes are read.
//! 2. Layout: coordinates of 32 bytes little-endian, of Fq2 c0 before c1; a compressed point is x, an
//!    uncompressed one x, y. In the last byte bit 7 says that y is the larger of y and -y (of Fq2: by c1, then
//!    c0), bit 6 that the point is the identity, all other bits being zero. A key: alpha, beta, gamma, delta,
//!    the number of further points in 8 bytes, those points. A proof: A, B, C.
//! 3. Assumed: a key's length tells which of both it is.
//! 4. Source: ark-ec 0.6, `SWFlags`; ark-groth16 0.6, `data_structures`.

use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{Field, PrimeField, Zero};

use super::{Groth16Error, Proof, VerifyingKey, MAX_PUBLIC_INPUTS};
use crate::bn254::{Fq, Fq2};
use crate::encoding::{limbs, Reader};

const NEGATIVE: u8 = 0x80;
const IDENTITY: u8 = 0x40;

/// Bytes of a coordinate in G1.
const COORDINATE: usize = 32;
/// Coordinates in G1 before a key's count of points, compressed: alpha, then three of two each.
const KEY_COORDINATES: usize = 7;
/// Likewise of a proof.
const PROOF_COORDINATES: usize = 4;
const COUNT: usize = 8;

#[derive(Clone, Copy)]
enum Form {
    Compressed,
    Uncompressed,
}

impl Form {
    fn bytes(self, coordinates: usize) -> usize {
        match self {
            Form::Compressed => coordinates * COORDINATE,
            Form::Uncompressed => 2 * coordinates * COORDINATE,
        }
    }
}

pub(super) fn key(bytes: &[u8]) -> Result<VerifyingKey, Groth16Error> {
    let forms = [Form::Compressed, Form::Uncompressed];
    let found = forms
        .into_iter()
        .find_map(|form| Some((form, key_points(bytes, form)?)));
    let (form, points) = found.ok_or(Groth16Error::KeyLength)?;
    let mut reader = Reader::new(bytes);
    let mut key = || {
        let (alpha, beta) = (point(&mut reader, form)?, point(&mut reader, form)?);
        let (gamma, delta) = (point(&mut reader, form)?, point(&mut reader, form)?);
        reader.array::<COUNT>()?;
        let inputs = (0..points).map(|_| point(&mut reader, form));
        Some(VerifyingKey {
            alpha,
            beta,
            gamma,
            delta,
            inputs: inputs.collect::<Option<_>>()?,
        })
    };
    key().ok_or(Groth16Error::KeyPoint)
}

/// The count of a key's further points, if the bytes have the length that follows from it.
fn key_points(bytes: &[u8], form: Form) -> Option<usize> {
    let head = form.bytes(KEY_COORDINATES);
    let count = bytes.get(head..)?.first_chunk::<COUNT>()?;
    let points = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let bounded = (1..=1 + MAX_PUBLIC_INPUTS).contains(&points);
    (bounded && bytes.len() == head + COUNT + form.bytes(points)).then_some(points)
}

pub(super) fn proof(bytes: &[u8]) -> Result<Proof, Groth16Error> {
    let forms = [Form::Compressed, Form::Uncompressed];
    let form = forms
        .into_iter()
        .find(|form| bytes.len() == form.bytes(PROOF_COORDINATES))
        .ok_or(Groth16Error::ProofLength)?;
    let mut reader = Reader::new(bytes);
    let mut proof = || {
        Some(Proof {
            a: point(&mut reader, form)?,
            b: point(&mut reader, form)?,
            c: point(&mut reader, form)?,
        })
    };
    proof().ok_or(Groth16Error::ProofPoint)
}

fn point<P>(reader: &mut Reader<'_>, form: Form) -> Option<Affine<P>>
where
    P: SWCurveConfig,
    P::BaseField: Coordinate,
{
    let mut flags = 0;
    let (x, y) = match form {
        Form::Compressed => (P::BaseField::read(reader, Some(&mut flags))?, None),
        Form::Uncompressed => {
            let x = P::BaseField::read(reader, None)?;
            (x, Some(P::BaseField::read(reader, Some(&mut flags))?))
        }
    };
    if flags & IDENTITY != 0 {
        let zero = x.is_zero() && y.is_none_or(|y| y.is_zero()) && flags == IDENTITY;
        return zero.then(Affine::identity);
    }
    let negative = flags == NEGATIVE;
    let y = match y {
        Some(y) => y,
        None => {
            let y = (x.square() * x + P::COEFF_B).sqrt()?;
            if (y > -y) == negative {
                y
            } else {
                -y
            }
        }
    };
    let signed = (y > -y) == negative;
    let point = Affine::<P>::new_unchecked(x, y);
    let member = || point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve();
    (signed && member()).then_some(point)
}

/// An element of a curve's base field, read with or without flags in its last byte.
trait Coordinate: Field + Sized {
    fn read(reader: &mut Reader<'_>, flags: Option<&mut u8>) -> Option<Self>;
}

impl Coordinate for Fq {
    fn read(reader: &mut Reader<'_>, flags: Option<&mut u8>) -> Option<Self> {
        let mut bytes = *reader.array::<COORDINATE>()?;
        if let Some(flags) = flags {
            *flags = bytes[31] & (NEGATIVE | IDENTITY);
            bytes[31] ^= *flags;
        }
        Fq::from_bigint(limbs(&bytes))
    }
}

impl Coordinate for Fq2 {
    fn read(reader: &mut Reader<'_>, flags: Option<&mut u8>) -> Option<Self> {
        let c0 = Fq::read(reader, None)?;
        Some(Fq2::new(c0, Fq::read(reader, flags)?))
    }
}
