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

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use sha2::{Digest, Sha256};

use super::prepared::Generators;
use crate::artifact::key::{Srs, VerifyingKey};
use crate::bn254::{Fr, G1Affine, G2Affine};
use crate::encoding::{g1_to_bytes, g2_to_bytes, scalar_from_bytes_mod_order};

/// SHA-256 of this sentence gives the development tau.
pub const DEV_TAU_SENTENCE: &[u8] =
    b"clearproof development reference string: everybody knows this tau, it proves nothing";

/// The published secret of the development reference string.
pub fn dev_tau() -> Fr {
    scalar_from_bytes_mod_order(&Sha256::digest(DEV_TAU_SENTENCE))
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
pub fn recognise(key: &VerifyingKey, generators: &Arc<Generators>) -> Recognised {
    match &key.srs {
        Srs::Kzg {
            g1,
            tau_n_g1,
            g2,
            tau_g2,
        } => {
            let tau_g2_digest: [u8; 32] = Sha256::digest(g2_to_bytes(tau_g2)).into();
            // Whatever the generators: the multiplication is spared for the usual one.
            let development = match *g2 == G2Affine::generator() {
                true => tau_g2_digest == DEV_TAU_G2,
                false => *g2 * dev_tau() == tau_g2.into_group(),
            };
            if development {
                return Recognised::Development;
            }
            let Some(ceremony) = CEREMONIES.iter().find(|c| c.tau_g2 == tau_g2_digest) else {
                return Recognised::Unlisted;
            };
            if *g1 != G1Affine::generator() || *g2 != G2Affine::generator() {
                return Recognised::Wrong("the generators are not the ceremony's");
            }
            let tau_n: [u8; 32] = Sha256::digest(g1_to_bytes(tau_n_g1)).into();
            match ceremony.tau_n.iter().find(|(k, _)| *k == key.k) {
                Some((_, digest)) if *digest == tau_n => Recognised::Ceremony(ceremony.name),
                Some(_) => Recognised::Wrong("[tau^n]_1 is not the ceremony's"),
                None => Recognised::Unlisted,
            }
        }
        Srs::Ipa { w, u } => {
            let digest = generators_digest(w, u, generators);
            match GENERATORS.iter().find(|(k, _)| *k == key.k) {
                Some((_, pinned)) if *pinned == digest => Recognised::Transparent,
                Some(_) => Recognised::Wrong("the generators are not those hashed to the curve"),
                None => Recognised::Unlisted,
            }
        }
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

/// SHA-256 of the development string's `[tau]_2` over the usual generator.
const DEV_TAU_G2: [u8; 32] =
    digest(b"58f59cd51ab0f156a2dfbcda558d359ade162bb1d4baf5113fdf5efbe9a7dd0d");

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

/// `(k, generators_digest)` of halo2's `ParamsIPA::new(k)` on BN254; the prover's tests derive them.
pub const GENERATORS: &[(u32, [u8; 32])] = &[
    (
        5,
        digest(b"684545ef465126c8b6ab07dcaa45661d1b8412147d5f2ddd93b302fc796a0872"),
    ),
    (
        6,
        digest(b"ea3435c4c5b9ac0ef26b93b83223dfa556fe52026a763fc8404ed0e5b0e8466b"),
    ),
    (
        7,
        digest(b"ce289f118a4919b909c6d76675f972b0f536ba854cc438a368b79331f9f04b81"),
    ),
    (
        8,
        digest(b"6aeea3d1320c6a966fa3686a5dae66a17103c99421781a2d794fdbbda5b7a103"),
    ),
    (
        9,
        digest(b"9bb7bfd7590a7c907378ddbf933b4dafb662397bf924c41e38b5af47b40b95f6"),
    ),
    (
        10,
        digest(b"aadace2a660cb55370c05dbe7e666374f73e10da26a541c00d364d33c795908e"),
    ),
    (
        11,
        digest(b"741c058f2df2c49900950666c64086ce8ceb915348b0bfcdaad4217520dd414c"),
    ),
    (
        12,
        digest(b"cfef22fa1d002940234774c8182b3aaeced203998c2b54809f928fe990a813ec"),
    ),
    (
        13,
        digest(b"3cb70f0c79f15df81f94b4de9ba5a83576ef96ac57ca71bbb4b72c4188da3a55"),
    ),
    (
        14,
        digest(b"aa61dae8e9f694170c71f2d51eab208d72e0b06241f70ee7478866506c37a3e3"),
    ),
    (
        15,
        digest(b"0e707cd1a15c33ab199bf267522a5d367b44d2dcaa2b30b4d383a3b60060b7ad"),
    ),
    (
        16,
        digest(b"7a6cd833c5d59a9d292745331402e749518b035c4fb1d5fd744b272521b15a19"),
    ),
];

/// The bytes of 64 lower-case hexadecimal digits.
const fn digest(text: &[u8; 64]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 64 {
        let value = match text[i] {
            digit @ b'0'..=b'9' => digit - b'0',
            letter => letter - b'a' + 10,
        };
        bytes[i / 2] = bytes[i / 2] << 4 | value;
        i += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_tau_is_fixed() {
        let Srs::Kzg { tau_g2, g2, .. } = dev_srs(5) else {
            panic!("KZG")
        };
        assert_eq!((g2 * dev_tau()).into_affine(), tau_g2);
        let tau_g2_digest: [u8; 32] = Sha256::digest(g2_to_bytes(&tau_g2)).into();
        let hex = crate::encoding::hex;
        assert_eq!(hex(&tau_g2_digest), hex(&DEV_TAU_G2));
        let tau = hex(&crate::encoding::scalar_to_bytes(&dev_tau()));
        assert_eq!(tau, DEV_TAU_HEX);
    }

    const DEV_TAU_HEX: &str = "9cd13d45f818bb64d11a845725788c2ec2387064820727aada5711ef2e67dd01";
}
