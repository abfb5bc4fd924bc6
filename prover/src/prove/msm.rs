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
use rayon::prelude::*;

use super::affine::is_identity;
use super::stored::{add_neighbours, affine, negative, stored, Stored, IDENTITY};

/// Points times windows that one round of buckets may hold in memory.
const MAX_ENTRIES: usize = 1 << 17;
/// From this many points on the work is split over threads.
const PARALLEL: usize = 1 << 9;
/// Below this many points the inversions of affine additions cost more than they save.
const FEW: usize = 600;

/// A scalar that is not zero, by sign and absolute value.
pub(super) struct Digits {
    pub(super) limbs: [u64; 5],
    pub(super) negative: bool,
    pub(super) index: u32,
}

/// The scalars that are not zero; those above r/2 as negatives.
pub(super) fn digits_of(scalars: &[Fr]) -> Vec<Digits> {
    let mut items = Vec::with_capacity(scalars.len());
    for (index, s) in scalars.iter().enumerate() {
        if *s == Fr::ZERO {
            continue;
        }
        let (limbs, negative) = magnitude(s);
        items.push(Digits {
            limbs: [limbs[0], limbs[1], limbs[2], limbs[3], 0],
            negative,
            index: index as u32,
        });
    }
    items
}

/// The absolute value of a scalar, in limbs from the lowest, and whether it counts as negative.
pub(super) fn magnitude(s: &Fr) -> ([u64; 4], bool) {
    let limbs = to_limbs(s);
    match limbs[3] >= HALF_TOP {
        true => (to_limbs(&-s), true),
        false => (limbs, false),
    }
}

/// `sum_i scalars_i bases_i`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn msm(scalars: &[Fr], bases: &[G1Affine]) -> G1 {
    assert_eq!(scalars.len(), bases.len(), "one base for each scalar");
    // Each part has buckets of its own, so there are no more parts than threads.
    let parts = rayon::current_num_threads().min(scalars.len() / PARALLEL);
    if parts > 1 {
        let size = scalars.len().div_ceil(parts);
        return scalars
            .par_chunks(size)
            .zip(bases.par_chunks(size))
            .map(|(scalars, bases)| msm_part(scalars, bases))
            .reduce(G1::identity, |a, b| a + b);
    }
    msm_part(scalars, bases)
}

fn msm_part(scalars: &[Fr], bases: &[G1Affine]) -> G1 {
    let items = digits_of(scalars);
    let bases: Vec<Stored> = bases.iter().map(stored).collect();
    let Some(bits) = items.iter().map(|item| bit_length(&item.limbs)).max() else {
        return G1::identity();
    };
    let c = window(items.len(), bits);
    // One more bit for the carry of signed digits.
    let windows = (bits + 1).div_ceil(c);
    let per_group = (MAX_ENTRIES / items.len()).clamp(1, windows);
    let mut total = Extended::IDENTITY;
    let mut top = windows;
    while top > 0 {
        let low = top.saturating_sub(per_group);
        let sums = group_sums(&items, &bases, c, low, top);
        for (w, sum) in (low..top).zip(sums).rev() {
            if w + 1 < windows {
                for _ in 0..c {
                    total.double();
                }
            }
            total.add(&sum);
        }
        top = low;
    }
    total.to_projective()
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

pub(super) fn bit_length(limbs: &[u64; 5]) -> usize {
    (0..5)
        .rev()
        .find(|i| limbs[*i] != 0)
        .map_or(0, |i| 64 * i + 64 - limbs[i].leading_zeros() as usize)
}

/// Window width of least cost: an affine addition for each point of a window, and for each bucket two
/// projective ones that together cost as much as three.
fn window(points: usize, bits: usize) -> usize {
    (2..=13usize)
        .min_by_key(|c| (bits + 1).div_ceil(*c) * (2 * points + 6 * (1 << (c - 1))))
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
fn group_sums(
    items: &[Digits],
    bases: &[Stored],
    c: usize,
    low: usize,
    top: usize,
) -> Vec<Extended> {
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
    let mut points = vec![IDENTITY; offset[total] as usize];
    for (w, digits) in digits.chunks(items.len()).enumerate() {
        for (item, &d) in items.iter().zip(digits) {
            if d == 0 {
                continue;
            }
            let bucket = w * buckets + d.unsigned_abs() as usize - 1;
            let p = &bases[item.index as usize];
            let place = &mut points[next[bucket] as usize];
            *place = match (d < 0) != item.negative {
                true => negative(p),
                false => *p,
            };
            next[bucket] += 1;
        }
    }
    drop(digits);
    // 2. One point for each bucket, then the weighted sum of each window.
    reduce_buckets(&mut points, &mut offset);
    (0..top - low)
        .map(|w| weighted_sum(&points, &offset[w * buckets..=(w + 1) * buckets]))
        .collect()
}

/// Adds up the points `offset[b]..offset[b + 1]` of each bucket b, leaving at most one each, in rounds of
/// pairwise affine additions with one inversion a round.
pub(super) fn add_within_buckets(points: &mut [Stored], offset: &mut [u32]) {
    let total = offset.len() - 1;
    let (mut firsts, mut scratch) = (vec![], vec![]);
    loop {
        firsts.clear();
        for b in 0..total {
            firsts.extend((offset[b]..offset[b + 1].saturating_sub(1)).step_by(2));
        }
        if firsts.is_empty() {
            break;
        }
        add_neighbours(points, &firsts, &mut scratch);
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
}

/// Adds up the buckets where that is cheaper than to add their points one by one in [`weighted_sum`].
pub(super) fn reduce_buckets(points: &mut [Stored], offset: &mut [u32]) {
    if points.len() >= FEW {
        add_within_buckets(points, offset);
    }
}

/// `sum_b (b + 1) sum points[offset[b]..offset[b + 1]]`.
pub(super) fn weighted_sum(points: &[Stored], offset: &[u32]) -> Extended {
    let (mut running, mut sum) = (Extended::IDENTITY, Extended::IDENTITY);
    for b in (0..offset.len() - 1).rev() {
        for point in &points[offset[b] as usize..offset[b + 1] as usize] {
            running.add_affine(&affine(point));
        }
        sum.add(&running);
    }
    sum
}

/// A point in extended Jacobian coordinates: `x = X / ZZ`, `y = Y / ZZZ`, `ZZ^3 = ZZZ^2`; the identity has
/// `ZZ = 0`.
///
/// Source: the formulas madd-2008-s, add-2008-s and dbl-2008-s-1 for "XYZZ" of the Explicit-Formulas
/// Database (Bernstein, Lange). A third cheaper than complete projective addition, and not constant-time.
#[derive(Clone, Copy)]
pub(super) struct Extended {
    x: Fq,
    y: Fq,
    zz: Fq,
    zzz: Fq,
}

impl Extended {
    const IDENTITY: Extended = Extended {
        x: Fq::ONE,
        y: Fq::ONE,
        zz: Fq::ZERO,
        zzz: Fq::ZERO,
    };

    fn add_affine(&mut self, p: &G1Affine) {
        if is_identity(p) {
            return;
        }
        self.add(&Extended {
            x: p.x,
            y: p.y,
            zz: Fq::ONE,
            zzz: Fq::ONE,
        });
    }

    fn add(&mut self, other: &Extended) {
        if other.zz == Fq::ZERO {
            return;
        }
        if self.zz == Fq::ZERO {
            *self = *other;
            return;
        }
        let affine = other.zz == Fq::ONE;
        let (u1, s1) = match affine {
            true => (self.x, self.y),
            false => (self.x * other.zz, self.y * other.zzz),
        };
        let p = other.x * self.zz - u1;
        let r = other.y * self.zzz - s1;
        if p == Fq::ZERO {
            match r == Fq::ZERO {
                true => self.double(),
                false => *self = Self::IDENTITY,
            }
            return;
        }
        let pp = p.square();
        let ppp = p * pp;
        let q = u1 * pp;
        self.x = r.square() - ppp - q.double();
        self.y = r * (q - self.x) - s1 * ppp;
        self.zz *= pp;
        self.zzz *= ppp;
        if !affine {
            self.zz *= other.zz;
            self.zzz *= other.zzz;
        }
    }

    fn double(&mut self) {
        if self.zz == Fq::ZERO {
            return;
        }
        let u = self.y.double();
        let v = u.square();
        let w = u * v;
        let s = self.x * v;
        let square = self.x.square();
        let m = square.double() + square;
        self.x = m.square() - s.double();
        self.y = m * (s - self.x) - w * self.y;
        self.zz *= v;
        self.zzz *= w;
    }

    /// In the curve crate's homogeneous coordinates.
    pub(super) fn to_projective(self) -> G1 {
        if self.zz == Fq::ZERO {
            return G1::identity();
        }
        G1 {
            x: self.x * self.zzz,
            y: self.y * self.zz,
            z: self.zz * self.zzz,
        }
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
