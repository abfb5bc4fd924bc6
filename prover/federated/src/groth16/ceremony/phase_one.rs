//! Powers of tau, which all statements share.
//!
//! 1. Claim: [`PhaseOne::from_ptau`] accepts a file iff there are tau, alpha, beta, none of them zero, with
//!    `tau^i`, `alpha tau^i`, `beta tau^i` in G1, `tau^i` and `beta` in G2 where the file says so. Who knows them, it cannot tell:
//!    the file's digest is what auditors agree on.
//! 2. Format: iden3's `.ptau`: magic, version 1, sections; 1: header, 2: `tau^i` in G1 (2 n - 1 points), 3: in G2 (n), 4:
//!    `alpha tau^i`, 5: `beta tau^i`, 6: beta in G2. Coordinates are little-endian in Montgomery form.
//! 3. [`PhaseOne::insecure`]: tau, alpha, beta are the hash of a published text; recognised by its points.
//! 4. Checks by pairings on random combinations, e.g. `e(sum r^i tau^(i+1), 1) = e(sum r^i tau^i, tau)`.
//! 5. Source: Bowe, Gabizon, Miers 2017, section 4; snarkjs 0.7 for the format.

use std::collections::HashMap;

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{BigInt, PrimeField, UniformRand};
use ark_poly::domain::DomainCoeff;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::CeremonyError;

/// Powers of tau.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseOne {
    source: Source,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Points {
        powers: Box<Powers>,
        digest: [u8; 32],
    },
    /// Outside tests always those of [`PhaseOne::insecure`].
    Published(Secrets),
}

/// The secrets of a first phase that is good for trials only.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Secrets {
    pub(super) tau: Fr,
    pub(super) alpha: Fr,
    pub(super) beta: Fr,
}

#[derive(Clone, Debug, PartialEq)]
struct Powers {
    log_size: u32,
    tau_g1: Vec<G1Affine>,
    tau_g2: Vec<G2Affine>,
    alpha_g1: Vec<G1Affine>,
    beta_g1: Vec<G1Affine>,
    beta_g2: G2Affine,
}

/// Values of the Lagrange polynomials of a domain at tau.
pub(super) struct Lagrange {
    pub(super) tau_g1: Vec<G1Affine>,
    pub(super) tau_g2: Vec<G2Affine>,
    pub(super) alpha_g1: Vec<G1Affine>,
    pub(super) beta_g1: Vec<G1Affine>,
    pub(super) alpha: G1Affine,
    pub(super) beta: G1Affine,
    pub(super) beta_g2: G2Affine,
    /// `tau^j (tau^n - 1)`.
    pub(super) h: Vec<G1Affine>,
}

impl PhaseOne {
    /// Published secrets: everybody can forge. For trials.
    pub fn insecure() -> Self {
        let secret = |name: &str| {
            let digest = Sha256::digest(format!("clearproof insecure powers of tau: {name}"));
            Fr::from_le_bytes_mod_order(&digest)
        };
        let [tau, alpha, beta] = ["tau", "alpha", "beta"].map(secret);
        Self {
            source: Source::Published(Secrets { tau, alpha, beta }),
        }
    }

    /// Reads and checks a `.ptau` file.
    ///
    /// # Errors
    /// [`CeremonyError::PhaseOne`].
    pub fn from_ptau(bytes: &[u8]) -> Result<Self, CeremonyError> {
        let powers = read(bytes)?;
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        check(&powers, digest)?;
        // Known secrets are known in any form.
        let published = Self::insecure();
        if published
            .secrets()
            .is_some_and(|s| powers.tau_g1[1] == G1Affine::generator() * s.tau)
        {
            return Ok(published);
        }
        Ok(Self {
            source: Source::Points {
                powers: Box::new(powers),
                digest,
            },
        })
    }

    /// Secrets that nobody published: cheaper than a file.
    #[cfg(test)]
    pub(super) fn of_secrets(tau: Fr, alpha: Fr, beta: Fr) -> Self {
        Self {
            source: Source::Published(Secrets { tau, alpha, beta }),
        }
    }

    /// Whether its secrets are published.
    pub fn is_insecure(&self) -> bool {
        self == &Self::insecure()
    }

    /// SHA-256 of the file, or of the published tau's point.
    pub fn digest(&self) -> [u8; 32] {
        match &self.source {
            Source::Points { digest, .. } => *digest,
            Source::Published(secrets) => {
                let point = (G1Affine::generator() * secrets.tau).into_affine();
                Sha256::digest(crate::groth16::ark_bytes(&point)).into()
            }
        }
    }

    /// Logarithm of the largest domain.
    pub(super) fn log_size(&self) -> u32 {
        match &self.source {
            Source::Points { powers, .. } => powers.log_size,
            Source::Published(_) => MOST_LOG_SIZE,
        }
    }

    pub(super) fn secrets(&self) -> Option<&Secrets> {
        match &self.source {
            Source::Points { .. } => None,
            Source::Published(secrets) => Some(secrets),
        }
    }

    pub(super) fn lagrange(&self, log_size: u32) -> Result<Lagrange, CeremonyError> {
        let Source::Points { powers, .. } = &self.source else {
            return Err(CeremonyError::PhaseOne(
                "its secrets are published; no points are needed",
            ));
        };
        let size = 1usize << log_size;
        let domain = Radix2EvaluationDomain::<Fr>::new(size)
            .ok_or(CeremonyError::PhaseOne("the domain is too large"))?;
        // L_j(tau) = (1 / n) sum_i w^(-ij) tau^i: an inverse Fourier transform of points.
        let g1 = |points: &[G1Affine]| G1Projective::normalize_batch(&transform(&domain, points));
        let ((tau_g1, alpha_g1), (beta_g1, tau_g2)) = rayon::join(
            || (g1(&powers.tau_g1[..size]), g1(&powers.alpha_g1[..size])),
            || {
                let tau_g2 = transform(&domain, &powers.tau_g2[..size]);
                (
                    g1(&powers.beta_g1[..size]),
                    G2Projective::normalize_batch(&tau_g2),
                )
            },
        );
        let pairs = powers.tau_g1[size..]
            .iter()
            .zip(&powers.tau_g1)
            .take(size - 1);
        let h: Vec<G1Projective> = pairs.map(|(high, low)| *high - low.into_group()).collect();
        Ok(Lagrange {
            tau_g1,
            tau_g2,
            alpha_g1,
            beta_g1,
            alpha: powers.alpha_g1[0],
            beta: powers.beta_g1[0],
            beta_g2: powers.beta_g2,
            h: G1Projective::normalize_batch(&h),
        })
    }
}

fn transform<C: AffineRepr<ScalarField = Fr>>(
    domain: &Radix2EvaluationDomain<Fr>,
    points: &[C],
) -> Vec<C::Group>
where
    C::Group: DomainCoeff<Fr>,
{
    let mut points: Vec<C::Group> = points.iter().map(|p| p.into_group()).collect();
    domain.ifft_in_place(&mut points);
    points
}

fn check(powers: &Powers, digest: [u8; 32]) -> Result<(), CeremonyError> {
    let refuse = |reason| Err(CeremonyError::PhaseOne(reason));
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    if powers.tau_g1[0] != g1 || powers.tau_g2[0] != g2 {
        return refuse("they do not start at the generators");
    }
    let zero =
        powers.tau_g1[1].is_zero() || powers.alpha_g1[0].is_zero() || powers.beta_g1[0].is_zero();
    if zero {
        return refuse("a secret is zero");
    }
    let mut rng = ChaCha20Rng::from_seed(digest);
    let mut random =
        |count: usize| -> Vec<Fr> { (0..count).map(|_| Fr::from(u128::rand(&mut rng))).collect() };
    let tau_g2 = powers.tau_g2[1];
    // Neighbours in G1 have ratio tau.
    for (points, reason) in [
        (
            &powers.tau_g1,
            "the powers of tau in G1 are not powers of one number",
        ),
        (
            &powers.alpha_g1,
            "the powers times alpha have another ratio",
        ),
        (&powers.beta_g1, "the powers times beta have another ratio"),
    ] {
        let rho = random(points.len() - 1);
        let low = G1Projective::msm_unchecked(&points[..points.len() - 1], &rho);
        let high = G1Projective::msm_unchecked(&points[1..], &rho);
        if Bn254::pairing(high, g2) != Bn254::pairing(low, tau_g2) {
            return refuse(reason);
        }
    }
    let rho = random(powers.tau_g2.len() - 1);
    let low = G2Projective::msm_unchecked(&powers.tau_g2[..powers.tau_g2.len() - 1], &rho);
    let high = G2Projective::msm_unchecked(&powers.tau_g2[1..], &rho);
    if Bn254::pairing(g1, high) != Bn254::pairing(powers.tau_g1[1], low) {
        return refuse("the powers of tau in G2 are not those of G1");
    }
    match Bn254::pairing(powers.beta_g1[0], g2) == Bn254::pairing(g1, powers.beta_g2) {
        true => Ok(()),
        false => refuse("beta differs between the groups"),
    }
}

fn read(bytes: &[u8]) -> Result<Powers, CeremonyError> {
    let short = || CeremonyError::PhaseOne("the file is cut off or no .ptau file");
    // 1. Sections by number.
    let word = |at: usize| {
        let bytes = bytes.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    };
    if bytes.get(..4) != Some(b"ptau") || word(4) != Some(1) {
        return Err(short());
    }
    let count = word(8).filter(|&count| count <= 64).ok_or_else(short)?;
    let mut sections: HashMap<u32, &[u8]> = HashMap::new();
    let mut rest = &bytes[12..];
    for _ in 0..count {
        let (head, body) = rest.split_at_checked(12).ok_or_else(short)?;
        let (id, length) = head.split_at(4);
        let id = u32::from_le_bytes(id.try_into().map_err(|_| short())?);
        let length = u64::from_le_bytes(length.try_into().map_err(|_| short())?);
        let length = usize::try_from(length).map_err(|_| short())?;
        let (section, after) = body.split_at_checked(length).ok_or_else(short)?;
        sections.insert(id, section);
        rest = after;
    }
    let section = |id: u32| sections.get(&id).copied().ok_or_else(short);
    // 2. Header: bytes of a coordinate, the prime, the powers' logarithm.
    let header = section(1)?;
    let prime: Vec<u8> = Fq::MODULUS
        .0
        .iter()
        .flat_map(|limb| limb.to_le_bytes())
        .collect();
    if header.len() < 40 || header[..4] != 32u32.to_le_bytes() || header[4..36] != prime {
        return Err(CeremonyError::PhaseOne(
            "they are of another curve than BN254",
        ));
    }
    let log_size = u32::from_le_bytes([header[36], header[37], header[38], header[39]]);
    if !(1..=MOST_LOG_SIZE).contains(&log_size) {
        return Err(CeremonyError::PhaseOne("there must be 2^1 to 2^22 of them"));
    }
    // 3. Points: lengths first, so that nothing large is allocated for a short file.
    let size = 1usize << log_size;
    let g1 = |id: u32, count: usize| read_points(section(id)?, count, read_g1);
    let g2 = |id: u32, count: usize| read_points(section(id)?, count, read_g2);
    Ok(Powers {
        log_size,
        tau_g1: g1(2, 2 * size - 1)?,
        tau_g2: g2(3, size)?,
        alpha_g1: g1(4, size)?,
        beta_g1: g1(5, size)?,
        beta_g2: g2(6, 1)?[0],
    })
}

fn read_points<P: Send>(
    bytes: &[u8],
    count: usize,
    read: impl Fn(&[u8]) -> Option<P> + Send + Sync,
) -> Result<Vec<P>, CeremonyError> {
    use rayon::prelude::*;
    let size = bytes.len() / count;
    if size * count != bytes.len() || size == 0 {
        return Err(CeremonyError::PhaseOne("a section has the wrong length"));
    }
    let points: Option<Vec<P>> = bytes.par_chunks_exact(size).map(read).collect();
    points.ok_or(CeremonyError::PhaseOne("a point is not in its group"))
}

fn read_g1(bytes: &[u8]) -> Option<G1Affine> {
    let [x, y] = coordinates::<2>(bytes)?;
    let point = G1Affine::new_unchecked(x, y);
    point.is_on_curve().then_some(point)
}

fn read_g2(bytes: &[u8]) -> Option<G2Affine> {
    let [x0, x1, y0, y1] = coordinates::<4>(bytes)?;
    let point = G2Affine::new_unchecked(Fq2::new(x0, x1), Fq2::new(y0, y1));
    let member = point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve();
    member.then_some(point)
}

/// Montgomery form with R = 2^256, as in arkworks.
fn coordinates<const N: usize>(bytes: &[u8]) -> Option<[Fq; N]> {
    let (chunks, rest) = bytes.as_chunks::<32>();
    if chunks.len() != N || !rest.is_empty() {
        return None;
    }
    let mut result = [Fq::from(0u64); N];
    for (result, chunk) in result.iter_mut().zip(chunks) {
        let mut limbs = [0u64; 4];
        for (limb, bytes) in limbs.iter_mut().zip(chunk.as_chunks::<8>().0) {
            *limb = u64::from_le_bytes(*bytes);
        }
        let number = BigInt(limbs);
        if number >= Fq::MODULUS {
            return None;
        }
        *result = Fq::new_unchecked(number);
    }
    Some(result)
}

const MOST_LOG_SIZE: u32 = 22;

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A `.ptau` file of known secrets.
    pub(crate) fn ptau(log_size: u32, tau: Fr, alpha: Fr, beta: Fr) -> Vec<u8> {
        let size = 1usize << log_size;
        let raw =
            |x: Fq| -> Vec<u8> { x.0 .0.iter().flat_map(|limb| limb.to_le_bytes()).collect() };
        let g1 = |factor: Fr, count: usize| -> Vec<u8> {
            let powers = std::iter::successors(Some(factor), |p| Some(*p * tau)).take(count);
            let points = powers.map(|p| (G1Affine::generator() * p).into_affine());
            points.flat_map(|p| [raw(p.x), raw(p.y)].concat()).collect()
        };
        let g2 = |factor: Fr, count: usize| -> Vec<u8> {
            let powers = std::iter::successors(Some(factor), |p| Some(*p * tau)).take(count);
            let points = powers.map(|p| (G2Affine::generator() * p).into_affine());
            points
                .flat_map(|p| [p.x.c0, p.x.c1, p.y.c0, p.y.c1].map(raw).concat())
                .collect()
        };
        let mut header = 32u32.to_le_bytes().to_vec();
        header.extend(Fq::MODULUS.0.iter().flat_map(|limb| limb.to_le_bytes()));
        header.extend(log_size.to_le_bytes());
        header.extend(log_size.to_le_bytes());
        let one = Fr::from(1u64);
        let sections = [
            header,
            g1(one, 2 * size - 1),
            g2(one, size),
            g1(alpha, size),
            g1(beta, size),
            g2(beta, 1),
        ];
        let mut file = [b"ptau", &1u32.to_le_bytes(), &6u32.to_le_bytes()]
            .map(|b| &b[..])
            .concat();
        for (index, section) in sections.iter().enumerate() {
            file.extend((index as u32 + 1).to_le_bytes());
            file.extend((section.len() as u64).to_le_bytes());
            file.extend(section);
        }
        file
    }
}
