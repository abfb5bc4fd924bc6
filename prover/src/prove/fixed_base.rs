//! Multi-scalar multiplication over bases known in advance: `sum_i s_i B_i` with the table `2^(c w) B_i`.
//!
//! Every signed digit of every scalar becomes one table point in one common set of buckets, so the buckets are
//! summed once and not once for each window, and nothing is doubled.
//! Source: Brickell, Gordon, McCurley, Wilson 1992, with Pippenger's buckets.
//!
//! Variable time, as [`super::msm`].

use std::io::{self, Read, Write};

use ff::Field;
use group::Group;
use halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2curves::serde::SerdeObject;
use rayon::prelude::*;

use super::affine::double_each;
use super::msm::{bit_length, digits_of, reduce_buckets, weighted_sum, Digits};
use super::stored::{bytes, negative, stored, Stored, IDENTITY};

/// The multiples of some bases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Bits of a digit.
    c: usize,
    /// Number of bases.
    n: usize,
    /// Base after base, window after window: `2^(c w) B_i` at `i * windows + w`.
    points: Vec<Stored>,
}

/// Bits of the absolute value of a scalar, and one more for the carry of signed digits.
const BITS: usize = 254;
/// Points that one set of buckets may hold in memory: 32 MB.
const MAX_ENTRIES: usize = 1 << 19;
/// Bases whose multiples are doubled together, with one inversion.
const CHUNK: usize = 1 << 8;
/// From this many scalars on the work is split over threads.
const PARALLEL: usize = 1 << 11;

impl Table {
    /// Computes the multiples.
    pub(crate) fn new(bases: &[G1Affine]) -> Table {
        let c = window(bases.len());
        let windows = BITS.div_ceil(c);
        let mut points = vec![IDENTITY; bases.len() * windows];
        points
            .par_chunks_mut(CHUNK * windows)
            .zip(bases.par_chunks(CHUNK))
            .for_each(|(points, bases)| {
                let (mut multiples, mut scratch) = (bases.to_vec(), vec![]);
                for w in 0..windows {
                    if w > 0 {
                        (0..c).for_each(|_| double_each(&mut multiples, &mut scratch));
                    }
                    for (row, multiple) in points.chunks_mut(windows).zip(&multiples) {
                        row[w] = stored(multiple);
                    }
                }
            });
        Table {
            c,
            n: bases.len(),
            points,
        }
    }

    fn windows(&self) -> usize {
        BITS.div_ceil(self.c)
    }

    /// `sum_i scalars_i bases_i` over the first bases.
    ///
    /// # Panics
    /// When there are more scalars than bases.
    pub(crate) fn msm(&self, scalars: &[Fr]) -> G1 {
        assert!(scalars.len() <= self.n, "a base for each scalar");
        let items = digits_of(scalars);
        let most = MAX_ENTRIES / self.windows();
        let parts = match items.len() < PARALLEL {
            true => 1,
            false => rayon::current_num_threads(),
        };
        let size = items.len().div_ceil(parts).clamp(1, most);
        items
            .par_chunks(size)
            .map(|items| self.sum(items))
            .reduce(G1::identity, |a, b| a + b)
    }

    fn sum(&self, items: &[Digits]) -> G1 {
        let windows = self.windows();
        // 1. Digits, by bucket.
        let mut entries: Vec<(u32, u32)> = Vec::with_capacity(items.len());
        let mut offset = vec![0u32; (1 << (self.c - 1)) + 1];
        for item in items {
            let row = item.index as usize * windows;
            for_each_digit(item, self.c, |w, d| {
                let negative = (d < 0) != item.negative;
                offset[d.unsigned_abs() as usize] += 1;
                entries.push((
                    d.unsigned_abs() - 1,
                    (row + w) as u32 * 2 + u32::from(negative),
                ));
            });
        }
        // Short scalars touch the low buckets alone.
        let used = entries.iter().map(|e| e.0 as usize + 1).max().unwrap_or(0);
        offset.truncate(used + 1);
        for b in 0..used {
            offset[b + 1] += offset[b];
        }
        let mut next = offset.clone();
        let mut points = vec![IDENTITY; entries.len()];
        for (bucket, entry) in entries {
            let p = &self.points[entry as usize / 2];
            let place = &mut next[bucket as usize];
            points[*place as usize] = match entry % 2 == 1 {
                true => negative(p),
                false => *p,
            };
            *place += 1;
        }
        // 2. One point a bucket, then their weighted sum.
        reduce_buckets(&mut points, &mut offset);
        weighted_sum(&points, &offset).to_projective()
    }

    /// Writes the points alone; the shape follows from the number of bases.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.points
            .iter()
            .try_for_each(|p| out.write_all(&bytes(p)))
    }

    /// Reads a table of `n` bases. Coordinates are field elements, and the first multiple of each base is the
    /// base; that the others are its multiples is not checked: a wrong table makes proofs that fail.
    ///
    /// # Errors
    /// When the input is short, or holds something else.
    pub(crate) fn read(input: &mut impl Read, bases: &[G1Affine]) -> io::Result<Table> {
        let c = window(bases.len());
        let windows = BITS.div_ceil(c);
        let mut points = Vec::with_capacity(bases.len() * windows);
        let mut bytes = vec![0u8; windows * 64];
        for base in bases {
            input.read_exact(&mut bytes)?;
            for b in bytes.chunks(64) {
                points.push(stored(&read_coordinates(b)?));
            }
            if points[points.len() - windows] != stored(base) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "multiples of other bases",
                ));
            }
        }
        Ok(Table {
            c,
            n: bases.len(),
            points,
        })
    }
}

/// Two reduced field elements as 32 little-endian bytes each in Montgomery form; not checked to be a point.
pub(super) fn read_coordinates(bytes: &[u8]) -> io::Result<G1Affine> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "not a point's coordinates");
    let (x, y) = bytes.split_at_checked(32).ok_or_else(bad)?;
    Ok(G1Affine {
        x: Fq::from_raw_bytes(x).ok_or_else(bad)?,
        y: Fq::from_raw_bytes(y).ok_or_else(bad)?,
    })
}

/// Whether coordinates satisfy `y^2 = x^3 + 3`, or are the identity's. The curve's order is prime: no
/// subgroup is left to check.
pub(super) fn on_curve(p: &G1Affine) -> bool {
    let square = p.x.square();
    p.y.square() == square * p.x + Fq::from(3) || (p.x == Fq::ZERO && p.y == Fq::ZERO)
}

/// Window width of least cost: an affine addition for each digit, and for each bucket two additions that
/// together cost as much as three.
fn window(n: usize) -> usize {
    (4..=16usize)
        .min_by_key(|c| BITS.div_ceil(*c) * n + 3 * (1 << (c - 1)))
        .expect("the range is not empty")
}

/// Calls `f(w, d)` for each signed digit `d` of window `w` that is not zero, `-2^(c-1) < d <= 2^(c-1)`.
pub(super) fn for_each_digit(item: &Digits, c: usize, mut f: impl FnMut(usize, i32)) {
    let bits = bit_length(&item.limbs);
    let (mask, half) = ((1i64 << c) - 1, 1i64 << (c - 1));
    let mut carry = 0;
    for w in 0..=bits / c {
        let (word, shift) = (w * c / 64, w * c % 64);
        let mut raw = item.limbs[word] >> shift;
        if shift + c > 64 && word < 4 {
            raw |= item.limbs[word + 1] << (64 - shift);
        }
        let mut d = (raw as i64 & mask) + carry;
        carry = i64::from(d > half);
        d -= carry << c;
        if d != 0 {
            f(w, d as i32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::Curve;
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    #[test]
    fn equals_the_sum_of_multiples() {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        for n in [1usize, 2, 33, 64, 700, 4100] {
            let bases: Vec<G1Affine> = (0..n).map(|_| G1::random(&mut rng).to_affine()).collect();
            let table = Table::new(&bases);
            let kinds: [&dyn Fn(&mut ChaCha20Rng) -> Fr; 6] = [
                &|rng| Fr::random(rng),
                &|rng| Fr::from(rng.next_u64() % 64),
                &|rng| -Fr::from(rng.next_u64()),
                &|_| Fr::ZERO,
                &|_| -Fr::ONE,
                // The greatest absolute values, and digits of one half alone.
                &|_| -Fr::from(2).invert().unwrap(),
            ];
            for kind in kinds {
                let s: Vec<Fr> = (0..n).map(|_| kind(&mut rng)).collect();
                let expected = super::super::msm::msm(&s, &bases);
                assert_eq!(table.msm(&s), expected);
                assert_eq!(
                    table.msm(&s[..n / 2]),
                    super::super::msm::msm(&s[..n / 2], &bases[..n / 2])
                );
            }
        }
    }

    #[test]
    fn every_scalar_fits_the_windows() {
        let base = [G1::generator().to_affine()];
        let table = Table::new(&base);
        let half = Fr::from(2).invert().unwrap();
        for s in [half, -half, half - Fr::ONE, half + Fr::ONE] {
            assert_eq!(table.msm(&[s]), base[0] * s);
        }
        for bit in 0..253u64 {
            let s = Fr::from(2).pow([bit]) - Fr::ONE;
            assert_eq!(table.msm(&[s]), base[0] * s, "2^{bit} - 1");
        }
    }

    #[test]
    fn reads_what_it_wrote_and_refuses_others() {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let bases: Vec<G1Affine> = (0..9).map(|_| G1::random(&mut rng).to_affine()).collect();
        let table = Table::new(&bases);
        let mut bytes = vec![];
        table.write(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 9 * table.windows() * 64);
        assert_eq!(Table::read(&mut &bytes[..], &bases).unwrap(), table);
        assert!(Table::read(&mut &bytes[..bytes.len() - 1], &bases).is_err());
        let mut others = bases.clone();
        others.swap(0, 1);
        assert!(Table::read(&mut &bytes[..], &others).is_err());
        bytes[31] = 0xff;
        assert!(Table::read(&mut &bytes[..], &bases).is_err());
    }

    #[test]
    fn points_off_the_curve_are_seen() {
        let p = G1::generator().to_affine();
        assert!(on_curve(&p) && on_curve(&G1Affine::default()));
        assert!(!on_curve(&G1Affine {
            x: p.x,
            y: p.y + Fq::ONE
        }));
        assert!(!on_curve(&G1Affine {
            x: p.x,
            y: Fq::ZERO
        }));
    }
}
