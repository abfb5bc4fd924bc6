//! halo2's parameter trait over [`Bases`], so that key generation commits with our multi-scalar multiplication.

use std::io;

use halo2_proofs::poly::commitment::{Blind, Params};
use halo2_proofs::poly::kzg::msm::MSMKZG;
use halo2_proofs::poly::{LagrangeCoeff, Polynomial};
use halo2curves::bn256::{Bn256, Fr, G1Affine, G1};

use super::bases::Bases;

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
