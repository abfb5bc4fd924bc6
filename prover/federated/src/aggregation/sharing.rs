//! Shamir's secret sharing of vectors, t of the shares drawn from seeds.
//!
//! Claim: the shares of a vector v are the values of a uniform polynomial f of degree t with f(0) = v at the
//! holders' points: the shares of t holders are uniform (expanded from 32 bytes by ChaCha20, so a seed is sent
//! instead), and f is the polynomial through them and v. Any t shares are then distributed alike for all v.
//! Source: Shamir 1979.

use ff::Field;
use halo2curves::bn256::Fr;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use zeroize::Zeroizing;

use super::setup::Setup;
use super::vectors::{add_multiple, SecretVector};

/// A share as it is sent.
pub(super) enum Share {
    /// To be expanded.
    Seed(Zeroizing<[u8; 32]>),
    /// As it is.
    Scalars(SecretVector),
}

impl Share {
    /// The seed, where there is one.
    pub(super) fn seed(&self) -> Option<Zeroizing<[u8; 32]>> {
        match self {
            Share::Seed(seed) => Some(seed.clone()),
            Share::Scalars(_) => None,
        }
    }

    /// The scalars.
    pub(super) fn expand(&self, length: usize) -> SecretVector {
        match self {
            Share::Seed(seed) => expand(seed, length),
            Share::Scalars(scalars) => scalars.clone(),
        }
    }
}

/// Uniform scalars of a seed.
pub(super) fn expand(seed: &[u8; 32], length: usize) -> SecretVector {
    SecretVector::random(length, &mut ChaCha20Rng::from_seed(*seed))
}

/// Shares `secret` among the holders of a round; in their order.
pub(super) fn share(
    setup: &Setup,
    dealer: u16,
    secret: &SecretVector,
    rng: &mut impl RngCore,
) -> Vec<Share> {
    let seeded = setup.seeded(dealer);
    let seeds: Vec<Zeroizing<[u8; 32]>> = seeded
        .iter()
        .map(|_| {
            let mut seed = Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut seed[..]);
            seed
        })
        .collect();
    let expanded: Vec<SecretVector> = seeds.iter().map(|s| expand(s, secret.len())).collect();
    let mut nodes = vec![Fr::ZERO];
    nodes.extend(seeded.iter().map(|h| Setup::point(*h)));
    (0..setup.manifest().holders.len())
        .map(|holder| {
            if let Some(i) = seeded.iter().position(|h| *h == holder) {
                return Share::Seed(seeds[i].clone());
            }
            let weights = weights(&nodes, Setup::point(holder));
            let mut scalars = SecretVector(vec![Fr::ZERO; secret.len()]);
            for (weight, vector) in weights.iter().zip([secret].into_iter().chain(&expanded)) {
                add_multiple(&mut scalars, *weight, vector);
            }
            Share::Scalars(scalars)
        })
        .collect()
}

/// Lagrange weights: `f(at) = sum_i weight_i f(node_i)` for every f of degree below the number of nodes.
pub(super) fn weights(nodes: &[Fr], at: Fr) -> Vec<Fr> {
    nodes
        .iter()
        .map(|node| {
            let others = nodes.iter().filter(|other| *other != node);
            let (numerator, denominator) = others.fold((Fr::ONE, Fr::ONE), |(n, d), other| {
                (n * (at - other), d * (*node - other))
            });
            numerator * denominator.invert().expect("nodes are distinct")
        })
        .collect()
}
