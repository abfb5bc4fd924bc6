//! From an integer model to an artifact: plan, keys, commitment, registration, bundle.

use std::path::PathBuf;
use std::sync::Arc;

use clearproof_shared::artifact::bundle::{Bundle, Registration};
use clearproof_shared::artifact::policy::PolicyDescription;
use clearproof_shared::encoding::{g1_to_bytes, points_to_bytes};
use clearproof_shared::verify::srs::dev_tau;
use clearproof_shared::verify::statement::{Claimed, Statement};
use rand_core::{CryptoRng, RngCore};
use serde::Serialize;

use super::artifact::Artifact;
use super::bases::{read_srs, read_srs_file, Bases};
use super::commit::ModelCommitment;
use super::export::{g1_to_ark, scalar_from_ark};
use super::keys::{
    empty_model, portable_model_key, portable_registration_key, registration_circuits, shape,
    verifying_key, ProvingKey,
};
use super::proof::{prove_linked, Combines};
use super::{Progress, ProveError};
use crate::circuit::layout::Layout;
use crate::circuit::params::{CircuitParams, Scheme};
use crate::circuit::registration::{RegistrationCircuit, RegistrationWitness};
use crate::circuit::witness::PackedWeights;
use crate::plan::plan;
use crate::quantize::skeleton::{IntegerModel, Reveal, Skeleton};

/// Where the reference string comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SrsSource {
    /// IPA: generators hashed to the curve.
    Transparent,
    /// KZG: a `.ptau` file or halo2's raw parameters.
    File(PathBuf),
    /// KZG: the published tau. Everything made with it is recognised and refused by default.
    InsecureDevelopment,
}

/// How inputs appear in evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputVisibility {
    /// As hiding commitments.
    Committed,
    /// In the clear.
    Public,
}

/// Choices of `compile`.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Commitment scheme.
    pub scheme: Scheme,
    /// Reference string.
    pub srs: SrsSource,
    /// Rows proven at once.
    pub batch: u32,
    /// Whether evidence shows the inputs.
    pub inputs: InputVisibility,
    /// Name shown to people.
    pub model_name: String,
    /// What the bundle says of the policy that the model's circuit applies.
    pub policy: Option<PolicyDescription>,
}

/// What a circuit looks like, for people and reports.
#[derive(Clone, Debug, Serialize)]
pub struct CircuitDescription {
    /// log2 of the rows.
    pub k: u32,
    /// Rows in use.
    pub rows_used: usize,
    /// Rows proven at once.
    pub batch: u32,
    /// Committed integers of one row.
    pub slots: usize,
    /// Advice columns.
    pub advice_columns: usize,
    /// Fixed columns.
    pub fixed_columns: usize,
    /// Bits of one limb.
    pub limb_bits: u32,
    /// Limb columns.
    pub limb_columns: usize,
    /// Rows of one slot.
    pub rows_per_slot: u32,
    /// Lanes of each layer.
    pub lanes: Vec<usize>,
    /// Width of a lane of each layer, bits.
    pub lane_bits: Vec<u32>,
    /// Committed weight columns.
    pub weight_columns: usize,
    /// Proven bound of a weight: below 2^this.
    pub weight_bits: u32,
    /// Registration proofs.
    pub registration_proofs: usize,
}

/// Compiles a model.
///
/// # Errors
/// When no circuit holds the model, or the reference string does not fit.
pub fn compile(
    model: &IntegerModel,
    options: &CompileOptions,
    rng: &mut (impl RngCore + CryptoRng),
    progress: &dyn Progress,
) -> Result<Artifact, ProveError> {
    progress.step("plan", 0, 1);
    let (params, _) = plan(&model.skeleton, options.scheme, options.batch)?;
    let layout = Layout::new(&model.skeleton, &params)?;
    layout.check_weights(model)?;
    let bases = bases_for(&options.srs, options.scheme, params.k)?.with_tables();
    // 1. The model circuit's keys.
    progress.step("keys", 0, 1);
    let shape = shape(layout);
    let vk = verifying_key(&bases, &empty_model(&shape))?;
    let key = portable_model_key(&bases, &shape, &vk)?;
    let pk = ProvingKey::new(key.clone(), &shape.plan.columns);
    // 2. The commitment.
    progress.step("commitment", 0, 1);
    let weights = Arc::new(PackedWeights::new(&shape.layout, &model.weights));
    let commitment = ModelCommitment::new(&bases, &weights, rng);
    // 3. Registration.
    let registration = register(
        &bases,
        &shape.layout,
        model,
        &weights,
        &commitment,
        rng,
        progress,
    )?;
    // 4. The bundle.
    let bundle = Bundle {
        name: options.model_name.clone(),
        released_names: released_names(&model.skeleton),
        key: key.encode(),
        model: points_to_bytes(&commitment.points.iter().map(g1_to_ark).collect::<Vec<_>>()),
        skeleton: model.skeleton.to_bytes(),
        params: params.to_bytes(),
        registration,
        generators: (options.scheme == Scheme::Ipa).then(|| {
            bases
                .g
                .iter()
                .flat_map(|p| g1_to_bytes(&g1_to_ark(p)))
                .collect()
        }),
        policy: options.policy.clone(),
    };
    Ok(Artifact::assemble(
        model.clone(),
        options.inputs,
        shape,
        bases,
        pk,
        key,
        commitment,
        weights,
        &bundle,
    ))
}

/// Proves that the committed columns hold packed integers in range.
fn register(
    bases: &Bases,
    layout: &Layout,
    model: &IntegerModel,
    weights: &PackedWeights,
    commitment: &ModelCommitment,
    rng: &mut (impl RngCore + CryptoRng),
    progress: &dyn Progress,
) -> Result<Vec<Registration>, ProveError> {
    let cells = layout.weight_cells(&model.weights);
    let circuits = registration_circuits(layout);
    let total = circuits.len() as u64;
    let mut proofs = vec![];
    for (i, empty) in circuits.into_iter().enumerate() {
        progress.step("registration", i as u64, total);
        let shape = empty.shape.clone().expect("made with its shape");
        let range = shape.first..shape.first + shape.count;
        let vk = verifying_key(bases, &empty)?;
        let key = portable_registration_key(bases, &shape, &vk)?;
        let witness = RegistrationWitness::new(
            &shape,
            &cells[range.clone()],
            &weights.columns[range.clone()],
            rng,
        );
        let points: Vec<_> = commitment.points[range.clone()]
            .iter()
            .map(g1_to_ark)
            .collect();
        let statement = Statement {
            claimed: Claimed::Registration,
            model: &points,
            inputs: &[],
            leaves: &[],
            origin: "",
            released: &[],
        };
        let digest = statement.digest(key.scheme(), &key.circuit_id());
        let circuit = RegistrationCircuit {
            witness: Some(Arc::new(witness)),
            ..empty
        };
        let outside = Combines {
            points: &commitment.points[range.clone()],
            tails: &commitment.tails[range],
        };
        let pk = ProvingKey::new(key.clone(), &shape.fixed);
        let proof = prove_linked(bases, &pk, &circuit, None, &digest, &[outside], rng)?;
        proofs.push(Registration {
            key: key.encode(),
            first: shape.first as u32,
            count: shape.count as u32,
            proof,
        });
    }
    progress.step("registration", total, total);
    Ok(proofs)
}

fn bases_for(source: &SrsSource, scheme: Scheme, k: u32) -> Result<Bases, ProveError> {
    match (scheme, source) {
        (Scheme::Ipa, SrsSource::Transparent) => Ok(Bases::transparent(k)),
        (Scheme::Kzg, SrsSource::InsecureDevelopment) => {
            Ok(Bases::of_known_tau(k, scalar_from_ark(&dev_tau())))
        }
        (Scheme::Kzg, SrsSource::File(path)) => {
            let bytes = read_srs_file(path).map_err(|source| ProveError::Read {
                path: path.display().to_string(),
                source,
            })?;
            let bases = read_srs(&bytes, k)?;
            if bases.scheme() != Scheme::Kzg {
                return Err(super::SrsError::Format.into());
            }
            Ok(bases)
        }
        (Scheme::Kzg, SrsSource::Transparent) => Err(ProveError::Scheme(
            "kzg needs a reference string: give --srs FILE, or --insecure-dev-srs for development",
        )),
        (Scheme::Ipa, _) => Err(ProveError::Scheme(
            "ipa takes no reference string: leave --srs and --insecure-dev-srs out",
        )),
    }
}

/// Names of the released values of one row.
fn released_names(skeleton: &Skeleton) -> Vec<String> {
    if skeleton.reveal == Reveal::Decision {
        return vec!["decision".into()];
    }
    let mut names = vec![];
    for output in &skeleton.outputs {
        for i in 0..output.scalars.len() {
            names.push(if output.scalars.len() == 1 {
                output.name.clone()
            } else {
                format!("{}[{i}]", output.name)
            });
        }
    }
    names.truncate(skeleton.released.len());
    names
}

/// Keys rebuilt from public parts alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuiltKeys {
    /// SHA-256 of the model circuit's key.
    pub circuit_id: [u8; 32],
    /// SHA-256 of each registration circuit's key.
    pub registration_ids: Vec<[u8; 32]>,
}

/// Rebuilds the keys from the canonical skeleton and parameters of a bundle.
///
/// # Errors
/// When the bytes are not canonical, or the reference string does not fit.
pub fn rebuild(
    skeleton: &[u8],
    params: &[u8],
    srs: &SrsSource,
    progress: &dyn Progress,
) -> Result<RebuiltKeys, ProveError> {
    let params = CircuitParams::from_bytes(params)?;
    let skeleton =
        Skeleton::from_bytes(skeleton).map_err(|e| crate::circuit::CircuitError::Params {
            reason: format!("the skeleton is not acceptable: {e}"),
        })?;
    let layout = Layout::new(&skeleton, &params)?;
    let bases = bases_for(srs, params.scheme, params.k)?;
    progress.step("keys", 0, 1);
    let shape = shape(layout);
    let vk = verifying_key(&bases, &empty_model(&shape))?;
    let circuit_id = portable_model_key(&bases, &shape, &vk)?.circuit_id();
    let circuits = registration_circuits(&shape.layout);
    let total = circuits.len() as u64;
    let mut registration_ids = vec![];
    for (i, circuit) in circuits.into_iter().enumerate() {
        progress.step("registration keys", i as u64, total);
        let vk = verifying_key(&bases, &circuit)?;
        let shape = circuit.shape.expect("made with its shape");
        registration_ids.push(portable_registration_key(&bases, &shape, &vk)?.circuit_id());
    }
    progress.step("registration keys", total, total);
    Ok(RebuiltKeys {
        circuit_id,
        registration_ids,
    })
}
