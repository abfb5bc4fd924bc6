//! What all parties of a round derive from its manifest.

use std::fmt;
use std::sync::Arc;

use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::manifest::{Manifest, ManifestError};
use ff::Field;
use halo2curves::bn256::{Fr, G1Affine};
use halo2curves::group::Curve;
use thiserror::Error;

use super::lanes::Lanes;
use super::vectors::{add_multiple, SecretVector};
use crate::norm::{NormError, NormKey};

/// Why a manifest has no setup.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Outside its limits.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No circuit for its sizes.
    #[error(transparent)]
    Norm(#[from] NormError),
    /// Another circuit than its sizes and bounds give.
    #[error("the manifest names another norm circuit than its sizes and bounds give; the coordinator must make it anew")]
    Circuit,
}

/// A manifest with its digest, bases and sizes.
pub struct Setup {
    pub(super) manifest: Manifest,
    pub(super) digest: [u8; 32],
    pub(super) bases: ColumnBases,
    pub(super) lanes: Lanes,
    pub(super) norm: Option<Arc<NormKey>>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("round", &self.manifest.round)
            .field("parties", &self.manifest.parties.len())
            .finish_non_exhaustive()
    }
}

impl Setup {
    /// Derives a round's setup; where the manifest asks for norm proofs, with their keys.
    ///
    /// # Errors
    /// [`SetupError`] for a manifest outside its limits, or one that names another circuit.
    ///
    /// # Panics
    /// When the bases are of another size than the manifest's columns.
    pub fn new(manifest: Manifest, bases: ColumnBases) -> Result<Self, SetupError> {
        manifest.check()?;
        assert_eq!(
            bases.k(),
            manifest.log_rows,
            "bases of the manifest's columns"
        );
        let norm = match manifest.norm_circuit {
            Some(id) => {
                let key = NormKey::new(&manifest, &bases)?;
                if key.circuit_id() != id {
                    return Err(SetupError::Circuit);
                }
                Some(Arc::new(key))
            }
            None => None,
        };
        Ok(Self::with_norm(manifest, bases, norm))
    }

    /// The setup of another round or attempt; the norm circuit is built again only for other sizes and bounds.
    ///
    /// # Errors
    /// As [`Setup::new`].
    pub fn following(&self, manifest: Manifest) -> Result<Self, SetupError> {
        manifest.check()?;
        let same = norm_sizes(&manifest) == norm_sizes(&self.manifest)
            && manifest.norm_circuit == self.manifest.norm_circuit;
        let (bases, norm) = (self.bases.clone(), self.norm.clone());
        match same {
            true => Ok(Self::with_norm(manifest, bases, norm)),
            false => Self::new(manifest, bases),
        }
    }

    fn with_norm(manifest: Manifest, bases: ColumnBases, norm: Option<Arc<NormKey>>) -> Self {
        Self {
            digest: manifest.digest(),
            lanes: Lanes::new(&manifest),
            bases,
            manifest,
            norm,
        }
    }

    /// Keys of the norm proof, where the manifest asks for it.
    pub fn norm_key(&self) -> Option<&NormKey> {
        self.norm.as_deref()
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// No frame of the round is longer: a share shown in a verdict for each contributor.
    pub(crate) fn most_frame_bytes(&self) -> usize {
        let share = 32 * self.share_length() + 256;
        let check = 32 * (usize::from(self.manifest.threshold) + 1) * self.folded_length();
        (share * self.manifest.parties.len())
            .max(check)
            .max(MAX_PROOF)
            + (1 << 16)
    }

    /// Scalars of a value: the elements of an update, then a blinding for each column.
    pub(super) fn value_length(&self) -> usize {
        self.manifest.elements() + self.manifest.columns()
    }

    /// Scalars of a folded value: a column's elements, then its blinding.
    pub(super) fn folded_length(&self) -> usize {
        self.manifest
            .elements()
            .min(self.manifest.rows_per_column())
            + 1
    }

    /// Scalars of a share: a share of the value, then of the mask.
    pub(super) fn share_length(&self) -> usize {
        self.value_length() + self.folded_length()
    }

    /// Position of a party among the holders.
    pub(super) fn holder(&self, party: u16) -> Option<usize> {
        self.manifest.holders.binary_search(&party).ok()
    }

    /// The point at which a holder's share is the polynomial's value.
    pub(super) fn point(holder: usize) -> Fr {
        Fr::from(holder as u64 + 1)
    }

    /// The t holders whose shares of a dealer are drawn from a seed: those that follow the dealer.
    pub(super) fn seeded(&self, dealer: u16) -> Vec<usize> {
        let n = self.manifest.holders.len();
        let after = self.manifest.holders.partition_point(|h| *h <= dealer);
        (0..usize::from(self.manifest.threshold))
            .map(|i| (after + i) % n)
            .collect()
    }

    /// `sum_k challenge^k column_k` of a value, its blinding last.
    pub(super) fn fold(&self, value: &[Fr], challenge: Fr) -> SecretVector {
        let (elements, blindings) = value.split_at(self.manifest.elements());
        let mut folded = SecretVector(vec![Fr::ZERO; self.folded_length()]);
        let last = folded.len() - 1;
        let mut power = Fr::ONE;
        for (column, blinding) in elements
            .chunks(self.manifest.rows_per_column())
            .zip(blindings)
        {
            add_multiple(&mut folded[..column.len()], power, column);
            folded[last] += power * blinding;
            power *= challenge;
        }
        folded
    }

    /// Commitment to a folded value.
    pub(super) fn commit_folded(&self, folded: &[Fr]) -> G1Affine {
        let (blinding, elements) = folded.split_last().expect("a folded value has a blinding");
        self.bases.commit(elements, *blinding).to_affine()
    }
}

/// What a norm circuit depends on.
pub(crate) fn norm_sizes(m: &Manifest) -> (u32, u32, u32, u64, u64, usize) {
    let (clip, noise) = (m.clip_norm, m.noise_norm);
    let (coordinates, bits) = (m.coordinates, m.coordinate_bits);
    (coordinates, bits, m.log_rows, clip, noise, m.parties.len())
}

/// Bytes of a norm proof, and more.
const MAX_PROOF: usize = 1 << 22;
