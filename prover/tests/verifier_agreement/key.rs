//! The portable key has one encoding.

use clearproof_shared::artifact::key::VerifyingKey;

use crate::setup::setups;

#[test]
fn the_key_round_trips_and_every_mutation_is_refused_or_another_key() {
    for setup in setups() {
        let bytes = setup.key.encode();
        assert_eq!(VerifyingKey::decode(&bytes).as_ref(), Ok(&setup.key));
        for length in 0..bytes.len() {
            assert!(VerifyingKey::decode(&bytes[..length]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(VerifyingKey::decode(&longer).is_err());
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << (position % 8);
            if let Ok(key) = VerifyingKey::decode(&flipped) {
                assert_eq!(key.encode(), flipped);
                assert_eq!(key.check(), Ok(()));
            }
        }
    }
}
