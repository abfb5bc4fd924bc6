//! Making and checking norm proofs.
//!
//! The statement holds the digest of the round's manifest and the party, so a proof is of no use to another party or
//! in another round (SOUNDNESS 26). The link ties the circuit's V to the very commitments that the sharing check
//! and the sum stand on.

use std::fmt;
use std::sync::Arc;

use clearproof_prover::prove::columns::ColumnBases;
use clearproof_prover::prove::linked::LinkedKey;
use clearproof_shared::artifact::key::VerifyingKey;
use clearproof_shared::encoding::g1_to_bytes;
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::manifest::Manifest;
use clearproof_shared::training::norm;
use clearproof_shared::verify::prepared::PreparedKey;
use clearproof_shared::verify::VerifyError;
use halo2curves::bn256::Fr;
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;

use super::circuit::{NormCircuit, Shape, Witness};

/// Why there is no key or no proof.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NormError {
    /// The manifest's sizes have no circuit.
    #[error("no norm circuit for {coordinate_bits}-bit coordinates at 2^{log_rows} rows; choose more rows or fewer bits")]
    Sizes {
        /// Width of a coordinate.
        coordinate_bits: u32,
        /// log2 of the rows.
        log_rows: u32,
    },
    /// The prover.
    #[error(transparent)]
    Prove(#[from] clearproof_prover::prove::ProveError),
    /// The key is outside the verifier's limits.
    #[error(transparent)]
    Key(#[from] VerifyError),
    /// The update is outside its bounds.
    #[error("a coordinate of update or noise needs more than {width} bits, or a norm is above its bound; clip it first")]
    Bounds {
        /// Bits of a proven coordinate.
        width: u32,
    },
}

/// Keys of a manifest's norm circuit.
pub struct NormKey {
    shape: Arc<Shape>,
    key: LinkedKey,
    prepared: PreparedKey,
}

impl fmt::Debug for NormKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NormKey")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// The secrets of a contribution.
#[derive(Clone, Copy)]
pub struct NormWitness<'a> {
    /// The clipped update.
    pub update: &'a [i64],
    /// The noise.
    pub noise: &'a [i64],
    /// Blindings of the update's commitments, then of the noise's.
    pub blindings: &'a [Fr],
}

impl fmt::Debug for NormWitness<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NormWitness")
    }
}

impl NormKey {
    /// The keys for a manifest's sizes and bounds; everybody derives the same.
    ///
    /// # Errors
    /// [`NormError`] when no circuit holds them.
    pub fn new(manifest: &Manifest, bases: &ColumnBases) -> Result<Self, NormError> {
        let shape = Arc::new(shape(manifest)?);
        let empty = NormCircuit {
            shape: Arc::clone(&shape),
            witness: None,
        };
        let key = LinkedKey::new(bases, &empty, &shape.fixed(), 2 * shape.columns)?;
        let prepared = PreparedKey::new(key.key().clone(), bases.generators())?;
        Ok(Self {
            shape,
            key,
            prepared,
        })
    }

    /// SHA-256 of the verifying key: what the manifest names.
    pub fn circuit_id(&self) -> [u8; 32] {
        *self.prepared.circuit_id()
    }

    /// The verifying key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.key.key()
    }

    /// The vector generators, uncompressed, as certificates carry them.
    pub fn generators(&self) -> Vec<u8> {
        let points = self.prepared.generators().points();
        points.iter().flat_map(g1_to_bytes).collect()
    }

    /// Bits of a coordinate of the update and of the noise.
    pub fn width(&self) -> u32 {
        self.shape.width()
    }

    /// Proves a contribution.
    ///
    /// # Errors
    /// [`NormError::Bounds`], [`NormError::Prove`].
    pub fn prove(
        &self,
        bases: &ColumnBases,
        manifest: &[u8; 32],
        party: u16,
        contribution: &Contribution,
        witness: NormWitness<'_>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<u8>, NormError> {
        let limbs = Witness::new(&self.shape, [witness.update, witness.noise]);
        let limbs = limbs.ok_or(NormError::Bounds {
            width: self.shape.width(),
        })?;
        let circuit = NormCircuit {
            shape: Arc::clone(&self.shape),
            witness: Some(Arc::new(limbs)),
        };
        let proof = norm::with_statement(manifest, party, contribution, |statement| {
            self.key
                .prove(bases, &circuit, statement, witness.blindings, rng)
        })?;
        Ok(proof)
    }

    /// Checks the proof that a contribution carries.
    ///
    /// # Errors
    /// [`VerifyError`] naming what does not hold.
    pub fn verify(
        &self,
        manifest: &[u8; 32],
        party: u16,
        contribution: &Contribution,
    ) -> Result<(), VerifyError> {
        norm::verify(&self.prepared, manifest, party, contribution)
    }
}

/// Two limbs a coordinate where the table fits the rows, else three or more; one bit less than the manifest's
/// coordinates, so that update and noise together fit them.
fn shape(manifest: &Manifest) -> Result<Shape, NormError> {
    let refused = || NormError::Sizes {
        coordinate_bits: manifest.coordinate_bits,
        log_rows: manifest.log_rows,
    };
    let bits = manifest.coordinate_bits - 1;
    let limbs = (2..=bits)
        .find(|limbs| bits / limbs < manifest.log_rows)
        .ok_or_else(refused)?;
    let elements = manifest.elements();
    let columns = manifest.columns();
    let shape = Shape {
        k: manifest.log_rows,
        columns,
        lanes: manifest.lanes(),
        lane_bits: manifest.lane_bits(),
        rows: elements.min(manifest.rows_per_column()),
        last_rows: elements - (columns - 1) * manifest.rows_per_column(),
        last_lanes: manifest.coordinates as usize - (elements - 1) * manifest.lanes(),
        limb_bits: bits / limbs,
        limbs: limbs as usize,
        squares: [manifest.clip_norm, manifest.noise_norm].map(|norm| u128::from(norm).pow(2)),
    };
    match shape.fits() {
        true => Ok(shape),
        false => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregation::identity::Identity;
    use clearproof_prover::prove::columns::normalize;
    use clearproof_prover::prove::export::g1_to_ark;
    use clearproof_shared::bn254::G1Affine;
    use ff::Field;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    struct Case {
        bases: ColumnBases,
        key: NormKey,
        contribution: Contribution,
        update: Vec<i64>,
        noise: Vec<i64>,
        blindings: Vec<Fr>,
    }

    fn case() -> Case {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let parties: Vec<_> = (0..3)
            .map(|i| Identity::generate(&format!("p{i}"), &mut rng).entry())
            .collect();
        let manifest = Manifest {
            session: [0; 32],
            round: 0,
            attempt: 0,
            model: [0; 32],
            parties,
            holders: vec![0, 1, 2],
            threshold: 1,
            colluders: 0,
            minimum_honest: 2,
            coordinates: 600,
            coordinate_bits: 13,
            log_rows: 6,
            clip_norm: 300,
            noise_norm: 100,
            norm_circuit: None,
            terms: vec![],
        };
        let bases = ColumnBases::transparent(6);
        let key = NormKey::new(&manifest, &bases).expect("a circuit");
        let update: Vec<i64> = (0..600).map(|i| i % 21 - 10).collect();
        let noise: Vec<i64> = (0..600).map(|i| i % 7 - 3).collect();
        let lanes = crate::aggregation::lanes::Lanes::new(&manifest);
        let blindings: Vec<Fr> = (0..2 * manifest.columns())
            .map(|_| Fr::random(&mut rng))
            .collect();
        let commit = |values: &[i64], blindings: &[Fr]| -> Vec<G1Affine> {
            let elements = lanes.pack(values).expect("in range");
            let points: Vec<_> = elements
                .chunks(manifest.rows_per_column())
                .zip(blindings)
                .map(|(column, blinding)| bases.commit(column, *blinding))
                .collect();
            normalize(&points).iter().map(g1_to_ark).collect()
        };
        let contribution = Contribution {
            update: commit(&update, &blindings),
            noise: commit(&noise, &blindings[manifest.columns()..]),
            mask: clearproof_shared::bn254::G1Affine::default(),
            share_digests: vec![[0; 32]; 3],
            proof: vec![],
        };
        Case {
            bases,
            key,
            contribution,
            update,
            noise,
            blindings,
        }
    }

    impl Case {
        fn prove(&self, update: &[i64]) -> Result<Vec<u8>, NormError> {
            let witness = NormWitness {
                update,
                noise: &self.noise,
                blindings: &self.blindings,
            };
            let mut rng = ChaCha20Rng::from_seed([8; 32]);
            self.key.prove(
                &self.bases,
                &[1; 32],
                2,
                &self.contribution,
                witness,
                &mut rng,
            )
        }
    }

    #[test]
    fn a_proof_is_of_these_commitments_this_party_and_this_round() {
        let mut case = case();
        assert!(case.contribution.update.len() >= 2, "several columns");
        case.contribution.proof = case.prove(&case.update).expect("within the bounds");
        let verify = |manifest: u8, party, contribution: &Contribution| {
            case.key.verify(&[manifest; 32], party, contribution)
        };
        assert_eq!(verify(1, 2, &case.contribution), Ok(()));
        // Another round, another party: other challenges, so nothing holds.
        assert!(verify(2, 2, &case.contribution).is_err());
        assert!(verify(1, 1, &case.contribution).is_err());
        // Update and noise are not exchangeable, nor columns among themselves.
        let mut swapped = case.contribution.clone();
        std::mem::swap(&mut swapped.update, &mut swapped.noise);
        assert!(verify(1, 2, &swapped).is_err());
        let mut swapped = case.contribution.clone();
        swapped.update.swap(0, 1);
        assert!(verify(1, 2, &swapped).is_err());
        let mut cut = case.contribution.clone();
        cut.proof.pop();
        assert!(verify(1, 2, &cut).is_err());
    }

    #[test]
    fn a_proof_of_another_vector_than_committed_fails_the_link() {
        let mut case = case();
        let mut other = case.update.clone();
        other[5] += 1;
        case.contribution.proof = case.prove(&other).expect("within the bounds as well");
        let verified = case.key.verify(&[1; 32], 2, &case.contribution);
        assert_eq!(verified, Err(VerifyError::Link));
    }

    #[test]
    fn an_update_above_its_norm_has_no_proof() {
        let case = case();
        let mut long = case.update.clone();
        long[0] = 300;
        assert!(matches!(case.prove(&long), Err(NormError::Bounds { .. })));
    }
}
