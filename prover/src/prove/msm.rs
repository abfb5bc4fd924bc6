//! Multi-scalar multiplication for the prover: `sum_i s_i B_i`.
//!
//! Scalars of a witness are mostly zero or small and signed; a scalar above r/2 is taken as its negative, so
//! that small negatives stay small, zeros are skipped and the number of windows follows the longest
//! scalar. Signed digits go to buckets; the points of all buckets of a group of windows are summed
//! pairwise in affine coordinates with one inversion for each round.
//!
//! Variable time: the time depends on the scalars (see the threat model in `docs/soundness.md`).

use ff::{Field, PrimeField};
use group::Group;
use halo2curves::bn256::{Fq, Fr, G1Affine, G1};

/// Points times windows that one round of buckets may hold in memory.
const MAX_ENTRIES: usize = 1 << 17;
/// From this many points on the work is split over threads.
const PARALLEL: usize = 1 << 9;

struct Digits {
    limbs: [u64; 5],
    negative: bool,
    index: u32,
}

/// `sum_i scalars_i bases_i`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn msm(scalars: &[Fr], bases: &[G1Affine]) -> G1 {
    assert_eq!(scalars.len(), bases.len(), "one base for each scalar");
    if scalars.len() >= 2 * PARALLEL && rayon::current_num_threads() > 1 {
        let half = scalars.len() / 2;
        let (a, b) = rayon::join(
            || msm(&scalars[..half], &bases[..half]),
            || msm(&scalars[half..], &bases[half..]),
        );
        return a + b;
    }
    let mut items = Vec::with_capacity(scalars.len());
    let mut bits = 0;
    for (index, s) in scalars.iter().enumerate() {
        if bool::from(s.is_zero()) {
            continue;
        }
        let mut limbs = to_limbs(s);
        let negative = limbs[3] >= HALF_TOP;
        if negative {
            limbs = to_limbs(&-s);
        }
        bits = bits.max(bit_length(&limbs));
        items.push(Digits {
            limbs: [limbs[0], limbs[1], limbs[2], limbs[3], 0],
            negative,
            index: index as u32,
        });
    }
    if items.is_empty() {
        return G1::identity();
    }
    let c = window(items.len(), bits);
    // One more bit for the carry of signed digits.
    let windows = (bits + 1).div_ceil(c);
    let per_group = (MAX_ENTRIES / items.len()).clamp(1, windows);
    let mut total = G1::identity();
    let mut top = windows;
    while top > 0 {
        let low = top.saturating_sub(per_group);
        let sums = group_sums(&items, bases, c, low, top);
        for (w, sum) in (low..top).zip(sums).rev() {
            if w + 1 < windows {
                for _ in 0..c {
                    total = total.double();
                }
            }
            total += sum;
        }
        top = low;
    }
    total
}

/// Upper limb from which a scalar counts as negative (r / 2 rounded).
const HALF_TOP: u64 = 0x1832_2739_7098_d014;

fn to_limbs(s: &Fr) -> [u64; 4] {
    let repr = s.to_repr();
    let bytes: &[u8] = repr.as_ref();
    std::array::from_fn(|i| {
        u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().expect("eight bytes"))
    })
}

fn bit_length(limbs: &[u64; 4]) -> usize {
    (0..4)
        .rev()
        .find(|i| limbs[*i] != 0)
        .map_or(0, |i| 64 * i + 64 - limbs[i].leading_zeros() as usize)
}

/// Window width that minimises additions: points per window plus two per bucket.
fn window(points: usize, bits: usize) -> usize {
    (2..=13usize)
        .min_by_key(|c| (bits + 1).div_ceil(*c) * (2 * points + 5 * (1 << (c - 1))))
        .expect("the range is not empty")
}

/// Signed digit w of an item, in `-2^(c-1) ..= 2^(c-1)`.
fn digit(item: &Digits, c: usize, w: usize) -> i64 {
    // The carry into window w is the top bit of the digits below, with ties resolved downwards: adding
    // sum_i 2^(c i) 2^(c-1) turns signed digits into unsigned ones; here the borrow form is computed directly.
    let raw = |w: usize| -> i64 {
        let bit = w * c;
        let (word, shift) = (bit / 64, bit % 64);
        if word > 4 {
            return 0;
        }
        let mut v = item.limbs[word] >> shift;
        if shift + c > 64 && word < 4 {
            v |= item.limbs[word + 1] << (64 - shift);
        }
        (v & ((1 << c) - 1)) as i64
    };
    let half = 1i64 << (c - 1);
    let mut carry = 0;
    // Only a run of digits equal to half decides further down; it is short.
    let mut low = w;
    while low > 0 {
        low -= 1;
        let r = raw(low);
        if r > half {
            carry = 1;
            break;
        }
        if r < half {
            break;
        }
    }
    let d = raw(w) + carry;
    if d > half {
        d - (1 << c)
    } else {
        d
    }
}

/// Bucket sums of windows `low..top`.
fn group_sums(items: &[Digits], bases: &[G1Affine], c: usize, low: usize, top: usize) -> Vec<G1> {
    let buckets = 1usize << (c - 1);
    let total = (top - low) * buckets;
    // 1. Count, then place the points by bucket.
    let mut digits = Vec::with_capacity(items.len() * (top - low));
    let mut offset = vec![0u32; total + 1];
    for w in low..top {
        for item in items {
            let d = digit(item, c, w);
            digits.push(d as i32);
            if d != 0 {
                offset[(w - low) * buckets + d.unsigned_abs() as usize] += 1;
            }
        }
    }
    for i in 0..total {
        offset[i + 1] += offset[i];
    }
    let mut next = offset.clone();
    let mut points = vec![G1Affine::default(); offset[total] as usize];
    for (w, digits) in digits.chunks(items.len()).enumerate() {
        for (item, &d) in items.iter().zip(digits) {
            if d == 0 {
                continue;
            }
            let bucket = w * buckets + d.unsigned_abs() as usize - 1;
            let p = bases[item.index as usize];
            let place = &mut points[next[bucket] as usize];
            *place = if (d < 0) != item.negative {
                G1Affine { x: p.x, y: -p.y }
            } else {
                p
            };
            next[bucket] += 1;
        }
    }
    drop(digits);
    // 2. Rounds of pairwise affine additions.
    let mut scratch: Vec<Fq> = vec![];
    loop {
        scratch.clear();
        let mut product = Fq::ONE;
        for b in 0..total {
            let (start, end) = (offset[b] as usize, offset[b + 1] as usize);
            for x in (start..end.saturating_sub(1)).step_by(2) {
                scratch.push(product);
                product *= denominator(&points[x], &points[x + 1]);
            }
        }
        if scratch.is_empty() {
            break;
        }
        let mut inverse = product.invert().expect("denominators are not zero");
        let mut k = scratch.len();
        for b in (0..total).rev() {
            let (start, end) = (offset[b] as usize, offset[b + 1] as usize);
            for pair in (0..(end - start) / 2).rev() {
                let x = start + 2 * pair;
                k -= 1;
                let (p, q) = (points[x], points[x + 1]);
                let inv = inverse * scratch[k];
                inverse *= denominator(&p, &q);
                points[x] = add(p, q, inv);
            }
        }
        let mut write = 0;
        let mut start = 0;
        for b in 0..total {
            let end = offset[b + 1] as usize;
            for x in (start..end).step_by(2) {
                points[write] = points[x];
                write += 1;
            }
            start = end;
            offset[b + 1] = write as u32;
        }
    }
    // 3. Weighted sums of the buckets.
    (0..top - low)
        .map(|w| {
            let (mut running, mut sum) = (G1::identity(), G1::identity());
            for b in (w * buckets..(w + 1) * buckets).rev() {
                if offset[b + 1] > offset[b] {
                    running += points[offset[b] as usize];
                }
                sum += running;
            }
            sum
        })
        .collect()
}

fn is_identity(p: &G1Affine) -> bool {
    bool::from(p.x.is_zero()) && bool::from(p.y.is_zero())
}

/// What the addition of two points divides by; one where it needs no division.
fn denominator(p: &G1Affine, q: &G1Affine) -> Fq {
    if is_identity(p) || is_identity(q) {
        return Fq::ONE;
    }
    let d = q.x - p.x;
    if !bool::from(d.is_zero()) {
        d
    } else if p.y == q.y {
        p.y.double()
    } else {
        Fq::ONE
    }
}

/// `p + q`, given the inverse of [`denominator`].
fn add(p: G1Affine, q: G1Affine, inverse: Fq) -> G1Affine {
    if is_identity(&p) {
        return q;
    }
    if is_identity(&q) {
        return p;
    }
    let slope = if p.x != q.x {
        (q.y - p.y) * inverse
    } else if p.y == q.y {
        let square = p.x.square();
        (square.double() + square) * inverse
    } else {
        return G1Affine::default();
    };
    let x = slope.square() - p.x - q.x;
    G1Affine {
        x,
        y: slope * (p.x - x) - p.y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::Curve;
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    fn naive(s: &[Fr], b: &[G1Affine]) -> G1 {
        s.iter()
            .zip(b)
            .map(|(s, b)| *b * s)
            .fold(G1::identity(), |a, b| a + b)
    }

    #[test]
    fn equals_the_sum_of_multiples() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let bases: Vec<G1Affine> = (0..1500)
            .map(|_| G1::random(&mut rng).to_affine())
            .collect();
        let kinds: [&dyn Fn(&mut ChaCha20Rng) -> Fr; 5] = [
            &|rng| Fr::random(rng),
            &|rng| Fr::from(rng.next_u64() % 64),
            &|rng| -Fr::from(rng.next_u64() % 5000),
            &|_| Fr::ZERO,
            &|_| -Fr::ONE,
        ];
        for n in [1, 2, 3, 17, 130, 1500] {
            for kind in kinds {
                let s: Vec<Fr> = (0..n).map(|_| kind(&mut rng)).collect();
                assert_eq!(msm(&s, &bases[..n]), naive(&s, &bases[..n]));
            }
        }
    }

    #[test]
    fn survives_equal_opposite_and_identity_points() {
        let p = G1::generator().to_affine();
        let bases = [p, p, -p, G1Affine::default(), p, -p, p];
        for seed in 0..20u64 {
            let s: Vec<Fr> = (0..7)
                .map(|i| Fr::from(seed * i % 5) - Fr::from(2))
                .collect();
            assert_eq!(msm(&s, &bases), naive(&s, &bases));
        }
        let edge = [
            Fr::from_raw([0, 0, 0, HALF_TOP]),
            -Fr::from_raw([0, 0, 0, HALF_TOP]),
            Fr::from_raw([u64::MAX; 4]),
        ];
        assert_eq!(msm(&edge, &bases[..3]), naive(&edge, &bases[..3]));
    }
}
