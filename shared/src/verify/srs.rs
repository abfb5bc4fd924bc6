//! Which reference strings the verifier recognises, by their points.
//!
//! 1. Claim: a recognised KZG string is the one of a named ceremony, or the development string,
//!    whose tau everybody knows; IPA generators are recognised by a digest compiled in.
//! 2. The development tau is SHA-256 of [`DEV_TAU_SENTENCE`] as a little-endian integer mod r.
//! 3. Assumed: for a ceremony, that one of its contributors forgot their secret; for IPA, that the
//!    hash to the curve leaves no known relation.
//! 4. Source: SOUNDNESS condition 1; perpetual powers of tau (Ethereum Foundation), halo2_proofs'
//!    `ParamsIPA::new`.

use std::sync::Arc;

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{Field, PrimeField};
use sha2::{Digest, Sha256};

use super::prepared::{Generators, PreparedKey};
use crate::artifact::key::Srs;
use crate::encoding::{g1_to_bytes, g2_to_bytes};

/// SHA-256 of this sentence gives the development tau.
pub const DEV_TAU_SENTENCE: &[u8] =
    b"clearproof development reference string: everybody knows this tau, it proves nothing";

/// The published secret of the development reference string.
pub fn dev_tau() -> Fr {
    Fr::from_le_bytes_mod_order(&Sha256::digest(DEV_TAU_SENTENCE))
}

/// The development string's points for 2^k rows.
pub fn dev_srs(k: u32) -> Srs {
    let tau = dev_tau();
    let tau_n = tau.pow([1u64 << k]);
    Srs::Kzg {
        g1: G1Affine::generator(),
        tau_n_g1: (G1Affine::generator() * tau_n).into_affine(),
        g2: G2Affine::generator(),
        tau_g2: (G2Affine::generator() * tau).into_affine(),
    }
}

/// What the verifier knows of a key's reference string by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// A named ceremony.
    Ceremony(&'static str),
    /// Generators hashed to the curve, digest compiled in.
    Transparent,
    /// The development string: whoever made a proof may have forged it.
    Development,
    /// Not listed.
    Unlisted,
    /// Contradicts what is listed, for the reason given.
    Wrong(&'static str),
}

/// Recognises a key's reference string.
pub fn recognise(key: &PreparedKey) -> Recognised {
    match &key.key().srs {
        Srs::Kzg { g1, g2, tau_g2, .. } => {
            if *g2 * dev_tau() == tau_g2.into_group() {
                return Recognised::Development; // whatever the generators
            }
            let tau_g2_digest: [u8; 32] = Sha256::digest(g2_to_bytes(tau_g2)).into();
            let Some(ceremony) = CEREMONIES.iter().find(|c| c.tau_g2 == tau_g2_digest) else {
                return Recognised::Unlisted;
            };
            if *g1 != G1Affine::generator() || *g2 != G2Affine::generator() {
                return Recognised::Wrong("the generators are not the ceremony's");
            }
            let tau_n = key_tau_n_digest(key);
            match ceremony.tau_n.iter().find(|(k, _)| *k == key.key().k) {
                Some((_, digest)) if *digest == tau_n => Recognised::Ceremony(ceremony.name),
                Some(_) => Recognised::Wrong("[tau^n]_1 is not the ceremony's"),
                None => Recognised::Unlisted,
            }
        }
        Srs::Ipa { w, u } => {
            let digest = generators_digest(w, u, key.generators());
            match GENERATORS.iter().find(|(k, _)| *k == key.key().k) {
                Some((_, pinned)) if *pinned == digest => Recognised::Transparent,
                Some(_) => Recognised::Wrong("the generators are not those hashed to the curve"),
                None => Recognised::Unlisted,
            }
        }
    }
}

fn key_tau_n_digest(key: &PreparedKey) -> [u8; 32] {
    match &key.key().srs {
        Srs::Kzg { tau_n_g1, .. } => Sha256::digest(g1_to_bytes(tau_n_g1)).into(),
        Srs::Ipa { .. } => [0; 32],
    }
}

/// SHA-256 over W, U and the generators' digest: what [`GENERATORS`] pins for each k.
pub fn generators_digest(w: &G1Affine, u: &G1Affine, generators: &Arc<Generators>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(g1_to_bytes(w));
    hash.update(g1_to_bytes(u));
    hash.update(generators.digest());
    hash.finalize().into()
}

/// A powers-of-tau ceremony, by digests of the uncompressed points.
#[derive(Clone, Copy, Debug)]
pub struct Ceremony {
    /// Its name.
    pub name: &'static str,
    /// SHA-256 of `[tau]_2`.
    pub tau_g2: [u8; 32],
    /// For each k, SHA-256 of `[tau^(2^k)]_1`.
    pub tau_n: &'static [(u32, [u8; 32])],
}

/// The ceremonies that the verifier knows. None yet: a ceremony's points reach the verifier by the
/// auditor's trusted bundle.
pub const CEREMONIES: &[Ceremony] = &[];

/// `(k, generators_digest)` of halo2's `ParamsIPA::new(k)` on BN254.
pub const GENERATORS: &[(u32, [u8; 32])] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_tau_is_fixed() {
        let Srs::Kzg { tau_g2, g2, .. } = dev_srs(5) else {
            panic!("KZG")
        };
        assert_eq!((g2 * dev_tau()).into_affine(), tau_g2);
        assert_eq!(
            crate::encoding::hex(&crate::encoding::scalar_to_bytes(&dev_tau()))[..8].len(),
            8
        );
    }
}
