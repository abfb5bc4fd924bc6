//! The artifact: what `compile` makes and `prove` needs, in memory and as a folder.
//!
//! | file | content |
//! |---|---|
//! | `artifact.json` | format version, input visibility, SHA-256 of the bundle |
//! | `verifier.bin` | the bundle, for auditors |
//! | `bases.bin` | commitment bases, uncompressed |
//! | `tables.bin` | multiples of the bases, which make commitments fast |
//! | `proving.key` | the fixed columns as polynomials and on the cosets of the quotient |
//! | `opening.secret` | private weights and the tails of their commitments, mode 0600 |
//!
//! A folder is written beside its place, synced and renamed: it is there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::key::VerifyingKey;
use clearproof_shared::encoding::{hex, points_from_bytes};
use clearproof_shared::verify::prepared::{Generators, PreparedKey};
use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};

use super::bases::Bases;
use super::commit::ModelCommitment;
use super::compile::{CircuitDescription, InputVisibility};
use super::export::{g1_from_ark, g1_to_ark};
use super::keys::{shape, ProvingKey};
use crate::circuit::layout::Layout;
use crate::circuit::model::Shape;
use crate::circuit::params::CircuitParams;
use crate::circuit::witness::PackedWeights;
use crate::quantize::skeleton::{
    ForestNode, IntegerModel, LinearWeights, PrivateWeights, Skeleton,
};

/// A compiled model with its secrets.
pub struct Artifact {
    pub(crate) model: IntegerModel,
    pub(crate) inputs: InputVisibility,
    pub(crate) shape: Arc<Shape>,
    pub(crate) bases: Bases,
    pub(crate) pk: ProvingKey,
    pub(crate) prepared: PreparedKey,
    pub(crate) commitment: ModelCommitment,
    pub(crate) weights: Arc<PackedWeights>,
    bundle: Vec<u8>,
    bundle_digest: [u8; 32],
    circuit_id: [u8; 32],
    registration_proofs: usize,
}

impl std::fmt::Debug for Artifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Artifact(circuit {}, secrets hidden)",
            hex(&self.circuit_id)
        )
    }
}

/// Why an artifact folder is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// A file is missing or unreadable.
    #[error("{path}: {source}; give the folder that `clearproof compile` wrote")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Made by another version.
    #[error("{path} holds an artifact of format {found}, this program reads format {FORMAT}; compile the model again")]
    Version {
        /// The folder.
        path: String,
        /// Format found.
        found: u32,
    },
    /// A file does not fit the others.
    #[error("{path}: {reason}; the folder is damaged, compile the model again")]
    Damaged {
        /// The file.
        path: String,
        /// What does not fit.
        reason: String,
    },
}

/// Format of the folder.
const FORMAT: u32 = 3;
const MANIFEST: &str = "artifact.json";
const BUNDLE: &str = "verifier.bin";
const BASES: &str = "bases.bin";
const TABLES: &str = "tables.bin";
const PROVING_KEY: &str = "proving.key";
const OPENING: &str = "opening.secret";

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    clearproof: String,
    inputs: InputVisibility,
    bundle_sha256: String,
}

impl Artifact {
    #[allow(clippy::too_many_arguments)] // the parts of one artifact, each once
    pub(crate) fn assemble(
        model: IntegerModel,
        inputs: InputVisibility,
        shape: Arc<Shape>,
        bases: Bases,
        pk: ProvingKey,
        key: VerifyingKey,
        commitment: ModelCommitment,
        weights: Arc<PackedWeights>,
        bundle: &Bundle,
    ) -> Self {
        let generators = match bases.w() {
            Some(_) => Generators::new(bases.g.iter().map(g1_to_ark).collect()),
            None => Generators::none(),
        };
        Artifact {
            circuit_id: key.circuit_id(),
            prepared: PreparedKey::new(key, generators).expect("a key of our own making"),
            registration_proofs: bundle.registration.len(),
            bundle_digest: bundle.digest(),
            bundle: bundle.encode(),
            model,
            inputs,
            shape,
            bases,
            pk,
            commitment,
            weights,
        }
    }

    /// The bundle's bytes (`verifier.bin`).
    pub fn bundle_bytes(&self) -> &[u8] {
        &self.bundle
    }

    /// SHA-256 of the bundle.
    pub fn bundle_digest(&self) -> [u8; 32] {
        self.bundle_digest
    }

    /// SHA-256 of the circuit's key.
    pub fn circuit_id(&self) -> [u8; 32] {
        self.circuit_id
    }

    /// The integer model, private weights included.
    pub fn model(&self) -> &IntegerModel {
        &self.model
    }

    /// The model commitments as points of the verifier's curve library.
    pub(crate) fn model_points(&self) -> Vec<ark_bn254::G1Affine> {
        self.commitment.points.iter().map(g1_to_ark).collect()
    }

    /// Rows that one proof covers at most.
    pub fn batch(&self) -> usize {
        self.shape.layout.batch()
    }

    /// Whether evidence shows inputs.
    pub fn inputs(&self) -> InputVisibility {
        self.inputs
    }

    /// What the circuit looks like.
    pub fn description(&self) -> CircuitDescription {
        let layout = &self.shape.layout;
        let key = self.prepared.key();
        CircuitDescription {
            k: layout.params.k,
            rows_used: layout.rows,
            batch: layout.params.batch,
            slots: layout.program.slots.len(),
            advice_columns: key.advice_phases.len(),
            fixed_columns: key.fixed_commitments.len(),
            limb_bits: layout.params.limb_bits,
            limb_columns: layout.limb_columns,
            rows_per_slot: layout.params.rows_per_slot,
            lanes: layout.program.layers.iter().map(|l| l.lanes).collect(),
            lane_bits: layout.program.layers.iter().map(|l| l.lane_bits).collect(),
            weight_columns: layout.weight_columns,
            weight_bits: layout.program.weight_bits,
            registration_proofs: self.registration_proofs,
        }
    }

    /// Writes the folder, whole or not at all. An earlier artifact in its place is replaced.
    ///
    /// # Errors
    /// When something else than an artifact is in the place, or the disk refuses.
    pub fn save(&self, dir: &Path) -> io::Result<()> {
        let occupied = dir.exists() && fs::read_dir(dir)?.next().is_some();
        if occupied && !dir.join(MANIFEST).is_file() {
            let text = format!(
                "{} is not empty and holds no artifact; choose another folder",
                dir.display()
            );
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        let beside = sibling(dir, "partial");
        let written = self.write_into(&beside).and_then(|()| {
            if dir.exists() {
                let old = sibling(dir, "old");
                fs::rename(dir, &old)?;
                fs::rename(&beside, dir)?;
                fs::remove_dir_all(old)
            } else {
                fs::rename(&beside, dir)
            }
        });
        if written.is_err() {
            let _ = fs::remove_dir_all(&beside);
        }
        written
    }

    fn write_into(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let manifest = Manifest {
            format: FORMAT,
            clearproof: env!("CARGO_PKG_VERSION").into(),
            inputs: self.inputs,
            bundle_sha256: hex(&self.bundle_digest),
        };
        write_file(&dir.join(BUNDLE), false, |out| out.write_all(&self.bundle))?;
        write_file(&dir.join(BASES), false, |out| self.bases.write(out))?;
        write_file(&dir.join(TABLES), false, |out| self.bases.write_tables(out))?;
        write_file(&dir.join(PROVING_KEY), false, |out| self.pk.write(out))?;
        write_file(&dir.join(OPENING), true, |out| {
            write_opening(out, &self.model.weights, &self.commitment.tails)
        })?;
        write_file(&dir.join(MANIFEST), false, |out| {
            out.write_all(&serde_json::to_vec_pretty(&manifest)?)
        })
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// When a file is missing, of another version, or does not fit the others.
    pub fn load(dir: &Path) -> Result<Artifact, ArtifactError> {
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read(&path).map_err(|source| ArtifactError::Read {
                path: path.display().to_string(),
                source,
            })
        };
        let open = |name: &str| {
            let path = dir.join(name);
            let file = File::open(&path).map_err(|source| ArtifactError::Read {
                path: path.display().to_string(),
                source,
            })?;
            Ok(BufReader::with_capacity(1 << 16, file))
        };
        let damaged = |name: &str, reason: &dyn ToString| ArtifactError::Damaged {
            path: dir.join(name).display().to_string(),
            reason: reason.to_string(),
        };
        let value: serde_json::Value =
            serde_json::from_slice(&read(MANIFEST)?).map_err(|e| damaged(MANIFEST, &e))?;
        let found = value.get("format").and_then(|f| f.as_u64()).unwrap_or(0) as u32;
        if found != FORMAT {
            return Err(ArtifactError::Version {
                path: dir.display().to_string(),
                found,
            });
        }
        let manifest: Manifest =
            serde_json::from_value(value).map_err(|e| damaged(MANIFEST, &e))?;
        let bundle = Bundle::decode(&read(BUNDLE)?).map_err(|e| damaged(BUNDLE, &e))?;
        if hex(&bundle.digest()) != manifest.bundle_sha256 {
            return Err(damaged(BUNDLE, &"not the bundle that was compiled"));
        }
        let params = CircuitParams::from_bytes(&bundle.params).map_err(|e| damaged(BUNDLE, &e))?;
        let skeleton = Skeleton::from_bytes(&bundle.skeleton).map_err(|e| damaged(BUNDLE, &e))?;
        let shape = shape(Layout::new(&skeleton, &params).map_err(|e| damaged(BUNDLE, &e))?);
        let mut bases = Bases::read(&read(BASES)?).map_err(|e| damaged(BASES, &e))?;
        if bases.k != params.k || bases.scheme() != params.scheme {
            return Err(damaged(BASES, &"bases of another circuit"));
        }
        bases
            .read_tables(&mut open(TABLES)?)
            .map_err(|e| damaged(TABLES, &e))?;
        let key = VerifyingKey::decode(&bundle.key).map_err(|e| damaged(BUNDLE, &e))?;
        let pk = ProvingKey::read(key.clone(), &read(PROVING_KEY)?)
            .map_err(|e| damaged(PROVING_KEY, &e))?;
        let (weights, tails) =
            read_opening(&read(OPENING)?).ok_or_else(|| damaged(OPENING, &"not an opening"))?;
        let points = points_from_bytes(&bundle.model)
            .ok_or_else(|| damaged(BUNDLE, &"commitments are not points"))?;
        if tails.len() != points.len() {
            return Err(damaged(OPENING, &"the opening of another model"));
        }
        let model = IntegerModel { skeleton, weights };
        shape
            .layout
            .check_weights(&model)
            .map_err(|e| damaged(OPENING, &e))?;
        let packed = Arc::new(PackedWeights::new(&shape.layout, &model.weights));
        let commitment = ModelCommitment {
            points: points.iter().map(g1_from_ark).collect(),
            tails,
        };
        Ok(Artifact::assemble(
            model,
            manifest.inputs,
            shape,
            bases,
            pk,
            key,
            commitment,
            packed,
            &bundle,
        ))
    }
}

fn sibling(dir: &Path, kind: &str) -> PathBuf {
    let name = dir
        .file_name()
        .map_or_else(|| "artifact".into(), |n| n.to_string_lossy().into_owned());
    dir.with_file_name(format!(".{name}.{kind}-{}", std::process::id()))
}

fn write_file(
    path: &Path,
    secret: bool,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if secret { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = secret;
    let mut out = BufWriter::new(options.open(path)?);
    write(&mut out)?;
    out.into_inner().map_err(|e| e.into_error())?.sync_all()
}

/// Stands where the number of tails would, which is smaller.
const FORESTS: &[u8; 4] = b"\xff\xffTE";

fn write_opening(out: &mut impl Write, weights: &PrivateWeights, tails: &[Fr]) -> io::Result<()> {
    out.write_all(b"CPOPEN01")?;
    for list in [&weights.linear, &weights.diagonal] {
        out.write_all(&(list.len() as u32).to_le_bytes())?;
        for layer in list {
            out.write_all(&(layer.weights.len() as u32).to_le_bytes())?;
            out.write_all(&(layer.biases.len() as u32).to_le_bytes())?;
            for w in &layer.weights {
                out.write_all(&w.to_le_bytes())?;
            }
            for b in &layer.biases {
                out.write_all(&b.to_le_bytes())?;
            }
        }
    }
    // A model without trees has no such part, so its file stays as it was.
    if !weights.forests.is_empty() {
        out.write_all(FORESTS)?;
        out.write_all(&(weights.forests.len() as u32).to_le_bytes())?;
        for table in &weights.forests {
            let scores = table.first().map_or(0, |node| node.yes.len());
            out.write_all(&(table.len() as u32).to_le_bytes())?;
            out.write_all(&(scores as u32).to_le_bytes())?;
            for node in table {
                out.write_all(&node.feature.to_le_bytes())?;
                for v in [&node.threshold]
                    .into_iter()
                    .chain(&node.yes)
                    .chain(&node.no)
                {
                    out.write_all(&v.to_le_bytes())?;
                }
            }
        }
    }
    out.write_all(&(tails.len() as u32).to_le_bytes())?;
    for t in tails {
        out.write_all(t.to_repr().as_ref())?;
    }
    Ok(())
}

fn read_opening(bytes: &[u8]) -> Option<(PrivateWeights, Vec<Fr>)> {
    let mut rest = bytes.strip_prefix(b"CPOPEN01")?;
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at_checked(n)?;
        rest = tail;
        Some(head)
    };
    let mut weights = PrivateWeights::default();
    for list in [&mut weights.linear, &mut weights.diagonal] {
        let layers = u32::from_le_bytes(take(4)?.try_into().ok()?);
        for _ in 0..layers {
            let w = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
            let b = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
            list.push(LinearWeights {
                weights: take(w.checked_mul(4)?)?
                    .chunks(4)
                    .map(|c| i32::from_le_bytes(c.try_into().expect("four bytes")))
                    .collect(),
                biases: take(b.checked_mul(8)?)?
                    .chunks(8)
                    .map(|c| i64::from_le_bytes(c.try_into().expect("eight bytes")))
                    .collect(),
            });
        }
    }
    let mut next = take(4)?;
    if next == FORESTS {
        let tables = u32::from_le_bytes(take(4)?.try_into().ok()?);
        for _ in 0..tables {
            let nodes = u32::from_le_bytes(take(4)?.try_into().ok()?);
            let scores = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
            let mut table = vec![];
            for _ in 0..nodes {
                let feature = u32::from_le_bytes(take(4)?.try_into().ok()?);
                let mut list = |count: usize| -> Option<Vec<i64>> {
                    let bytes = take(count.checked_mul(8)?)?;
                    let word = |c: &[u8]| i64::from_le_bytes(c.try_into().expect("eight bytes"));
                    Some(bytes.chunks(8).map(word).collect())
                };
                table.push(ForestNode {
                    feature,
                    threshold: list(1)?[0],
                    yes: list(scores)?,
                    no: list(scores)?,
                });
            }
            weights.forests.push(table);
        }
        next = take(4)?;
    }
    let n = u32::from_le_bytes(next.try_into().ok()?) as usize;
    let tails = take(n.checked_mul(32)?)?
        .chunks(32)
        .map(|c| Option::<Fr>::from(Fr::from_repr(c.try_into().expect("32 bytes"))))
        .collect::<Option<Vec<_>>>()?;
    rest.is_empty().then_some((weights, tails))
}

impl Drop for ModelCommitment {
    fn drop(&mut self) {
        for t in &mut self.tails {
            *t = Fr::ZERO;
            std::hint::black_box(t);
        }
    }
}
