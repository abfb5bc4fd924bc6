//! halo2's multi-open provers behind [`OwnScheme`].
//!
//! Commitments during the proof use our multi-scalar multiplication; the openings (two commitments for
//! SHPLONK, the folding rounds for IPA) are the crate's own, over its own parameter types: its queries cannot be
//! read from outside.

use std::io;

use group::GroupEncoding;
use halo2_proofs::poly::commitment::{Params, Prover};
use halo2_proofs::poly::ipa::commitment::{IPACommitmentScheme, ParamsIPA};
use halo2_proofs::poly::ipa::multiopen::ProverIPA;
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::poly::ProverQuery;
use halo2_proofs::transcript::{EncodedChallenge, TranscriptWrite};
use halo2curves::bn256::{Bn256, G1Affine, G2Affine};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::bases::{Bases, Extra};
use super::scheme::OwnScheme;

impl Bases {
    /// halo2's KZG parameters over the same points.
    pub(crate) fn stock_kzg(&self) -> ParamsKZG<Bn256> {
        let Extra::Kzg { g2, tau_g2, .. } = &self.extra else {
            unreachable!("asked of KZG bases only")
        };
        kzg_params(
            self.k,
            self.g.clone(),
            self.g_lagrange.clone(),
            *g2,
            *tau_g2,
        )
    }

    /// halo2's IPA parameters over the same generators. With `lagrange` unset its Lagrange bases are left out:
    /// opening does not need them, and decompressing them takes as long as the generators.
    pub(crate) fn stock_ipa(&self, lagrange: bool) -> ParamsIPA<G1Affine> {
        let Extra::Ipa { w, u } = &self.extra else {
            unreachable!("asked of IPA bases only")
        };
        let mut bytes = self.k.to_le_bytes().to_vec();
        let mut put = |p: &G1Affine| bytes.extend_from_slice(p.to_bytes().as_ref());
        self.g.iter().for_each(&mut put);
        let identity = G1Affine::default();
        self.g_lagrange
            .iter()
            .for_each(|p| put(if lagrange { p } else { &identity }));
        put(w);
        put(u);
        ParamsIPA::read(&mut &bytes[..]).expect("points written a moment ago")
    }
}

/// halo2's KZG parameters of given points. The crate makes them from other parameters only; which ones does not
/// matter, every field is replaced.
pub(crate) fn kzg_params(
    k: u32,
    g: Vec<G1Affine>,
    g_lagrange: Vec<G1Affine>,
    g2: G2Affine,
    tau_g2: G2Affine,
) -> ParamsKZG<Bn256> {
    let any = ParamsKZG::<Bn256>::setup(1, ChaCha20Rng::from_seed([0; 32]));
    any.from_parts(k, g, Some(g_lagrange), g2, tau_g2)
}

/// SHPLONK.
#[derive(Debug)]
pub(crate) struct OwnShplonk<'p>(&'p Bases);

impl<'p> Prover<'p, OwnScheme> for OwnShplonk<'p> {
    const QUERY_INSTANCE: bool = false;

    fn new(params: &'p Bases) -> Self {
        OwnShplonk(params)
    }

    fn create_proof<'com, E, T, R, I>(
        &self,
        rng: R,
        transcript: &mut T,
        queries: I,
    ) -> io::Result<()>
    where
        E: EncodedChallenge<G1Affine>,
        T: TranscriptWrite<G1Affine, E>,
        I: IntoIterator<Item = ProverQuery<'com, G1Affine>> + Clone,
        R: RngCore,
    {
        let params = self.0.stock_kzg();
        let prover = ProverSHPLONK::new(&params);
        <ProverSHPLONK<'_, Bn256> as Prover<'_, KZGCommitmentScheme<Bn256>>>::create_proof(
            &prover, rng, transcript, queries,
        )
    }
}

/// Inner product argument.
#[derive(Debug)]
pub(crate) struct OwnIpa<'p>(&'p Bases);

impl<'p> Prover<'p, OwnScheme> for OwnIpa<'p> {
    const QUERY_INSTANCE: bool = true;

    fn new(params: &'p Bases) -> Self {
        OwnIpa(params)
    }

    fn create_proof<'com, E, T, R, I>(
        &self,
        rng: R,
        transcript: &mut T,
        queries: I,
    ) -> io::Result<()>
    where
        E: EncodedChallenge<G1Affine>,
        T: TranscriptWrite<G1Affine, E>,
        I: IntoIterator<Item = ProverQuery<'com, G1Affine>> + Clone,
        R: RngCore,
    {
        let params = self.0.stock_ipa(false);
        let prover =
            <ProverIPA<'_, G1Affine> as Prover<'_, IPACommitmentScheme<G1Affine>>>::new(&params);
        <ProverIPA<'_, G1Affine> as Prover<'_, IPACommitmentScheme<G1Affine>>>::create_proof(
            &prover, rng, transcript, queries,
        )
    }
}
