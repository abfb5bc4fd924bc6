//! Commitment bases: powers (`g`), Lagrange (`g_lagrange`), and what each scheme adds.
//!
//! One type serves both schemes. IPA generators are those of halo2's `ParamsIPA::new`, hashed to the curve;
//! KZG bases come from a powers-of-tau file or from the published development tau.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use ff::Field;
use group::prime::PrimeCurveAffine;
use group::Curve;
use halo2curves::bn256::{Fr, G1Affine, G2Affine, G1};
use halo2curves::serde::SerdeObject;
use halo2curves::CurveExt;
use rayon::prelude::*;

use super::fixed_base::{on_curve, read_coordinates, Table};
use super::group_fourier::lagrange;
use super::grouped::grouped_msm;
use super::msm::msm;
use crate::circuit::params::Scheme;

/// What a scheme has beside the two bases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    /// Blinding generator W and inner-product generator U.
    Ipa { w: G1Affine, u: G1Affine },
    /// `[tau^n]_1`, `[1]_2` and `[tau]_2`.
    Kzg {
        tau_n: G1Affine,
        g2: G2Affine,
        tau_g2: G2Affine,
    },
}

/// Commitment bases of size 2^k.
#[derive(Clone)]
pub(crate) struct Bases {
    pub(crate) k: u32,
    pub(crate) g: Vec<G1Affine>,
    pub(crate) g_lagrange: Vec<G1Affine>,
    pub(crate) extra: Extra,
    /// Multiples of both bases, while they are small enough to keep.
    tables: Option<Arc<Tables>>,
}

/// Multiples of `g` and of `g_lagrange`.
struct Tables {
    g: Table,
    g_lagrange: Table,
}

/// Beyond this k the tables would take more memory than the proof; here they take 71 MB.
const MAX_TABLE_K: u32 = 15;

impl fmt::Debug for Bases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bases(k = {}, {:?})", self.k, self.scheme())
    }
}

impl Bases {
    /// Transparent generators.
    pub(crate) fn transparent(k: u32) -> Bases {
        let hasher = || G1::hash_to_curve("Halo2-Parameters");
        let points: Vec<G1> = (0..1u32 << k)
            .into_par_iter()
            .map_init(hasher, |hash, i| {
                let [a, b, c, d] = i.to_le_bytes();
                hash(&[0, a, b, c, d])
            })
            .collect();
        let mut g = vec![G1Affine::default(); points.len()];
        G1::batch_normalize(&points, &mut g);
        let (w, u) = (hasher()(&[1]).to_affine(), hasher()(&[2]).to_affine());
        Bases::from_generators(k, g, w, u)
    }

    /// IPA bases of given generators.
    pub(crate) fn from_generators(k: u32, g: Vec<G1Affine>, w: G1Affine, u: G1Affine) -> Bases {
        let g_lagrange = lagrange(&g);
        Bases {
            k,
            g,
            g_lagrange,
            extra: Extra::Ipa { w, u },
            tables: None,
        }
    }

    /// KZG bases from powers `[tau^0 ..= tau^n]_1` and `[1, tau]_2`.
    pub(crate) fn from_powers(
        k: u32,
        powers: &[G1Affine],
        g2: G2Affine,
        tau_g2: G2Affine,
    ) -> Bases {
        let n = 1 << k;
        assert_eq!(powers.len(), n + 1, "n + 1 powers");
        let g = powers[..n].to_vec();
        let g_lagrange = lagrange(&g);
        Bases {
            k,
            g,
            g_lagrange,
            extra: Extra::Kzg {
                tau_n: powers[n],
                g2,
                tau_g2,
            },
            tables: None,
        }
    }

    /// KZG bases of a known tau: for development, and recognised as such by every verifier.
    pub(crate) fn of_known_tau(k: u32, tau: Fr) -> Bases {
        let n = 1usize << k;
        let g1 = G1Affine::generator();
        let mut power = Fr::ONE;
        let scalars: Vec<Fr> = (0..=n)
            .map(|_| {
                let p = power;
                power *= tau;
                p
            })
            .collect();
        let powers = multiples(g1, &scalars);
        // L_i(tau) = w^i (tau^n - 1) / (n (tau - w^i))
        let omega = root_of_unity(k);
        let front = (scalars[n] - Fr::ONE) * Fr::from(n as u64).invert().expect("n is not zero");
        let mut wi = Fr::ONE;
        let lagrange: Vec<Fr> = (0..n)
            .map(|_| {
                let l = front * wi * (tau - wi).invert().expect("tau is no root of unity");
                wi *= omega;
                l
            })
            .collect();
        let g2 = G2Affine::generator();
        Bases {
            k,
            g: powers[..n].to_vec(),
            g_lagrange: multiples(g1, &lagrange),
            extra: Extra::Kzg {
                tau_n: powers[n],
                g2,
                tau_g2: (g2 * tau).to_affine(),
            },
            tables: None,
        }
    }

    /// The scheme these bases serve.
    pub(crate) fn scheme(&self) -> Scheme {
        match self.extra {
            Extra::Ipa { .. } => Scheme::Ipa,
            Extra::Kzg { .. } => Scheme::Kzg,
        }
    }

    /// The blinding generator, with IPA.
    pub(crate) fn w(&self) -> Option<G1Affine> {
        match self.extra {
            Extra::Ipa { w, .. } => Some(w),
            Extra::Kzg { .. } => None,
        }
    }

    /// Commits to coefficients.
    pub(crate) fn commit(&self, coefficients: &[Fr], blind: Fr) -> G1 {
        let sum = match &self.tables {
            Some(tables) => tables.g.msm(coefficients),
            None => msm(coefficients, &self.g[..coefficients.len()]),
        };
        self.blinded(sum, blind)
    }

    /// Commits to evaluations over the domain.
    pub(crate) fn commit_lagrange(&self, values: &[Fr], blind: Fr) -> G1 {
        let bases = &self.g_lagrange[..values.len()];
        let sum = grouped_msm(values, bases).unwrap_or_else(|| match &self.tables {
            Some(tables) => tables.g_lagrange.msm(values),
            None => msm(values, bases),
        });
        self.blinded(sum, blind)
    }

    /// The same bases with the tables that make commitments fast, if k is not too large for them.
    pub(crate) fn with_tables(mut self) -> Bases {
        if self.k <= MAX_TABLE_K && self.tables.is_none() {
            let (g, g_lagrange) =
                rayon::join(|| Table::new(&self.g), || Table::new(&self.g_lagrange));
            self.tables = Some(Arc::new(Tables { g, g_lagrange }));
        }
        self
    }

    /// Writes the tables; nothing where there are none.
    pub(crate) fn write_tables(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(tables) = &self.tables else {
            return Ok(());
        };
        tables.g.write(out)?;
        tables.g_lagrange.write(out)
    }

    /// Takes the tables that [`Bases::write_tables`] wrote.
    ///
    /// # Errors
    /// When the input is not the tables of these bases.
    pub(crate) fn read_tables(&mut self, input: &mut impl Read) -> io::Result<()> {
        if self.k <= MAX_TABLE_K {
            let g = Table::read(input, &self.g)?;
            let g_lagrange = Table::read(input, &self.g_lagrange)?;
            self.tables = Some(Arc::new(Tables { g, g_lagrange }));
        }
        match input.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes follow the tables",
            )),
        }
    }

    pub(super) fn blinded(&self, sum: G1, blind: Fr) -> G1 {
        match self.w() {
            Some(w) if blind != Fr::ZERO => sum + w * blind,
            _ => sum,
        }
    }

    /// Writes the bases uncompressed.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"CPBASES1")?;
        out.write_all(&[self.k as u8, matches!(self.extra, Extra::Kzg { .. }) as u8])?;
        for p in self.g.iter().chain(&self.g_lagrange) {
            p.write_raw(out)?;
        }
        match &self.extra {
            Extra::Ipa { w, u } => {
                w.write_raw(out)?;
                u.write_raw(out)
            }
            Extra::Kzg { tau_n, g2, tau_g2 } => {
                tau_n.write_raw(out)?;
                g2.write_raw(out)?;
                tau_g2.write_raw(out)
            }
        }
    }

    /// Reads what [`Bases::write`] wrote, each point checked to lie on the curve.
    ///
    /// # Errors
    /// When the bytes are short or hold something else.
    pub(crate) fn read(input: &[u8]) -> io::Result<Bases> {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "not a file of commitment bases");
        let (head, body) = input.split_at_checked(10).ok_or_else(bad)?;
        if &head[..8] != b"CPBASES1" || !(1..=24).contains(&head[8]) || head[9] > 1 {
            return Err(bad());
        }
        let k = u32::from(head[8]);
        let n = 1usize << k;
        let points = body.split_at_checked(2 * n * 64).ok_or_else(bad)?;
        let mut g: Vec<G1Affine> = points
            .0
            .par_chunks(64)
            .map(read_g1)
            .collect::<io::Result<_>>()?;
        let g_lagrange = g.split_off(n);
        let mut rest = points.1;
        let extra = if head[9] == 0 {
            if rest.len() != 128 {
                return Err(bad());
            }
            Extra::Ipa {
                w: read_g1(&rest[..64])?,
                u: read_g1(&rest[64..])?,
            }
        } else {
            if rest.len() != 64 + 256 {
                return Err(bad());
            }
            let tau_n = read_g1(&rest[..64])?;
            rest = &rest[64..];
            let mut g2 = [G2Affine::default(); 2];
            for (p, bytes) in g2.iter_mut().zip(rest.chunks(128)) {
                *p = G2Affine::read_raw(&mut &bytes[..])?;
            }
            Extra::Kzg {
                tau_n,
                g2: g2[0],
                tau_g2: g2[1],
            }
        };
        Ok(Bases {
            k,
            g,
            g_lagrange,
            extra,
            tables: None,
        })
    }
}

/// A point of the curve; the curve crate's own reader of raw bytes does not check that it is one.
fn read_g1(bytes: &[u8]) -> io::Result<G1Affine> {
    let point = read_coordinates(bytes)?;
    match on_curve(&point) {
        true => Ok(point),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a point of the curve",
        )),
    }
}

/// The 2^k-th root of unity that halo2's domains use.
pub(crate) fn root_of_unity(k: u32) -> Fr {
    use ff::PrimeField;
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |w, _| w.square())
}

/// Many multiples of one point: 8-bit windows, tables built once.
pub(crate) fn multiples(point: G1Affine, scalars: &[Fr]) -> Vec<G1Affine> {
    use ff::PrimeField;
    let mut tables: Vec<Vec<G1Affine>> = Vec::with_capacity(32);
    let mut base = point.to_curve();
    for _ in 0..32 {
        let mut row = Vec::with_capacity(255);
        let mut p = base;
        for _ in 0..255 {
            row.push(p);
            p += base;
        }
        base = p;
        let mut affine = vec![G1Affine::default(); 255];
        G1::batch_normalize(&row, &mut affine);
        tables.push(affine);
    }
    let sums: Vec<G1> = scalars
        .par_iter()
        .map(|s| {
            let repr = s.to_repr();
            let bytes: &[u8] = repr.as_ref();
            bytes
                .iter()
                .zip(&tables)
                .filter(|(b, _)| **b != 0)
                .fold(G1::default(), |sum, (b, t)| sum + t[*b as usize - 1])
        })
        .collect();
    let mut affine = vec![G1Affine::default(); sums.len()];
    G1::batch_normalize(&sums, &mut affine);
    affine
}

/// Reads a KZG reference string from a file: a snarkjs `.ptau`, halo2's raw `ParamsKZG`, or our own.
///
/// # Errors
/// When the file is none of these, too small for k, or its points are not powers of one tau.
pub(crate) fn read_srs(bytes: &[u8], k: u32) -> Result<Bases, SrsError> {
    if bytes.starts_with(b"ptau") {
        return read_ptau(bytes, k);
    }
    if bytes.starts_with(b"CPBASES1") {
        let bases = Bases::read(bytes).map_err(|_| SrsError::Format)?;
        if bases.k != k {
            return Err(SrsError::TooSmall { k, has: bases.k });
        }
        return Ok(bases);
    }
    read_halo2(bytes, k)
}

/// Why a reference string is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SrsError {
    /// Not a known format.
    #[error("the SRS file is neither a snarkjs .ptau of BN254 nor halo2's raw KZG parameters")]
    Format,
    /// Too few powers.
    #[error("the SRS file reaches k = {has}, this circuit needs k = {k}; take a larger file")]
    TooSmall {
        /// k needed.
        k: u32,
        /// k there is.
        has: u32,
    },
    /// The points do not belong together.
    #[error("the points of the SRS file are not powers of one tau; the file is damaged or forged")]
    Inconsistent,
}

/// snarkjs' binary format: sections 1 (header), 2 (tau G1, Montgomery form), 3 (tau G2).
fn read_ptau(bytes: &[u8], k: u32) -> Result<Bases, SrsError> {
    let u32_at = |at: usize| {
        bytes
            .get(at..at + 4)
            .map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")))
    };
    let u64_at = |at: usize| {
        bytes
            .get(at..at + 8)
            .map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes")))
    };
    let sections = u32_at(8).ok_or(SrsError::Format)?;
    let mut at = 12usize;
    let (mut header, mut g1, mut g2) = (None, None, None);
    for _ in 0..sections.min(32) {
        let (id, size) = (
            u32_at(at).ok_or(SrsError::Format)?,
            u64_at(at + 4).ok_or(SrsError::Format)?,
        );
        let size = usize::try_from(size).map_err(|_| SrsError::Format)?;
        let end = (at + 12).checked_add(size).ok_or(SrsError::Format)?;
        let body = bytes.get(at + 12..end).ok_or(SrsError::Format)?;
        match id {
            1 => header = Some(body),
            2 => g1 = Some(body),
            3 => g2 = Some(body),
            _ => {}
        }
        at = end;
    }
    let (Some(header), Some(g1), Some(g2)) = (header, g1, g2) else {
        return Err(SrsError::Format);
    };
    // Header: 4-byte field size, the modulus of Fq, power, ceremony power.
    let modulus = halo2curves_modulus();
    if header.len() < 44 || header[..4] != 32u32.to_le_bytes() || header[4..36] != modulus {
        return Err(SrsError::Format);
    }
    let has = u32::from_le_bytes(header[36..40].try_into().expect("four bytes"));
    let n = 1usize << k;
    if has < k || g1.len() < (n + 1) * 64 {
        return Err(SrsError::TooSmall { k, has });
    }
    // Coordinates are 32 bytes little-endian in Montgomery form, as halo2curves keeps them in memory.
    let powers: Vec<G1Affine> = g1[..(n + 1) * 64]
        .par_chunks(64)
        .map(|b| read_g1(b).map_err(|_| SrsError::Format))
        .collect::<Result<_, _>>()?;
    let g2 = g2.get(..256).ok_or(SrsError::Format)?;
    let read_g2 = |b: &[u8]| G2Affine::read_raw(&mut &b[..]).map_err(|_| SrsError::Format);
    let (one, tau) = (read_g2(&g2[..128])?, read_g2(&g2[128..])?);
    consistent(&powers, one, tau)?;
    Ok(Bases::from_powers(k, &powers, one, tau))
}

fn halo2curves_modulus() -> [u8; 32] {
    use ff::PrimeField;
    use halo2curves::bn256::Fq;
    // -1 is the modulus less one; the modulus is odd, so its low byte does not carry.
    let mut bytes: [u8; 32] = (-Fq::ONE).to_repr().as_ref().try_into().expect("32 bytes");
    bytes[0] += 1;
    bytes
}

/// halo2's `ParamsKZG::write_custom(RawBytes)`. It lacks `[tau^n]_1`, so only half of it is used.
fn read_halo2(bytes: &[u8], k: u32) -> Result<Bases, SrsError> {
    let has = bytes
        .get(..4)
        .map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")))
        .ok_or(SrsError::Format)?;
    if !(1..=28).contains(&has) || bytes.len() != 4 + (1usize << has) * 128 + 256 {
        return Err(SrsError::Format);
    }
    if has <= k {
        return Err(SrsError::TooSmall { k, has: has - 1 });
    }
    let n = 1usize << k;
    let powers: Vec<G1Affine> = bytes[4..4 + (n + 1) * 64]
        .par_chunks(64)
        .map(|b| read_g1(b).map_err(|_| SrsError::Format))
        .collect::<Result<_, _>>()?;
    let tail = &bytes[bytes.len() - 256..];
    let read_g2 = |b: &[u8]| G2Affine::read_raw(&mut &b[..]).map_err(|_| SrsError::Format);
    let (one, tau) = (read_g2(&tail[..128])?, read_g2(&tail[128..])?);
    consistent(&powers, one, tau)?;
    Ok(Bases::from_powers(k, &powers, one, tau))
}

/// `e(sum rho^i [tau^i], [tau]_2) = e(sum rho^i [tau^(i+1)], [1]_2)` for a rho hashed from the points.
fn consistent(powers: &[G1Affine], g2: G2Affine, tau_g2: G2Affine) -> Result<(), SrsError> {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for p in powers {
        let mut bytes = vec![];
        p.write_raw(&mut bytes).expect("writing to memory");
        hash.update(&bytes);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut limbs = [0u64; 4];
    for (l, b) in limbs.iter_mut().zip(digest.chunks(8)).take(3) {
        *l = u64::from_le_bytes(b.try_into().expect("eight bytes"));
    }
    let rho = Fr::from_raw(limbs);
    let n = powers.len() - 1;
    let scalars: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |p| Some(*p * rho))
        .take(n)
        .collect();
    let left = msm(&scalars, &powers[..n]).to_affine();
    let right = msm(&scalars, &powers[1..]).to_affine();
    let first = powers[0] == G1Affine::generator() && g2 == G2Affine::generator();
    let pair = halo2curves::bn256::pairing;
    if first && !bool::from(tau_g2.is_identity()) && pair(&left, &tau_g2) == pair(&right, &g2) {
        Ok(())
    } else {
        Err(SrsError::Inconsistent)
    }
}

/// Reads a whole SRS file.
pub(crate) fn read_srs_file(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    std::fs::File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::GroupEncoding;
    use halo2_proofs::poly::commitment::{Params, ParamsProver};
    use halo2_proofs::poly::ipa::commitment::ParamsIPA;

    #[test]
    fn transparent_generators_are_halo2s() {
        for k in [1, 5, 7] {
            let mut theirs = vec![];
            ParamsIPA::<G1Affine>::new(k).write(&mut theirs).unwrap();
            let bases = Bases::transparent(k);
            let Extra::Ipa { w, u } = &bases.extra else {
                panic!("transparent bases serve IPA");
            };
            let mut ours = k.to_le_bytes().to_vec();
            for p in bases.g.iter().chain(&bases.g_lagrange).chain([w, u]) {
                ours.extend_from_slice(p.to_bytes().as_ref());
            }
            assert_eq!(ours, theirs, "k = {k}");
        }
    }

    #[test]
    fn lagrange_bases_of_powers_are_those_of_the_known_tau() {
        let known = Bases::of_known_tau(6, Fr::from(77));
        let Extra::Kzg { tau_n, g2, tau_g2 } = known.extra else {
            panic!("a tau serves KZG");
        };
        let powers: Vec<G1Affine> = known.g.iter().copied().chain([tau_n]).collect();
        let from_powers = Bases::from_powers(6, &powers, g2, tau_g2);
        assert_eq!(from_powers.g_lagrange, known.g_lagrange);
    }
}
