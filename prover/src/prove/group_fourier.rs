//! Lagrange bases from powers: `L_i = (1/n) sum_j omega^(-i j) G_j`, a Fourier transform over points.
//!
//! A butterfly is one multiplication by a scalar that has nothing to share with its neighbours. Many are
//! done in step: the scalar is split in two halves by the curve's endomorphism, the halves are written as
//! non-adjacent forms, and each doubling and each addition of all butterflies of a chunk is affine with one
//! inversion for the chunk.
//! Source: Gallant, Lambert, Vanstone 2001 (endomorphism); Solinas 2000 (width-w non-adjacent form); Stockham's
//! transform as in Van Loan 1992, section 1.7, which needs no reordering.

use ff::{Field, PrimeField, WithSmallOrderMulGroup};
use halo2curves::bn256::{Fq, Fr, G1Affine};
use rayon::prelude::*;

use super::affine::{add_to, double_each};
use super::bases::root_of_unity;
use super::msm::magnitude;

/// Points that share an inversion; their tables fit a second-level cache.
const CHUNK: usize = 1 << 10;
/// Width of the non-adjacent form: digits are odd and below `2^(WIDTH - 1)` in absolute value.
const WIDTH: u32 = 5;
/// Odd multiples that the digits select from.
const MULTIPLES: usize = 1 << (WIDTH - 2);
/// Digits of a half, which has at most 128 bits.
const DIGITS: usize = 129;

/// The bases of evaluations for the bases of coefficients.
///
/// # Panics
/// When their number is no power of two.
pub(super) fn lagrange(g: &[G1Affine]) -> Vec<G1Affine> {
    assert!(g.len().is_power_of_two(), "a power of two");
    let k = g.len().ilog2();
    let half = g.len() / 2;
    let root = root_of_unity(k).invert().expect("a root of unity");
    let twiddles: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |w| Some(*w * root))
        .take(half)
        .collect();
    let scale = Fr::from(g.len() as u64).invert().expect("n is not zero");
    let mut from = g.to_vec();
    let mut to = vec![G1Affine::default(); g.len()];
    for stage in 1..=k {
        // Transforms of size 2^(stage - 1), r of each pair's entries next to each other, become ones of 2^stage.
        let r = g.len() >> stage;
        let last = stage == k;
        let (sums, differences) = to.split_at_mut(half);
        sums.par_chunks_mut(CHUNK)
            .zip(differences.par_chunks_mut(CHUNK))
            .enumerate()
            .for_each(|(chunk, (sums, differences))| {
                let mut scalars = Vec::with_capacity(2 * sums.len());
                for t in chunk * CHUNK..chunk * CHUNK + sums.len() {
                    let exponent = t - t % r;
                    sums[t % CHUNK] = from[t + exponent];
                    differences[t % CHUNK] = from[t + exponent + r];
                    scalars.push(twiddles[exponent]);
                }
                if last {
                    scalars.iter_mut().for_each(|s| *s *= scale);
                    multiply_each(sums, &vec![scale; sums.len()]);
                }
                multiply_each(differences, &scalars);
                butterflies(sums, differences);
            });
        std::mem::swap(&mut from, &mut to);
    }
    from
}

/// `(a, b) <- (a + b, a - b)` for each pair.
fn butterflies(a: &mut [G1Affine], b: &mut [G1Affine]) {
    let indexed =
        |b: &[G1Affine]| -> Vec<(usize, G1Affine)> { b.iter().copied().enumerate().collect() };
    let mut scratch = vec![];
    let summands = indexed(b);
    b.iter_mut().for_each(|b| b.y = -b.y);
    add_to(b, &indexed(a), &mut scratch);
    add_to(a, &summands, &mut scratch);
}

/// `points_i <- scalars_i points_i`.
fn multiply_each(points: &mut [G1Affine], scalars: &[Fr]) {
    let work: Vec<usize> = (0..points.len())
        .filter(|i| scalars[*i] != Fr::ONE)
        .collect();
    if work.is_empty() {
        return;
    }
    let n = work.len();
    let mut scratch = Vec::with_capacity(n);
    // 1. Odd multiples: (2 m + 1) P_i at m n + i.
    let mut multiples: Vec<G1Affine> = work.iter().map(|i| points[*i]).collect();
    let mut twice = multiples.clone();
    double_each(&mut twice, &mut scratch);
    let twice: Vec<(usize, G1Affine)> = twice.into_iter().enumerate().collect();
    for m in 1..MULTIPLES {
        multiples.extend_from_within((m - 1) * n..);
        add_to(&mut multiples[m * n..], &twice, &mut scratch);
    }
    // 2. Digits of both halves: bit by bit, half by half, those of all points.
    let mut digits = vec![0i8; DIGITS * 2 * n];
    let mut top = 0;
    for (i, at) in work.iter().enumerate() {
        for (half, (value, negative)) in halves(&scalars[*at]).into_iter().enumerate() {
            for_each_digit(value, |bit, digit| {
                digits[(2 * bit + half) * n + i] = if negative { -digit } else { digit };
                top = top.max(bit + 1);
            });
        }
    }
    // 3. From the top bit: double, then add what the digits select.
    let mut sums = vec![G1Affine::default(); n];
    let mut summands = Vec::with_capacity(n);
    for bit in (0..top).rev() {
        double_each(&mut sums, &mut scratch);
        for half in 0..2 {
            summands.clear();
            for (i, &digit) in digits[(2 * bit + half) * n..][..n].iter().enumerate() {
                if digit == 0 {
                    continue;
                }
                let mut p = multiples[usize::from(digit.unsigned_abs() / 2) * n + i];
                if half == 1 {
                    p.x *= Fq::ZETA;
                }
                if digit < 0 {
                    p.y = -p.y;
                }
                summands.push((i, p));
            }
            add_to(&mut sums, &summands, &mut scratch);
        }
    }
    for (i, sum) in work.into_iter().zip(sums) {
        points[i] = sum;
    }
}

/// `(s_0, s_1)` with `s = s_0 + s_1 zeta`, where `zeta (x, y) = (ZETA x, y)`, each as absolute value and whether
/// it is negative.
///
/// `(A, -C)` and `(C, B)` generate the pairs that stand for zero, and `A B + C^2` is the order r. So `s` lies
/// `(s B / r, s C / r)` of them away from zero; what rounding these down leaves is short: with an error of at
/// most 5/4 each, below `5/4 (A + C)` and `5/4 (B + C)`, hence below 2^128.
fn halves(s: &Fr) -> [(u128, bool); 2] {
    let repr = s.to_repr();
    let c1 = Fr::from_u128(multiply_high(repr.as_ref(), &B_OVER_R));
    let c2 = Fr::from_u128(multiply_high(repr.as_ref(), &C_OVER_R));
    let second = c1 * Fr::from_u128(C) - c2 * Fr::from_u128(B);
    [*s - second * Fr::ZETA, second].map(|half| {
        let (limbs, negative) = magnitude(&half);
        debug_assert_eq!(limbs[2..], [0, 0], "a half has at most 128 bits");
        (u128::from(limbs[1]) << 64 | u128::from(limbs[0]), negative)
    })
}

const B: u128 = 0x6f4d8248eeb859fd0be4e1541221250b;
const C: u128 = 0x89d3256894d213e3;
/// `2^256 B / r`, rounded down, in limbs from the lowest.
const B_OVER_R: [u64; 3] = [0x5398fd0300ff6565, 0x4ccef014a773d2d2, 0x0000000000000002];
/// `2^256 C / r`.
const C_OVER_R: [u64; 3] = [0xd91d232ec7e0b3d7, 0x0000000000000002, 0x0000000000000000];

/// `a b / 2^256`, rounded down, of a scalar's 32 little-endian bytes and one of the constants above.
fn multiply_high(a: &[u8], b: &[u64; 3]) -> u128 {
    let mut product = [0u64; 7];
    for (i, bytes) in a.chunks_exact(8).enumerate() {
        let limb = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let mut carry = 0;
        for (j, factor) in b.iter().enumerate() {
            let sum = u128::from(limb) * u128::from(*factor) + u128::from(product[i + j]) + carry;
            product[i + j] = sum as u64;
            carry = sum >> 64;
        }
        product[i + 3] = carry as u64;
    }
    u128::from(product[5]) << 64 | u128::from(product[4])
}

/// Calls `f(bit, digit)` for the digits of the non-adjacent form that are not zero: `value = sum digit 2^bit`.
fn for_each_digit(mut value: u128, mut f: impl FnMut(usize, i8)) {
    let mut bit = 0;
    while value != 0 {
        let zeros = value.trailing_zeros();
        value >>= zeros;
        bit += zeros as usize;
        let low = (value & ((1 << WIDTH) - 1)) as i8;
        let digit = match low >= 1 << (WIDTH - 1) {
            true => low - (1 << WIDTH),
            false => low,
        };
        f(bit, digit);
        // The borrow of a negative digit is carried into what is left above it, so that 128 bits do.
        value = (value >> WIDTH) + u128::from(digit < 0);
        bit += WIDTH as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::{Curve, Group};
    use halo2_proofs::arithmetic::g_to_lagrange;
    use halo2curves::bn256::G1;
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    fn halo2(g: &[G1Affine], k: u32) -> Vec<G1Affine> {
        g_to_lagrange(g.iter().map(|p| G1::from(*p)).collect(), k)
    }

    #[test]
    fn equals_halo2s_bases_point_for_point() {
        let mut rng = ChaCha20Rng::from_seed([6; 32]);
        // Below, at and above the size of a chunk of butterflies.
        for k in [1, 2, 3, 6, 11, 12] {
            let g: Vec<G1Affine> = (0..1 << k)
                .map(|_| G1::random(&mut rng).to_affine())
                .collect();
            assert!(lagrange(&g) == halo2(&g, k), "k = {k}");
        }
    }

    #[test]
    fn survives_equal_opposite_and_identity_points() {
        let p = G1::generator().to_affine();
        let constant = vec![p; 16];
        let mut expected = vec![G1Affine::default(); 16];
        expected[0] = p;
        assert_eq!(lagrange(&constant), expected);
        let mixed = [p, -p, G1Affine::default(), p, p, p, -p, G1Affine::default()];
        assert_eq!(lagrange(&mixed), halo2(&mixed, 3));
        assert_eq!(lagrange(&[p]), [p]);
    }

    #[test]
    fn multiplies_by_any_scalar() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let half = Fr::from(2).invert().unwrap();
        let mut scalars = vec![
            Fr::ZERO,
            Fr::ONE,
            -Fr::ONE,
            half,
            -half,
            Fr::ZETA,
            -Fr::ZETA,
            Fr::from_raw([u64::MAX, u64::MAX, 0, 0]),
        ];
        scalars.extend((0..130).map(|bit| Fr::from(2).pow([bit])));
        scalars.extend((0..60).map(|_| Fr::random(&mut rng)));
        let points: Vec<G1Affine> = scalars
            .iter()
            .map(|_| G1::random(&mut rng).to_affine())
            .collect();
        let mut products = points.clone();
        multiply_each(&mut products, &scalars);
        for ((p, s), product) in points.iter().zip(&scalars).zip(products) {
            assert_eq!(product, (p * s).to_affine(), "{s:?}");
        }
    }

    #[test]
    fn halves_make_the_scalar_and_are_short() {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let half = Fr::from(2).invert().unwrap();
        let mut scalars = vec![
            Fr::ZERO,
            Fr::ONE,
            -Fr::ONE,
            half,
            -half,
            Fr::ZETA,
            -Fr::ZETA,
        ];
        scalars.extend((0..1000).map(|_| Fr::random(&mut rng)));
        for s in scalars {
            let [first, second] = halves(&s).map(|(value, negative)| {
                assert!(value < 1 << 127 | 1 << 125);
                match negative {
                    true => -Fr::from_u128(value),
                    false => Fr::from_u128(value),
                }
            });
            assert_eq!(first + second * Fr::ZETA, s);
        }
    }

    #[test]
    fn digits_add_up_to_the_value_and_fit() {
        let mut rng = ChaCha20Rng::from_seed([8; 32]);
        let mut values = vec![0, 1, 15, 16, 17, 31, u128::MAX, u128::MAX - 14, 1 << 127];
        values.extend(
            (0..100).map(|_| u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())),
        );
        for value in values {
            let mut sum = 0u128;
            let mut free = 0;
            for_each_digit(value, |bit, digit| {
                assert!(digit % 2 != 0 && digit.unsigned_abs() < 1 << (WIDTH - 1));
                assert!(bit >= free && bit < DIGITS);
                free = bit + WIDTH as usize;
                let term = i128::from(digit) as u128;
                sum = sum.wrapping_add(term.checked_shl(bit as u32).unwrap_or(0));
            });
            assert_eq!(sum, value);
        }
    }
}
