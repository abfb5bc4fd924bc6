//! Commitments of the model and of inputs.
//!
//! `C_k = sum_row w_k(row) L_row + tail_k L_{n-1}`, `P_t = sum_i x_i L_{row_i} + r_t L_{n-1}`, with tail_k and r_t
//! uniform: perfectly hiding, binding under discrete log (IPA generators) or q-SDH (KZG).

use ff::Field;
use group::Curve;
use halo2curves::bn256::{Fr, G1Affine, G1};
use rand_core::{CryptoRng, RngCore};
use rayon::prelude::*;

use super::bases::Bases;
use super::link::wipe;
use super::msm::msm;
use super::windowed::sums;
use crate::circuit::fixed::int;
use crate::circuit::layout::Layout;
use crate::circuit::witness::PackedWeights;

/// The public commitments of a model and their secret tails.
#[derive(Clone)]
pub(crate) struct ModelCommitment {
    pub(crate) points: Vec<G1Affine>,
    /// Secret: one uniform scalar a column, at the last row.
    pub(crate) tails: Vec<Fr>,
}

impl ModelCommitment {
    /// Commits to packed weights with fresh tails.
    pub(crate) fn new(
        bases: &Bases,
        weights: &PackedWeights,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Self {
        let tails: Vec<Fr> = weights
            .columns
            .iter()
            .map(|_| Fr::random(&mut *rng))
            .collect();
        let last = *bases.g_lagrange.last().expect("bases are not empty");
        let sums: Vec<G1> = weights
            .columns
            .par_iter()
            .zip(&tails)
            .map(|(column, tail)| {
                let (mut scalars, mut points): (Vec<Fr>, Vec<G1Affine>) = column
                    .iter()
                    .map(|(row, w)| (*w, bases.g_lagrange[*row]))
                    .unzip();
                scalars.push(*tail);
                points.push(last);
                msm(&scalars, &points)
            })
            .collect();
        let mut points = vec![G1Affine::default(); sums.len()];
        G1::batch_normalize(&sums, &mut points);
        ModelCommitment { points, tails }
    }
}

/// From this many rows on the multiples of the bases are computed once for all.
const MANY: usize = 8;

/// Commits to input rows, each under its secret `r`.
pub(crate) fn commit_inputs(
    bases: &Bases,
    layout: &Layout,
    rows: &[(&[i64], Fr)],
) -> Vec<G1Affine> {
    let mut points: Vec<G1Affine> = layout
        .input_rows()
        .into_iter()
        .map(|row| bases.g_lagrange[row])
        .collect();
    points.push(*bases.g_lagrange.last().expect("bases are not empty"));
    let mut scalars: Vec<Vec<Fr>> = rows
        .iter()
        .map(|(input, r)| {
            let values = input.iter().map(|x| int(i128::from(*x)));
            values.chain([*r]).collect()
        })
        .collect();
    let sums = match rows.len() < MANY {
        true => scalars
            .iter()
            .map(|s| msm(s, &points).to_affine())
            .collect(),
        false => sums(&points, &scalars),
    };
    scalars.iter_mut().flatten().for_each(wipe);
    sums
}
