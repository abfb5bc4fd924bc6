//! A training of several rounds: what its processes agree on, and where it stands.
//!
//! 1. Claim: the manifest of an attempt follows from the provisioned one and from what came before: the number of
//!    rounds that gave a sum, of attempts at this one that did not, and the digest of the model. So processes that saw
//!    the same agree on the next manifest without a word, and others do not understand each other.
//! 2. `training.json` lies in every folder, `model.onnx` (the first model) in the parties'; where the parties prove
//!    constraints, `constraints.ceremony` in every folder, and in the parties' the powers of tau that it began with.
//! 3. Source: DESIGN section 9; SOUNDNESS conditions 23 and 26.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use clearproof_shared::artifact::cbor::{Decoder, Encoder};
use clearproof_shared::artifact::FormatError;
use clearproof_shared::training::certificate::{Certificate, Compliance};
use clearproof_shared::training::manifest::Manifest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::provision::{replace, write_new, Folder};
use super::TransportError;
use crate::aggregation::party::Update;
use crate::certificate::Record;
use crate::constraints::Constraints;
use crate::groth16::ceremony::phase_one::PhaseOne;
use crate::groth16::ceremony::{Ceremony, CeremonyError};
use crate::training::optimizer::Optimizer;
use crate::training::trainer::{digest, Steps, Trainer};
use crate::training::{onnx, Model};

/// What the processes agree on beyond the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Rounds that give a sum.
    pub rounds: u32,
    /// Attempts that may end without one, in all; the noise is calibrated for them too.
    pub spare: u32,
    /// Most examples of a party in a round: bounds its update by as many times the clip norm.
    pub most_examples: u32,
    /// How updates are made, and steps.
    pub steps: Steps,
}

/// Writes what a training needs into the folders of [`super::provision::provision`].
///
/// # Errors
/// [`TransportError::File`].
pub fn provision_training(
    folders: &[impl AsRef<Path>],
    training: &Training,
    model: &Model,
) -> Result<(), TransportError> {
    let text = serde_json::to_vec_pretty(training).expect("numbers");
    let (_, parties) = folders
        .split_last()
        .ok_or(TransportError::Protocol("no folders"))?;
    for folder in folders {
        write_new(&folder.as_ref().join(TRAINING), &text)?;
    }
    for folder in parties {
        write_new(&folder.as_ref().join(MODEL), &onnx::write(model))?;
    }
    Ok(())
}

/// Writes the ceremony of the constraints that every party is to prove into the folders of [`provision_training`];
/// `powers` is the file of the powers of tau that it began with, none where they were the published ones.
///
/// # Errors
/// [`TransportError::File`].
pub fn provision_constraints(
    folders: &[impl AsRef<Path>],
    ceremony: &Ceremony,
    powers: Option<&[u8]>,
) -> Result<(), TransportError> {
    let bytes = ceremony.to_bytes();
    let (_, parties) = folders
        .split_last()
        .ok_or(TransportError::Protocol("no folders"))?;
    for folder in folders {
        write_new(&folder.as_ref().join(CEREMONY), &bytes)?;
    }
    for (folder, powers) in parties.iter().filter_map(|folder| Some((folder, powers?))) {
        write_new(&folder.as_ref().join(POWERS), powers)?;
    }
    Ok(())
}

/// Whether the parties of this training prove constraints.
pub(super) fn is_constrained(folder: &Folder) -> bool {
    folder.path().join(CEREMONY).exists()
}

/// The constraints that a party's folder asks for, if any, with the ceremony verified from its statement on.
pub(super) fn constraints(folder: &Folder) -> Result<Option<Arc<Constraints>>, TransportError> {
    if !is_constrained(folder) {
        return Ok(None);
    }
    let read = |name: &str| {
        let path = folder.path().join(name);
        let bytes = fs::read(&path).map_err(|e| TransportError::file(&path, e))?;
        Ok::<_, TransportError>((path, bytes))
    };
    let powers = match folder.path().join(POWERS).exists() {
        false => PhaseOne::insecure(),
        true => {
            let (path, bytes) = read(POWERS)?;
            PhaseOne::from_ptau(&bytes).map_err(|e| TransportError::file(&path, e))?
        }
    };
    let (path, bytes) = read(CEREMONY)?;
    let fail = |error: CeremonyError| TransportError::file(&path, error);
    let ceremony = Ceremony::from_bytes(&bytes).map_err(fail)?;
    // An insecure set-up is for trials: the entry in the certificate says so, and verifiers refuse it.
    let constraints = Constraints::new(&ceremony, &powers, true).map_err(fail)?;
    Ok(Some(Arc::new(constraints)))
}

/// Reads a folder's training; none where a single round was provisioned.
pub(super) fn read(folder: &Folder) -> Result<Option<Training>, TransportError> {
    let path = folder.path().join(TRAINING);
    match fs::read(&path) {
        Ok(bytes) => {
            let training = serde_json::from_slice(&bytes);
            Ok(Some(training.map_err(|e| TransportError::file(&path, e))?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TransportError::file(&path, error)),
    }
}

/// Where a training stands.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// What was seen so far.
    pub(super) record: Record,
    /// Rounds that gave a sum.
    pub(super) round: u32,
    /// Attempts of the next round that gave none.
    pub(super) attempt: u32,
    /// Digest of the model that the next round starts from.
    pub(super) model: [u8; 32],
}

impl Course {
    pub(super) fn new(first: &Manifest) -> Self {
        Self {
            record: Record::default(),
            round: 0,
            attempt: 0,
            model: first.model,
        }
    }

    /// The manifest of the next attempt.
    pub(super) fn manifest(&self, first: &Manifest) -> Manifest {
        Manifest {
            round: first.round.saturating_add(self.round.into()),
            attempt: first.attempt.saturating_add(self.attempt),
            model: self.model,
            ..first.clone()
        }
    }

    /// Whether the training is over if the next attempt gives no sum either, with rounds before to certify.
    pub(super) fn ends_with_the_next(&self, spare: u32) -> bool {
        self.round > 0 && self.record.aborted() as u32 >= spare
    }

    /// An attempt gave no sum.
    pub(super) fn abort(&mut self, manifest: Manifest) {
        self.record.abort(manifest);
        self.attempt += 1;
    }

    /// A round gave a sum.
    pub(super) fn finish(&mut self, after: [u8; 32]) {
        (self.round, self.attempt, self.model) = (self.round + 1, 0, after);
    }
}

/// A party's training, on the disk after every attempt.
#[derive(Debug)]
pub(super) struct State {
    pub(super) trainer: Trainer,
    pub(super) course: Course,
    /// The certificate up to the last round.
    pub(super) certificate: Option<Certificate>,
}

impl State {
    /// Where the party stopped, or the start.
    pub(super) fn open(folder: &Folder, steps: Steps) -> Result<Self, TransportError> {
        let bits = folder.manifest.coordinate_bits;
        let path = folder.path().join(STATE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Self::start(folder, steps)
            }
            Err(error) => return Err(TransportError::file(&path, error)),
        };
        let fail = |cause: &dyn std::fmt::Display| TransportError::file(&path, cause);
        let saved = Saved::decode(&bytes).map_err(|e| fail(&e))?;
        let mut trainer = Trainer::new(onnx::read(&saved.model)?, steps, bits)?;
        let optimizer: Optimizer = serde_json::from_str(&saved.optimizer).map_err(|e| fail(&e))?;
        trainer.restore(optimizer)?;
        let (record, compliance) = Record::decode(&saved.record).map_err(|e| fail(&e))?;
        let record = record.with_compliance(compliance);
        let certificate = match &saved.certificate[..] {
            [] => None,
            bytes => Some(Certificate::decode(bytes).map_err(|e| fail(&e))?),
        };
        Ok(Self {
            course: Course {
                round: record.rounds() as u32,
                attempt: saved.attempt,
                model: digest(trainer.model()),
                record,
            },
            trainer,
            certificate,
        })
    }

    fn start(folder: &Folder, steps: Steps) -> Result<Self, TransportError> {
        let path = folder.path().join(MODEL);
        let bytes = fs::read(&path).map_err(|e| TransportError::file(&path, e))?;
        let model = onnx::read(&bytes)?;
        if digest(&model) != folder.manifest.model {
            let cause = "not the model that was agreed on; take the one that was provisioned";
            return Err(TransportError::file(&path, cause));
        }
        Ok(Self {
            trainer: Trainer::new(model, steps, folder.manifest.coordinate_bits)?,
            course: Course::new(&folder.manifest),
            certificate: None,
        })
    }

    pub(super) fn save(&self, folder: &Folder) -> Result<(), TransportError> {
        let path = folder.path().join(STATE);
        let optimizer = serde_json::to_string(self.trainer.optimizer());
        let mut out = Encoder::default();
        out.array(6);
        out.uint(VERSION);
        out.bytes(&onnx::write(self.trainer.model()));
        out.text(&optimizer.map_err(|e| TransportError::file(&path, e))?);
        out.uint(self.course.attempt.into());
        out.bytes(&self.course.record.encode(&[]));
        let certificate = self.certificate.as_ref().map(Certificate::encode);
        out.bytes(&certificate.unwrap_or_default());
        replace(&path, &out.finish()).map_err(|e| TransportError::file(&path, e))
    }
}

struct Saved {
    model: Vec<u8>,
    optimizer: String,
    attempt: u32,
    record: Vec<u8>,
    certificate: Vec<u8>,
}

impl Saved {
    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        if input.array(6, "training state")? != 6 {
            return Err(FormatError::Unexpected("training state"));
        }
        let version = input.uint(u64::MAX, "version")?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let most = bytes.len();
        let saved = Self {
            model: input.bytes(most, "model")?.to_vec(),
            optimizer: input.text(most, "optimizer")?.to_owned(),
            attempt: input.uint(u32::MAX.into(), "attempt")? as u32,
            record: input.bytes(most, "record")?.to_vec(),
            certificate: input.bytes(most, "certificate")?.to_vec(),
        };
        input.finish()?;
        Ok(saved)
    }
}

/// The update of an attempt that was begun, if it was; so a sample and its noise are drawn once.
pub(super) fn kept(folder: &Folder, manifest: &Manifest) -> Result<Option<Update>, TransportError> {
    let path = folder.state_of(manifest, UPDATE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(TransportError::file(&path, error)),
    };
    let (values, rest) = bytes.as_chunks::<8>();
    let coordinates = manifest.coordinates as usize;
    if !rest.is_empty() || values.len() != 2 * coordinates {
        let cause = "not an update of this round; restore it from a copy";
        return Err(TransportError::file(&path, cause));
    }
    let list = |values: &[[u8; 8]]| values.iter().map(|v| i64::from_le_bytes(*v)).collect();
    Ok(Some(Update {
        clipped: list(&values[..coordinates]),
        noise: list(&values[coordinates..]),
    }))
}

/// Keeps an update for an attempt that is about to begin.
pub(super) fn keep(
    folder: &Folder,
    manifest: &Manifest,
    update: &Update,
) -> Result<(), TransportError> {
    let values = update.clipped.iter().chain(&update.noise);
    let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(values.flat_map(|v| v.to_le_bytes()).collect());
    let path = folder.state_of(manifest, UPDATE);
    replace(&path, &bytes).map_err(|e| TransportError::file(&path, e))
}

/// The proof of the constraints that an attempt was begun with, if it was; so that one is said alone.
pub(super) fn kept_proof(
    folder: &Folder,
    manifest: &Manifest,
) -> Result<Option<Compliance>, TransportError> {
    let path = folder.state_of(manifest, PROOF);
    match fs::read(&path) {
        Ok(bytes) => {
            let proof = Compliance::from_bytes(&bytes);
            Ok(Some(proof.map_err(|e| TransportError::file(&path, e))?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TransportError::file(&path, error)),
    }
}

/// Keeps a proof for an attempt that is about to begin.
pub(super) fn keep_proof(
    folder: &Folder,
    manifest: &Manifest,
    proof: &Compliance,
) -> Result<(), TransportError> {
    let path = folder.state_of(manifest, PROOF);
    replace(&path, &proof.to_bytes()).map_err(|e| TransportError::file(&path, e))
}

/// Removes what only an attempt that is over needed: its secrets.
pub(super) fn forget(folder: &Folder, manifest: &Manifest) -> Result<(), TransportError> {
    for name in [UPDATE, PROOF, "seed", "journal"] {
        let path = folder.state_of(manifest, name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(TransportError::file(&path, error))
            }
            _ => {}
        }
    }
    Ok(())
}

const TRAINING: &str = "training.json";
const MODEL: &str = "model.onnx";
const STATE: &str = "training.state";
const UPDATE: &str = "update";
const PROOF: &str = "compliance";
const CEREMONY: &str = "constraints.ceremony";
const POWERS: &str = "powers.ptau";
const VERSION: u64 = 1;
