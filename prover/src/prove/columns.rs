//! Commitments to columns of a domain, for those who prove about them: `sum_i v_i L_{i+1} + r L_{n-1}`.
//!
//! The bases are the Lagrange bases of the transparent generators, as the circuits' own columns have them,
//! so a circuit over the same domain links to these commitments (docs/soundness.md, section 4). Perfectly
//! hiding for uniform r; binding under discrete logarithms. Variable time.

use std::fmt;
use std::sync::Arc;

use clearproof_shared::verify::prepared::Generators;
use group::Curve;
use halo2curves::bn256::{Fr, G1Affine, G1};

use super::bases::Bases;
use super::export::g1_to_ark;

/// Bases of the columns of 2^k rows.
#[derive(Clone)]
pub struct ColumnBases(Bases);

impl fmt::Debug for ColumnBases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ColumnBases {
    /// The transparent bases of 2^k rows, with the tables that make commitments fast.
    pub fn transparent(k: u32) -> Self {
        ColumnBases(Bases::transparent(k).with_tables())
    }

    /// log2 of the rows.
    pub fn k(&self) -> u32 {
        self.0.k
    }

    /// Commits to values on the rows from 1 on, blinded on the last row.
    ///
    /// # Panics
    /// When the values reach the last row.
    pub fn commit(&self, values: &[Fr], blinding: Fr) -> G1 {
        let last = self.0.g_lagrange.len() - 1;
        assert!(values.len() < last, "values end before the blinding row");
        let mut scalars = Vec::with_capacity(last + 1);
        scalars.push(Fr::zero());
        scalars.extend_from_slice(values);
        let blinded = self.0.g_lagrange[last] * blinding;
        let sum = self.0.commit_lagrange(&scalars, Fr::zero()) + blinded;
        scalars.iter_mut().for_each(super::link::wipe);
        sum
    }

    /// The generators as a verifier takes them.
    pub fn generators(&self) -> Arc<Generators> {
        Generators::new(self.0.g.iter().map(g1_to_ark).collect())
    }

    pub(super) fn bases(&self) -> &Bases {
        &self.0
    }
}

/// `sum_i scalars_i points_i`.
///
/// # Panics
/// When the lengths differ.
pub fn combination(scalars: &[Fr], points: &[G1Affine]) -> G1 {
    super::msm::msm(scalars, points)
}

/// Affine forms of several points.
pub fn normalize(points: &[G1]) -> Vec<G1Affine> {
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(points, &mut affine);
    affine
}
