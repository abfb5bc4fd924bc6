//! halo2's commitment-scheme traits over [`Bases`], so that the unmodified prover commits with our
//! multi-scalar multiplication and opens with our multi-open provers.

use std::io;

use halo2_proofs::poly::commitment::{
    Blind, CommitmentScheme, Params, ParamsProver, ParamsVerifier,
};
use halo2_proofs::poly::kzg::msm::MSMKZG;
use halo2_proofs::poly::{Coeff, LagrangeCoeff, Polynomial};
use halo2curves::bn256::{Bn256, Fr, G1Affine, G1};

use super::bases::Bases;

/// The scheme marker.
#[derive(Debug)]
pub(crate) struct OwnScheme;

fn unsupported() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "bases are read and written by Bases itself",
    )
}

impl<'p> Params<'p, G1Affine> for Bases {
    type MSM = MSMKZG<Bn256>;

    fn k(&self) -> u32 {
        self.k
    }
    fn n(&self) -> u64 {
        1 << self.k
    }
    fn downsize(&mut self, _: u32) {
        unreachable!("bases are made for their k")
    }
    fn empty_msm(&'p self) -> Self::MSM {
        MSMKZG::new()
    }
    fn commit_lagrange(&self, poly: &Polynomial<Fr, LagrangeCoeff>, r: Blind<Fr>) -> G1 {
        Bases::commit_lagrange(self, poly, r.0)
    }
    fn write<W: io::Write>(&self, _: &mut W) -> io::Result<()> {
        Err(unsupported())
    }
    fn read<R: io::Read>(_: &mut R) -> io::Result<Self> {
        Err(unsupported())
    }
}

impl ParamsVerifier<'_, G1Affine> for Bases {}

impl<'p> ParamsProver<'p, G1Affine> for Bases {
    type ParamsVerifier = Bases;

    fn new(k: u32) -> Self {
        Bases::transparent(k)
    }
    fn commit(&self, poly: &Polynomial<Fr, Coeff>, r: Blind<Fr>) -> G1 {
        Bases::commit(self, poly, r.0)
    }
    fn get_g(&self) -> &[G1Affine] {
        &self.g
    }
    fn verifier_params(&'p self) -> &'p Self {
        self
    }
}

impl CommitmentScheme for OwnScheme {
    type Scalar = Fr;
    type Curve = G1Affine;
    type ParamsProver = Bases;
    type ParamsVerifier = Bases;

    fn new_params(k: u32) -> Bases {
        Bases::transparent(k)
    }
    fn read_params<R: io::Read>(_: &mut R) -> io::Result<Bases> {
        Err(unsupported())
    }
}
