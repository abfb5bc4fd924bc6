//! A bundle made ready: its keys, its points and what its registration proofs leave to check.
//!
//! 1. Claim: keys and commitments are canonical and fit each other; [`PreparedBundle::read_registration`]
//!    leaves equations that hold iff the committed columns hold packed integers in range.
//! 2. Method: a registration key that occurs again is read once; generators may be another bundle's.
//! 3. Assumed: that the equations are checked, and those of each key's bases ([`super::bases`]).
//! 4. Source: docs/design/contracts.md, "Bundle and evidence"; SOUNDNESS condition 12.

use std::sync::Arc;

use super::claim::Equation;
use super::prepared::{Generators, PreparedKey};
use super::proof::read_proof;
use super::statement::{Claimed, Statement};
use crate::artifact::bundle::Bundle;
use crate::artifact::key::{Scheme, VerifyingKey};
use crate::bn254::G1Affine;
use crate::encoding::points_from_bytes;

/// A bundle whose keys and points have been read.
#[derive(Debug)]
pub(super) struct PreparedBundle {
    digest: [u8; 32],
    bytes: usize,
    parts: Bundle,
    key: Arc<PreparedKey>,
    model: Vec<G1Affine>,
    registration_keys: Vec<Arc<PreparedKey>>,
}

/// An equation, its key, and the hash of all that it was made from.
pub(super) type BoundEquation = (Arc<PreparedKey>, Equation, [u8; 32]);

impl PreparedBundle {
    /// Reads a bundle; a bundle without generators takes those of a known one.
    ///
    /// # Errors
    /// A sentence that says what is refused.
    pub(super) fn read<'a>(
        bytes: &[u8],
        digest: [u8; 32],
        known: impl Iterator<Item = &'a PreparedBundle>,
    ) -> Result<Self, String> {
        let parts = Bundle::decode(bytes).map_err(|e| sentence("The bundle is refused", &e))?;
        let own = match &parts.generators {
            Some(bytes) => Some(
                Generators::from_bytes(bytes)
                    .ok_or("The bundle's generators are not canonical points of the curve.")?,
            ),
            None => None,
        };
        let generators = |key: &VerifyingKey| {
            own.clone()
                .unwrap_or_else(|| borrowed_generators(known, key))
        };
        let key = PreparedKey::decode(&parts.key, None, generators)
            .map_err(|e| sentence("The bundle's key is refused", &e))?;
        let model = points_from_bytes(&parts.model)
            .ok_or("The model commitments are not canonical points of the curve.")?;
        if model.len() != key.key().model_columns() {
            return Err("The number of model commitments is not the circuit's.".into());
        }
        let mut registration_keys: Vec<Arc<PreparedKey>> = vec![];
        for (i, registration) in parts.registration.iter().enumerate() {
            let same = |j: &usize| parts.registration[*j].key == registration.key;
            if let Some(j) = (0..i).find(same) {
                registration_keys.push(Arc::clone(&registration_keys[j]));
                continue;
            }
            let generators = Arc::clone(key.generators());
            let key = PreparedKey::decode(&registration.key, Some(key.key()), |_| generators)
                .map_err(|e| sentence("A registration key is refused", &e))?;
            registration_keys.push(Arc::new(key));
        }
        Ok(Self {
            digest,
            bytes: bytes.len(),
            parts,
            key: Arc::new(key),
            model,
            registration_keys,
        })
    }

    /// SHA-256 of the bundle's bytes.
    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The length of the bundle's bytes; what is kept of it takes a few times as much.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bundle as decoded.
    pub(super) fn parts(&self) -> &Bundle {
        &self.parts
    }

    /// The circuit's key.
    pub(super) fn key(&self) -> &Arc<PreparedKey> {
        &self.key
    }

    /// The model commitments.
    pub(super) fn model(&self) -> &[G1Affine] {
        &self.model
    }

    /// The circuit's key and the registration's, each once.
    pub(super) fn keys(&self) -> Vec<&Arc<PreparedKey>> {
        let mut keys = vec![&self.key];
        for key in &self.registration_keys {
            if keys.iter().all(|k| k.circuit_id() != key.circuit_id()) {
                keys.push(key);
            }
        }
        keys
    }

    /// Whether the bundle's bytes alone say what it is: it borrowed no generators.
    pub(super) fn is_self_contained(&self) -> bool {
        self.parts.generators.is_some() || self.key.key().scheme() == Scheme::Kzg
    }

    /// Of the same circuit and the same model commitments.
    pub(super) fn same_model(&self, other: &Self) -> bool {
        self.parts.key == other.parts.key && self.parts.model == other.parts.model
    }

    /// Equal in all but the registration proofs' bytes and whether the generators travel along.
    pub(super) fn same_bundle(&self, other: &Self) -> bool {
        let (a, b) = (&self.parts, &other.parts);
        self.digest == other.digest
            || (self.same_model(other)
                && a.name == b.name
                && a.released_names == b.released_names
                && a.skeleton == b.skeleton
                && a.params == b.params
                && self.key.generators().digest() == other.key.generators().digest()
                && self.registered() == other.registered())
    }

    fn registered(&self) -> Vec<([u8; 32], u32, u32)> {
        let entries = self.parts.registration.iter().zip(&self.registration_keys);
        entries
            .map(|(entry, key)| (*key.circuit_id(), entry.first, entry.count))
            .collect()
    }

    /// Reads the registration proofs, which must cover each weight column once.
    pub(super) fn read_registration(&self) -> Result<Vec<BoundEquation>, String> {
        let key = self.key.key();
        let mut covered = vec![false; self.model.len()];
        let mut equations = vec![];
        let entries = self.parts.registration.iter();
        for (entry, registration_key) in entries.zip(&self.registration_keys) {
            // 1. Its columns.
            let first = entry.first as usize;
            let columns = first..first.saturating_add(entry.count as usize);
            let (Some(cells), Some(model)) =
                (covered.get_mut(columns.clone()), self.model.get(columns))
            else {
                return Err(
                    "A registration proof covers columns that the model does not have.".into(),
                );
            };
            if cells.iter().any(|covered| *covered) || cells.is_empty() {
                return Err("A weight column is covered by two registration proofs.".into());
            }
            cells.fill(true);
            // 2. The same domain, blinding rows included, and reference string; weights alone.
            let other = registration_key.key();
            let same_domain = other.k == key.k
                && other.srs == key.srs
                && registration_key.usable_rows() == self.key.usable_rows();
            if !same_domain || other.slots() != 0 {
                return Err("A registration key is of another domain or reference string.".into());
            }
            // 3. The proof.
            let statement = Statement {
                claimed: Claimed::Registration,
                model,
                inputs: &[],
                leaves: &[],
                origin: "",
                released: &[],
            };
            let claim = read_proof(registration_key, &statement, &entry.proof)
                .map_err(|error| sentence("A registration proof is refused", &error))?;
            let parts = [Some(claim.opening), claim.link].into_iter().flatten();
            equations.extend(parts.map(|part| (Arc::clone(registration_key), part, claim.binding)));
        }
        if covered.iter().any(|covered| !covered) {
            return Err("A weight column is covered by no registration proof.".into());
        }
        Ok(equations)
    }
}

/// Generators for a key whose bundle carries none: those of another bundle, if their number fits.
fn borrowed_generators<'a>(
    mut known: impl Iterator<Item = &'a PreparedBundle>,
    key: &VerifyingKey,
) -> Arc<Generators> {
    let fits = |b: &&PreparedBundle| b.key.key().srs == key.srs && b.key.key().k == key.k;
    known
        .find(fits)
        .map_or_else(Generators::none, |b| Arc::clone(b.key.generators()))
}

/// What happened and why, as one sentence.
pub(super) fn sentence(what: &str, error: &dyn core::fmt::Display) -> String {
    [what, ": ", &error.to_string(), "."].concat()
}
