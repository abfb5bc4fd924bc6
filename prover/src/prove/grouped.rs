//! Multi-scalar multiplication of scalars with few distinct values: bases of equal scalars are added first.
//!
//! A lookup's helper column holds one of 2^b inverses in each row, powers and accumulators stay constant over
//! many rows: a column of n rows then costs n additions and a multiplication over its distinct values, where
//! full scalars would cost an addition for each window of each row.

use std::collections::hash_map::Entry;

use ff::Field;
use halo2curves::bn256::{Fr, G1Affine, G1};
use rustc_hash::FxHashMap;

use super::msm::{add_within_buckets, msm};
use super::stored::{affine, stored, IDENTITY};

/// Below this many rows there is nothing to win.
const MIN_ROWS: usize = 256;
/// The distinct values may be this part of the rows.
const PART: usize = 4;

/// `sum_i scalars_i bases_i`, or nothing when the scalars have too many distinct values for this way.
pub(super) fn grouped_msm(scalars: &[Fr], bases: &[G1Affine]) -> Option<G1> {
    if scalars.len() < MIN_ROWS {
        return None;
    }
    let most = scalars.len() / PART;
    // 1. Groups of equal scalars.
    let mut index: FxHashMap<Fr, u32> = FxHashMap::default();
    let mut distinct: Vec<Fr> = vec![];
    let mut group: Vec<(u32, u32)> = Vec::with_capacity(scalars.len());
    for (row, scalar) in scalars.iter().enumerate() {
        if *scalar == Fr::ZERO {
            continue;
        }
        let number = match index.entry(*scalar) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                if distinct.len() == most {
                    return None;
                }
                distinct.push(*scalar);
                *entry.insert(distinct.len() as u32 - 1)
            }
        };
        group.push((number, row as u32));
    }
    // 2. Their bases, side by side, then one sum a group.
    let mut offset = vec![0u32; distinct.len() + 1];
    for (number, _) in &group {
        offset[*number as usize + 1] += 1;
    }
    for i in 0..distinct.len() {
        offset[i + 1] += offset[i];
    }
    let mut next = offset.clone();
    let mut points = vec![IDENTITY; group.len()];
    for (number, row) in group {
        let place = &mut next[number as usize];
        points[*place as usize] = stored(&bases[row as usize]);
        *place += 1;
    }
    add_within_buckets(&mut points, &mut offset);
    let sums: Vec<G1Affine> = points[..distinct.len()].iter().map(affine).collect();
    Some(msm(&distinct, &sums))
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::{Curve, Group};
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    #[test]
    fn equals_the_sum_of_multiples() {
        let mut rng = ChaCha20Rng::from_seed([8; 32]);
        let n = 600;
        let bases: Vec<G1Affine> = (0..n).map(|_| G1::random(&mut rng).to_affine()).collect();
        let kinds: Vec<Fr> = (0..n / PART).map(|_| Fr::random(&mut rng)).collect();
        for distinct in [1, 2, 64, kinds.len()] {
            let scalars: Vec<Fr> = (0..n)
                .map(|_| match rng.next_u32() % 5 {
                    0 => Fr::ZERO,
                    _ => kinds[rng.next_u32() as usize % distinct],
                })
                .collect();
            let sum = grouped_msm(&scalars, &bases).expect("few distinct values");
            assert_eq!(sum, msm(&scalars, &bases), "{distinct} distinct");
        }
        assert_eq!(
            grouped_msm(&vec![Fr::ZERO; n], &bases),
            Some(G1::identity())
        );
        // Bases that cancel, and bases at infinity.
        let mut cancelling = bases.clone();
        cancelling[1] = -cancelling[0];
        cancelling[2..].fill(G1Affine::default());
        let sum = grouped_msm(&vec![kinds[0]; n], &cancelling).unwrap();
        assert_eq!(sum, G1::identity());
    }

    #[test]
    fn leaves_many_distinct_values_to_others() {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let scalars: Vec<Fr> = (0..MIN_ROWS).map(|_| Fr::random(&mut rng)).collect();
        let bases = vec![G1Affine::generator(); MIN_ROWS];
        assert_eq!(grouped_msm(&scalars, &bases), None);
        assert_eq!(grouped_msm(&[Fr::ONE; 8], &bases[..8]), None);
    }
}
