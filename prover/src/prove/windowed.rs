//! Many sums over the same few bases: `sum_i s_ti B_i` for every t.
//!
//! Every multiple `d 2^(c w) B_i` that a digit d may ask for is computed once; then each sum is a bucket of
//! points, one for each digit of its scalars that is not zero.
//! Source: Brickell, Gordon, McCurley, Wilson 1992.
//!
//! Variable time, as [`super::msm`].

use group::Curve;
use halo2curves::bn256::{Fr, G1Affine, G1};
use rayon::prelude::*;

use super::fixed_base::for_each_digit;
use super::msm::{add_within_buckets, bit_length, digits_of};
use super::stored::{affine, negative, stored};

/// `sum_i rows[t][i] bases[i]` for every t.
///
/// # Panics
/// When a row has another length than the bases.
pub(super) fn sums(bases: &[G1Affine], rows: &[Vec<Fr>]) -> Vec<G1Affine> {
    let items: Vec<_> = rows
        .iter()
        .map(|row| {
            assert_eq!(row.len(), bases.len(), "one base for each scalar");
            digits_of(row)
        })
        .collect();
    // 1. Windows that the longest scalar of each base needs, and the width of least cost.
    let mut bits = vec![0; bases.len()];
    for item in items.iter().flatten() {
        let longest = &mut bits[item.index as usize];
        *longest = bit_length(&item.limbs).max(*longest);
    }
    let windows = |bits: usize, c: usize| if bits == 0 { 0 } else { bits / c + 1 };
    let c = (2..=10usize)
        .min_by_key(|c| {
            let all: usize = bits.iter().map(|b| windows(*b, *c)).sum();
            all * ((2 << (c - 1)) + rows.len())
        })
        .expect("the range is not empty");
    let half = 1usize << (c - 1);
    // 2. The multiples 1 to 2^(c-1) of each window.
    let tables: Vec<Vec<G1Affine>> = bases
        .par_iter()
        .zip(&bits)
        .map(|(base, bits)| {
            let mut multiples = Vec::with_capacity(windows(*bits, c) * half);
            let mut power = G1::from(*base);
            for _ in 0..windows(*bits, c) {
                let step = power.to_affine();
                for _ in 1..half {
                    multiples.push(power);
                    power += step;
                }
                multiples.push(power);
                power = power + power;
            }
            let mut affine = vec![G1Affine::default(); multiples.len()];
            G1::batch_normalize(&multiples, &mut affine);
            affine
        })
        .collect();
    // 3. A bucket a row.
    let mut points = vec![];
    let mut offset = vec![0u32];
    for row in &items {
        for item in row {
            let table = &tables[item.index as usize];
            for_each_digit(item, c, |w, d| {
                let p = stored(&table[w * half + d.unsigned_abs() as usize - 1]);
                points.push(match (d < 0) != item.negative {
                    true => negative(&p),
                    false => p,
                });
            });
        }
        offset.push(points.len() as u32);
    }
    add_within_buckets(&mut points, &mut offset);
    offset
        .windows(2)
        .map(|w| match w[1] > w[0] {
            true => affine(&points[w[0] as usize]),
            false => G1Affine::default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::msm::msm;
    use super::*;
    use ff::Field;
    use group::Group;
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    #[test]
    fn equals_one_multiplication_for_each_row() {
        let mut rng = ChaCha20Rng::from_seed([6; 32]);
        let bases: Vec<G1Affine> = (0..4).map(|_| G1::random(&mut rng).to_affine()).collect();
        for n in [1usize, 3, 40, 300] {
            let rows: Vec<Vec<Fr>> = (0..n)
                .map(|_| {
                    vec![
                        Fr::from(rng.next_u64() >> 44),
                        -Fr::from(rng.next_u64() >> 50),
                        Fr::ZERO,
                        Fr::random(&mut rng),
                    ]
                })
                .collect();
            let expected: Vec<G1Affine> = rows
                .iter()
                .map(|row| msm(row, &bases).to_affine())
                .collect();
            assert_eq!(sums(&bases, &rows), expected, "{n} rows");
        }
        let edge = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2).invert().unwrap()];
        let rows: Vec<Vec<Fr>> = edge.iter().map(|x| vec![*x; 4]).collect();
        let expected: Vec<G1Affine> = rows
            .iter()
            .map(|row| msm(row, &bases).to_affine())
            .collect();
        assert_eq!(sums(&bases, &rows), expected);
    }
}
