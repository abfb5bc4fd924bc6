//! Proofs of circuits whose one phase-1 column combines outside commitments, for crates beside this one.
//!
//! The circuit is gates-only; its first column of phase 1 is `V = sum_k beta^k w_k`, beta its first challenge, and
//! the proof ends with the link that V combines the committed columns (docs/soundness.md, section 4).

use clearproof_shared::artifact::key::{Link, LinkKind, VerifyingKey};
use clearproof_shared::verify::statement::Statement;
use halo2_proofs::plonk::Circuit;
use halo2curves::bn256::Fr;
use rand_core::{CryptoRng, RngCore};

use super::columns::ColumnBases;
use super::export::{export_key, Linkage};
use super::keys::{srs, verifying_key, ProvingKey};
use super::proof::{prove_linked, Combines};
use super::ProveError;

pub use crate::circuit::model::Assignment;

/// Keys of a linked circuit.
#[derive(Debug)]
pub struct LinkedKey(ProvingKey);

impl LinkedKey {
    /// Makes the keys of a circuit that combines `commitments` columns. `fixed` lists the cells of its fixed
    /// columns that are not zero.
    ///
    /// # Errors
    /// [`ProveError`] for a circuit outside the verifier's limits.
    pub fn new(
        bases: &ColumnBases,
        circuit: &impl Circuit<Fr>,
        fixed: &[Vec<(usize, Fr)>],
        commitments: usize,
    ) -> Result<Self, ProveError> {
        let bases = bases.bases();
        let vk = verifying_key(bases, circuit)?;
        let phases = vk.cs().advice_column_phase();
        let v = phases.iter().position(|phase| *phase == 1);
        let usable = (1 << bases.k) - (vk.cs().blinding_factors() + 1);
        let linkage = Linkage {
            links: vec![Link {
                kind: LinkKind::Model,
                column: v.expect("there is a second phase") as u32,
                challenge: 0,
                count: commitments as u32,
            }],
            tail_bases: bases.g_lagrange[usable..].to_vec(),
            row_bases: vec![],
            input_rows: vec![],
            released_rows: vec![],
            instance_length: None,
        };
        let key = export_key(&vk, &linkage, srs(bases))?;
        Ok(Self(ProvingKey::new(key, fixed)))
    }

    /// The key that verifiers need.
    pub fn key(&self) -> &VerifyingKey {
        &self.0.key
    }

    /// Proves an assignment. `tails` holds the blinding of each commitment, in the order of the statement's.
    ///
    /// # Errors
    /// [`ProveError`] when the proof cannot be written.
    pub fn prove(
        &self,
        bases: &ColumnBases,
        assignment: &dyn Assignment,
        statement: &Statement<'_>,
        tails: &[Fr],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<u8>, ProveError> {
        let key = &self.0.key;
        let digest = statement.digest(key.scheme(), &key.circuit_id());
        // By its cells: an assignment that is not what was committed then fails the link, and nothing else.
        let outside = Combines { points: &[], tails };
        prove_linked(
            bases.bases(),
            &self.0,
            assignment,
            None,
            &digest,
            &[outside],
            rng,
        )
    }
}
