//! Points as bare limbs: what tables hold and buckets add up, eight at a time where the processor can (clearproof-ifma).

use clearproof_ifma::{Point, MODULUS};
use ff::Field;
use halo2curves::bn256::{Fq, G1Affine};
use halo2curves::serde::SerdeObject;

use super::affine::{add, denominator};

/// The limbs of both coordinates.
pub(super) type Stored = Point;

/// The identity.
pub(super) const IDENTITY: Stored = [0; 8];

pub(super) fn stored(p: &G1Affine) -> Stored {
    let mut bytes = [0; 64];
    let (mut x, mut y) = bytes.split_at_mut(32);
    let written = p.x.write_raw(&mut x).and_then(|()| p.y.write_raw(&mut y));
    written.expect("32 bytes each");
    limbs(&bytes)
}

pub(super) fn affine(p: &Stored) -> G1Affine {
    let bytes = bytes(p);
    G1Affine {
        x: Fq::from_raw_bytes_unchecked(&bytes[..32]),
        y: Fq::from_raw_bytes_unchecked(&bytes[32..]),
    }
}

/// The limbs of 64 bytes, each from its lowest byte.
pub(super) fn limbs(bytes: &[u8; 64]) -> Stored {
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut out = IDENTITY;
    for (limb, chunk) in out.iter_mut().zip(chunks) {
        *limb = u64::from_le_bytes(*chunk);
    }
    out
}

pub(super) fn bytes(p: &Stored) -> [u8; 64] {
    let mut out = [0; 64];
    let (chunks, _) = out.as_chunks_mut::<8>();
    for (chunk, limb) in chunks.iter_mut().zip(p) {
        *chunk = limb.to_le_bytes();
    }
    out
}

/// Its negative: `(x, p - y)`, the identity as it is.
pub(super) fn negative(p: &Stored) -> Stored {
    let mut out = *p;
    if p[4..] == [0; 4] {
        return out;
    }
    let mut borrow = false;
    for (limb, modulus) in out[4..].iter_mut().zip(MODULUS) {
        (*limb, borrow) = modulus.borrowing_sub(*limb, borrow);
    }
    out
}

/// `points[i] += points[i + 1]` for each i of `firsts`, which ascend and lie two apart or more.
pub(super) fn add_neighbours(points: &mut [Stored], firsts: &[u32], scratch: &mut Vec<Fq>) {
    match clearproof_ifma::available() {
        true => clearproof_ifma::add_neighbours(points, firsts, &inverse, &sum),
        false => one_by_one(points, firsts, scratch),
    }
}

/// The same without the processor's help.
fn one_by_one(points: &mut [Stored], firsts: &[u32], scratch: &mut Vec<Fq>) {
    scratch.clear();
    let mut product = Fq::ONE;
    let pair = |points: &[Stored], first: u32| {
        let at = first as usize;
        (affine(&points[at]), affine(&points[at + 1]))
    };
    for first in firsts {
        let (p, q) = pair(points, *first);
        scratch.push(product);
        product *= denominator(&p, &q);
    }
    let mut inverse = product.invert().expect("denominators are not zero");
    for (first, before) in firsts.iter().zip(&*scratch).rev() {
        let (p, q) = pair(points, *first);
        let divided = inverse * before;
        inverse *= denominator(&p, &q);
        points[*first as usize] = stored(&add(p, q, divided));
    }
}

fn inverse(x: [u64; 4]) -> [u64; 4] {
    let point = affine(&[x[0], x[1], x[2], x[3], 0, 0, 0, 0]);
    let inverse = point.x.invert().expect("a divisor is not zero");
    let [a, b, c, d, ..] = stored(&G1Affine {
        x: inverse,
        y: Fq::ZERO,
    });
    [a, b, c, d]
}

/// One addition with a division of its own.
fn sum(p: &Stored, q: &Stored) -> Stored {
    let (p, q) = (affine(p), affine(q));
    let inverse = denominator(&p, &q)
        .invert()
        .expect("a denominator is not zero");
    stored(&add(p, q, inverse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::prime::PrimeCurveAffine;
    use group::{Curve, Group};
    use halo2curves::bn256::G1;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn every_processor_adds_alike() {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let g = G1Affine::generator();
        let mut points: Vec<G1Affine> = (0..40).map(|_| G1::random(&mut rng).to_affine()).collect();
        points.extend([g, g, g, -g, g, G1Affine::default(), G1Affine::default(), g]);
        points.extend([G1Affine::default(); 2]);
        let firsts: Vec<u32> = (0..points.len() as u32).step_by(2).collect();
        let expected: Vec<G1Affine> = points
            .chunks(2)
            .map(|pair| (pair[0] + pair[1]).to_affine())
            .collect();
        for add in [add_neighbours, one_by_one] {
            let mut sums: Vec<Stored> = points.iter().map(stored).collect();
            add(&mut sums, &firsts, &mut vec![]);
            let sums: Vec<G1Affine> = sums.iter().step_by(2).map(affine).collect();
            assert_eq!(sums, expected);
        }
    }

    #[test]
    fn conversions_and_negatives_are_those_of_the_curve() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut points = vec![G1Affine::identity(), G1Affine::generator()];
        points.extend((0..20).map(|_| G1::random(&mut rng).to_affine()));
        for p in points {
            assert_eq!(affine(&stored(&p)), p);
            assert_eq!(limbs(&bytes(&stored(&p))), stored(&p));
            assert_eq!(affine(&negative(&stored(&p))), -p);
        }
    }
}
