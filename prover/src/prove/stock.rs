//! The reference: halo2's own `verify_proof` on a proof of a bundle, for `verify --reference` and tests.
//!
//! It knows nothing of links, registration or trust, and it is lax about encodings: the verdict is ours, and
//! the reference must agree on every canonical proof.

use std::sync::Arc;

use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::key::{Srs, VerifyingKey};
use clearproof_shared::encoding::g1_from_bytes;
use clearproof_shared::verify::{instance_cells, Statement};
use group::prime::PrimeCurveAffine;
use group::GroupEncoding;
use halo2_proofs::plonk::{self, verify_proof};
use halo2_proofs::poly::commitment::Params;
use halo2_proofs::poly::ipa::commitment::{IPACommitmentScheme, ParamsIPA};
use halo2_proofs::poly::ipa::multiopen::VerifierIPA;
use halo2_proofs::poly::ipa::strategy::SingleStrategy as IpaStrategy;
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy as KzgStrategy;
use halo2_proofs::poly::VerificationStrategy;
use halo2_proofs::transcript::{Blake2bRead, Challenge255, Transcript, TranscriptReadBuffer};
use halo2_proofs::SerdeFormat;
use halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::bases::{Bases, Extra};
use super::export::{g1_from_ark, scalar_from_ark, scalar_to_ark};
use super::keys::shape;
use super::proof::digest_scalars;
use crate::circuit::layout::Layout;
use crate::circuit::model::ModelCircuit;
use crate::circuit::params::CircuitParams;
use crate::quantize::skeleton::Skeleton;

/// Why the reference cannot be run, or what it says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The bundle does not describe a circuit of ours.
    #[error("the bundle's circuit cannot be rebuilt: {0}")]
    Bundle(String),
    /// The bundle's key is not the key of its skeleton and parameters.
    #[error("the bundle's key is not that of its skeleton and parameters")]
    Key,
    /// The stock verifier refused.
    #[error("the stock verifier refused the proof")]
    Refused,
}

/// Runs halo2's verifier over the Halo2 part of a proof of a statement.
///
/// # Errors
/// When the bundle is not a circuit of ours, or the verifier refuses.
pub fn verify_reference(
    bundle: &Bundle,
    statement: &Statement<'_>,
    proof: &[u8],
) -> Result<(), ReferenceError> {
    let bad = |e: &dyn ToString| ReferenceError::Bundle(e.to_string());
    let params = CircuitParams::from_bytes(&bundle.params).map_err(|e| bad(&e))?;
    let skeleton = Skeleton::from_bytes(&bundle.skeleton).map_err(|e| bad(&e))?;
    let key = VerifyingKey::decode(&bundle.key).map_err(|e| bad(&e))?;
    let shape = shape(Layout::new(&skeleton, &params).map_err(|e| bad(&e))?);
    // 1. halo2's key, from the commitments in ours.
    let mut bytes = vec![2u8];
    bytes.extend(key.k.to_le_bytes());
    bytes.push(0);
    bytes.extend((key.fixed_commitments.len() as u32).to_le_bytes());
    for c in &key.fixed_commitments {
        bytes.extend_from_slice(g1_from_ark(c).to_bytes().as_ref());
    }
    let vk = plonk::VerifyingKey::<G1Affine>::read::<_, ModelCircuit>(
        &mut &bytes[..],
        SerdeFormat::Processed,
        Some(Arc::clone(&shape)),
    )
    .map_err(|e| bad(&e))?;
    if scalar_to_ark(&vk.transcript_repr()) != key.transcript_repr {
        return Err(ReferenceError::Key);
    }
    // 2. Instance and transcript.
    let mut instance = vec![Fr::from(0); key.instance_lengths.first().map_or(0, |n| *n as usize)];
    let cells = instance_cells(&key, statement).map_err(|e| bad(&e))?;
    for (row, value) in cells {
        instance[row as usize] = scalar_from_ark(&value);
    }
    let digest = statement.digest(key.scheme(), &key.circuit_id());
    let mut transcript = Blake2bRead::<_, G1Affine, Challenge255<G1Affine>>::init(proof);
    for scalar in digest_scalars(&digest) {
        transcript.common_scalar(scalar).map_err(|e| bad(&e))?;
    }
    let instances: &[&[&[Fr]]] = &[&[&instance]];
    // 3. The verifier.
    let n = 1usize << key.k;
    match &key.srs {
        Srs::Kzg { g1, g2, tau_g2, .. } => {
            // It multiplies [1]_1 alone; the other powers only have to be there.
            let mut g = vec![G1Affine::identity(); n];
            g[0] = g1_from_ark(g1);
            let lagrange = vec![G1Affine::identity(); n];
            let params = kzg_params(key.k, g, lagrange, g2_from_ark(g2), g2_from_ark(tau_g2));
            verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
                &params,
                &vk,
                KzgStrategy::new(&params),
                instances,
                &mut transcript,
            )
            .map_err(|_| ReferenceError::Refused)
        }
        Srs::Ipa { w, u } => {
            let generators = bundle.generators.as_deref().unwrap_or_default();
            let (chunks, _) = generators.as_chunks::<64>();
            let g: Vec<G1Affine> = chunks
                .iter()
                .map(|c| g1_from_bytes(c).map(|p| g1_from_ark(&p)))
                .collect::<Option<_>>()
                .filter(|g: &Vec<_>| g.len() == n)
                .ok_or_else(|| bad(&"it carries no generators"))?;
            let bases = Bases::from_generators(key.k, g, g1_from_ark(w), g1_from_ark(u));
            let params = ipa_params(&bases);
            verify_proof::<IPACommitmentScheme<G1Affine>, VerifierIPA<'_, G1Affine>, _, _, _>(
                &params,
                &vk,
                IpaStrategy::new(&params),
                instances,
                &mut transcript,
            )
            .map_err(|_| ReferenceError::Refused)
        }
    }
}

/// halo2's KZG parameters of given points. The crate makes them from other parameters only; which ones does not
/// matter, every field is replaced.
fn kzg_params(
    k: u32,
    g: Vec<G1Affine>,
    g_lagrange: Vec<G1Affine>,
    g2: G2Affine,
    tau_g2: G2Affine,
) -> ParamsKZG<Bn256> {
    let any = ParamsKZG::<Bn256>::setup(1, ChaCha20Rng::from_seed([0; 32]));
    any.from_parts(k, g, Some(g_lagrange), g2, tau_g2)
}

/// halo2's IPA parameters over the same generators.
fn ipa_params(bases: &Bases) -> ParamsIPA<G1Affine> {
    let Extra::Ipa { w, u } = &bases.extra else {
        unreachable!("asked of IPA bases only")
    };
    let mut bytes = bases.k.to_le_bytes().to_vec();
    for p in bases.g.iter().chain(&bases.g_lagrange).chain([w, u]) {
        bytes.extend_from_slice(p.to_bytes().as_ref());
    }
    ParamsIPA::read(&mut &bytes[..]).expect("points written a moment ago")
}

fn g2_from_ark(point: &ark_bn254::G2Affine) -> G2Affine {
    use ark_ec::AffineRepr;
    use ark_ff::PrimeField as _;
    use ff::PrimeField;
    use halo2curves::bn256::{Fq, Fq2};
    if point.is_zero() {
        return G2Affine::identity();
    }
    let fq = |x: &ark_bn254::Fq| {
        let mut repr = [0u8; 32];
        for (bytes, limb) in repr.chunks_mut(8).zip(x.into_bigint().0) {
            bytes.copy_from_slice(&limb.to_le_bytes());
        }
        Option::<Fq>::from(Fq::from_repr(repr)).expect("a reduced integer")
    };
    let fq2 = |x: &ark_bn254::Fq2| Fq2::new(fq(&x.c0), fq(&x.c1));
    G2Affine {
        x: fq2(&point.x),
        y: fq2(&point.y),
    }
}
