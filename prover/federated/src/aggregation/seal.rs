//! Messages for one party's eyes: HPKE in base mode; the sender is known by the signature around it.
//!
//! The manifest's digest, the sender and the receiver are the `info` of each sealing, so nothing sealed opens in
//! another round or for another pair. Source: RFC 9180, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//! ChaCha20Poly1305.

use std::convert::Infallible;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use rand_core::{CryptoRng, RngCore};
use rand_core_0_10::{TryCryptoRng, TryRng};
use zeroize::Zeroizing;

/// Key encapsulation.
pub(super) type Kem = X25519HkdfSha256;
/// Bytes that sealing adds.
pub(super) const OVERHEAD: usize = ENCAPSULATED + 16;
const ENCAPSULATED: usize = 32;

/// From whom to whom, in which round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route<'a> {
    pub(super) manifest: &'a [u8; 32],
    pub(super) from: u16,
    pub(super) to: u16,
}

impl Route<'_> {
    fn info(&self) -> Vec<u8> {
        let (from, to) = (self.from.to_le_bytes(), self.to.to_le_bytes());
        [TAG, &self.manifest[..], &from, &to].concat()
    }
}

/// Seals a message to a public key; none where it is no key.
pub(super) fn seal(
    to: &[u8; 32],
    route: Route<'_>,
    plaintext: &[u8],
    rng: &mut (impl RngCore + CryptoRng),
) -> Option<Vec<u8>> {
    let key = Deserializable::from_bytes(to).ok()?;
    let (encapsulated, ciphertext) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeS::Base,
            &key,
            &route.info(),
            plaintext,
            &[],
            &mut Current(rng),
        )
        .ok()?;
    Some([&encapsulated.to_bytes()[..], &ciphertext].concat())
}

/// Opens what was sealed to this key; none where it was not, or was changed.
pub(super) fn open(
    key: &<Kem as hpke::Kem>::PrivateKey,
    route: Route<'_>,
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED)?;
    let encapsulated = Deserializable::from_bytes(encapsulated).ok()?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeR::Base,
        key,
        &encapsulated,
        &route.info(),
        ciphertext,
        &[],
    )
    .ok()
    .map(Zeroizing::new)
}

/// A generator under the current traits.
struct Current<'a, R>(&'a mut R);

impl<R: RngCore> TryRng for Current<'_, R> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl<R: RngCore + CryptoRng> TryCryptoRng for Current<'_, R> {}

const TAG: &[u8] = b"clearproof federated seal v1";

#[cfg(test)]
mod tests {
    use super::super::identity::Identity;
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn only_the_receiver_of_this_round_opens() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (a, b) = (
            Identity::generate("a", &mut rng),
            Identity::generate("b", &mut rng),
        );
        let route = Route {
            manifest: &[1; 32],
            from: 0,
            to: 1,
        };
        let sealed = seal(&b.entry().sealing_key, route, b"share", &mut rng).expect("a key");
        assert_eq!(sealed.len(), 5 + OVERHEAD);
        let opened = open(b.sealing(), route, &sealed).expect("sealed to b");
        assert_eq!(&opened[..], b"share");
        assert!(open(a.sealing(), route, &sealed).is_none());
        for other in [
            Route {
                manifest: &[2; 32],
                ..route
            },
            Route { from: 1, ..route },
            Route { to: 0, ..route },
        ] {
            assert!(open(b.sealing(), other, &sealed).is_none());
        }
        for byte in [0, 40, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            assert!(open(b.sealing(), route, &changed).is_none());
        }
        assert!(open(b.sealing(), route, &sealed[..20]).is_none());
    }
}
