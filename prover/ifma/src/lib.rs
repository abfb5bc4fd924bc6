//! Additions of affine BN254 points, eight at a time.
//!
//! 1. Claim: [`add_neighbours`] leaves what affine additions one by one leave, to the bit; the tests compare them.
//! 2. Layout: a point is its two coordinates in Montgomery form to the base 2^256, 64-bit limbs from the lowest, reduced; the
//!    identity is all zeros. In the kernel a vector holds one 52-bit limb of eight coordinates.
//! 3. Assumed: coordinates below the modulus. Points off the curve give points off the curve.
//! 4. Source: the instructions' use for Montgomery multiplication by Gueron and Krasnov 2016 (ARITH 23); one inversion for many
//!    additions by Montgomery 1987.
//!
//! Variable time, as all of the prover's multi-scalar multiplications.

#[cfg(target_arch = "x86_64")]
mod kernel;

/// A point: x in the first four limbs, y in the others.
pub type Point = [u64; 8];

/// The modulus of the coordinates, limbs from the lowest.
pub const MODULUS: [u64; 4] = [
    0x3c20_8c16_d87c_fd47,
    0x9781_6a91_6871_ca8d,
    0xb850_45b6_8181_585d,
    0x3064_4e72_e131_a029,
];

/// Whether this processor has what the kernel needs.
pub fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512ifma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// `points[i] += points[i + 1]` for each i of `firsts`, which ascend and lie two apart or more.
///
/// `invert` gives the inverse of a coordinate that is not zero, in the same form; `slow` adds two points that are equal, or
/// opposite, or one of them the identity, which is rare.
///
/// # Panics
/// Where [`available`] is false, or an index is outside.
pub fn add_neighbours(
    points: &mut [Point],
    firsts: &[u32],
    invert: &dyn Fn([u64; 4]) -> [u64; 4],
    slow: &dyn Fn(&Point, &Point) -> Point,
) {
    assert!(available(), "no 52-bit fused multiply-add here");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the processor has the features that the kernel is compiled for.
    #[allow(unsafe_code)]
    unsafe {
        kernel::add_neighbours(points, firsts, invert, slow);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (points, firsts, invert, slow);
}

#[cfg(test)]
mod tests {
    use group::{Curve, Group};
    use halo2curves::bn256::{Fq, G1Affine, G1};
    use halo2curves::serde::SerdeObject;
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    use super::*;

    fn limbs(x: &Fq) -> [u64; 4] {
        let bytes = x.to_raw_bytes();
        std::array::from_fn(|i| {
            u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().expect("eight bytes"))
        })
    }

    fn element(limbs: &[u64]) -> Fq {
        let bytes: Vec<u8> = limbs.iter().flat_map(|l| l.to_le_bytes()).collect();
        Fq::from_raw_bytes(&bytes).expect("a reduced coordinate")
    }

    fn stored(p: &G1Affine) -> Point {
        let (x, y) = (limbs(&p.x), limbs(&p.y));
        std::array::from_fn(|i| if i < 4 { x[i] } else { y[i - 4] })
    }

    fn affine(p: &Point) -> G1Affine {
        G1Affine {
            x: element(&p[..4]),
            y: element(&p[4..]),
        }
    }

    fn sums(points: &[G1Affine], firsts: &[u32]) {
        let mut all: Vec<Point> = points.iter().map(stored).collect();
        let expected = |i: usize| (points[i] + points[i + 1]).to_affine();
        add_neighbours(
            &mut all,
            firsts,
            &|x| limbs(&element(&x).invert().expect("not zero")),
            &|p, q| stored(&(affine(p) + affine(q)).to_affine()),
        );
        for (i, point) in all.iter().enumerate() {
            let sum = match firsts.contains(&(i as u32)) {
                true => expected(i),
                false => points[i],
            };
            assert_eq!(affine(point), sum, "point {i} of {}", points.len());
        }
    }

    #[test]
    fn equals_additions_one_by_one() {
        if !available() {
            eprintln!("this processor has no 52-bit fused multiply-add");
            return;
        }
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let point = |rng: &mut ChaCha20Rng| G1::random(rng).to_affine();
        // Less than a vector, whole vectors, more than share an inversion.
        for count in [0usize, 1, 2, 7, 8, 9, 40, 5000] {
            let points: Vec<G1Affine> = (0..2 * count).map(|_| point(&mut rng)).collect();
            let firsts: Vec<u32> = (0..count as u32).map(|i| 2 * i).collect();
            sums(&points, &firsts);
        }
        // Gaps between the pairs, and all that an addition may meet.
        let points: Vec<G1Affine> = (0..600)
            .map(|_| match rng.next_u32() % 6 {
                0 => G1Affine::default(),
                1 => G1::generator().to_affine(),
                2 => -G1::generator().to_affine(),
                _ => point(&mut rng),
            })
            .collect();
        let firsts: Vec<u32> = (0..299).map(|i| 2 * i + u32::from(i > 100)).collect();
        sums(&points, &firsts);
        sums(&[G1Affine::default(); 32], &[0, 2, 9, 30]);
    }
}
