//! Multi-scalar multiplication.
//!
//! 1. Claim: `msm(terms) = sum scalar * point`.
//! 2. Method: for few points Straus' interleaved windows (signed wNAF digits, affine tables of odd
//!    multiples); for many Pippenger's buckets with signed digits, where all buckets of several
//!    windows are summed pairwise in affine form with one inversion a round. Natively, thousands are shared among
//!    the cores.
//! 3. Assumed: points lie on the curve; scalars are public (variable time).
//! 4. Source: Straus 1964; Pippenger 1976; batch-affine addition as in Aztec's and gnark's MSM.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{batch_inversion, AdditiveGroup, Field, PrimeField, Zero};

use crate::bn254::{Fq, Fr, G1Affine, G1Projective};

/// A scalar and the point it multiplies.
pub type Term = (Fr, G1Affine);

/// The sum of the terms.
pub fn msm(terms: &[Term]) -> G1Projective {
    #[cfg(not(target_family = "wasm"))]
    if terms.len() >= 2 * PART {
        return parallel(terms);
    }
    part(terms)
}

/// Terms that are worth a thread.
#[cfg(not(target_family = "wasm"))]
const PART: usize = 1 << 11;

/// The sum of many terms, a part of them on each of the machine's cores.
#[cfg(not(target_family = "wasm"))]
fn parallel(terms: &[Term]) -> G1Projective {
    use std::sync::LazyLock;
    use std::thread::{available_parallelism, scope, Builder};
    static CORES: LazyLock<usize> =
        LazyLock::new(|| available_parallelism().map_or(1, usize::from));
    let parts = CORES.min(terms.len() / PART).max(1);
    let mut chunks = terms.chunks(terms.len().div_ceil(parts));
    let first = chunks.next().unwrap_or_default();
    scope(|scope| {
        let others: Vec<_> = chunks
            .map(|terms| {
                let thread = Builder::new().spawn_scoped(scope, move || part(terms));
                (thread, terms)
            })
            .collect();
        let mut sum = part(first);
        for (thread, terms) in others {
            // Where the system has no thread left, this one does it.
            sum += match thread {
                Ok(thread) => thread.join().unwrap_or_else(|_| part(terms)),
                Err(_) => part(terms),
            };
        }
        sum
    })
}

fn part(terms: &[Term]) -> G1Projective {
    let terms: Vec<SignedTerm> = terms.iter().filter_map(SignedTerm::new).collect();
    match terms.len() {
        0..=89 => straus(&terms),
        90..=399 => buckets(&terms, 6),
        400..=799 => buckets(&terms, 7),
        800..=2999 => buckets(&terms, 8),
        3000..=9999 => buckets(&terms, 9),
        _ => buckets(&terms, 11),
    }
}

/// A term whose scalar's magnitude is at most (r - 1) / 2, so that small negative numbers are short.
struct SignedTerm {
    magnitude: [u64; 5],
    point: G1Affine,
}

impl SignedTerm {
    fn new((scalar, point): &Term) -> Option<Self> {
        if scalar.is_zero() || point.is_zero() {
            return None;
        }
        let (positive, negative) = (scalar.into_bigint(), (-*scalar).into_bigint());
        let (magnitude, point) = if positive <= negative {
            (positive, *point)
        } else {
            (negative, -*point)
        };
        let mut limbs = [0; 5];
        limbs[..4].copy_from_slice(magnitude.as_ref());
        Some(Self {
            magnitude: limbs,
            point,
        })
    }

    fn bits(&self) -> usize {
        let top = self.magnitude.iter().rposition(|limb| *limb != 0);
        top.map_or(0, |i| {
            64 * (i + 1) - self.magnitude[i].leading_zeros() as usize
        })
    }
}

// ------------------------------------------------------------------------------------- Straus

const WNAF_WINDOW: u32 = 5;
const ODD_MULTIPLES: usize = 1 << (WNAF_WINDOW - 2);

fn straus(terms: &[SignedTerm]) -> G1Projective {
    // 1. Odd multiples 1, 3, 5 .. of every point, made affine together.
    let mut multiples = Vec::with_capacity(terms.len() * ODD_MULTIPLES);
    for term in terms {
        let mut multiple = term.point.into_group();
        let double = multiple.double();
        for _ in 0..ODD_MULTIPLES {
            multiples.push(multiple);
            multiple += double;
        }
    }
    let multiples = G1Projective::normalize_batch(&multiples);
    // 2. One doubling per digit position, shared by all points.
    let digits: Vec<Vec<i8>> = terms.iter().map(|term| wnaf(term.magnitude)).collect();
    let length = digits.iter().map(Vec::len).max().unwrap_or(0);
    let mut sum = G1Projective::zero();
    for position in (0..length).rev() {
        sum.double_in_place();
        for (table, digits) in multiples.chunks_exact(ODD_MULTIPLES).zip(&digits) {
            let digit = digits.get(position).copied().unwrap_or(0);
            let multiple = &table[usize::from(digit.unsigned_abs() / 2)];
            match digit {
                0 => {}
                1.. => sum += multiple,
                _ => sum -= multiple,
            }
        }
    }
    sum
}

/// Signed digits, least significant first: zero or odd with magnitude below 2^(window - 1).
fn wnaf(mut value: [u64; 5]) -> Vec<i8> {
    let mut digits = Vec::with_capacity(256);
    while value != [0; 5] {
        let mut digit = 0i64;
        if value[0] & 1 == 1 {
            digit = (value[0] & ((1 << WNAF_WINDOW) - 1)) as i64;
            if digit >= 1 << (WNAF_WINDOW - 1) {
                digit -= 1 << WNAF_WINDOW;
            }
            subtract_small(&mut value, digit);
        }
        digits.push(digit as i8);
        for i in 0..5 {
            let above = value.get(i + 1).copied().unwrap_or(0);
            value[i] = value[i] >> 1 | above << 63;
        }
    }
    digits
}

fn subtract_small(value: &mut [u64; 5], small: i64) {
    let mut carry = small.unsigned_abs();
    for limb in value {
        let (result, overflow) = if small >= 0 {
            limb.overflowing_sub(carry)
        } else {
            limb.overflowing_add(carry)
        };
        *limb = result;
        carry = u64::from(overflow);
    }
}

// ------------------------------------------------------------------------------------ buckets

/// Points summed per round at most, to bound memory (72 bytes each).
const ROUND_POINTS: usize = 1 << 18;

fn buckets(terms: &[SignedTerm], window: usize) -> G1Projective {
    let bits = terms.iter().map(SignedTerm::bits).max().unwrap_or(0);
    let windows = bits / window + 1;
    let per_round = (ROUND_POINTS / terms.len()).clamp(1, windows);
    let mut carries = vec![0i64; terms.len()];
    let mut sums = Vec::with_capacity(windows);
    for first in (0..windows).step_by(per_round) {
        let count = per_round.min(windows - first);
        sums.extend(window_sums(terms, window, first, count, &mut carries));
    }
    // Horner over the windows, most significant first.
    let mut sum = G1Projective::zero();
    for window_sum in sums.into_iter().rev() {
        for _ in 0..window {
            sum.double_in_place();
        }
        sum += window_sum;
    }
    sum
}

/// The sums of windows `first .. first + count`; `carries` runs from window to window.
fn window_sums(
    terms: &[SignedTerm],
    window: usize,
    first: usize,
    count: usize,
    carries: &mut [i64],
) -> Vec<G1Projective> {
    let per_window = 1usize << (window - 1);
    let total = count * per_window;
    // 1. Signed digits in -(2^(c-1) - 1) ..= 2^(c-1), window after window.
    let mut digits = Vec::with_capacity(count * terms.len());
    for position in first..first + count {
        for (term, carry) in terms.iter().zip(carries.iter_mut()) {
            let mut digit = window_bits(&term.magnitude, position * window, window) + *carry;
            *carry = i64::from(digit > per_window as i64);
            digit -= *carry << window;
            digits.push(digit as i32);
        }
    }
    // 2. Counting sort of the points by bucket (window, |digit|).
    let bucket = |index: usize, digit: i32| {
        (index / terms.len()) * per_window + digit.unsigned_abs() as usize - 1
    };
    let mut starts = vec![0usize; total + 1];
    for (index, digit) in digits.iter().enumerate().filter(|(_, d)| **d != 0) {
        starts[bucket(index, *digit) + 1] += 1;
    }
    for i in 0..total {
        starts[i + 1] += starts[i];
    }
    let mut next = starts.clone();
    let mut points = vec![G1Affine::identity(); starts[total]];
    for (index, digit) in digits.iter().enumerate().filter(|(_, d)| **d != 0) {
        let point = terms[index % terms.len()].point;
        let slot = &mut next[bucket(index, *digit)];
        points[*slot] = if *digit < 0 { -point } else { point };
        *slot += 1;
    }
    // 3. Every bucket to one point.
    sum_runs(&mut points, &mut starts);
    // 4. Weighted sum of each window's buckets by running totals.
    (0..count)
        .map(|w| {
            let (mut running, mut sum) = (G1Projective::zero(), G1Projective::zero());
            for b in (w * per_window..(w + 1) * per_window).rev() {
                if starts[b + 1] > starts[b] {
                    running += points[starts[b]];
                }
                sum += running;
            }
            sum
        })
        .collect()
}

fn window_bits(value: &[u64; 5], bit: usize, window: usize) -> i64 {
    let (limb, shift) = (bit / 64, bit % 64);
    let low = value.get(limb).map_or(0, |v| v >> shift);
    let high = match value.get(limb + 1) {
        Some(v) if shift + window > 64 => v << (64 - shift),
        _ => 0,
    };
    ((low | high) & ((1 << window) - 1)) as i64
}

/// Adds the points of each run `starts[b]..starts[b + 1]` pairwise until one is left a run.
fn sum_runs(points: &mut [G1Affine], starts: &mut [usize]) {
    let runs = starts.len() - 1;
    let mut denominators: Vec<Fq> = Vec::new();
    loop {
        denominators.clear();
        for run in starts.windows(2) {
            for pair in points[run[0]..run[1]].chunks_exact(2) {
                denominators.push(slope_denominator(&pair[0], &pair[1]));
            }
        }
        if denominators.is_empty() {
            return;
        }
        batch_inversion(&mut denominators); // zeros stay zero
        let mut inverses = denominators.iter();
        let (mut write, mut start) = (0, 0);
        for b in 0..runs {
            let end = starts[b + 1];
            let mut read = start;
            while read < end {
                points[write] = if read + 1 == end {
                    points[read]
                } else {
                    let inverse = inverses.next().copied().unwrap_or_default();
                    add(&points[read], &points[read + 1], inverse)
                };
                write += 1;
                read += 2;
            }
            start = end;
            starts[b + 1] = write;
        }
    }
}

/// Denominator of the chord's or the tangent's slope; zero where the sum needs no slope.
fn slope_denominator(p: &G1Affine, q: &G1Affine) -> Fq {
    let difference = q.x - p.x;
    if is_identity(p) || is_identity(q) {
        Fq::ZERO
    } else if !is_zero(&difference) {
        difference
    } else if p.y == q.y {
        p.y.double()
    } else {
        Fq::ZERO
    }
}

/// Without the calls that comparing arrays makes where the compiler optimises for size.
#[inline(always)]
fn is_zero(x: &Fq) -> bool {
    let [a, b, c, d] = x.0 .0;
    a | b | c | d == 0
}

/// The identity has the coordinates (0, 0), which are not on the curve.
#[inline(always)]
fn is_identity(p: &G1Affine) -> bool {
    is_zero(&p.x) && is_zero(&p.y)
}

fn add(p: &G1Affine, q: &G1Affine, inverse: Fq) -> G1Affine {
    if is_zero(&inverse) {
        return match (is_identity(p), is_identity(q)) {
            (true, _) => *q,
            (_, true) => *p,
            _ => G1Affine::identity(),
        };
    }
    let run = q.x - p.x;
    let slope = if is_zero(&run) {
        let square = p.x.square();
        (square.double() + square) * inverse
    } else {
        (q.y - p.y) * inverse
    };
    let x = slope.square() - p.x - q.x;
    G1Affine::new_unchecked(x, slope * (p.x - x) - p.y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(count: u64) -> Vec<Term> {
        let g = G1Projective::from(G1Affine::generator());
        let mut scalar = Fr::from(3u64);
        (0..count)
            .map(|i| {
                scalar = scalar.square() + Fr::from(i);
                // Repeated, opposite and zero points and scalars of every size.
                let point = match i % 7 {
                    0 => g,
                    1 => -g,
                    2 => G1Projective::zero(),
                    _ => g * Fr::from(i / 3),
                };
                let scalar = match i % 5 {
                    0 => Fr::ZERO,
                    1 => Fr::from(i),
                    2 => -Fr::from(i),
                    _ => scalar,
                };
                (scalar, point.into_affine())
            })
            .collect()
    }

    #[test]
    fn equals_the_sum_of_multiples() {
        for count in [0, 1, 2, 10, 89, 90, 128, 300, 500, 1000, 3100, 4097, 6200] {
            let terms = terms(count);
            let expected: G1Projective = terms.iter().map(|(s, p)| *p * s).sum();
            assert_eq!(msm(&terms), expected, "{count} terms");
        }
    }

    #[test]
    fn rounds_of_windows_agree() {
        let terms = terms(600);
        let expected: G1Projective = terms.iter().map(|(s, p)| *p * s).sum();
        let signed: Vec<SignedTerm> = terms.iter().filter_map(SignedTerm::new).collect();
        for window in [4, 11, 13] {
            assert_eq!(buckets(&signed, window), expected);
        }
        let mut carries = vec![0; signed.len()];
        let mut sums = vec![];
        for first in 0..254 / 8 + 1 {
            sums.extend(window_sums(&signed, 8, first, 1, &mut carries));
        }
        let sum = sums
            .into_iter()
            .rev()
            .fold(G1Projective::zero(), |mut sum, s| {
                for _ in 0..8 {
                    sum.double_in_place();
                }
                sum + s
            });
        assert_eq!(sum, expected);
    }

    #[test]
    fn largest_scalars() {
        let g = G1Affine::generator();
        let half = Fr::from(2u64).inverse().expect("odd modulus");
        for scalar in [-Fr::ONE, half, half - Fr::ONE] {
            let terms = vec![(scalar, g); 200];
            assert_eq!(msm(&terms), g * (scalar * Fr::from(200u64)));
            assert_eq!(msm(&terms[..3]), g * (scalar * Fr::from(3u64)));
        }
    }

    #[test]
    #[ignore = "prints timings; run in release"]
    fn timings() {
        use crate::encoding::{point_from_bytes, point_to_bytes};
        let mut point = G1Projective::from(G1Affine::generator());
        let mut scalar = Fr::from(3u64);
        let mut terms = vec![];
        for _ in 0..4096 {
            scalar = scalar.square() + Fr::ONE;
            point = point.double();
            terms.push((scalar, point));
        }
        let terms: Vec<Term> = terms
            .into_iter()
            .map(|(s, p)| (s, p.into_affine()))
            .collect();
        for count in [
            2, 40, 100, 127, 128, 200, 300, 400, 600, 1000, 1100, 2200, 4096,
        ] {
            let start = std::time::Instant::now();
            for _ in 0..5 {
                let _sum = msm(std::hint::black_box(&terms[..count]));
            }
            println!("{count} terms: {:?}", start.elapsed() / 5);
        }
        let bytes: Vec<_> = terms[..1000].iter().map(|t| point_to_bytes(&t.1)).collect();
        let start = std::time::Instant::now();
        let read: Vec<_> = bytes.iter().map(point_from_bytes).collect();
        println!("{} points read: {:?}", read.len(), start.elapsed());
    }
}
